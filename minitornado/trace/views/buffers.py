"""Buffers and interest over time: what lies in a stream, and what the loop is asked to watch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import RenderableType

from minitornado.classroom.palette import PALETTE

from ..events import Event, Trace
from . import words
from .state import changing, states
from .view import GREY, WHY, View, line

_BAR = 12  # columns


@dataclass(frozen=True)
class Level:
    """How full the buffers of a stream were after an event, in bytes, and what was watched for."""

    event: Event
    read: int | None  # None: not known
    write: int | None
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
        self._all = trace.meta.get("level") != "chain"

    def body(self, width: int) -> Iterable[RenderableType]:
        if not self._all:
            yield line(("This trace lacks what calls have changed: record it at level full.", WHY))
        most = max((max(level.read or 0, level.write or 0) for level in self.levels), default=0)
        name = max(12, min(34, width - 62))
        head = f"{'seq':>5} turn {'after':{name}} {'read buffer':20} {'write buffer':20} watched"
        yield line((words.cut(head, width), f"bold {GREY}"))
        for level in self.levels:
            event = level.event
            after = words.cut(words.short(event.name), name)
            yield line(
                f"{event.seq:5} {event.turn:4} {after:{name}} ",
                *_bar(level.read, most), *_bar(level.write, most), _watched(level),
            )  # fmt: skip


def _bar(count: int | None, most: int) -> list[str | tuple[str, str]]:
    """Return a number as a bar and in digits, in 21 columns; any byte at all is to be seen."""
    if count is None:
        return [f"{'not known':21}"]
    bar = "█" * -(-count * _BAR // most) if most else ""
    number = f" {count:,}" if bar else "0"
    return [(bar, PALETTE["IOStream"]), f"{number:{21 - len(bar)}}"]


def _watched(level: Level) -> str:
    return "-" if level.watched is None else level.watched or "not known"


def _levels(trace: Trace, conn: str) -> list[Level]:
    levels: list[Level] = []
    before: tuple[int | None, int | None, str | None] = (0, 0, None)
    for event, state in states(trace):
        fill = state.fills.get(conn)
        if fill is None or any(changing(fill, name, event, trace) for name in ("rbuf", "wbuf")):
            continue
        now = fill.read, fill.write, state.watched.get(conn)
        if now != before:
            levels.append(Level(event, *now))
        before = now
    return levels
