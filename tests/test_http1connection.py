"""http1connection: which events a request becomes, in which order and turn, and what is answered.

One connection at a time, on a real socket pair, with no server: what stands above is a recorder.
The orders are those of the original where it is not told otherwise; where ours differs on
purpose, the test says so.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import gc
import gzip
import itertools
import re
import socket
import threading
import weakref
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from doubles import (
    ExpectLog,
    FakePoller,
    RecordingDelegate,
    ScriptedStream,
    SleepsForEver,
    reset,
    run,
    tcp_stream_and_peer,
    turns,
)

from minitornado import http1connection, httputil
from minitornado.concurrent import Future
from minitornado.http1connection import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
)
from minitornado.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPOutputError,
    HTTPServerConnectionDelegate,
    ResponseStartLine,
)
from minitornado.ioloop import IOLoop
from minitornado.iostream import BaseIOStream, IOStream, StreamClosedError

pytestmark = [pytest.mark.usefixtures("quiet_log"), pytest.mark.deadline(120)]

OK = ResponseStartLine("HTTP/1.1", 200, "OK")
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: D\r\n\r\nhello"
MALFORMED = "Malformed HTTP message from client: "


def hello(connection: HTTP1Connection) -> None:
    connection.write_headers(OK, HTTPHeaders({"Content-Length": "5"}), b"hello")
    connection.finish()


class Recorder(RecordingDelegate):
    """Tells the server what happens; answers when the request is complete."""

    def __init__(self, server: Server, connection: HTTP1Connection) -> None:
        super().__init__()
        self.server = server
        self.connection = connection

    def headers_received(self, start_line: Any, headers: Any) -> Any:
        super().headers_received(start_line, headers)
        self.server.events.append(f"headers_received {start_line.path}")
        return self.server.on_headers(self.connection)

    def data_received(self, chunk: bytes) -> Any:
        super().data_received(chunk)
        self.server.events.append(f"data_received {chunk.decode('latin-1')}")
        return self.server.on_data(self.connection)

    def finish(self) -> Any:
        super().finish()
        self.server.events.append("finish")
        return self.server.on_finish(self.connection)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.server.events.append("on_connection_close")


class Server(HTTPServerConnectionDelegate):
    """What stands above a connection: hands out recorders, and keeps what happens, in order."""

    def __init__(
        self,
        on_finish: Callable[[HTTP1Connection], Any] = hello,
        on_headers: Callable[[HTTP1Connection], Any] = lambda connection: None,
        on_data: Callable[[HTTP1Connection], Any] = lambda connection: None,
    ) -> None:
        self.events: list[str] = []
        self.delegates: list[Recorder] = []
        self.on_finish, self.on_headers, self.on_data = on_finish, on_headers, on_data

    def start_request(self, server_conn: Any, request_conn: Any) -> HTTPMessageDelegate:
        self.events.append("start_request")
        self.delegates.append(Recorder(self, request_conn))
        return self.delegates[-1]

    def on_close(self, server_conn: Any) -> None:
        self.events.append("on_close")


class Peer:
    """The client: sends, lets the loop turn, and takes what has come back."""

    def __init__(self, loop: IOLoop, sock: socket.socket, conn: HTTP1ServerConnection) -> None:
        self.loop, self.socket, self.conn = loop, sock, conn
        self.stream: Any = conn.stream
        self.ended = False

    def send(self, data: bytes, number: int = 4) -> bytes:
        self.socket.send(data)
        return self.receive(number)

    def receive(self, number: int = 4) -> bytes:
        turns(self.loop, number)
        data = b""
        with contextlib.suppress(BlockingIOError):
            while piece := self.socket.recv(1 << 20):
                data += piece
            self.ended = True
        return re.sub(rb"Date: [^\r]*", b"Date: D", data)


@contextlib.contextmanager
def serving(
    loop: IOLoop, server: Server, first: bytes = b"", max_buffer_size: int | None = None,
    **params: Any,
) -> Iterator[Peer]:
    """A connection that is being served; `first` is there when it is accepted."""
    with tcp_stream_and_peer(loop, max_buffer_size=max_buffer_size) as (stream, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.send(first)
        conn = HTTP1ServerConnection(stream, HTTP1ConnectionParameters(**params), "client")
        conn.start_serving(server)
        peer = Peer(loop, sock, conn)
        yield peer
        stream.close()
        turns(loop, 4)
    assert server.events[-1] == "on_close", server.events
    assert server.events.count("on_close") == 1


def status(answer: bytes) -> int:
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert match, answer
    return int(match[1])


# ---- one request ----


def test_a_request_that_comes_after_the_connection(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server) as peer:
        # Whoever is to receive a request exists before its first byte; the fd is known to the
        # loop only because a read has come up empty.
        assert server.events == ["start_request"]
        assert peer.stream._state == IOLoop.READ
        # One event and one callback later the answer is out.
        assert peer.send(GET, 1) == HELLO
        assert server.events == ["start_request", "headers_received /a", "finish", "start_request"]
        assert peer.stream.socket.calls["send"] == 1  # head and body in one
        [request, waiting] = server.delegates
        assert request.connection is not waiting.connection
        assert request.names == ["headers_received", "finish"]
        assert waiting.names == []


def test_a_request_that_was_there_before_is_answered_inside_accept(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server, first=GET) as peer:
        # No turn of the loop at all, and the fd is not even registered while it is answered.
        assert server.events[:3] == ["start_request", "headers_received /a", "finish"]
        assert peer.receive(0) == HELLO


def test_the_wait_for_the_next_request_gives_the_loop_nothing_to_do(io_loop: IOLoop) -> None:
    with serving(io_loop, Server()) as peer:
        peer.send(GET)
        recvs = peer.stream.socket.calls["recv"]
        turns(io_loop, 5)
        assert peer.stream.socket.calls["recv"] == recvs


def test_requests_one_after_the_other_have_a_delegate_each(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server) as peer:
        for _ in range(3):
            assert peer.send(GET) == HELLO
        assert server.events == [
            "start_request", *["headers_received /a", "finish", "start_request"] * 3,
        ]  # fmt: skip


def test_the_client_leaves_between_two_requests(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server) as peer:
        peer.send(GET)
        peer.socket.close()
        turns(io_loop, 3)
        # The idle delegate is not told anything: it has had no headers.
        assert server.events[-2:] == ["start_request", "on_close"]
        assert server.delegates[-1].names == []


# ---- bodies ----


def test_a_body_that_comes_with_its_head_is_received_on_the_same_stack(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server, first=POST + b"12345"):
        assert server.events[:4] == [
            "start_request", "headers_received /b", "data_received 12345", "finish",
        ]  # fmt: skip


def test_a_body_is_handed_on_as_it_comes(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server) as peer:
        assert peer.send(POST) == peer.send(b"12") == b""
        assert server.events[-1] == "data_received 12"
        assert peer.send(b"345") == HELLO
        assert server.events[-4:-1] == ["data_received 12", "data_received 345", "finish"]


def test_a_body_comes_in_pieces_of_the_chunk_size_at_most(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server, chunk_size=2) as peer:
        peer.send(POST + b"12345")
        assert server.events[2:6] == [
            "data_received 12", "data_received 34", "data_received 5", "finish",
        ]  # fmt: skip


def test_chunks_are_handed_on_and_their_trailer_is_dropped(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server) as peer:
        body = b"2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nContent-Length: 9\r\nX: y\r\n\r\n"
        assert peer.send(CHUNKED + body + GET) == HELLO * 2
        assert server.events[2:6] == ["data_received ab", "data_received cde", "finish",
                                      "start_request"]  # fmt: skip
        # None waits for the next; each is told whole.
        server.events.clear()
        peer.send(CHUNKED + b"2\r\nab\r\n")
        peer.send(b"3\r\nc")
        peer.send(b"de\r\n0\r\n\r\n")
        assert [event for event in server.events if event.startswith("data_received")] == [
            "data_received ab", "data_received cde"]  # fmt: skip
        # In the head, the trailer's fields would lie about the body.
        assert "Content-Length" not in server.delegates[0].events[0][2]
        assert "X" not in server.delegates[0].events[0][2]


def test_who_expects_100_gets_it_before_the_body_and_once(io_loop: IOLoop) -> None:
    head = POST[:-2] + b"Expect: 100-Continue\r\n\r\n"
    with serving(io_loop, Server()) as peer:
        assert peer.send(head) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert peer.send(b"12") == b""
        assert peer.send(b"345") == HELLO


def test_who_is_answered_in_headers_received_gets_no_100(io_loop: IOLoop) -> None:
    head = POST[:-2] + b"Expect: 100-continue\r\n\r\n"
    with serving(io_loop, Server(on_headers=hello)) as peer:
        assert peer.send(head) == HELLO


def test_http_1_0_knows_no_100(io_loop: IOLoop) -> None:
    head = POST.replace(b"HTTP/1.1", b"HTTP/1.0")[:-2] + b"Expect: 100-continue\r\n\r\n"
    with serving(io_loop, Server()) as peer:
        assert peer.send(head) == b""
        assert peer.send(b"12345").startswith(b"HTTP/1.1 200")


# ---- flow control ----


@pytest.mark.parametrize("raw", [POST + b"12345", CHUNKED + b"3\r\n123\r\n2\r\n45\r\n0\r\n\r\n"])
def test_a_future_from_data_received_holds_back_the_next_piece(io_loop: IOLoop, raw: bytes) -> None:
    futures: list[Future[None]] = []

    def hold(connection: HTTP1Connection) -> Future[None]:
        futures.append(Future())
        return futures[-1]

    server = Server(on_data=hold)
    with serving(io_loop, server, chunk_size=3) as peer:
        peer.send(raw)
        assert server.events[-1] == "data_received 123"
        futures[-1].set_result(None)
        turns(io_loop, 3)
        assert server.events[-1] == "data_received 45"
        assert peer.receive() == b""
        futures[-1].set_result(None)
        assert peer.receive() == HELLO


def test_a_future_from_headers_received_holds_back_the_body(io_loop: IOLoop) -> None:
    future: Future[None] = Future()
    server = Server(on_headers=lambda connection: future)
    with serving(io_loop, server) as peer:
        peer.send(POST + b"12345")
        assert server.events[-1] == "headers_received /b"
        future.set_result(None)
        assert peer.receive() == HELLO


def progress_of(loop: IOLoop, server: Server, event: str, number: int) -> list[int]:
    """How many of these events had happened, at each of so many turns of the loop from now on."""
    progress: list[int] = []

    def look() -> None:
        progress.append(sum(told.startswith(event) for told in server.events))
        if len(progress) < number:
            loop.add_callback(look)

    loop.add_callback(look)
    return progress


async def done_when_called(connection: HTTP1Connection) -> None:
    """Waits for nothing, as most `async def data_received`."""


@pytest.mark.parametrize("on_data", [lambda connection: None, done_when_called])
@pytest.mark.parametrize("raw", [
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 400\r\n\r\n" + b"xy" * 200,
    CHUNKED + b"1\r\nx\r\n1\r\ny\r\n" * 200 + b"0\r\n\r\n",
    CHUNKED + b"2\r\nxy\r\n" * 200 + b"0\r\n\r\n",
], ids=["by length", "in chunks", "in chunks of two pieces"])  # fmt: skip
def test_between_some_pieces_of_a_body_everybody_has_a_turn(
    io_loop: IOLoop, raw: bytes, on_data: Callable[[HTTP1Connection], Any]
) -> None:
    server = Server(on_data=on_data)
    with serving(io_loop, server, chunk_size=1) as peer:
        progress = progress_of(io_loop, server, "data_received", 30)
        assert peer.send(raw, 40) == HELLO
        steps = [after - before for before, after in itertools.pairwise(progress)]
        assert max(steps) == http1connection.PIECES_A_TURN
        assert server.delegates[0].body == b"xy" * 200


def test_between_some_writes_everybody_has_a_turn(io_loop: IOLoop) -> None:
    # Who awaits each waits for none of them, where the kernel takes all at once.
    async def stream(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, HTTPHeaders({"Content-Length": "400"}))
        for _ in range(200):
            server.events.append("written")
            await connection.write(b"xy")
        connection.finish()

    server = Server(on_finish=stream)
    with serving(io_loop, server) as peer:
        progress = progress_of(io_loop, server, "written", 30)
        assert peer.send(GET, 40).endswith(b"xy" * 200)
        steps = [after - before for before, after in itertools.pairwise(progress)]
        assert max(steps) == http1connection.PIECES_A_TURN
        assert peer.send(GET, 40).endswith(b"xy" * 200)


def test_while_it_is_held_back_the_client_is_not_read_from(io_loop: IOLoop) -> None:
    # The kernel's buffer fills, and TCP makes the client wait: the server's memory stays small.
    size = 64 * 1024 * 1024
    held: Future[None] = Future()
    server = Server(on_data=lambda connection: held)
    with serving(io_loop, server) as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < size:
                sent += peer.socket.send(b"x" * 65536)
                turns(io_loop)
        assert sent < size / 2
        assert len(peer.stream._read_buffer) <= 2 * http1connection.CHUNK_SIZE
        peer.stream.close()
        held.set_result(None)


# ---- pipelining ----


def test_requests_in_one_packet_are_answered_in_order_one_at_a_time(io_loop: IOLoop) -> None:
    answers: list[HTTP1Connection] = []
    server = Server(on_finish=answers.append)
    with serving(io_loop, server) as peer:
        assert peer.send(GET + POST + b"12345" + GET) == b""
        # The second is not looked at before the first is answered.
        assert server.events == ["start_request", "headers_received /a", "finish"]
        hello(answers[0])
        turns(io_loop, 5)
        assert server.events[3:] == ["start_request", "headers_received /b", "data_received 12345",
                                     "finish"]  # fmt: skip
        hello(answers[1])
        turns(io_loop, 5)
        hello(answers[2])
        assert peer.receive() == HELLO * 3


def test_between_some_requests_of_a_packet_everybody_has_a_turn(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server) as peer:
        peer.socket.send(GET * 100)
        progress = progress_of(io_loop, server, "finish", 30)
        assert peer.receive(40) == HELLO * 100
        # Never more of them in one turn of the loop.
        steps = [after - before for before, after in itertools.pairwise(progress)]
        assert max(steps) == http1connection.REQUESTS_A_TURN


def test_a_thousand_requests_in_one_packet_need_no_deeper_stack(io_loop: IOLoop) -> None:
    with serving(io_loop, Server(), first=GET * 1000) as peer:
        answers = b""
        while answers.count(b"hello") < 1000:
            answers += peer.receive(100)
        assert answers == HELLO * 1000


def test_nothing_behind_a_refused_request_is_answered(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server) as peer:
        with ExpectLog("tornado.general", MALFORMED):
            answer = peer.send(GET + b"bad\r\n\r\n" + GET)
        assert answer.startswith(HELLO)
        assert status(answer[len(HELLO):]) == 400
        assert answer.count(b"HTTP/1.1") == 2
        assert server.events.count("start_request") == 2


# ---- every cut ----

EXCHANGES: dict[str, tuple[bytes, list[str], bytes]] = {
    "get": (GET, ["headers_received", "finish"], b""),
    "empty lines first": (b"\r\n\r\n\r\n" + GET, ["headers_received", "finish"], b""),
    "post": (POST + b"1\r\n\r5", ["headers_received", "data_received", "finish"], b"1\r\n\r5"),
    "chunked": (
        CHUNKED + b"2\r\n\r\n\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
        ["headers_received", "data_received", "finish"], b"\r\n0123456789",
    ),
    "chunked with a trailer": (
        CHUNKED + b"1\r\na\r\n000\r\nA: b\r\nC: d\r\n\r\n",
        ["headers_received", "data_received", "finish"], b"a",
    ),
}  # fmt: skip
REFUSED = {
    "no version": (b"GET /\r\nHost: h\r\n\r\n", 400),
    "line feeds alone": (b"GET / HTTP/1.1\n\n", 400),
    "HTTP/2": (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "an unknown coding": (b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\n\r\n", 501),
    "bad chunk size": (CHUNKED + b"-1\r\n", 400), "bad chunk end": (CHUNKED + b"1\r\nab\r\n", 400),
    "bad trailer": (CHUNKED + b"0\r\nA : b\r\n\r\n", 400),
    "LF alone in a trailer": (CHUNKED + b"0\r\nA: b\n\n\r\n", 400),
}  # fmt: skip


def pieces(data: bytes, way: Any) -> list[bytes]:
    if way == "whole":
        return [data]
    if way == "bytes":
        return [data[at : at + 1] for at in range(len(data))]
    return [data[:way], data[way:]]


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_request_is_the_same_however_it_is_cut(io_loop: IOLoop, name: str) -> None:
    raw, names, body = EXCHANGES[name]
    server = Server()
    with serving(io_loop, server) as peer:
        for way in ["whole", "bytes", *range(1, len(raw))]:
            before = len(server.delegates)
            answer = b"".join(peer.send(piece, 3) for piece in pieces(raw, way))
            assert answer == HELLO, way
            assert len(server.delegates) == before + 1
            got = server.delegates[before - 1]
            assert got.body == body, way
            assert list(dict.fromkeys(got.names)) == names, way


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_request_is_the_same_with_the_next_one_behind_it(io_loop: IOLoop, name: str) -> None:
    raw, _names, body = EXCHANGES[name]
    server = Server()
    with serving(io_loop, server) as peer:
        for extra in range(1, len(GET) + 1):  # the first bytes of the next, then the rest
            answer = peer.send(raw + GET[:extra], 4) + peer.send(GET[extra:], 4)
            assert answer == HELLO * 2, extra
            assert server.delegates[-3].body == body


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_request_is_refused_however_it_is_cut(io_loop: IOLoop, name: str) -> None:
    raw, expected = REFUSED[name]
    for way in ["whole", "bytes", *range(1, len(raw))]:
        server = Server()
        with ExpectLog("tornado.general", MALFORMED), serving(io_loop, server) as peer:
            answer = b""
            for piece in pieces(raw, way):
                if not answer:
                    answer = peer.send(piece, 3)
            assert status(answer) == expected, way
            assert "finish" not in server.events
            closes = server.events.count("on_connection_close")
            assert closes == server.events.count("headers_received /c")


# ---- the client leaves ----


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
@pytest.mark.parametrize(("sent", "events"), [
    (b"", ["start_request", "on_close"]),
    (GET[:9], ["start_request", "on_close"]),
    (POST, ["start_request", "headers_received /b", "on_connection_close", "on_close"]),
    (POST + b"12", ["start_request", "headers_received /b", "data_received 12",
                    "on_connection_close", "on_close"]),
    (CHUNKED + b"5\r", ["start_request", "headers_received /c", "on_connection_close",
                        "on_close"]),
    (CHUNKED + b"2\r\nab\r\n0\r\n", ["start_request", "headers_received /c", "data_received ab",
                                     "on_connection_close", "on_close"]),
])  # fmt: skip
def test_the_client_leaves_in_the_middle_of_a_request(
    io_loop: IOLoop, sent: bytes, events: list[str], leave: Callable[[socket.socket], None]
) -> None:
    server = Server()
    with serving(io_loop, server) as peer:
        peer.send(sent)
        leave(peer.socket)
        turns(io_loop, 3)
        assert server.events == events


def test_the_client_leaves_while_the_application_thinks(io_loop: IOLoop) -> None:
    told: list[str] = []

    def think(connection: HTTP1Connection) -> None:
        connection.set_close_callback(lambda: told.append("left"))

    server = Server(on_finish=think)
    with serving(io_loop, server) as peer:
        peer.send(GET)
        assert told == []
        reset(peer.socket)
        turns(io_loop, 4)
        assert told == ["left"]
        # The delegate has had its `finish`.  Unlike the original's, ours is not asked for
        # another delegate on a stream that is closed.
        assert server.events == ["start_request", "headers_received /a", "finish", "on_close"]
        # What the application still writes is no error of its own.
        connection = server.delegates[0].connection
        hello(connection)


def test_a_half_closed_client_still_gets_its_answer(io_loop: IOLoop) -> None:
    with serving(io_loop, Server()) as peer:
        peer.socket.send(GET)
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.receive() == HELLO
        assert peer.ended


def test_the_client_leaves_in_the_middle_of_a_large_answer(io_loop: IOLoop) -> None:
    def large(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, HTTPHeaders({"Content-Length": "50000000"}))
        connection.write(b"x" * 50_000_000)
        connection.finish()

    server = Server(on_finish=large)
    with serving(io_loop, server) as peer:
        peer.socket.send(GET)
        turns(io_loop, 4)
        reset(peer.socket)
        turns(io_loop, 4)
        assert server.events == ["start_request", "headers_received /a", "finish", "on_close"]


def test_a_request_behind_a_slow_answer_is_not_read_into_memory(io_loop: IOLoop) -> None:
    server = Server(on_finish=lambda connection: None)
    with serving(io_loop, server) as peer:
        peer.send(GET)
        for _ in range(20):
            peer.socket.send(b"x" * 50_000)
            turns(io_loop, 2)
        assert len(peer.stream._read_buffer) <= http1connection.CHUNK_SIZE


# ---- answers ----


def answering(
    io_loop: IOLoop, answer: Callable[[HTTP1Connection], Any], request: bytes = GET, **params: Any
) -> bytes:
    """What a client gets, and whether the connection ends with it: b"|" if so."""
    with serving(io_loop, Server(on_finish=answer), **params) as peer:
        got = peer.send(request)
        return got + b"|" * peer.ended


def in_chunks(connection: HTTP1Connection) -> None:
    connection.write_headers(OK, HTTPHeaders())
    connection.write(b"ab")
    connection.write(b"")  # an empty chunk would end the body
    connection.write(b"c" * 16)
    connection.finish()


HTTP_1_0 = b"GET /a HTTP/1.0\r\n\r\n"
KEEP_1_0 = b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
CLOSE = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def test_an_answer_without_a_length_comes_in_chunks(io_loop: IOLoop) -> None:
    assert answering(io_loop, in_chunks) == (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: D\r\n\r\n"
        b"2\r\nab\r\n10\r\ncccccccccccccccc\r\n0\r\n\r\n"
    )


@pytest.mark.parametrize("request_", [HTTP_1_0, KEEP_1_0])
def test_to_http_1_0_an_answer_without_a_length_ends_with_the_connection(
    io_loop: IOLoop, request_: bytes
) -> None:
    assert answering(io_loop, in_chunks, request_) == (
        b"HTTP/1.1 200 OK\r\nDate: D\r\nConnection: close\r\n\r\nabcccccccccccccccc|"
    )


def test_the_connection_is_kept_or_closed_as_was_asked_for(io_loop: IOLoop) -> None:
    closing = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"|"
    keeping = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")
    assert answering(io_loop, hello) == HELLO
    assert answering(io_loop, hello, CLOSE) == closing
    assert answering(io_loop, hello, HTTP_1_0) == closing
    assert answering(io_loop, hello, KEEP_1_0) == keeping
    assert answering(io_loop, hello, no_keep_alive=True) == closing


def test_an_exchange_that_ended_with_its_connection_is_not_waited_for(
    io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(HTTP1Connection, "_end_exchange")
    assert answering(io_loop, hello, CLOSE).endswith(b"hello|")


def test_nothing_behind_connection_close_is_answered(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server) as peer:
        assert peer.send(CLOSE + GET).count(b"hello") == 1
        peer.socket.close()
        turns(io_loop)
        # Unlike the original, no delegate is asked for after the end.
        assert server.events == ["start_request", "headers_received /a", "finish", "on_close"]


def test_an_application_may_close_the_connection_with_its_answer(io_loop: IOLoop) -> None:
    def closing(connection: HTTP1Connection) -> None:
        headers = {"Content-Length": "1", "Connection": "Close"}
        connection.write_headers(OK, headers, b"x")
        connection.finish()

    assert answering(io_loop, closing).endswith(b"x|")


def test_the_answer_to_head_has_no_body_and_keeps_step(io_loop: IOLoop) -> None:
    head = GET.replace(b"GET", b"HEAD")
    assert answering(io_loop, hello, head + GET) == HELLO.removesuffix(b"hello") + HELLO
    assert answering(io_loop, in_chunks, head) == (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: D\r\n\r\n"
    )


@pytest.mark.parametrize("field", ["Content-Length: 5\r\n", "Transfer-Encoding: x\r\n"])
@pytest.mark.parametrize("code", [204, 304])
def test_204_and_304_have_no_body(io_loop: IOLoop, code: int, field: str) -> None:
    headers = HTTPHeaders.parse(field)

    def bodiless(connection: HTTP1Connection) -> None:
        connection.write_headers(ResponseStartLine("HTTP/1.1", code, "R"), headers, b"hello")
        connection.finish()

    field = field if code == 304 else ""  # of the body that a 200 would have had
    assert answering(io_loop, bodiless) == f"HTTP/1.1 {code} R\r\n{field}Date: D\r\n\r\n".encode()
    assert len(headers) == 1  # the application's own, which it may use again


def test_the_application_may_format_its_own_answer(io_loop: IOLoop) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"

    def own(connection: HTTP1Connection) -> None:
        connection.write(raw)
        connection.finish()

    assert answering(io_loop, own, GET + GET) == raw * 2


def test_status_lines_that_are_kept_are_short(io_loop: IOLoop) -> None:
    reason = "x" * (httputil.MAX_SHORT_LINE + 1)

    def tell(connection: HTTP1Connection) -> None:
        connection.write_headers(ResponseStartLine("", 200, reason), {"Content-Length": "0"})
        connection.finish()

    assert answering(io_loop, tell).startswith(f"HTTP/1.1 200 {reason}\r\n".encode())
    assert all(len(line) < 300 for line in httputil.status_lines.values())


def test_the_date_is_this_seconds(io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1connection, "_date_cache", (0, b""))
    monkeypatch.setattr(http1connection.time, "time", lambda: 784111777.9)
    assert http1connection._date_line() == b"Date: Sun, 06 Nov 1994 08:49:37 GMT"
    monkeypatch.setattr(http1connection.time, "time", lambda: 784111778.0)
    assert http1connection._date_line() == b"Date: Sun, 06 Nov 1994 08:49:38 GMT"
    monkeypatch.setattr(http1connection.time, "time", lambda: 784111777.0)  # the clock was set back
    assert http1connection._date_line() == b"Date: Sun, 06 Nov 1994 08:49:37 GMT"


def test_a_date_and_a_connection_of_the_applications_own_stay(io_loop: IOLoop) -> None:
    def own(connection: HTTP1Connection) -> None:
        connection.write_headers(
            OK, {"Date": "yesterday", "Connection": "x", "Content-Length": "0"})  # fmt: skip
        connection.finish()

    assert answering(io_loop, own) == (
        b"HTTP/1.1 200 OK\r\nDate: D\r\nConnection: x\r\nContent-Length: 0\r\n\r\n"
    )


def test_a_write_is_done_when_its_bytes_have_left(io_loop: IOLoop) -> None:
    futures: list[Future[None]] = []

    def large(connection: HTTP1Connection) -> None:
        futures.append(connection.write_headers(OK, {"Content-Length": "20000000"}))
        futures.append(connection.write(b"x" * 20_000_000))
        connection.finish()

    server = Server(on_finish=large)
    with serving(io_loop, server) as peer:
        peer.socket.send(GET)
        turns(io_loop, 2)
        assert [future.done() for future in futures] == [True, False]
        got = 0
        while got < 20_000_000:
            got += len(peer.receive(2))
        assert futures[1].done()
        assert server.events[-1] == "start_request"  # the next is waited for only now


# ---- an application that breaks the protocol ----


def test_writing_too_much_or_too_little_is_told_and_closes(io_loop: IOLoop) -> None:
    def too_much(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, {"Content-Length": "2"}, b"ab")
        with pytest.raises(HTTPOutputError, match="more data than Content-Length"):
            connection.write(b"c")

    def too_little(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, {"Content-Length": "3"}, b"ab")
        with pytest.raises(HTTPOutputError, match="1 bytes less than Content-Length"):
            connection.finish()

    for application in (too_much, too_little):
        assert answering(io_loop, application, GET + GET).endswith(b"ab|")


def test_calls_out_of_order_are_told(io_loop: IOLoop) -> None:
    def wrong(connection: HTTP1Connection) -> None:
        with pytest.raises(HTTPOutputError, match="before write_headers"):
            connection.finish()
        hello(connection)
        with pytest.raises(HTTPOutputError, match=r"write_headers\(\) was called before"):
            connection.write_headers(OK, {})
        with pytest.raises(HTTPOutputError, match="after finish"):
            connection.write(b"x")
        with pytest.raises(HTTPOutputError, match="was called before"):
            connection.finish()

    assert answering(io_loop, wrong, GET + GET) == HELLO + HELLO


def test_an_answer_has_a_length_or_a_coding_and_not_both(io_loop: IOLoop) -> None:
    def both(connection: HTTP1Connection) -> None:
        with pytest.raises(ValueError, match="both Content-Length and Transfer-Encoding"):
            connection.write_headers(OK, {"Content-Length": "2", "Transfer-Encoding": "chunked"})
        hello(connection)

    assert answering(io_loop, both) == HELLO


def test_what_an_application_says_of_the_connection_does_not_hide_its_end(io_loop: IOLoop) -> None:
    def keep(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, {"Content-Length": "0", "Connection": "keep-alive"})
        connection.finish()

    assert answering(io_loop, keep, KEEP_1_0).count(b"Connection") == 1
    # A list in two fields; who reads `close` in it closes (RFC 9112 §9.3).
    assert answering(io_loop, keep, CLOSE).endswith(
        b"Connection: keep-alive\r\nDate: D\r\nConnection: close\r\n\r\n|"
    )


@pytest.mark.parametrize("value", ["a\r\nX: injected", "a\nX: injected", "a\rX", "a\0X"])
def test_a_newline_or_nul_in_a_field_is_refused(io_loop: IOLoop, value: str) -> None:
    # Text of a stranger would otherwise become a field of its own.
    def inject(connection: HTTP1Connection) -> None:
        with pytest.raises(ValueError, match="Newline or NUL in header"):
            connection.write_headers(OK, {"X-Text": value})
        with pytest.raises(ValueError, match="Newline or NUL in header"):
            connection.write_headers(OK, {value: "text"})
        with pytest.raises(ValueError, match="Newline or NUL in header"):
            connection.write_headers(ResponseStartLine("", 200, value), {})
        connection.close()

    assert answering(io_loop, inject) == b"|"


ERROR = b"500 Internal Server Error\n"


def fail(connection: HTTP1Connection) -> None:
    raise ValueError("of the application")


def test_an_application_that_raises_after_its_answer_does_not_take_it_back(
    io_loop: IOLoop,
) -> None:
    size = 20 * 1024 * 1024  # more than the kernel takes at once

    def fail_after(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, {"Content-Length": str(size)}, bytes(size))
        connection.finish()
        fail(connection)

    with (
        ExpectLog("tornado.application", "Uncaught exception"),
        serving(io_loop, Server(on_finish=fail_after)) as peer,
    ):
        peer.socket.send(GET)
        got = sum(len(peer.receive(1)) for _ in range(200))
        assert got > size
        assert not peer.ended


@pytest.mark.parametrize("where", ["on_headers", "on_data", "on_finish"])
@pytest.mark.parametrize("later", [False, True])
def test_an_application_that_raises_is_logged_and_answered_with_500(
    io_loop: IOLoop, where: str, later: bool
) -> None:
    async def fail_later(connection: HTTP1Connection) -> None:
        await http1connection.gen.moment
        fail(connection)

    server = Server(**{where: fail_later if later else fail})  # type: ignore[arg-type]
    with ExpectLog("tornado.application", "Uncaught exception") as expected:  # noqa: SIM117
        with serving(io_loop, server) as peer:
            answer = peer.send(POST + b"12345", 6)
            assert status(answer) == 500
            assert answer.endswith(ERROR)
            assert peer.ended == (where != "on_finish")  # the rest of the body is unread
            closes = server.events.count("on_connection_close")
            assert closes == (where != "on_finish")  # never after its `finish`
    assert (expected.matched, expected.tracebacks) == (1, 1)


@pytest.mark.parametrize("where", ["on_headers", "on_data"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("soon", [False, True])
def test_a_delegate_may_wait_for_another_thread(
    io_loop: IOLoop, where: str, packed: bool, soon: bool
) -> None:
    theirs: concurrent.futures.Future[None] = concurrent.futures.Future()
    if soon:  # the thread was quick
        theirs.set_result(None)
    server = Server(**{where: lambda connection: theirs})  # type: ignore[arg-type]
    with serving(io_loop, server, decompress=packed) as peer:
        answer = peer.send(gzipped(b"body") if packed else POST + b"12345", 8)
        if not soon:
            assert answer == b""
            thread = threading.Thread(target=theirs.set_result, args=(None,))
            thread.start()
            thread.join()
            answer = peer.receive(8)
        assert answer == HELLO


def test_what_fails_in_another_thread_is_answered_in_the_loops(io_loop: IOLoop) -> None:
    theirs: concurrent.futures.Future[None] = concurrent.futures.Future()
    with serving(io_loop, Server(on_finish=lambda connection: theirs)) as peer:
        assert peer.send(GET) == b""
        thread = threading.Thread(target=theirs.set_exception, args=(ValueError("theirs"),))
        thread.start()
        thread.join()
        with pytest.raises(BlockingIOError):
            peer.socket.recv(1)
        with ExpectLog("tornado.application", "Uncaught exception"):
            assert status(peer.receive()) == 500


def test_after_an_answer_has_begun_an_error_closes(io_loop: IOLoop) -> None:
    def begin_and_fail(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, {"Content-Length": "5"}, b"he")
        fail(connection)

    with ExpectLog("tornado.application", "Uncaught exception"):
        assert answering(io_loop, begin_and_fail, GET + GET).endswith(b"\r\n\r\nhe|")


def test_a_delegate_may_refuse_the_request_itself(io_loop: IOLoop) -> None:
    def refuse(connection: HTTP1Connection) -> None:
        raise HTTPInputError("no such thing", status=413)

    for where in ("on_headers", "on_data", "on_finish"):
        with ExpectLog("tornado.general", MALFORMED + "no such thing"):  # noqa: SIM117
            with serving(io_loop, Server(**{where: refuse})) as peer:  # type: ignore[arg-type]
                assert status(peer.send(POST + b"12345")) == 413


def test_a_refusal_after_an_answer_has_begun_closes(io_loop: IOLoop) -> None:
    def begin(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, {"Content-Length": "5"}, b"he")

    def refuse(connection: HTTP1Connection) -> None:
        raise HTTPInputError("no such thing")

    server = Server(on_headers=begin, on_data=refuse)
    with ExpectLog("tornado.general", MALFORMED), serving(io_loop, server) as peer:
        assert peer.send(POST + b"12345").endswith(b"\r\n\r\nhe")
        assert peer.ended
        assert server.events[-2:] == ["on_connection_close", "on_close"]


def test_an_application_that_learns_by_writing_that_the_client_left_is_not_logged(
    io_loop: IOLoop,
) -> None:
    async def write_for_ever(connection: HTTP1Connection) -> None:
        await connection.write_headers(OK, {})
        while True:
            await connection.write(b"x" * 1_000_000)

    server = Server(on_finish=write_for_ever)
    with serving(io_loop, server) as peer:
        peer.socket.send(GET)
        turns(io_loop, 4)
        reset(peer.socket)
        turns(io_loop, 6)
        assert server.events == ["start_request", "headers_received /a", "finish", "on_close"]


def test_a_delegate_that_fails_at_the_close_is_logged(io_loop: IOLoop) -> None:
    class Failing(Recorder):
        def on_connection_close(self) -> None:
            super().on_connection_close()
            raise ValueError

    class Odd(Server):
        def start_request(self, server_conn: Any, request_conn: Any) -> HTTPMessageDelegate:
            super().start_request(server_conn, request_conn)
            return Failing(self, request_conn)

    server = Odd()
    with ExpectLog("tornado.application", "Uncaught exception"), serving(io_loop, server) as peer:
        peer.send(POST)
        peer.socket.close()
        turns(io_loop, 3)
        assert server.events[-2:] == ["on_connection_close", "on_close"]


def test_an_error_at_a_connections_end_is_logged_at_once(io_loop: IOLoop) -> None:
    class Careless(Server):
        def on_close(self, server_conn: Any) -> None:
            super().on_close(server_conn)
            raise RuntimeError("careless")

    with serving(io_loop, Careless()) as peer, ExpectLog("tornado.application", "Uncaught exc"):
        peer.socket.close()
        turns(io_loop, 3)


def test_a_server_that_has_no_delegate_loses_the_connection(io_loop: IOLoop) -> None:
    class Odd(Server):
        def start_request(self, server_conn: Any, request_conn: Any) -> HTTPMessageDelegate:
            if len(self.delegates) == 1:
                raise ValueError("no more")
            return super().start_request(server_conn, request_conn)

    with ExpectLog("tornado.general", "Uncaught exception"), serving(io_loop, Odd()) as peer:
        assert peer.send(GET) == HELLO
        assert peer.ended


def test_a_stream_error_of_the_applications_own_is_no_client_that_left(io_loop: IOLoop) -> None:
    async def ask_elsewhere(connection: HTTP1Connection) -> None:
        raise StreamClosedError  # of a stream to somebody else

    with ExpectLog("tornado.application", "Uncaught exception"):
        assert status(answering(io_loop, ask_elsewhere)) == 500


# ---- answers before the request is complete ----


def test_an_answer_in_headers_received_ends_the_connection(io_loop: IOLoop) -> None:
    server = Server(on_headers=hello)
    with serving(io_loop, server) as peer:
        assert peer.send(POST + b"123") == HELLO
        assert peer.send(b"45") == b""
        assert peer.ended
        peer.socket.close()
        turns(io_loop, 4)
        # The delegate is told that there will be no `finish`, after a successful answer.
        assert server.events == [
            "start_request", "headers_received /b", "on_connection_close", "on_close",
        ]  # fmt: skip


def test_who_is_still_speaking_gets_the_early_answer_whole(io_loop: IOLoop) -> None:
    # Closing a socket that holds unread bytes resets the connection, and takes the answer away.
    server = Server(on_headers=hello)
    with serving(io_loop, server) as peer:
        peer.socket.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n")
        for _ in range(5):
            with contextlib.suppress(BlockingIOError):
                peer.socket.send(b"x" * 50_000)
            turns(io_loop, 2)
        assert peer.receive() == HELLO


def test_who_has_asked_for_more_than_he_gets_receives_the_last_answer_whole(
    io_loop: IOLoop,
) -> None:
    body = b"x" * 400_000  # more than a client takes that does not read, less than the kernel

    def large(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, {"Content-Length": str(len(body))}, body)
        connection.finish()

    with serving(io_loop, Server(on_finish=large), no_keep_alive=True) as peer:
        peer.socket.send(GET + GET)
        turns(io_loop, 10)
        peer.socket.send(GET)  # to a socket that is closed this would be answered by a reset
        received = b""
        while not peer.ended:
            received += peer.receive()
        assert received.endswith(body)


def test_who_goes_on_speaking_is_not_listened_to_for_ever(io_loop: IOLoop) -> None:
    server = Server(on_headers=hello)
    with serving(io_loop, server) as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 90000000\r\n\r\n")
        sent = 0
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while sent < 20 * http1connection.LINGER_BYTES:
                with contextlib.suppress(BlockingIOError):
                    sent += peer.socket.send(b"x" * 50_000)
                turns(io_loop)
        assert server.events[-1] == "on_close"


def test_who_is_silent_after_an_early_answer_is_not_waited_for_long(
    io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http1connection, "LINGER_SECONDS", 0.05)
    server = Server(on_headers=hello)
    unwanted = ExpectLog("tornado.general", "Timeout reading", required=False)
    with unwanted, serving(io_loop, server) as peer:
        assert peer.send(POST) == HELLO
        assert server.events[-1] == "on_connection_close"
        run(io_loop, until(lambda: server.events[-1] == "on_close"))
    assert unwanted.matched == 0  # it has its answer, and nothing is wrong


def test_an_answer_in_the_middle_of_the_body_is_not_disturbed_by_the_rest(io_loop: IOLoop) -> None:
    server = Server(on_data=hello)
    with serving(io_loop, server, chunk_size=2) as peer:
        assert peer.send(POST + b"12345") == HELLO
        assert server.events.count("data_received 12") == 1
        assert not any("34" in event for event in server.events)


# ---- limits ----


def test_a_body_longer_than_allowed_is_refused_before_it_is_read(io_loop: IOLoop) -> None:
    server = Server()
    with (
        ExpectLog("tornado.general", MALFORMED + "body longer than 4 bytes"),
        serving(io_loop, server, max_body_size=4) as peer,
    ):
        assert status(peer.send(POST)) == 413
        assert "finish" not in server.events


def test_chunks_are_counted_and_refused_at_their_size_line(io_loop: IOLoop) -> None:
    server = Server()
    with (
        ExpectLog("tornado.general", MALFORMED + "body longer than 4 bytes"),
        serving(io_loop, server, max_body_size=4) as peer,
    ):
        assert status(peer.send(CHUNKED + b"3\r\nabc\r\n2\r\n")) == 413
        assert server.events[2] == "data_received abc"


def test_a_body_of_just_the_limit_is_welcome(io_loop: IOLoop) -> None:
    with serving(io_loop, Server(), max_body_size=5) as peer:
        assert peer.send(POST + b"12345") == HELLO
        assert peer.send(CHUNKED + b"5\r\n12345\r\n0\r\n\r\n") == HELLO


def test_without_a_limit_the_body_may_be_as_large_as_the_streams_buffer(io_loop: IOLoop) -> None:
    with (
        ExpectLog("tornado.general", MALFORMED + "body longer than 1000 bytes"),
        serving(io_loop, Server(), max_buffer_size=1000) as peer,
    ):
        assert status(peer.send(POST.replace(b"5", b"1001"))) == 413


@pytest.mark.parametrize(("limit", "expected"), [(5, 200), (4, 413)])
@pytest.mark.parametrize("raw", [POST + b"12345", CHUNKED + b"5\r\n12345\r\n0\r\n\r\n"])
def test_an_application_may_set_the_limit_of_a_body(
    io_loop: IOLoop, raw: bytes, limit: int, expected: int
) -> None:
    server = Server(on_headers=lambda connection: connection.set_max_body_size(limit))
    with (
        ExpectLog("tornado.general", MALFORMED, required=False),
        serving(io_loop, server, max_body_size=9 - limit) as peer,
    ):
        assert status(peer.send(raw)) == expected
        # For this request alone.
        assert peer.conn.params.max_body_size == 9 - limit


@pytest.mark.parametrize(("head", "expected"), [
    (b"GET /" + b"a" * 300 + b" HTTP/1.1\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 300 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: a\r\n" * 60 + b"\r\n", 431),
    (b"\r\n" * 90 + b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 60 + b"\r\n\r\n", 431),
    (CHUNKED + b"0\r\n" + b"X: a\r\n" * 60 + b"\r\n", 431),
    (CHUNKED + b"0\r\nX: " + b"a" * 300 + b"\r\n\r\n", 431),
])  # fmt: skip
def test_a_head_or_trailer_that_is_too_long_is_refused(
    io_loop: IOLoop, head: bytes, expected: int
) -> None:
    for way in ("whole", "bytes"):
        with (
            ExpectLog("tornado.general", MALFORMED),
            serving(io_loop, Server(), max_header_size=256) as peer,
        ):
            answer = b""
            for piece in pieces(head, way):
                if not answer:
                    answer = peer.send(piece, 2)
            assert status(answer) == expected, way


def test_before_a_head_there_may_be_some_empty_lines_but_not_many(io_loop: IOLoop) -> None:
    most = http1connection.MAX_EMPTY_LINES
    with serving(io_loop, Server()) as peer:
        assert peer.send(b"\r\n" * most + GET) == HELLO
        with ExpectLog("tornado.general", MALFORMED):
            assert status(peer.send(b"\r\n" * (most + 1) + GET)) == 400


def test_a_trailer_is_read_at_once(io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    # A read for each of its lines would cost several times as much, in one turn of the loop.
    server = Server()
    start_read = BaseIOStream.start_read

    def told(stream: BaseIOStream, read: Any) -> Future[bytes]:
        server.events.append("read")
        return start_read(stream, read)

    monkeypatch.setattr(BaseIOStream, "start_read", told)
    with serving(io_loop, server, first=CHUNKED + b"0\r\n" + b"a:\r\n" * 10_000 + b"\r\n") as peer:
        assert peer.receive() == HELLO
        assert server.events.count("read") == 4  # head, last chunk, trailer, and the next head


def test_a_chunk_that_the_streams_buffer_has_no_room_for_is_read_in_parts(io_loop: IOLoop) -> None:
    server = Server()
    body = b"x" * 65536
    raw = CHUNKED + b"10000\r\n" + body + b"\r\n0\r\n\r\n"
    with serving(io_loop, server, max_buffer_size=65536, max_body_size=10**6) as peer:
        assert peer.send(raw, 10) == HELLO
        assert server.delegates[0].body == body


def test_a_head_of_just_the_limit_is_welcome(io_loop: IOLoop) -> None:
    with serving(io_loop, Server(), max_header_size=len(GET)) as peer:
        assert peer.send(GET) == HELLO


def test_the_size_line_of_a_chunk_is_bounded(io_loop: IOLoop) -> None:
    with ExpectLog("tornado.general", MALFORMED), serving(io_loop, Server()) as peer:
        assert status(peer.send(CHUNKED + b"1;" + b"x" * 5000)) == 400


# ---- timeouts, on a clock that a test moves ----


class Timed:
    """A connection on a scripted stream and clock; every poll without bytes lets time pass."""

    def __init__(self, fake: tuple[IOLoop, FakePoller], server: Server, **params: Any) -> None:
        self.loop, self.poller = fake
        self.server = server
        self.stream: Any = ScriptedStream(self.loop)
        self.started = self.poller.clock()
        conn = HTTP1ServerConnection(self.stream, HTTP1ConnectionParameters(**params), "client")
        conn.start_serving(server)

    def after(self, seconds: float, data: bytes) -> None:
        """Let `data` arrive, `seconds` after what came before."""
        def arrive() -> list[tuple[int, int]]:
            self.poller.clock.advance(seconds)
            self.stream.reads.append(data)
            return [(ScriptedStream.FD, IOLoop.READ)]

        # One poll to arrive, and one for the callback that this causes.
        self.poller.script.extend([arrive, []])

    def play(self) -> float:
        """Run until nothing is left to happen; how many seconds that took."""
        with contextlib.suppress(SleepsForEver):
            self.loop.start()
        return self.poller.clock() - self.started

    @property
    def answer(self) -> bytes:
        return re.sub(rb"Date: [^\r]*", b"Date: D", bytes(self.stream.sent))


def test_an_idle_connection_is_closed_without_a_word(fake: Any) -> None:
    timed = Timed(fake, Server(), header_timeout=3)
    with ExpectLog("tornado.general", "Timeout reading head from client"):
        assert timed.play() == pytest.approx(3)
    assert timed.stream.closed()
    assert timed.answer == b""
    assert timed.server.events == ["start_request", "on_close"]


def test_a_head_that_drips_is_timed_from_its_start(fake: Any) -> None:
    timed = Timed(fake, Server(), header_timeout=3)
    for at in range(7):
        timed.after(0.4, GET[at : at + 1])
    with ExpectLog("tornado.general", "Timeout reading head from client"):
        assert timed.play() == pytest.approx(3)
    assert timed.stream.closed()
    assert status(timed.answer) == 408  # it had begun to ask
    assert timed.server.events == ["start_request", "on_close"]


def test_each_request_restarts_the_clock(fake: Any) -> None:
    timed = Timed(fake, Server(), header_timeout=3)
    for _ in range(4):
        timed.after(2, GET)
    with ExpectLog("tornado.general", "Timeout reading head from client"):
        assert timed.play() == pytest.approx(4 * 2 + 3)
    assert timed.answer == HELLO * 4


def test_without_a_timeout_an_idle_connection_stays(fake: Any) -> None:
    timed = Timed(fake, Server())
    timed.play()
    assert not timed.stream.closed()
    timed.stream.close()
    timed.loop.add_callback(timed.loop.stop)
    timed.loop.start()


def test_all_requests_of_a_connection_share_one_timeout(fake: Any) -> None:
    timed = Timed(fake, Server(), header_timeout=30, body_timeout=30)
    for _ in range(50):
        timed.after(0.1, POST + b"12345")
    timed.poller.script.append(timed.loop.stop)
    timed.play()
    assert timed.answer == HELLO * 50
    assert len(timed.loop._timeouts) == 1
    timed.stream.close()
    timed.poller.script.append(timed.loop.stop)
    timed.play()
    assert timed.loop._seconds_to_sleep() is None  # it went with the connection


@pytest.mark.parametrize("raw", [POST, CHUNKED + b"5\r\n"])
def test_a_body_that_drips_is_timed_from_its_start(fake: Any, raw: bytes) -> None:
    timed = Timed(fake, Server(), body_timeout=3)
    timed.after(1, raw)
    for byte in (b"1", b"2", b"3"):
        timed.after(0.9, byte)
    with ExpectLog("tornado.general", "Timeout reading body from client"):
        assert timed.play() == pytest.approx(1 + 3)
    assert status(timed.answer) == 408
    assert timed.server.events[-2:] == ["on_connection_close", "on_close"]


def test_an_application_may_set_the_time_for_a_body(fake: Any) -> None:
    timed = Timed(
        fake, Server(on_headers=lambda connection: connection.set_body_timeout(7)), body_timeout=3)
    timed.after(0, POST)
    with ExpectLog("tornado.general", "Timeout reading body from client"):
        assert timed.play() == pytest.approx(7)


def test_a_deadline_may_be_nearer_than_the_one_before(fake: Any) -> None:
    # The connection's one timeout is asleep until the head's deadline, which is far.
    timed = Timed(fake, Server(), header_timeout=100, body_timeout=3)
    timed.after(1, POST)
    with ExpectLog("tornado.general", "Timeout reading body from client"):
        assert timed.play() == pytest.approx(1 + 3)


@pytest.mark.parametrize("raw", [GET, POST + b"12345"])
def test_a_slow_answer_has_no_timeout(fake: Any, raw: bytes) -> None:
    timed = Timed(
        fake, Server(on_finish=lambda connection: None), header_timeout=3, body_timeout=3)
    timed.after(0, raw)
    timed.poller.script.append(lambda: timed.poller.clock.advance(50))
    timed.after(50, b"")  # the end: the client has given up first
    timed.play()
    assert timed.server.events[-2:] == ["finish", "on_close"]


def test_an_answer_that_has_begun_is_not_answered_with_408(fake: Any) -> None:
    def begin(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, {"Content-Length": "5"}, b"he")

    timed = Timed(fake, Server(on_headers=begin), body_timeout=3)
    timed.after(0, POST)
    with ExpectLog("tornado.general", "Timeout reading body from client"):
        timed.play()
    assert timed.answer.endswith(b"\r\n\r\nhe")


# ---- detach, close ----


def test_a_detached_stream_is_somebody_elses(io_loop: IOLoop) -> None:
    streams: list[Any] = []

    def upgrade(connection: HTTP1Connection) -> None:
        connection.write(b"HTTP/1.1 101 Switching\r\n\r\n")
        streams.append(connection.detach())

    for where in ("on_headers", "on_finish"):
        streams.clear()
        server = Server(**{where: upgrade})  # type: ignore[arg-type]
        with serving(io_loop, server, header_timeout=100) as peer:
            assert peer.send(GET + b"other protocol") == b"HTTP/1.1 101 Switching\r\n\r\n"
            assert server.events[-1] == "on_close"
            assert "on_connection_close" not in server.events
            [stream] = streams
            assert not stream.closed()
            read = stream.read_bytes(14)
            turns(io_loop)
            assert read.result() == b"other protocol"
            assert io_loop._seconds_to_sleep() is None  # no timeout is left to close it


@pytest.mark.parametrize("body", [b"6\r\nabcdef\r\n", b"2\r\nab\r\n2\r\ncd\r\n"])
@pytest.mark.parametrize("chunked", [True, False], ids=["in chunks", "by length"])
def test_a_stream_may_be_detached_in_the_middle_of_a_body(
    io_loop: IOLoop, chunked: bool, body: bytes
) -> None:
    streams: list[Any] = []
    server = Server(on_data=lambda connection: streams.append(connection.detach()))
    field = "Transfer-Encoding: chunked" if chunked else "Content-Length: 99"
    head = f"POST / HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n".encode()
    with serving(io_loop, server, chunk_size=2) as peer:
        assert peer.send(head + body + b"rest") == b""
        assert [event.split()[0] for event in server.events] == [
            "start_request", "headers_received", "data_received", "on_close",
        ]  # fmt: skip
        read = streams[0].read_until(b"rest")
        turns(io_loop)
        assert read.done()
        assert not streams[0].closed()


def test_a_stream_may_be_detached_by_a_coroutine_later(io_loop: IOLoop) -> None:
    streams: list[Any] = []

    async def upgrade(connection: HTTP1Connection) -> None:
        await http1connection.gen.moment
        streams.append(connection.detach())

    with serving(io_loop, Server(on_finish=upgrade)) as peer:
        peer.send(GET)
        assert not streams[0].closed()


def test_an_application_may_close_the_connection(io_loop: IOLoop) -> None:
    server = Server(on_finish=lambda connection: connection.close())
    with serving(io_loop, server) as peer:
        assert peer.send(GET) == b""
        assert peer.ended
        assert server.events[-1] == "on_close"


def test_closing_a_connection_waits_for_its_end(io_loop: IOLoop) -> None:
    server = Server(on_finish=lambda connection: None)
    with serving(io_loop, server) as peer:
        peer.send(GET)
        run(io_loop, peer.conn.close())
        assert server.events[-1] == "on_close"
        run(io_loop, peer.conn.close())  # twice does no harm


def test_a_connection_that_was_never_started_can_be_closed(io_loop: IOLoop) -> None:
    one, two = socket.socketpair()
    conn = HTTP1ServerConnection(IOStream(one))
    run(io_loop, conn.close())
    conn.close_if_idle()
    assert two.recv(1) == b""
    two.close()


def test_only_an_idle_connection_is_closed_as_idle(io_loop: IOLoop) -> None:
    server = Server(on_finish=lambda connection: None)
    with serving(io_loop, server) as peer:
        peer.send(GET)
        peer.conn.close_if_idle()
        assert not peer.stream.closed()
        hello(server.delegates[0].connection)
        assert peer.receive() == HELLO
        peer.conn.close_if_idle()
        assert peer.stream.closed()


def test_the_clients_side_is_left_out(io_loop: IOLoop) -> None:
    one, two = socket.socketpair()
    stream = IOStream(one)
    with pytest.raises(NotImplementedError, match="README"):
        HTTP1Connection(stream, is_client=True)
    stream.close()
    two.close()


# ---- gzip ----


def gzipped(body: bytes, packed: bytes | None = None, length: int | None = None) -> bytes:
    data = gzip.compress(body) if packed is None else packed
    head = b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Encoding: GZip\r\nContent-Length: %d\r\n\r\n"
    return head % (len(data) if length is None else length) + data


def test_a_packed_body_is_unpacked_and_its_head_says_so(io_loop: IOLoop) -> None:
    server = Server()
    body = b"hello " * 100_000
    with serving(io_loop, server, decompress=True) as peer:
        assert peer.send(gzipped(body), 8) == HELLO
        got = server.delegates[0]
        assert got.body == body
        assert max(len(event[1]) for event in got.events[1:-1]) <= http1connection.CHUNK_SIZE
        headers = got.events[0][2]
        assert "Content-Encoding" not in headers
        assert headers["X-Consumed-Content-Encoding"] == "GZip"
        assert peer.send(POST + b"plain") == HELLO  # its state is the request's own
        assert server.delegates[1].body == b"plain"


def test_pieces_that_are_unpacked_are_no_larger_than_others(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server, decompress=True, chunk_size=1000) as peer:
        assert peer.send(gzipped(b"hello " * 1000), 8) == HELLO
    assert max(len(event[1]) for event in server.delegates[0].events[1:-1]) == 1000


@pytest.mark.parametrize("on_data", [lambda connection: None, done_when_called])
def test_between_some_pieces_that_are_unpacked_everybody_has_a_turn(
    io_loop: IOLoop, on_data: Callable[[HTTP1Connection], Any]
) -> None:
    server = Server(on_data=on_data)
    with serving(io_loop, server, chunk_size=10, decompress=True) as peer:
        progress = progress_of(io_loop, server, "data_received", 30)
        assert peer.send(gzipped(bytes(4000)), 40) == HELLO
        steps = [after - before for before, after in itertools.pairwise(progress)]
        assert max(steps) == http1connection.PIECES_A_TURN
        assert server.delegates[0].body == bytes(4000)


def test_between_some_members_with_nothing_in_them_everybody_has_a_turn(
    io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In 64 KB there are three thousand, and each costs as much as a piece.
    server = Server()
    decompress = http1connection._GzipMessageDelegate._decompress

    def told(delegate: Any, chunk: bytes) -> bytes:
        server.events.append("unpacked")
        return decompress(delegate, chunk)

    monkeypatch.setattr(http1connection._GzipMessageDelegate, "_decompress", told)
    with serving(io_loop, server, decompress=True) as peer:
        progress = progress_of(io_loop, server, "unpacked", 30)
        assert peer.send(gzipped(b"", gzip.compress(b"") * 200), 40) == HELLO
        steps = [after - before for before, after in itertools.pairwise(progress)]
        assert max(steps) == http1connection.PIECES_A_TURN


def test_packed_bodies_are_left_packed_unless_asked_for(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server) as peer:
        peer.send(gzipped(b"x"))
        assert server.delegates[0].body == gzip.compress(b"x")


def test_a_packed_body_may_come_byte_by_byte_and_in_members(io_loop: IOLoop) -> None:
    server = Server()
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    with serving(io_loop, server, decompress=True) as peer:
        answer = b"".join(peer.send(piece, 2) for piece in pieces(gzipped(b"", packed), "bytes"))
        assert answer + peer.receive() == HELLO
        assert server.delegates[0].body == b"one two"


@pytest.mark.parametrize(("packed", "expected"), [
    (b"not gzip", 400), (gzip.compress(b"x" * 100)[:-9], 400),
    (gzip.compress(b"x")[:-8] + b"\0" * 8, 400), (zlib.compress(b"x"), 400),
    (gzip.compress(b"x" * 10_001), 413), (gzip.compress(b"\0" * 10_000_000), 413),
], ids=["none", "cut short", "a wrong sum", "zlib", "too large", "far too large"])  # fmt: skip
def test_a_packed_body_that_is_none_or_too_large_is_refused(
    io_loop: IOLoop, packed: bytes, expected: int
) -> None:
    server = Server()
    with (
        ExpectLog("tornado.general", MALFORMED),
        serving(io_loop, server, decompress=True, max_body_size=10_000) as peer,
    ):
        assert status(peer.send(gzipped(b"", packed))) == expected
        assert "finish" not in server.events
        assert len(server.delegates[0].body) <= 10_000


def test_an_empty_packed_body_is_empty(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server, decompress=True) as peer:
        assert peer.send(gzipped(b"", b"")) == HELLO
        assert server.delegates[0].body == b""


def test_a_packed_body_is_held_back_too(io_loop: IOLoop) -> None:
    futures: list[Future[None]] = []

    def hold(connection: HTTP1Connection) -> Future[None]:
        futures.append(Future())
        return futures[-1]

    server = Server(on_data=hold)
    with serving(io_loop, server, decompress=True) as peer:
        peer.send(gzipped(b"x" * 100_000))
        assert len(futures) == 1
        futures[0].set_result(None)
        turns(io_loop, 3)
        assert len(futures) == 2
        futures[1].set_result(None)
        assert peer.receive() == HELLO


def test_who_leaves_in_a_packed_body_is_told_to_the_delegate(io_loop: IOLoop) -> None:
    server = Server()
    with serving(io_loop, server, decompress=True) as peer:
        peer.send(gzipped(b"x", length=100))
        peer.socket.close()
        turns(io_loop, 4)
        assert server.events[-2:] == ["on_connection_close", "on_close"]


# ---- when things go wrong at the worst moment ----


@pytest.mark.parametrize("value", ["a\r\nX: injected", "\u20ac"])
def test_the_500_for_a_field_that_cannot_be_sent_is_framed_right(
    io_loop: IOLoop, value: str
) -> None:
    def inject(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, {"X-Text": value})  # no Content-Length: in chunks

    with ExpectLog("tornado.application", "Uncaught exception"):
        answer = answering(io_loop, inject)
    assert status(answer) == 500
    assert answer.rstrip(b"|").endswith(b"\r\n\r\n" + ERROR)


def test_a_close_callback_that_raises_does_not_keep_the_connection(io_loop: IOLoop) -> None:
    def think(connection: HTTP1Connection) -> None:
        connection.set_close_callback(lambda: fail(connection))

    server = Server(on_finish=think)
    with (
        ExpectLog("tornado.application", "Exception in callback"),
        tcp_stream_and_peer(io_loop) as (stream, peer),
    ):
        HTTP1ServerConnection(stream).start_serving(server)
        peer.send(GET)
        turns(io_loop, 3)
        reset(peer)
        turns(io_loop, 4)
    assert server.events[-1] == "on_close"


@pytest.mark.parametrize("raw", [POST + b"12345", CHUNKED + b"5\r\n12345\r\n0\r\n\r\n"])
def test_a_request_whose_connection_is_closed_when_its_end_is_here_is_not_handed_on(
    io_loop: IOLoop, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Between the last bytes and the coroutine that has waited for them lies a turn, in which a
    # server that stops may close the connection: nobody could be answered any more.
    finish_read = BaseIOStream._finish_read

    def finish_and_close(stream: BaseIOStream, end: int) -> None:
        last = bytes(stream._read_buffer[:end]).endswith((b"345", b"\r\n\r\n"))
        finish_read(stream, end)
        if last:
            stream.close()

    server = Server()
    with serving(io_loop, server) as peer:
        peer.send(raw[:-3])  # the rest is waited for
        monkeypatch.setattr(BaseIOStream, "_finish_read", finish_and_close)
        peer.send(raw[-3:])
        assert server.events[-2:] == ["on_connection_close", "on_close"]
        assert "finish" not in server.events


def test_a_client_that_left_while_the_application_ran_is_told_of(io_loop: IOLoop) -> None:
    told: list[str] = []

    def stream_events(connection: HTTP1Connection) -> None:
        connection.set_close_callback(lambda: told.append("left"))
        reset(peer.socket)
        connection.write_headers(OK, {}, b"first event")  # finds out

    with serving(io_loop, Server(on_finish=stream_events)) as peer:
        peer.socket.send(GET)
        turns(io_loop, 5)
        assert told == ["left"]


def test_an_early_answer_that_takes_long_is_not_cut(
    io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 20_000_000

    def large(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, {"Content-Length": str(size)})
        connection.write(b"x" * size)
        connection.finish()

    monkeypatch.setattr(http1connection, "LINGER_SECONDS", 0.05)
    unwanted = ExpectLog("tornado.general", "Timeout reading body", required=False)
    with unwanted, serving(io_loop, Server(on_headers=large)) as peer:
        got = len(peer.send(POST))
        run(io_loop, wait(http1connection.gen.sleep(0.2)))
        while piece := peer.receive(3):
            got += len(piece)
        assert got > size
        assert not unwanted.matched


async def wait(future: Future[Any]) -> Any:
    return await future


async def until(done: Callable[[], bool]) -> None:
    while not done():
        await http1connection.gen.sleep(0.001)


def test_a_delegate_is_told_of_the_end_when_a_packed_body_is_cut_short(io_loop: IOLoop) -> None:
    server = Server()
    with (
        ExpectLog("tornado.general", MALFORMED + "gzip body cut short"),
        serving(io_loop, server, decompress=True) as peer,
    ):
        peer.send(gzipped(b"", gzip.compress(b"x" * 100)[:-9]))
        assert server.delegates[0].names[-1] == "on_connection_close"


def test_an_error_after_the_answer_does_not_cost_the_next_request(io_loop: IOLoop) -> None:
    async def answer_and_fail(connection: HTTP1Connection) -> None:
        hello(connection)
        await http1connection.gen.moment
        await http1connection.gen.moment
        fail(connection)

    with ExpectLog("tornado.application", "Uncaught exception"):
        assert answering(io_loop, answer_and_fail, GET + GET) == HELLO + HELLO


def test_a_detached_stream_that_ends_is_no_error_of_ours(io_loop: IOLoop) -> None:
    async def upgrade(connection: HTTP1Connection) -> None:
        await connection.detach().read_bytes(1)

    server = Server(on_headers=upgrade)
    unwanted = ExpectLog("tornado.general", "Uncaught exception", required=False)
    with unwanted, serving(io_loop, server) as peer:
        peer.send(GET)
        peer.socket.close()
        turns(io_loop, 4)
    assert unwanted.matched == 0


def test_a_connection_can_be_closed_while_a_delegate_holds_it_back(io_loop: IOLoop) -> None:
    server = Server(on_data=lambda connection: Future())
    with tcp_stream_and_peer(io_loop) as (stream, peer):
        conn = HTTP1ServerConnection(stream)
        conn.start_serving(server)
        peer.send(POST + b"12345")
        turns(io_loop, 3)
        run(io_loop, conn.close(), 0.2)
    assert server.events[-2:] == ["on_connection_close", "on_close"]


def test_clients_that_leave_a_busy_delegate_leave_nothing_behind(io_loop: IOLoop) -> None:
    connections: list[weakref.ref[HTTP1ServerConnection]] = []
    for _ in range(5):
        server = Server(on_data=lambda connection: Future())
        with serving(io_loop, server) as peer:
            connections.append(weakref.ref(peer.conn))
            peer.send(POST + b"12345")
            reset(peer.socket)
            turns(io_loop, 4)
        del peer, server
    gc.collect()
    assert [connection() for connection in connections] == [None] * 5


def test_an_answer_in_the_middle_of_the_body_is_not_cut_by_the_bodys_timeout(
    io_loop: IOLoop,
) -> None:
    size = 20_000_000

    def large(connection: HTTP1Connection) -> None:
        connection.write_headers(OK, {"Content-Length": str(size)})
        connection.write(b"x" * size)
        connection.finish()

    with serving(io_loop, Server(on_data=large), body_timeout=0.1) as peer:
        got = len(peer.send(POST + b"1"))
        run(io_loop, wait(http1connection.gen.sleep(0.3)))
        while piece := peer.receive(3):
            got += len(piece)
        assert got > size
