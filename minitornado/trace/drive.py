"""drive: a client whose every move is scripted, so that a trace is the same every time.

A real client does what it does at its own time, and no two traces are alike.  This one is a
plain socket in the same thread.  It moves only when the loop would go to sleep, one step at a
time, and then looks whether the loop has something to do.

    drive(server, [
        ("connect", "k1"),
        ("send", "k1", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("recv", "k1"),          all that comes; ("recv", "k1", 100): so many bytes
        ("shutdown", "k1"),      no more to say
        ("close", "k1"),         ("reset", "k1"): without a goodbye
        ("jump", 5.0),           let time pass; ("jump",): up to the next timer
        ("meanwhile", function), something that happens elsewhere while the loop sleeps
        ("call", function),      let the program do something, in a turn of the loop
    ])

Time stands still but for jumps, so timers come due without waiting, and at the same point.
Who receives is patient: while a timer is near, its time comes, and the client looks again.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import netutil
from ..ioloop import IOLoop

# How long a move that must have an effect is given to have it, in seconds.  On the loopback
# that is nearly always at once, but not always.
GRACE = 0.25

# The same for bytes that the server has sent, which the client may not find there yet.
GRACE_RECV = 0.02

# How near a timer must be, for a client that receives to wait for it; seconds of the loop's.
PATIENCE = 60.0

# A script that never comes to an end, because the loop always finds something to do.
MAX_SECONDS = 30.0


@dataclass
class Driven:
    """What the client saw, by connection: as in the trace, "c1" is who connected first.

    sent     the number of bytes
    pieces   what was received, as it came
    """

    sent: dict[str, int] = field(default_factory=dict)
    pieces: dict[str, list[bytes]] = field(default_factory=dict)

    @property
    def answers(self) -> dict[str, bytes]:
        """The bytes received."""
        return {name: b"".join(pieces) for name, pieces in self.pieces.items()}

    @property
    def received(self) -> dict[str, int]:
        """The number of bytes received."""
        return {name: sum(map(len, pieces)) for name, pieces in self.pieces.items()}


class ScriptEnds(BaseException):
    """Ends `IOLoop.start` without a trace in the program: no callback, no byte in the waker."""


def drive(server: Any, script: Sequence[tuple[Any, ...]], loop: IOLoop | None = None) -> Driven:
    """Serve a scripted client with `server`; return what the client saw.

    `server`, a TCPServer, must not listen yet; it listens on a port of the loopback, and
    still does afterwards, on `loop` (or its own, or a new one).  Raises what a step of the
    script raises, and TimeoutError if it takes longer than 30 seconds.
    """
    if server.io_loop is None:
        server.io_loop = loop or IOLoop(make_current=False)
    loop = server.io_loop
    assert loop is not None
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    client = Client(sockets[0].getsockname(), list(script), loop)
    inner, time_func = loop._poller, loop._time_func
    clock = Clock(loop.time())
    loop._poller, loop._time_func = DrivenPoller(inner, client, clock), clock
    try:
        loop.start()
    except ScriptEnds:
        pass
    finally:
        loop._poller, loop._time_func = inner, time_func
        client.close()
    return client.driven


class Clock:
    """A clock that stands, but for jumps."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class DrivenPoller:
    """A poller that lets the client make a move whenever nobody is ready and it would sleep."""

    def __init__(self, inner: Any, client: Client, clock: Clock) -> None:
        self._inner = inner
        self._client = client
        self._clock = clock
        self._events: dict[int, int] = {}  # of fds, in the order in which they were registered
        self._deadline = time.monotonic() + MAX_SECONDS

    def register(self, fd: int, events: int) -> None:
        self._inner.register(fd, events)
        self._events.pop(fd, None)
        self._events[fd] = events

    def modify(self, fd: int, events: int) -> None:
        self._inner.modify(fd, events)
        self._events[fd] = events

    def unregister(self, fd: int) -> None:
        self._inner.unregister(fd)
        self._events.pop(fd, None)

    def close(self) -> None:
        self._inner.close()

    def fileno(self) -> int:
        return int(self._inner.fileno())

    def poll(self, seconds: float | None) -> list[tuple[int, int]]:
        """Return who is ready; if nobody is, and the loop may sleep, the client moves first."""
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"the script takes longer than {MAX_SECONDS:g} seconds")
        grace: float | None = 0.0
        while grace is not None:
            ready: list[tuple[int, int]] = self._inner.poll(grace)
            if ready or seconds == 0:
                # Not by number: which one is free depends on what else the process has open.
                came = {fd: at for at, fd in enumerate(self._events)}
                return sorted(ready, key=lambda pair: (came.get(pair[0], -1), pair))
            if not self._client.script:
                raise ScriptEnds
            grace = self._move(*self._client.script[0], seconds=seconds)
        return []

    def _move(self, verb: str, *args: Any, seconds: float | None) -> float | None:
        """Make a move; return how long it may take to show.  None: the loop has something to do."""
        client, clock = self._client, self._clock
        if verb == "recv":
            if client.recv(*args):
                return GRACE if any(mask & IOLoop.WRITE for mask in self._events.values()) else 0.0
            if seconds is not None and seconds <= PATIENCE and not client.has_all(*args):
                clock.now += seconds
                return None
        del client.script[0]
        match verb:
            case "recv":
                client.so_far = 0
                return 0.0
            case "jump":
                clock.now += args[0] if args else seconds or 0.0
                return None
            case "call":
                # In the program's name, and not in ours: it is to be seen.
                client.loop.add_callback(args[0])
                return None
            case "meanwhile":
                args[0]()
            case _:
                client.make((verb, *args))
        return GRACE


class Client:
    """The sockets of a script, and what went through them."""

    def __init__(self, address: Any, script: list[tuple[Any, ...]], loop: IOLoop) -> None:
        self.script = script
        self.loop = loop
        self.driven = Driven()
        self.so_far = 0  # bytes, by the `recv` that is under way
        self._address = address
        self._sockets: dict[str, socket.socket] = {}
        self._names: dict[str, str] = {}  # the script's -> the trace's

    def close(self) -> None:
        """Close what the script has left open."""
        for sock in self._sockets.values():
            sock.close()

    def make(self, move: tuple[Any, ...]) -> None:
        """Make a move that must have an effect on the server."""
        verb, *args = move
        if verb not in ("connect", "send", "shutdown", "close", "reset"):
            raise ValueError(f"the script says {verb!r}, which a client can't do")
        getattr(self, f"_{verb}")(*args)

    def recv(self, name: str, size: int | None = None) -> bool:
        """Receive once, up to `size` bytes in all; return False if there is nothing (more)."""
        left = 1 << 20 if size is None else size - self.so_far
        readable, _, _ = select.select([self._sockets[name]], [], [], GRACE_RECV)
        data = self._sockets[name].recv(left) if readable and left else b""
        self.so_far += len(data)
        self.driven.pieces[self._names[name]].append(data)
        return bool(data)

    def has_all(self, name: str, size: int | None = None) -> bool:
        """Tell whether a `recv` has got the bytes that it wanted."""
        return size is not None and self.so_far >= size

    def _connect(self, name: str) -> None:
        sock = socket.create_connection(self._address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets[name] = sock
        traced = self._names[name] = f"c{len(self._names) + 1}"
        self.driven.sent[traced], self.driven.pieces[traced] = 0, []

    def _send(self, name: str, data: bytes) -> None:
        sent = self._sockets[name].send(data, socket.MSG_DONTWAIT)
        if sent != len(data):
            raise ValueError(f"only {sent} of {len(data)} bytes fit: send less at once")
        self.driven.sent[self._names[name]] += sent

    def _shutdown(self, name: str) -> None:
        self._sockets[name].shutdown(socket.SHUT_WR)

    def _reset(self, name: str) -> None:
        sock = self._sockets[name]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._close(name)

    def _close(self, name: str) -> None:
        self._sockets.pop(name).close()
