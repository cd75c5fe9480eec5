"""The views of a trace by the names that --view and --level give them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from .output import Complaint

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from minitornado.trace import Trace

#: name: what it shows.
NAMES = {
    "story": "one plain sentence a step, and what each is because of",
    "log": "one line an event, in their order",
    "lanes": "a picture: one lane a class, one band a turn of the loop",
    "turns": "one row a turn of the loop: slept or not, woken by, ran, queued",
    "why": "from one event (--event) back to the kernel",
    "tree": "who called whom, broken where the kernel spoke",
    "counts": "turns, polls and system calls, in numbers",
}
DEFAULT = {"story": "story", "chain": "log", "full": "log"}  # by level


def name_of(options: argparse.Namespace) -> str:
    """Return the view that the options ask for."""
    if options.view is None and options.event is not None:
        return "why"
    return str(options.view or DEFAULT[options.level])


def show(trace: Trace, options: argparse.Namespace, console: Console) -> None:
    """Print a trace as the options ask for it."""
    name = name_of(options)
    if name == "log":
        from minitornado.trace.views import Live

        log = Live(console, level=log_level(options))
        for event in trace:
            log(event)
        log.flush()
    else:
        console.print(make(name, trace, options))


def make(name: str, trace: Trace, options: argparse.Namespace) -> RenderableType:
    """Return the view of that name."""
    from minitornado.trace import views

    if name == "why":
        return views.Why(trace, event_number(trace, options.event))
    if name == "tree":
        return views.Tree(trace, level=log_level(options))
    plain: dict[str, Callable[[Trace], RenderableType]] = {
        "story": views.Story, "lanes": views.Lanes, "turns": views.Turns, "counts": views.Counts,
    }  # fmt: skip
    return plain[name](trace)


def log_level(options: argparse.Namespace) -> str:
    """Return the level of a log: that of the callbacks, unless every call is asked for."""
    return "full" if options.level == "full" else "chain"


def event_number(trace: Trace, wanted: int | None) -> int:
    """Return the event to explain: the one that is asked for, or the last bytes that were sent."""
    if wanted is None:
        sent = [event.seq for event in trace if event.kind == "syscall" and event.name == "send"]
        if not sent:
            raise Complaint("nothing was sent; say which event with --event", status=2)
        return sent[-1]
    if trace.get(wanted) is None:
        last = trace.events[-1].seq if trace.events else 0
        raise Complaint(f"there is no event {wanted}: they go from 1 to {last}", status=2)
    return wanted
