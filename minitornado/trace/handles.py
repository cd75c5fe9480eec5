"""Handle: what the loop and the Futures are given in the place of a callable.

The loop calls it as it would call the callable, and knows no difference.  It remembers who
handed the callable over, for which connection and request; when it is called, it says so.
So nothing is ever matched afterwards: the cause of a call travels with the callable.

A callable is often handed on before it runs: `add_future(future, callback)` gives the Future
a callable, which gives the loop the callback.  What the loop is given then is a Handle already.
The new one keeps who asked first, and for whom, and takes the new cause.

What is remembered stands in an Order.  The Handle has the attributes of the callable, by a
`__getattr__`, and where there is one Python is slow to find any attribute at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .names import Known, innermost, name_of

if TYPE_CHECKING:
    from .recorder import Recorder
    from .writer import Flow, Site


class Order:
    """That a callable is to be called, now or later: who asked for it, for whom, and why it runs.

    `how` it is called: "callback", "timer", "fd", "future", "thread"; or "stored", if somebody
    keeps it who will call it.
    """

    def __init__(
        self, recorder: Recorder, function: Any, how: str, flow: Flow, passed: Order | None = None
    ) -> None:
        self.recorder = recorder
        self.how = how
        self.number = next(recorder.handles)
        self.ran = False
        self.cause: int | None = None  # seq of what makes it run, where that is known now
        self.fd: int | None = None
        self.known: Known | None = None  # of the Future that it waits for
        self.link: int | None = None if passed is None else passed.link  # seq of who registered it
        if passed is not None:
            self.flow: Flow = passed.flow
            self.function: Any = passed.function
            self.receiver: Any = passed.receiver
            self.coroutine: str | None = passed.coroutine
            self.site: Site = passed.site
            self.merged: bool = passed.merged
            return
        self.flow = (flow[0], None) if how == "fd" else flow  # a handler outlives the request
        self.function = function
        self.receiver = getattr(function, "__self__", None)
        coroutine = recorder.table.coroutine_of(function)  # the one that it takes further
        self.coroutine = None if coroutine is None else name_of(coroutine)
        # The bracket of a probed function and that of its run are one.
        self.site, self.merged = recorder.site_of(function)

    def told(self) -> dict[str, Any]:
        """Return the data of the event that schedules it."""
        data = {"how": self.how, "handle": self.number, "target": self.site.name}
        if self.coroutine is not None:
            data["coroutine"] = self.coroutine
        return data


class Handle:
    """Stands for a callable.  Compares, hashes and prints as it does, and has its attributes."""

    def __init__(self, order: Order) -> None:
        self.order = order

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        order = self.order
        recorder = order.recorder
        lane = recorder.lanes.lane
        if lane.muted:
            return order.function(*args, **kwargs)
        order.ran = True
        flow = lane.flow
        lane.flow = order.flow
        opened = recorder.open_run(lane, order, args)
        try:
            if not order.merged:
                value = order.function(*args, **kwargs)
            elif order.receiver is None:
                value = order.site.original(*args, **kwargs)
            else:
                value = order.site.original(order.receiver, *args, **kwargs)
        except BaseException as error:
            recorder.close(lane, opened, "raise", error=error)
            raise
        else:
            recorder.close(lane, opened, "done", value)
            return value
        finally:
            lane.flow = flow

    def __eq__(self, other: object) -> bool:
        function = self.order.function
        return bool(function == (other.order.function if isinstance(other, Handle) else other))

    def __hash__(self) -> int:
        return hash(self.order.function)

    def __repr__(self) -> str:
        return repr(self.order.function)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.order.function, name)


def find(function: Any) -> Order | None:
    """Return the Order of the Handle inside a callable, which may be a partial of it."""
    function = innermost(function)
    return function.order if isinstance(function, Handle) else None
