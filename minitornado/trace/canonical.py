"""Canonical: the form of a trace in which two equal runs are equal, byte by byte.

Of all fields, only `t` differs between runs of one thread.  With several, the order in which
their events are written does as well, though each does the same.  Lamport's clock tells what
must come before what: an event after those of its own lane, and after those that its edges
lead to.  Sorted by it (and by lane, where nothing says who was first), the order is the
program's, and no longer the machine's.

Leslie Lamport: Time, Clocks, and the Ordering of Events in a Distributed System, 1978.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .events import Event

EDGES = ("parent", "cause", "link", "of")


def canonical(events: Sequence[Event]) -> str:
    """Return events as JSON lines, without their times and in an order that is the program's."""
    lines = [event.to_dict() for event in events]
    if len({event.lane for event in events}) > 1:
        lines = _renumbered([lines[at] for at in _lamport_order(events)])
    for values in lines:
        del values["t"]
    return "".join(to_json(values) + "\n" for values in lines)


def to_json(values: dict[str, Any]) -> str:
    """Return a line of JSON."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def renumbered(
    values: dict[str, Any], seq_of: Callable[[int], int | None], handle_of: Callable[[int], int]
) -> dict[str, Any]:
    """Return the fields of an event with other numbers for events and for handles."""
    data = values.get("data", {})
    edges = {name: seq_of(values[name]) for name in ("seq", *EDGES) if name in values}
    handles = {name: handle_of(data[name]) for name in ("handle", "passed") if name in data}
    return values | edges | ({"data": data | handles} if data else {})


def _lamport_order(events: Sequence[Event]) -> list[int]:
    """Return the positions of the events in the order of their logical times."""
    lanes: dict[str, int] = {}
    clock: dict[int, int] = {}
    for event in events:
        before = [clock.get(getattr(event, edge) or 0, 0) for edge in EDGES]
        clock[event.seq] = lanes[event.lane] = 1 + max(lanes.get(event.lane, 0), *before)
    return sorted(
        range(len(events)), key=lambda at: (clock[events[at].seq], events[at].lane, events[at].seq)
    )


def _renumbered(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count events, handles and objects anew, in the order in which they stand now."""
    seqs = {values["seq"]: number for number, values in enumerate(lines, 1)}
    handles: defaultdict[int, int] = defaultdict(count(1).__next__)
    lines = [renumbered(values, seqs.get, handles.__getitem__) for values in lines]
    objects: dict[str, str] = {}
    for values in lines:
        data = values.get("data", {})
        for where, key in ((values, "obj"), (data, "target"), (data, "value")):
            if key in where:
                where[key] = _named_anew(where[key], objects)
    return lines


def _named_anew(name: Any, objects: dict[str, str]) -> Any:
    kind, mark, number = str(name).rpartition("#")
    if not mark or not number.isdecimal():
        return name
    if name not in objects:
        objects[name] = f"{kind}#{1 + sum(1 for other in objects if other.startswith(kind + mark))}"
    return objects[name]
