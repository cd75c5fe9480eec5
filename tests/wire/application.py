"""The application of the laboratory: one small server program, run as a process of its own.

    python application.py '{"package": "minitornado", "server": {…HTTPServer's arguments…}}'

It prints the port it listens on and serves until its standard input ends, so it cannot outlive the
tests that started it. It uses what Tornado 4.4 and minitornado have in common, and hides nothing:
an error of a callback is left to the server.

`"count_reads": true` has /reads tell how often a socket was read, itself included;
`"delegate": true` serves a `HTTPServerConnectionDelegate` instead of a callback, `"async": true` an
`async def` callback, `"nofile": n` limits the process to n descriptors.
"""

import json
import logging
import os
import resource
import socket
import sys
import threading
from importlib import import_module

OPTIONS = json.loads(sys.argv[1]) if __name__ == "__main__" else {"package": "minitornado"}
PACKAGE = OPTIONS["package"]
httputil = import_module(f"{PACKAGE}.httputil")
netutil = import_module(f"{PACKAGE}.netutil")
HTTPServer = import_module(f"{PACKAGE}.httpserver").HTTPServer
IOLoop = import_module(f"{PACKAGE}.ioloop").IOLoop
StreamClosedError = import_module(f"{PACKAGE}.iostream").StreamClosedError

REASONS = {200: "OK", 204: "No Content", 304: "Not Modified", 404: "Not Found",
           405: "Method Not Allowed"}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
PIECE = 64 * 1024
PATTERN = bytes(range(251))  # a prime length, so that no two pieces of a body look alike


def pattern(size: int) -> bytes:
    """`size` bytes in which a lost, repeated or exchanged piece shows."""
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


def write_head(request, status: int, **fields: str):
    start_line = httputil.ResponseStartLine("HTTP/1.1", status, REASONS[status])
    headers = httputil.HTTPHeaders()
    for name, value in fields.items():
        headers.add(name.replace("_", "-"), value)
    return start_line, headers


def answer(request, body: bytes, status: int = 200) -> None:
    """Write the whole answer at once. To HEAD the header alone: that is the application's part."""
    start_line, headers = write_head(request, status, Content_Length=str(len(body)))
    chunk = b"" if request.method == "HEAD" else body
    request.connection.write_headers(start_line, headers, chunk)
    request.connection.finish()


def number(request, name: str, default: float = 0) -> float:
    values = request.arguments.get(name)
    return float(values[0]) if values else default


def hello(request) -> None:
    if request.method not in ("GET", "HEAD"):
        answer(request, b"no such method here", 405)
    else:
        answer(request, b"hello")


def headers(request) -> None:
    """What the application sees of the request, as JSON."""
    seen = {"method": request.method, "uri": request.uri, "path": request.path,
            "version": request.version, "headers": list(request.headers.get_all()),
            "body": len(request.body)}
    answer(request, json.dumps(seen).encode())


def slow(request) -> None:
    IOLoop.current().call_later(number(request, "seconds"), answer, request, b"slow")


def reads(request) -> None:
    answer(request, b"%d" % CountingSocket.reads)


class CountingSocket(socket.socket):
    """Counts how often one of its kind was read: one piece, or what has gathered of several."""

    __slots__ = ()
    reads = 0

    def recv(self, *args):
        CountingSocket.reads += 1
        return super().recv(*args)


def boom(request) -> None:
    raise RuntimeError("boom")


def without_body(request, status: int) -> None:
    start_line, fields = write_head(request, status)
    request.connection.write_headers(start_line, fields)
    request.connection.finish()


async def write_pieces(request, pieces, **fields: str) -> None:
    """Write piece by piece, each after the last one has left our hands."""
    start_line, head = write_head(request, 200, **fields)
    try:
        await request.connection.write_headers(start_line, head)
        if request.method != "HEAD":
            for piece in pieces:
                await request.connection.write(piece)
        request.connection.finish()
    except StreamClosedError:
        pass  # the client has left; nobody is waiting for the rest


def stream(request) -> None:
    """An answer of unknown length: /stream?pieces=3&size=6"""
    pieces = int(number(request, "pieces", 3))
    body = b"piece " * int(number(request, "size", 6) // 6)
    IOLoop.current().spawn_callback(write_pieces, request, [body] * pieces)


def flushed(request) -> None:
    """A large answer that never holds more than one piece in memory: /flushed?n=…"""
    n = int(number(request, "n"))
    pieces = (b"x" * min(PIECE, n - at) for at in range(0, n, PIECE))
    IOLoop.current().spawn_callback(write_pieces, request, pieces, Content_Length=str(n))


ROUTES = {
    "/hello": hello,
    "/glued": lambda request: answer(request, b"glued"),
    "/inner": lambda request: answer(request, b"inner"),
    "/echo": lambda request: answer(request, request.body),
    "/headers": headers,
    "/reads": reads,
    "/big": lambda request: answer(request, pattern(int(number(request, "n")))),
    "/flushed": flushed,
    "/stream": stream,
    "/slow": slow,
    "/boom": boom,
    "/nothing": lambda request: without_body(request, 204),
    "/unchanged": lambda request: without_body(request, 304),
}


def application(request) -> None:
    """Called by HTTPServer with each whole request."""
    if request.method not in METHODS:
        answer(request, b"unknown method", 405)
    else:
        ROUTES.get(request.path, lambda request: answer(request, b"not found", 404))(request)


async def async_application(request) -> None:
    application(request)


class Message(httputil.HTTPMessageDelegate):
    """Counts a body without keeping it; /early answers before it has come."""

    def __init__(self, connection) -> None:
        self.connection = connection
        self.length = 0

    def headers_received(self, start_line, headers) -> None:
        self.method, self.path = start_line.method, start_line.path
        if self.path == "/early":
            answer(self, b"early")

    def data_received(self, chunk: bytes) -> None:
        self.length += len(chunk)

    def finish(self) -> None:
        if self.path != "/early":
            answer(self, b"%d" % self.length)


class StreamingApplication(httputil.HTTPServerConnectionDelegate):
    def start_request(self, server_conn, request_conn) -> Message:
        return Message(request_conn)


def end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr,
                        format="%(levelname)s %(name)s: %(message)s")
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    if "nofile" in OPTIONS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPTIONS["nofile"], OPTIONS["nofile"]))
    if OPTIONS.get("count_reads"):
        socket.socket = CountingSocket  # what accept() makes
    callback = async_application if OPTIONS.get("async") else application
    if OPTIONS.get("delegate"):
        callback = StreamingApplication()
    server = HTTPServer(callback, **OPTIONS["server"])
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    IOLoop.current().start()


if __name__ == "__main__":
    main()
