"""httpserver: where TCP and HTTP meet, and an application of either kind is handed its requests."""

from __future__ import annotations

import contextlib
import http.client
import inspect
import itertools
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles import ExpectLog, RecordingDelegate, open_fds, reset, run, turns
from families import Family
from tls import Certificates, Client

from minitornado import gen
from minitornado.concurrent import Future
from minitornado.http1connection import REQUESTS_A_TURN
from minitornado.httpserver import HTTPServer, _HTTPRequestContext, _ServerRequestAdapter
from minitornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from minitornado.ioloop import IOLoop
from minitornado.netutil import NO_ROOM_PAUSE, bind_sockets, bind_unix_socket

pytestmark = [pytest.mark.usefixtures("quiet_log"), pytest.mark.deadline(120)]

GET = b"GET /path?a=b HTTP/1.1\r\nHost: h\r\n\r\n"


def respond(connection: Any, body: bytes) -> None:
    headers = HTTPHeaders({"Content-Length": str(len(body))})
    connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers, body)
    connection.finish()


def who(request: HTTPServerRequest) -> None:
    respond(request.connection, f"{request.remote_ip} {request.protocol}".encode())


@contextlib.contextmanager
def serving(loop: IOLoop, application: Any = who, **options: Any) -> Iterator[HTTPServer]:
    """A server on the loopback; its first address is `server.address`.  It leaves nothing."""
    server = HTTPServer(application, **options)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    server.address = sockets[0].getsockname()  # type: ignore[attr-defined]
    try:
        yield server
    finally:
        server.stop()
        run(loop, server.close_all_connections())
    assert not server._connections


@contextlib.contextmanager
def client_of(server: Any) -> Iterator[socket.socket]:
    with socket.create_connection(server.address) as client:
        client.setblocking(False)
        yield client


def ask(loop: IOLoop, client: socket.socket, request: bytes, number: int = 4) -> bytes:
    """Send `request`, let the loop turn, and return the body of what came back."""
    client.send(request)
    turns(loop, number)
    data = b""
    with contextlib.suppress(BlockingIOError):
        while piece := client.recv(65536):
            data += piece
    return data.rpartition(b"\r\n\r\n")[2]


# ---- the constructor ----


def test_the_parameters_are_those_of_the_seed_in_its_order() -> None:
    names = list(inspect.signature(HTTPServer).parameters)
    assert names[:13] == [
        "request_callback", "no_keep_alive", "io_loop", "xheaders", "ssl_options", "protocol",
        "decompress_request", "chunk_size", "max_header_size", "idle_connection_timeout",
        "body_timeout", "max_body_size", "max_buffer_size",
    ]  # fmt: skip


def test_without_options_the_defaults_are_tornados() -> None:
    server = HTTPServer(who)
    params = server.conn_params
    assert (params.header_timeout, params.body_timeout, params.max_body_size) == (3600, None, None)
    assert (params.chunk_size, params.max_header_size) == (65536, 65536)
    assert not (params.no_keep_alive or params.decompress or server.xheaders)


def test_options_reach_those_they_are_for(io_loop: IOLoop) -> None:
    options = {
        "chunk_size": 100, "max_header_size": 200, "idle_connection_timeout": 300,
        "body_timeout": 400, "max_body_size": 500, "no_keep_alive": True,
        "decompress_request": True,
    }  # fmt: skip
    with serving(io_loop, max_buffer_size=600, **options) as server, client_of(server):
        turns(io_loop)
        [conn] = server._connections
        params: Any = conn.params
        assert [
            params.chunk_size, params.max_header_size, params.header_timeout, params.body_timeout,
            params.max_body_size, params.no_keep_alive, params.decompress,
        ] == list(options.values())  # fmt: skip
        assert (conn.stream.max_buffer_size, conn.stream.read_chunk_size) == (600, 100)


def test_a_given_loop_is_used(io_loop: IOLoop) -> None:
    IOLoop.clear_current()
    server = HTTPServer(who, io_loop=io_loop)
    server.listen(0, "127.0.0.1")
    assert server.io_loop is io_loop
    server.stop()


# ---- a callable as application ----


def test_a_callable_is_called_with_the_whole_request(io_loop: IOLoop) -> None:
    requests: list[HTTPServerRequest] = []

    def application(request: HTTPServerRequest) -> None:
        requests.append(request)
        respond(request.connection, b"%d" % len(request.body))

    with serving(io_loop, application) as server, client_of(server) as client:
        head = (b"POST /path?a=1 HTTP/1.1\r\nHost: h:1\r\nContent-Length: 7\r\nCookie: c=d\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n\r\n")  # fmt: skip
        assert ask(io_loop, client, head + b"a=2") == b""
        assert requests == []
        assert ask(io_loop, client, b"&b=3") == b"7"
    [request] = requests
    assert (request.method, request.path, request.body) == ("POST", "/path", b"a=2&b=3")
    assert request.arguments == {"a": [b"1", b"2"], "b": [b"3"]}
    assert request.cookies["c"].value == "d"
    assert request.full_url() == "http://h:1/path?a=1"
    assert (request.remote_ip, request.protocol) == ("127.0.0.1", "http")
    assert 0 <= request.request_time() < 5


def test_a_coroutine_may_be_the_application(io_loop: IOLoop) -> None:
    async def application(request: HTTPServerRequest) -> None:
        await gen.moment
        respond(request.connection, b"later")

    with serving(io_loop, application) as server, client_of(server) as client:
        assert ask(io_loop, client, GET, 6) == b"later"


def test_what_an_application_returns_and_nobody_can_wait_for_is_its_error(
    io_loop: IOLoop,
) -> None:
    # An answer that is returned, say, and never written.  Tornado ignores it.
    def application(request: HTTPServerRequest) -> bytes:
        if request.path == "/answered":
            respond(request.connection, b"answer")
        return b"answer"

    with serving(io_loop, application) as server, client_of(server) as client:
        with ExpectLog("tornado.application", "Uncaught exception"):
            assert ask(io_loop, client, GET) == b"500 Internal Server Error\n"
        with ExpectLog("tornado.application", "Uncaught exception"):
            assert ask(io_loop, client, GET.replace(b"/path", b"/answered")) == b"answer"


def test_a_request_may_be_answered_through_itself(io_loop: IOLoop) -> None:
    def application(request: HTTPServerRequest) -> None:
        request.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        request.write(b"ok")
        request.finish()

    with serving(io_loop, application) as server, client_of(server) as client:
        assert ask(io_loop, client, GET) == b"ok"
        assert ask(io_loop, client, GET) == b"ok"


def test_half_a_request_is_no_request(io_loop: IOLoop) -> None:
    called: list[Any] = []
    with serving(io_loop, called.append) as server, client_of(server) as client:
        ask(io_loop, client, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n123")
        client.close()
        turns(io_loop, 4)
        assert called == []
        assert not server._connections


def test_an_application_may_stop_the_server_from_inside_a_request(io_loop: IOLoop) -> None:
    # The request may be there already, and then it is served inside accept's own event.
    servers: list[HTTPServer] = []

    def application(request: HTTPServerRequest) -> None:
        servers[0].stop()
        respond(request.connection, b"bye")

    with serving(io_loop, application) as server, client_of(server) as client:
        servers.append(server)
        assert ask(io_loop, client, GET) == b"bye"


def test_a_body_in_many_pieces_is_joined_once() -> None:
    # Adding to one bytes object copies the whole body again for every piece: 40 GB here.
    class Nobody:
        xheaders = False

        @staticmethod
        def request_callback(request: HTTPServerRequest) -> None:
            Nobody.size = len(request.body)

    adapter = _ServerRequestAdapter(Nobody, None, None)  # type: ignore[arg-type]
    adapter.headers_received(RequestStartLine("POST", "/", "HTTP/1.1"), HTTPHeaders())
    started = time.process_time()
    piece = b"x" * 1000
    for _ in range(10_000):
        adapter.data_received(piece)
    adapter.finish()
    assert Nobody.size == 10_000_000  # type: ignore[attr-defined]
    assert time.process_time() - started < 1


def test_a_body_in_chunks_of_two_takes_no_more_memory_than_another() -> None:
    # Each as an object of its own takes 40 bytes or so.
    size = 1_000_000
    adapter = _ServerRequestAdapter(HTTPServer(who), None, None)
    adapter.headers_received(RequestStartLine("POST", "/", "HTTP/1.1"), HTTPHeaders())
    tracemalloc.start()
    try:
        for number in range(size // 2):
            adapter.data_received(b"%02d" % (number % 100))
        now, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size <= now < 1.1 * size
    adapter.data_received(b"x" * 10_000)  # is not copied
    adapter.data_received(b"y")
    assert [len(chunk) for chunk in adapter._chunks[-2:]] == [10_000, 1]


# ---- a delegate as application ----


class Application(HTTPServerConnectionDelegate):
    """Hands out recorders which answer with the body they have got."""

    def __init__(self) -> None:
        self.delegates: list[Any] = []
        self.server_conns: list[Any] = []
        self.on_data: Callable[[], Any] = lambda: None
        self.on_headers: Callable[[], Any] = lambda: None

    def start_request(self, server_conn: Any, request_conn: Any) -> HTTPMessageDelegate:
        application = self

        class Recorder(RecordingDelegate):
            def headers_received(self, start_line: Any, headers: Any) -> Any:
                super().headers_received(start_line, headers)
                return application.on_headers()

            def data_received(self, chunk: bytes) -> Any:
                super().data_received(chunk)
                return application.on_data()

            def finish(self) -> None:
                super().finish()
                context = request_conn.context
                respond(request_conn, self.body or f"{context} {context.protocol}".encode())

        self.server_conns.append(server_conn)
        self.delegates.append(Recorder())
        return self.delegates[-1]

    def on_close(self, server_conn: Any) -> None:
        raise AssertionError("the server's connection ends are the server's")


POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"


def test_a_delegate_gets_the_events_one_by_one(io_loop: IOLoop) -> None:
    application = Application()
    with serving(io_loop, application) as server, client_of(server) as client:
        assert ask(io_loop, client, POST + b"12") == b""
        assert ask(io_loop, client, b"34") == b"1234"
        assert ask(io_loop, client, GET) == b"127.0.0.1 http"
        assert application.delegates[0].names == [
            "headers_received", "data_received", "data_received", "finish",
        ]  # fmt: skip
        assert application.delegates[1].names == ["headers_received", "finish"]
        assert application.delegates[2].names == []  # waits for the next request
        assert set(application.server_conns) == server._connections


def test_a_delegates_futures_hold_back_the_body(io_loop: IOLoop) -> None:
    application = Application()
    held: list[Future[None]] = [Future(), Future()]
    futures = iter(held)
    application.on_headers = application.on_data = lambda: next(futures)
    with serving(io_loop, application) as server, client_of(server) as client:
        assert ask(io_loop, client, POST + b"1234") == b""
        assert application.delegates[0].names == ["headers_received"]
        held[0].set_result(None)
        assert ask(io_loop, client, b"") == b""
        assert application.delegates[0].names == ["headers_received", "data_received"]
        held[1].set_result(None)
        assert ask(io_loop, client, b"") == b"1234"


def test_a_delegate_is_told_when_the_client_leaves(io_loop: IOLoop) -> None:
    application = Application()
    with serving(io_loop, application) as server, client_of(server) as client:
        ask(io_loop, client, POST + b"12")
        reset(client)
        turns(io_loop, 4)
        assert application.delegates[0].names == [
            "headers_received", "data_received", "on_connection_close",
        ]  # fmt: skip


# ---- who is the client? ----

IPV6 = "2620:0:1cfe:face:b00c::3"


@pytest.mark.parametrize("kind", ["callable", "delegate"])
@pytest.mark.parametrize(("fields", "expected"), [
    ({}, "127.0.0.1 http"),
    ({"X-Real-IP": "4.4.4.4"}, "4.4.4.4 http"),
    ({"X-Real-IP": IPV6}, f"{IPV6} http"),
    ({"X-Forwarded-For": "127.0.0.1, 4.4.4.4"}, "4.4.4.4 http"),
    ({"X-Forwarded-For": f"::1, {IPV6}"}, f"{IPV6} http"),
    ({"X-Forwarded-For": "5.5.5.5", "X-Real-IP": "4.4.4.4"}, "4.4.4.4 http"),
    ({"X-Real-IP": "4.4.4.4<script>"}, "127.0.0.1 http"),
    ({"X-Forwarded-For": "4.4.4.4, not an address"}, "127.0.0.1 http"),
    ({"X-Real-IP": "www.google.com"}, "127.0.0.1 http"),
    ({"X-Scheme": "https"}, "127.0.0.1 https"),
    ({"X-Forwarded-Proto": "https"}, "127.0.0.1 https"),
    ({"X-Scheme": "http", "X-Forwarded-Proto": "https"}, "127.0.0.1 http"),
    ({"X-Forwarded-Proto": "https , http"}, "127.0.0.1 http"),
    ({"X-Forwarded-Proto": "http,https"}, "127.0.0.1 https"),
    ({"X-Scheme": "unknown"}, "127.0.0.1 http"),
])  # fmt: skip
def test_with_xheaders_the_front_proxy_is_believed(
    io_loop: IOLoop, fields: dict[str, str], expected: str, kind: str
) -> None:
    application = who if kind == "callable" else Application()
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
    with serving(io_loop, application, xheaders=True) as server, client_of(server) as client:
        assert ask(io_loop, client, GET[:-2] + lines + b"\r\n").decode() == expected
        # For this request alone: the next one may be another client's.
        assert ask(io_loop, client, GET) == b"127.0.0.1 http"


@pytest.mark.parametrize(("forwarded", "expected"), [
    ("6.6.6.6, 5.5.5.5, 10.0.0.1, 10.0.0.2", "5.5.5.5"), ("10.0.0.1", "10.0.0.1"),
    ("10.0.0.2,10.0.0.1", "10.0.0.2"), ("5.5.5.5, 7.7.7.7", "7.7.7.7"),
])  # fmt: skip
def test_proxies_of_our_own_are_skipped(io_loop: IOLoop, forwarded: str, expected: str) -> None:
    trusted = ["10.0.0.1", "10.0.0.2"]
    with (
        serving(io_loop, xheaders=True, trusted_downstream=trusted) as server,
        client_of(server) as client,
    ):
        field = f"X-Forwarded-For: {forwarded}\r\n\r\n".encode()
        assert ask(io_loop, client, GET[:-2] + field).decode() == f"{expected} http"


def test_without_xheaders_they_are_anybodys_to_write(io_loop: IOLoop) -> None:
    with serving(io_loop) as server, client_of(server) as client:
        fields = b"X-Real-IP: 4.4.4.4\r\nX-Scheme: https\r\n\r\n"
        assert ask(io_loop, client, GET[:-2] + fields) == b"127.0.0.1 http"


def test_xheaders_are_taken_back_when_the_request_is_not_completed(io_loop: IOLoop) -> None:
    contexts: list[Any] = []
    application = Application()
    application.on_headers = lambda: contexts.append(
        next(iter(server._connections)).context)  # fmt: skip
    with (
        serving(io_loop, application, xheaders=True) as server, client_of(server) as client,
    ):  # fmt: skip
        ask(io_loop, client, POST[:-2] + b"X-Real-IP: 4.4.4.4\r\n\r\n12")
        assert contexts[0].remote_ip == "4.4.4.4"
        client.close()
        turns(io_loop, 4)
        assert contexts[0].remote_ip == "127.0.0.1"


def test_a_proxy_that_unpacks_tls_can_be_spoken_for(io_loop: IOLoop) -> None:
    with serving(io_loop, protocol="https") as server, client_of(server) as client:
        assert ask(io_loop, client, GET) == b"127.0.0.1 https"


def test_a_connections_address_tells_its_family() -> None:
    class Stream:
        encrypted = False

    addresses: dict[Any, int] = {
        ("1.2.3.4", 5): socket.AF_INET, ("::1", 5, 0, 0): socket.AF_INET6, "": socket.AF_UNIX,
    }  # fmt: skip
    for address, family in addresses.items():
        assert _HTTPRequestContext(Stream(), address, None).address_family == family


def test_over_a_unix_socket_the_client_has_no_address(io_loop: IOLoop, tmp_path: Path) -> None:
    server = HTTPServer(who)
    server.add_socket(bind_unix_socket(str(tmp_path / "socket")))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "socket"))
        client.setblocking(False)
        assert ask(io_loop, client, GET) == b"0.0.0.0 http"
    server.stop()
    run(io_loop, server.close_all_connections())


def test_a_context_shows_the_address_that_the_log_is_to_hold() -> None:
    with socket.socket() as sock:
        class Stream:
            socket = sock
            encrypted = True

        context = _HTTPRequestContext(Stream(), ("1.2.3.4", 5), None)
        assert str(context) == "1.2.3.4"
        assert context.protocol == "https"
        assert _HTTPRequestContext(Stream(), None, "http").protocol == "http"
        assert _HTTPRequestContext(Stream(), None, None).remote_ip == "0.0.0.0"


# ---- connections, and their end ----


def test_connections_are_kept_while_they_last(io_loop: IOLoop) -> None:
    with serving(io_loop) as server:
        clients = [socket.create_connection(server.address) for _ in range(3)]  # type: ignore[attr-defined]
        turns(io_loop, 2)
        assert len(server._connections) == 3
        clients[0].close()
        reset(clients[1])
        turns(io_loop, 3)
        assert len(server._connections) == 1
        clients[2].close()


def test_all_connections_are_closed_in_the_middle_of_whatever_they_do(io_loop: IOLoop) -> None:
    before = open_fds(collected=True)
    left: list[str] = []

    def slow(request: HTTPServerRequest) -> None:
        request.connection.set_close_callback(lambda: left.append(request.path))

    with serving(io_loop, slow) as server:
        clients = [socket.create_connection(server.address) for _ in range(4)]  # type: ignore[attr-defined]
        for client, data in zip(clients, (b"", GET[:5], POST + b"1", GET), strict=True):
            client.send(data)
        turns(io_loop, 4)
        run(io_loop, server.close_all_connections())
        assert not server._connections
        for client in clients:
            client.close()
        assert left == ["/path"]
    turns(io_loop, 2)
    assert open_fds() == before


def test_draining_waits_for_answers_and_not_for_the_idle(io_loop: IOLoop) -> None:
    waiting: list[Any] = []
    with (
        serving(io_loop, lambda request: waiting.append(request.connection)) as server,
        client_of(server) as idle,
        client_of(server) as busy,
    ):
        ask(io_loop, busy, GET)
        server.stop()

        async def drain_and_answer() -> bool:
            draining = gen.convert_yielded(server.drain(60))
            while len(server._connections) > 1:  # the idle one: soon, if not at once
                await gen.sleep(0.005)
            assert len(server._connections) == 1
            respond(waiting[0], b"the last")
            return await draining

        assert run(io_loop, drain_and_answer()) is True
        assert idle.recv(1) == b""
        assert ask(io_loop, busy, b"") == b"the last"


def test_draining_gives_up_at_its_deadline(io_loop: IOLoop) -> None:
    with serving(io_loop, lambda request: None) as server, client_of(server) as client:
        ask(io_loop, client, GET)
        started = time.monotonic()
        assert run(io_loop, server.drain(0.05)) is False
        assert 0.05 <= time.monotonic() - started < 30
        assert not server._connections


def test_draining_gives_up_on_a_delegate_that_never_goes_on(io_loop: IOLoop) -> None:
    application = Application()
    held: Future[None] = Future()
    application.on_data = lambda: held
    with serving(io_loop, application) as server, client_of(server) as client:
        ask(io_loop, client, POST + b"1234")
        try:
            assert run(io_loop, server.drain(0.05)) is False
        finally:
            held.set_result(None)


def test_a_hundred_clients_that_vanish_leave_no_fd_and_no_line(io_loop: IOLoop) -> None:
    with serving(io_loop) as server:
        before = open_fds(collected=True)
        stages = [b"", GET[:7], GET[:-1], POST, POST + b"123", GET, GET * 3, GET + POST]
        for data, leave in itertools.product(stages, (socket.socket.close, reset)):
            for number in (0, 1, 5):
                client = socket.create_connection(server.address)  # type: ignore[attr-defined]
                client.send(data)
                turns(io_loop, number)
                leave(client)
        turns(io_loop, 6)
        assert open_fds() == before
        assert not server._connections


# ---- TLS ----


def test_over_tls_the_protocol_is_https(io_loop: IOLoop, certificates: Certificates) -> None:
    with serving(io_loop, ssl_options=certificates.options) as server, client_of(server) as sock:
        client = Client(io_loop, sock, certificates.client_context())
        client.handshake()
        client.send(GET + GET)  # in one record
        assert client.read().count(b"127.0.0.1 https") == 2
        client.send(*[bytes([byte]) for byte in GET], size=1)
        assert client.read().endswith(b"127.0.0.1 https")


def test_over_tls_too_a_connection_ends_without_waiting_for_the_client(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    with (
        serving(io_loop, ssl_options=certificates.options, no_keep_alive=True) as server,
        client_of(server) as sock,
    ):
        client = Client(io_loop, sock, certificates.client_context())
        client.handshake()
        client.send(GET)
        turns(io_loop, 10)
        assert not server._connections


def count_per_turn(loop: IOLoop, count: Callable[[], int], number: int) -> int:
    """The most that `count` grows in one turn of the loop."""
    counts: list[int] = []

    def look() -> None:
        counts.append(count())
        if len(counts) < number:
            loop.add_callback(look)

    loop.add_callback(look)
    turns(loop, number)
    return max(after - before for before, after in itertools.pairwise(counts))


def test_over_tls_too_everybody_has_a_turn_between_some_requests(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    served: list[Any] = []

    def application(request: HTTPServerRequest) -> None:
        served.append(request)
        respond(request.connection, b"ok")

    with (
        serving(io_loop, application, ssl_options=certificates.options) as server,
        client_of(server) as sock,
    ):
        client = Client(io_loop, sock, certificates.client_context())
        client.handshake()
        for _ in range(100):
            client.tls.write(GET)  # each a record of its own, all in one packet
        sock.send(client.outgoing.read())
        most = count_per_turn(io_loop, lambda: len(served), 300)
        assert len(served) == 100
        assert most == REQUESTS_A_TURN


def test_over_tls_too_a_refused_body_does_not_take_the_answer_away(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    options = {"ssl_options": certificates.options, "max_body_size": 1000}
    with serving(io_loop, **options) as server, client_of(server) as sock:  # type: ignore[arg-type]
        client = Client(io_loop, sock, certificates.client_context())
        client.handshake()
        client.tls.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n")
        for _ in range(20):
            client.tls.write(b"x" * 10_000)
        sock.send(client.outgoing.read())
        with ExpectLog("tornado.general", "Malformed HTTP message"):
            assert client.read().startswith(b"HTTP/1.1 413 ")


# ---- judges from outside ----


def in_a_thread(loop: IOLoop, function: Callable[[], Any]) -> Any:
    """Run a blocking client while the loop serves."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(function())
        except Exception as error:
            outcome.append(error)
        loop.add_callback(loop.stop)

    thread = threading.Thread(target=work)
    thread.start()
    loop.start()
    thread.join(60)
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def echo(request: HTTPServerRequest) -> None:
    if request.path == "/chunks":
        request.connection.write_headers(ResponseStartLine("", 200, "OK"), HTTPHeaders())
        for at in range(0, len(request.body), 1000):
            request.connection.write(request.body[at : at + 1000])
        request.connection.finish()
    else:
        respond(request.connection, request.body)


@pytest.mark.parametrize("path", ["/", "/chunks"])
def test_http_client_gets_back_what_it_sent(io_loop: IOLoop, path: str) -> None:
    body = bytes(range(256)) * 1000

    def client(address: Any) -> list[bytes]:
        connection = http.client.HTTPConnection(*address, timeout=60)
        got = []
        for data in (body, iter([body[:777], body[777:]])):  # an iterator is sent in chunks
            connection.request("POST", path, data, encode_chunked=True)
            got.append(connection.getresponse().read())
        connection.close()
        return got

    with serving(io_loop, echo) as server:
        got = in_a_thread(io_loop, lambda: client(server.address))  # type: ignore[attr-defined]
    assert got == [body, body]


def test_curl_sends_files_that_the_request_holds(io_loop: IOLoop, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl here to be the judge")
    (tmp_path / 'a "b";c.bin').write_bytes(bytes(range(256)))
    requests: list[HTTPServerRequest] = []

    def application(request: HTTPServerRequest) -> None:
        requests.append(request)
        respond(request.connection, b"ok")

    with serving(io_loop, application) as server:
        host, port = server.address  # type: ignore[attr-defined]
        quoted = str(tmp_path / 'a "b";c.bin').replace('"', '\\"')
        command = [
            "curl", "-sS", "--noproxy", "*", "-F", "name=v\u00e4lue",
            "-F", f'file=@"{quoted}";type=application/x-test', f"http://{host}:{port}/",
        ]  # fmt: skip
        done = in_a_thread(
            io_loop, lambda: subprocess.run(command, capture_output=True, timeout=60))  # fmt: skip
        assert (done.stdout, done.stderr) == (b"ok", b"")
    [request] = requests
    assert request.arguments == {"name": ["v\u00e4lue".encode()]}
    [file] = request.files["file"]
    assert file.body == bytes(range(256))
    assert file.content_type == "application/x-test"
    assert file.filename in ('a "b";c.bin', "a %22b%22;c.bin")  # newer ones escape as browsers do


# ---- the three ways to start, as the seed shows them ----

SERVE = """
    from minitornado import netutil, process
    from minitornado.httpserver import HTTPServer
    from minitornado.httputil import HTTPHeaders, ResponseStartLine
    from minitornado.ioloop import IOLoop

    def application(request):
        body = b"%d" % os.getpid()
        request.connection.write_headers(
            ResponseStartLine("HTTP/1.1", 200, "OK"),
            HTTPHeaders({"Content-Length": str(len(body)), "Connection": "close"}), body)
        request.connection.finish()
"""
WAYS = {
    "listen": """
    server = HTTPServer(application)
    server.listen(0, "127.0.0.1")
    sockets = server._sockets.values()
    """,
    "bind and start(n)": """
    server = HTTPServer(application)
    server.bind(0, "127.0.0.1")
    server.start(2)
    sockets = server._sockets.values()
    """,
    "bind_sockets, fork_processes, add_sockets": """
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    process.fork_processes(2)
    server = HTTPServer(application)
    server.add_sockets(sockets)
    """,
}
RUN = """
    say(os.getpid(), *[sock.getsockname()[1] for sock in sockets])
    IOLoop.instance().start()
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_server_of_the_seeds_shape_serves_and_ends(way: str) -> None:
    with Family(SERVE + WAYS[way] + RUN) as family:
        told = [line.split() for line in family.lines(1 if way == "listen" else 2)]
        pids = {int(pid) for pid, _port in told}
        [port] = {int(port) for _pid, port in told}
        for _ in range(5):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/")
            assert int(connection.getresponse().read()) in pids
            connection.close()
        if way != "listen":
            victim = pids.pop()
            os.kill(victim, signal.SIGKILL)
            assert int(family.line().split()[0]) not in {victim, *pids}
        family.signal(signal.SIGTERM)
        assert family.wait() == -signal.SIGTERM


# ---- out of fds ----

NO_ROOM = SERVE + """
    server = HTTPServer(application, ssl_options=eval(sys.argv[1]))
    server.listen(0, "127.0.0.1")
    sockets = server._sockets.values()
""" + RUN


@pytest.mark.parametrize("tls", [False, True])
def test_a_server_out_of_fds_serves_again_when_there_is_room(
    certificates: Certificates, tls: bool
) -> None:
    options = str(certificates.options if tls else None)
    with Family(NO_ROOM, options, nofile=32) as family:
        port = int(family.line().split()[1])
        began = time.monotonic()
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
        while "can't accept connections" not in family.log():
            time.sleep(0.01)
        for client in clients:
            client.close()
        connection: http.client.HTTPConnection
        if tls:
            context = certificates.client_context()
            connection = http.client.HTTPSConnection("localhost", port, timeout=60, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/")
        assert connection.getresponse().read() == str(family.pid).encode()
        connection.close()
        log = family.log()
        took = time.monotonic() - began
        assert 1 <= log.count("can't accept connections") <= 1 + took / NO_ROOM_PAUSE
        assert "Traceback" not in log
        assert len(log) < 5000 + 200 * took
        family.signal(signal.SIGTERM)
        assert family.wait() == -signal.SIGTERM


