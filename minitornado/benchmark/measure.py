"""What the kernel tells of a process: its CPU time, its memory, its page faults; and the machine.

CPU time is the figure to trust.  Requests a second suffer from whatever else the machine does;
the nanoseconds that a process has spent on a CPU do so much less.  Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import resource
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from minitornado.cli.output import Complaint

from .peers import ROOT

PR_SET_PDEATHSIG = 1  # man 2 prctl
START_SECONDS = 20.0  # for a server to say its port


class Server:
    """A process that serves on `port`, and what the kernel tells of it."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port

    def cpu(self) -> float:
        """Seconds of CPU time, of all threads, in user code and in the kernel; proc(5)."""
        stats = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(stat.read_text().split()[0]) for stat in stats) / 1e9

    def resident(self) -> int:
        """Bytes of memory that are in RAM, shared libraries included."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        found = re.search(r"^Rss: +(\d+) kB", text, re.MULTILINE)
        assert found is not None, "smaps_rollup has an Rss"
        return int(found[1]) * 1024

    def faults(self) -> int:
        """How many pages it has touched for the first time."""
        return self._stat()[7]

    def kernel_share(self) -> float:
        """The share of its CPU time that was spent in the kernel; sampled by the kernel."""
        user, system = self._stat()[11:13]
        return system / max(1, user + system)

    def _stat(self) -> list[int]:
        # The name, in parentheses, may hold blanks; what counts begins two fields behind it.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return [0, *map(int, fields[1:])]


class Cores:
    """One core for the server, another for the load; the same if there is only one."""

    def __init__(self) -> None:
        self.all = sorted(os.sched_getaffinity(0))
        self.server, self.load = self.all[0], self.all[-1]

    @contextlib.contextmanager
    def load_here(self) -> Iterator[None]:
        """Keep this process, and what it starts as load, off the server's core."""
        os.sched_setaffinity(0, {self.load})
        try:
            yield
        finally:
            os.sched_setaffinity(0, self.all)


def environment() -> dict[str, str]:
    """What a program is started with: ours, and the way to minitornado.

    Nothing of ours that is for Python: PYTHONDONTWRITEBYTECODE would have minitornado compiled
    at every start, and not the installed peers.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def child_of_ours(core: int) -> Callable[[], None]:
    """Return what a child does before it becomes another program: it takes its core, and is to
    be killed when we die, whatever kills us.
    """
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, {core})

    return prepare


@contextlib.contextmanager
def serving(command: Sequence[str], core: int) -> Iterator[Server]:
    """Start a server on a core, and end it."""
    with tempfile.TemporaryFile("w+") as said:
        # A session of its own: Ctrl-C is for us, and we end it.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, stdin=subprocess.DEVNULL, text=True,
            preexec_fn=child_of_ours(core), start_new_session=True, env=environment(),
        )  # fmt: skip
        try:
            assert process.stdout is not None
            said_soon, _, _ = select.select([process.stdout], [], [], START_SECONDS)
            port = process.stdout.readline() if said_soon else ""
            if not port.strip().isdigit():
                process.kill()
                process.wait()
                raise Complaint(f"{_name(command)} does not start: {_last_line(said)}")
            yield Server(process.pid, int(port))
        except OSError:
            if process.poll() is None:
                raise
            raise Complaint(f"{_name(command)} has ended: {_last_line(said)}") from None
        finally:
            process.kill()
            process.communicate()


def _name(command: Sequence[str]) -> str:
    return next(Path(word).name for word in command if word.endswith(".py"))


def _last_line(said: IO[str]) -> str:
    said.seek(0)
    return (said.read().strip() or "no word").splitlines()[-1]


@contextlib.contextmanager
def many_fds(wanted: int) -> Iterator[int]:
    """Let us and our children open `wanted` files, or as many as may be; yields how many."""
    soft, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):  # beyond the hard one only root may go
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
            soft = wanted
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield wanted if soft == resource.RLIM_INFINITY else soft
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def machine(cores: Cores) -> dict[str, Any]:
    """What the figures depend on."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", info, re.M)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": platform.python_compiler(),
        "pinned": cores.server != cores.load,
    }
