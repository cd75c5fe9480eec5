"""The live log: one line an event, as it happens.

Promised: a line for every event that says something, of the width that was asked for, in the
terminal and in a pipe; a call in which nothing happened is one line; nothing waits for the end
of an application's call; the program that is watched does not notice.
"""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from test_trace_views_story import NAMES, recorded
from trace_scenarios import get, one, traced

from minitornado.trace import Trace
from minitornado.trace.events import CLOSERS, OPENERS, Event
from minitornado.trace.views import Live, live

pytestmark = pytest.mark.deadline(120)

LINE = re.compile(r" *(\d+) ((?:c\d+(?:r\d+)?)?) +(\w*) +")


def logged(trace: Trace, width: int = 80, level: str = "full") -> str:
    file = io.StringIO()
    live = Live(file=file, width=width, level=level)
    for event in trace:
        live(event)
    live.flush()
    return file.getvalue()


def numbers(text: str) -> list[int]:
    found = [LINE.match(line) for line in text.splitlines() if not line.startswith("───")]
    assert all(found)
    return [int(match[1]) for match in found if match]


@pytest.mark.parametrize("name", NAMES)
def test_every_line_fits_and_names_its_event_and_layer(name: str) -> None:
    trace = recorded(name)[0]
    for width in (80, 100, 120):
        text = logged(trace, width)
        assert max(map(len, text.splitlines())) <= width
        for line in text.splitlines():
            if match := LINE.match(line):
                event = trace[int(match[1])]
                assert match[3] == (event.layer or "")
                assert match[2] == (event.req or event.conn or "")


@pytest.mark.parametrize("name", NAMES)
def test_lines_come_in_the_order_of_events_and_none_is_missing(name: str) -> None:
    trace = recorded(name)[0]
    seen = numbers(logged(trace))
    assert seen == sorted(set(seen))
    expected = {event.seq for event in trace if event.kind not in CLOSERS}
    assert expected <= set(seen)


def test_the_chain_leaves_out_the_calls_and_keeps_what_made_them_run() -> None:
    trace = recorded("get")[0]
    seen = set(numbers(logged(trace, level="chain")))
    for event in trace:
        if event.kind in ("run", "resume", "schedule", "resolve", "poll", "ready", "syscall"):
            assert event.seq in seen, event
        if event.kind == "call" and "segment" not in event.data:
            assert (event.seq in seen) == (event.layer in ("server", "app")), event


def test_a_call_in_which_nothing_happened_is_one_line_with_what_it_returned() -> None:
    trace = recorded("get")[0]
    lines = {int(m[1]): m[0] for m in re.finditer(r"^ *(\d+) .*$", logged(trace, 250), re.M)}
    leaves = [(event, trace.closer(event)) for event in trace if event.kind in OPENERS]
    leaves = [(event, end) for event, end in leaves if end and end.seq == event.seq + 1]
    assert len(leaves) > 10
    for event, end in leaves:
        if event.layer != "app":
            assert end is not None and end.seq not in lines
            value = end.data.get("value")
            assert value is None or f" → {value}" in lines[event.seq]


def test_in_a_chain_lines_are_indented_by_what_is_to_be_seen() -> None:
    for line in logged(recorded("get")[0], 120, level="chain").splitlines():
        if " send c1" in line:  # in Runner.run, two coroutines, the adapter, the application
            assert len(line[25:]) - len(line[25:].lstrip()) == 5


def test_in_a_chain_a_hidden_call_keeps_no_leaf_from_being_one_line() -> None:
    live = Live(file=(file := io.StringIO()), width=80, level="chain")
    live(Event(1, "call", "serve", layer="http1", data={"segment": 1}))
    live(Event(2, "call", "hidden", layer="http1", parent=1))
    live(Event(3, "return", "hidden", layer="http1", parent=1, of=2))
    live(Event(4, "return", "serve", layer="http1", of=1, data={"value": 7}))
    assert file.getvalue().splitlines() == ["    1         http1      serve → 7"]


def test_every_cause_and_every_asker_is_written() -> None:
    trace = recorded("slow")[0]
    lines = {int(m[1]): m[0] for m in re.finditer(r"^ *(\d+) .*$", logged(trace, 120), re.M)}
    for event in trace:
        if event.kind in ("run", "resume"):
            if event.cause is not None:
                assert f"← {event.cause}" in lines[event.seq]
            if event.link not in (None, event.cause):
                assert f"asked {event.link}" in lines[event.seq]


def test_a_change_of_state_is_said_once() -> None:
    text = logged(recorded("get")[0], 200)
    assert len(re.findall(r"rbuf 0→\d+", text)) == 1
    assert len(re.findall(r"reading True→False", text)) == 2  # the read of a head, and of none


def test_a_long_call_of_the_application_is_seen_while_it_runs() -> None:
    file = io.StringIO()
    live = Live(file=file, width=80)
    live(Event(1, "call", "block", layer="app"))
    assert "block" in file.getvalue()  # and not only when it has returned


def test_a_call_waits_for_what_comes_next_and_flush_ends_the_waiting() -> None:
    file = io.StringIO()
    live = Live(file=file, width=80)
    live(Event(1, "call", "IOStream.write", layer="stream"))
    assert file.getvalue() == ""
    live.flush()
    live.flush()
    assert file.getvalue().count("write") == 1


def test_as_a_sink_it_prints_what_a_replay_prints() -> None:
    file = io.StringIO()
    live = Live(file=file, width=80)
    trace, driven = traced("get", sink=live)
    live.flush()
    assert file.getvalue() == logged(trace)
    assert not [event for event in trace if event.kind == "note"]
    assert driven.received == recorded("get")[1].received


def test_twenty_recordings_are_logged_in_the_same_bytes() -> None:
    assert len({logged(traced("post")[0]) for _ in range(20)}) == 1


def test_a_pipe_has_no_colours_and_eighty_columns() -> None:
    file = io.StringIO()
    live = Live(file=file)
    for event in recorded("get")[0]:
        live(event)
    assert "\x1b" not in file.getvalue()
    assert max(map(len, file.getvalue().splitlines())) <= 80


def test_colours_say_nothing_that_the_text_does_not() -> None:
    trace = recorded("get")[0]
    file = io.StringIO()
    console = Console(
        file=file, width=80, force_terminal=True, color_system="truecolor", _environ={}
    )
    live = Live(console)
    for event in trace:
        live(event)
    live.flush()
    assert "\x1b[" in file.getvalue()
    assert re.sub(r"\x1b\[[\d;]*m", "", file.getvalue()) == logged(trace)


def test_without_colours_there_is_no_escape_even_in_a_terminal() -> None:
    file = io.StringIO()
    live = Live(Console(file=file, width=80, force_terminal=True, no_color=True, _environ={}))
    live(Event(1, "poll", "epoll_wait", layer="kernel", turn=1))
    assert "\x1b" not in file.getvalue()


def test_a_terminal_without_unicode_gets_ascii() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    live = Live(Console(file=file, width=80, _environ={}))
    for event in recorded("get")[0]:
        live(event)
    file.flush()
    assert file.buffer.getvalue().isascii()


def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="chain or full, not 'story'"):
        Live(level="story")


def test_nothing_is_kept_of_brackets_that_are_closed() -> None:
    trace = traced("two", script=one(*[("send", "k1", get()), ("recv", "k1")] * 3))[0]
    live = Live(file=io.StringIO(), width=80)
    for event in trace:
        live(event)
    still_open = {event.seq for event in trace if event.kind in OPENERS and not trace.closer(event)}
    assert set(live._open) == still_open


def test_of_objects_long_gone_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_MAX_TOLD", 10)
    log = Live(file=io.StringIO())
    for seq in range(1, 101):
        data = {"delta": {"rbuf": [0, seq]}}
        log(Event(seq, "return", "f", obj=f"IOStream#{seq}", data=data))
    assert len(log._told) == 10 and "IOStream#100" in log._told
