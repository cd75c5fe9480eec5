"""The demo application over real sockets: every route, twice a connection, and what is refused.

http.client and curl are the judges; the raw sockets are for what neither would send.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from minitornado.concurrent import Future
from minitornado.demo import application as module
from minitornado.demo.application import MAX_BIG_BYTES, PIECE_BYTES, ROUTES, big
from minitornado.demo.server import DemoServer
from minitornado.ioloop import IOLoop

DEADLINE = 60.0  # seconds for any one answer; on an idle machine none takes one

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl to judge with")


class Served:
    """A DemoServer on a free port, on a loop in a thread of its own."""

    def __enter__(self) -> Served:
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(DEADLINE), "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.in_loop(self._loop.stop)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "the loop did not stop"

    def _run(self, started: threading.Event) -> None:
        self._loop = IOLoop()
        server = DemoServer()
        server.listen(0, "127.0.0.1")
        (sock,) = server._sockets.values()
        self.port: int = sock.getsockname()[1]
        started.set()
        self._loop.start()
        server.stop()
        self._loop.run_sync(server.close_all_connections, timeout=DEADLINE)
        self._loop.close()

    def in_loop(self, callback: Callable[..., object], *args: object) -> None:
        self._loop.add_callback(callback, *args)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)

    def get(self, path: str) -> tuple[int, bytes]:
        with contextlib.closing(self.client()) as client:
            return ask(client, "GET", path)[::2]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served() as served:
        yield served


def ask(
    client: http.client.HTTPConnection, method: str, path: str, **options: Any
) -> tuple[int, http.client.HTTPMessage, bytes]:
    client.request(method, path, **options)
    response = client.getresponse()
    return response.status, response.headers, response.read()


def read_to_end(sock: socket.socket) -> bytes:
    chunks = []
    while chunk := sock.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


def pieces(size: int) -> bytes:
    line = (b"0123456789abcdef" * 4)[:63] + b"\n"
    return (line * (size // 64 + 1))[:size]


BYTES = b"a\x00b\xff" * 50_000
STREAM = b"".join(b"piece %d of 5\n" % number for number in range(1, 6))

# method, target, body -> status, type, body
GOOD = [
    ("GET", "/hello", None, 200, "text/plain", b"hello world"),
    ("POST", "/echo", b"", 200, "application/octet-stream", b""),
    ("POST", "/echo", BYTES, 200, "application/octet-stream", BYTES),
    ("GET", "/big?n=0", None, 200, "text/plain", b""),
    ("GET", "/big?n=1000", None, 200, "text/plain", pieces(1000)),
    ("GET", "/big?n=3000001", None, 200, "text/plain", pieces(3_000_001)),
    ("GET", "/stream", None, 200, "text/plain", STREAM),
    ("GET", "/slow?seconds=0", None, 200, "text/plain",
     b"waited 0 s, while the loop was free for others\n"),
    ("GET", "/slow?seconds=0.05", None, 200, "text/plain",
     b"waited 0.05 s, while the loop was free for others\n"),
    ("GET", "/block?seconds=0.01", None, 200, "text/plain",
     b"held the loop for 0.01 s: nobody else was served\n"),
    ("GET", "/remote", None, 200, "application/json", b'{"ip": "127.0.0.1", "protocol": "http"}\n'),
    ("GET", "/status?code=200", None, 200, "text/plain", b"200 OK\n"),
    ("GET", "/status?code=418", None, 418, "text/plain", b"418 I'm a Teapot\n"),
    ("GET", "/status?code=599", None, 599, "text/plain", b"599 Unknown\n"),
    ("GET", "/status?code=204", None, 204, "text/plain", b""),
    ("GET", "/status?code=205", None, 205, "text/plain", b""),
    ("GET", "/status?code=304", None, 304, "text/plain", b""),
    ("GET", "/nowhere", None, 404, "text/plain",
     f"There is nothing here. There is: {' '.join(ROUTES)}\n".encode()),
    ("POST", "/hello", b"x", 405, "text/plain", b"/hello takes GET, HEAD.\n"),
]  # fmt: skip
IDS = [f"{row[0]} {row[1]}{'' if row[2] is None else f' {len(row[2])} bytes'}" for row in GOOD]


@pytest.mark.parametrize(("method", "path", "body", "status", "kind", "expected"), GOOD, ids=IDS)
def test_http_client_gets_every_answer_twice_over_one_connection(
    served: Served, method: str, path: str, body: bytes | None, status: int, kind: str,
    expected: bytes,
):  # fmt: skip
    with contextlib.closing(served.client()) as client:
        used = set()
        for _ in range(2):
            code, headers, data = ask(client, method, path, body=body)
            assert (code, headers["Content-Type"]) == (status, kind)
            assert data == expected
            used.add(client.sock)
        assert len(used) == 1, "the connection was not kept"
        assert None not in used


@needs_curl
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind", "expected"),
    [row for row in GOOD if row[2] is None or len(row[2]) < 10],
    ids=[row_id for row_id, row in zip(IDS, GOOD, strict=True) if len(row[2] or b"") < 10],
)
def test_curl_gets_every_answer_twice_over_one_connection(
    served: Served, method: str, path: str, body: bytes | None, status: int, kind: str,
    expected: bytes,
):  # fmt: skip
    options = [] if method == "GET" else ["--data-binary", (body or b"").decode()]
    url = served.url + path
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "60", *options, url, url,
         "-w", "|%{http_code} %{num_connects}|"],
        capture_output=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"%b|%d 1|%b|%d 0|" % (expected, status, expected, status)


@pytest.mark.parametrize("path", [row[1] for row in GOOD if row[0] == "GET"])
def test_head_is_get_without_the_body(served: Served, path: str):
    with contextlib.closing(served.client()) as client:
        status, headers, _ = ask(client, "GET", path)
        head = ask(client, "HEAD", path)
        after = ask(client, "GET", "/hello")
    assert head[0] == status
    assert head[2] == b""
    drop = ("Date",)
    assert [field for field in head[1].items() if field[0] not in drop] == [
        field for field in headers.items() if field[0] not in drop
    ]
    assert after[2] == b"hello world", "nothing of a body was left between the answers"


@needs_curl
def test_curl_takes_a_head_from_every_route_that_has_get(served: Served):
    for path in ("/hello", "/big?n=100000000", "/stream", "/boom"):
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "60", "--head", served.url + path],
            capture_output=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0
        assert done.stdout.startswith(b"HTTP/1.1 500 " if path == "/boom" else b"HTTP/1.1 200 ")


def test_headers_come_back_in_order_and_with_repeats(served: Served):
    with served.raw() as sock:
        fields = b"Host: a\r\nx-two: 1\r\nConnection: close\r\nX-Two: 2\r\n"
        sock.sendall(b"GET /headers HTTP/1.1\r\n" + fields + b"\r\n")
        head, _, body = read_to_end(sock).partition(b"\r\n\r\n")
    assert b"application/json" in head
    assert json.loads(body) == [
        ["Host", "a"], ["X-Two", "1"], ["X-Two", "2"], ["Connection", "close"],
    ]  # fmt: skip


def test_boom_is_a_500_with_the_traceback_in_the_log_and_the_connection_goes_on(
    served: Served, caplog: pytest.LogCaptureFixture
):
    with contextlib.closing(served.client()) as client:
        for method in ("GET", "POST"):
            assert ask(client, method, "/boom")[0] == 500
            sock = client.sock
            assert sock is not None
        assert ask(client, "GET", "/hello")[2] == b"hello world"
        assert client.sock is sock
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in errors] == ["tornado.application"] * 2
    assert "this route always fails" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("POST", path, "GET, HEAD") for path in ROUTES if path not in ("/echo", "/boom")]
    + [("GET", "/echo", "POST"), ("HEAD", "/echo", "POST"), ("get", "/hello", "GET, HEAD")]
    + [("DELETE", "/boom", "GET, HEAD, POST"), ("OPTIONS", "/hello", "GET, HEAD")],
)
def test_a_wrong_method_is_a_405_that_names_the_right_ones(
    served: Served, method: str, path: str, allow: str
):
    with contextlib.closing(served.client()) as client:
        status, headers, body = ask(client, method, path)
    assert (status, headers["Allow"]) == (405, allow)
    assert body == (b"" if method == "HEAD" else f"{path} takes {allow}.\n".encode())


BIG = f"Say n, a whole number from 0 to {MAX_BIG_BYTES}, once: /big?n=1000000\n"
SLOW = "Say seconds, a number from 0 to 60, once: /slow?seconds=0.5\n"
BLOCK = "Say seconds, a number from 0 to 10, once: /block?seconds=0.5\n"
STATUS = "Say code, a whole number from 200 to 599, once: /status?code=404\n"
BAD_NUMBERS = [
    *[(f"/big{query}", BIG) for query in (
        "", "?", "?n", "?n=", "?m=5", "?n=-1", "?n=%2B5", "?n=1_0", "?n=1.5", "?n=0x10", "?n=%205",
        "?n=five", "?n=1&n=2", "?n=1;2", f"?n={MAX_BIG_BYTES + 1}", f"?n={'9' * 5000}",
        "?n=%D9%A5", "?N=5")],
    *[(f"/slow{query}", SLOW) for query in (
        "", "?seconds=nan", "?seconds=inf", "?seconds=1e1", "?seconds=-0.1", "?seconds=.5",
        "?seconds=60.1", "?seconds=1&seconds=1")],
    *[(f"/block{query}", BLOCK) for query in ("", "?seconds=10.5", "?seconds=x")],
    *[(f"/status{query}", STATUS) for query in (
        "", "?code=100", "?code=101", "?code=199", "?code=600", "?code=abc", "?code=20")],
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "sentence"), BAD_NUMBERS, ids=[row[0][:30] for row in BAD_NUMBERS]
)
def test_a_bad_number_is_a_400_that_says_what_to_do(served: Served, path: str, sentence: str):
    status, body = served.get(path)
    assert (status, body.decode()) == (400, sentence)


@pytest.mark.parametrize("sentence", [BIG, SLOW, BLOCK, STATUS])
def test_what_a_400_proposes_works(served: Served, sentence: str):
    status, _ = served.get(sentence.split()[-1])
    assert status == (404 if sentence == STATUS else 200)


def test_the_stream_comes_in_five_chunks_50_ms_apart(served: Served):
    with served.raw() as sock:
        sock.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        data, times = b"", []
        while not data.endswith(b"\r\n0\r\n\r\n"):
            data += sock.recv(65536)
            times += [time.monotonic()] * (data.count(b"piece") - len(times))
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert body == b"".join(b"d\r\npiece %d of 5\n\r\n" % n for n in range(1, 6)).replace(
        b"d\r\n", b"%x\r\n" % len(b"piece 1 of 5\n")) + b"0\r\n\r\n"  # fmt: skip
    # A loop never wakes early; how late a reader is woken is the machine's affair.
    assert times[4] - times[0] > 0.15


def test_the_loop_serves_others_while_a_handler_waits(
    served: Served, monkeypatch: pytest.MonkeyPatch
):
    begun, over = threading.Event(), Future[None]()

    def sleep(seconds: float) -> Future[None]:
        assert seconds == 0.5
        begun.set()
        return over

    monkeypatch.setattr(module, "gen", SimpleNamespace(sleep=sleep))
    with served.raw() as waiting, contextlib.closing(served.client()) as other:
        waiting.sendall(b"GET /slow?seconds=0.5 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert begun.wait(DEADLINE)
        assert ask(other, "GET", "/hello")[2] == b"hello world"
        assert select.select([waiting], [], [], 0)[0] == [], "the slow one is still waiting"
        served.in_loop(over.set_result, None)
        assert b"waited 0.5 s" in waiting.recv(65536)


def test_the_loop_serves_nobody_while_a_handler_blocks(
    served: Served, monkeypatch: pytest.MonkeyPatch
):
    begun, over = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        assert seconds == 0.8
        begun.set()
        assert over.wait(DEADLINE)

    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=sleep))
    with served.raw() as blocking, contextlib.closing(served.client()) as other:
        assert ask(other, "GET", "/hello")[0] == 200
        blocking.sendall(b"GET /block?seconds=0.8 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert begun.wait(DEADLINE)
        other.request("GET", "/hello")
        time.sleep(0.05)  # for a loop that turns to give its answer
        assert select.select([blocking, other.sock], [], [], 0)[0] == [], "nobody is answered"
        over.set()
        assert other.getresponse().read() == b"hello world"
        assert select.select([blocking], [], [], 0)[0] == [blocking], "it was answered before"


class _Connection:
    """Takes an answer; its writes are done when the test says so."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.finished = False
        self.pending: Future[None] | None = None

    def write_headers(self, start_line: object, headers: object, chunk: object = None) -> None:
        pass

    def write(self, chunk: bytes) -> Future[None]:
        assert self.pending is None or self.pending.done(), "written before there was room"
        self.sizes.append(len(chunk))
        self.pending = Future()
        return self.pending

    def finish(self) -> None:
        self.finished = True


def test_big_writes_a_piece_only_when_the_one_before_has_left():
    connection = _Connection()
    request: Any = SimpleNamespace(connection=connection, method="GET", uri="", remote_ip="")
    handler = big(request, 2 * PIECE_BYTES + 10)
    for written in (1, 2, 3):
        assert handler.send(None) is connection.pending
        assert len(connection.sizes) == written
        connection.pending.set_result(None)
    with pytest.raises(StopIteration):
        handler.send(None)
    assert connection.sizes == [PIECE_BYTES, PIECE_BYTES, 10]
    assert connection.finished


# ---- who does not play by the rules ----


def wait_for_log(caplog: pytest.LogCaptureFixture, words: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while words not in caplog.text:
        assert time.monotonic() < deadline, f"no {words!r} in the log:\n{caplog.text}"
        time.sleep(0.01)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The log at INFO; at the end it must hold no error."""
    caplog.set_level(logging.INFO)
    yield caplog
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_every_answer_is_one_line_in_the_log(served: Served, log: pytest.LogCaptureFixture):
    served.get("/status?code=404")
    lines = [record.getMessage() for record in log.records if record.name == "tornado.access"]
    assert lines == ["404 GET '/status?code=404' (127.0.0.1)"]


def test_a_target_can_not_write_to_the_terminal_of_who_reads_the_log(
    served: Served, log: pytest.LogCaptureFixture
):
    with served.raw() as sock:
        sock.sendall(b"GET /\x9b2J\xe9 HTTP/1.0\r\n\r\n")
        assert b" 404 " in read_to_end(sock)
    wait_for_log(log, r"404 GET '/\x9b2J\xe9' (127.0.0.1)")


def test_a_garbage_request_line_is_a_400_and_a_line_in_the_log(
    served: Served, log: pytest.LogCaptureFixture
):
    with served.raw() as sock:
        sock.sendall(b"this is no request\r\n\r\n")
        assert read_to_end(sock).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    wait_for_log(log, "Malformed HTTP message from 127.0.0.1")
    assert served.get("/hello") == (200, b"hello world")


@pytest.mark.parametrize("reset", [False, True], ids=["end of file", "reset"])
def test_a_client_that_leaves_in_mid_body_costs_its_own_connection_and_a_line_in_the_log(
    served: Served, log: pytest.LogCaptureFixture, reset: bool
):
    with served.raw() as sock:
        fields = b"Host: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n"
        sock.sendall(b"POST /echo HTTP/1.1\r\n" + fields + b"\r\n")
        # The server has read the head now; a reset would have taken it out of its hands.
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        else:
            sock.shutdown(socket.SHUT_WR)
            assert read_to_end(sock) == b"", "closed, and no answer to half a request"
    wait_for_log(log, "--- POST '/echo' (127.0.0.1): its body ended before its time")
    assert served.get("/hello") == (200, b"hello world")


@pytest.mark.parametrize("path", ["/big?n=50000000", "/stream", "/slow?seconds=0.2"])
def test_a_client_that_leaves_before_its_answer_is_no_error(
    served: Served, log: pytest.LogCaptureFixture, path: str
):
    with served.raw() as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        if not path.startswith("/slow"):
            assert sock.recv(100)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert served.get("/slow?seconds=0.3")[0] == 200  # time for the handler to notice
    assert served.get("/hello") == (200, b"hello world")


def test_the_docstring_names_every_route_with_its_parameter():
    text = module.__doc__
    for path, route in ROUTES.items():
        assert f" {path}{f'?{route.number.name}=' if route.number else ' '}" in text
