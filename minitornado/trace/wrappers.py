"""Wrappers: what stands in the place of a traced function, one kind for each kind of row.

All have one shape: look at the lane, write what is to be written before, call the original,
write what is to be written after.  A wrapper that outlives its trace (somebody has kept a
bound method) finds a muted lane, and only calls the original.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .coroutines import coroutine_wrapper, step_wrapper
from .handles import Handle
from .probes import Cancel, Custom, Poll, Probe, Receives, Resolve, Row, Schedule, Segments, Syscall
from .recorder import Recorder
from .writer import Site

Wrapper = Callable[..., Any]


def wrapper_of(recorder: Recorder, site: Site) -> Any:
    """Return what takes the place of the function at `site`."""
    row: Row = site.row
    if isinstance(row, Custom):
        return row.factory(recorder, site)
    return _FACTORIES[type(row)](recorder, site)


def _bracket(recorder: Recorder, site: Site) -> Wrapper:
    original, row = site.original, site.row
    if inspect.iscoroutinefunction(original):
        return coroutine_wrapper(recorder, site)
    scope, keeps, returns = row.scope or row.opens == "conn", row.keeps, row.returns

    def call(*args: Any, **kwargs: Any) -> Any:
        lane = recorder.lanes.lane
        if lane.muted:
            return original(*args, **kwargs)
        flow = lane.flow
        opened = recorder.open(lane, site, args, kwargs)
        if keeps is not None and opened is not None:
            callback = site.argument(keeps, args, kwargs)
            kept = callback and recorder.guard(recorder.kept, lane, callback, opened)
            args = site.replaced(keeps, kept or callback, args, kwargs)
        try:
            value = original(*args, **kwargs)
        except BaseException as error:
            recorder.close(lane, opened, "raise", error=error)
            raise
        else:
            recorder.close(lane, opened, "return", value)
            if returns and value is not None:
                recorder.guard(recorder.watch_class, type(value), returns)
            return value
        finally:
            if scope:
                lane.flow = flow

    return call


def _schedule(recorder: Recorder, site: Site) -> Wrapper:
    original, row = site.original, site.row
    arg, held_as = row.arg, row.held_as

    def schedule(*args: Any, **kwargs: Any) -> Any:
        lane = recorder.lanes.lane
        if lane.muted:
            return original(*args, **kwargs)
        function = holder = site.argument(arg, args, kwargs)
        if held_as is not None:
            function = getattr(holder, held_as)
        order = None
        if function is None or (row.inside and not lane.inside[1]):
            site.unwritten += 1
        else:
            order = recorder.guard(recorder.scheduled, lane, site, args, kwargs, function)
        if order is None:
            return original(*args, **kwargs)
        if held_as is not None:
            setattr(holder, held_as, Handle(order))
        else:
            args = site.replaced(arg, Handle(order), args, kwargs)
        try:
            value = original(*args, **kwargs)
        except BaseException as error:
            recorder.guard(recorder.cancelled, lane, site, order, error)
            raise
        if order.fd is not None:
            recorder.handlers[order.fd] = order
        return value

    return schedule


def written_before(recorder: Recorder, site: Site, write: Callable[..., object]) -> Wrapper:
    """Return a wrapper that calls `write(lane, site, args, kwargs)`, then the original."""
    original = site.original

    def call(*args: Any, **kwargs: Any) -> Any:
        lane = recorder.lanes.lane
        if not lane.muted:
            recorder.guard(write, lane, site, args, kwargs)
        return original(*args, **kwargs)

    return call


def _kernels(site: Site, name: str, step: str) -> Site:
    """Return what is known of events that tell of a system call, and not of who makes it."""
    return replace(site, name=name, mod="kernel", layer="kernel", step=step)


def _syscall(recorder: Recorder, site: Site) -> Wrapper:
    original, row = site.original, site.row
    names, kernels = recorder.names, _kernels(site, row.name, row.step or row.name)

    def syscall(*args: Any, **kwargs: Any) -> Any:
        lane = recorder.lanes.lane
        if lane.muted:
            return original(*args, **kwargs)
        number = recorder.syscall_fd(lane, site, args, kwargs)
        if number < 0:
            site.unwritten += 1
            return original(*args, **kwargs)
        fd = names.fd(number, "out")
        try:
            value = original(*args, **kwargs)
        except BaseException as error:
            recorder.guard(recorder.syscall, lane, kernels, args, kwargs, fd, None, error)
            raise
        if row.closes:
            names.fds.pop(number, None)
        recorder.guard(recorder.syscall, lane, kernels, args, kwargs, fd, value)
        return value

    return syscall


def _poll(recorder: Recorder, site: Site) -> Wrapper:
    original, kernels = site.original, _kernels(site, "epoll_wait", site.row.step)

    def poll(*args: Any, **kwargs: Any) -> Any:
        lane = recorder.lanes.lane
        if lane.muted:
            return original(*args, **kwargs)
        site.unwritten += 1  # the event is the kernel's
        lane.muted, lane.polling = True, original
        try:
            ready = original(*args, **kwargs)
        finally:
            lane.muted, lane.polling = False, None
        seconds = site.argument(site.row.seconds, args, kwargs)
        recorder.guard(recorder.polled, lane, kernels, args[0], seconds, ready)
        return ready

    return poll


# ---- the application ----


class _Received:
    """Stands in a class for an attribute of its instances, and brackets what they hold."""

    def __init__(self, recorder: Recorder, site: Site) -> None:
        self._recorder = recorder
        self._site = site
        self._name = site.row.attribute.rpartition(".")[2]
        self._last: tuple[Any, Any] = (None, None)  # what was asked for, what was given instead

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            raise AttributeError(self._name)
        try:
            value = instance.__dict__[self._name]
        except KeyError:
            raise AttributeError(self._name) from None
        if self._recorder.lanes.lane.muted:
            return value
        last = self._last
        if value is not last[0]:
            last = self._last = value, self._recorder.guard(self._traced, value) or value
        return last[1]

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self._name] = value

    def _traced(self, value: Any) -> Any:
        row = self._site.row
        if row.methods and hasattr(value, row.methods[0]):
            self._recorder.watch_class(type(value), row.methods, row.returns)
            return value
        return _application(self._recorder, value, row)


def _application(recorder: Recorder, function: Any, row: Row) -> Wrapper:
    """Return a callable that brackets a call of the application."""
    known, _merged = recorder.site_of(function)
    probe = Probe(row.path, step=row.step)
    return _bracket(
        recorder, Site(known.name, known.mod, "app", row.step, known.src, probe, function)
    )


_FACTORIES: dict[type[Row], Callable[[Recorder, Site], Any]] = {
    Probe: _bracket,
    Schedule: _schedule,
    Cancel: lambda recorder, site: written_before(recorder, site, recorder.taken_back),
    Resolve: lambda recorder, site: written_before(recorder, site, recorder.resolved),
    Syscall: _syscall,
    Poll: _poll,
    Segments: step_wrapper,
    Receives: _Received,
}
