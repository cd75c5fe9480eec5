"""A hello server that stops at one layer of the stack: `ladder.py loop|stream|…|server`.

Each step does what the one before does, one layer higher up: what it costs more is the layer's.
The step below `loop` is epoll_server.py, the one above `server` is callback_server.py.
"""

import socket
import sys
from typing import Any

from minitornado import gen, http1parser, httputil
from minitornado.concurrent import Future
from minitornado.http1connection import HTTP1ServerConnection
from minitornado.httpserver import HTTPServer
from minitornado.ioloop import IOLoop
from minitornado.iostream import IOStream, StreamClosedError
from minitornado.netutil import add_accept_handler, bind_sockets

HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello world"
END = b"\r\n\r\n"
OK = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
HEADERS = httputil.HTTPHeaders({"Content-Type": "text/plain", "Content-Length": "11"})
io_loop: IOLoop = IOLoop.current()


def loop(connection: socket.socket, address: object) -> None:
    """A handler for READ; recv and send by hand."""

    def handle(connection: socket.socket, events: int) -> None:
        if connection.recv(65536):
            connection.send(HELLO)
        else:
            io_loop.remove_handler(connection)
            connection.close()

    connection.setblocking(False)
    io_loop.add_handler(connection, handle, IOLoop.READ)


def stream(connection: socket.socket, address: object) -> None:
    """IOStream finds the end of the head, and calls back from its Future."""
    stream = IOStream(connection)
    stream.set_nodelay(True)

    def answer(head: Future[bytes]) -> None:
        if head.exception() is None:
            stream.write(HELLO)
            read()

    def read() -> None:
        stream.read_until(END).add_done_callback(answer)

    read()


def coroutine(connection: socket.socket, address: object, parse: bool = False) -> None:
    """A coroutine awaits the Future: a Runner, and a turn of the loop of its own."""
    stream = IOStream(connection)
    stream.set_nodelay(True)

    async def serve() -> None:
        try:
            while True:
                head = await stream.read_until(END)
                if parse:
                    http1parser.parse_head(head)
                stream.write(HELLO)
        except StreamClosedError:
            pass  # the client has left

    gen.convert_yielded(serve())


def parsed(connection: socket.socket, address: object) -> None:
    """The head is checked, and becomes start line and fields."""
    coroutine(connection, address, parse=True)


class Answer(httputil.HTTPServerConnectionDelegate, httputil.HTTPMessageDelegate):
    """The smallest delegate: it answers, with a head of the stack's or bytes of its own."""

    def __init__(self, formatted: bool) -> None:
        self.formatted = formatted
        self.connection: Any = None

    def start_request(self, server_conn: object, request_conn: Any) -> Any:
        self.connection = request_conn  # read again in `finish`, before another can come
        return self

    def on_close(self, server_conn: object) -> None:
        pass

    def finish(self) -> None:
        if self.formatted:
            self.connection.write_headers(OK, HEADERS, b"hello world")
        else:
            self.connection.write(HELLO)
        self.connection.finish()


def exchange(connection: socket.socket, address: object, formatted: bool = False) -> None:
    """HTTP1ServerConnection and HTTP1Connection lead one exchange after the other."""
    HTTP1ServerConnection(IOStream(connection)).start_serving(Answer(formatted))


def answer(connection: socket.socket, address: object) -> None:
    """The answer's head is made of its fields, and checked."""
    exchange(connection, address, formatted=True)


def hello(request: Any) -> None:
    request.connection.write_headers(OK, HEADERS, b"hello world")
    request.connection.finish()


http_server = HTTPServer(hello)


def server(connection: socket.socket, address: object) -> None:
    """HTTPServer makes an adapter and a request, and calls the application."""
    http_server.handle_stream(IOStream(connection), address)


if __name__ == "__main__":
    (listener,) = bind_sockets(0, "127.0.0.1")
    add_accept_handler(listener, globals()[sys.argv[1]])
    print(listener.getsockname()[1], flush=True)
    io_loop.start()
