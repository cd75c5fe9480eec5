"""What every server is put through: an application, and a client whose moves are scripted.

The applications are written in the names that all the servers share; what differs by server
(where HTTPHeaders comes from, which loop) is in `Tools`.  The client is `trace.drive`'s: it
moves only when the loop would sleep, so each scenario goes the same way every time.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

Application = Any  # a callable, or an HTTPServerConnectionDelegate

# The second when the answer was made.  Written by the application, as web.RequestHandler does it
# in Tornado, so that all servers send as many bytes; `bare` is the scenario without.
DATE = "Thu, 01 Jan 1970 00:00:00 GMT"

# Where the applications' classes are from, as far as the tracer knows: it would take what is in
# this package for a part of the server.
APPLICATION = "application"

LARGE_BYTES = 400_000
SMALL_BUFFER = 32 * 1024  # of the server's socket; left alone, the kernel takes megabytes


@dataclass
class Tools:
    """A server's own: its httputil, its loop, and what happens `meanwhile`, untraced."""

    httputil: ModuleType
    loop: Any
    meanwhile: Callable[..., None] = lambda *moves, seconds=0.0: None

    def answer(self, connection: Any, body: bytes, **fields: str) -> None:
        """Answer in one piece; `fields` are added, with a hyphen for each underscore."""
        headers = self.httputil.HTTPHeaders({"Date": DATE, "Content-Length": str(len(body))})
        for name, value in fields.items():
            headers[name.replace("_", "-")] = value
        connection.write_headers(self.ok(), headers, body)
        connection.finish()

    def ok(self) -> Any:
        """The status line of a good answer."""
        return self.httputil.ResponseStartLine("HTTP/1.1", 200, "OK")


@dataclass(frozen=True)
class Scenario:
    """A name, what it is about, the script, the application, and options of the HTTPServer."""

    name: str
    title: str
    script: tuple[tuple[Any, ...], ...]
    application: Callable[[Tools], Application]
    options: dict[str, Any] = field(default_factory=dict)


# ---- applications ----


def _hello(tools: Tools) -> Application:
    return lambda request: tools.answer(request.connection, b"hello")


def _bare(tools: Tools) -> Application:
    def application(request: Any) -> None:
        headers = tools.httputil.HTTPHeaders({"Content-Length": "5"})
        request.connection.write_headers(tools.ok(), headers, b"hello")
        request.connection.finish()

    return application


def _head(tools: Tools) -> Application:
    def application(request: Any) -> None:
        headers = tools.httputil.HTTPHeaders({"Date": DATE, "Content-Length": "5"})
        request.connection.write_headers(tools.ok(), headers)
        request.connection.finish()

    return application


def _echo(tools: Tools) -> Application:
    return lambda request: tools.answer(request.connection, request.body)


def _in_chunks(tools: Tools) -> Application:
    def application(request: Any) -> None:
        headers = tools.httputil.HTTPHeaders({"Date": DATE})
        request.connection.write_headers(tools.ok(), headers)
        request.connection.write(b"hello")
        request.connection.write(b"world")
        request.connection.finish()

    return application


def _large(tools: Tools) -> Application:
    def application(request: Any) -> None:
        sock = request.connection.stream.socket
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
        tools.answer(request.connection, b"x" * LARGE_BYTES)

    return application


def _later(tools: Tools) -> Application:
    """Answers in a second, if the client has not left by then."""

    def application(request: Any) -> None:
        gone: list[bool] = []

        def answer() -> None:
            if not gone:
                tools.answer(request.connection, b"late")

        request.connection.set_close_callback(lambda: gone.append(True))
        tools.loop.call_later(1.0, answer)

    return application


def _regardless(tools: Tools) -> Application:
    """Answers in a second, whether the client is there or not."""

    def application(request: Any) -> None:
        tools.loop.call_later(1.0, lambda: tools.answer(request.connection, b"late"))

    return application


def _returns(tools: Tools) -> Application:
    """Returns its answer, as applications of other frameworks do."""
    return lambda request: b"hello"


def _coroutine(tools: Tools) -> Application:
    async def application(request: Any) -> None:
        tools.answer(request.connection, b"hello")

    return application


def _blocks(tools: Tools) -> Application:
    """/slow takes five seconds of computing, in which another client asks."""

    def application(request: Any) -> None:
        if request.path == "/slow":
            tools.meanwhile(("send", "b", get("/quick")), seconds=5.0)
        tools.answer(request.connection, request.path.encode())

    return application


def _raises(tools: Tools) -> Application:
    def application(request: Any) -> None:
        raise ZeroDivisionError("the application is broken")

    return application


def _raises_later(tools: Tools) -> Application:
    def application(request: Any) -> None:
        headers = tools.httputil.HTTPHeaders({"Date": DATE, "Content-Length": "5"})
        request.connection.write_headers(tools.ok(), headers)
        raise ZeroDivisionError("the application is broken")

    return application


def _delegate(tools: Tools) -> Application:
    """The other kind of application, which is told of every event: answers with what came."""

    class Message(tools.httputil.HTTPMessageDelegate):  # type: ignore[misc,name-defined]
        __module__ = APPLICATION

        def __init__(self, connection: Any) -> None:
            self.connection = connection
            self.size = 0

        def data_received(self, chunk: bytes) -> None:
            self.size += len(chunk)

        def finish(self) -> None:
            tools.answer(self.connection, b"%d bytes" % self.size)

    return _made_of(Message, tools)


def _refuses(tools: Tools) -> Application:
    """A delegate that answers when it has seen the head, and wants no body."""

    class Message(tools.httputil.HTTPMessageDelegate):  # type: ignore[misc,name-defined]
        __module__ = APPLICATION

        def __init__(self, connection: Any) -> None:
            self.connection = connection

        def headers_received(self, start_line: Any, headers: Any) -> None:
            tools.answer(self.connection, b"no")

    return _made_of(Message, tools)


def _made_of(message: Callable[[Any], Any], tools: Tools) -> Application:
    """Return a delegate that makes a `message` for each request."""

    class Application(tools.httputil.HTTPServerConnectionDelegate):  # type: ignore[misc,name-defined]
        __module__ = APPLICATION

        def start_request(self, server_conn: Any, request_conn: Any) -> Any:
            return message(request_conn)

    return Application()


# ---- what the client says ----


def get(path: str = "/", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body."""
    lines = [f"{method} {path} HTTP/{version}", "Host: a", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(body: bytes, *fields: str) -> bytes:
    """A request with a body by length."""
    return get("/", f"Content-Length: {len(body)}", *fields, method="POST") + body


def chunked(*chunks: bytes) -> bytes:
    """A request with a body in chunks."""
    head = get("/", "Transfer-Encoding: chunked", method="POST")
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


RECV, CLOSE = ("recv", "a"), ("close", "a")


def _open(*moves: Any) -> tuple[tuple[Any, ...], ...]:
    """A client that connects; a move that is bytes is sent."""
    sent = (("send", "a", move) if isinstance(move, bytes) else move for move in moves)
    return (("connect", "a"), *sent)


def _one(*moves: Any) -> tuple[tuple[Any, ...], ...]:
    """A client that connects, and leaves at the end."""
    return _open(*moves, CLOSE)


BODY = b"0123456789" * 10
HEAD_OF_POST = post(BODY)[: -len(BODY)]
GET = get()

TWO_FRAMINGS = chunked(b"hello").replace(b"Host: a", b"Host: a\r\nContent-Length: 3")
IDLE = {"idle_connection_timeout": 10.0}

_ALL = (
    Scenario("get", "GET, the smallest request", _one(GET, RECV), _hello),
    Scenario("bare", "GET, and no Date from the application", _one(GET, RECV), _bare),
    Scenario("head", "HEAD: the answer has no body", _one(get(method="HEAD"), RECV), _head),
    Scenario("post", "POST, the body's length is announced", _one(post(BODY), RECV), _echo),
    Scenario("post-in-parts", "POST, the body comes in two pieces",
             _one(HEAD_OF_POST, BODY[:40], BODY[40:], RECV), _echo),
    Scenario("chunked", "POST, the body comes in chunks, all at once",
             _one(chunked(b"hello", b"world"), RECV), _echo),
    Scenario("chunked-answer", "the answer's length is not known beforehand",
             _one(GET, RECV), _in_chunks),
    Scenario("keep-alive", "two requests on one connection", _one(GET, RECV, GET, RECV), _hello),
    Scenario("pipelined", "two requests in one packet", _one(GET + GET, RECV), _hello),
    Scenario("fragments", "GET, cut into three packets",
             _one(GET[:7], GET[7:20], GET[20:], RECV), _hello),
    Scenario("http10", "HTTP/1.0: closed after the answer",
             _open(get(version="1.0"), RECV), _hello),
    Scenario("http10-keep-alive", "HTTP/1.0, and the client asks to keep it",
             _one(get("/", "Connection: keep-alive", version="1.0"), RECV), _hello),
    Scenario("close", "Connection: close", _open(get("/", "Connection: close"), RECV), _hello),
    Scenario("continue", "the client waits for 100 before it sends the body",
             _one(post(BODY, "Expect: 100-continue")[: -len(BODY)], RECV, BODY, RECV), _echo),
    Scenario("bad-request", "a request line that is none", _open(b"GET\r\n\r\n", RECV), _hello),
    Scenario("bad-length", "Content-Length: ten",
             _open(get("/", "Content-Length: ten", method="POST"), RECV), _echo),
    Scenario("no-host", "HTTP/1.1 without a Host",
             _open(b"GET / HTTP/1.1\r\n\r\n", RECV), _hello),
    Scenario("lone-lf", "lines that end with LF alone",
             _open(GET.replace(b"\r\n", b"\n"), RECV), _hello),
    Scenario("two-framings", "Content-Length and Transfer-Encoding in one head",
             _open(TWO_FRAMINGS, RECV), _echo),
    Scenario("cut-short", "the client leaves in the middle of the body",
             _one(HEAD_OF_POST + BODY[:40]), _echo),
    Scenario("gone", "the client leaves before the answer, and the application is told",
             _open(GET, CLOSE, ("jump", 1.0)), _later),
    Scenario("gone-unseen", "the client leaves before the answer, which is written all the same",
             _open(GET, CLOSE, ("jump", 1.0)), _regardless),
    Scenario("slow-reader", "a body that the kernel can't take, and a client that reads late",
             _one(GET, RECV), _large),
    Scenario("idle", "a client that says nothing for too long",
             _open(("jump", 10.0), RECV), _hello, IDLE),
    Scenario("idle-in-head", "a client that stops in the middle of the head",
             _open(GET[:9], ("jump", 10.0), RECV), _hello, IDLE),
    Scenario("two-clients", "two clients, each in the other's pauses",
             (("connect", "a"), ("connect", "b"), ("send", "a", GET[:9]), ("send", "b", get("/b")),
              ("recv", "b"), ("send", "a", GET[9:]), ("recv", "a"), ("close", "b"),
              ("close", "a")), _hello),
    Scenario("blocks", "an application that computes, and another client that waits",
             (("connect", "a"), ("connect", "b"), ("send", "a", get("/slow")), ("recv", "a"),
              ("recv", "b"), ("close", "a"), ("close", "b")), _blocks),
    Scenario("raises", "an application that raises", _open(GET, RECV), _raises),
    Scenario("raises-halfway", "the same, after it has begun to answer",
             _open(GET, RECV), _raises_later),
    Scenario("returns", "an application that returns its answer", _one(GET, RECV), _returns),
    Scenario("coroutine", "an async def as application", _one(GET, RECV), _coroutine),
    Scenario("delegate", "a delegate as application: told of every event",
             _one(HEAD_OF_POST, BODY, RECV), _delegate),
    Scenario("early-answer", "a delegate that answers before the body has come",
             _one(HEAD_OF_POST, (*RECV, 77), BODY), _refuses),
)  # fmt: skip

SCENARIOS = {scenario.name: scenario for scenario in _ALL}
