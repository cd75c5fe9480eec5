"""The demo application: what a program on top of HTTPServer looks like, route by route.

    GET  /hello              "hello world": one write, and done
    POST /echo               the body, back again
    GET  /headers            the request's fields, as a JSON list of [name, value]
    GET  /big?n=N            N bytes, never more than one piece of them in memory
    GET  /stream             five pieces, 50 ms apart, in chunks: nobody knows the length before
    GET  /slow?seconds=S     waits; the loop serves others meanwhile
    GET  /block?seconds=S    waits the wrong way; nobody else is served meanwhile
    GET  /remote             who asks, as JSON: ip and protocol
    GET  /status?code=N      an answer with that status
    GET  /boom               raises; the server answers 500 (to a POST too)

HEAD is answered wherever GET is.  `application` is called with every request when all of it
is here.  It answers through `request.connection`: `write_headers` once, `write` as often as it
likes, `finish` once.  A handler that waits is an `async def`: what it returns, a coroutine, is
returned to the server, which drives it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import gen
from ..httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine, responses
from ..log import access_log

PIECE_BYTES = 64 * 1024  # of /big, written at once
MAX_BIG_BYTES = 256 * 1024**2
STREAM_PIECES = 5
STREAM_PAUSE = 0.05  # seconds
MAX_SLOW_SECONDS = 60.0
MAX_BLOCK_SECONDS = 10.0  # less: everybody else waits too

_LINE = (b"0123456789abcdef" * 4)[:63] + b"\n"  # what /big is made of


def application(request: HTTPServerRequest) -> Any:
    """Answer one request, at once or with a coroutine that will."""
    route = ROUTES.get(request.path)
    if route is None:
        return answer(request, f"There is nothing here. There is: {' '.join(ROUTES)}\n", status=404)
    if request.method not in route.methods:
        allow = ", ".join(route.methods)
        return answer(request, f"{request.path} takes {allow}.\n", status=405, Allow=allow)
    if route.number is None:
        return route.handler(request)
    try:
        value = route.number.read_from(request)
    except ValueError as error:
        return answer(request, f"{error}\n", status=400)
    return route.handler(request, value)


# ---- the handlers ----


def hello(request: HTTPServerRequest) -> None:
    answer(request, "hello world")


def echo(request: HTTPServerRequest) -> None:
    # Not the type it came with: a browser would take a stranger's text/html for our page.
    answer(request, request.body, content_type="application/octet-stream")


def headers(request: HTTPServerRequest) -> None:
    answer_json(request, list(request.headers.get_all()))


async def big(request: HTTPServerRequest, size: int) -> None:
    start_answer(request, 200, {"Content-Type": "text/plain", "Content-Length": str(size)})
    piece = _LINE * (PIECE_BYTES // len(_LINE))
    while size > 0:
        # The Future is done when the bytes have left our buffer.  Without the await all of
        # them would pile up in it, at the pace of this loop and not of the client.
        await request.connection.write(piece[:size])
        size -= PIECE_BYTES
    request.connection.finish()


async def stream(request: HTTPServerRequest) -> None:
    # No Content-Length, so HTTP1Connection sends chunks.
    start_answer(request, 200, {"Content-Type": "text/plain"})
    for number in range(1, STREAM_PIECES + 1):
        if number > 1:
            await gen.sleep(STREAM_PAUSE)
        await request.connection.write(b"piece %d of %d\n" % (number, STREAM_PIECES))
    request.connection.finish()


async def slow(request: HTTPServerRequest, seconds: float) -> None:
    await gen.sleep(seconds)
    answer(request, f"waited {seconds:g} s, while the loop was free for others\n")


def block(request: HTTPServerRequest, seconds: float) -> None:
    time.sleep(seconds)
    answer(request, f"held the loop for {seconds:g} s: nobody else was served\n")


def remote(request: HTTPServerRequest) -> None:
    answer_json(request, {"ip": request.remote_ip, "protocol": request.protocol})


def status(request: HTTPServerRequest, code: int) -> None:
    text = f"{code} {responses.get(code, 'Unknown')}\n"
    answer(request, "" if code == 205 else text, status=code)  # 205 has no body, RFC 9110 §15.3.6


def boom(request: HTTPServerRequest) -> None:
    raise RuntimeError("this route always fails")


# ---- answering ----


def answer(
    request: HTTPServerRequest,
    body: str | bytes,
    status: int = 200,
    content_type: str = "text/plain",
    **fields: str,
) -> None:
    """Write a whole answer: its body is here, so its length is known."""
    if isinstance(body, str):
        body = body.encode()
    fields |= {"Content-Type": content_type, "Content-Length": str(len(body))}
    start_answer(request, status, fields, body)
    request.connection.finish()


def answer_json(request: HTTPServerRequest, value: object) -> None:
    """Write `value` as JSON."""
    answer(request, json.dumps(value) + "\n", content_type="application/json")


def start_answer(
    request: HTTPServerRequest, status: int, fields: dict[str, str], chunk: bytes | None = None
) -> None:
    """Write the head of an answer, and `chunk` with it; one line in the access log."""
    # %a: a target may hold bytes that a terminal would obey.
    access_log.info("%d %s %a (%s)", status, request.method, request.uri, request.remote_ip)
    start_line = ResponseStartLine("HTTP/1.1", status, responses.get(status, "Unknown"))
    request.connection.write_headers(start_line, HTTPHeaders(fields), chunk)


# ---- routes and their parameters ----


class Number(NamedTuple):
    """A number in the query, by name; `kind` is int or float, both ends belong to the range."""

    name: str
    kind: type
    low: float
    high: float
    example: str

    def read_from(self, request: HTTPServerRequest) -> Any:
        """Return the number; raise ValueError with a sentence for the client."""
        values = request.query_arguments.get(self.name, [])
        # Digits, spelled out: int() and float() take "1_0", " 1", "nan" and "1e9" as well.
        pattern = rb"[0-9]{1,12}" if self.kind is int else rb"[0-9]{1,12}(?:\.[0-9]{1,12})?"
        if len(values) == 1 and re.fullmatch(pattern, values[0]):
            number = self.kind(values[0])
            if self.low <= number <= self.high:
                return number
        what = "a whole number" if self.kind is int else "a number"
        raise ValueError(
            f"Say {self.name}, {what} from {self.low:.0f} to {self.high:.0f}, "
            f"once: {request.path}?{self.name}={self.example}"
        )


class Route(NamedTuple):
    """Who answers a path, to which methods, and the number that it wants to be told."""

    handler: Callable[..., Any]
    methods: tuple[str, ...] = ("GET", "HEAD")
    number: Number | None = None


ROUTES: dict[str, Route] = {
    "/hello": Route(hello),
    "/echo": Route(echo, methods=("POST",)),
    "/headers": Route(headers),
    "/big": Route(big, number=Number("n", int, 0, MAX_BIG_BYTES, "1000000")),
    "/stream": Route(stream),
    "/slow": Route(slow, number=Number("seconds", float, 0, MAX_SLOW_SECONDS, "0.5")),
    "/block": Route(block, number=Number("seconds", float, 0, MAX_BLOCK_SECONDS, "0.5")),
    "/remote": Route(remote),
    "/status": Route(status, number=Number("code", int, 200, 599, "404")),
    "/boom": Route(boom, methods=("GET", "HEAD", "POST")),
}
