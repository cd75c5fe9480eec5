"""Buffers and interest over time: what lies in a stream, and what the loop is asked to watch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import RenderableType

from minitornado.classroom.palette import PALETTE

from ..events import Event, Trace
from . import words
from .view import GREY, View, line

_BAR = 12  # columns


@dataclass(frozen=True)
class Level:
    """How full the buffers of a stream were after an event, in bytes, and what was watched for."""

    event: Event
    read: int
    write: int
    watched: str | None  # None: the kernel does not know of the fd


class Buffers(View):
    """The two buffers of a connection's stream, and its interest, each time that one changes.

    `conn` may be left out if the trace has only one.
    """

    def __init__(self, trace: Trace, conn: str | None = None) -> None:
        if conn is None:
            found = trace.connections()
            if len(found) != 1:
                raise ValueError(f"which connection? {', '.join(found) or 'there is none'}")
            conn = found[0]
        self.conn = conn
        self.levels = _levels(trace, conn)

    def body(self, width: int) -> Iterable[RenderableType]:
        most = max((max(level.read, level.write) for level in self.levels), default=0)
        name = max(12, min(34, width - 62))
        head = f"{'seq':>5} turn {'after':{name}} {'read buffer':20} {'write buffer':20} watched"
        yield line((words.cut(head, width), f"bold {GREY}"))
        for level in self.levels:
            event = level.event
            after = words.cut(words.short(event.name), name)
            yield line(
                f"{event.seq:5} {event.turn:4} {after:{name}} ",
                *_bar(level.read, most), *_bar(level.write, most), level.watched or "-",
            )  # fmt: skip


def _bar(count: int, most: int) -> list[str | tuple[str, str]]:
    """Return a number as a bar and in digits, in 21 columns; any byte at all is to be seen."""
    bar = "█" * -(-count * _BAR // most) if most else ""
    number = f" {count:,}" if bar else "0"
    return [(bar, PALETTE["IOStream"]), f"{number:{21 - len(bar)}}"]


def _levels(trace: Trace, conn: str) -> list[Level]:
    levels = []
    last: Level | None = None
    streams: set[str | None] = set()
    for event in trace.whole:
        if event.conn == conn and "Stream#" in (event.obj or ""):
            streams.add(event.obj)
        delta = event.data.get("delta")
        if not delta or event.obj not in streams:
            continue
        before = last or Level(event, 0, 0, None)
        now = Level(
            event,
            delta.get("rbuf", (0, before.read))[1],
            delta.get("wbuf", (0, before.write))[1],
            delta["mask"][1] if "mask" in delta else before.watched,
        )
        if (now.read, now.write, now.watched) != (before.read, before.write, before.watched):
            levels.append(now)
            last = now
    return levels
