"""Bytes through a whole HTTP1ServerConnection, over a socket pair: what was accepted, and answered.

Used by test_fuzz.py and by fuzz_atheris.py.
"""

from __future__ import annotations

import http.client
import io
import socket
from dataclasses import dataclass
from typing import Any

from fuzz_oracle import Message

from minitornado import gen
from minitornado.concurrent import Future
from minitornado.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from minitornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    ResponseStartLine,
)
from minitornado.ioloop import IOLoop
from minitornado.iostream import IOStream

MAX_BODY = 200  # bytes: small, so that it is met often
DEADLINE = 60.0  # seconds for one exchange; ten milliseconds is slow


@dataclass
class Result:
    accepted: list[Message]  # requests that were complete
    statuses: list[int]  # of the answers, 100 left out
    bodies: list[bytes]  # of the answers


class _Recorder(HTTPMessageDelegate):
    def __init__(self, connection: Any, accepted: list[Message]) -> None:
        self.connection = connection
        self.accepted = accepted
        self.message: Message | None = None

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
        assert self.message is None, "headers_received() twice"
        method, path, version = (word.encode("latin-1") for word in start_line)
        self.message = Message(method, path, version)
        for name, value in headers.get_all():
            values = self.message.fields.setdefault(name.lower().encode("latin-1"), [])
            values.append(value.encode("latin-1"))

    def data_received(self, chunk: bytes) -> None:
        assert chunk, "an empty chunk"
        assert self.message is not None
        self.message.body += chunk

    def finish(self) -> None:
        assert self.message is not None
        self.accepted.append(self.message)
        body = b"answer %d" % len(self.accepted)
        headers = HTTPHeaders({"Content-Length": str(len(body))})
        self.connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers, body)
        self.connection.finish()


class _Application(HTTPServerConnectionDelegate):
    def __init__(self) -> None:
        self.accepted: list[Message] = []
        self.closed: Future[None] = Future()

    def start_request(self, server_conn: Any, request_conn: Any) -> HTTPMessageDelegate:
        return _Recorder(request_conn, self.accepted)

    def on_close(self, server_conn: Any) -> None:
        self.closed.set_result(None)


def exchange(loop: IOLoop, pieces: list[bytes], decompress: bool = False) -> Result:
    """Send `pieces`, each after the server has had two turns for the last, then end; and read."""
    ours, theirs = socket.socketpair()
    application = _Application()
    with ours:
        params = HTTP1ConnectionParameters(max_body_size=MAX_BODY, decompress=decompress)
        stream = IOStream(theirs, io_loop=loop)

        async def talk() -> None:
            # In here, where `loop` is the current one: its coroutine belongs to that.
            HTTP1ServerConnection(stream, params, "a fuzzer").start_serving(application)
            try:
                for piece in pieces:
                    ours.sendall(piece)
                    await gen.moment
                    await gen.moment
                ours.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has closed, having seen enough
            await application.closed

        loop.run_sync(talk, timeout=DEADLINE)
        stream.close()
        answers = _read_all(ours)
    return Result(application.accepted, *_parse_answers(answers, application.accepted))


def _read_all(sock: socket.socket) -> bytes:
    received = bytearray()
    try:
        while chunk := sock.recv(1 << 16):
            received += chunk
    except ConnectionResetError:
        pass  # it closed with bytes of ours unread; what it said before is here all the same
    return bytes(received)


class _Source:
    """As much of a socket as http.client wants."""

    def __init__(self, file: io.BytesIO) -> None:
        self.file = file

    def makefile(self, mode: str) -> io.BytesIO:
        return self.file


class _Kept(io.BytesIO):
    def close(self) -> None:
        """Stay open: HTTPResponse closes its file at the end of each answer."""


def _parse_answers(data: bytes, accepted: list[Message]) -> tuple[list[int], list[bytes]]:
    """Let http.client, who had no part in writing them, read the answers."""
    file = _Kept(data)
    statuses: list[int] = []
    bodies: list[bytes] = []
    while file.tell() < len(data):
        number = len(statuses)
        method = accepted[number].method.decode() if number < len(accepted) else "GET"
        response = http.client.HTTPResponse(_Source(file), method=method)  # type: ignore[arg-type]
        try:
            response.begin()  # steps over 100 Continue
        except http.client.RemoteDisconnected:
            break  # told to go on, the client has left
        statuses.append(response.status)
        try:
            bodies.append(response.read())
        except http.client.IncompleteRead as error:
            # A refusal without a body: right if what is refused began with HEAD.
            assert number >= len(accepted) and error.partial == b"", error
    return statuses, bodies
