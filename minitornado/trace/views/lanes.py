"""Lanes: the picture of a request.  One lane a class, one band a turn of the loop.

A row is one event, in the lane of its class.  From where it was called leads a full arrow, from
where it was asked for a dashed one: what stands between the two ends of a dashed arrow is time
in which the loop did something else.

The same layout is drawn twice: as SVG (lanes_svg.py), and as text for a terminal (here).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from minitornado.classroom.palette import PALETTE

from ..events import Event, Trace
from . import select, words
from .facts import Facts
from .view import ASKED, GREY, LAYERS, Picture, line

LANES = tuple(PALETTE)
KERNEL, LOOP, STREAM, TCP, HTTP, HTTP1, ADAPTER, APP = range(len(LANES))


@dataclass(frozen=True)
class Row:
    """An event in its lane.  `caller` is the lane that called it; `asked` the row that asked.

    `note` is what else is to be said: what a poll reports.
    """

    event: Event
    lane: int
    label: str
    caller: int | None
    asked: int | None
    note: str = ""


@dataclass(frozen=True)
class Bar:
    """What was running in a lane, from one row to another, both included."""

    lane: int
    first: int
    last: int
    inset: int  # how many bars of the same lane are around it


@dataclass(frozen=True)
class Band:
    """A turn of the loop, or a while in a thread: rows `first` to `last`, both included."""

    when: str  # "turn 2"
    first: int
    last: int
    how: str  # "slept", "no wait", or ""


class Lanes(Picture):
    """The picture of a trace, of one connection (`conn`) or of one request (`req`).

    `title` stands above the SVG.
    """

    def __init__(
        self,
        trace: Trace,
        conn: str | None = None,
        req: str | None = None,
        title: str | None = None,
    ) -> None:
        facts = Facts(trace)
        events = [event for event in select.about(trace, conn, req) if _shown(event, facts)]
        chosen = trace.only(events)
        at = {event.seq: row for row, event in enumerate(events)}
        self.title = title or _title(conn, req)
        self.rows = [_row(event, chosen, at, facts) for event in events]
        self.bars = _bars(events, chosen, at)
        self.bands = _bands(events, trace)

    def alt(self) -> str:
        used = [LANES[lane] for lane in sorted({row.lane for row in self.rows})]
        turns = len({words.when(row.event) for row in self.rows if row.event.turn})
        return (
            f"{self.title}. {words.plural(len(self.rows), 'event')} in "
            f"{words.plural(turns, 'turn')} of the loop, in the lanes {', '.join(used)}."
        )

    def svg(self) -> str:
        from .lanes_svg import draw

        return draw(self)

    def body(self, width: int) -> Iterable[RenderableType]:
        return _draw_text(self, width)


# ---- the layout ----


def _title(conn: str | None, req: str | None) -> str:
    what = f"Request {req}" if req else f"Connection {conn}" if conn else "What happened"
    return f"{what}, through the stack"


def lane_of(event: Event) -> int:
    """Return the lane of an event: that of its class, or of its layer where the class has none."""
    owner = (event.obj or event.name).partition("#")[0].partition(".")[0]
    if owner == "_ServerRequestAdapter":
        return ADAPTER
    return LANES.index(LAYERS.get(event.layer or "", "IOLoop"))


#: Calls that are a station of every request; what lies between them is for the other views.
_STATIONS = frozenset({
    "_handle_connection", "handle_stream", "start_serving", "start_request", "read_response",
    "start_read", "headers_received", "data_received", "finish", "on_connection_close",
    "write_headers", "write", "_finish_request", "on_close", "_refuse", "_timed_out", "listen",
})  # fmt: skip

# Calls into the kernel that change nothing in what the loop does.
_QUIET_SYSCALLS = ("setsockopt", "getsockopt", "shutdown")


def _shown(event: Event, facts: Facts) -> bool:
    """Tell whether an event is worth a row."""
    how = event.data.get("how")
    match event.kind:
        case "poll":
            return True
        case "syscall":
            return event.name not in _QUIET_SYSCALLS
        case "run":
            # A Runner, or what a Future calls, only hands on; what it hands on has a row.
            return how == "timer" or (
                event.layer not in _PASS_ON and not event.name.endswith("lambda")
            )
        case "resume":
            # A coroutine that another one awaits goes on with it: one row for all of them.
            around = facts.trace.get(event.parent)
            return around is None or around.kind != "resume"
        case "schedule":
            # Of a Future's callbacks, what they lead to is shown.
            target = str(event.data.get("target", ""))
            if how == "timer" and not facts.ran(event):
                return False  # most timeouts never run
            return how != "future" and not target.endswith("lambda")
        case "cancel":
            return how == "fd"
        case "call":
            return event.layer == "app" or words.short(event.name) in _STATIONS
    return False


_PASS_ON = ("loop", "future", "coroutine")


def _row(event: Event, chosen: Trace, at: dict[int, int], facts: Facts) -> Row:
    lane, caller = lane_of(event), _caller(event, chosen, at)
    if caller == lane:
        caller = None
    reported = ", ".join(facts.ready(event)) or "nobody is ready"
    note = reported if event.kind == "poll" else ""
    return Row(event, lane, _label(event, chosen), caller, _asker(event, chosen, at), note)


def _caller(event: Event, chosen: Trace, at: dict[int, int]) -> int | None:
    """Return the lane that an event was called from; None if nobody knows, or nobody called."""
    bottom = event
    for bottom in chosen.ancestors(event):
        if bottom.seq in at:
            return lane_of(bottom)
    # The loop calls what stands at the bottom of a stack, and it is the loop that polls.
    by_loop = event.kind in ("run", "resume", "poll", "call") and event.turn > 0
    return LOOP if by_loop and bottom.parent is None else None


def _asker(event: Event, chosen: Trace, at: dict[int, int]) -> int | None:
    """Return the row in which a run or resume was put into the loop: add_handler, add_callback."""
    if event.kind not in ("run", "resume"):
        return None
    for bracket in (event, *chosen.ancestors(event)):
        if bracket is not event and bracket.seq in at:
            return None  # called from there, in the same stack
        if bracket.kind == "run":
            for edge in (bracket.cause, bracket.link):
                asking = chosen.get(edge)
                if asking is not None and asking.kind == "schedule":
                    return at.get(asking.seq)
    return None


def _label(event: Event, chosen: Trace) -> str:
    """Return what stands in the box: the class is written above the lane."""
    data = event.data
    while event.kind == "resume":
        inner = [child for child in chosen.children(event) if child.kind == "resume"]
        if not inner:
            return f"{words.short(event.name)} goes on"
        event = inner[0]
    name = words.short(event.name)
    if event.kind == "syscall":
        said = data.get("op") or words.outcome(data).partition(" of ")[0]
        name = name.removeprefix("ssl_do_")
        said = said.removeprefix("SSL").removesuffix("Error")
        return f"{name} {said}".rstrip() if event.fd != event.data.get("value") else name
    if event.kind == "schedule":
        return f"{name} {event.fd}" if event.fd else name
    return name


def _bars(events: list[Event], chosen: Trace, at: dict[int, int]) -> list[Bar]:
    """Return the brackets that enclose a row of another event."""
    last: dict[int, int] = {}
    for row, event in enumerate(events):
        for around in chosen.ancestors(event):
            if around.seq in at:
                last[around.seq] = row
    bars = []
    for seq, row in last.items():
        lane = lane_of(chosen[seq])
        outer = [lane_of(other) for other in chosen.ancestors(chosen[seq]) if other.seq in last]
        bars.append(Bar(lane, at[seq], row, outer.count(lane)))
    return sorted(bars, key=lambda bar: bar.first)


def _bands(events: list[Event], trace: Trace) -> list[Band]:
    polls = {words.when(event): event for event in trace.whole if event.kind == "poll"}
    bands = []
    for when, rows in itertools.groupby(enumerate(events), lambda row: words.when(row[1])):
        numbers = [number for number, _event in rows]
        poll = polls.get(when)
        how = "" if poll is None else "no wait" if poll.data.get("wait") == "none" else "slept"
        bands.append(Band(when, numbers[0], numbers[-1], how))
    return bands


# ---- as text ----

_LEFT = 7  # columns: the event's number


def _draw_text(lanes: Lanes, width: int) -> Iterator[Text]:
    pitch = 3 if width < 100 else 4
    yield from _head(pitch)
    starts = {band.first: band for band in lanes.bands}
    for at, row in enumerate(lanes.rows):
        if at in starts:
            yield _band_line(starts[at], lanes, at, pitch)
        yield _row_line(row, lanes, at, pitch, width)


def _head(pitch: int) -> Iterator[Text]:
    """Yield the lanes' names as stairs: each above its lane, and as long as it is."""
    for lane, name in enumerate(LANES):
        earlier = [("│".ljust(pitch), PALETTE[other]) for other in LANES[:lane]]
        yield line(" " * _LEFT, *earlier, (name, f"bold {PALETTE[name]}"))


def _cells(lanes: Lanes, at: int, pitch: int) -> list[tuple[str, str]]:
    """Return the characters of a row between its lanes, with their colours, before its arrow."""
    cells = []
    running = {bar.lane for bar in lanes.bars if bar.first < at <= bar.last}
    for lane, name in enumerate(LANES):
        cells.append(("█" if lane in running else "│", PALETTE[name]))
        cells += [(" ", "")] * (pitch - 1)
    return cells


def _row_line(row: Row, lanes: Lanes, at: int, pitch: int, width: int) -> Text:
    cells = _cells(lanes, at, pitch)
    here = row.lane * pitch
    if row.caller is not None:
        there = row.caller * pitch
        step = 1 if here > there else -1
        for column in range(there + step, here, step):
            cells[column] = ("─", GREY)
        cells[here - step] = ("▶" if step > 0 else "◀", GREY)
    cells[here] = ("●", PALETTE[LANES[row.lane]])
    asked = "" if row.asked is None else f"  asked {lanes.rows[row.asked].event.seq}"
    said = f"{row.label}: {row.note}" if row.note else row.label
    said = words.cut(said, width - _LEFT - len(cells) - len(asked))
    return line(
        (f"{row.event.seq:5}  ", GREY), *cells, (said, PALETTE[LANES[row.lane]]),
        (asked, f"italic {ASKED}"),
    )  # fmt: skip


def _band_line(band: Band, lanes: Lanes, at: int, pitch: int) -> Text:
    title = f"── {band.when}" + (f", {band.how}" if band.how else "")
    return line(" " * _LEFT, *_cells(lanes, at, pitch), (title, f"bold {GREY}"))
