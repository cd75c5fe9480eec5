"""A process that forks: each child writes a trace of its own, and they can be made one."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from trace_scenarios import SCRIPTS, app

from minitornado.httpserver import HTTPServer
from minitornado.ioloop import IOLoop
from minitornado.trace import Trace, Tracer, drive, load, merge
from minitornado.trace.views import Live

pytestmark = pytest.mark.deadline(120)

CHILDREN = 2


def serve() -> None:
    server = HTTPServer(app)
    drive(server, SCRIPTS["get"])
    server.stop()
    assert server.io_loop is not None
    server.io_loop.close()


def forked(folder: Path) -> tuple[Trace, list[Trace]]:
    """Trace a parent and its children, each of which serves a request."""
    tracer = Tracer().start()
    loop = IOLoop(make_current=False)
    pids = []
    for number in range(CHILDREN):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                serve()
                tracer.stop().dump(folder / f"{number}.jsonl")
                status = 0
            finally:
                os._exit(status)
        pids.append(pid)
    for pid in pids:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    serve()
    loop.close()
    parent = tracer.stop()
    return parent, [load(folder / f"{number}.jsonl") for number in range(CHILDREN)]


def test_a_child_begins_because_of_the_fork_and_has_names_of_its_own(tmp_path: Path) -> None:
    parent, children = forked(tmp_path)
    forks = list(parent.filter(kind="fork"))
    assert [fork.data["value"] for fork in forks] == ["p1.", "p2."]
    assert parent.connections() == ["c1"]
    for child, fork in zip(children, forks, strict=True):
        name = fork.data["value"]
        first = child.events[0]
        assert (first.kind, first.name, first.cause) == ("begin", "process", fork.seq)
        assert {event.lane for event in child} == {f"{name}loop"}
        assert child.connections() == [f"{name}c1"]
        assert child.events[0].seq > fork.seq


def test_the_traces_of_all_processes_make_one(tmp_path: Path) -> None:
    parent, children = forked(tmp_path)
    whole = merge(parent, children)
    assert len(whole) == len(parent) + sum(len(child) for child in children)
    assert whole.check() == []
    assert sorted(whole.connections()) == ["c1", "p1.c1", "p2.c1"]
    for event in whole.filter(kind="begin", name="process"):
        assert event.cause is not None and whole[event.cause].kind == "fork"
    apps = {event.req for event in whole.filter(kind="call", name="app")}
    assert apps == {"c1r1", "p1.c1r1", "p2.c1r1"}


def test_children_that_overtake_each_other_are_each_in_an_order_of_their_own(
    tmp_path: Path,
) -> None:
    parent, children = forked(tmp_path)
    # Both accept at one moment; then the second is faster, and its connection begins first.
    for child, pace in zip(children, (1000, 1), strict=True):
        accept = next(at for at, event in enumerate(child) if event.name == "accept")
        for at, event in enumerate(child):
            later = max(0, at - accept)
            event.t = parent.events[-1].t + (at - later) * 1000 + later * pace
    whole = merge(parent, children)
    begins = whole.filter(kind="begin", name="connection")
    assert [event.conn for event in begins] == ["c1", "p2.c1", "p1.c1"]
    assert whole.check() == []


def test_grandchildren_are_merged_too_whatever_the_order_of_their_traces(tmp_path: Path) -> None:
    def forks(name: str, *inside: str) -> None:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                for inner in inside:
                    forks(inner)
                serve()
                assert Tracer.active is not None
                Tracer.active.stop().dump(tmp_path / f"{name}.jsonl")
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    tracer = Tracer().start()
    loop = IOLoop(make_current=False)
    forks("a", "aa", "ab")
    forks("b")
    loop.close()
    parent = tracer.stop()
    children = [load(tmp_path / f"{name}.jsonl") for name in ("a", "aa", "ab", "b")]
    whole = merge(parent, children)
    assert whole.check() == []
    assert whole.canonical() == merge(parent, children[::-1]).canonical()
    begun = {}
    for event in whole.filter(kind="begin", name="process"):
        assert event.cause is not None
        begun[event.lane] = whole[event.cause].lane, whole[event.cause].data["value"]
    assert begun == {
        "p1.loop": ("loop", "p1."), "p2.loop": ("loop", "p2."),
        "p1.p1.loop": ("p1.loop", "p1.p1."), "p1.p2.loop": ("p1.loop", "p1.p2."),
    }  # fmt: skip


def test_what_a_childs_ring_has_dropped_is_missed_in_the_merged_trace_too(tmp_path: Path) -> None:
    parent, children = forked(tmp_path)
    whole = merge(parent, children)
    assert children[0].prune(30, ended=1) < len(whole.filter(lane="p1.loop"))
    part = merge(parent, children)
    before = {(event.lane, event.t, event.name, event.kind): event for event in whole}
    kept = {before[event.lane, event.t, event.name, event.kind].seq: event for event in part}
    lost = 0
    for seq, event in kept.items():
        for edge in ("parent", "cause", "link", "of"):
            was, leads_to = getattr(whole[seq], edge), getattr(event, edge)
            assert (was is None) == (leads_to is None)
            assert part.get(leads_to) is kept.get(was)
            lost += was is not None and was not in kept
    told = part.check()
    assert lost and lost == sum("that is no earlier event" in text for text in told)
    holes = sum(seq > 1 and seq - 1 not in part for seq in (event.seq for event in part))
    assert holes and holes == sum("comes after seq" in text for text in told)
    assert not any("is not what" in text or "was asked for by" in text for text in told)


def test_the_story_of_a_child_is_told_in_a_merged_trace_too(tmp_path: Path) -> None:
    parent, children = forked(tmp_path)
    merged = merge(parent, children)
    for trace, conn in zip([parent, *children], ("c1", "p1.c1", "p2.c1"), strict=True):
        alone, among = trace.story(conn=conn), merged.story(conn=conn)
        assert [step.sentence for step in alone] == [step.sentence for step in among]
        assert [step.edges() for step in alone] == [step.edges() for step in among]
        assert f"bytes of {conn} come from the kernel" in among.text(200)
        assert str(trace.counts(conn=conn)) == str(merged.counts(conn=conn))
    log = io.StringIO()
    live = Live(file=log)
    for event in merged:
        live(event)
    assert {"─── turn 1 ─", "─── turn 1 of p2.loop ─"} <= {
        line.rstrip("─") + "─" for line in log.getvalue().splitlines() if line.startswith("───")
    }
    assert "process p1 begins" in log.getvalue()
    svg = merged.lanes(conn="p1.c1").svg()
    assert ">p1 turn 1<" in svg and "of p1.loop<" not in svg  # there is no room for that
    turns = [len(trace.turns()) for trace in (parent, *children)]
    assert len(merged.turns()) == sum(turns)
    assert max(map(len, merged.turns().text(80).splitlines())) <= 80
