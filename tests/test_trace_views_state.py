"""The loop's state, as the stepper tells it: true at each moment, or it says what it leaves out.

The judges are the loop's own attributes, read while the program runs, and the kernel, which
lists in /proc/self/fdinfo what an epoll watches.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from test_trace_attach import Service
from trace_scenarios import RECV, SCRIPTS, SEND, get, one, server_for

from minitornado import gen
from minitornado.ioloop import IOLoop
from minitornado.trace import Event, Trace, Tracer, drive, writer
from minitornado.trace.handles import find
from minitornado.trace.tables import masks
from minitornado.trace.views import Buffers, Stepper
from minitornado.trace.views.state import (
    LATE,
    LOST,
    QUEUE,
    ROWS,
    TIMERS,
    WATCHED,
    State,
    changing,
    lines_at,
    states,
)

pytestmark = [
    pytest.mark.deadline(120),
    pytest.mark.skipif(not Path("/proc/self/fdinfo").exists(), reason="no /proc: not Linux"),
]


class Truth(NamedTuple):
    """What a loop has at one moment: handles of what waits (None: it has none), fds, buffers."""

    queued: set[int | None]
    timers: set[int | None]
    watched: dict[str, str]
    fills: dict[str, tuple[int, int]]


class Witness:
    """A tracer whose sink looks, at every event, at a loop and asks the kernel."""

    def __init__(self, loop: IOLoop | None = None, **options: Any) -> None:
        self.loop = loop
        self.seen: dict[int, Truth] = {}
        self.tracer = Tracer(sink=self._look, **options)

    def __enter__(self) -> Witness:
        self.tracer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.trace = self.tracer.stop()
        assert [event.data for event in self.trace if event.kind == "note"] == []

    def _look(self, event: Event) -> None:
        loop: Any = self.loop
        if loop is None or loop._closing:
            return
        names = self.tracer.recorder.names.fds
        timeouts = [*(timeout for _when, _count, timeout in loop._timeouts), *loop._due]
        streams = {
            names.get(fd, ""): stream
            for fd, (_fileobj, handler) in loop._handlers.items()
            if hasattr(stream := getattr(handler, "__self__", None), "_read_buffer")
        }
        self.seen[event.seq] = Truth(
            {_number(function) for function, _args in loop._callbacks},
            {_number(timeout.callback) for timeout in timeouts if timeout.callback is not None},
            {names.get(fd, str(fd)): events for fd, events in watched_by(loop._poller.fileno())},
            {name: (len(each._read_buffer), len(each._write_buffer))
             for name, each in streams.items()},
        )  # fmt: skip

    def compare(self) -> set[str]:
        """Assert that the state is the truth wherever it claims to be all of it.

        Returns the rows that were whole at least once.
        """
        whole: set[str] = set()
        for event, state in states(self.trace):
            if event.seq not in self.seen or event.step == "attach" or "attached" in event.data:
                continue  # attaching finds one after the other
            truth = self.seen[event.seq]
            # Written right before it is done, or right after: either is fine.
            itself = {event.data["handle"]} if "handle" in event.data else set()
            for row, waiting, real in (
                (QUEUE, state.queued, truth.queued), (TIMERS, state.timers, truth.timers)
            ):  # fmt: skip
                told = set(waiting) - itself
                assert told <= real and (row in state.partial or told == real - itself), event
            if WATCHED not in state.partial:
                assert state.watched.keys() == truth.watched.keys(), event
            told_of = {fd: events for fd, events in state.watched.items() if events}
            assert told_of.items() <= truth.watched.items(), event
            assert state.watched.keys() <= truth.watched.keys(), event
            self._compare_fills(event, state, truth)
            whole |= set(ROWS) - set(state.partial)
        return whole

    def _compare_fills(self, event: Event, state: State, truth: Truth) -> None:
        """While a function is changing a buffer, what it leaves behind is all that is claimed."""
        conn = event.conn or ""
        if conn not in state.fills or conn not in truth.fills:
            return
        fill = state.fills[conn]
        for at, (name, now) in enumerate((("rbuf", fill.read), ("wbuf", fill.write))):
            change = changing(fill, name, event, self.trace)
            if change is None:
                assert now in (None, truth.fills[conn][at]), event
            else:
                closer = self.trace.closer(change[0])
                assert closer is not None
                assert self.seen[closer.seq].fills.get(conn, (0, 0))[at] == change[1], event


def _number(function: Any) -> int | None:
    handle = find(function)
    return None if handle is None else handle.number


def watched_by(epoll: int) -> Iterator[tuple[int, str]]:
    """Yield the fds that the kernel watches for an epoll, and for what."""
    for line in Path(f"/proc/self/fdinfo/{epoll}").read_text().splitlines():
        found = re.match(r"tfd: +(\d+) +events: +([0-9a-f]+)", line)
        if found:
            interest = masks(int(found[2], 16) & ~(IOLoop.ERROR))
            yield int(found[1]), "ERROR" if interest == "NONE" else interest


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_state_of_a_trace_from_the_beginning_is_that_of_the_loop(name: str) -> None:
    logging.disable(logging.CRITICAL)
    try:
        witness = witness_of(SCRIPTS[name], name)
    finally:
        logging.disable(logging.NOTSET)
    assert witness.compare() == set(ROWS)
    (*_, (_event, state)) = states(witness.trace)
    assert not state.partial
    assert len(witness.seen) > len(witness.trace) * 0.8


def witness_of(script: list[tuple[Any, ...]], name: str = "", **options: Any) -> Witness:
    server = server_for(name)
    with Witness(**options) as witness:
        server.io_loop = witness.loop = IOLoop(make_current=False)
        drive(server, script)
        server.stop()
        server.io_loop.close()
    return witness


def test_a_callback_that_is_scheduled_in_three_ways_waits_once() -> None:
    with Witness() as witness:
        witness.loop = loop = IOLoop(make_current=False)
        for add in (loop.add_callback, loop.spawn_callback, loop.add_callback_from_signal):
            add(int)
        loop.run_sync(lambda: gen.sleep(0.001), timeout=60)
        loop.close()
    assert witness.compare() == set(ROWS)
    waiting = [event.data["target"] for _event, state in states(witness.trace)
               if len(state.queued) == 3 for event in state.queued.values()]  # fmt: skip
    assert waiting[:3] == ["int", "int", "int"]


def test_of_a_loop_that_was_there_before_what_is_claimed_is_so(service: Service) -> None:
    with Witness(service.loop) as witness:
        service.ask()
        service.run(gen.sleep, 0.001)
    assert witness.compare() == {QUEUE}  # that it was empty was seen, when the loop slept
    assert LATE in Stepper(witness.trace).text(120)
    assert not any("rbuf" in line for line in Stepper(witness.trace).text().splitlines())


def test_what_is_queued_when_the_trace_begins_is_not_denied() -> None:
    loop = IOLoop(make_current=False)
    witness = Witness(loop)

    def begin() -> None:
        loop.add_callback(int)
        witness.__enter__()

    loop.add_callback(begin)
    loop.run_sync(lambda: gen.sleep(0.2), timeout=60)
    witness.__exit__()
    loop.close()
    polls = [event for event in witness.trace if event.kind == "poll"]
    assert polls[0].data["wait"] == "none" and None in witness.seen[polls[0].seq].queued
    assert witness.compare() == {QUEUE}


def test_of_a_loop_that_the_tracer_was_attached_to_all_is_known(service: Service) -> None:
    service.run(service.client.write, get()[:10])
    service.run(gen.sleep, 0.001)
    with Witness(service.loop) as witness:
        service.loop.add_callback(witness.tracer.attach, service.loop)
        service.run(service.client.write, get()[10:])
        service.run(gen.sleep, 0.001)
        service.ask()
        service.run(gen.sleep, 0.001)
    assert witness.compare() == set(ROWS)
    steps = Stepper(witness.trace)
    steps.at = len(steps.steps)
    rows = re.sub(r"\s+", " ", steps.text(120))
    assert "left out" not in rows and "listen1 (for what is not recorded)" in rows


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def test_of_a_trace_that_has_lost_its_beginning_what_is_claimed_is_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "RING_EVENTS", 200)
    witness = witness_of(one(*[(*SEND, get()), RECV] * 8), ring=100)
    assert len(witness.trace) < witness.trace.events[-1].seq
    assert witness.compare() >= {QUEUE}
    assert LOST in re.sub(r"[│\s]+", " ", last_step(witness.trace).text(120))


def last_step(trace: Trace) -> Stepper:
    steps = Stepper(trace)
    steps.at = len(steps.steps)
    return steps


def test_what_the_application_s_own_stream_holds_is_not_the_connection_s() -> None:
    state = State()
    state.apply(Event(1, "begin", "connection", conn="c1", fd="c1"))
    for seq, (name, size) in enumerate((("IOStream#1", 3), ("IOStream#2", 99)), 2):
        delta = {"rbuf": [0, size]}
        state.apply(Event(seq, "return", "f", conn="c1", obj=name, data={"delta": delta}))
    assert (state.fills["c1"].read, state.fills["c1"].stream) == (3, "IOStream#1")


def test_what_lay_in_a_buffer_is_not_known_after_a_hole() -> None:
    begin = Event(1, "begin", "connection", conn="c1", fd="c1")
    filled = Event(2, "return", "f", conn="c1", obj="IOStream#1", data={"delta": {"rbuf": [0, 5]}})
    later = Event(9, "call", "g", conn="c1", obj="IOStream#1")
    for events, wanted in (([begin, filled], "5 bytes to be read"),
                           ([begin, filled, later], "an unknown number of bytes to be read")):
        said = lines_at(Trace(events), {events[-1].seq})[events[-1].seq]
        assert dict(said)["c1 buffers"].startswith(wanted)


def test_a_level_that_records_no_calls_claims_nothing_of_the_buffers() -> None:
    trace = witness_of(SCRIPTS["get"], level="chain").trace
    assert "buffers" not in "".join(line for line in all_rows(trace))
    assert "buffers" in "".join(all_rows(witness_of(SCRIPTS["get"]).trace))
    assert "level full" in Buffers(trace, "c1").text()


def all_rows(trace: Trace) -> list[str]:
    steps = Stepper(trace)
    return [name for step in steps.steps for name, _text in steps._states[step.event.seq]]


def test_of_several_loops_the_rows_are_of_all_of_them() -> None:
    state = State()
    for seq, lane in enumerate(("loop", "loop", "loop2"), 1):
        poll = Event(seq, "poll", "epoll_wait", lane=lane, data={"wait": "forever"})
        state.apply(poll)
        names = [name for name, _text in state.lines(poll, Trace([poll]))]
        assert names == [("all loops' " if lane == "loop2" else "") + row for row in ROWS]


def test_a_loop_that_is_made_later_tells_nothing_of_the_first() -> None:
    poll = Event(1, "poll", "epoll_wait", data={"wait": "none"})
    made = Event(2, "schedule", "add_handler", fd="waker1", step="watch", data={"how": "fd"})
    for events, whole in (([made], True), ([poll, made], False)):
        state = State()
        for event in events:
            state.apply(event)
        assert (WATCHED not in state.partial) == whole
