"""Programs that fork, run for a test: what they print, how they end, and that nothing stays.

    with Family(SCRIPT) as family:
        pid = family.line()              # what it prints, line by line
        family.signal(signal.SIGTERM)    # to the parent alone
        status = family.wait()           # as subprocess: -15 if a signal ended it
    # no process of it is left, or the test fails

Each runs in a session of its own, so its processes can be found, and ended, as a group.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

# Seconds that a program of a test may take for one step.  It takes a tenth of a second, on a
# machine that has nothing else to do.
PATIENCE = 60.0

# In front of every script: a log to read, and a clear state of signals whatever runs the tests.
PREAMBLE = """
import logging, os, signal, socket, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
def wait_for_a_signal():
    # Not pause(): it would sleep on a signal whose handler is yet to run.
    while True:
        time.sleep(0.01)
"""


class Family:
    """A program in processes of its own."""

    def __init__(self, script: str, *args: str, nofile: int | None = None) -> None:
        # A file, not a pipe: a pipe nobody reads would stop a program that logs much.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        code = PREAMBLE + textwrap.dedent(script)
        if nofile is not None:
            limit = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({nofile},) * 2)"
            code = limit + "\n" + code
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *args],
            stdout=subprocess.PIPE, stderr=self._log, start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        self.pid = self.process.pid
        self._buffer = b""

    def __enter__(self) -> Family:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            if kind is None:
                self.assert_nobody_left()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self._log.close()

    def line(self) -> str:
        """The next line that any of its processes prints."""
        assert self.process.stdout is not None
        end = time.monotonic() + PATIENCE
        while b"\n" not in self._buffer:
            left = max(0.0, end - time.monotonic())
            ready, _, _ = select.select([self.process.stdout], [], [], left)
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"nothing more is printed; so far {self._buffer!r}, log:\n{self.log()}"
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def lines(self, number: int) -> list[str]:
        return [self.line() for _ in range(number)]

    def signal(self, signum: int) -> None:
        os.kill(self.pid, signum)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The parent's exit status, once it has ended."""
        return self.process.wait(seconds)

    def log(self) -> str:
        # Not seek() and read(): the offset is the program's too, which may be about to write.
        fd = self._log.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode()

    def assert_nobody_left(self) -> None:
        """All processes of it have ended; the kernel may take a moment to bury them."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.process.poll()
            left = processes_of_group(self.pid)
            if not left:
                return
            time.sleep(0.01)
        raise AssertionError(f"still running: {left}; log:\n{self.log()}")


def processes_of_group(group: int) -> list[int]:
    """The pids of a process group, zombies left out."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):
            state, _parent, pgrp = (
                Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[:3]
            )
            if int(pgrp) == group and state != "Z":
                found.append(int(name))
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, to the nanosecond: /proc/PID/stat counts steps of 10 ms."""
    return time.clock_gettime((~pid << 3) | 2)  # the clock of clock_getcpuclockid(3)


def undisturbed(pid: int) -> float:
    """Seconds on a clock that stands while a process, or who asks, waits for a core.

    To be held up by other programs is no fault of a server.
    """
    waited = 0
    for task in (str(pid), "thread-self"):
        with contextlib.suppress(OSError, IndexError):  # not every kernel keeps count
            waited += int(Path(f"/proc/{task}/schedstat").read_text().split()[1])
    return time.monotonic() - waited / 1e9
