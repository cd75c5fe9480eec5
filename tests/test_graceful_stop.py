"""Stopping under load: what was accepted is answered, and everybody else learns soon.

*Accepted* is a request that the server has read.  `stop()` ends the listening, `drain(seconds)`
lets exchanges that have begun come to their end, `close_all_connections()` waits for nobody.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from minitornado import gen
from minitornado.demo.application import answer
from minitornado.httpserver import HTTPServer
from minitornado.httputil import HTTPServerRequest
from minitornado.ioloop import IOLoop

DEADLINE = 60.0  # seconds for anything that must happen

pytestmark = [pytest.mark.deadline(120), pytest.mark.usefixtures("quiet_log")]


class App:
    """Echoes; /wait waits until `release` first, /never for ever.  Keeps what it was handed."""

    def __init__(self) -> None:
        self.handed: list[bytes] = []
        self.released = False

    def __call__(self, request: HTTPServerRequest) -> Any:
        self.handed.append(request.body or request.path.encode())
        if request.path == "/":
            return answer(request, request.body)
        if request.path == "/big":
            return answer(request, bytes(20 * 1024**2))
        return self._wait(request)

    async def _wait(self, request: HTTPServerRequest) -> None:
        if request.path == "/moment":
            await gen.sleep(0.02)
        while request.path == "/never" or (request.path == "/wait" and not self.released):
            await gen.sleep(0.005)
            if request.connection.stream.closed():
                return
        answer(request, request.body)


class Stage:
    """A server with an App on a loop, and clients of raw bytes, all in one thread."""

    def __init__(self, loop: IOLoop, **options: Any) -> None:
        self.loop = loop
        self.app = App()
        self.server = HTTPServer(self.app, io_loop=loop, **options)
        self.server.listen(0, "127.0.0.1")
        (sock,) = self.server._sockets.values()
        self.port: int = sock.getsockname()[1]
        self.clients = contextlib.ExitStack()

    def connect(self, data: bytes = b"") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), DEADLINE)
        self.clients.enter_context(client)
        client.sendall(data)
        return client

    async def until(self, condition: Any) -> None:
        while not condition():  # a hang ends with the test's deadline
            await gen.sleep(0.002)

    def run(self, story: Any) -> None:
        self.loop.run_sync(story, timeout=DEADLINE)


@pytest.fixture
def stage(io_loop: IOLoop) -> Iterator[Stage]:
    stage = Stage(io_loop)
    yield stage
    stage.clients.close()
    stage.server.stop()
    io_loop.run_sync(stage.server.close_all_connections, timeout=DEADLINE)


def request(path: str, body: bytes = b"x") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def read_all(client: socket.socket) -> bytes:
    """Read up to the end, without holding the loop; a reset is an end too."""
    client.setblocking(False)
    received = bytearray()
    while True:
        try:
            chunk = client.recv(1 << 20)
        except BlockingIOError:
            await gen.sleep(0.001)
            continue
        except ConnectionResetError:
            return bytes(received) + b"<reset>"
        if not chunk:
            return bytes(received)
        received += chunk


def readable(connection: socket.socket) -> bool:
    """Whether bytes wait in the kernel."""
    return bool(select.select([connection], [], [], 0)[0])


# ---- drain, one case at a time ----


def test_a_request_in_the_applications_hands_is_answered_before_drain_is_done(
    stage: Stage,
) -> None:
    async def story() -> None:
        client = stage.connect(request("/wait"))
        await stage.until(lambda: stage.app.handed)
        stage.server.stop()
        drained = gen.convert_yielded(stage.server.drain(DEADLINE))
        await gen.sleep(0.05)
        assert not drained.done()
        stage.app.released = True
        assert await drained is True
        received = await read_all(client)
        assert received.startswith(b"HTTP/1.1 200 OK") and received.endswith(b"\r\n\r\nx")
        assert not stage.server._connections

    stage.run(story)


def test_an_answer_given_while_draining_says_that_it_is_the_last(stage: Stage) -> None:
    async def story() -> None:
        client = stage.connect(request("/wait"))
        await stage.until(lambda: stage.app.handed)
        stage.server.stop()
        drained = gen.convert_yielded(stage.server.drain(DEADLINE))
        stage.app.released = True
        await drained
        # RFC 9112 §9.6: else the client may send its next request into a closing door.
        assert b"Connection: close" in await read_all(client)

    stage.run(story)


def test_a_request_that_is_here_but_unread_when_drain_begins_is_answered(stage: Stage) -> None:
    async def story() -> None:
        client = stage.connect(request("/"))
        await stage.until(lambda: stage.app.handed)
        (conn,) = stage.server._connections
        await stage.until(conn.stream.reading)
        client.sendall(request("/", b"second"))
        while not readable(conn.stream.socket):
            time.sleep(0.001)  # the loop must not turn, or it would read
        stage.server.stop()
        await stage.server.drain(DEADLINE)
        assert (await read_all(client)).endswith(b"second")

    stage.run(story)


async def send_second_request(stage: Stage) -> socket.socket:
    """Return when the server has read it, and the exchange has not had its turn to see it yet."""
    client = stage.connect(request("/"))
    await stage.until(lambda: stage.app.handed)
    (conn,) = stage.server._connections
    await stage.until(conn.stream.reading)
    client.sendall(request("/", b"second"))
    while not readable(conn.stream.socket):
        time.sleep(0.001)
    while conn.stream.reading():
        await gen.moment
    assert stage.app.handed == [b"x"], "too late: it is in the application's hands"
    return client


def test_a_request_that_was_read_a_moment_before_drain_is_answered(stage: Stage) -> None:
    async def story() -> None:
        client = await send_second_request(stage)
        stage.server.stop()
        await stage.server.drain(DEADLINE)
        assert (await read_all(client)).endswith(b"second")

    stage.run(story)


def test_a_request_that_was_read_a_moment_before_all_are_closed_is_answered_or_never_handed_on(
    stage: Stage,
) -> None:
    async def story() -> None:
        client = await send_second_request(stage)
        stage.server.stop()
        await stage.server.close_all_connections()
        received = await read_all(client)
        assert received.endswith(b"second") == (stage.app.handed == [b"x", b"second"])

    stage.run(story)


def test_a_body_that_is_still_coming_when_drain_begins_is_read_to_its_end(stage: Stage) -> None:
    async def story() -> None:
        whole = request("/", bytes(1000))
        client = stage.connect(whole[:-500])
        (conn,) = [conn async for conn in one_exchange(stage)]
        assert not conn._exchange.idle()
        stage.server.stop()
        drained = gen.convert_yielded(stage.server.drain(DEADLINE))
        await gen.sleep(0.05)
        assert not drained.done()
        client.sendall(whole[-500:])
        assert await drained is True
        assert (await read_all(client)).endswith(bytes(1000))

    async def one_exchange(stage: Stage) -> Any:
        await stage.until(lambda: stage.server._connections)
        (conn,) = stage.server._connections
        await stage.until(lambda: conn._exchange and not conn._exchange.idle())
        yield conn

    stage.run(story)


def test_an_answer_that_its_client_reads_slowly_is_delivered_whole(stage: Stage) -> None:
    async def story() -> None:
        client = stage.connect(request("/big"))
        await stage.until(lambda: stage.app.handed)
        stage.server.stop()
        drained = gen.convert_yielded(stage.server.drain(DEADLINE))
        await gen.sleep(0.05)
        assert not drained.done()
        _head, _, body = (await read_all(client)).partition(b"\r\n\r\n")
        assert len(body) == 20 * 1024**2
        assert await drained is True

    stage.run(story)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHo"], ids=["silent", "half a head"])
def test_connections_without_a_request_do_not_keep_drain_waiting(
    stage: Stage, sent: bytes
) -> None:
    async def story() -> None:
        clients = [stage.connect(sent) for _ in range(5)]
        await stage.until(lambda: len(stage.server._connections) == 5)
        stage.server.stop()
        started = time.monotonic()
        assert await stage.server.drain(DEADLINE) is True
        assert time.monotonic() - started < DEADLINE / 2
        for client in clients:
            assert await read_all(client) in (b"", b"<reset>")

    stage.run(story)


def test_drain_gives_up_at_its_deadline_and_says_so(stage: Stage) -> None:
    async def story() -> None:
        client = stage.connect(request("/never"))
        await stage.until(lambda: stage.app.handed)
        stage.server.stop()
        started = time.monotonic()
        assert await stage.server.drain(0.2) is False
        assert 0.2 <= time.monotonic() - started < DEADLINE / 2
        assert await read_all(client) == b""
        assert not stage.server._connections

    stage.run(story)


def test_who_listens_again_after_drain_keeps_connections_as_before(stage: Stage) -> None:
    async def story() -> None:
        stage.server.stop()
        assert await stage.server.drain(DEADLINE)
        stage.server.listen(0, "127.0.0.1")
        (sock,) = stage.server._sockets.values()
        stage.port = sock.getsockname()[1]
        client = stage.connect(request("/"))
        await stage.until(lambda: readable(client))
        received = client.recv(1000)
        assert received.startswith(b"HTTP/1.1 200 OK")
        assert b"Connection: close" not in received

    stage.run(story)


def test_after_stop_nobody_is_let_in(stage: Stage) -> None:
    async def story() -> None:
        stage.server.stop()
        with pytest.raises(ConnectionRefusedError):
            stage.connect()

    stage.run(story)


# ---- under load ----


class Client(threading.Thread):
    """Sends one request after the other over a connection that it keeps, until it is cut."""

    def __init__(self, port: int, name: str, path: str) -> None:
        super().__init__(daemon=True)
        self.port, self.prefix, self.path = port, name, path
        self.answered: list[bytes] = []
        self.wrong: list[object] = []

    def run(self) -> None:
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        with contextlib.closing(conn):
            for number in range(100_000):
                body = f"{self.prefix}-{number}".encode()
                try:
                    conn.request("POST", self.path, body)
                    response = conn.getresponse()
                    received = response.read()
                except TimeoutError as error:  # the one way to end that is not fair
                    return self.wrong.append(error)
                except http.client.IncompleteRead as error:
                    return self.wrong.append(error)  # half an answer
                except (OSError, http.client.HTTPException):
                    return  # sent away; whether that was right, `handed` tells
                if (response.status, received) != (200, body):
                    self.wrong.append((response.status, received, body))
                self.answered.append(body)


def under_load(stage: Stage, path: str, stop: Any) -> list[Client]:
    """Let eight clients ask, call `await stop()` in the middle of it; return the clients."""
    clients = [Client(stage.port, f"client {number}", path) for number in range(8)]

    async def story() -> None:
        for client in clients:
            client.start()
        await stage.until(lambda: all(len(client.answered) >= 3 for client in clients))
        stage.server.stop()
        await stop()

    stage.run(story)
    for client in clients:
        client.join(DEADLINE)
        assert not client.is_alive(), "a client is still waiting"
        assert not client.wrong, client.wrong
    return clients


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/", id="at once"),
        pytest.param("/moment", id="a moment later"),
    ],
)
def test_drain_under_load_loses_no_accepted_request(stage: Stage, path: str) -> None:
    async def drain() -> None:
        assert await stage.server.drain(DEADLINE) is True

    clients = under_load(stage, path, drain)
    assert sorted(stage.app.handed) == sorted(body for c in clients for body in c.answered)


def test_closing_all_connections_under_load_loses_none_that_is_answered_at_once(
    stage: Stage,
) -> None:
    clients = under_load(stage, "/", stage.server.close_all_connections)
    assert sorted(stage.app.handed) == sorted(body for c in clients for body in c.answered)


def test_closing_all_connections_cuts_off_those_who_still_wait(stage: Stage) -> None:
    async def story() -> None:
        clients = [stage.connect(request("/never")) for _ in range(5)]
        await stage.until(lambda: len(stage.app.handed) == 5)
        stage.server.stop()
        await stage.server.close_all_connections()
        assert not stage.server._connections
        for client in clients:
            assert await read_all(client) == b""

    stage.run(story)
