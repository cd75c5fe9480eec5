"""The edges of an event, as exports draw them: from the slice, or span, that they come from."""

from __future__ import annotations

from collections.abc import Iterator

from ..events import Event, Trace


def edges(event: Event, trace: Trace) -> Iterator[tuple[str, Event]]:
    """Yield "cause" and "link" with the event that they lead to, if the trace still has it.

    Who waits has asked for being resumed with the end of a bracket: that stands for all of it.
    """
    for edge, seq in (("cause", event.cause), ("link", event.link)):
        source = trace.get(seq)
        if source is not None and source.of is not None:
            source = trace.get(source.of)
        if source is not None:
            yield edge, source
