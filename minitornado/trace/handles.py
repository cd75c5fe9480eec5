"""Handle: what the loop and the Futures are given in the place of a callable.

The loop calls it as it would call the callable, and knows no difference.  It remembers who
handed the callable over, for which connection and request; when it is called, it says so.
So nothing is ever matched afterwards: the cause of a call travels with the callable.

A callable is often handed on before it runs: `add_future(future, callback)` gives the Future
a lambda, which gives the loop the callback.  What the loop is given then is a Handle already.
The new one keeps who asked first, and for whom, and takes the new cause.
"""

from __future__ import annotations

import functools
from types import MethodType
from typing import TYPE_CHECKING, Any

from .names import Known

if TYPE_CHECKING:
    from .recorder import Recorder
    from .writer import Lane


class Handle:
    """A callable, and who asked for it.  Compares, hashes and prints as the callable does."""

    __slots__ = (
        "_call", "cause", "conn", "coroutine", "fd", "function", "how", "known", "link", "merged",
        "number", "ran", "receiver", "recorder", "recurring", "req", "site",
    )  # fmt: skip

    def __init__(
        self,
        recorder: Recorder,
        function: Any,
        how: str,
        number: int,
        lane: Lane,
        recurring: bool = False,
    ) -> None:
        self.recorder = recorder
        self.function: Any = function.function if isinstance(function, Handle) else function
        self.how = how
        self.number = number
        self.recurring = recurring
        self.ran = False
        self.cause: int | None = None  # seq of what makes it run, where that is known now
        self.link: int | None = None  # seq of what registered it
        self.conn = lane.conn
        self.req = lane.req
        self.fd: int | None = None
        self.known: Known | None = None  # of the Future that it waits for
        self.coroutine: str | None = None  # name of the one that it takes further
        self.receiver = getattr(self.function, "__self__", None)
        # The bracket of a probed function and that of its run are one.
        self.site, self.merged = recorder.site_of(self.function)
        self._call = self.function
        if self.merged:
            self._call = self.site.original
            if self.receiver is not None:
                self._call = MethodType(self._call, self.receiver)

    def is_scheduled_by(self, seq: int, passed: Handle | None, done: bool = False) -> None:
        """Take the edges: from event `seq`, which scheduled it, or the Handle `passed` on.

        `done`: the Future that it waits for is done, so that it runs now.
        """
        self.cause = self.link = seq
        if passed is not None:
            self.link, self.conn, self.req = passed.link, passed.conn, passed.req
        if self.how == "future" and not done:
            self.cause = None  # the Future's resolution, when it comes

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        recorder = self.recorder
        lane = recorder.lane()
        if lane.muted:
            return self.function(*args, **kwargs)
        self.ran = True
        flow = lane.conn, lane.req
        lane.conn, lane.req = self.conn, None if self.recurring else self.req
        opened = recorder.open_run(lane, self, args)
        try:
            value = self._call(*args, **kwargs)
        except BaseException as error:
            recorder.close(lane, opened, "raise", error=error)
            raise
        else:
            recorder.close(lane, opened, "done", value)
            return value
        finally:
            lane.conn, lane.req = flow

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
    while isinstance(function, functools.partial):
        function = function.func
    return function if isinstance(function, Handle) else None
