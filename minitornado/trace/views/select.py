"""Which events belong to the story of one connection, or of one request.  Pure."""

from __future__ import annotations

from ..events import Event, Trace
from . import words


def about(trace: Trace, conn: str | None = None, req: str | None = None) -> list[Event]:
    """Return the events of a connection or request, and those that led to them.

    Those are the brackets around them and their causes, back to the kernel: the polls of their
    turns and the listening socket belong to nobody, and still to the story.  Of a request's
    connection, also what happened inside of these brackets for no request in particular: the
    handler of an fd reads before anybody knows for which request.
    """
    if conn is None and req is None:
        return list(trace)
    own = [
        event
        for event in trace
        if (req is None or event.req == req) and (conn is None or event.conn == conn)
    ]
    reached: set[int] = set()
    waiting: list[int | None] = [event.seq for event in own]
    while waiting:
        at = trace.get(waiting.pop())
        if at is not None and at.seq not in reached:
            reached.add(at.seq)
            waiting += [at.parent, at.cause, at.of]
    home = conn or (own[0].conn if own else None)
    turns = {words.when(event) for event in trace if event.seq in reached}
    return [
        event
        for event in trace
        if event.seq in reached
        or (event.kind == "poll" and words.when(event) in turns)
        or (event.of is not None and event.of in reached)
        or (
            event.req is None
            and _for(event, home)
            and any(around.seq in reached for around in trace.ancestors(event))
        )
    ]


def _for(event: Event, conn: str | None) -> bool:
    """Tell whether an event is for a connection, or for nobody yet, as accept is."""
    if event.conn is None:
        return event.data.get("value") in (None, conn)
    return event.conn == conn
