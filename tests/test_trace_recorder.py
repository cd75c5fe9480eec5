"""The recorder: what is written down of a program, and that the program does not notice.

Promised: every event's three edges are right; connections, requests, fds and objects are named
by what they are; all attributes are the original objects after `stop`; no byte of anybody's
content is recorded unless asked.
"""

from __future__ import annotations

import inspect
import socket
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from trace_scenarios import OK, RECV, SCRIPTS, SEND, app, causes, get, one, server_for, traced

from minitornado import gen, http1connection, httpserver, ioloop
from minitornado.concurrent import Future
from minitornado.ioloop import IOLoop
from minitornado.trace import Trace, Tracer, drive, events, load, tracing, views
from minitornado.trace.events import CLOSERS, KINDS, LAYERS, OPENERS, Event
from minitornado.trace.names import Names, printable
from minitornado.trace.tables import MINITORNADO

pytestmark = pytest.mark.deadline(120)


def only(trace: Trace, **wanted: Any) -> Event:
    found = list(trace.filter(**wanted))
    assert len(found) == 1, [event.seq for event in found]
    return found[0]


def first(trace: Trace, **wanted: Any) -> Event:
    return next(iter(trace.filter(**wanted)))


@pytest.fixture(scope="module")
def trace() -> Trace:
    return traced("get")[0]


# ---- attributes ----


def attributes() -> dict[str, Any]:
    """What stands in each place of the table: (where it is found, what is found there)."""
    found = {}
    for row in MINITORNADO.rows:
        try:
            owner, name = row.holder()
            found[row.path] = inspect.getattr_static(owner, name, "nothing"), name in vars(owner)
        except (ImportError, AttributeError):
            assert row.optional, row.path
    return found


def test_every_row_of_the_table_names_something_that_exists(trace: Trace) -> None:
    assert [event.data["text"] for event in trace.filter(kind="note")] == []


def test_after_stop_every_attribute_is_the_original_object() -> None:
    before = attributes()
    with tracing():
        during = attributes()
    after = attributes()
    for path, (obj, own) in before.items():
        assert during[path][0] is not obj, path
        assert after[path][0] is obj, path
        assert after[path][1] == own, f"{path} has come down from a base class, or gone up"


def test_rows_on_inherited_attributes_and_static_places_are_put_back_too() -> None:
    # recv is C's, and socket.socket inherits it; send as well; request_callback is no class's.
    assert "recv" not in vars(socket.socket)
    assert "request_callback" not in vars(httpserver.HTTPServer)
    with tracing():
        assert "recv" in vars(socket.socket)
        assert "request_callback" in vars(httpserver.HTTPServer)
    assert "recv" not in vars(socket.socket)
    assert "request_callback" not in vars(httpserver.HTTPServer)


def test_an_error_at_start_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    before = attributes()

    def fail(*args: Any) -> None:
        raise RuntimeError("at the last row")

    tracer = Tracer()
    monkeypatch.setattr(tracer.recorder, "begin", fail)
    with pytest.raises(RuntimeError, match="at the last row"):
        tracer.start()
    assert attributes() == before
    assert Tracer.active is None


def test_a_second_tracer_at_the_same_time_is_refused() -> None:
    with tracing(), pytest.raises(RuntimeError, match="another tracer"):
        Tracer().start()
    assert Tracer.active is None


def test_what_was_kept_of_a_trace_works_after_it() -> None:
    with tracing() as trace:
        loop = IOLoop(make_current=False)
        stop = loop.stop  # a bound method of a wrapper
        loop.add_callback(stop)  # and a Handle, in the loop's queue
    count = len(trace)
    loop.start()
    loop.close()
    assert len(trace) == count


def test_wrappers_look_like_what_they_wrap() -> None:
    name, doc = IOLoop.add_callback.__qualname__, IOLoop.add_callback.__doc__
    signature = inspect.signature(IOLoop.add_callback)
    with tracing():
        assert IOLoop.add_callback.__qualname__ == name
        assert IOLoop.add_callback.__doc__ == doc
        assert inspect.signature(IOLoop.add_callback) == signature


# ---- events ----


def test_events_are_in_order_and_of_known_kinds_and_layers(trace: Trace) -> None:
    assert [event.seq for event in trace] == list(range(1, len(trace) + 1))
    for event in trace:
        assert event.kind in KINDS
        assert event.layer in LAYERS
        assert (event.of is not None) == (event.kind in CLOSERS)
        for edge in (event.parent, event.cause, event.link, event.of):
            assert edge is None or edge < event.seq


def test_brackets_are_balanced_and_depth_counts_them(trace: Trace) -> None:
    stack: list[int] = []
    for event in trace:
        if event.of is not None:
            assert stack.pop() == event.of
        assert event.depth == len(stack)
        assert event.parent == (stack[-1] if stack else None)
        if event.kind in OPENERS:
            stack.append(event.seq)
    assert stack == []


def test_the_reason_for_the_answer_leads_back_to_the_kernel(trace: Trace) -> None:
    send = only(trace, name="send")
    reasons = [(event.kind, event.name) for event in causes(trace, send)]
    assert reasons == [
        ("schedule", "IOLoop.add_callback"),  # the Runner is run, because
        ("resolve", "Future.set_result"),  # the head was there, because
        ("ready", "ready"),  # the kernel had bytes, as it said
        ("poll", "epoll_wait"),
    ]


def test_a_trampoline_keeps_who_asked_first_and_takes_the_new_cause(trace: Trace) -> None:
    run = next(run for run in trace.filter(kind="run", name="Runner.run"))
    cause, link = trace[run.cause or 0], trace[run.link or 0]
    assert (cause.kind, cause.name) == ("schedule", "IOLoop.add_callback")
    assert (link.kind, link.name) == ("schedule", "IOLoop.add_future")
    assert cause.data["passed"] == link.data["handle"]
    assert (run.conn, run.req) == ("c1", "c1r1")


def test_a_handler_keeps_the_connection_and_drops_the_request(trace: Trace) -> None:
    registered = first(trace, name="IOLoop.add_handler", fd="c1")
    assert (registered.conn, registered.req) == ("c1", "c1r1")
    run = first(trace, kind="run", name="BaseIOStream._handle_events")
    assert (run.conn, run.req, run.fd) == ("c1", None, "c1")
    assert run.link == registered.seq
    assert trace[run.cause or 0].kind == "ready"


def test_the_application_runs_for_the_request_whose_head_has_come(trace: Trace) -> None:
    call = only(trace, kind="call", name="app")
    assert (call.conn, call.req, call.layer) == ("c1", "c1r1", "app")
    assert call.src is not None and call.src.startswith("trace_scenarios.py:")
    names = [event.name for event in trace.ancestors(call)]
    assert names == [
        "_ServerRequestAdapter.finish",
        "HTTP1Connection.read_response",
        "HTTP1ServerConnection._server_request_loop",
        "Runner.run",
    ]


def test_changes_of_the_receivers_state_stand_on_the_closer(trace: Trace) -> None:
    deltas = [
        event.data["delta"]
        for event in trace.filter(kind="return", name="BaseIOStream._read_to_buffer")
        if "delta" in event.data
    ]
    assert {"rbuf": [0, len(get())], "readable": [True, False]} in deltas
    watch = first(trace, kind="return", name="BaseIOStream._add_io_state")
    assert watch.data["delta"] == {"mask": [None, "READ"]}


def test_fds_are_called_by_their_part(trace: Trace) -> None:
    assert {event.fd for event in trace} == {None, "epoll1", "waker1", "listen1", "c1"}
    accepts = [event.data for event in trace.filter(name="accept")]
    assert accepts == [{"value": "c1"}, {"error": "EAGAIN"}]


def test_a_coroutine_is_segments_with_the_lines_where_it_waits_and_goes_on(trace: Trace) -> None:
    name = "HTTP1Connection.read_response"
    call = first(trace, kind="call", name=name)
    waits = first(trace, kind="yield", name=name)
    resume = first(trace, kind="resume", name=name)
    assert waits.of == call.seq
    assert resume.link == waits.seq
    assert resume.src == waits.src != call.src
    assert resume.data["target"] == waits.data["target"] == "Future#1"
    source = inspect.getsource(http1connection)
    line = source.splitlines()[int(str(waits.src).partition(":")[2]) - 1]
    assert "await self.stream.start_read(self._head)" in line


def test_a_coroutine_without_a_probe_is_seen_through_the_runner() -> None:
    trace, driven = traced("slow")
    assert driven.answers["c1"].endswith(b"slow")
    segments = [event for event in trace.filter(name="slow") if event.kind in OPENERS]
    assert [event.data.get("segment") for event in segments] == [1, 2, 3]
    assert {(event.layer, event.req) for event in segments} == {("app", "c1r1")}
    waits = list(trace.filter(name="slow", kind="yield"))
    assert waits[1].data["target"] == "moment"
    assert waits[1].src == f"trace_scenarios.py:{_line_of('await gen.moment')}"


@pytest.mark.parametrize("level", ["chain", "full", None])
def test_the_traceback_of_a_coroutine_that_fails_is_the_programs(level: str | None) -> None:
    async def inner() -> None:
        await gen.moment
        raise KeyError("x")

    async def outer() -> None:
        await inner()

    with nullcontext() if level is None else tracing(level=level):
        loop = IOLoop(make_current=False)
        with pytest.raises(KeyError) as caught:
            loop.run_sync(outer)
        loop.close()
    names = [frame.f_code.co_name for frame, _line in traceback.walk_tb(caught.value.__traceback__)]
    assert names[names.index("result") + 1 :] == ["outer", "inner"]


def test_what_is_awaited_and_is_no_coroutine_of_pythons_is_taken_further_all_the_same() -> None:
    class Steps:
        """An iterator in the place of a coroutine, of which nothing can be remembered."""

        __slots__ = ("left",)

        def __init__(self) -> None:
            self.left = 2

        def send(self, value: object) -> Future[None]:
            self.left -= 1
            if not self.left:
                raise StopIteration("done")
            return gen.moment

    class Awaitable:
        def __await__(self) -> Any:
            return Steps()

    with tracing() as trace:
        loop = IOLoop(make_current=False)
        assert loop.run_sync(Awaitable) == "done"
        loop.close()
    assert first(trace, kind="run", name="Runner.run").data["coroutine"].endswith(".Steps")
    assert trace.check(ended=True) == []


def _line_of(text: str) -> int:
    import trace_scenarios

    source = inspect.getsource(trace_scenarios).splitlines()
    return next(number for number, line in enumerate(source, 1) if text in line)


def test_a_timer_runs_because_it_is_due_and_call_at_asked() -> None:
    trace, _driven = traced("later")
    schedule = next(
        event for event in trace.filter(name="IOLoop.call_at") if event.data["target"] == "answer"
    )
    assert schedule.data["seconds"] == 0.5
    run = only(trace, kind="run", name="answer")
    due = trace[run.cause or 0]
    assert (due.kind, due.data["how"], due.cause) == ("ready", "timer", schedule.seq)
    assert run.link == schedule.seq
    assert run.req == "c1r1"


def test_who_has_left_a_callback_to_be_kept_is_the_link_when_it_is_called() -> None:
    moves = (("send", "k1", get()), ("recv", "k1"), ("send", "k1", b"GET / HT"), ("jump", 10.0))
    trace, _driven = traced("idle", script=one(*moves, ("recv", "k1")))
    (late,) = trace.filter(kind="run", name="HTTP1Connection._timed_out")
    link = trace.get(late.link)
    assert link is not None and link.name == "_Deadline.start"
    # The timer is that of the first request's deadline, which has moved; the second is late.
    assert late.req == link.req == "c1r2"
    assert late.cause == late.parent and trace[late.parent or 0].name == "_Deadline._wake"
    trace, _driven = traced("gone before the answer")
    (gone,) = trace.filter(kind="run", name="HTTP1Connection._on_connection_close")
    link = trace.get(gone.link)
    assert link is not None and link.name == "BaseIOStream.set_close_callback"
    assert trace[gone.cause or 0].name == "IOLoop.add_callback"


def test_an_exception_closes_brackets_by_its_name() -> None:
    trace, _driven = traced("boom")
    raised = only(trace, kind="raise", name="app")
    assert raised.data == {"error": "RuntimeError"}
    assert only(trace, kind="call", name="HTTP1Connection._application_failed").req == "c1r1"


def test_requests_of_a_connection_are_counted_and_end() -> None:
    trace, _driven = traced("pipelined")
    assert trace.connections() == ["c1"]
    # The third was opened, and never came: the delegate exists before its request's first byte.
    assert trace.requests() == ["c1r1", "c1r2", "c1r3"]
    for req in trace.requests():
        kinds = [event.kind for event in trace.filter(name="request", req=req)]
        assert kinds == ["begin", "end"]
    assert [event.req for event in trace.filter(kind="call", name="app")] == ["c1r1", "c1r2"]


def test_two_clients_are_never_mixed_up() -> None:
    trace, _driven = traced("two clients")
    for syscall in trace.filter(kind="syscall", name={"recv", "send", "close"}):
        if syscall.fd in ("c1", "c2"):
            assert syscall.conn == syscall.fd
    assert [event.req for event in trace.filter(kind="call", name="app")] == ["c2r1", "c1r1"]


# ---- other threads ----


def test_add_callback_from_a_thread_is_an_event_of_that_thread() -> None:
    with tracing() as trace:
        loop = IOLoop(make_current=False)
        thread = threading.Thread(target=lambda: loop.add_callback(loop.stop))
        loop.add_callback(thread.start)
        loop.start()
        thread.join()
        loop.close()
    schedule = first(trace, name="IOLoop.add_callback", lane="thread-1")
    run = only(trace, kind="run", name="IOLoop.stop")
    assert run.cause == schedule.seq
    assert run.lane == "loop"
    assert schedule.turn == 0


def test_a_thread_that_does_nothing_for_the_program_takes_no_number() -> None:
    ours, theirs = socket.socketpair()
    with tracing() as trace:
        for act in (lambda: theirs.send(b"x"), lambda: Future().set_result(None)):
            thread = threading.Thread(target=act)
            thread.start()
            thread.join()
    ours.close()
    theirs.close()
    assert only(trace, kind="resolve").lane == "thread-1"


def test_the_lane_that_polls_is_the_loops_whoever_began_the_trace() -> None:
    ready = threading.Event()
    loops: list[IOLoop] = []

    def serve() -> None:
        loop = IOLoop(make_current=False)
        loops.append(loop)
        loop.add_callback(ready.set)
        loop.start()
        loop.close()

    thread = threading.Thread(target=serve)
    with tracing() as trace:
        Future().add_done_callback(print)  # an event before any loop runs
        thread.start()
        assert ready.wait(60)
        loops[0].add_callback(loops[0].stop)
        thread.join()
    assert {event.lane for event in trace.filter(kind="poll")} == {"loop"}
    assert {event.lane for event in trace} == {"main", "loop"}
    assert trace.events[0].lane == "main"


# ---- content ----


def test_no_content_is_recorded_unless_asked() -> None:
    secret = "s3cret"
    request = get(f"/hello?key={secret}", f"Cookie: {secret}")
    trace, _driven = traced(script=one((*SEND, request), RECV))
    assert secret not in trace.canonical()
    assert "hello?..." in trace.canonical()
    assert "hello" not in {event.data.get("value") for event in trace}
    trace, _driven = traced(script=one((*SEND, request), RECV), heads=True)
    assert secret in trace.canonical()


def test_what_a_terminal_would_obey_is_escaped_where_it_enters_the_trace() -> None:
    target = b"/\x9b2J" + bytes(range(0x80, 0x9b))
    request = b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    trace, _driven = traced(script=one((*SEND, request), RECV))
    made = first(trace, name="HTTPServerRequest.__init__")
    assert "/\\x9b2J\\x80" in made.data["args"]["start_line"]
    assert all(char.isprintable() or char == "\n" for char in trace.canonical())
    for text in (views.Story(trace).text(), views.Lanes(trace).text()):
        assert all(char.isprintable() or char == "\n" for char in text)


def test_every_control_character_is_escaped() -> None:
    controls = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)])) + "\u202e\u2028\udc80"
    assert printable(f"a{controls}b").isprintable()
    assert printable("a\x1b[2Jb\n") == r"a\x1b[2Jb\n"
    assert printable("GET /über") == "GET /über"


# ---- what does not belong ----


def test_the_clients_own_syscalls_are_not_the_programs() -> None:
    trace, driven = traced("get")
    received = sum(event.data.get("bytes", 0) for event in trace.filter(name="recv", fd="c1"))
    sent = sum(event.data.get("bytes", 0) for event in trace.filter(name="send", fd="c1"))
    assert {"c1": received} == driven.sent
    assert {"c1": sent} == driven.received


# ---- the tracer's own errors ----


def test_an_error_of_the_tracer_is_a_note_and_the_program_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any) -> None:
        raise ZeroDivisionError("in the tracer")

    with tracing() as trace:
        tracer = Tracer.active
        assert tracer is not None
        monkeypatch.setattr(tracer.recorder.names, "summary", fail)
        server = server_for("get")
        driven = drive(server, SCRIPTS["get"])
        server.stop()
        assert server.io_loop is not None
        server.io_loop.close()
    assert driven.answers["c1"].endswith(b"hello")
    notes = list(trace.filter(kind="note", name="tracer-error"))
    assert notes
    assert "ZeroDivisionError at test_trace_recorder.py:" in notes[0].data["text"]


def test_a_sink_that_fails_is_left_out_from_then_on() -> None:
    calls = []

    def sink(event: Event) -> None:
        calls.append(event)
        raise OSError("the pipe is closed")

    trace, driven = traced("get", sink=sink)
    assert len(calls) == 1
    assert driven.answers["c1"].endswith(b"hello")
    assert len(list(trace.filter(kind="note"))) == 1


def test_a_sink_sees_every_event_as_it_happens() -> None:
    seen: list[Event] = []
    trace, _driven = traced("get", sink=seen.append)
    assert seen == trace.events


# ---- handles ----


def test_a_handle_compares_hashes_and_prints_as_its_callable() -> None:
    def callback() -> None: ...

    with tracing():
        loop = IOLoop(make_current=False)
        loop.add_callback(callback)
        handle = loop._callbacks[-1][0]
        loop.close()
    assert handle is not callback
    assert handle == callback and callback == handle
    assert hash(handle) == hash(callback)
    assert repr(handle) == repr(callback)
    assert handle.__name__ == "callback"


def test_the_tracer_keeps_no_future_alive() -> None:
    import gc
    import weakref

    with tracing():
        future: Future[int] = Future()
        future.add_done_callback(id)
        future.set_result(1)
        ref = weakref.ref(future)
        del future
        gc.collect()
        assert ref() is None


# ---- levels, forms ----


def calls_a_request(**options: Any) -> float:
    """Return how many functions in Python a keep-alive GET calls, the tracer's included."""
    counts = []
    for number in (5, 25):
        calls = 0

        def count(_frame: Any, event: str, _arg: Any) -> None:
            nonlocal calls
            calls += event == "call"

        script = one(*[(*SEND, get()), RECV] * number)
        tracer = Tracer(**options).start() if options else None
        server = server_for("get")
        sys.setprofile(count)
        try:
            drive(server, script)
        finally:
            sys.setprofile(None)
            if tracer is not None:
                tracer.stop()
        server.stop()
        assert server.io_loop is not None
        server.io_loop.close()
        counts.append(calls)
    return (counts[1] - counts[0]) / 20


def test_a_traced_request_costs_few_calls_more() -> None:
    # What a call costs differs by machine and hour; how many there are does not.
    untraced = calls_a_request()
    chain, full = calls_a_request(level="chain"), calls_a_request(level="full")
    assert chain - untraced < 230
    assert full - untraced < 500


def test_the_recorder_has_few_enough_attributes_for_python_to_find_them_fast() -> None:
    assert len(vars(Tracer().recorder)) < 30


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_chain_of_a_full_trace_is_what_the_chain_level_records(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    full, _driven = traced(name)
    chain, _driven = traced(name, level="chain")
    assert [(event.kind, event.name) for event in full.filter(level="chain")] == [
        (event.kind, event.name) for event in chain
    ]
    assert {chain.level(event) for event in chain} == {"chain"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_two_runs_of_a_scenario_have_one_canonical_form(name: str) -> None:
    assert traced(name)[0].canonical() == traced(name)[0].canonical()


def test_a_trace_comes_back_from_its_file_as_it_was(trace: Trace, tmp_path: Any) -> None:
    path = tmp_path / "get.jsonl"
    trace.dump(path)
    again = load(path)
    assert again.events == trace.events
    assert again.meta == trace.meta


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "is no trace"), ('{"format": "other"}\n', "is no trace"),
     ('{"format": "minitornado-trace", "version": 99}\n', "has version 99")],
)  # fmt: skip
def test_a_file_that_is_no_trace_is_refused(text: str, complaint: str, tmp_path: Any) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        load(path)


def test_a_selection_still_knows_the_whole(trace: Trace) -> None:
    syscalls = trace.filter(kind="syscall", conn="c1")
    assert {event.kind for event in syscalls} == {"syscall"}
    send = only(syscalls, name="send")
    assert trace[send.parent or 0].kind == "call"
    assert send.parent not in syscalls
    runs = trace.filter(kind="run")
    assert runs.visible(send.seq) == next(
        event for event in trace.ancestors(send) if event.kind == "run"
    )
    with pytest.raises(TypeError, match="no field 'colour'"):
        trace.filter(colour="red")


def test_names_used_here_are_the_stacks() -> None:
    # So that a renamed function does not leave a test that looks for nothing.
    assert callable(ioloop.IOLoop.add_future) and callable(gen.Runner.run) and callable(app)
    assert OK.code == 200


# ---- the end ----


def test_nothing_is_written_after_stop_though_coroutines_go_on() -> None:
    tracer = Tracer().start()
    server = server_for("get")
    drive(server, [("connect", "k1")])
    count = len(tracer.stop())
    assert server.io_loop is not None
    # The connection's coroutines were begun under the tracer, and end without it.
    server.io_loop.run_sync(server.close_all_connections, timeout=60)
    server.stop()
    server.io_loop.close()
    assert len(tracer.trace) == count


def test_coroutines_that_are_dropped_are_dropped_in_silence(recwarn: Any) -> None:
    import gc

    tracer = Tracer().start()
    server = server_for("get")
    drive(server, [("connect", "k1")])
    tracer.stop()
    assert server.io_loop is not None
    for stream in [conn.stream for conn in server._connections]:
        stream.socket.close()
    server.stop()
    server.io_loop.close()
    del server, stream
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


def test_a_trace_that_is_stopped_inside_a_callback_is_whole_up_to_there() -> None:
    tracer = Tracer().start()
    loop = IOLoop(make_current=False)
    loop.add_callback(tracer.stop)
    loop.add_callback(loop.stop)
    loop.start()
    loop.close()
    assert tracer.trace.check() == []
    assert tracer.trace.events[-1].kind == "run"


def test_threads_that_write_and_look_at_once_lose_nothing() -> None:
    number, each = 4, 500
    with tracing() as trace:
        loop = IOLoop(make_current=False)

        def work() -> None:
            for _ in range(each):
                loop.add_callback(print)
                assert trace[len(trace)] is not None

        threads = [threading.Thread(target=work) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        loop.close()
    schedules = trace.filter(name="IOLoop.add_callback", kind="schedule")
    assert len(schedules) == number * each
    assert [event.seq for event in trace] == list(range(1, len(trace) + 1))
    assert all(trace[event.seq] is event for event in trace)
    assert len({event.data["handle"] for event in schedules}) == number * each


# ---- a signal that comes while the tracer is at work ----


@contextmanager
def interrupted_at_every_line(*functions: Any, handler: Callable[[], object]) -> Iterator[None]:
    """Do what a signal handler would do, before each line of these functions, twice."""
    codes = {function.__code__ for function in functions}
    at_work = False
    seen: Counter[int] = Counter()

    def line(frame: Any, event: str, _arg: Any) -> Any:
        nonlocal at_work
        if event == "line" and not at_work and seen[frame.f_lineno] < 2:
            at_work = True
            seen[frame.f_lineno] += 1
            handler()
            at_work = False
        return line

    before = sys.gettrace()
    sys.settrace(lambda frame, _event, _arg: line if frame.f_code in codes else None)
    try:
        yield
    finally:
        sys.settrace(before)


LOOKS = (Trace.up_to_date, Trace._index, events._put, Trace._set, Trace.prune)


@pytest.mark.deadline(120)  # for a lock that is met twice is waited for without end
@pytest.mark.parametrize("ring", [None, 10_000])
def test_a_signal_handler_may_interrupt_the_tracer_anywhere_in_a_look(
    ring: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minitornado.trace.writer.RING_EVENTS", 1)
    told: list[int] = []
    loop = IOLoop(make_current=False)
    with tracing(sink=lambda event: told.append(event.seq), ring=ring) as trace:

        def handler() -> None:
            loop.add_callback_from_signal(handler)
            len(trace)  # what is there already; more than that is not promised

        with interrupted_at_every_line(*LOOKS, handler=handler):
            for _ in range(3):
                loop.add_callback(print)
                assert trace[trace.events[-1].seq] is trace.events[-1]
                trace.prune(10_000, 100)
    loop.close()
    seqs = [event.seq for event in trace]
    assert len(seqs) > 30 and seqs == list(range(1, len(seqs) + 1))
    assert all(trace[event.seq] is event for event in trace)
    assert sorted(event.seq for event in trace.children(None)) == seqs
    assert told == seqs
    assert trace.check() == []


def test_a_sink_is_not_called_inside_of_itself() -> None:
    loop = IOLoop(make_current=False)
    lines: list[str] = []

    def sink(event: Event) -> None:
        lines.append(f"begin {event.seq}")
        if event.seq < 5:  # a signal comes while it prints
            loop.add_callback_from_signal(print)
        lines.append(f"end {event.seq}")

    with tracing(sink=sink) as trace:
        loop.add_callback(print)
    loop.close()
    assert lines == [f"{what} {event.seq}" for event in trace for what in ("begin", "end")]
    assert len(trace) == 5


def test_names_of_the_dead_are_forgotten_before_their_ids_are_used_again() -> None:
    names = Names("minitornado", {}, heads=False)
    future: Future[None] = Future()
    assert [names.name(future), names.name(future)] == ["Future#1", "Future#1"]
    for number in range(2, 50):  # each may well stand where the one before it stood
        future = Future()
        assert names.name(future) == f"Future#{number}"
    assert len(names._known) == 1


def test_a_signal_handler_may_name_others_while_a_name_is_given() -> None:
    names = Names("minitornado", {}, heads=False)
    late: dict[Future, str] = {}

    def handler() -> None:
        future: Future[None] = Future()
        late[future] = names.name(future)

    futures: list[Future[None]] = [Future() for _ in range(3)]
    with interrupted_at_every_line(Names.of, Names.next, handler=handler):
        given = {future: names.name(future) for future in futures}
    assert len(late) > 10
    assert len({*given.values(), *late.values()}) == len(given) + len(late)
    assert {future: names.name(future) for future in (given | late)} == given | late
