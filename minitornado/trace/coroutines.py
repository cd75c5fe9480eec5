"""Coroutines: a bracket around each segment, from where a coroutine goes on to where it waits.

An `async def` that has a probe is driven through another one, `driven`, which stands between it
and whoever awaits it.  Of those that have none, an application's, the Runner tells: it takes
each of them one step further at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import CoroutineType
from types import coroutine as awaitable
from typing import Any
from weakref import WeakKeyDictionary

from .names import At, can_be_named
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
        if opened is None or opened[0] != lane.inside[0] or not recorder.on:
            return  # as in Recorder.close
        seq, lane.inside, site, obj, *_receiver = opened
        try:
            # What the Runner does next, it does for whom the coroutine works.
            self.flow, self.at = lane.flow, _place_of(coroutine)
            self.target = recorder.names.summary(waits_for)
            data = {"target": self.target}
            self.asleep = recorder.emit(lane, "yield", site, data, obj, seq, at=self.at)
        except Exception as error:
            recorder.failed(error)


def _place_of(coroutine: Any) -> At | None:
    """Return where a coroutine waits: the innermost's place that has no brackets of its own."""
    frame = getattr(coroutine, "gi_frame", None)
    while isinstance(coroutine, CoroutineType) and coroutine.cr_code is not _DRIVEN:
        frame = coroutine.cr_frame
        coroutine = coroutine.cr_await
    return None if frame is None else (frame.f_code, frame.f_lasti)


def _passed_over(site: Site) -> None:
    """An exception went through a coroutine to the one that it awaits, and stayed there.

    Python gives it to the inner one directly.  The outer one was no more than passed over:
    a segment of it in the trace, and no call of it by Python.
    """
    site.unwritten -= 1


# ---- those that have a probe ----


def coroutine_wrapper(recorder: Recorder, site: Site) -> Callable[..., Any]:
    """Return a wrapper for an `async def`: what it returns is driven."""
    original = site.original

    def make(*args: Any, **kwargs: Any) -> Any:
        coroutine = original(*args, **kwargs)
        if recorder.lanes.lane.muted:
            return coroutine
        segments = Segments(recorder, site, args[0] if site.method else None)
        traced: Any = driven(segments, coroutine)
        traced.__name__, traced.__qualname__ = coroutine.__name__, coroutine.__qualname__
        return traced

    return make


async def driven(segments: Segments, coroutine: Any) -> Any:
    """Run a coroutine as it is, with a bracket around each of its segments."""
    return await _drive(segments, coroutine)


_DRIVEN = driven.__code__


@awaitable
def _drive(segments: Segments, coroutine: Any) -> Generator[Any, Any, Any]:
    recorder, site = segments.recorder, segments.site
    send = step = coroutine.send
    value: Any = None
    while True:
        lane = recorder.lanes.lane
        flow = lane.flow
        opened = segments.open(lane)
        awaited = coroutine.cr_await
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
            _passed_over(site)
        try:
            value = yield waits_for
            step = send
        except BaseException as error:
            if coroutine.cr_frame is None:  # the garbage collector has been there before us
                raise
            value, step = error, coroutine.throw


# ---- those that have none ----


def step_wrapper(recorder: Recorder, site: Site) -> Callable[..., Any]:
    """Return a wrapper for what takes a coroutine one step further."""
    original, coroutine_of = site.original, site.row.coroutine
    known: WeakKeyDictionary[Any, Segments] = WeakKeyDictionary()

    def segments_of(coroutine: Any) -> Segments:
        segments = known.get(coroutine)
        if segments is None:
            segments = known[coroutine] = Segments(recorder, recorder.coroutine_site(coroutine))
        return segments

    def step(runner: Any, awaited: Any) -> Any:
        lane = recorder.lanes.lane
        if lane.muted:
            return original(runner, awaited)
        site.unwritten += 1  # the event is the coroutine's
        coroutine = coroutine_of(runner)
        if getattr(coroutine, "cr_code", None) is _DRIVEN or not can_be_named(type(coroutine)):
            return original(runner, awaited)
        segments = recorder.guard(segments_of, coroutine)
        if segments is None:
            return original(runner, awaited)
        flow = lane.flow
        opened = segments.open(lane)
        inner = getattr(coroutine, "cr_await", None)
        try:
            waits_for = original(runner, awaited)
        except StopIteration as stop:
            recorder.close(lane, opened, "return", stop.value)
            lane.flow = flow
            raise
        except BaseException as error:
            recorder.close(lane, opened, "raise", error=error)
            lane.flow = flow
            # Our frame in the place of the original's: Runner.run cuts two off the traceback.
            frames = error.__traceback__
            if frames is not None and frames.tb_next is not None:
                error.__traceback__ = frames.tb_next.tb_next
            raise
        segments.suspend(lane, opened, coroutine, waits_for)
        if inner is not None and coroutine.cr_await is inner and _has_failed(recorder, awaited):
            _passed_over(segments.site)
        return waits_for

    return step


def _has_failed(recorder: Recorder, future: Any) -> bool:
    """Tell whether a Future that is done has an exception."""
    return future is not None and bool(recorder.guard(future.exception))
