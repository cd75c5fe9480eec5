"""Why, turns, tree, buffers and diff: what one asks of a trace when its story is not enough.

Promised: every joint of a `why` is an edge of the trace, and its end is the kernel or the
program itself; every turn has what ran in it; a tree holds each event once; the levels of the
buffers are those that the stream had; a diff of a trace with itself is empty.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from rich.console import Console
from test_trace_views_story import NAMES, printed, recorded
from trace_scenarios import traced

from minitornado.classroom.show import render
from minitornado.trace import Trace, views
from minitornado.trace.events import Event
from minitornado.trace.export import FORMATS
from minitornado.trace.views import Buffers, Diff, Story, Tree, Turns, View, Why
from minitornado.trace.views.facts import Facts
from minitornado.trace.views.words import watched

pytestmark = pytest.mark.deadline(120)

VIEWS: dict[str, Callable[[Trace], View]] = {
    "why": lambda trace: Why(trace, trace.events[-1].seq),
    "turns": Turns,
    "tree": Tree,
    "full tree": lambda trace: Tree(trace, level="full"),
    "buffers": lambda trace: Buffers(trace, conn="c1"),
    "diff": lambda trace: Diff(Story(recorded("get")[0]), Story(trace)),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", NAMES)
def test_every_view_fits_its_width_with_and_without_colours(name: str, view: str) -> None:
    shown = VIEWS[view](recorded(name)[0])
    for width in (80, 100, 120):
        plain = printed(shown, width)
        assert max(map(len, plain.splitlines())) <= width
        assert "\x1b" not in plain
        coloured = printed(shown, width, colours=True)
        assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain
    assert printed(shown, encoding="ascii").isascii()


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_one_that_a_notebook_shows(view: str) -> None:
    # Raises for colours that are not in the palette, for dim, backgrounds and links.
    bundle = VIEWS[view](recorded("slow")[0])._repr_mimebundle_()
    assert bundle["text/html"].startswith("<pre")
    assert bundle["text/plain"].strip()


@pytest.mark.parametrize("view", VIEWS)
def test_twenty_recordings_are_shown_in_the_same_bytes(view: str) -> None:
    assert len({VIEWS[view](traced("two clients")[0]).text(100) for _ in range(20)}) == 1


# ---- why ----


@pytest.mark.parametrize("name", NAMES)
def test_why_follows_the_causes_from_any_event_back_to_where_they_begin(name: str) -> None:
    trace = recorded(name)[0]
    for event in trace:
        joints = Why(trace, event.seq).joints
        assert joints[0].event is trace.opener(event)
        for joint, cause in itertools.pairwise(joints):
            bottom = (joint.event, *joint.stack)[-1]
            assert bottom.cause == cause.event.seq
            assert all(frame in trace.ancestors(joint.event) for frame in joint.stack)
        last = (joints[-1].event, *joints[-1].stack)[-1]
        assert last.cause is None
        assert last.kind == "poll" or last.parent is None


def test_why_was_it_sent_leads_through_three_turns_of_cause_to_the_kernel() -> None:
    trace = recorded("get")[0]
    sent = next(event for event in trace if event.name == "send")
    why = Why(trace, sent.seq)
    kinds = [joint.event.kind for joint in why.joints]
    assert kinds == ["syscall", "schedule", "resolve", "ready", "poll"]
    asked = why.joints[0].asked
    assert asked is not None and asked.kind == "yield"  # where the coroutine waited
    text = why.text(120)
    assert text.count("because") == 4
    assert re.search(r"^kernel +send c1 \d+ B  #\d+ turn 2$", text, re.M)
    assert re.search(r"^kernel +epoll_wait: 1 ready  #\d+ turn 2$", text, re.M)


def test_why_says_who_asked_and_in_which_function() -> None:
    trace = recorded("get")[0]
    handled = next(event for event in trace if event.kind == "run" and event.fd == "c1")
    asked = trace[handled.link or 0]
    why = Why(trace, handled.seq)
    assert why.joints[0].asked is asked
    said = f"asked for by add_handler c1 READ → _handle_events  #{asked.seq} turn {asked.turn}"
    assert said in why.text(120)
    assert ", in IOStream._add_io_state" in why.text(160)


def test_who_asked_is_not_told_again_where_it_is_why_now_too() -> None:
    told = Why(recorded("later")[0], max(e.seq for e in recorded("later")[0] if e.name == "send"))
    asked = [line for line in told.text(100).splitlines() if "asked for by" in line]
    assert all(one != other for one, other in itertools.pairwise(asked))
    due = told.text(100).partition("a timeout is due")[2].splitlines()
    assert [line.split("  ")[0] for line in due[1:3]] == ["because", "loop"]
    assert all(joint.asked is None or joint.asked.kind != "ready" for joint in told.joints)


def test_a_deep_stack_keeps_its_top_and_the_bottom_that_the_loop_called() -> None:
    trace = recorded("get")[0]
    sent = next(event for event in trace if event.name == "send")
    flat = re.sub(r"\s+", " ", Why(trace, sent.seq, frames=3).text(80))
    assert re.search(r"in IOStream.write_to_fd ← … \d+ more … ← Runner.run", flat)


def test_what_the_program_did_before_the_loop_has_no_cause_and_says_so() -> None:
    trace = recorded("get")[0]
    assert Why(trace, trace.events[0].seq).text().endswith("The program did this itself.")


def test_an_event_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        Why(recorded("get")[0], 100_000)


# ---- turns ----


@pytest.mark.parametrize("name", NAMES)
def test_turns_have_all_that_ran_in_their_order(name: str) -> None:
    trace = recorded(name)[0]
    turns = list(Turns(trace))
    assert [turn.number for turn in turns] == sorted({e.turn for e in trace if e.turn})
    ran = [event.seq for turn in turns for event in turn.ran]
    assert ran == [e.seq for e in trace if e.kind == "run" and e.parent is None and e.turn]
    for turn in turns:
        assert turn.poll is not None and turn.poll.turn == turn.number
        assert turn.slept == (turn.poll.data["wait"] != "none")
        # Nothing waits for a loop that goes to sleep.
        before = trace.events[: trace.events.index(turn.poll)]
        waiting = {e.data["handle"] for e in before if e.data.get("how") == "callback"}
        waiting -= {e.data.get("handle") for e in before if e.kind == "run"}
        assert turn.slept == (not waiting)


def test_a_turn_is_one_row_with_what_woke_it_and_why_each_ran() -> None:
    trace = recorded("slow")[0]
    text = Turns(trace).text(120)
    assert "slept" in text and "no wait" in text
    assert re.search(r" 2 +slept +c1 is readable", text)
    for turn in Turns(trace):
        for event in turn.ran:
            assert re.search(rf"#{event.seq} .* ← {event.cause}\b", text)
        for event in turn.queued:
            assert f"#{event.seq} " in text


def test_turns_can_be_a_part_of_all() -> None:
    trace = recorded("two")[0]
    assert [turn.number for turn in Turns(trace, first=2, last=3)] == [2, 3]


# ---- tree ----


@pytest.mark.parametrize("name", NAMES)
def test_a_tree_holds_each_event_once_and_begins_at_the_kernel(name: str) -> None:
    trace = recorded(name)[0]
    tree = Tree(trace, level="full")
    held = [event.seq for event in tree.roots]
    held += [event.seq for branches in tree.branches.values() for event in branches]
    assert len(held) == len(set(held))
    wanted = [e.seq for e in trace if e.of is None and e.kind not in ("poll", "begin", "end")]
    assert sorted(held) == wanted
    assert all(e.kind == "ready" or e.cause is None for e in tree.roots)
    assert {e.seq for e in trace if e.kind == "ready"} <= {e.seq for e in tree.roots}
    text = tree.text(120)
    assert [int(line[:5]) for line in text.splitlines()] == _walked(tree)


def _walked(tree: Tree) -> list[int]:
    def walk(event: Event) -> list[int]:
        below = tree.branches.get(event.seq, [])
        return [event.seq, *(seq for branch in below for seq in walk(branch))]

    return [seq for root in tree.roots for seq in walk(root)]


def test_what_an_http_server_does_as_a_tcp_server_is_called_so() -> None:
    text = Tree(recorded("get")[0], level="full").text(120)
    assert "TCPServer._handle_connection" in text and "HTTPServer.handle_stream" in text
    assert "HTTPServer._handle_connection" not in text


def test_a_chain_longer_than_pythons_stack_is_drawn() -> None:
    events = [Event(1, "ready", "ready", fd="c1")]
    for seq in range(2, 4001, 2):
        how = {"how": "callback"}
        events.append(Event(seq, "schedule", "add_callback", cause=seq - 1, data=how))
        events.append(Event(seq + 1, "run", "f", cause=seq, data=how))
    assert len(Tree(Trace(events)).text(80).splitlines()) == 4001


# ---- buffers ----


def test_the_read_buffer_fills_and_empties_as_bytes_come() -> None:
    levels = Buffers(recorded("get")[0], conn="c1").levels
    received = recorded("get")[1].sent["c1"]
    assert [level.read for level in levels] == [0, received, 0, 0]
    assert [level.watched for level in levels] == ["READ", "READ", "READ", None]


def test_a_buffer_that_grows_bit_by_bit_is_told_each_time() -> None:
    trace, driven = recorded("fragments")
    reads = [level.read for level in Buffers(trace, conn="c1").levels]
    sizes = [event.data.get("bytes") for event in trace.filter(name="recv")]
    assert reads == [0, *itertools.accumulate(filter(None, sizes)), 0, 0]
    assert sum(filter(None, sizes)) == driven.sent["c1"]


def test_the_write_buffer_holds_what_the_kernel_did_not_take() -> None:
    trace = recorded("big")[0]
    sends = [event.data for event in trace if event.name == "send"]
    left = max(send["asked"] - send["bytes"] for send in sends)
    levels = Buffers(trace, conn="c1").levels
    assert max(level.write for level in levels) == left > 0
    assert "READ|WRITE" in [level.watched for level in levels]
    assert f"{left:,}" in Buffers(trace).text(100)


def test_every_level_is_what_the_trace_says_of_the_stream_by_then() -> None:
    for name in NAMES:
        trace = recorded(name)[0]
        for conn in trace.connections():
            for level in Buffers(trace, conn=conn).levels:
                delta = level.event.data.get("delta", {})
                assert level.read == delta.get("rbuf", [0, level.read])[1]
                assert level.write == delta.get("wbuf", [0, level.write])[1]
                if level.event.name == "epoll_ctl":
                    assert level.watched == watched(level.event.data)


def test_of_two_connections_one_must_be_named() -> None:
    with pytest.raises(ValueError, match=r"which connection\? c1, c2"):
        Buffers(recorded("two clients")[0])


# ---- diff ----


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_does_not_differ_from_itself(name: str) -> None:
    story = Story(recorded(name)[0])
    assert Diff(story, story).same() and len(Diff(story, story)) == 0


def test_what_one_has_and_the_other_lacks_stands_alone() -> None:
    one, other = Story(recorded("get")[0]), Story(recorded("post")[0])
    diff = Diff(one, other, names=("GET", "POST"))
    assert not diff.same()
    added = [right.key for left, right in diff.pairs if left is None and right is not None]
    assert "data-received" in added
    assert [left for left, _right in diff.pairs if left is not None] == one.steps
    assert [right for _left, right in diff.pairs if right is not None] == other.steps
    assert all(left.key == right.key for left, right in diff.pairs if left and right)
    text = diff.text(100)
    assert re.search(r"^ +> +\d+ server +data-received", text, re.M)
    assert text.splitlines()[0].split() == ["GET", "POST"]


@pytest.mark.parametrize("every", [2, 3, 7])
def test_of_a_trace_with_holes_every_view_and_export_shows_the_rest(every: int) -> None:
    trace = Trace(event for event in recorded("boom")[0] if event.seq % every)
    for view in VIEWS.values():
        assert view(trace).text()
    for event in trace:
        told = Why(trace, event.seq).text()
        begins = next((at for at in (event, *trace.ancestors(event)) if at.cause), event)
        if begins.cause is not None and trace.get(begins.cause) is None:
            assert told.splitlines()[-1].strip() == "What led to it is not in this trace."
    for export in FORMATS.values():
        told = json.dumps(export(trace))
        assert told.count('"name": "recv"') == len(trace.filter(name="recv"))
    assert "no longer in the trace" in trace.page()
    for poll in trace.filter(kind="poll"):
        said = Facts(trace).ready(poll)
        assert bool(said) == (poll.data["ready"] > 0)


def test_a_console_of_twenty_columns_gets_something() -> None:
    for make in VIEWS.values():
        with open("/dev/null", "w") as nowhere:
            Console(file=nowhere, width=20).print(make(recorded("get")[0]))


@pytest.mark.parametrize("view", VIEWS)
def test_in_a_pipe_no_line_ends_with_a_blank(view: str) -> None:
    text = printed(VIEWS[view](recorded("get")[0]))
    assert [line for line in text.splitlines() if line.endswith(" ")] == []


def test_a_trace_has_its_views_as_methods_and_shows_itself_as_its_story() -> None:
    trace, _driven = traced("get")
    send = next(event.seq for event in trace if event.name == "send")
    alike = [
        (trace.story(req="c1r1"), views.Story(trace, req="c1r1")),
        (trace.lanes("c1"), views.Lanes(trace, "c1")),
        (trace.turns(1, 2), views.Turns(trace, 1, 2)),
        (trace.why(send), views.Why(trace, send)),
        (trace.stepper(), views.Stepper(trace)),
        (trace.tree("c1", level="full"), views.Tree(trace, "c1", level="full")),
        (trace.buffers(), views.Buffers(trace)),
        (trace.counts(conn="c1"), views.Counts(trace, conn="c1")),
    ]
    for ours, view in alike:
        assert type(ours) is type(view) and ours.text() == view.text() != ""
    assert trace.page(title="T") == views.page(trace, title="T")
    assert trace._repr_mimebundle_() == trace.story()._repr_mimebundle_()
    assert render(trace, 100) == render(trace.story(), 100)


def test_who_only_records_does_not_load_rich() -> None:
    program = "import sys, minitornado.trace; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.stdout == b"False\n", done.stderr
