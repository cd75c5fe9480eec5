"""Figures that do not depend on the machine's mood: system calls and function calls a request.

Counted, not timed: so a test may hold them (tests/test_cost.py).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from .load import Ask, Client
from .measure import Cores, serving

CLIENTS, BATCHES = 40, 5

# 1234 recvfrom(7, …) = 40; of a call that another thread interrupts, the second line is skipped.
_LINE = re.compile(r"^\d+ +(\w+)\(", re.MULTILINE)


def find_strace() -> str | None:
    return shutil.which("strace")


def syscalls(command: list[str], ask: Ask, strace: str) -> dict[str, float]:
    """Return {name: calls a request} of a server, 40 requests being there each time it looks.

    Stopped while they are sent, it finds all of them at once, on a busy machine as well.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        traced = [strace, "-f", "-qq", "-e", "signal=none", "-o", str(log), *command]
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(serving(traced, Cores().server))
            (pid,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            stack.callback(os.kill, int(pid), signal.SIGKILL)  # strace's end would not end it
            if ask.keep_alive:
                clients = [stack.enter_context(Client(server.port)) for _ in range(CLIENTS)]
                _batch(int(pid), clients, ask)
            before = _read(log)
            for _ in range(BATCHES):
                if ask.keep_alive:
                    _batch(int(pid), clients, ask)
                else:
                    _batch_of_new(int(pid), server.port, ask)
            calls = Counter(_LINE.findall(_read(log)[len(before) :]))
    return {name: times / (CLIENTS * BATCHES) for name, times in calls.most_common()}


def _batch(pid: int, clients: list[Client], ask: Ask) -> None:
    os.kill(pid, signal.SIGSTOP)
    for client in clients:
        client.socket.sendall(ask.data)
    os.kill(pid, signal.SIGCONT)
    for client in clients:
        client.read(ask.body)


def _batch_of_new(pid: int, port: int, ask: Ask) -> None:
    """The same on new connections, each of which the server closes."""
    os.kill(pid, signal.SIGSTOP)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(port)) for _ in range(CLIENTS)]
        for client in clients:
            client.socket.sendall(ask.data)
        os.kill(pid, signal.SIGCONT)
        for client in clients:
            client.read(ask.body)
            client.ended()


def _read(log: Path) -> str:
    """What strace has written when the server has come to rest."""
    text = ""
    while len(text) < (size := log.stat().st_size):
        text = log.read_text()
        time.sleep(0.05)
        size = log.stat().st_size
        if len(text) == size:
            break
    return text
