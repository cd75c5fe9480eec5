"""Turns: one row a turn of the loop.  Did it sleep, who woke it, what ran, what was queued?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..events import Event, Trace
from . import words
from .view import ASKED, GREY, WHY, View, colour_of, line


@dataclass
class Turn:
    """What happened in one turn.  `ran` are the runs at the bottom of a stack, in their order."""

    number: int
    poll: Event | None = None
    woken_by: list[Event] = field(default_factory=list)
    ran: list[Event] = field(default_factory=list)
    queued: list[Event] = field(default_factory=list)

    @property
    def slept(self) -> bool:
        """Whether the loop was ready to sleep: no callback was waiting."""
        return self.poll is not None and self.poll.data.get("wait") != "none"


class Turns(View):
    """The turns of the loop in a trace, from turn `first` to turn `last`, both included."""

    def __init__(self, trace: Trace, first: int = 1, last: int | None = None) -> None:
        self.trace = trace
        turns: dict[int, Turn] = {}
        for event in trace:
            if event.turn >= first and (last is None or event.turn <= last):
                _note(turns.setdefault(event.turn, Turn(event.turn)), event)
        self.turns = [turns[number] for number in sorted(turns)]

    def __iter__(self) -> Iterable[Turn]:
        return iter(self.turns)

    def __len__(self) -> int:
        return len(self.turns)

    def body(self, width: int) -> Iterable[RenderableType]:
        # Names as long as there is room for: the class goes first, then the end of the name.
        woken, queued = (14, 18) if width < 100 else (20, 28)
        ran = max(16, min(width, 140) - woken - queued - 24)
        table = Table(box=box.HORIZONTALS, show_lines=True, border_style=GREY, padding=(0, 1, 0, 0))
        for name, columns in (
            ("turn", 4), ("poll", 8), ("woken by", woken), ("ran, in this order", ran),
            ("queued for later", queued),
        ):  # fmt: skip
            table.add_column(name, width=columns, no_wrap=True, overflow="ellipsis")
        for turn in self.turns:
            table.add_row(
                Text(str(turn.number), "bold", justify="right"),
                Text("slept", "bold") if turn.slept else Text("no wait"),
                _lines([line(words.label(event)) for event in turn.woken_by] or [_nobody(turn)]),
                _lines([self._ran(event, ran) for event in turn.ran]),
                _lines([_queued(event, queued) for event in turn.queued]),
            )
        yield table

    def _ran(self, run: Event, width: int) -> Text:
        event = acting(run, self.trace)
        who = f" {event.req or event.conn}" if event.conn else ""
        cause = f" ← {run.cause}" if run.cause is not None else ""
        name = words.function(event) + (" goes on" if event.kind == "resume" else "")
        number = f"#{run.seq} "
        name = _fit(name, width - len(number + cause + who))
        style = f"bold {colour_of(event.layer or '')}"
        return line((number, GREY), (name, style), (cause, WHY), (who, GREY))


def acting(run: Event, trace: Trace) -> Event:
    """Return what a run is about: the coroutine, if it is a Runner's that resumes one."""
    inside = [event for event in trace.children(run) if event.kind in ("resume", "call")]
    if run.layer == "coroutine" and inside:
        return inside[0]
    return run


def _note(turn: Turn, event: Event) -> None:
    if event.kind == "poll":
        turn.poll = event
    elif event.kind == "ready":
        turn.woken_by.append(event)
    elif event.kind == "run" and event.parent is None:
        turn.ran.append(event)
    elif event.kind == "schedule" and event.data.get("how") in ("callback", "timer", "fd"):
        turn.queued.append(event)


def _nobody(turn: Turn) -> Text:
    return line(("nobody" if turn.slept else "callbacks", GREY))


def _queued(event: Event, width: int) -> Text:
    how = event.data.get("how")
    target = words.qualified(str(event.data.get("target") or ""))
    said = f"watch {event.fd}" if how == "fd" else target
    if how == "timer" and event.data.get("seconds") is not None:
        said += f" in {event.data['seconds']:g} s"
    number = f"#{event.seq} "
    return line((number, GREY), (_fit(said, width - len(number)), ASKED))


def _fit(name: str, width: int) -> str:
    """Return a name in at most `width` characters: without its class, if that helps."""
    return name if len(name) <= width else words.cut(name.rpartition(".")[2], width)


def _lines(lines: list[Text]) -> Text:
    text = Text("\n").join(lines)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
