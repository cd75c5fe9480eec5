"""Turns: one row a turn of the loop.  Did it sleep, who woke it, what ran, what was queued?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    lane: str = "loop"
    poll: Event | None = None
    woken_by: list[Event] = field(default_factory=list)
    ran: list[Event] = field(default_factory=list)
    queued: list[Event] = field(default_factory=list)

    @property
    def slept(self) -> bool:
        """Whether the loop was ready to sleep: no callback was waiting."""
        return self.poll is not None and self.poll.data.get("wait") != "none"


class Turns(View):
    """The turns of the loop in a trace, from turn `first` to turn `last`, both included.

    Of several loops, each has its own turns, and they stand in the order in which they began.
    """

    def __init__(self, trace: Trace, first: int = 1, last: int | None = None) -> None:
        self.trace = trace
        turns: dict[str, Turn] = {}
        for event in trace:
            if event.turn >= first and (last is None or event.turn <= last):
                _note(turns.setdefault(words.when(event), Turn(event.turn, event.lane)), event)
        self.turns = list(turns.values())

    def __iter__(self) -> Iterator[Turn]:
        return iter(self.turns)

    def __len__(self) -> int:
        return len(self.turns)

    def body(self, width: int) -> Iterable[RenderableType]:
        woken, queued = (9, 22) if width < 100 else (19, 27)
        several = len({turn.lane for turn in self.turns}) > 1
        number = max(len(turn.lane) for turn in self.turns) if several else 4
        ran = max(16, min(width, 130) - number - 7 - woken - queued - 4 * 2)
        table = Table(
            box=box.HORIZONTALS, show_edge=False, show_lines=True, pad_edge=False,
            padding=(0, 1, 0, 0), border_style=GREY, header_style=f"bold {GREY}",
        )  # fmt: skip
        table.add_column("turn", width=number, justify="right", style="bold")
        for name, size in (
            ("poll", 7), ("woken by", woken), ("ran, in this order", ran),
            ("queued for later", queued),
        ):  # fmt: skip
            table.add_column(name, width=size)
        for turn in self.turns:
            table.add_row(
                f"{turn.number}" + f"\n{turn.lane}" * several,
                Text("slept", "bold") if turn.slept else "no wait",
                _woken(turn),
                Text("\n").join(self._ran(event, ran) for event in turn.ran),
                Text("\n").join(_queued(event, queued) for event in turn.queued),
            )
        yield table

    def _ran(self, run: Event, width: int) -> Text:
        event = acting(run, self.trace)
        number, cause = f"#{run.seq} ", f" ← {run.cause}"
        who = f" {event.req or event.conn}" if event.conn and width >= 40 else ""
        name = words.function(event)
        own = words.own_name(name)
        names = (f"{own} goes on", own) if event.kind == "resume" else (name, own)
        name = _fit(names, width - len(number + cause + who))
        style = f"bold {colour_of(event.layer)}"
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


def _woken(turn: Turn) -> Text:
    if not turn.woken_by:
        return Text("nobody" if turn.slept else "callbacks", GREY)
    return Text("\n".join(words.label(event) for event in turn.woken_by))


def _queued(event: Event, width: int) -> Text:
    how = event.data.get("how")
    said = f"watch {event.fd}" if how == "fd" else words.own_name(words.target(event))
    if how == "timer" and event.data.get("seconds") is not None:
        said += f" in {event.data['seconds']:g} s"
    number = f"#{event.seq} "
    return line((number, GREY), (words.cut(said, width - len(number)), ASKED))


def _fit(names: tuple[str, ...], width: int) -> str:
    """Return the first of `names` that fits, or as much of the last as does."""
    return next((name for name in names if len(name) <= width), words.cut(names[-1], width))
