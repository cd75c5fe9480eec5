"""Doubles: a kernel, a clock and a peer that do what the test says.

    FakePoller      readiness from a script; counts what the loop asks of it
    FakeClock       a clock that moves when the poller sleeps: no test waits
    ScriptedStream  a stream over a file that gives and takes what a script says
    CountingSocket  a real socket that counts its system calls
    RecordingDelegate   keeps the events of a message
    ExpectLog       one log record is expected; all others fail the test

And the helpers that every test of the loop needs: `run` with a deadline, `deadline` for the
rest, `turns` for so many turns of a loop.  Fixtures made of these are in conftest.py.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import logging
import os
import re
import signal
import socket
import sys
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from minitornado.httputil import HTTPMessageDelegate
from minitornado.ioloop import IOLoop
from minitornado.iostream import BaseIOStream, IOStream

Events = list[tuple[int, int]]

CHANNELS = ("tornado.access", "tornado.application", "tornado.general")


class SleepsForEver(AssertionError):
    """The loop went to sleep, and nothing in the script would ever wake it."""


class FakeClock:
    """Seconds that pass when `advance` is called; a float from `clock()`."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        assert seconds >= 0, "time doesn't go backwards"
        self.now += seconds


class FakePoller:
    """A poller without a kernel: `poll` plays the next step of `script`.

    A step is a list of (fd, events), or a function of no arguments which returns one (or
    None for nothing): whatever is to happen "while the loop sleeps" is done there.
    After the script, a poll with a limit lets that much time pass, and one without a limit
    raises SleepsForEver: a hang that takes no time.

    `watched` is fd -> events, `calls` counts register, modify, unregister and poll,
    `sleeps` keeps the limit of each poll.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.script: deque[Events | Callable[[], Events | None]] = deque()
        self.watched: dict[int, int] = {}
        self.calls: Counter[str] = Counter()
        self.sleeps: list[float | None] = []
        self.closed = False

    def register(self, fd: int, events: int) -> None:
        self.calls["register"] += 1
        if fd in self.watched:
            raise FileExistsError(f"fd {fd} is watched already")
        self.watched[fd] = events

    def modify(self, fd: int, events: int) -> None:
        self.calls["modify"] += 1
        if fd not in self.watched:
            raise FileNotFoundError(f"fd {fd} is not watched")
        self.watched[fd] = events

    def unregister(self, fd: int) -> None:
        self.calls["unregister"] += 1
        if fd not in self.watched:
            raise FileNotFoundError(f"fd {fd} is not watched")
        del self.watched[fd]

    def poll(self, seconds: float | None) -> Events:
        self.calls["poll"] += 1
        self.sleeps.append(seconds)
        assert seconds is None or seconds >= 0, f"poll for {seconds} seconds"
        if self.script:
            step = self.script.popleft()
            return (step() or []) if callable(step) else step
        if seconds is None:
            raise SleepsForEver(f"nothing left to wait for; watched: {self.watched}")
        self.clock.advance(seconds)
        return []

    def close(self) -> None:
        self.closed = True

    def fileno(self) -> int:
        return -1


def fake_loop() -> tuple[IOLoop, FakePoller]:
    """Return a loop over a FakePoller and its clock; nothing but the waker is watched."""
    poller = FakePoller()
    loop = IOLoop(make_current=False, poller=poller, time_func=poller.clock)
    poller.calls.clear()
    return loop, poller


def turns(loop: IOLoop, number: int = 1) -> None:
    """Let a real loop turn `number` times without sleeping, on what is ready now."""

    def turn(left: int) -> None:
        if left:
            loop.add_callback(turn, left - 1)
        else:
            loop.stop()

    loop.add_callback(turn, number)
    with deadline(60, f"{number} turns"):
        loop.start()


def run(loop: IOLoop, coroutine: Coroutine[Any, Any, Any], seconds: float = 60.0) -> Any:
    """Run `coroutine` on `loop` and return its result; TimeoutError after `seconds`."""
    return loop.run_sync(lambda: coroutine, timeout=seconds)


@contextlib.contextmanager
def deadline(seconds: float, name: str) -> Iterator[None]:
    """Fail the test, with all threads' stacks, if the block takes longer than `seconds`.

    What is raised is no Exception, so that a loop's `except Exception` lets it through.
    Deadlines may be nested.  Outside the main thread, which alone gets signals, it does
    nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def fail(signum: int, frame: Any) -> None:
        pytest.fail(f"{name} hangs: not done after {seconds:g} s\n{_stacks()}", pytrace=False)

    handler = signal.signal(signal.SIGALRM, fail)
    outer, _interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        left, _interval = signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if outer:  # give the outer deadline what is left of it, and at least a moment
            signal.setitimer(signal.ITIMER_REAL, max(0.001, outer - (seconds - left)))


def _stacks() -> str:
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        return file.read().decode()


# ---- streams ----


class CountingSocket(socket.socket):
    """A real socket which counts the calls that are system calls, and can be made to fail.

    `fail[name]` is a list of exceptions: the next calls of that name raise them, in order.
    `take` limits how many bytes one send takes; None is for as many as the kernel does.
    """

    def __init__(self, other: socket.socket) -> None:
        super().__init__(other.family, other.type, other.proto, other.detach())
        self.calls: Counter[str] = Counter()
        self.fail: dict[str, list[OSError]] = {}
        self.take: int | None = None

    def _count(self, name: str) -> None:
        self.calls[name] += 1
        if self.fail.get(name):
            raise self.fail[name].pop(0)

    def recv(self, *args: Any) -> bytes:
        self._count("recv")
        return super().recv(*args)

    def send(self, data: Any, *args: Any) -> int:
        self._count("send")
        if self.take is not None:
            data = memoryview(data)[: self.take]
            if self.take == 0:
                raise BlockingIOError("send buffer full")
        return super().send(data, *args)


@contextlib.contextmanager
def stream_pair(loop: IOLoop, **options: Any) -> Iterator[tuple[IOStream, IOStream]]:
    """Two streams, each the peer of the other; closed afterwards."""
    a, b = socket.socketpair()
    one, two = IOStream(a, io_loop=loop, **options), IOStream(b, io_loop=loop, **options)
    try:
        yield one, two
    finally:
        one.close()
        two.close()


@contextlib.contextmanager
def stream_and_peer(loop: IOLoop, **options: Any) -> Iterator[tuple[IOStream, socket.socket]]:
    """A stream over a CountingSocket, and the raw socket at its other end (non-blocking)."""
    a, peer = socket.socketpair()
    peer.setblocking(False)
    stream = IOStream(CountingSocket(a), io_loop=loop, **options)
    try:
        yield stream, peer
    finally:
        stream.close()
        peer.close()


@contextlib.contextmanager
def tcp_stream_and_peer(loop: IOLoop, **options: Any) -> Iterator[tuple[IOStream, socket.socket]]:
    """The same over TCP on the loopback: with resets, half-closed ends and TCP_NODELAY."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        accepted, _address = listener.accept()
    peer.setblocking(False)
    stream = IOStream(CountingSocket(accepted), io_loop=loop, **options)
    try:
        yield stream, peer
    finally:
        stream.close()
        peer.close()


def reset(sock: socket.socket) -> None:
    """Close `sock` with a reset (RST) in place of an orderly end (FIN)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    sock.close()


class ScriptedStream(BaseIOStream):
    """A stream over a file that is a script: what read and write give, one entry a call.

    `reads` holds bytes (b"" is the end), None for "nothing now", or exceptions; when it is
    empty, there is nothing now.  `writes` holds how many bytes a write takes, or exceptions;
    when it is empty, every write takes all.  `sent` is what was taken.
    """

    FD = 100_000  # no real one: only a FakePoller watches it

    def __init__(self, loop: IOLoop, **options: Any) -> None:
        super().__init__(loop, **options)
        self.reads: deque[bytes | BaseException | None] = deque()
        self.writes: deque[int | BaseException] = deque()
        self.sent = bytearray()
        self.calls: Counter[str] = Counter()
        self.fd_error: BaseException | None = None

    def fileno(self) -> int:
        return self.FD

    def close_fd(self) -> None:
        self.calls["close"] += 1

    def read_from_fd(self) -> bytes | None:
        self.calls["read"] += 1
        step = self.reads.popleft() if self.reads else None
        if isinstance(step, BaseException):
            raise step
        return step

    def write_to_fd(self, data: Any) -> int:
        self.calls["write"] += 1
        taken = bytes(data)
        step = self.writes.popleft() if self.writes else len(taken)
        if isinstance(step, BaseException):
            raise step
        self.sent += taken[:step]
        return min(step, len(taken))

    def get_fd_error(self) -> BaseException | None:
        return self.fd_error


class RecordingDelegate(HTTPMessageDelegate):
    """Keeps the events of a message: ("headers_received", …), ("data_received", …), …"""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def headers_received(self, start_line: Any, headers: Any) -> None:
        self.events.append(("headers_received", start_line, headers))

    def data_received(self, chunk: bytes) -> None:
        self.events.append(("data_received", chunk))

    def finish(self) -> None:
        self.events.append(("finish",))

    def on_connection_close(self) -> None:
        self.events.append(("on_connection_close",))

    @property
    def names(self) -> list[str]:
        """The events' names alone."""
        return [event[0] for event in self.events]

    @property
    def body(self) -> bytes:
        """All chunks joined."""
        return b"".join(event[1] for event in self.events if event[0] == "data_received")


# Since Python 3.12 the frame of a coroutine that has ended keeps those that resumed it, and so
# what they hold: after an exception, circles of which 3.11 knows nothing.
needs_no_collector = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="frames keep their callers: left to the garbage collector"
)


# ---- the log ----


class ExpectLog(logging.Filter):
    """Expect a record on the channel `logger` whose message matches `regex`; swallow it.

    Other records pass, to fail the test if they are warnings or worse (`quiet_log`).
    With `required=False` the record may be missing.  `matched` counts the records,
    `tracebacks` those that came with one.  As Tornado's testing.ExpectLog.
    """

    def __init__(self, logger: logging.Logger | str, regex: str, required: bool = True) -> None:
        super().__init__()
        self.logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self.regex = re.compile(regex)
        self.required = required
        self.matched = 0
        self.tracebacks = 0
        self.records: list[logging.LogRecord] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if not self.regex.match(record.getMessage()):
            return True
        self.matched += 1
        self.records.append(record)
        self.tracebacks += record.exc_info is not None
        return False

    def __enter__(self) -> ExpectLog:
        self._level = self.logger.level
        if self.logger.getEffectiveLevel() > logging.INFO:
            self.logger.setLevel(logging.INFO)  # an info record can be expected, too
        self.logger.addFilter(self)
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.logger.removeFilter(self)
        self.logger.setLevel(self._level)
        if kind is None and self.required and not self.matched:
            pytest.fail(f"no record of {self.logger.name} matches {self.regex.pattern!r}")


class LogWatch(logging.Handler):
    """Collects warnings and errors of the three channels that nobody expected."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.unexpected: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.unexpected.append(f"{record.name}: {logging.Formatter().format(record)}")

    def __enter__(self) -> LogWatch:
        for channel in CHANNELS:
            logging.getLogger(channel).addHandler(self)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        for channel in CHANNELS:
            logging.getLogger(channel).removeHandler(self)


def open_fds(collected: bool = False) -> dict[int, str]:
    """This process's fds, with what they are open on.

    `collected` is for who counts them again later: what earlier tests have left to the garbage
    collector would be gone by then.
    """
    if collected:
        gc.collect()
    fds = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the listing's own fd is gone by now
            fds[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return fds
