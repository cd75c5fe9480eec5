"""Figures that do not depend on the machine's mood: system calls and function calls a request.

Counted, not timed: so a test may hold them (tests/test_cost.py).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from .load import Ask, Client
from .measure import Cores, serving

CLIENTS, BATCHES = 40, 5

# 1234 recvfrom(7, …) = 40; of a call that another thread interrupts, the second line is skipped.
_LINE = re.compile(r"^\d+ +(\w+)\(", re.MULTILINE)


def syscalls(command: list[str], ask: Ask) -> dict[str, float]:
    """Return {name: calls a request} of a server, 40 requests being there each time it looks.

    Stopped while they are sent, it finds all of them at once, on a busy machine as well.
    Nothing is returned where there is no strace, or where it may not trace.
    """
    strace = shutil.which("strace")
    trial = [strace or "", "-qq", "-o", os.devnull, "true"]
    if strace is None or subprocess.run(trial, capture_output=True, check=False).returncode:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        traced = [strace, "-f", "-qq", "-e", "signal=none", "-o", str(log), *command]
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(serving(traced, Cores().server))
            (pid,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            stack.callback(os.kill, int(pid), signal.SIGKILL)  # strace's end would not end it
            clients = _connected(server.port) if ask.keep_alive else []
            for client in clients:
                stack.callback(client.close)
            _batch(int(pid), server.port, ask, clients)  # which makes what is made once
            before = _read(log, server.pid, int(pid))
            for _ in range(BATCHES):
                _batch(int(pid), server.port, ask, clients)
            calls = Counter(_LINE.findall(_read(log, server.pid, int(pid))[len(before) :]))
    return {name: times / (CLIENTS * BATCHES) for name, times in calls.most_common()}


def _connected(port: int) -> list[Client]:
    return [Client(port) for _ in range(CLIENTS)]


def _batch(pid: int, port: int, ask: Ask, clients: list[Client]) -> None:
    """Ask on each of `clients`; without any, on new ones, which the server closes."""
    os.kill(pid, signal.SIGSTOP)
    while _state(pid) not in "Tt":  # the kernel sends the signal; when it is heard is another thing
        time.sleep(0.001)
    asking = clients or _connected(port)
    for client in asking:
        client.socket.sendall(ask.data)
    os.kill(pid, signal.SIGCONT)
    for client in asking:
        client.read(ask.body)
        if not clients:
            client.ended()
            client.close()


def _read(log: Path, strace: int, server: int) -> str:
    """What strace has written, when the server has come to rest: both sleep, and go on to."""
    size, looks = -1, 0
    while looks < 3:
        rest = _state(strace) == _state(server) == "S" and log.stat().st_size == size
        size, looks = log.stat().st_size, looks + 1 if rest else 0
        time.sleep(0.02)
    return log.read_text()


def _state(pid: int) -> str:
    """R for a process that runs or would, S for one that sleeps, T or t for one that is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
