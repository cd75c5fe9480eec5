"""Tracer: records what a program does, from `start` to `stop`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .events import Event, Trace


class Tracer:
    """Records a Trace.  `sink` is called with every event as it happens."""

    def __init__(
        self,
        table: Any = None,
        level: str = "full",
        heads: bool = False,
        sink: Callable[[Event], object] | None = None,
        ring: int | None = None,
    ) -> None:
        self.trace = Trace()

    def start(self) -> Tracer:
        """Wrap what the table names, and begin to record."""
        raise NotImplementedError

    def stop(self) -> Trace:
        """Put everything back as it was; return what was recorded."""
        raise NotImplementedError

    def attach(self, loop: Any) -> None:
        """Know what was registered with a loop before the trace began."""
        raise NotImplementedError


@contextmanager
def tracing(**options: Any) -> Iterator[Trace]:
    """Record while the block runs; yields the Trace, which grows.  Options are Tracer's."""
    tracer = Tracer(**options).start()
    try:
        yield tracer.trace
    finally:
        tracer.stop()
