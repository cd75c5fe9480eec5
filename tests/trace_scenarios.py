"""Scenarios for the tracer's tests: an application, and a client whose moves are scripted."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from minitornado import gen
from minitornado.httpserver import HTTPServer
from minitornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    ResponseStartLine,
)
from minitornado.ioloop import IOLoop
from minitornado.trace import Event, Trace, drive, tracing
from minitornado.trace.audit import auditing
from minitornado.trace.drive import Driven

Script = list[tuple[Any, ...]]

OK = ResponseStartLine("HTTP/1.1", 200, "OK")


def get(path: str = "/", *fields: str, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", "Host: a", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(body: bytes, path: str = "/echo", *fields: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def answer(connection: Any, body: bytes) -> None:
    headers = HTTPHeaders({"Content-Length": str(len(body))})
    connection.write_headers(OK, headers, body)
    connection.finish()


def app(request: HTTPServerRequest) -> Any:
    if request.path == "/slow":
        return slow(request)
    if request.path == "/boom":
        raise RuntimeError("the application is broken")
    if request.path == "/later":
        IOLoop.current().call_later(0.5, answer, request.connection, b"later")
        return None
    if request.path == "/big":
        # How much a kernel takes at once depends on what it remembers of earlier connections,
        # unless it is told: so it takes a part, and then, when that was read, the rest.
        sock = request.connection.stream.socket
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        return answer(request.connection, b"x" * 200_000)
    return answer(request.connection, request.body or b"hello")


async def slow(request: HTTPServerRequest) -> None:
    await gen.sleep(1.0)
    await pause()
    answer(request.connection, b"slow")


async def pause() -> None:
    await gen.moment


class Application(HTTPServerConnectionDelegate):
    """The other kind of application: it takes the events of a message."""

    def start_request(self, server_conn: Any, request_conn: Any) -> HTTPMessageDelegate:
        return Message(request_conn)


class Message(HTTPMessageDelegate):
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.size = 0

    def data_received(self, chunk: bytes) -> Any:
        self.size += len(chunk)
        return gen.sleep(0.1)

    def finish(self) -> None:
        answer(self.connection, str(self.size).encode())


def one(*moves: tuple[Any, ...]) -> Script:
    """A client that connects, makes the moves, and leaves."""
    return [("connect", "k1"), *moves, ("close", "k1")]


def chunked(*chunks: bytes) -> bytes:
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


LONG = post(b"abc" * 100)
SEND, RECV = ("send", "k1"), ("recv", "k1")

SCRIPTS: dict[str, Script] = {
    "get": one((*SEND, get()), RECV),
    "two": one((*SEND, get()), RECV, (*SEND, get("/again")), RECV),
    "post": one((*SEND, post(b"abc")), RECV),
    "post in parts": one((*SEND, LONG[:200]), (*SEND, LONG[200:]), RECV),
    "chunked": one((*SEND, chunked(b"abc", b"defg")), RECV),
    "pipelined": one((*SEND, get() + get("/again")), RECV),
    "fragments": one(*[(*SEND, get()[at : at + 7]) for at in range(0, len(get()), 7)], RECV),
    "expect": one(
        (*SEND, post(b"abc", "/echo", "Expect: 100-continue")[:-3]), RECV, (*SEND, b"abc"), RECV
    ),
    "http/1.0": one((*SEND, get(version="1.0")), RECV),
    "connection: close": one((*SEND, get("/", "Connection: close")), RECV),
    "bad request": one((*SEND, b"GET\r\n\r\n"), RECV),
    "body cut short": one((*SEND, LONG[:-10]), ("shutdown", "k1"), RECV),
    "gone before the answer": one((*SEND, get("/slow")), ("reset", "k1"))[:-1],
    "nothing said": one(),
    "slow": one((*SEND, get("/slow")), RECV),
    "later": one((*SEND, get("/later")), RECV),
    "boom": one((*SEND, get("/boom")), RECV),
    "big": one((*SEND, get("/big")), RECV),
    "idle": [("connect", "k1"), ("jump", 10.0)],
    "idle in the head": [("connect", "k1"), (*SEND, b"GET / HT"), ("jump", 10.0), RECV],
    "two clients": [
        ("connect", "k1"), ("connect", "k2"), ("send", "k2", get("/slow")), ("send", "k1", get()),
        ("recv", "k1"), ("close", "k1"), ("recv", "k2"), ("close", "k2"),
    ],
}  # fmt: skip

#: Scenarios in which the server logs something.
LOGGED = {"bad request", "boom", "idle in the head"}

DELEGATE = one((*SEND, LONG), RECV)


def server_for(name: str, application: Any = app) -> HTTPServer:
    timeout = 10.0 if name.startswith("idle") else None
    return HTTPServer(application, idle_connection_timeout=timeout)


def traced(
    name: str = "get",
    application: Any = app,
    script: Script | None = None,
    **options: Any,
) -> tuple[Trace, Driven]:
    """Trace a scenario, from the making of the loop to its closing."""
    with tracing(**options) as trace:
        driven = play(name, application, script)
    return trace, driven


def audited(
    name: str = "get",
    application: Any = app,
    script: Script | None = None,
    **options: Any,
) -> tuple[Trace, Driven, list[str]]:
    """Trace and audit a scenario; return also what the auditor finds unexplained."""
    with tracing(**options) as trace, auditing() as auditor:
        driven = play(name, application, script)
    return trace, driven, auditor.unexplained(trace)


def causes(trace: Trace, event: Event) -> Iterator[Event]:
    """Yield the causes of an event back to the kernel: of the innermost bracket that has one."""
    at: Event | None = event
    while at is not None:
        cause = trace.get(at.cause)
        if cause is not None:
            yield cause
        at = cause or trace.get(at.parent)


def play(name: str, application: Any, script: Script | None) -> Driven:
    server = server_for(name, application)
    driven = drive(server, SCRIPTS[name] if script is None else script)
    server.stop()
    assert server.io_loop is not None
    server.io_loop.close()
    return driven
