"""Loops: what the tracer does with an IOLoop, beside watching its methods.

A loop may run before the trace begins: `attach` puts Handles in the place of what waits in
it.  And it may outlive the trace: `detach` takes them out again, so that nothing is left.
"""

from __future__ import annotations

from typing import Any

from .recorder import Recorder, Site
from .wrappers import Wrapper


def close_loop(recorder: Recorder, site: Site) -> Wrapper:
    """Say that what still waits in a loop is dropped when the loop is closed."""
    original = site.original

    def close(*args: Any, **kwargs: Any) -> Any:
        lane = recorder.lane()
        if not lane.muted:
            recorder.skip(site)
            recorder.guard(recorder.dropped, lane, site, args[0])
        return original(*args, **kwargs)

    return close


def clock(recorder: Recorder, site: Site) -> Wrapper:
    """Keep what the loop's clock said last: a deadline is a distance from there."""
    original = site.original

    def time(*args: Any, **kwargs: Any) -> float:
        now: float = original(*args, **kwargs)
        lane = recorder.lane()
        lane.told = now
        if not lane.muted:
            recorder.skip(site)
        return now

    return time
