"""Turns: one row a turn of the loop.  Did it sleep, who woke it, what ran, what was queued?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich import box
from rich.console import RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from ..events import Event, Trace
from . import words
from .view import ASKED, GREY, WHY, View, colour_of


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
                Text(str(turn.number), Style(bold=True), justify="right"),
                Text("slept" if turn.slept else "no wait", Style(bold=turn.slept)),
                _lines(turn.woken_by, words.label, woken) if turn.woken_by else _nobody(turn),
                _lines(turn.ran, lambda event: self._ran(event, ran), ran),
                _lines(turn.queued, lambda event: _queued(event, queued), queued),
            )
        yield table

    def _ran(self, run: Event, width: int) -> Text:
        event = acting(run, self.trace)
        who = f" {event.req or event.conn}" if event.conn else ""
        cause = f" ← {run.cause}" if run.cause is not None else ""
        name = words.function(event) + (" goes on" if event.kind == "resume" else "")
        text = Text(f"#{run.seq} ", Style(color=GREY))
        text.append(
            _fit(name, width - len(text) - len(cause) - len(who)),
            Style(color=colour_of(event.layer or ""), bold=True),
        )
        return text.append(cause, Style(color=WHY)).append(who, Style(color=GREY))


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
    if turn.poll is None:
        return Text("not polled yet", Style(color=GREY))
    return Text("nobody" if turn.slept else "callbacks", Style(color=GREY))


def _queued(event: Event, width: int) -> Text:
    how = event.data.get("how")
    target = words.qualified(str(event.data.get("target") or ""))
    said = f"watch {event.fd}" if how == "fd" else target
    if how == "timer" and event.data.get("seconds") is not None:
        said += f" in {event.data['seconds']:g} s"
    text = Text(f"#{event.seq} ", Style(color=GREY))
    return text.append(_fit(said, width - len(text)), Style(color=ASKED))


def _fit(name: str, width: int) -> str:
    """Return a name in at most `width` characters: without its class, if that helps."""
    return name if len(name) <= width else words.cut(name.rpartition(".")[2], width)


def _lines(events: list[Event], render: object, width: int) -> Text:
    assert callable(render)
    lines = [render(event) for event in events]
    text = Text("\n").join(Text(line) if isinstance(line, str) else line for line in lines)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
