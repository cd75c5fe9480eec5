"""Coroutines: a bracket around each segment, from where a coroutine goes on to where it waits.

Another one, `driven`, stands between a coroutine and whoever awaits it.  Where an `async def`
has a probe, calling it gives the driven one at once.  An application's has none: it is driven
from the first step on that a Runner takes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import CoroutineType
from types import coroutine as awaitable
from typing import Any

from .names import At
from .recorder import Open, Recorder
from .writer import NOBODY, Flow, Lane, Site


class Segments:
    """Those of a coroutine: how many there were, where it waits, and for what and for whom."""

    number = 0
    flow: Flow = NOBODY
    asleep: int | None = None  # seq of its last yield
    at: At | None = None
    target: Any = None

    def __init__(self, recorder: Recorder, site: Site, receiver: Any = None) -> None:
        self.recorder = recorder
        self.site = site
        self.receiver = receiver

    def open(self, lane: Lane) -> Open | None:
        """Open the bracket of a segment: up to where the coroutine waits, or ends."""
        if lane.muted:
            return None
        recorder, site, receiver = self.recorder, self.site, self.receiver
        try:
            self.number += 1
            if self.number == 1:
                return recorder.enter(lane, "call", site, receiver, {"segment": 1})
            lane.flow = self.flow
            data = {"segment": self.number, "target": self.target}
            return recorder.enter(
                lane, "resume", site, receiver, data, None, self.asleep, None, self.at
            )
        except Exception as error:
            recorder.failed(error)
            return None

    def suspend(self, lane: Lane, opened: Open | None, coroutine: Any, waits_for: Any) -> None:
        """Close the bracket of a segment: the coroutine waits."""
        recorder = self.recorder
        # What the Runner does next, it does for whom the coroutine works.
        self.flow, self.at = lane.flow, recorder.guard(_place_of, coroutine)
        self.target = recorder.guard(recorder.names.summary, waits_for)
        data = {"target": self.target}
        self.asleep = recorder.close(lane, opened, "yield", data=data, at=self.at)


def _place_of(coroutine: Any) -> At | None:
    """Return where a coroutine waits: the innermost's place that has no brackets of its own."""
    frame = getattr(coroutine, "gi_frame", None)
    while isinstance(coroutine, CoroutineType) and coroutine.cr_code is not _DRIVEN:
        frame = coroutine.cr_frame
        coroutine = coroutine.cr_await
    return None if frame is None else (frame.f_code, frame.f_lasti)


def coroutine_wrapper(recorder: Recorder, site: Site) -> Callable[..., Any]:
    """Return a wrapper for an `async def`: what it returns is driven."""
    original = site.original

    def make(*args: Any, **kwargs: Any) -> Any:
        coroutine = original(*args, **kwargs)
        if recorder.lanes.lane.muted:
            return coroutine
        return _driven(Segments(recorder, site, args[0] if site.method else None), coroutine)

    return make


def step_wrapper(recorder: Recorder, site: Site) -> Callable[..., Any]:
    """Return a wrapper for what takes a coroutine one step further: from there on, it is driven."""
    original, held_as = site.original, site.row.held_as

    def step(runner: Any, *args: Any) -> Any:
        if not recorder.lanes.lane.muted:
            site.unwritten += 1  # the event is the coroutine's
            coroutine = getattr(runner, held_as)
            if getattr(coroutine, "cr_code", None) is not _DRIVEN:
                plain = recorder.coroutine_site(coroutine)
                traced = _driven(Segments(recorder, plain), coroutine, begun=True)
                traced.send(None)  # up to where it waits for what this step brings
                setattr(runner, held_as, traced)
        try:
            return original(runner, *args)
        except StopIteration:
            raise
        except BaseException as error:
            # Runner.run cuts two frames off the traceback, its own and this one.
            here = frames = error.__traceback__
            while frames is not None and frames.tb_frame.f_code in between:
                frames = frames.tb_next
            if here is not None:
                here.tb_next = frames
            raise

    between = {step.__code__, original.__code__, driven.__code__, _drive.__code__}
    return step


def _driven(segments: Segments, coroutine: Any, begun: bool = False) -> Any:
    traced: Any = driven(segments, coroutine, begun)
    for name in ("__name__", "__qualname__"):
        setattr(traced, name, getattr(coroutine, name, type(coroutine).__qualname__))
    return traced


async def driven(segments: Segments, coroutine: Any, begun: bool) -> Any:
    """Run a coroutine as it is, with a bracket around each of its segments.

    One that has `begun` waits already; what it waits for is known to whoever takes it further.
    """
    return await _drive(segments, coroutine, begun)


_DRIVEN = driven.__code__


@awaitable
def _drive(segments: Segments, coroutine: Any, waits: bool) -> Generator[Any, Any, Any]:
    recorder, site = segments.recorder, segments.site
    send = step = coroutine.send
    value = waits_for = None
    while True:
        if waits:
            try:
                value = yield waits_for
                step = send
            except BaseException as error:
                if _is_over(coroutine):  # the garbage collector has been there before us
                    raise
                value, step = error, coroutine.throw
        waits = True
        lane = recorder.lanes.lane
        flow = lane.flow
        opened = segments.open(lane)
        awaited = getattr(coroutine, "cr_await", None)
        try:
            waits_for = step(value)
        except StopIteration as stop:
            recorder.close(lane, opened, "return", stop.value)
            recorder.ended(lane, site, flow)
            return stop.value
        except BaseException as error:
            recorder.close(lane, opened, "raise", error=error)
            recorder.ended(lane, site, flow)
            raise
        segments.suspend(lane, opened, coroutine, waits_for)
        if step is not send and awaited is not None and coroutine.cr_await is awaited:
            # An exception went through to the one that it awaits, and stayed there.  Python
            # gives it to that one directly: a segment in the trace, and no call by Python.
            site.unwritten -= 1


def _is_over(coroutine: Any) -> bool:
    return getattr(coroutine, "cr_frame", getattr(coroutine, "gi_frame", coroutine)) is None
