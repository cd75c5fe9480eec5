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
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from minitornado.cli.output import Complaint

from .peers import ROOT

PR_SET_PDEATHSIG = 1  # man 2 prctl
START_SECONDS = 20.0  # for a server to say its port


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, in user code and in the kernel; proc(5), schedstat."""
    stats = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(stat.read_text().split()[0]) for stat in stats) / 1e9


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM, shared libraries included."""
    found = re.search(r"^Rss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    assert found is not None, "smaps_rollup has an Rss"
    return int(found[1]) * 1024


def page_faults(pid: int) -> int:
    """Pages that a process has touched for the first time."""
    # The name, in parentheses, may hold blanks; what counts begins behind it.
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def kernel_share(pid: int) -> float:
    """The share of a process's CPU time that it spent in the kernel; sampled by the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return system / max(1, user + system)


class Server:
    """A server in a process of its own, which is listening."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.pid = process.pid
        self.port = port

    def cpu(self) -> float:
        return cpu_seconds(self.pid)

    def resident(self) -> int:
        return resident_bytes(self.pid)

    def faults(self) -> int:
        return page_faults(self.pid)


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
    """What a program is started with: ours, and the way to minitornado."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@contextlib.contextmanager
def serving(command: Sequence[str], core: int) -> Iterator[Server]:
    """Start a server on a core, and end it.  Whatever ends us, it does not outlive us."""
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, {core})

    with tempfile.TemporaryFile("w+") as said:
        # A session of its own: Ctrl-C is for us, and we end it.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, stdin=subprocess.DEVNULL, text=True,
            preexec_fn=prepare, start_new_session=True, env=environment(),
        )  # fmt: skip
        try:
            assert process.stdout is not None
            port = process.stdout.readline()
            if not port.strip().isdigit():
                process.wait(START_SECONDS)
                said.seek(0)
                last = (said.read().strip() or "no word").splitlines()[-1]
                raise Complaint(f"{Path(command[1]).name} does not start: {last}")
            yield Server(process, int(port))
        finally:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def many_fds(wanted: int) -> Iterator[int]:
    """Let us and our children open `wanted` files, or as many as may be; yields how many."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    for hard in (max(wanted, before[1]), before[1]):  # only root may raise the second
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
            break
    try:
        yield resource.getrlimit(resource.RLIMIT_NOFILE)[0]
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
        "load_average": os.getloadavg()[0],
        "platform": sys.platform,
    }
