"""The same packets through the real Tornado's IOStream. A program of its own; prints JSON.

The client sends its next packet when the loop would go to sleep, as `trace.drive` does for ours:
a selector that is handed to the loop, which is asyncio's own way to be given one, lets it. What
is asked of the kernel is counted in `read_from_fd`, which is a subclass's to override.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import socket
from collections.abc import Callable
from typing import Any

from tornado.iostream import IOStream, StreamClosedError

PACKETS = (b"HEL", b"LO\r", b"\nONE\r\nTWO\r\nTHR", b"EE\r\n")
GRACE_SECONDS = 0.25  # for a move to have its effect; select returns at once when it has
DEADLINE_SECONDS = 20.0


class Driven(selectors.DefaultSelector):
    """A selector that lets the client move whenever the loop would sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: list[Callable[[], object]] = []
        self.polls = 0

    def select(self, timeout: float | None = None) -> Any:
        self.polls += 1
        ready = super().select(0)
        while not ready and timeout != 0 and self.moves:
            self.moves.pop(0)()
            ready = super().select(GRACE_SECONDS)
        return ready


class Counting(IOStream):
    """A stream that counts its recvs: how many bytes each brought, None for "not now"."""

    def __init__(self, sock: socket.socket, selector: Driven) -> None:
        super().__init__(sock)
        self.recvs: list[int | None] = []
        self.at_poll = 0
        self._driven = selector

    def read_from_fd(self, buf: Any) -> Any:
        count = super().read_from_fd(buf)
        self.recvs.append(count)
        if count:
            self.at_poll = self._driven.polls
        return count


async def read(selector: Driven) -> dict[str, Any]:
    """Read the lines of a client that sends the packets; return what was found, by its name."""
    near, far = socket.socketpair()
    stream = Counting(near, selector)
    selector.moves = [*(lambda packet=packet: far.send(packet) for packet in PACKETS), far.close]
    lines, at_line, polls = [], [], []
    try:
        while True:
            lines.append(await stream.read_until(b"\r\n"))
            at_line.append(len(stream.recvs))
            polls.append(selector.polls - stream.at_poll)
    except StreamClosedError:
        pass
    recvs = stream.recvs[: at_line[-1]]
    return {
        "the lines": " ".join(line.decode().strip() for line in lines),
        "recvs that brought bytes": sum(bool(count) for count in recvs),
        "recvs that brought EAGAIN": sum(count is None for count in recvs),
        "recvs for ONE and TWO": at_line[2] - at_line[0],
        "polls until your code runs": polls[0],
        "a second read": two_reads(),
    }


def two_reads() -> str:
    """What becomes of a read that begins while another one is pending."""
    near, far = socket.socketpair()
    stream = IOStream(near)
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


def main() -> None:
    """Read, and print what was found."""
    selector = Driven()
    loop = asyncio.SelectorEventLoop(selector)
    asyncio.set_event_loop(loop)
    print(json.dumps(loop.run_until_complete(asyncio.wait_for(read(selector), DEADLINE_SECONDS))))
    loop.close()


if __name__ == "__main__":
    main()
