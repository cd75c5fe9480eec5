"""The failures of notebook 12 in the real Tornado. A program of its own; prints JSON.

In a process of its own, since the kernel of a notebook runs on Tornado too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
from collections.abc import Callable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, ResponseStartLine
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets

DEADLINE_SECONDS = 20.0
SILENCE_SECONDS = 0.3  # after which we believe that nothing more comes


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def answer(request: Any, body: bytes) -> None:
    fields = HTTPHeaders({"Content-Length": str(len(body))})
    request.connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), fields, body)
    request.connection.finish()


class Server(HTTPServer):
    """A server that keeps its streams, in the order in which they came."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self.streams: list[Any] = []

    def handle_stream(self, stream: Any, address: Any) -> None:
        self.streams.append(stream)
        super().handle_stream(stream, address)


class Served:
    """A server, and clients of it that are connected."""

    def __init__(self, application: Callable[[Any], Any], clients: int) -> None:
        self.server = Server(application)
        self.listeners = bind_sockets(0, "127.0.0.1")
        self.server.add_sockets(self.listeners)
        self.count = clients
        self.clients: list[Any] = []

    async def __aenter__(self) -> Served:
        for at in range(self.count):
            address = self.listeners[0].getsockname()
            self.clients.append(await asyncio.open_connection(*address[:2]))
            while len(self.server.streams) <= at:
                await asyncio.sleep(0.001)
        return self

    async def __aexit__(self, *_error: object) -> None:
        for _, writer in self.clients:
            writer.close()
        self.server.stop()
        await asyncio.sleep(SILENCE_SECONDS / 3)

    def send(self, client: int, data: bytes) -> None:
        self.clients[client][1].write(data)

    async def receive(self, client: int) -> bytes:
        """Return what comes; nothing, if nothing comes for a while."""
        reading = asyncio.ensure_future(self.clients[client][0].read(65536))
        for _ in range(10):  # a machine that stands still for a while makes one of them longer
            if (await asyncio.wait({reading}, timeout=SILENCE_SECONDS / 10))[0]:
                reset = isinstance(reading.exception(), ConnectionError)
                return b"" if reset else bytes(reading.result())
        reading.cancel()
        return b""


async def first_answer() -> str:
    def hello(request: Any) -> None:
        who = request.path.strip("/")
        first.append(f"client {who}")
        answer(request, b"hello")

    first: list[str] = []
    async with Served(hello, 2) as served:
        served.send(0, get("/a")[:10])
        await asyncio.sleep(SILENCE_SECONDS / 3)
        served.send(1, get("/b"))
        await served.receive(1)
        served.send(0, get("/a")[10:])
        await served.receive(0)
    return first[0]


async def where_is_the_other() -> str:
    def blocks(request: Any) -> None:
        if request.path == "/slow":
            try:
                served.server.streams[1].socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
                found.append("in the kernel")
            except BlockingIOError:
                found.append("answered" if found else "read, and on the list")
        else:
            found.append("answered")
        answer(request, b"done")

    found: list[str] = []
    async with Served(blocks, 2) as served:
        # Both in one moment of the loop, which then finds both lamps lit.
        for client, path in enumerate(("/slow", "/quick")):
            served.send(client, get(path))  # asyncio sends at once, if it can
        for client in range(2):
            await served.receive(client)
    return found[0]


async def error() -> tuple[str, str]:
    """What the client gets, and what is logged."""
    def fails(request: Any) -> None:
        if request.path == "/bad":
            raise ZeroDivisionError
        answer(request, b"fine")

    received = b""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    channel = logging.getLogger("tornado.application")
    channel.addHandler(handler)
    channel.propagate = False
    async with Served(fails, 1) as served:
        for path in ("/bad", "/good"):
            served.send(0, get(path))
            received += await served.receive(0)
        hung_up = served.clients[0][0].at_eof()
    got = ", ".join(re.findall(r"HTTP/1\.1 (\d\d\d) ", received.decode())) or "nothing"
    return got + ", and hangs up" * hung_up, ", ".join(lines)


async def leaving() -> str:
    def waits(request: Any) -> None:
        def goes_on() -> None:
            notes.append("goes on")
            answer(request, b"hello")
            notes.append("ends")

        request.connection.set_close_callback(lambda: notes.append("told"))
        notes.append("begins")
        IOLoop.current().call_later(SILENCE_SECONDS, goes_on)

    notes: list[str] = []
    async with Served(waits, 1) as served:
        served.send(0, get("/"))
        while not notes:
            await asyncio.sleep(0.001)
        served.clients[0][1].close()
        await asyncio.sleep(2 * SILENCE_SECONDS)
    return ", ".join(notes)


async def find() -> dict[str, Any]:
    """Run every scenario; return what was found, by its name."""
    got, log = await error()
    return {
        "who is answered first": await first_answer(),
        "b's request, while a blocks": await where_is_the_other(),
        "a function that raises": got,
        "and the log": log,
        "a client that leaves": await leaving(),
    }


def main() -> None:
    """Find it, and print it."""
    print(json.dumps(asyncio.run(asyncio.wait_for(find(), DEADLINE_SECONDS))))


if __name__ == "__main__":
    main()
