"""Handle: what the loop and the Futures are given in the place of a callable.

The loop calls it as it would call the callable, and knows no difference.  It remembers who
handed the callable over, for which connection and request; when it is called, it says so.
So nothing is ever matched afterwards: the cause of a call travels with the callable.

A callable is often handed on before it runs: `add_future(future, callback)` gives the Future
a lambda, which gives the loop the callback.  What the loop is given then is a Handle already.
The new one keeps who asked first, and for whom, and takes the new cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .names import Known, innermost, name_of

if TYPE_CHECKING:
    from .recorder import Recorder
    from .writer import Flow


class Handle:
    """A callable, and who asked for it.  Compares, hashes and prints as the callable does."""

    ran = False
    cause: int | None = None  # seq of what makes it run, where that is known now
    link: int | None = None  # seq of what registered it
    fd: int | None = None
    known: Known | None = None  # of the Future that it waits for
    coroutine: str | None = None  # name of the one that it takes further

    def __init__(
        self, recorder: Recorder, function: Any, how: str, flow: Flow, recurring: bool
    ) -> None:
        self.recorder = recorder
        self.function: Any = function.function if isinstance(function, Handle) else function
        self.how = how
        self.number = next(recorder.handles)
        self.flow = flow
        self.recurring = recurring
        self.receiver = getattr(self.function, "__self__", None)
        coroutine = recorder.table.coroutine_of(self.function)
        if coroutine is not None:
            self.coroutine = name_of(coroutine)
        # The bracket of a probed function and that of its run are one.
        self.site, self.merged = recorder.site_of(self.function)

    def told(self) -> dict[str, Any]:
        """Return the data of the event that schedules it."""
        data = {"how": self.how, "handle": self.number, "target": self.site.name}
        if self.coroutine is not None:
            data["coroutine"] = self.coroutine
        return data

    def is_scheduled_by(self, seq: int, passed: Handle | None, done: bool = False) -> None:
        """Take the edges: from event `seq`, which scheduled it, or the Handle `passed` on.

        `done`: the Future that it waits for is done, so that it runs now.
        """
        self.link = seq
        if passed is not None:
            self.link, self.flow = passed.link, passed.flow
        if self.how != "future" or done:  # else the Future's resolution, when it comes
            self.cause = seq

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        recorder = self.recorder
        lane = recorder.lanes.lane
        if lane.muted:
            return self.function(*args, **kwargs)
        self.ran = True
        flow = lane.flow
        lane.flow = (self.flow[0], None) if self.recurring else self.flow
        opened = recorder.open_run(lane, self, args)
        try:
            if not self.merged:
                value = self.function(*args, **kwargs)
            elif self.receiver is None:
                value = self.site.original(*args, **kwargs)
            else:
                value = self.site.original(self.receiver, *args, **kwargs)
        except BaseException as error:
            recorder.close(lane, opened, "raise", error=error)
            raise
        else:
            recorder.close(lane, opened, "done", value)
            return value
        finally:
            lane.flow = flow

    def __eq__(self, other: object) -> bool:
        return bool(self.function == (other.function if isinstance(other, Handle) else other))

    def __hash__(self) -> int:
        return hash(self.function)

    def __repr__(self) -> str:
        return repr(self.function)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)


def find(function: Any) -> Handle | None:
    """Return the Handle inside a callable, which may be a partial of it; None if there is none."""
    function = innermost(function)
    return function if isinstance(function, Handle) else None
