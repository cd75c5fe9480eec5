"""Why: from an event back to the kernel, one joint after the other.

    kernel  send c1 128 B   #48 turn 2
            in IOStream.write ← HTTP1Connection.write_headers ← hello ← ... ← read_response
            asked for by add_done_callback → Runner.run   #25 turn 1
    because
    loop    add_callback → Runner.run   #37 turn 2
            ...
    because
    kernel  epoll_wait: 1 ready   #31 turn 2

A traceback ends where the loop called; this goes on from there.  `in` is the stack of one such
stretch, from the inside out; `because` is what made the bottom of that stack run now; `asked
for by` is who wanted it to run.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from ..events import Event, Trace
from . import words
from .view import ASKED, GREY, WHY, View, layer_cell, line

_LEFT = 11  # columns: the layer's name


@dataclass(frozen=True)
class Joint:
    """An event with the stack it happened in, from the inside out, and who else asked for that."""

    event: Event
    stack: tuple[Event, ...]
    asked: Event | None


class Why(View):
    """Why the event number `seq` happened.  `frames` of each stack are shown at most.

    Raises KeyError if the trace has no such event.
    """

    def __init__(self, trace: Trace, seq: int, frames: int = 8) -> None:
        self.trace = trace
        self._frames = frames
        event = trace[seq]
        self.joints = list(_joints(trace, trace.get(event.of) or event))

    def body(self, width: int) -> Iterable[RenderableType]:
        before: Joint | None = None
        for joint in self.joints:
            if before is not None:
                yield line(("because", f"bold {WHY}"))
            yield _first_line(joint.event, width)
            yield from self._stack_lines(joint, width)
            if joint.asked is not None and (before is None or joint.asked is not before.asked):
                yield from _asked_lines(joint.asked, self.trace, width)
            before = joint
        bottom = (self.joints[-1].event, *self.joints[-1].stack)[-1]
        if bottom.cause is not None or bottom.parent is not None:
            yield line((f"{'':{_LEFT}}What led to it is not in this trace.", f"italic {GREY}"))
        elif bottom.kind != "poll":
            yield line((f"{'':{_LEFT}}The program did this itself.", f"italic {GREY}"))

    def _stack_lines(self, joint: Joint, width: int) -> Iterator[Text]:
        names = [words.function(event) for event in joint.stack]
        if len(names) > self._frames:
            # The bottom is kept: it is what the loop called, and what the cause is about.
            left_out = len(names) - self._frames + 1
            names[self._frames - 2 : -1] = [f"… {left_out} more …"]
        if names:
            yield from _wrapped("in " + " ← ".join(names), width, GREY)


def _joints(trace: Trace, event: Event) -> Iterator[Joint]:
    at: Event | None = event
    while at is not None:
        stack: list[Event] = []
        for bracket in (at, *trace.ancestors(at)):
            stack.append(bracket)
            if bracket.cause is not None:
                break
        cause = stack[-1].cause
        link = next((bracket.link for bracket in stack if bracket.link is not None), None)
        # Who asked is told once: not here, if that is what made it run as well.
        yield Joint(at, tuple(stack[1:]), trace.get(link) if link != cause else None)
        at = trace.get(cause)


def _first_line(event: Event, width: int) -> Text:
    where = f"  #{event.seq} {words.when(event)}"
    label = words.cut(words.label(event), width - _LEFT - len(where))
    return line(layer_cell(event.layer), (label, "bold"), (where, GREY))


def _asked_lines(event: Event, trace: Trace, width: int) -> Iterator[Text]:
    inside = next(iter(trace.ancestors(event)), None)
    where = f", in {words.function(inside)}" if inside is not None else ""
    said = f"asked for by {words.label(event)}  #{event.seq} {words.when(event)}{where}"
    yield from _wrapped(said, width, ASKED)


def _wrapped(said: str, width: int, colour: str) -> Iterator[Text]:
    for at, part in enumerate(textwrap.wrap(said, max(20, width - _LEFT - 2))):
        yield line((" " * (_LEFT + 2 * (at > 0)) + part, colour))
