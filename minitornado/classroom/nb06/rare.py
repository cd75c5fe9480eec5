"""What it takes for the other lines of the reading side to run: the rare cases, one by one.

Each is a stream of its own over a pair of sockets, and says what came of it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from minitornado.concurrent import Future
from minitornado.ioloop import IOLoop
from minitornado.iostream import IOStream

from ..logs import logged
from ..ran import show_cases
from . import runs

TURNS = 10  # more than any of the cases needs
LINE_END = b"\r\n"


@dataclass
class Pair:
    """A stream, the other end of its connection, and what has been told of both."""

    loop: IOLoop
    stream: IOStream
    far: socket.socket
    told: list[str] = field(default_factory=list)

    def turn(self) -> None:
        """Let the loop turn `TURNS` times, without sleeping."""
        for _ in range(TURNS):
            # Not at once: a loop that is told to stop looks for nobody any more.
            self.loop.add_callback(self.loop.add_callback, self.loop.stop)
            self.loop.start()

    def read(self, what: Any = LINE_END, **limits: int) -> Future[bytes]:
        return self.stream.read_until(what, **limits)


@contextmanager
def pair(make: Callable[..., IOStream] = IOStream, **options: int) -> Iterator[Pair]:
    """A stream of the class `make` over a pair of sockets; what is logged is kept from the page."""
    loop = IOLoop(make_current=False)
    near, far = socket.socketpair()
    try:
        with logged():
            yield Pair(loop, make(near, io_loop=loop, **options), far)
    finally:
        far.close()
        loop.close(all_fds=True)
        near.close()


def outcome(future: Future[bytes], stream: IOStream) -> str:
    """What the reader was told, and whether the stream is still open."""
    error = future.exception() if future.done() else None
    if not future.done():
        said = "it still waits"
    elif error is None:
        said = f"{future.result()!r}"
    else:
        said = type(getattr(error, "real_error", None) or error).__name__
    return f"{state(stream)}: {said}"


def state(stream: IOStream) -> str:
    return "closed" if stream.closed() else "still open"


# ---- the cases ----


def too_long() -> str:
    """A line that does not end, and a reader who has said how much is enough."""
    with pair() as it:
        it.far.send(b"x" * 20)
        return outcome(it.read(max_bytes=10), it.stream)


def no_bytes() -> str:
    """A delimiter that cannot be searched for."""
    with pair() as it:
        return outcome(it.read("\n"), it.stream)


def too_much() -> str:
    """The same line, and a reader who has not said so: there is a limit all the same."""
    with pair(max_buffer_size=10) as it:
        it.far.send(b"x" * 20)
        return outcome(it.read(), it.stream)


def broken() -> str:
    """Somebody has closed the socket behind the stream's back."""
    with pair() as it:
        it.stream.socket.close()
        return outcome(it.read(), it.stream)


def watched() -> str:
    """Whoever answers wants to know when the client leaves, and reads nothing meanwhile."""
    with pair() as it:
        it.stream.set_close_callback(lambda: it.told.append("it was told"))
        it.far.send(b"HELLO\r\n")
        it.read()
        it.far.close()
        it.turn()
        return f"{state(it.stream)}: {' and '.join(it.told)}"


def to_the_end() -> str:
    """A read of all there is: it is only over when the client has left."""
    with pair() as it:
        it.stream.set_close_callback(lambda: None)
        everything = it.stream.read_until_close()
        it.far.send(b"HELLO\r\n")
        it.far.close()
        it.turn()
        return outcome(everything, it.stream)


def answered() -> str:
    """A stream that reads has so much to send that some of it must wait."""
    with pair() as it:
        line = it.read()
        it.turn()
        it.stream.write(b"x" * 3_000_000)
        it.far.setblocking(False)
        received = 0
        while received < 3_000_000:
            it.turn()
            received += len(it.far.recv(1 << 20))
        return f"{outcome(line, it.stream)}; {received:,} bytes have arrived"


def connected() -> str:
    """The stream is a client's: it has to get through to the server first."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        loop = IOLoop(make_current=False)
        stream = IOStream(socket.socket(), io_loop=loop)
        future = stream.connect(listener.getsockname())
        Pair(loop, stream, listener).turn()
        said = "connected" if future.done() and future.result() is stream else "not yet"
        stream.close()
        loop.close(all_fds=True)
        return said


def failing() -> str:
    """A stream of somebody's own, with a mistake in it."""

    class Mistaken(IOStream):
        mistaken = False

        def read_from_fd(self) -> bytes | None:
            if self.mistaken:
                raise ZeroDivisionError
            return super().read_from_fd()

    with pair(Mistaken) as it:
        line = it.read()
        Mistaken.mistaken = True
        it.far.send(b"HELLO\r\n")
        it.turn()
        return outcome(line, it.stream)


CASES: dict[str, Callable[[], str]] = {
    "max_bytes=10, and 20 bytes without a delimiter": too_long,
    "max_buffer_size=10, and the same 20": too_much,
    "read_until(\"\\n\"): no bytes, but a text": no_bytes,
    "somebody else has closed the socket": broken,
    "nobody reads, and the client leaves": watched,
    "read_until_close": to_the_end,
    "3 MB to be sent while a read is pending": answered,
    "the stream is a client's, and connects": connected,
    "a class of your own with a mistake in it": failing,
}


def rarely() -> None:
    """Show the lines that did not run for the four lines of text, and what it takes."""
    show_cases("06", runs.read_lines, CASES)
