"""The scenarios of notebook 11 in the real Tornado. A program of its own; prints JSON.

In a process of its own, since the kernel of a notebook runs on Tornado too. Whoever Tornado
gives the events of a request to is replaced by somebody who writes them down and passes them
on: `start_request` is the public place to do that.
"""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from collections.abc import Callable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, ResponseStartLine
from tornado.netutil import bind_sockets

HEAD = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
GET = b"GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n"
PROXIED = b"GET /who HTTP/1.1\r\nHost: localhost\r\nX-Real-Ip: 203.0.113.9\r\n\r\n"

DEADLINE_SECONDS = 20.0
SILENCE_SECONDS = 0.3  # after which we believe that no answer comes


class Told(HTTPMessageDelegate):
    """Writes down what a delegate is told, and tells it."""

    def __init__(self, delegate: HTTPMessageDelegate, events: list[str]) -> None:
        self.delegate = delegate
        self.events = events

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
        self.events.append("headers_received")
        return self.delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        self.events.append("data_received")
        return self.delegate.data_received(chunk)

    def finish(self) -> None:
        self.events.append("finish")
        self.delegate.finish()

    def on_connection_close(self) -> None:
        self.events.append("on_connection_close")
        self.delegate.on_connection_close()


class Server(HTTPServer):
    """A server whose requests are written down."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self.events: list[str] = []
        self.receivers: list[str] = []

    def start_request(self, server_conn: object, request_conn: Any) -> HTTPMessageDelegate:
        self.events.append("start_request")
        delegate = super().start_request(server_conn, request_conn)
        self.receivers.append(type(delegate).__name__)
        return Told(delegate, self.events)


class Served:
    """A server with one client, who speaks in pieces."""

    def __init__(self, application: Callable[[Any], Any], **options: Any) -> None:
        def noted(request: Any) -> Any:
            self.server.events.append("your function")
            return application(request)

        self.server = Server(noted, **options)
        self._listeners = bind_sockets(0, "127.0.0.1")
        self.server.add_sockets(self._listeners)

    async def __aenter__(self) -> Served:
        address = self._listeners[0].getsockname()
        self.reader, self.writer = await asyncio.open_connection(*address[:2])
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.writer.close()
        self.server.stop()
        await self.until("close")

    async def until(self, event: str, times: int = 1) -> None:
        """Wait until an event was told of so many times; for "close": a moment."""
        if event == "close":
            await asyncio.sleep(SILENCE_SECONDS / 3)
            return
        while self.server.events.count(event) < times:
            await asyncio.sleep(0.001)

    async def receive(self) -> bytes:
        """Return what comes; nothing, if nothing comes for a while."""
        reading = asyncio.ensure_future(self.reader.read(65536))
        for _ in range(10):  # a machine that stands still for a while makes one of them longer
            if (await asyncio.wait({reading}, timeout=SILENCE_SECONDS / 10))[0]:
                return reading.result()
        reading.cancel()
        return b""


def answer(request: Any, body: bytes) -> None:
    fields = HTTPHeaders({"Content-Length": str(len(body))})
    request.connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), fields, body)
    request.connection.finish()


def echo(request: Any) -> None:
    answer(request, request.body)


async def waits(request: Any) -> None:
    await asyncio.sleep(0)
    answer(request, b"hello")


def status(received: bytes) -> str:
    return received.partition(b"\r\n")[0].decode().partition(" ")[2] or "nothing"


async def find() -> dict[str, Any]:
    """Run every scenario; return what was found, by its name."""
    found: dict[str, Any] = {}
    async with Served(echo) as served:
        served.writer.write(HEAD + b"hello")
        await served.until("data_received")
        served.writer.write(b"world")
        await served.receive()
        found["who receives the events"] = served.server.receivers[0]
        events = served.server.events
        found["order"] = ", ".join(events[: events.index("your function") + 1])
    async with Served(echo) as served:
        for _ in range(2):
            served.writer.write(HEAD + b"helloworld")
            await served.receive()
        found["receivers made for two requests"] = len(served.server.receivers)
    async with Served(echo) as served:
        served.writer.write(HEAD + b"hello")
        await served.until("data_received")
        served.writer.close()
        await served.until("on_connection_close")
        called = "your function" in served.server.events
        found["half a request"] = "your function is called" if called else "the adapter is told"
    for name, application in (
        ("answered by return", lambda request: b"hello"), ("an async def answers", waits),
    ):  # fmt: skip
        async with Served(application) as served:
            served.writer.write(HEAD + b"helloworld")
            found[name] = status(await served.receive())
    seen: list[str] = []

    def who(request: Any) -> None:
        seen.append(request.remote_ip)
        answer(request, b"you")

    async with Served(who, xheaders=True) as served:
        for data in (PROXIED, GET):
            served.writer.write(data)
            await served.receive()
        found["the second client behind a proxy"] = seen[1]
    return found


def main() -> None:
    """Find it, and print it."""
    logging.disable()  # what it complains of is in what we find
    warnings.simplefilter("ignore")  # of a coroutine that nobody has awaited: the same
    print(json.dumps(asyncio.run(asyncio.wait_for(find(), DEADLINE_SECONDS))))


if __name__ == "__main__":
    main()
