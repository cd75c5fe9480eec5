"""The story of a trace: one plain sentence a step, each with what it is because of.

    11 kernel     recv takes 38 bytes from c1 into the stream's buffer.
                  in 10
    12 future     Future#1 is resolved with 38 bytes; 1 callback waits for it.
                  in 10
    14 coroutine  The coroutine read_response goes on with 38 bytes.
                  because of 13, asked at 8

A step is an event that a rule of sentences.py picks.  What stands under it are the three edges
of its event, lifted to the nearest step: `in` is where (the bracket around it), `because of`
is why now, `asked at` is who wanted it.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from ..events import Event, Trace
from . import select, words
from .facts import Facts
from .sentences import sentence
from .view import ASKED, GREY, WHY, View, layer_cell, line

_EDGES = {"in": GREY, "because of": WHY, "asked at": ASKED}
_LEFT = 15  # columns before a sentence
_WIDEST = 110  # columns; a longer line is hard to find the next one from


@dataclass(frozen=True)
class Step:
    """One sentence.  `within`, `because`, `asked` are numbers of earlier steps, or None."""

    number: int
    event: Event
    sentence: str
    within: int | None
    because: int | None
    asked: int | None

    @property
    def key(self) -> str:
        """What this step is, in the words that all probe tables share."""
        return self.event.step or f"{self.event.kind} {words.short(self.event.name)}"

    def edges(self) -> list[tuple[str, int]]:
        """Return the edges as they are written: `[("because of", 13), ("asked at", 8)]`."""
        named = (("in", self.within), ("because of", self.because), ("asked at", self.asked))
        return [(name, number) for name, number in named if number is not None]


class Story(View):
    """The steps of a trace, of one connection (`conn`) or of one request (`req`).

    `brief` leaves out what a first reading can do without.
    """

    def __init__(
        self,
        trace: Trace,
        conn: str | None = None,
        req: str | None = None,
        brief: bool = False,
    ) -> None:
        self.trace = trace
        self.steps = _tell(select.about(trace, conn, req), trace, 1 if brief else 2)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def body(self, width: int) -> Iterable[RenderableType]:
        for when, steps in itertools.groupby(self.steps, lambda step: words.when(step.event)):
            yield line((f"{'':{_LEFT}}{when}", f"bold {GREY}"))
            for step in steps:
                yield from _step_lines(step, width)


def _step_lines(step: Step, width: int) -> Iterator[Text]:
    """Yield a step as lines: number and layer once, the sentence wrapped beside them."""
    # The parts of an edge are held together: a number alone on a line says nothing.  textwrap
    # breaks no line at a no-break space.
    edges = ", ".join(f"{name} {number}".replace(" ", "\u00a0") for name, number in step.edges())
    said = f"{step.sentence}  {edges}" if edges else step.sentence
    for at, part in enumerate(textwrap.wrap(said, max(20, min(width, _WIDEST) - _LEFT))):
        text = Text(part.replace("\u00a0", " "))
        for name, colour in _EDGES.items():
            text.highlight_regex(f"\\b{name} \\d+(?=,|$|  )", f"italic {colour}")
        begins = (f"{step.number:3} ", "bold"), layer_cell(step.event.layer)
        yield (line(*begins) if at == 0 else line(" " * _LEFT)) + text


def _tell(events: Iterable[Event], trace: Trace, rank: int) -> list[Step]:
    facts = Facts(trace)
    said = {event.seq: sentence(event, facts) for event in events}
    told = {seq: text for seq, (its_rank, text) in said.items() if its_rank <= rank}
    number = {seq: at for at, seq in enumerate(told, 1)}
    chosen = trace.only(trace[seq] for seq in told)
    return [
        Step(
            number[event.seq], event, told[event.seq],
            *(number.get(edge or 0) for edge in lifted(event, chosen, facts)),
        )
        for event in chosen
    ]  # fmt: skip


def lifted(
    event: Event, chosen: Trace, facts: Facts
) -> tuple[int | None, int | None, int | None]:
    """Return parent, cause and link of an event as edges between the events of `chosen`.

    What isn't chosen is stood for by the bracket around it.  A bracket on the way that has a
    cause of its own is where this stack begins: what made it run made the event happen.
    """
    at: Event | None = event
    link = None
    while at is not None:
        if at is not event and at.seq in chosen:
            return at.seq, None, _asked(event.link, chosen, facts)
        link = at.link if link is None else link
        if at.cause is not None:
            why = chosen.visible(at.cause)
            asked = _asked(link, chosen, facts)
            if why is not None and any(why is around for around in chosen.ancestors(at)):
                # A Future calls who waits for it at once: the cause is down the same stack.
                return why.seq, None, asked if asked != why.seq else None
            return None, why.seq if why else None, asked
        at = chosen.get(at.of if at.of is not None else at.parent)
    return None, None, _asked(link, chosen, facts)


def _asked(link: int | None, chosen: Trace, facts: Facts) -> int | None:
    """Return who of `chosen` stands for who asked.

    A coroutine that waits is several events in a row: it and those that wait for it stop, and
    its Runner leaves a callback with the Future.  The first of them is the one that asked.
    """
    event = chosen.get(link)
    while event is not None and event.seq not in chosen and _waits(event):
        before = facts.before(event)
        if before is None or not _waits(before):
            break
        event = before
    asked = chosen.visible(None if event is None else event.seq)
    return None if asked is None else asked.seq


def _waits(event: Event) -> bool:
    return event.kind == "yield" or (
        event.kind == "schedule" and event.data.get("how") == "future"
    )
