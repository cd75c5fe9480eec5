"""Check: the laws that every trace obeys, if it is whole.

A tracer that misses something shows a story with a hole in it, and nobody sees the hole.  So
a trace is held to laws that an event left out, or an edge gone wrong, breaks:

    order         seq is contiguous, edges point back, brackets nest, turns are polls
    causes        what runs was scheduled, and its cause and link are of the kind that fits
    conservation  what was scheduled has run, was cancelled, was passed on, or still waits
    readiness     who was reported ready was served, or its handler was removed
    coroutines    a coroutine goes on where it waited, once
    flows         the connection known by causality is the one known by fd
    requests      connections and requests begin and end once; a dispatch calls the application
    bytes         what was received and sent is what the client sent and received

`violations` returns sentences, one for each breach; none is the proof.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .events import CLOSED_BY, CLOSERS, KINDS, OPENERS, Event, Trace

Bytes = Mapping[str, int]

# Syscalls on the socket of a connection, which are made for that connection and no other.
FOR_A_CONNECTION = {"recv", "send", "ssl_read", "ssl_write", "ssl_do_handshake"}

# These as well; or for none, when it is the server who ends the connection.
ON_A_CONNECTION = {"close", "setsockopt", "shutdown", "epoll_ctl", "ssl_shutdown"}


def violations(
    trace: Trace, sent: Bytes | None = None, received: Bytes | None = None, ended: bool = False
) -> list[str]:
    """Return what is wrong with a whole trace: one sentence for each law broken, [] if none is.

    `sent`, `received`: what the clients counted, {connection: bytes}.  `ended`: everything is
    over, so no connection may be open, and nothing may wait.
    """
    found = [f"{law.__name__.strip('_')}: {text}" for law in LAWS for text in law(trace)]
    for counted, name, verb in ((sent, "recv", "sent"), (received, "send", "received")):
        if counted is not None:
            found += [f"bytes: {text}" for text in _bytes(trace, counted, name, verb)]
    if ended:
        found += [f"ended: {text}" for text in _ended(trace)]
    return found


# ---- order ----


def _notes(trace: Trace) -> Iterator[str]:
    for event in trace:
        if event.kind == "note" and event.name in ("tracer-error", "missing-probe"):
            yield f"{event.name}: {event.data.get('text')}"


def _order(trace: Trace) -> Iterator[str]:
    last = 0
    turns: Counter[str] = Counter()
    for event in trace:
        if event.kind not in KINDS:
            yield f"{_at(event)} is of no known kind"
        if event.seq != last + 1:
            yield f"{_at(event)} comes after seq {last}"
        last = event.seq
        for edge in ("parent", "cause", "link", "of"):
            to = getattr(event, edge)
            if to is not None and not (to < event.seq and trace.get(to) is not None):
                yield f"{_at(event)} has a {edge} that is no earlier event: {to}"
        if event.kind == "poll":
            turns[event.lane] += 1
        if event.turn != turns[event.lane]:
            yield f"{_at(event)} is in turn {event.turn}, after {turns[event.lane]} polls"


def _brackets(trace: Trace) -> Iterator[str]:
    stacks: dict[str, list[Event]] = defaultdict(list)
    for event in trace:
        stack = stacks[event.lane]
        if event.kind in CLOSERS:
            opener = stack.pop() if stack else None
            if opener is None or opener.seq != event.of:
                yield f"{_at(event)} closes {event.of}, and {_at(opener)} is open"
            elif opener.name != event.name or event.kind not in CLOSED_BY[
                "resume" if "segment" in opener.data else opener.kind
            ]:
                yield f"{_at(event)} is no end of {_at(opener)}"
        elif event.of is not None:
            yield f"{_at(event)} closes a bracket, and is no closer"
        if event.depth != len(stack) or event.parent != (stack[-1].seq if stack else None):
            yield f"{_at(event)} stands in {event.parent}, and in {len(stack)} brackets"
        if event.kind in OPENERS:
            stack.append(event)


# ---- causes ----


def _causes(trace: Trace) -> Iterator[str]:
    schedules = _schedules(trace)
    for run in trace.filter(kind="run"):
        if run.data["how"] == "stored":
            yield from _stored(trace, run)
            continue
        schedule = schedules.get(run.data.get("handle"))
        cause, link = trace.get(run.cause), trace.get(run.link)
        if schedule is None or cause is None or link is None:
            yield f"{_at(run)} has no {'schedule' if schedule is None else 'cause or link'}"
            continue
        first = _first(schedule, schedules)
        first = trace.get(first.link) or first  # it was kept by somebody before
        if link is not first:
            yield f"{_at(run)} was asked for by {_at(first)}, and its link is {_at(link)}"
        if run.name != schedule.data["target"]:
            yield f"{_at(run)} is not what {_at(schedule)} has scheduled"
        if run.conn != link.conn or (run.req != link.req and not link.data.get("recurring")):
            yield f"{_at(run)} is for {run.conn} {run.req}, its link for {link.conn} {link.req}"
        if not _fits(run, cause, schedule):
            yield f"{_at(run)} can't be because of {_at(cause)}"


def _stored(trace: Trace, run: Event) -> Iterator[str]:
    """What was kept is called by who has kept it, in the same stack."""
    link = trace.get(run.link)
    if link is None or link.kind != "call" or (run.conn, run.req) != (link.conn, link.req):
        yield f"{_at(run)} was kept by {_at(link)}"
    if run.cause is None or run.cause != run.parent:
        yield f"{_at(run)} is called by {run.parent}, and because of {run.cause}"


def _fits(run: Event, cause: Event, schedule: Event) -> bool:
    """Tell whether `cause` is what makes a callable run that was scheduled by `schedule`."""
    how = schedule.data["how"]
    if how in ("callback", "thread"):
        return cause is schedule
    if how == "timer":
        return (cause.kind, cause.data.get("how")) == ("ready", "timer") and (
            cause.cause == schedule.seq
        )
    if how == "fd":
        return cause.kind == "ready" and (cause.fd, cause.turn, cause.data.get("handle")) == (
            run.fd, run.turn, run.data["handle"],
        )  # fmt: skip
    if cause.kind == "resolve":
        return cause.obj == schedule.obj
    return cause is schedule and bool(schedule.data.get("done"))


def _timers(trace: Trace) -> Iterator[str]:
    for schedule in trace.filter(kind="schedule"):
        if schedule.data["how"] == "timer" and "seconds" not in schedule.data:
            yield f"{_at(schedule)} does not say in how many seconds"


def _futures(trace: Trace) -> Iterator[str]:
    resolved: set[str | None] = set()
    for event in trace.filter(kind="resolve"):
        if event.obj in resolved:
            yield f"{_at(event)} resolves {event.obj} once more"
        resolved.add(event.obj)


# ---- conservation ----


def _conservation(trace: Trace) -> Iterator[str]:
    schedules = _schedules(trace)
    ends: dict[int, list[Event]] = defaultdict(list)
    for event in trace:
        recurring = schedules.get(event.data.get("handle"))
        if event.kind == "schedule" and "passed" in event.data:
            ends[event.data["passed"]].append(event)
        elif event.kind == "cancel" or (
            event.kind == "run" and "handle" in event.data
            and not (recurring and recurring.data.get("recurring"))
        ):  # fmt: skip
            ends[event.data["handle"]].append(event)
    for handle, events in ends.items():
        if handle not in schedules:
            yield f"{_at(events[0])} is about handle {handle}, which nobody has scheduled"
        if len(events) > 1:
            told_of = ", ".join(map(_at, events))
            yield f"handle {handle} has come to an end {len(events)} times: {told_of}"
    waiting = {handle for handle in schedules if handle not in ends}
    told = trace.meta.get("pending")
    for handle in sorted(waiting):
        schedule = schedules[handle]
        if schedule.data["how"] == "future":
            if any(trace.filter(kind="resolve", obj=schedule.obj)):
                yield f"{_at(schedule)} waits for {schedule.obj}, which is done"
        elif told is not None and handle not in told and schedule.data["how"] != "thread":
            yield f"{_at(schedule)} has neither run nor waits"
    for handle in sorted(set(told or ()) - waiting):
        yield f"handle {handle} still waits, and the trace says otherwise"


def _readiness(trace: Trace) -> Iterator[str]:
    runs = Counter(run.cause for run in trace.filter(kind="run"))
    polls = Counter(event.cause for event in trace.filter(kind="ready"))
    removed = {
        (event.lane, event.turn, event.data["handle"]) for event in trace.filter(kind="cancel")
    }
    for poll in trace.filter(kind="poll"):
        if polls[poll.seq] != poll.data["ready"]:
            yield f"{_at(poll)} found {poll.data['ready']} ready, and {polls[poll.seq]} are told of"
    for ready in trace.filter(kind="ready"):
        handle = ready.data.get("handle")
        if handle is None:
            yield f"{_at(ready)}: nobody knows who handles {ready.fd}"
        elif runs[ready.seq] != 1 and (ready.lane, ready.turn, handle) not in removed:
            yield f"{_at(ready)} has been served {runs[ready.seq]} times"


def _coroutines(trace: Trace) -> Iterator[str]:
    resumed: set[int | None] = set()
    for resume in trace.filter(kind="resume"):
        asleep = trace.get(resume.link)
        if asleep is None or asleep.kind != "yield" or asleep.name != resume.name:
            yield f"{_at(resume)} goes on where it did not wait: {_at(asleep)}"
        elif resume.link in resumed:
            yield f"{_at(resume)} goes on where another has gone on: {_at(asleep)}"
        elif resume.data.get("target") != asleep.data.get("target"):
            yield f"{_at(resume)} waited for something else at {_at(asleep)}"
        else:
            segment = trace.get(asleep.of)
            before = 0 if segment is None else segment.data.get("segment", 0)
            if resume.data.get("segment") != before + 1:
                yield f"{_at(resume)} is not the segment after {before}"
        resumed.add(resume.link)


# ---- flows ----


def _flows(trace: Trace) -> Iterator[str]:
    begins = list(trace.filter(kind="begin", name="connection"))
    if not begins:  # a program that accepts by hand: nothing says where a connection begins
        return
    accepts = [event for event in trace.filter(name="accept") if "error" not in event.data]
    for lane in dict.fromkeys(event.lane for event in (*begins, *accepts)):
        # Each loop has an order of its own; which of two is faster, nobody knows.
        here = [event for event in begins if event.lane == lane]
        begun = [event.conn for event in here if "attached" not in event.data]
        accepted = [event.data["value"] for event in accepts if event.lane == lane]
        if begun != accepted[: len(begun)] or len(accepted) > len(begun) + 1:
            yield f"accepted were {accepted}, begun {begun}"
    for event in trace.filter(kind="syscall", name=FOR_A_CONNECTION | ON_A_CONNECTION):
        allowed = {event.fd} if event.name in FOR_A_CONNECTION else {event.fd, None}
        if event.fd in {begin.conn for begin in begins} and event.conn not in allowed:
            yield f"{_at(event)} is on {event.fd}, and for {event.conn}"


def _requests(trace: Trace) -> Iterator[str]:
    seen: set[tuple[str, str | None]] = set()
    for event in trace.filter(kind={"begin", "end"}, name={"connection", "request"}):
        which = event.conn if event.name == "connection" else event.req
        if (event.kind, which) in seen:
            yield f"{_at(event)}: {which} for the second time"
        if event.kind == "end" and ("begin", which) not in seen:
            yield f"{_at(event)}: {which} has not begun"
        seen.add((event.kind, which))
    for dispatch in trace.filter(step="dispatch", kind={"call", "run"}):
        if not any(event.step == "app" for event in trace.inside(dispatch)) and not (
            _returned(trace, dispatch) == "coroutine"  # an `async def`: the server drives it
            and any(trace.filter(step="app", kind="call", req=dispatch.req))
        ):
            yield f"{_at(dispatch)} does not call the application"


def _bytes(trace: Trace, counted: Bytes, name: str, verb: str) -> Iterator[str]:
    traced: Counter[str | None] = Counter()
    for event in trace.filter(kind="syscall", name=name):
        traced[event.conn] += event.data.get("bytes", 0)
    for conn in sorted({*counted, *(conn for conn in traced if conn is not None)}):
        if traced[conn] != counted.get(conn, 0):
            count = counted.get(conn, 0)
            yield f"the client of {conn} has {verb} {count} bytes, the trace has {traced[conn]}"


def _ended(trace: Trace) -> Iterator[str]:
    begun = {event.conn for event in trace.filter(kind="begin", name="connection")}
    ended = {event.conn for event in trace.filter(kind="end", name="connection")}
    yield from (f"{conn} is still open" for conn in sorted(map(str, begun - ended)))
    for handle in trace.meta.get("pending", ()):
        yield f"{_at(_schedules(trace).get(handle))} still waits"


LAWS: tuple[Callable[[Trace], Iterable[str]], ...] = (
    _notes, _order, _brackets, _causes, _timers, _futures, _conservation, _readiness, _coroutines,
    _flows, _requests,
)  # fmt: skip


# ---- plumbing ----


def _schedules(trace: Trace) -> dict[Any, Event]:
    """Return {handle: the event that scheduled it}."""
    return {event.data["handle"]: event for event in trace.filter(kind="schedule")}


def _first(schedule: Event, schedules: dict[Any, Event]) -> Event:
    """Return the event that scheduled a callable first, before it was passed on."""
    while schedule.data.get("passed") in schedules:
        schedule = schedules[schedule.data["passed"]]
    return schedule


def _returned(trace: Trace, opener: Event) -> Any:
    closer = trace.closer(opener)
    return None if closer is None else closer.data.get("value")


def _at(event: Event | None) -> str:
    return "nothing" if event is None else f"#{event.seq} {event.kind} {event.name}"
