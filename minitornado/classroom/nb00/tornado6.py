"""One request through the real Tornado, counted. A program of its own; prints JSON.

The browser is driven as `trace.drive` drives ours: it makes its next move when the loop would
go to sleep, so the counts are the same every time. They come from a selector that is handed to
the loop, which is asyncio's own way to be given one: nothing is patched.

In a process of its own, since the kernel of a notebook runs on Tornado too: in there, its own
traffic would be in every count.
"""

from __future__ import annotations

import asyncio
import json
import select
import selectors
import socket
from collections.abc import Callable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, ResponseStartLine
from tornado.netutil import bind_sockets

GET = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
GRACE_SECONDS = 0.25  # for a move to have its effect; select returns at once when it has
DEADLINE_SECONDS = 20.0


class Counting(selectors.DefaultSelector):
    """A selector that counts, and lets the browser move whenever the loop would sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: list[Callable[[], object]] = []
        self.forget()

    def forget(self) -> None:
        """Begin to count: what came before was the server's own setting up."""
        self.asked: list[int] = []  # the events of each call; 0: to be told nothing any more
        self.asleep = self.glances = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        self.asked.append(events)
        return super().register(fileobj, events, data)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> Any:
        self.asked.append(events)
        return super().modify(fileobj, events, data)

    def unregister(self, fileobj: Any) -> Any:
        self.asked.append(0)
        return super().unregister(fileobj)

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        while not ready and timeout != 0 and self.moves:
            self.moves.pop(0)()
            ready = super().select(GRACE_SECONDS if self.moves else 0)
        if timeout == 0:
            self.glances += 1
        else:
            self.asleep += 1
        return ready


async def count(selector: Counting) -> dict[str, Any]:
    """Serve one browser from its knock to its answer; return what was found, by its name."""
    found: dict[str, Any] = {}
    done = asyncio.Event()
    browser = socket.socket()
    asked_before = 0

    def connect() -> None:
        selector.forget()
        browser.connect(listeners[0].getsockname())

    def application(request: Any) -> None:
        nonlocal asked_before
        found["turns that began asleep"] = selector.asleep
        found["turns with a mere glance"] = selector.glances
        asked_before = len(selector.asked)
        fields = HTTPHeaders({"Content-Length": "5"})
        start_line = ResponseStartLine("HTTP/1.1", 200, "OK")
        request.connection.write_headers(start_line, fields, b"hello")
        arrived = select.select([browser], [], [], GRACE_SECONDS)[0]
        found["the kernel got the answer"] = (
            "while your function ran" if arrived else "after your function had returned"
        )
        request.connection.finish()

    def receive() -> None:
        # The loop is about to sleep again: all that it asked for was asked by now.
        found["calls of epoll_ctl"] = len(selector.asked)
        wrote = [at for at, events in enumerate(selector.asked) if events & selectors.EVENT_WRITE]
        found["WRITE was asked for"] = (
            "never" if not wrote
            else "before the first `send`" if wrote[0] < asked_before
            else "after the first `send`"
        )  # fmt: skip
        found["the body"] = browser.recv(65536).partition(b"\r\n\r\n")[2].decode()
        done.set()

    server = HTTPServer(application)
    listeners = bind_sockets(0, "127.0.0.1")
    server.add_sockets(listeners)
    selector.moves = [connect, lambda: browser.sendall(GET), receive]
    await asyncio.wait_for(done.wait(), DEADLINE_SECONDS)
    browser.close()
    server.stop()
    return found


def main() -> None:
    """Count, and print it."""
    selector = Counting()
    loop = asyncio.SelectorEventLoop(selector)
    asyncio.set_event_loop(loop)
    print(json.dumps(loop.run_until_complete(count(selector))))
    loop.close()


if __name__ == "__main__":
    main()
