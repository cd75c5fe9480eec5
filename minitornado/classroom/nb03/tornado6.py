"""The same functions on the real Tornado's loop. A program of its own; prints JSON.

Each run has a new loop, started and stopped through Tornado's own names. How often the kernel
was asked comes from a selector that is handed to the loop, which is asyncio's own way to be given
one: nothing is patched.
"""

from __future__ import annotations

import asyncio
import json
import logging
import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tornado.ioloop import IOLoop
from tornado.platform.asyncio import AsyncIOLoop

DEADLINE_SECONDS = 20.0


class Counting(selectors.DefaultSelector):
    """A selector that counts how often it is asked."""

    polls = 0

    def select(self, timeout: float | None = None) -> Any:
        self.polls += 1
        return super().select(timeout)


@contextmanager
def loop_and_socket() -> Iterator[tuple[Any, socket.socket, Counting]]:
    """A loop, a socket that has a byte to be read, and who counts."""
    selector = Counting()
    loop: Any = AsyncIOLoop(asyncio_loop=asyncio.SelectorEventLoop(selector), make_current=False)
    near, far = socket.socketpair()
    far.send(b"!")
    loop.call_later(DEADLINE_SECONDS, loop.stop)
    try:
        yield loop, near, selector
    finally:
        loop.close()
        near.close()
        far.close()


def six(ask_for_c: Callable[[Any, Callable[[], object]], object]) -> tuple[str, int]:
    """The order of the six, and how often the kernel was asked between H and D."""
    order, polls = [], {}
    with loop_and_socket() as (loop, near, selector):

        def note(name: str) -> None:
            order.append(name)
            polls[name] = selector.polls

        def a() -> None:
            note("A")
            ask_for_c(loop, c)

        def c() -> None:
            note("C")
            if "D" in order:
                loop.stop()

        def d() -> None:
            note("D")
            if "C" in order:
                loop.stop()

        def h(sock: socket.socket, events: int) -> None:
            note("H")
            sock.recv(1)
            loop.remove_handler(sock)
            loop.add_callback(d)

        loop.add_handler(near, h, IOLoop.READ)
        loop.call_later(0, note, "T")
        loop.add_callback(a)
        loop.add_callback(note, "B")
        loop.start()
    return " ".join(order), polls["D"] - polls["H"]


def spin() -> int:
    """How often a callback that adds itself runs before the handler of a ready socket."""
    runs, before = 0, -1
    with loop_and_socket() as (loop, near, _):

        def again() -> None:
            nonlocal runs
            runs += 1
            loop.add_callback(again)

        def handle(sock: socket.socket, events: int) -> None:
            nonlocal before
            before = runs
            loop.remove_handler(sock)
            loop.stop()

        loop.add_handler(near, handle, IOLoop.READ)
        loop.add_callback(again)
        loop.start()
    return before


def fail() -> str:
    """What becomes of the exception that a callback raises."""
    log: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = log.append  # type: ignore[method-assign,assignment]
    logging.getLogger("tornado.application").addHandler(handler)
    seen = []
    with loop_and_socket() as (loop, _near, _):

        def stumble() -> None:
            raise ZeroDivisionError

        def after() -> None:
            seen.append("after")
            loop.stop()

        try:
            loop.add_callback(stumble)
        except ZeroDivisionError:
            return "caught where it was asked for"
        loop.add_callback(after)
        try:
            loop.start()
        except ZeroDivisionError:
            return "raised by start"
    went_on = "the next one ran" if seen else "the next one did not run"
    return f"{'logged' if log else 'not even logged'}, {went_on}"


def main() -> None:
    """Run them all, and print what they gave."""
    order, polls = six(lambda loop, callback: loop.add_callback(callback))
    print(json.dumps({
        "the six run in this order": order,
        "polls between H and D": polls,
        "with call_later(0, C)": six(lambda loop, callback: loop.call_later(0, callback))[0],
        "runs of who adds itself, before H": spin(),
        "a callback that fails": fail(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
