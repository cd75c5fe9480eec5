"""Who acts in a scenario; what they see becomes events.

    Reader, connected      a stream and its one read, on a scripted kernel
    Site                   an HTTPServer on a scripted kernel; get, post, answer, answers
    errors_logged          what the loop has caught
    real_stream            a stream and the other end of its connection, without a script
    turn_until, guarded    a real loop with a limit, for the scenarios that end in `_real`

The slots of the stack may hold the learner's code, so these ask for public names alone.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from minitornado.concurrent import Future
from minitornado.httpserver import HTTPServer
from minitornado.httputil import ResponseStartLine
from minitornado.ioloop import IOLoop
from minitornado.iostream import IOStream
from minitornado.netutil import bind_sockets

from .kernel import Client, Kernel
from .lab import Lab, shown

MAX_SITE_POLLS = 200  # in one run of a Site's loop: each costs more than a bare loop's
PATIENCE_SECONDS = 1.0  # of a Site's loop: it does not sleep through idle connections
REAL_SECONDS = 2.0  # what a real kernel may take; it takes milliseconds


class Reader:
    """A stream and its one read: what it was answered, told as events and facts."""

    def __init__(self, lab: Lab, stream: IOStream) -> None:
        self.lab, self.stream = lab, stream
        self.future: Future[bytes] = Future()
        self.done = False
        self.got: bytes | None = None

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> None:
        """Begin the next read, with read_until."""
        limit = "" if max_bytes is None else f", max_bytes={max_bytes}"
        self._begin(f"read_until({delimiter!r}{limit})",
                    lambda: self.stream.read_until(delimiter, max_bytes))

    def read_bytes(self, num_bytes: int) -> None:
        """Begin the next read, with read_bytes."""
        self._begin(f"read_bytes({num_bytes})", lambda: self.stream.read_bytes(num_bytes))

    def _begin(self, told: str, begin: Callable[[], Future[bytes]]) -> None:
        self.lab.step(told)
        self.done, self.got = False, None
        self.lab.facts["done"] = False
        future: Future[bytes] | None = begin()
        self.lab.facts["returned"] = future is not None
        method = told.partition("(")[0]
        self.lab.check(future is not None, f"expected {method} to return a Future, got None")
        assert future is not None
        self.future = future
        future.add_done_callback(self._resolved)

    def _resolved(self, future: Future[bytes]) -> None:
        self.done = True
        if future.exception() is None:
            self.got = future.result()
            self.lab.event(f"the read resolves with {shown(self.got)}")
        else:
            self.lab.event(f"the read fails with {future.exception()!r}")
        self.lab.facts |= {"done": True, "answer": self.got}

    def expect(self, data: bytes) -> None:
        """The read must be done by now, with `data`."""
        self.lab.facts["waits"] = not self.done
        got = "a failure" if self.done else "no answer"
        if self.got is not None:
            got = shown(self.got)
        self.lab.check(self.got == data, f"expected {shown(data)}, got {got}")


class Noting(Client):
    """A client that notes what it has sent, for the diagnoses."""

    def sends(self, data: bytes) -> None:
        facts = self.kernel.lab.facts
        facts["seen"], facts["newest"] = (facts["seen"] or b"") + data, data
        super().sends(data)


def connected(lab: Lab) -> tuple[Client, Reader]:
    """A client on a scripted kernel, and the stream at its other end."""
    kernel = Kernel(lab)
    client = Noting(kernel, kernel.connect().socket)
    return client, Reader(lab, IOStream(client.socket, io_loop=kernel.loop))


class Site:
    """An HTTPServer on a scripted kernel, whose clients are at 192.0.2.1."""

    def __init__(self, lab: Lab, application: Any, **options: Any) -> None:
        self.lab = lab
        self.kernel = Kernel(lab, patience=PATIENCE_SECONDS, max_polls=MAX_SITE_POLLS)
        self.server = HTTPServer(application, io_loop=self.kernel.loop, **options)

    def connect(self, name: str = "client") -> Client:
        """A client connects; the server has its stream by the time this returns."""
        self.lab.step("a client connects" if name == "client" else f"{name} connects")
        client = self.kernel.connect(name)
        client.socket.family = socket.AF_INET
        self.kernel.loop.add_callback(
            self.server._handle_connection, client.socket, ("192.0.2.1", 50_000))
        self.kernel.run()
        return client


def answer(request: Any, body: bytes = b"ok", code: int = 200) -> None:
    """Answer a request (HTTPServerRequest), or on a connection (HTTPConnection), in full."""
    connection = getattr(request, "connection", request)
    connection.write_headers(
        ResponseStartLine("HTTP/1.1", code, "OK"), {"Content-Length": str(len(body))}, body)
    connection.finish()


def answers(client: Client) -> list[str]:
    """What the client was answered so far: ["200 ok", …]."""
    found = re.findall(rb"HTTP/1.1 (\d+) .*?\r\n\r\n(.*?)(?=HTTP/1.1|$)",
                       bytes(client.socket.outgoing), re.DOTALL)
    return [b" ".join(pair).decode().strip() for pair in found]


def post(body: bytes, target: str = "/", content_type: str = "text/plain") -> bytes:
    """A POST with a body, as bytes."""
    return (f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def get(target: str = "/", *lines: str) -> bytes:
    """A GET, with further header lines, as bytes."""
    head = "".join(f"{line}\r\n" for line in (f"GET {target} HTTP/1.1", "Host: a", *lines))
    return head.encode() + b"\r\n"


def ask_for_real(loop: IOLoop, server: HTTPServer, request: bytes) -> bytes:
    """What a real server on a real socket answers to `request`, up to the end or the limit."""
    (sock,) = bind_sockets(0, "127.0.0.1")
    server.add_sockets([sock])
    client = socket.create_connection(sock.getsockname())
    client.setblocking(False)
    got: list[bytes] = []
    try:
        client.sendall(request)
        loop.add_handler(client, lambda fd, events: got.append(client.recv(65_536)), IOLoop.READ)
        turn_until(loop, lambda: got and not got[-1])
    finally:
        server.stop()
        client.close()
    return b"".join(got)


@contextlib.contextmanager
def errors_logged() -> Iterator[list[str]]:
    """Collect what is logged as an error meanwhile: the loop catches what a callback raises."""
    told: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: told.append(  # type: ignore[method-assign]
        repr(record.exc_info[1]) if record.exc_info else record.getMessage())
    logging.getLogger().addHandler(handler)
    try:
        yield told
    finally:
        logging.getLogger().removeHandler(handler)


@contextlib.contextmanager
def real_stream() -> Iterator[tuple[IOStream, socket.socket]]:
    """A stream over a real socket, on a real loop; and the socket at its other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    try:
        yield IOStream(ours, io_loop=IOLoop(make_current=False)), theirs
    finally:
        theirs.close()
        ours.close()


@contextlib.contextmanager
def guarded(loop: IOLoop, seconds: float = REAL_SECONDS) -> Iterator[None]:
    """Have a thread stop the real loop after so many seconds: its own timeouts may be on trial."""
    guard = threading.Timer(seconds, loop.add_callback, [loop.stop])
    guard.start()
    try:
        yield
    finally:
        guard.cancel()


def turn_until(loop: IOLoop, done: Callable[[], object]) -> None:
    """Turn a real loop until `done()` holds, or REAL_SECONDS are over."""
    over = loop.time() + REAL_SECONDS

    def look() -> None:
        if done() or loop.time() >= over:
            loop.stop()
        else:
            loop.call_later(0.001, look)

    loop.add_callback(look)
    loop.start()
