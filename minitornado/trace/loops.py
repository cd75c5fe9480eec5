"""Loops: what the tracer does with an IOLoop, beside watching its methods.

A loop may run before the trace begins: `attach` puts Handles in the place of what waits in
it.  And it may outlive the trace: `detach` takes them out again, so that nothing is left.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MethodType
from typing import Any

from .handles import Handle, find
from .recorder import Recorder
from .wrappers import Wrapper, written_before
from .writer import Lane, Site


def attach(recorder: Recorder, loop: Any) -> None:
    """Put a Handle in the place of every callable that waits in `loop`.

    Who asked for it, and for which request, nobody knows any more: its link is an event that
    says so.  A stream that is watched is a connection that begins here.
    """
    for place in recorder.table.places(loop):
        order = find(place.function)
        if order is not None and order.recorder is recorder:
            continue
        function = _unwrapped(place.function)
        _swap_captured(function, recorder.wrappers)
        place.put(recorder.attached(loop, place, function))


def detach(recorder: Recorder, loop: Any) -> None:
    """Take the Handles out again.  Those in callbacks stay: they run once more, and do nothing."""
    originals = {wrapper: original for original, wrapper in recorder.wrappers.items()}
    for place in recorder.table.places(loop):
        if place.how != "callback" and find(place.function) is not None:
            function = _unwrapped(place.function)
            _swap_captured(function, originals)
            place.put(function)


def _unwrapped(function: Any) -> Any:
    """Return a callable without its Handle."""
    if isinstance(function, Handle):
        return function.order.function
    if isinstance(function, functools.partial) and find(function) is not None:
        return functools.partial(_unwrapped(function.func), *function.args, **function.keywords)
    return function


def _swap_captured(function: Any, others: Mapping[Any, Any]) -> None:
    """Replace the bound methods that a closure has captured, where there is another function.

    `add_accept_handler` keeps `self._handle_connection` in a closure: whatever stands in the
    class later, the closure calls what stood there when the server began to listen.
    """
    for cell in getattr(function, "__closure__", None) or ():
        cell.cell_contents = _swapped(cell.cell_contents, others)


def _swapped(function: Any, others: Mapping[Any, Any]) -> Any:
    """Return a bound method, or a partial of one, with the other function that there is for it."""
    if isinstance(function, functools.partial):
        inner = _swapped(function.func, others)
        return functools.partial(inner, *function.args, **function.keywords)
    if isinstance(function, MethodType) and function.__func__ in others:
        return MethodType(others[function.__func__], function.__self__)
    return function


# ---- probes of its own ----


def close_loop(recorder: Recorder, site: Site) -> Wrapper:
    """Say that what still waits in a loop is dropped when the loop is closed."""

    def write(lane: Lane, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        site.unwritten += 1
        recorder.dropped(lane, site, args[0])

    return written_before(recorder, site, write)


def clock(recorder: Recorder, site: Site) -> Wrapper:
    """Keep what the loop's clock said last: a deadline is a distance from there."""
    original = site.original

    def time(loop: Any) -> float:
        now: float = original(loop)
        lane = recorder.lanes.lane
        lane.told = now
        if not lane.muted:
            site.unwritten += 1
        return now

    return time
