"""What a browser can't be: a client that pipelines, and one that reads slowly.

Each is a thread with sockets of its own, on the other end of the loopback; it knows nothing of
the server, and nothing of it is traced: none of this runs inside of a call of the server's.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import IO

SECONDS = 15.0  # a client that waits longer gives up
MAX_CLIENTS = 4  # at once

SLOW_BYTES = 6_000_000  # more than the kernel takes at once
SLOW_READ, SLOW_PAUSE = 256 * 1024, 0.05  # bytes, seconds
SLOW_BUFFER = 64 * 1024  # bytes of the receiving socket

Report = Callable[[str, float, float], object]  # which click; when sent, when all was here


class Clients:
    """Starts clients; `report(click, sent, done)` is called from their threads.

    Both are seconds of `time.perf_counter`.

    They are started by a thread that was there before: one that a handler starts would
    belong to the request which asked for it, and be traced.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._jobs: queue.SimpleQueue[tuple[str, tuple[str, int], str] | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(MAX_CLIENTS)
        threading.Thread(target=self._start_clients, name="clients", daemon=True).start()

    def start(self, what: str, address: tuple[str, int], click: str) -> bool:
        """Have a client do `what` at `address`; False if there are too many already."""
        if not self._room.acquire(blocking=False):
            return False
        self._jobs.put((what, address, click))
        return True

    def stop(self) -> None:
        """Start no more clients; those that are under way end by themselves."""
        self._jobs.put(None)

    def _start_clients(self) -> None:
        while (job := self._jobs.get()) is not None:
            threading.Thread(target=self._run, args=job, daemon=True).start()

    def _run(self, what: str, address: tuple[str, int], click: str) -> None:
        try:
            CLIENTS[what](address, click, self._report)
        except OSError:
            pass  # the server has ended, or thinks that we are too slow: the page shows it
        finally:
            self._room.release()


def pipelined(address: tuple[str, int], click: str, report: Report) -> None:
    """Send two requests in one packet, and only then look for answers."""
    with socket.create_connection(address, SECONDS) as sock:
        sent = time.perf_counter()
        sock.sendall(_get("/slow?seconds=0.3", f"{click}a") + _get("/hello", f"{click}b"))
        answers = sock.makefile("rb")
        for which in "ab":
            _read_answer(answers)
            report(click + which, sent, time.perf_counter())


def slow_reader(address: tuple[str, int], click: str, report: Report) -> None:
    """Ask for much, and take it in small portions; meanwhile another client asks for little."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as sock:
        sock.settimeout(SECONDS)
        # Set before connecting: it decides how much the server may send ahead.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
        sock.connect(address)
        sent = time.perf_counter()
        sock.sendall(_get(f"/big?n={SLOW_BYTES}", f"{click}a"))
        left, asked = SLOW_BYTES, False
        while left > 0:
            chunk = sock.recv(SLOW_READ)
            if not chunk:
                return
            left -= len(chunk)
            if left < SLOW_BYTES * 0.9 and not asked:
                asked = True
                _ask_quickly(address, f"{click}b", report)
            time.sleep(SLOW_PAUSE)
        report(f"{click}a", sent, time.perf_counter())


def _ask_quickly(address: tuple[str, int], click: str, report: Report) -> None:
    with socket.create_connection(address, SECONDS) as sock:
        sent = time.perf_counter()
        sock.sendall(_get("/hello", click))
        _read_answer(sock.makefile("rb"))
        report(click, sent, time.perf_counter())


def _get(target: str, click: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\nX-Click: {click}\r\n\r\n".encode()


def _read_answer(answers: IO[bytes]) -> None:
    length = 0
    while (line := answers.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    answers.read(length)


CLIENTS: dict[str, Callable[[tuple[str, int], str, Report], None]] = {
    "pipelined": pipelined,
    "slow-reader": slow_reader,
}
