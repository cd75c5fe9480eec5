"""The views of a trace by the names that --view and --level give them."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from .output import Complaint

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from minitornado.trace import Trace

#: name: what it shows.
NAMES = {
    "story": "one plain sentence a step, and what each is because of",
    "step": "the story step by step, forward and back, with the source; keys move",
    "log": "one line an event, in their order",
    "lanes": "a picture: one lane a class, one band a turn of the loop",
    "turns": "one row a turn of the loop: slept or not, woken by, ran, queued",
    "why": "from one event (--event) back to the kernel",
    "tree": "what followed from what",
    "buffers": "both buffers of the stream, and what it watches for, over time",
    "counts": "turns, polls and system calls, in numbers",
}
DEFAULT = {"story": "story", "chain": "log", "full": "log"}  # by level


def name_of(options: argparse.Namespace) -> str:
    """Return the view that the options ask for."""
    if options.view is None and options.event is not None:
        return "why"
    return str(options.view or DEFAULT[options.level])


def log_level(options: argparse.Namespace) -> str:
    """Return the level of a log: that of the callbacks, unless every call is asked for."""
    return "full" if options.level == "full" else "chain"


def show(trace: Trace, options: argparse.Namespace, console: Console) -> None:
    """Print a trace as the options ask for it.  Raises Complaint for what isn't in it."""
    from minitornado.trace import views

    name = name_of(options)
    if name == "log":
        log = views.Live(console, level=log_level(options))
        for event in trace.filter(**_wanted(trace, options.of)) if options.of else trace:
            log(event)
        log.flush()
    elif name == "step":
        if sys.stdin is None:
            raise Complaint("--view step needs keys, and there is no input to read them from")
        views.Stepper(trace, **_wanted(trace, options.of)).run(console)
    else:
        console.print(_make(name, trace, options))


def _make(name: str, trace: Trace, options: argparse.Namespace) -> RenderableType:
    from minitornado.trace import views

    if name == "turns":
        return views.Turns(trace)
    if name == "why":
        return views.Why(trace, _event_number(trace, options.event))
    wanted = _wanted(trace, options.of)
    if name == "tree":
        return views.Tree(trace, level=log_level(options), **wanted)
    if name == "buffers":
        return views.Buffers(trace, _connection(trace, wanted))
    if name == "lanes":
        return views.Lanes(trace, **wanted)
    if name == "counts":
        return views.Counts(trace, **wanted)
    return views.Story(trace, **wanted)


def story_of(trace: Trace) -> dict[str, Any]:
    """Return whose story a trace is best told as, for a view: a request's, if it is only one.

    Of a request that never got as far as the application, it is the whole trace's.
    """
    answered = {event.req for event in trace if event.step == "dispatch" and event.req is not None}
    return {"req": answered.pop()} if len(answered) == 1 else {}


def _wanted(trace: Trace, of: str | None) -> dict[str, Any]:
    """Return what --of names, for a view or a filter."""
    if of is None:
        return story_of(trace)
    if of == "all":
        return {}
    if of in trace.requests():
        return {"req": of}
    if of in trace.connections():
        return {"conn": of}
    there = ", ".join([*trace.connections(), *trace.requests()]) or "none"
    raise Complaint(f"there is no connection or request {of!r}: there are {there}", status=2)


def _event_number(trace: Trace, wanted: int | None) -> int:
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



def _connection(trace: Trace, wanted: dict[str, Any]) -> str:
    """Return the connection of what is wanted, or the only one there is."""
    if wanted:
        return str(next(iter(wanted.values()))).partition("r")[0]
    connections = trace.connections()
    if len(connections) != 1:
        there = ", ".join(connections) or "none"
        raise Complaint(f"say of which connection, with --of: there are {there}", status=2)
    return connections[0]
