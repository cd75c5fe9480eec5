"""A server for Tornado's names: `callback_server.py minitornado|tornado callback|streamed`.

One program for both packages: no more than the imports differ.
"""

import sys
from importlib import import_module
from typing import Any

package, application = sys.argv[1:]
httpserver = import_module(f"{package}.httpserver")
httputil: Any = import_module(f"{package}.httputil")
ioloop = import_module(f"{package}.ioloop")
netutil = import_module(f"{package}.netutil")

OK = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
BIG = bytes(10 * 1024 * 1024)


def answer(connection: Any, body: bytes) -> None:
    headers = {"Content-Type": "text/plain", "Content-Length": str(len(body))}
    connection.write_headers(OK, httputil.HTTPHeaders(headers), body)
    connection.finish()


BODIES: Any = {
    "/hello": lambda request: b"hello world",
    "/echo": lambda request: request.body,
    "/count": lambda request: b"%d" % len(request.body),
    "/big": lambda request: BIG,
}


def callback(request: Any) -> None:
    answer(request.connection, BODIES[request.path](request))


class Streamed(httputil.HTTPServerConnectionDelegate):  # type: ignore[misc]
    def start_request(self, server_conn: object, request_conn: object) -> object:
        return Counting(request_conn)


class Counting(httputil.HTTPMessageDelegate):  # type: ignore[misc]
    """Answers with the length of the body, of which it keeps nothing."""

    def __init__(self, connection: Any) -> None:
        super().__init__()
        self.connection = connection
        self.length = 0

    def data_received(self, chunk: bytes) -> None:
        self.length += len(chunk)

    def finish(self) -> None:
        answer(self.connection, b"%d" % self.length)


server = httpserver.HTTPServer(callback if application == "callback" else Streamed())
sockets = netutil.bind_sockets(0, "127.0.0.1")
server.add_sockets(sockets)
print(sockets[0].getsockname()[1], flush=True)
ioloop.IOLoop.current().start()
