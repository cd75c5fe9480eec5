"""Runs of a server that reads lines, for notebook 06, and what a trace of one says.

In each trace there is one connection, "c1".
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from minitornado.ioloop import IOLoop
from minitornado.iostream import IOStream, StreamClosedError
from minitornado.tcpserver import TCPServer
from minitornado.trace import Event, Trace

from ..served import serve

#: What the client sends, one after the other; the loop sleeps in between.
PACKETS = (b"HEL", b"LO\r", b"\nONE\r\nTWO\r\nTHR", b"EE\r\n")


# ---- runs ----


class Lines(TCPServer):
    """Keeps the lines that its clients send."""

    def __init__(self, read_chunk_size: int | None = None) -> None:
        super().__init__(read_chunk_size=read_chunk_size)
        self.lines: list[bytes] = []

    async def handle_stream(self, stream: IOStream, address: object) -> None:
        try:
            while True:
                self.lines.append(await stream.read_until(b"\r\n"))
        except StreamClosedError:
            pass


def read_lines(
    packets: Sequence[bytes] = PACKETS, read_chunk_size: int | None = None
) -> tuple[Trace, list[bytes]]:
    """Send `packets` to a server that reads lines; its trace, and the lines.

    Raises TimeoutError if that takes longer than 30 seconds.
    """
    server = Lines(read_chunk_size)
    sends = [("send", "client", packet) for packet in packets]
    trace, _ = serve(server, [("connect", "client"), *sends, ("close", "client")])
    return trace, server.lines


def two_reads() -> str:
    """What becomes of a read that begins while another one is pending."""
    loop = IOLoop(make_current=False)
    near, far = socket.socketpair()
    stream = IOStream(near, io_loop=loop)
    first = stream.read_until(b"\r\n")
    try:
        second = stream.read_until(b"\r\n")
    except AssertionError as error:
        return f"AssertionError: {error}"
    else:
        return "the same Future" if first is second else "a Future of its own"
    finally:
        stream.close()
        far.close()
        loop.close()


# ---- what a trace says ----


def receives(trace: Trace) -> int:
    """How often the server asked the kernel for bytes, and got some."""
    return sum(bool(event.data.get("bytes")) for event in _recvs(trace))


def receives_for(trace: Trace, first: int, last: int) -> int:
    """How often it asked at all, after line `first - 1` was there, until line `last` was."""
    resolved = [event for event in trace if event.kind == "resolve" and "value" in event.data]
    start, end = resolved[first - 2].seq, resolved[last - 1].seq
    return sum(start < event.seq < end for event in _recvs(trace))


def goes_on(trace: Trace) -> str:
    """When the coroutine goes on after its first line, seen from who resolved its Future."""
    resolved = next(event for event in trace if event.kind == "resolve")
    resumed = next(event for event in trace if event.kind == "resume")
    around = {event.seq for event in trace.ancestors(resumed)}
    if any(event.seq in around for event in trace.ancestors(resolved)):
        return "inside"
    return "from the list" if resumed.turn == resolved.turn else "after a poll"


def stops(trace: Trace) -> int:
    """How often the coroutine stops at `await`, until it has the last line."""
    last = [event for event in trace if event.kind == "resolve" and "value" in event.data][-1]
    return sum(event.kind == "yield" and event.seq < last.seq for event in trace)


def rows(trace: Trace, sent: bytes) -> list[tuple[int, str, bytes, bytes]]:
    """For each time that the read buffer changes: turn, what did it, bytes cut off, bytes left.

    What did it is "recv" or "line". The trace knows how many bytes it were; which, is what
    `sent` is for.
    """
    found = []
    taken = here = 0
    for event in trace:
        if event.kind == "syscall" and event.name == "recv" and event.data.get("bytes"):
            here += event.data["bytes"]
            found.append((event.turn, "recv", b"", sent[taken:here]))
        elif event.kind == "call" and event.name.endswith("._finish_read"):
            end = taken + int(event.data["args"]["end"])
            found.append((event.turn, "line", sent[taken:end], sent[end:here]))
            taken = end
    return found


def _recvs(trace: Trace) -> list[Event]:
    return [event for event in trace if event.kind == "syscall" and event.name == "recv"]
