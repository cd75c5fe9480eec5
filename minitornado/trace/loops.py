"""Loops: what the tracer does with an IOLoop, beside watching its methods.

A loop may run before the trace begins: `attach` puts Handles in the place of what waits in
it.  And it may outlive the trace: `detach` takes them out again, so that nothing is left.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any

from .handles import Handle, find
from .recorder import Recorder
from .wrappers import Wrapper, written_before
from .writer import Site


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
    return _inside(function, lambda it: it.order.function if isinstance(it, Handle) else it)


def _swap_captured(function: Any, others: Mapping[Any, Any]) -> None:
    """Replace the bound methods that a closure has captured, where there is another function.

    `add_accept_handler` keeps `self._handle_connection` in a closure: whatever stands in the
    class later, the closure calls what stood there when the server began to listen.
    """

    def swapped(method: Any) -> Any:
        other = others.get(method.__func__) if isinstance(method, MethodType) else None
        return method if other is None else MethodType(other, method.__self__)

    for cell in getattr(function, "__closure__", None) or ():
        cell.cell_contents = _inside(cell.cell_contents, swapped)


def _inside(function: Any, change: Callable[[Any], Any]) -> Any:
    """Return a callable after a change; of a partial, what it is a partial of is changed."""
    if not isinstance(function, functools.partial):
        return change(function)
    inner = _inside(function.func, change)
    return functools.partial(inner, *function.args, **function.keywords)


# ---- probes of its own ----


def close_loop(recorder: Recorder, site: Site) -> Wrapper:
    """Say that what still waits in a loop is dropped when the loop is closed."""
    return written_before(recorder, site, recorder.dropped)


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
