"""Fork: a traced process that forks goes on in two, and each writes a trace of its own.

The child's begins with an event whose `cause` is the parent's `fork`.  Its numbers go on from
there, so an edge to what was registered before the fork (a listener's handler, say) leads into
the parent's trace.  Its lanes, connections and fds carry its name: "p1.loop", "p1.c1".
`merge` makes one trace of them.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence

from .canonical import EDGES
from .events import Trace
from .tracer import Tracer


def merge(parent: Trace, children: Sequence[Trace]) -> Trace:
    """Return one trace of a process and of those that it has forked, in the order of time."""
    traces = (parent, *children)
    order = sorted(
        (event.t, event.seq, at) for at, trace in enumerate(traces) for event in trace
    )  # fmt: skip
    seqs = {(at, seq): number for number, (_t, seq, at) in enumerate(order, 1)}
    # Each process counts on from where the fork was: a number may have two meanings.
    handles: dict[tuple[int, int], int] = {}
    for at, trace in enumerate(traces):
        for event in trace.filter(kind="schedule"):
            handles[at, event.data["handle"]] = len(handles) + 1
    events = []
    for number, (_t, seq, at) in enumerate(order, 1):
        event = copy.deepcopy(traces[at][seq])
        event.seq = number
        for edge in EDGES:
            to = getattr(event, edge)
            if to is not None:  # what is not the child's own was its parent's before the fork
                setattr(event, edge, seqs.get((at, to), seqs.get((0, to))))
        for key in ("handle", "passed"):
            to = event.data.get(key)
            if to is not None:
                event.data[key] = handles.get((at, to), handles.get((0, to), to))
        events.append(event)
    return Trace(events, {name: parent.meta[name] for name in parent.meta if name != "pending"})


def _before() -> None:
    if Tracer.active is not None:
        Tracer.active.recorder.fork()


def _after_in_child() -> None:
    if Tracer.active is not None:
        Tracer.active.recorder.become_child()


# Python keeps these for the life of the process; they do nothing while nobody traces.
os.register_at_fork(before=_before, after_in_child=_after_in_child)
