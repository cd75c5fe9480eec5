"""Chrome trace events: brackets as slices, causes and links as arrows between them.

Every event that is no closer is a complete slice ("X").  An arrow begins ("s") in the slice of
what it comes from and ends ("f", bound to the enclosing slice) at what it leads to.

Trace Event Format, "Complete Events" and "Flow Events".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..events import Event, Trace
from .edges import edges

CATEGORIES = {"cause": "flow.cause", "link": "flow.origin"}


def chrome(trace: Trace, logical: bool = True) -> dict[str, Any]:
    """Return a trace as a JSON object of the Trace Event Format, its times in microseconds.

    `logical`: an event takes one microsecond, so that two equal runs have equal exports and a
    slice is as wide as what happens in it; else the time that was measured.
    """
    times = _Times(trace, logical)
    lanes = {lane: at for at, lane in enumerate(dict.fromkeys(event.lane for event in trace), 1)}
    events = [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": tid, "args": {"name": lane}}
        for lane, tid in lanes.items()
    ]
    for event in trace:
        if event.of is None:
            events.append(_slice(event, times, lanes[event.lane]))
            events += _arrows(event, trace, times, lanes)
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": dict(trace.meta)}


class _Times:
    """When an event happens, and how long its slice is, in microseconds."""

    def __init__(self, trace: Trace, logical: bool) -> None:
        self._trace = trace
        self._logical = logical
        self._next: dict[int, Event] = {}  # seq -> the next event of its lane
        self._last: dict[str, Event] = {}  # of each lane
        for event in trace:
            before = self._last.get(event.lane)
            if before is not None:
                self._next[before.seq] = event
            self._last[event.lane] = event

    def at(self, event: Event) -> float:
        return float(event.seq) if self._logical else event.t / 1000

    def gap(self, event: Event) -> float:
        """Return a part of the time to the next event of the lane: nothing overlaps it."""
        following = self._next.get(event.seq)
        return 0.5 if following is None else (self.at(following) - self.at(event)) / 2

    def length(self, event: Event) -> float:
        if event.kind not in ("call", "run", "resume"):
            return self.gap(event)
        closer = self._trace.closer(event)
        if closer is not None:
            return self.at(closer) + self.gap(closer) / 2 - self.at(event)
        last = self._last[event.lane]  # it is still open
        return self.at(last) + 1.0 - self.at(event)


def _slice(event: Event, times: _Times, tid: int) -> dict[str, Any]:
    said = {
        name: value
        for name, value in event.to_dict().items()
        if name in ("seq", "conn", "req", "fd", "obj", "src", "step", "data")
    }
    return {
        "ph": "X", "name": event.name, "cat": event.layer or "note", "pid": 1, "tid": tid,
        "ts": times.at(event), "dur": times.length(event), "args": said,
    }  # fmt: skip


def _arrows(
    event: Event, trace: Trace, times: _Times, lanes: dict[str, int]
) -> Iterator[dict[str, Any]]:
    for edge, source in edges(event, trace):
        if edge == "link" and event.link == event.cause:
            continue
        # The arrow begins where the slice does: any later, Perfetto takes the last slice that
        # has begun by then.  And it draws none whose id is a text that isn't a number.
        number = 2 * event.seq + (edge == "link")
        common = {"cat": CATEGORIES[edge], "name": edge, "id": number, "pid": 1}
        yield {"ph": "s", "tid": lanes[source.lane], "ts": times.at(source), **common}
        yield {"ph": "f", "bp": "e", "tid": lanes[event.lane], "ts": times.at(event), **common}
