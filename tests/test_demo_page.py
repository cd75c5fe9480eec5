"""The traced demo server's page, the server's side: what is sent, what is left out, what is kept.

Promised: the page's stream is a text/event-stream as the standard has it; whoever watches is
not seen by those who did not ask for it; and a browser that is slow, or gone, costs a bounded
number of messages.  http.client is the judge of what is on the wire.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import re
import select
import signal
import socket
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_main import Serve
from test_trace_views_state import watched_by

from minitornado import gen
from minitornado.demo import application as demo
from minitornado.demo.page import clients, history
from minitornado.demo.page.drawing import draw
from minitornado.demo.page.history import History
from minitornado.demo.page.quiet import Quiet
from minitornado.demo.page.site import MAX_WATCHERS, Page
from minitornado.demo.page.watchers import QUEUE, Watcher, message
from minitornado.httpserver import HTTPServer
from minitornado.ioloop import IOLoop
from minitornado.trace import Event, Tracer, drive, tracing
from minitornado.trace.views import Lanes, Stepper

pytestmark = pytest.mark.deadline(120)

DEADLINE = 60.0  # seconds for any one answer


class Watched:
    """A traced demo server with its page, on a loop in a thread of its own."""

    def __init__(self, port: int = 0, send_buffer: int | None = None) -> None:
        self.port = port
        self._send_buffer = send_buffer

    def __enter__(self) -> Watched:
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(DEADLINE), "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.in_loop(self.stop)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "the loop did not stop"
        notes = [event.data["text"] for event in self.trace if event.kind == "note"]
        assert notes == []

    def _run(self, started: threading.Event) -> None:
        self.loop = IOLoop()
        self.page = Page(self.loop)
        self._stopped = False
        self.trace = (tracer := Tracer(sink=self.page.saw, ring=2000).start()).trace
        try:
            self.server = HTTPServer(self.page.application)
            self.server.listen(self.port, "127.0.0.1")
            (sock,) = self.server._sockets.values()
            if self._send_buffer is not None:  # of those that are accepted too
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
            self.port = sock.getsockname()[1]
            started.set()
            self.loop.start()
        finally:
            tracer.stop()
        self.server.stop()
        self.loop.run_sync(self.server.close_all_connections, timeout=DEADLINE)
        self.loop.close()

    def in_loop(self, function: Callable[[], object]) -> Any:
        """Return what a function returns, called in the loop's thread."""
        result: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def call() -> None:
            try:
                result.set_result(function())
            except BaseException as error:
                result.set_exception(error)

        self.loop.add_callback(call)
        return result.result(DEADLINE)

    def until_asleep(self) -> None:
        """Return when the loop's thread sleeps, and goes on to: nothing is on its way."""
        deadline, looks, seen = time.monotonic() + DEADLINE, 0, -1
        stat = Path(f"/proc/self/task/{self._thread.native_id}/stat")
        while looks < 3:
            time.sleep(0.05)
            last = self.trace.events[-1].seq
            sleeps = stat.read_text().rpartition(")")[2].split()[0] == "S"
            looks, seen = looks + 1 if sleeps and last == seen else 0, last
            assert time.monotonic() < deadline, "the loop does not come to rest"

    def stop(self) -> None:
        self.page.stop()
        self.loop.call_later(0.05, self.loop.stop)

    def client(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **fields: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Ask on a connection of its own, which is closed afterwards."""
        with contextlib.closing(self.client()) as client:
            named = {name.replace("_", "-"): value for name, value in fields.items()}
            client.request(method, path, body, named)
            response = client.getresponse()
            return response.status, response.headers, response.read()

    def detail(self, name: str, own: bool = False) -> Any:
        status, _headers, body = self.ask(f"/trace/request?of={name}{'&own=1' if own else ''}")
        assert status == 200, body
        return json.loads(body)

    def stream(self, own: bool = False) -> Stream:
        return Stream(self.port, own)


class Stream:
    """A window that watches: reads a text/event-stream, by the rules of the HTML standard."""

    def __init__(self, port: int, own: bool = False) -> None:
        self._client = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        self._client.request("GET", "/trace/events" + ("?own=1" if own else ""))
        self.response = self._client.getresponse()
        self.retry: int | None = None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.response.close()
        self._client.close()

    def events(self) -> Iterator[tuple[str, Any]]:
        """Yield events, until the answer ends."""
        kind, data = "message", []
        for line in self.response:
            text = line.decode("utf-8").removesuffix("\n")
            name, _, value = text.partition(":")
            value = value.removeprefix(" ")
            if not text and data:
                yield kind, json.loads("\n".join(data))
                kind, data = "message", []
            elif name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            elif name == "retry":
                self.retry = int(value)

    def until(self, wanted: Callable[[str, Any], bool]) -> tuple[str, Any]:
        """Return the first event that is wanted."""
        for kind, value in self.events():
            if wanted(kind, value):
                return kind, value
        raise AssertionError("the stream has ended without it")

    def answered(self, line: str, click: str | None = None) -> Any:
        """Return the summary of the first request with this line, when it is over."""
        return self.until(
            lambda kind, value: kind == "request"
            and value["line"] == line
            and value["ended"] is not None
            and click in (None, value["click"])
        )[1]


@pytest.fixture
def watched() -> Iterator[Watched]:
    with Watched() as served:
        yield served


class Others:
    """Has handlers block, and wait, as long as they say and until others have come as well.

    So they meet, however slow the machine is.  Who has a better way to know that others have
    asked clears `asked` and sets it then: a browser may connect, and ask later.  `met` is how
    long whoever came to a handler that blocks has had to wait at least, in seconds.
    """

    BESIDE = 0.3  # seconds that a handler goes on when others are there

    def __init__(self, served: Watched) -> None:
        self.served = served
        self.blocking, self.asked = threading.Event(), threading.Event()
        self.asked.set()
        self.met = 0.0

    def block(self, seconds: float) -> None:
        self.blocking.set()
        end = time.monotonic() + seconds
        while not (self.asked.is_set() and self._somebody_waits()):
            time.sleep(0.01)
        came = time.monotonic()
        while time.monotonic() < max(end, came + self.BESIDE):
            time.sleep(0.01)
        self.met = time.monotonic() - came

    def _somebody_waits(self) -> bool:
        server = self.served.server
        sockets = [conn.stream.socket for conn in server._connections]
        return bool(select.select([*server._sockets.values(), *sockets], [], [], 0)[0])

    async def wait(self, seconds: float) -> None:
        await gen.sleep(seconds)
        while not any(
            request.line == "GET /hello" and request.ended is not None
            for request in self.served.page.history.requests.values()
        ):
            await gen.sleep(0.01)


@pytest.fixture
def others(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> Others:
    others = Others(watched)
    monkeypatch.setattr(demo, "time", SimpleNamespace(sleep=others.block))
    monkeypatch.setattr(demo, "gen", SimpleNamespace(sleep=others.wait))
    return others


# ---- the document ----


class References(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.self_name: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.self_name = named.get("data-self", self.self_name)
        self.found += [str(named[name]) for name in ("src", "href", "action") if name in named]


def test_the_page_is_one_answer_that_refers_to_nothing_else(watched: Watched) -> None:
    status, headers, body = watched.ask("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert References(body.decode()).found == ["data:,"]
    assert not re.search(rb"https?://|@import|url\(", body)
    assert len(body) < 24_000
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'self'" in policy


def test_the_page_knows_the_request_that_has_fetched_it(watched: Watched) -> None:
    name = References(watched.ask("/")[2].decode()).self_name
    with watched.stream() as stream:
        assert stream.answered("GET /")["name"] == name
    assert f"{name}: GET /" in watched.detail(str(name))["svg"]


def test_head_is_answered_at_the_page_and_other_methods_are_not(watched: Watched) -> None:
    status, headers, body = watched.ask("/", "HEAD")
    assert (status, body) == (200, b"") and int(headers["Content-Length"]) > 10_000
    for method, path, allow in [
        ("POST", "/", "GET, HEAD"), ("POST", "/trace/events", "GET"),
        ("HEAD", "/trace/events", "GET"), ("GET", "/trace/client", "POST"),
    ]:  # fmt: skip
        status, headers, _body = watched.ask(path, method)
        assert (status, headers["Allow"]) == (405, allow)


def test_all_other_paths_are_the_applications(watched: Watched) -> None:
    assert watched.ask("/hello")[2] == b"hello world"
    assert watched.ask("/echo", "POST", b"abc")[2] == b"abc"
    for path in ("/trace", "/trace/", "/trace/else", "/index.html", "//"):
        status, _headers, body = watched.ask(path)
        said = f"There is nothing here. There is: {' '.join(demo.ROUTES)}\n"
        assert (status, body.decode()) == (404, said)
    assert not {"/", *watched.page._routes} & set(demo.ROUTES)


def test_a_server_that_is_not_traced_says_so_and_what_to_do() -> None:
    with Serve("--no-trace") as process:
        served = Watched(process.port)
        status, headers, body = served.ask("/")
        assert status == 200 and b"--no-trace" in body
        assert b"<pre>python -m minitornado serve</pre>" in body
        assert b"<script" not in body and "script-src 'none'" in headers["Content-Security-Policy"]
        assert served.ask("/", "POST")[0] == 405
        assert served.ask("/trace/events")[0] == 404
        assert served.ask("/hello")[2] == b"hello world"


# ---- the stream ----


def test_the_stream_is_chunked_and_not_cached_and_says_how_to_come_back(watched: Watched) -> None:
    with watched.stream() as stream:
        headers = stream.response.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Transfer-Encoding"] == "chunked"
        assert headers["Cache-Control"] == "no-store"
        kind, hello = next(stream.events())
        assert kind == "hello" and hello["known"] == 0
        assert stream.retry == 1000


def test_a_request_is_told_of_with_what_came_of_it(watched: Watched) -> None:
    with watched.stream() as stream:
        watched.ask("/hello?secret=1", X_Click="abc-1")
        told = stream.answered("GET /hello?...")
    assert told["status"] == "200 OK" and told["state"] == "answered" and told["click"] == "abc-1"
    assert told["came"] < told["ended"] and not told["pipelined"]
    assert 0 < told["ran"] <= told["ended"] - told["came"] + 0.01
    assert all(told["came"] <= a <= b <= told["ended"] + 0.01 for a, b in told["stretches"])


def test_what_a_click_is_called_may_not_be_anything(watched: Watched) -> None:
    with watched.stream() as stream:
        watched.ask("/hello", X_Click="<script>")
        assert stream.answered("GET /hello")["click"] is None


def test_who_comes_later_is_told_what_has_been(watched: Watched) -> None:
    for _ in range(3):
        watched.ask("/hello")
    with watched.stream() as stream:
        events = stream.events()
        assert next(events)[1]["known"] == 3
        assert [next(events)[1]["line"] for _ in range(3)] == ["GET /hello"] * 3


def test_a_request_is_told_of_while_it_goes_on(watched: Watched) -> None:
    thread = threading.Thread(target=watched.ask, args=("/slow?seconds=0.5",))
    with watched.stream() as stream:
        thread.start()
        _kind, first = stream.until(lambda kind, value: kind == "request")
        assert first["state"] == "running" and first["ended"] is None
        svg = watched.detail(first["name"])["svg"]
        assert ">slow<" in svg and "slow goes on" not in svg
        last = stream.answered("GET /slow?...")
        assert last["name"] == first["name"] and last["ended"] - last["came"] > 490
        thread.join()


def test_what_can_not_be_read_and_who_leaves_is_told_too(watched: Watched) -> None:
    with watched.stream() as stream:
        with socket.create_connection(("127.0.0.1", watched.port), DEADLINE) as sock:
            sock.sendall(b"no request\r\n\r\n")
            sock.recv(1000)
        told = stream.answered("(unreadable)")
        assert (told["state"], told["status"]) == ("refused", "400 Bad Request")
        with socket.create_connection(("127.0.0.1", watched.port), DEADLINE) as sock:
            sock.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        assert stream.answered("POST /echo")["state"] == "lost"


def test_who_leaves_before_the_answer_is_told_of_too(watched: Watched) -> None:
    with watched.stream() as stream:
        with socket.create_connection(("127.0.0.1", watched.port), DEADLINE) as sock:
            sock.sendall(b"GET /slow?seconds=0.2 HTTP/1.1\r\nHost: a\r\n\r\n")
            stream.until(lambda kind, value: kind == "request")
        assert stream.answered("GET /slow?...")["state"] == "lost"


def test_a_connection_on_which_nothing_has_come_is_not_told_of(watched: Watched) -> None:
    idle = socket.create_connection(("127.0.0.1", watched.port), DEADLINE)
    with idle, watched.stream() as stream:
        watched.ask("/hello")
        assert told_of(stream, "GET /hello") == {"GET /hello"}


def test_the_end_of_the_server_is_the_end_of_the_stream() -> None:
    with Watched() as served, served.stream() as stream:
        events = stream.events()
        next(events)
        served.in_loop(served.page.stop)
        assert list(events) == [("bye", 0)]  # and http.client has seen the last chunk
        served.page.stop = lambda: None  # type: ignore[method-assign]


def test_a_server_that_was_started_again_can_be_told_from_the_first(watched: Watched) -> None:
    def started(served: Watched) -> str:
        with served.stream() as stream:
            return str(next(stream.events())[1]["started"])

    first = started(watched)
    assert started(watched) == first
    port = watched.port
    watched.__exit__()
    with Watched(port) as again:
        assert started(again) != first
    watched.__enter__()  # for the fixture to end


def test_two_windows_are_told_the_same(watched: Watched) -> None:
    with watched.stream() as one, watched.stream() as other:
        watched.ask("/hello")
        assert one.answered("GET /hello") == other.answered("GET /hello")


# ---- who watches is not seen ----


def told_of(stream: Stream, last: str) -> set[str]:
    lines = set()
    for kind, value in stream.events():
        if kind == "request":
            lines.add(value["line"])
            if value["line"] == last and value["ended"] is not None:
                break
    return lines


def test_the_pages_own_requests_are_left_out_unless_asked_for(watched: Watched) -> None:
    with watched.stream() as stream, watched.stream(own=True) as all_of_it:
        watched.ask("/hello")
        name = stream.answered("GET /hello")["name"]
        watched.detail(name)
        watched.ask("/status?code=204")
        assert told_of(stream, "GET /status?...") == {"GET /status?..."}
        own = {"GET /trace/events", "GET /trace/events?...", "GET /trace/request?..."}
        assert told_of(all_of_it, "GET /status?...") >= own | {"GET /hello"}


def test_a_window_that_shows_its_own_stream_does_not_feed_on_itself(watched: Watched) -> None:
    with watched.stream(own=True) as stream:
        watched.ask("/hello")
        stream.answered("GET /hello")
        watched.until_asleep()  # after what was still on its way
        turns = watched.in_loop(lambda: watched.trace.events[-1].turn)
        time.sleep(0.5)
        assert watched.in_loop(lambda: watched.trace.events[-1].turn) - turns <= 4


def sentences(detail: Any) -> list[str]:
    """The steps in words, without what the loop has to do otherwise: it is counted, not named.

    Connections that are open have a deadline, so that it never waits without a timeout.
    """
    html = re.sub(r"; left out: [^<]*|<dt>timers</dt><dd>[^<]*</dd>", "", detail["steps"])
    html = html.replace("nothing to show", "empty").replace(", at most until its next timeout", "")
    text = re.sub(r"<[^>]*>", " ", html.partition("<script>")[0])
    return re.sub(r"\d+|Future#|\s+", " ", text).split("  ")


def test_a_request_looks_the_same_whether_or_not_somebody_watches() -> None:
    """Two requests on a connection: all steps with their facts, all rows, with 0 and 2 windows."""

    def seen(windows: int) -> list[Any]:
        with Watched() as served, contextlib.ExitStack() as stack:
            for _ in range(windows):
                next(stack.enter_context(served.stream()).events())
            with contextlib.closing(served.client()) as client:
                client.connect()
                for path in ("/hello", "/slow?seconds=0.1"):
                    served.until_asleep()  # before and between
                    client.request("GET", path)
                    client.getresponse().read()
                served.until_asleep()  # before it leaves
            names = [
                request.name
                for request in served.page.history.requests.values()
                if request.line.startswith(("GET /hello", "GET /slow"))
            ]
            details = [served.in_loop(lambda name=name: draw_by(served, name)) for name in names]
            assert len(details) == 2
            for detail in details:
                assert "Watch" not in detail["svg"] + detail["steps"].partition("<script>")[0]
                assert "_events" not in re.sub("_handle_events", "", detail["svg"])
            return [sentences(detail) for detail in details]

    def draw_by(served: Watched, name: str) -> Any:
        window = served.page.history.window(name)
        assert window is not None
        return draw(window)

    nobody, two = seen(0), seen(2)
    for alone, watched_ in zip(nobody, two, strict=True):
        assert alone == watched_


def together(
    *rounds: dict[str, bytes],
    seconds: float = 0.1,
    look: Callable[[Event, IOLoop], object] = lambda event, loop: None,
) -> tuple[History, list[Event]]:
    """Serve clients whose bytes come at once: of each round, all are there before the loop polls.

    The client "k1" is c1, and so on.  What is under /trace/ is not found, and is as good as the
    page's own for all that.
    """
    kept, seen, clients = History(), [], {}
    loop = IOLoop(make_current=True)
    server, asked = HTTPServer(demo.application), 0

    def sink(event: Event) -> None:
        seen.append(event)
        kept.add(event)
        look(event, loop)

    with tracing(sink=sink):
        server.listen(0, "127.0.0.1")
        address = next(iter(server._sockets.values())).getsockname()
        for data in rounds:
            for name, request in data.items():
                if name not in clients:
                    clients[name] = socket.create_connection(address, DEADLINE)
                clients[name].sendall(b"GET " + request + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            asked += len(data)
            time.sleep(0.05)
            while True:  # once, but on a machine that is very busy
                loop.call_later(seconds, loop.stop)
                loop.start()
                if sum(request.ended is not None for request in kept.requests.values()) >= asked:
                    break
    server.stop()
    loop.run_sync(server.close_all_connections, timeout=DEADLINE)
    loop.close()
    for client in clients.values():
        client.close()
    IOLoop.clear_current()
    return kept, seen


def test_what_its_connection_did_for_the_page_before_is_no_part_of_a_request() -> None:
    kept, _seen = together({"k1": b"/trace/x"}, {"k1": b"/hello"}, {"k1": b"/trace/y"})
    window = kept.window("c1r2")
    assert window is not None
    assert {event.req for event in window.trace} <= {None, "c1r2", "c1r3"}
    assert len({event.turn for event in window.trace}) == 1
    first = Stepper(window.trace, req="c1r2").steps[0].sentence
    assert first.endswith("Then c1 is readable.")
    drawn = Lanes(window.trace, req="c1r2").text()
    assert "nobody is ready" not in drawn and "application" in drawn and "send" in drawn
    own = kept.window("c1r2", watching=True)
    assert own is not None and "c1r1" in {event.req for event in own.trace}


def test_the_state_is_the_loops_or_says_what_is_left_out() -> None:
    """The kernel is the judge, also where a hidden request has begun the connection."""
    real: dict[int, set[str]] = {}

    def look(event: Event, loop: Any) -> None:
        names = Tracer.active.recorder.names.fds  # type: ignore[union-attr]
        found = watched_by(loop._poller.fileno())
        real[event.seq] = {f"{names.get(fd, 'before')} {events}" for fd, events in found}

    kept, _seen = together({"k1": b"/trace/x", "k2": b"/trace/x"}, {"k1": b"/hello"}, look=look)
    for watching, own in ((False, 1), (True, 0)):
        window = kept.window("c1r2", watching)
        assert window is not None
        counted = f"{own} of the page's own, and " * own
        rows = window.states({event.seq for event in window.trace})
        assert len(rows) > 50
        for seq, said in rows.items():
            told, _, left_out = dict(said)["epoll watches"].partition("; left out: ")
            assert left_out == f"{counted}what was there before the trace began"
            assert set(told.split(", ")) < real[seq] and (watching or "c1 READ" in told)
            assert len(real[seq]) == len(told.split(", ")) + own + 1  # the waker was there before
            assert "unknown" not in dict(said).get("c1 buffers", "")


def test_a_request_that_shares_a_stack_with_one_of_the_pages_own_is_shown() -> None:
    """Pipelined: one goes on where the other has ended, without a turn in between."""
    kept, seen = together({"k1": b"/hello HTTP/1.1\r\nHost: a\r\n\r\nGET /trace/x"})
    window = kept.window("c1r1")
    assert window is not None
    own = [event.seq for event in seen if event.req == "c1r1" and event.of is None]
    assert own == [event.seq for event in window.trace if event.req == "c1r1" and event.of is None]
    assert "c1r2" not in {event.req for event in window.trace}


def test_who_watches_and_comes_in_the_same_moment_is_left_out() -> None:
    """Accepted in one stack, then served in one turn, in either order."""
    for own, other in (("k1", "k2"), ("k2", "k1")):
        kept, _seen = together(
            {own: b"/trace/x", other: b"/hello"} if own == "k1" else
            {other: b"/hello", own: b"/trace/x"},
            {own: b"/trace/y", other: b"/headers"},
        )  # fmt: skip
        hidden, shown = own.replace("k", "c"), other.replace("k", "c")
        for number in (1, 2):
            window = kept.window(f"{shown}r{number}")
            assert window is not None
            names = {event.req for event in window.trace}
            assert f"{shown}r{number}" in names and f"{hidden}r{number}" not in names
            stepper = draw(window)["steps"].partition("<script>")[0]
            assert not re.search(rf"\b{hidden}\b", stepper)
            assert number == 1 or f"listen1 READ, {shown} READ" in stepper


def test_who_asks_sees_the_watchers_in_a_request_too(watched: Watched) -> None:
    with watched.stream(own=True) as stream:
        _kind, value = stream.until(lambda kind, value: kind == "request" and value["watching"])
        assert "events" in watched.detail(value["name"])["svg"]


# ---- what is kept ----


def test_a_message_is_json_in_one_line() -> None:
    told = message("request", {"line": "GET /\r\n\u2028ä"})
    assert told.count(b"\n") == 3 and told.endswith(b"\n\n") and b"\r" not in told


def test_newer_news_of_a_request_takes_the_place_of_older() -> None:
    watcher = Watcher()
    for text in (b"old", b"other", b"new"):
        watcher.tell("c1r1" if text != b"other" else "c2r1", text)
    assert watcher.take() == b"othernew" and watcher.take() == b""


def test_a_watcher_that_falls_behind_is_told_so_and_skips() -> None:
    watcher = Watcher()
    for number in range(QUEUE + 7):
        watcher.tell(f"c{number}r1", message("request", number))
    assert len(watcher) == QUEUE
    told = watcher.take()
    assert told.startswith(message("skipped", 7) + message("request", 7))
    assert b"skipped" not in watcher.take()


def test_a_watcher_waits_for_what_presses_and_takes_the_rest_along() -> None:
    watcher = Watcher(own=True)
    waiting = watcher.news()
    watcher.tell("c1r1", b"own", pressing=False)
    watcher.wake()
    assert not waiting.done()
    watcher.tell("c2r1", b"news")
    watcher.wake()
    assert waiting.done() and watcher.take() == b"ownnews"


def test_a_browser_that_does_not_read_costs_a_bounded_number_of_messages() -> None:
    with Watched(send_buffer=4096) as served, socket.socket() as browser:
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        browser.settimeout(DEADLINE)
        browser.connect(("127.0.0.1", served.port))
        browser.sendall(b"GET /trace/events HTTP/1.1\r\nHost: a\r\n\r\n")
        assert browser.recv(1) == b"H"  # it watches now
        largest = 0

        def measure() -> int:
            connections = [conn.stream for conn in served.server._connections]
            (watcher,) = served.page.watchers
            assert len(watcher) <= QUEUE
            return max(len(stream._write_buffer) for stream in connections)

        with contextlib.closing(served.client()) as client:
            for number in range(5 * QUEUE):
                client.request("GET", "/hello", headers={"X-Click": f"number-{number}"})
                client.getresponse().read()
                largest = max(largest, served.in_loop(measure))
        assert 0 < largest < 60_000  # one batch
        received = b""
        while not re.search(rb'"answered","click":"number-%d"' % number, received):
            received += browser.recv(65536)
        assert b"event: skipped" in received


def test_a_browser_that_is_gone_is_forgotten(watched: Watched) -> None:
    with watched.stream() as stream:
        next(stream.events())
        assert len(watched.page.watchers) == 1
    deadline = time.monotonic() + DEADLINE
    while watched.page.watchers and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not watched.page.watchers


def test_there_are_at_most_so_many_windows(watched: Watched) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_WATCHERS):
            assert stack.enter_context(watched.stream()).response.status == 200
        with watched.stream() as one_more:
            assert one_more.response.status == 503
        assert watched.ask("/hello")[0] == 200


def test_a_server_that_runs_for_days_keeps_the_last_requests(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(watched.client()) as client:
        for _ in range(history.KEPT):
            client.request("GET", "/hello")
            client.getresponse().read()
    for _ in range(20):
        watched.ask("/hello")
    kept = watched.page.history
    assert watched.in_loop(lambda: len(kept.requests)) <= history.KEPT + 1
    turns = {id(turn): turn for request in kept.requests.values() for turn in request.turns()}
    assert kept._weight == sum(turn.weight for turn in turns.values())
    monkeypatch.setattr(history, "WEIGHT_KEPT", 2_000)
    watched.ask("/hello")
    watched.until_asleep()  # until the last connection is closed
    assert kept._weight <= 2_000 and kept.requests
    state = kept._state
    for known in (kept._received, kept._before, kept._serving, state.fills, state.timers):
        assert len(known) < 10, known
    with watched.stream() as stream:
        assert next(stream.events())[1]["known"] < 20
    assert watched.ask("/trace/request?of=c1r1")[0] == 404


def test_of_a_turn_and_of_its_time_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "TURN_EVENTS", 60)
    monkeypatch.setattr(history, "MAX_STRETCHES", 3)
    kept, seen = together({"k1": b"/stream"}, {"k1": b"/stream"}, seconds=0.4)
    assert len(seen) > 300
    for name in ("c1r1", "c1r2"):
        request = kept.requests[name]
        assert all(len(turn.events) <= 60 for turn in request.turns())
        assert draw(kept.window(name))["svg"]  # type: ignore[arg-type]
        took = (request.ended or 0) - (request.came or 0)
        assert took > 190 and request.ran < took / 2
        assert len(request.stretches) == 3
        assert all(a <= b for a, b in request.stretches)


def test_of_a_request_of_many_turns_the_first_and_the_last_are_kept() -> None:
    with Watched(send_buffer=4096) as served:
        watched_turns = history.FIRST_TURNS + history.LAST_TURNS
        with served.stream() as stream:
            assert len(served.ask("/big?n=8000000")[2]) == 8_000_000
            told = stream.answered("GET /big?...")
        assert told["turns"] > watched_turns
        detail = served.detail(told["name"])
        turns = detail["request"]["turns"]  # one more, if its end has been seen to meanwhile
        assert detail["left_out"] == turns - watched_turns and turns >= told["turns"]
        assert "headers_received" in detail["svg"] and "_finish_request" in detail["svg"]


# ---- what is drawn ----


SCRIPT = [
    ("connect", "k1"), ("send", "k1", b"GET /slow?seconds=0.02 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("connect", "k2"), ("send", "k2", b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), ("recv", "k2"),
    ("send", "k2", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
    ("recv", "k2"), ("recv", "k1"), ("close", "k1"), ("close", "k2"),
]  # fmt: skip


def driven(sink: Callable[[Event], object]) -> Any:
    server = HTTPServer(demo.application)
    try:
        with tracing(sink=sink) as trace:
            drive(server, SCRIPT)
    finally:
        server.stop()
        assert server.io_loop is not None
        server.io_loop.close(all_fds=True)
    return trace


def test_what_is_kept_draws_the_same_picture_as_the_whole_trace() -> None:
    kept = History()
    trace = driven(kept.add)
    names = [name for name, request in kept.requests.items() if request.shown]
    assert names == ["c1r1", "c2r1", "c2r2"]
    for name in names:
        window = kept.window(name)
        assert window is not None
        title = f"{name}: {window.request.line}"
        detail = draw(window)
        assert detail["svg"] == Lanes(trace, req=name, title=title).svg()
        assert detail["steps"] == Stepper(trace, req=name).html()


def test_each_step_is_found_in_the_picture(watched: Watched) -> None:
    watched.ask("/echo", "POST", b"abc")
    detail = watched.detail("c1r1")
    texts = [
        (float(each.attrib["y"]), each.text or "")
        for each in ET.fromstring(detail["svg"]).iter("{http://www.w3.org/2000/svg}text")
    ]
    steps = re.findall(r"<summary>(.*?)</summary>", detail["steps"])
    assert len(steps) == len(detail["rows"])
    for summary, row in zip(steps, detail["rows"], strict=True):
        sentence = re.sub("<.*?>", "", summary)
        assert row is not None
        top = detail["top"] + detail["row"] * row
        labels = " ".join(text for y, text in texts if top < y < top + detail["row"])
        if "accept: the kernel" in sentence:
            assert "accept c1" in labels
        if "recv:" in sentence and "EAGAIN" not in sentence:
            assert "recv" in labels
        if "send: the kernel takes" in sentence:
            assert "send" in labels
        if "The application runs" in sentence:
            assert "application" in labels


def test_a_path_can_not_become_part_of_the_page(watched: Watched) -> None:
    watched.ask("/<script>alert(1)</script>&%22'")
    detail = watched.detail("c1r1")
    assert "<script>alert" not in detail["svg"] + detail["steps"]
    assert detail["request"]["line"] == "GET /<script>alert(1)</script>&%22'"


# ---- what requests do to each other ----


def test_a_handler_that_blocks_is_seen_to_hold_the_loop(
    watched: Watched, others: Others
) -> None:
    with watched.stream() as stream:
        thread = threading.Thread(target=watched.ask, args=("/block?seconds=0.3",))
        thread.start()
        assert others.blocking.wait(DEADLINE)
        watched.ask("/hello")
        told = {}
        for kind, value in stream.events():
            if kind == "request" and value["ended"] is not None:
                told[value["line"]] = value
            if len(told) == 2:
                break
        thread.join()
    block, hello = told["GET /block?..."], told["GET /hello"]
    begin, end = block["held"]
    assert 299 < end - begin <= block["ran"] + 0.01
    assert hello["came"] >= end - 1  # it lay in the kernel until then
    assert hello["held"][1] - hello["held"][0] < end - begin


def test_a_handler_that_waits_does_not_hold_the_loop(watched: Watched) -> None:
    with watched.stream() as stream:
        watched.ask("/slow?seconds=0.6")
        told = stream.answered("GET /slow?...")
    took = told["ended"] - told["came"]
    assert took > 590 and told["ran"] < took / 2
    assert told["held"][1] - told["held"][0] < took / 2


def test_a_request_in_the_packet_of_another_is_called_pipelined(watched: Watched) -> None:
    with watched.stream() as stream:
        status, _headers, _body = watched.ask("/trace/client?do=pipelined", "POST", X_Click="w-1")
        assert status == 202
        timed, told = {}, {}
        for kind, value in stream.events():
            if kind == "client":
                timed[value[0]] = value[1:]
            elif kind == "request" and value["ended"] is not None:
                told[value["click"]] = value
            if len(timed) == len(told) == 2:
                break
    first, second = told["w-1a"], told["w-1b"]
    assert (first["pipelined"], second["pipelined"]) == (False, True)
    assert first["name"].partition("r")[0] == second["name"].partition("r")[0]
    assert second["came"] == first["came"] < first["ended"] < second["ended"]
    for click, (sent, done) in timed.items():
        assert sent <= told[click]["came"] + 1 and told[click]["ended"] - 5 <= done


def test_requests_one_after_the_other_are_not_called_pipelined(watched: Watched) -> None:
    with contextlib.closing(watched.client()) as client, watched.stream() as stream:
        for number, body in enumerate((None, b"a" * 200_000, None, b"abc", None)):
            method, path = ("GET", "/hello") if body is None else ("POST", "/echo")
            client.request(method, path, body, {"X-Click": f"n-{number}"})
            client.getresponse().read()
            told = stream.answered(f"{method} {path}", click=f"n-{number}")
            assert not told["pipelined"]


def test_a_slow_reader_is_served_in_turns_between_which_others_are(watched: Watched) -> None:
    with watched.stream() as stream:
        watched.ask("/trace/client?do=slow-reader", "POST", X_Click="w-2")
        told = {}
        for kind, value in stream.events():
            if kind == "request" and value["ended"] is not None:
                told[value["click"]] = value
            if {"w-2a", "w-2b"} <= told.keys():
                break
    big, hello = told["w-2a"], told["w-2b"]
    assert big["state"] == "answered" and big["ended"] - big["came"] > 300
    assert big["came"] < hello["came"] < hello["ended"] < big["ended"]
    assert hello["ended"] - hello["came"] < (big["ended"] - big["came"]) / 2
    svg = watched.detail(big["name"])["svg"]
    assert f"{big['name'].partition('r')[0]} is writable" in svg


def test_a_client_is_started_for_this_page_alone(watched: Watched) -> None:
    # Another site's page can have a browser send a POST here, but not with a field of its own.
    assert watched.ask("/trace/client?do=pipelined", "POST")[0] == 400
    assert watched.ask("/trace/client?do=else", "POST", X_Click="a-1")[0] == 400
    assert not any(request.line == "GET /slow?..." for request in kept_requests(watched))


def test_there_are_at_most_so_many_clients_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setitem(clients.CLIENTS, "pipelined", lambda *_: go_on.wait(DEADLINE))
    started = clients.Clients(lambda *_: None)
    address = ("127.0.0.1", 1)
    for _ in range(clients.MAX_CLIENTS):
        assert started.start("pipelined", address, "a-1")
    assert not started.start("pipelined", address, "a-1")
    go_on.set()
    deadline = time.monotonic() + DEADLINE
    while not started.start("pipelined", address, "a-1"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started.stop()


def kept_requests(served: Watched) -> list[Any]:
    found: list[Any] = served.in_loop(lambda: list(served.page.history.requests.values()))
    return found


# ---- the log in the terminal ----


def test_the_log_is_untouched_until_somebody_opens_the_page() -> None:
    kept, logged, seen = History(), [], []
    quiet = Quiet(logged.append, kept)

    def sink(event: Event) -> None:
        seen.append(event)
        kept.add(event)
        quiet(event)
        assert logged == seen

    driven(sink)
    assert len(seen) > 200


def test_the_log_has_all_of_what_others_ask_and_nothing_of_who_watches() -> None:
    kept, logged, seen = History(), [], []
    quiet = Quiet(logged.append, kept)

    with Watched() as served:
        def sink(event: Event) -> None:
            seen.append(event)
            quiet(event)

        quiet._history = served.page.history
        saw = served.page.saw
        served.in_loop(lambda: setattr(served.page, "saw", saw))
        recorder = Tracer.active.recorder  # type: ignore[union-attr]
        recorder._sink = lambda event: (saw(event), sink(event))
        served.ask("/")
        with contextlib.closing(served.client()) as client, served.stream() as stream:
            for path in ("/", "/trace/request?of=c1r1", "/hello", "/trace/request?of=c1r2",
                         "/slow?seconds=0.05", "/trace/request?of=c1r3", "/hello"):  # fmt: skip
                client.request("GET", path)
                client.getresponse().read()
            for _ in range(2):
                stream.answered("GET /hello")
        served.ask("/hello")  # the end of the log is handed on when the loop has slept
        served.ask("/hello")
        # Of what the loop does; its end will be asked for by another thread.
        order = [event.seq for event in tuple(logged)]
        assert order == sorted(order)
    requests = served.page.history.requests
    assert not [event for event in logged if event.kind == "ready" and "handle" not in event.data]
    for event in logged:
        if event.name == "recv" and event.conn and event.data.get("bytes"):
            heads = {other.head: other for other in requests.values() if other.conn == event.conn}
            assert not heads[min(head for head in heads if head > event.seq)].watching
        if event.req in requests and requests[event.req].watching:
            # What the connection did at the end of the request before.
            assert event.seq < requests[event.req].head and event.step != "resume"
    for name, request in requests.items():
        if request.shown and not request.watching:
            whole = [event.seq for event in seen if event.req == name]
            head = request.head
            assert [seq for seq in whole if seq >= head] == [
                event.seq for event in logged if event.req == name and event.seq >= head
            ], name


def quietly(rounds: list[dict[str, bytes]]) -> tuple[list[int], list[Event], int]:
    """Return what is logged, by seq, and what has happened; how many were held back at most."""
    kept, logged = History(), []
    quiet = Quiet(lambda event: logged.append(event.seq), kept)
    _kept, seen = together(*rounds)
    most = 0
    for event in seen:
        kept.add(event)
        quiet(event)
        most = max(most, len(quiet._held))
    return logged, seen, most


def test_the_log_leaves_out_exactly_the_turns_of_the_pages_own_requests() -> None:
    rounds = [{"k1": path} for path in (b"/", b"/trace/x", b"/hello", b"/trace/y", b"/hello")]
    logged, seen, _most = quietly(rounds)
    came = {
        event.req: max(poll.seq for poll in seen if poll.kind == "poll" and poll.seq < event.seq)
        for event in seen
        if event.step == "headers-received" and event.kind == "call"
    }
    hidden = [
        range(came[one], came[next_]) for one, next_ in (("c1r2", "c1r3"), ("c1r4", "c1r5"))
    ]
    # The last turn is still held back.  (What `together` does in order to stop the loop is
    # nobody's, and is shown.)
    until = [event for event in seen if event.seq < came["c1r5"] and event.conn == "c1"]
    lost = [event.seq for event in until if event.seq not in logged]
    assert lost == [
        event.seq for event in until if any(event.seq in turns for turns in hidden)
    ]


def test_the_log_holds_back_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = [{"k1": b"/"}, {"k1": b"/trace/x"}, {"k1": b"/hello"}]
    assert quietly(rounds)[2] > 10
    monkeypatch.setattr("minitornado.demo.page.quiet.HELD", 10)
    logged, _seen, most = quietly(rounds)
    assert logged == sorted(logged) and most <= 10


@pytest.mark.parametrize("level", ["story", "chain", "full"])
def test_serve_has_the_page_and_keeps_its_own_requests_out_of_the_log(level: str) -> None:
    with Serve("--level", level) as process:
        served = Watched(process.port)
        assert b"One request, every callback" in served.ask("/")[2]
        with served.stream() as stream:
            served.ask("/hello")
            name = stream.answered("GET /hello")["name"]
            served.detail(name)
            served.ask("/hello")
            process.wait_for(name)
            begun = time.monotonic()
            assert process.end(signal.SIGINT) == 0
            assert time.monotonic() - begun < DEADLINE / 2
            assert "bye" in [kind for kind, _value in stream.events()]
        assert "tracer-error" not in process.text and "Traceback" not in process.text
        assert "/trace/" not in process.text


def test_every_answer_of_the_pages_forbids_keeping_it(watched: Watched) -> None:
    watched.ask("/hello")
    for path in ("/", "/trace/request?of=c1r1", "/trace/request?of=nobody"):
        headers = watched.ask(path)[1]
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
