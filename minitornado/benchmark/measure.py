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
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from minitornado.cli.output import Complaint

from .peers import ROOT

PR_SET_PDEATHSIG = 1  # man 2 prctl
START_SECONDS = 20.0  # for a server to say its port
END_SECONDS = 1.0  # for one that seems to have ended


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


@contextlib.contextmanager
def started(
    command: Sequence[str], core: int, errors: IO[str]
) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Start a program on a core, and kill it in the end: also when we are killed.

    Yields it, and what it prints.  It has a session of its own: Ctrl-C is for us, and we end it.
    """
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, {core})

    with warnings.catch_warnings(), _ctrl_c_noted() as interrupted:
        # Python 3.12 warns of code between fork and exec while there are other threads, such as
        # that of a progress bar: it may wait for a lock that nobody will give back.  This takes
        # none.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, text=True,
            preexec_fn=prepare, start_new_session=True, env=environment(),
        )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        try:
            if interrupted:
                raise KeyboardInterrupt
            yield process, process.stdout
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _ctrl_c_noted() -> Iterator[list[int]]:
    """Have Ctrl-C put into a list, for who can't be interrupted now.

    Python runs functions before and after a fork, those of `logging` say; what is raised in
    one of them it reports, and goes on.
    """
    noted: list[int] = []
    ours = threading.current_thread() is threading.main_thread()  # which alone is interrupted
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield noted
        return
    signal.signal(signal.SIGINT, lambda number, _frame: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def serving(command: Sequence[str], core: int) -> Iterator[Server]:
    """Start a server on a core, and end it."""
    with (
        tempfile.TemporaryFile("w+") as said,
        started(command, core, said) as (process, printed),
    ):
        ready, _, _ = select.select([printed], [], [], START_SECONDS)
        port = printed.readline() if ready else ""
        if not port.strip().isdigit():
            process.kill()
            process.wait()
            raise Complaint(f"{_name(command)} does not start: {last_line(said)}")
        try:
            yield Server(process.pid, int(port))
        except OSError:
            # A process that is ending loses its memory first, and what /proc tells of it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            if process.returncode is None:
                raise
            raise Complaint(f"{_name(command)} has ended: {last_line(said)}") from None


def _name(command: Sequence[str]) -> str:
    return next(Path(word).name for word in command if word.endswith(".py"))


def last_line(said: IO[str]) -> str:
    said.seek(0)
    return (said.read().strip() or "no word").splitlines()[-1]


@contextlib.contextmanager
def many_fds(wanted: int) -> Iterator[int]:
    """Let us and our children open `wanted` files, or as many as may be; yields how many."""
    soft, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        enough = hard == resource.RLIM_INFINITY or hard >= wanted
        soft = wanted
        try:  # only root may raise the hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard if enough else wanted))
        except (ValueError, OSError):
            soft = hard
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
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
        "kernel": platform.release().split("-")[0],  # the rest is a builder's own
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": platform.python_compiler(),
        "pinned": cores.server != cores.load,
    }
