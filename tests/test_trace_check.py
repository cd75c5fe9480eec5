"""The laws: a whole trace obeys all of them, and whatever is taken out or bent breaks one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from trace_scenarios import DELEGATE, LOGGED, SCRIPTS, Application, answer, traced

from minitornado.httputil import HTTPServerRequest
from minitornado.trace import Trace
from minitornado.trace.events import Event

pytestmark = pytest.mark.deadline(120)

# The client leaves before it has got everything, or is cut off: it counts less than was sent.
LEAVES_EARLY = {"gone before the answer", "idle", "idle in the head"}


@pytest.mark.parametrize("level", ["full", "chain"])
@pytest.mark.parametrize("name", [*SCRIPTS, "delegate"])
def test_every_scenario_obeys_all_laws(name: str, level: str) -> None:
    if name == "delegate":
        trace, driven = traced(name, Application(), DELEGATE, level=level)
    else:
        trace, driven = traced(name, level=level)
    received = None if name in LEAVES_EARLY else driven.received
    assert trace.check(sent=driven.sent, received=received, ended=True) == []
    assert set(SCRIPTS) >= LOGGED


# ---- broken on purpose ----


@pytest.fixture(scope="module")
def whole() -> Trace:
    """A request with a timer, on a connection that is used twice."""
    script = [("connect", "k1"), *SCRIPTS["later"][1:-1], *SCRIPTS["two"][1:]]
    return traced("later", script=script)[0]


def broken(trace: Trace, change: Callable[[list[Event]], object]) -> list[str]:
    """Return the violations of a copy of the trace that was changed."""
    events = copy.deepcopy(trace.events)
    change(events)
    return Trace(events, trace.meta).check()


def laws(violations: list[str]) -> set[str]:
    return {text.partition(":")[0] for text in violations}


def find(events: list[Event], kind: str, name: str, nth: int = 0) -> Event:
    return [event for event in events if (event.kind, event.name) == (kind, name)][nth]


def test_the_trace_that_is_broken_below_is_whole(whole: Trace) -> None:
    assert whole.check(ended=True) == []


def test_an_event_left_out_is_missed(whole: Trace) -> None:
    for seq in range(1, len(whole)):
        assert "order" in laws(broken(whole, lambda events, at=seq - 1: events.pop(at))), seq


def renumbered(events: list[Event], left_out: Event) -> None:
    """Leave an event out so that no gap shows: what stood inside it moves up."""
    events.remove(left_out)
    new = {event.seq: number for number, event in enumerate(events, 1)}
    new[left_out.seq] = new.get(left_out.parent or 0, 0)
    for event in events:
        event.seq = new[event.seq]
        for edge in ("parent", "cause", "link", "of"):
            value = getattr(event, edge)
            if value is not None:
                setattr(event, edge, new[value] or None)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("schedule", "IOLoop.add_callback"), ("schedule", "IOLoop.add_future"),
        ("schedule", "IOLoop.add_handler"), ("schedule", "IOLoop.call_at"),
        ("schedule", "Future.add_done_callback"), ("resolve", "Future.set_result"),
        ("ready", "ready"), ("ready", "deadline"), ("poll", "epoll_wait"),
        ("cancel", "IOLoop.remove_handler"), ("cancel", "IOLoop.remove_timeout"),
        ("begin", "request"), ("yield", "HTTP1Connection.read_response"),
        ("run", "BaseIOStream._handle_events"), ("done", "BaseIOStream._handle_events"),
    ],
)  # fmt: skip
def test_an_event_left_out_without_a_gap_is_missed_as_well(
    whole: Trace, kind: str, name: str
) -> None:
    def change(events: list[Event]) -> None:
        renumbered(events, find(events, kind, name))

    assert broken(whole, change) != []


def set_field(kind: str, name: str, field: str, value: object, nth: int = 0):  # type: ignore[no-untyped-def]
    return lambda events: setattr(find(events, kind, name, nth), field, value)


def set_data(kind: str, name: str, key: str, value: object, nth: int = 0):  # type: ignore[no-untyped-def]
    return lambda events: find(events, kind, name, nth).data.update({key: value})


HANDLER = ("run", "BaseIOStream._handle_events")
RUNNER = ("run", "Runner.run")

BREACHES = {
    "a kind that there is not": ("order", set_field(*RUNNER, "kind", "ran")),
    "an edge to the future": ("order", set_field(*RUNNER, "link", 10_000)),
    "a turn too many": ("order", set_field(*RUNNER, "turn", 99)),
    "a closer of another bracket": ("brackets", set_field("done", RUNNER[1], "of", 1)),
    "a closer of another name": ("brackets", set_field("done", RUNNER[1], "name", "Runner.go")),
    "a run that returns": ("brackets", set_field("done", RUNNER[1], "kind", "return")),
    "another depth": ("brackets", set_field(*RUNNER, "depth", 7)),
    "another parent": ("brackets", set_field("syscall", "send", "parent", 1)),
    "a run without a cause": ("causes", set_field(*RUNNER, "cause", None)),
    "a run without a link": ("causes", set_field(*RUNNER, "link", None)),
    "a cause that is none": ("causes", set_field(*RUNNER, "cause", 1)),
    "a link to somebody else": ("causes", set_field(*RUNNER, "link", 1)),
    "a handler without readiness": ("causes", set_field(*HANDLER, "cause", 1)),
    "a handler of another fd": ("causes", set_field(*HANDLER, "fd", "c9")),
    "a run for another connection": ("causes", set_field(*HANDLER, "conn", "c9")),
    "a run for another request": ("causes", set_field(*RUNNER, "req", "c1r9")),
    "a run of another callable": ("causes", set_field(*RUNNER, "name", "Runner.go")),
    "a timer without a distance": (
        "timers", lambda events: find(events, "schedule", "IOLoop.call_at").data.pop("seconds")
    ),
    "a Future resolved twice": (
        "futures", set_field("resolve", "Future.set_result", "obj", "Future#1", 1)
    ),
    "a callback that runs twice": (
        "conservation", lambda events: find(events, *RUNNER, nth=1).data.update(
            handle=find(events, *RUNNER).data["handle"])
    ),
    "a handle that nobody made": ("conservation", set_data(*RUNNER, "handle", 999)),
    "a cancel of what was cancelled": (
        "conservation", set_data("cancel", "IOLoop.remove_timeout", "handle", 1)
    ),
    "a readiness that was not told": ("readiness", set_data("poll", "epoll_wait", "ready", 3)),
    "a readiness without a handler": ("readiness", lambda events: find(
        events, "ready", "ready").data.pop("handle")),
    "a readiness not served": ("readiness", set_field(*HANDLER, "cause", 1)),
    "a resume from nowhere": (
        "coroutines", set_field("resume", "HTTP1Connection.read_response", "link", 1)
    ),
    "a resume of another wait": (
        "coroutines", set_data("resume", "HTTP1Connection.read_response", "target", "Future#99")
    ),
    "a segment left out": (
        "coroutines", set_data("resume", "HTTP1Connection.read_response", "segment", 7)
    ),
    "a recv for another connection": ("flows", set_field("syscall", "recv", "conn", "c9")),
    "a recv on another connection": ("flows", set_field("syscall", "recv", "conn", None)),
    "an accept of another": ("flows", set_data("syscall", "accept", "value", "c2")),
    "a connection that begins twice": (
        "requests", set_field("end", "connection", "kind", "begin")
    ),
    "a request that ends unbegun": ("requests", set_field("end", "request", "req", "c1r9")),
    "a dispatch that calls nobody": ("requests", set_field("call", "app", "step", "nobody")),
}  # fmt: skip


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_found_by_its_law(whole: Trace, breach: str) -> None:
    law, change = BREACHES[breach]
    assert law in laws(broken(whole, change))


@pytest.mark.parametrize("breach", [{"link": 1}, {"link": None}, {"cause": 1}, {"req": "c1r9"}])
def test_what_was_kept_is_called_for_who_left_it_there(breach: dict[str, Any]) -> None:
    trace, _driven = traced("idle in the head")

    def change(events: list[Event]) -> None:
        kept = find(events, "run", "HTTP1Connection._timed_out")
        for field, value in breach.items():
            setattr(kept, field, value)

    assert trace.check() == []
    assert "causes" in laws(broken(trace, change))


def test_bytes_that_the_client_counted_otherwise_are_a_breach() -> None:
    trace, driven = traced("get")
    assert trace.check(sent={"c1": driven.sent["c1"] + 1}) == [
        f"bytes: the client of c1 has sent {driven.sent['c1'] + 1} bytes, "
        f"the trace has {driven.sent['c1']}"
    ]
    assert laws(trace.check(received={})) == {"bytes"}
    assert laws(trace.check(sent={**driven.sent, "c2": 5})) == {"bytes"}


def test_what_still_waits_in_the_loop_must_wait_in_the_trace(whole: Trace) -> None:
    pending = Trace(whole.events, {**whole.meta, "pending": [3]})
    assert laws(pending.check()) == {"conservation"}


def test_a_connection_that_is_open_is_no_breach_unless_all_has_ended() -> None:
    from trace_scenarios import server_for

    from minitornado.trace import drive, tracing

    with tracing() as trace:
        server = server_for("get")
        drive(server, SCRIPTS["get"][:-1])  # the client goes when the script ends, unseen
    assert trace.check() == []
    assert laws(trace.check(ended=True)) == {"ended"}
    server.stop()
    assert server.io_loop is not None
    server.io_loop.close(all_fds=True)


def test_an_application_that_is_an_async_def_is_called_where_the_server_drives_it() -> None:
    async def application(request: HTTPServerRequest) -> None:
        answer(request.connection, b"hello")

    trace, driven = traced("get", application=application)
    assert trace.check(driven.sent, driven.received, ended=True) == []

    def change(events: list[Event]) -> None:
        for event in events:
            if event.kind == "call" and event.step == "app":
                event.step = "nobody"

    assert laws(broken(trace, change)) == {"requests"}


@pytest.mark.parametrize("name", ["tracer-error", "missing-probe"])
def test_a_note_of_the_tracers_own_trouble_is_a_breach(whole: Trace, name: str) -> None:
    def change(events: list[Event]) -> None:
        events[-1] = Event(events[-1].seq, "note", name, data={"text": "somewhere"})

    assert f"notes: {name}: somewhere" in broken(whole, change)
