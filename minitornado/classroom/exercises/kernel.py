"""A scripted kernel for scenarios: a poller, a clock and sockets that do as they are told.

    kernel = Kernel(lab)
    client = kernel.connect()        a connection, both ends: client.socket is the server's
    client.sends(b"GET /")           bytes arrive; the loop turns until it would sleep
    listener = kernel.listen()       a listening socket; listener.knock() brings a connection

What the code under test asks of it is noted as an event: accept, recv, send, close, what the
loop is asked to watch, each poll.  No time passes and no thread runs, so two runs are alike,
event by event.  It knows the public side of IOLoop only: any slot may hold the learner's code.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from minitornado.ioloop import IOLoop

from .lab import Lab, Unexpected, shown

S = TypeVar("S", bound="ScriptedSocket")

FIRST_FD = 1_000_000  # far from the fds of this process: the loop's waker is a real one
MAX_POLLS = 1_000  # in one run of the loop; the scenarios need about three

NAMES = {IOLoop.READ: "READ", IOLoop.WRITE: "WRITE", IOLoop.ERROR: "ERROR"}


class Kernel:
    """Everything below the loop; makes the loop itself, too.

    The clock jumps over the loop's sleeps, up to `patience` seconds each: a longer one ends
    the run, as one without a limit does.
    """

    def __init__(
        self, lab: Lab, patience: float = float("inf"), max_polls: int = MAX_POLLS
    ) -> None:
        self.lab = lab
        self.patience = patience
        self.max_polls = max_polls  # in one run
        self.now = 0.0  # seconds
        self.meanwhile: deque[Callable[[], object]] = deque()  # done while the loop sleeps
        self.sockets: dict[int, ScriptedSocket] = {}
        self.poller = ScriptedPoller(self)
        self.loop = IOLoop(make_current=False, poller=self.poller, time_func=lambda: self.now)

    def connect(self, name: str = "client") -> Client:
        """A new connection; `name` is what the events call it."""
        return Client(self, self._add(ScriptedSocket, name))

    def listen(self, name: str = "listener") -> ScriptedListener:
        """A listening socket."""
        return self._add(ScriptedListener, name)

    def _add(self, kind: type[S], name: str) -> S:
        sock = kind(self, FIRST_FD + len(self.sockets), name)
        self.sockets[sock.fd] = sock
        return sock

    def run(self) -> None:
        """Turn the loop until it would sleep with nothing to wake it."""
        self.poller.polls_left = self.max_polls
        self.loop.start()


class Client:
    """The other end of a connection: what the scenario makes happen."""

    def __init__(self, kernel: Kernel, sock: ScriptedSocket) -> None:
        self.kernel = kernel
        self.socket: Any = sock  # typed as a socket would be: it stands in for one

    @property
    def told(self) -> str:
        """Its name in a sentence: "the client", "client 2"."""
        return "the client" if self.socket.name == "client" else self.socket.name

    def sends(self, data: bytes) -> None:
        """Bytes arrive, and the loop turns until it would sleep."""
        self.kernel.lab.step(f"{self.told} sends {shown(data)}; the loop turns")
        self.arrive(data)
        self.kernel.run()

    def arrive(self, data: bytes) -> None:
        """Bytes arrive; the loop does not know yet."""
        self.socket.incoming += data

    def takes(self, size: int) -> None:
        """The client reads `size` bytes, so the kernel has room for as many; the loop turns."""
        self.kernel.lab.step(f"{self.told} reads {size:,} bytes; the loop turns")
        self.socket.room += size
        self.kernel.run()

    def leaves(self) -> None:
        """The client closes its end, and the loop turns until it would sleep."""
        self.kernel.lab.step(f"{self.told} closes; the loop turns")
        self.socket.ended = True
        self.kernel.run()


class ScriptedSocket:
    """The server's end, for IOStream: the part of a socket's methods that a stream calls."""

    family = socket.AF_UNIX

    def __init__(self, kernel: Kernel, fd: int, name: str) -> None:
        self.kernel, self.fd, self.name = kernel, fd, name
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.room = 1 << 30  # bytes that the kernel will still take
        self.connecting = False  # the scenario says when it stands
        self.ended = False  # the client has said its last byte
        self.reset = False  # it is gone, and wants no byte more
        self.closed = False
        self.recvs = 0  # calls

    def fileno(self) -> int:
        return -1 if self.closed else self.fd

    def setblocking(self, flag: bool) -> None:
        self.kernel.lab.check(not flag, "the socket was made blocking: one client stops all others")

    def recv(self, size: int) -> bytes:
        self._check_open()
        self.recvs += 1
        if not self.incoming and not self.ended:
            self.kernel.lab.event(f"recv from {self.name}: nothing there (EAGAIN)")
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        data = bytes(self.incoming[:size])
        del self.incoming[:size]
        self.kernel.lab.event(f"recv from {self.name}: {shown(data)}")
        return data

    def recv_into(self, buffer: Any, size: int = 0) -> int:
        data = self.recv(size or len(buffer))
        buffer[:len(data)] = data
        return len(data)

    def connect(self, address: object) -> None:
        self.connecting = True
        self.kernel.lab.event(f"connect to {self.name}: not yet (EINPROGRESS)")
        raise BlockingIOError(errno.EINPROGRESS, "Operation now in progress")

    def send(self, data: Any) -> int:
        self._check_open()
        if self.connecting:
            self.kernel.lab.event(f"send to {self.name}: not connected (ENOTCONN)")
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        sent = min(len(data), self.room)
        if not sent:
            self.kernel.lab.event(f"send to {self.name}: no room (EAGAIN)")
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        self.room -= sent
        self.outgoing += data[:sent]
        self.kernel.lab.event(f"send to {self.name}: {sent:,} of {len(data):,} bytes")
        return sent

    def sendall(self, data: Any) -> None:
        """As a real one that does not block: sends what it can, and raises if that was not all."""
        if self.send(data) < len(data):
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    def getsockopt(self, *_: int) -> int:
        return 0  # no error

    def setsockopt(self, *_: int) -> None:
        """TCP_NODELAY and the like: nothing to see."""

    def shutdown(self, how: int) -> None:
        self._check_open()
        self.kernel.lab.event(f"shutdown {self.name}")

    def close(self) -> None:
        if not self.closed:
            self.kernel.lab.event(f"close {self.name}")
        self.closed = True

    def ready(self) -> int:
        """What a level-triggered poll would say of it now."""
        if self.connecting:
            return 0
        readable = IOLoop.READ if self.incoming or self.ended else 0
        return readable | (IOLoop.WRITE if self.room else 0)

    def _check_open(self) -> None:
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self.reset:
            self.kernel.lab.event(f"{self.name} has reset the connection")
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


class ScriptedListener(ScriptedSocket):
    """A listening socket: what knocks waits until it is accepted."""

    def __init__(self, kernel: Kernel, fd: int, name: str) -> None:
        super().__init__(kernel, fd, name)
        self.waiting: deque[ScriptedSocket | int] = deque()
        self.room = 0
        self.accepts = 0  # calls

    def knock(self, name: str = "client") -> Client:
        """A client connects; the loop does not know yet."""
        client = self.kernel.connect(name)
        self.waiting.append(client.socket)
        return client

    def fail(self, number: int) -> None:
        """Some accept() fails with this errno, once those before have been accepted."""
        self.waiting.append(number)

    def accept(self) -> tuple[Any, Any]:
        self._check_open()
        self.accepts += 1
        if not self.waiting:
            self.kernel.lab.event(f"accept on {self.name}: nobody there (EAGAIN)")
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        next_one = self.waiting[0]
        if isinstance(next_one, int):
            # A connection that was aborted is gone; one for which there is no room still waits.
            if next_one == errno.ECONNABORTED:
                self.waiting.popleft()
            self.kernel.lab.event(f"accept on {self.name}: {errno.errorcode[next_one]}")
            raise OSError(next_one, os.strerror(next_one))
        self.waiting.popleft()
        self.kernel.lab.event(f"accept on {self.name}: {next_one.name}")
        return next_one, ("192.0.2.1", next_one.fd % 1000)

    def ready(self) -> int:
        return IOLoop.READ if self.waiting else 0


class ScriptedPoller:
    """Level-triggered, as epoll; where a real one would sleep, the clock jumps, or the run ends."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.watched: dict[int, int] = {}
        self.polls_left = MAX_POLLS
        self.sleeps: list[float | None] = []  # what each poll was asked to wait

    def register(self, fd: int, events: int) -> None:
        if fd in self.watched:
            raise FileExistsError(errno.EEXIST, "File exists")
        self._watch(fd, events)

    def modify(self, fd: int, events: int) -> None:
        if fd not in self.watched:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self._watch(fd, events)

    def _watch(self, fd: int, events: int) -> None:
        self.watched[fd] = events
        if fd in self.kernel.sockets:
            self._note(f"watch {self.kernel.sockets[fd].name} for {_named(events & ~IOLoop.ERROR)}")

    def unregister(self, fd: int) -> None:
        if fd not in self.watched:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        del self.watched[fd]
        if fd in self.kernel.sockets:
            self._note(f"forget {self.kernel.sockets[fd].name}")

    def poll(self, seconds: float | None) -> list[tuple[int, int]]:
        self.sleeps.append(seconds)
        self.polls_left -= 1
        if self.polls_left < 0:
            raise Unexpected(
                f"the loop polled {self.kernel.max_polls:,} times and never came to rest")
        ready = [(fd, sock.ready() & self.watched[fd])
                 for fd, sock in self.kernel.sockets.items() if fd in self.watched]
        ready = [(fd, events) for fd, events in ready if events]
        if ready:
            told = (f"{self.kernel.sockets[fd].name} has {_named(events)}" for fd, events in ready)
            self._note(f"poll: {', '.join(told)}")
        elif seconds == 0:
            self._note("poll: nothing")
        elif self.kernel.meanwhile:
            return self._sleep_until_woken()
        elif seconds is None or seconds > self.kernel.patience:
            self._note("poll: nothing; the loop sleeps")
            self.kernel.loop.stop()
        else:
            self._note(f"poll: nothing; {seconds:g} s pass")
            self.kernel.now += seconds
        return ready

    def _sleep_until_woken(self) -> list[tuple[int, int]]:
        """Do what is to happen meanwhile; then the waker, which is real, has been rung or not."""
        wakers = [socket.socket(fileno=os.dup(fd)) for fd in self.watched if fd < FIRST_FD]
        try:
            while select.select(wakers, [], [], 0)[0]:  # what stop() left behind
                for waker in wakers:
                    waker.recv(1024)
            self.kernel.meanwhile.popleft()()
            woken = select.select(wakers, [], [], 0)[0]
            if not woken:
                self._note("poll: nothing; the loop sleeps on")
                raise Unexpected("expected the sleeping loop to be woken; it sleeps on")
            self._note("poll: the waker has READ")
            return [(fd, IOLoop.READ) for fd in self.watched if fd < FIRST_FD]
        finally:
            for waker in wakers:
                waker.close()

    def close(self) -> None:
        self.watched.clear()

    def fileno(self) -> int:
        return -1

    def _note(self, text: str) -> None:
        self.kernel.lab.event(text)


def _named(events: int) -> str:
    return "+".join(name for bit, name in NAMES.items() if events & bit) or "nothing"
