"""Fork: a traced process that forks goes on in two, and each writes a trace of its own.

The child's begins with an event whose `cause` is the parent's `fork`.  Its numbers go on from
there, so an edge to what was registered before the fork (a listener's handler, say) leads into
the parent's trace.  Its lanes, connections and fds carry its name: "p1.loop", "p1.c1".
`merge` makes one trace of them.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable

from .canonical import EDGES
from .events import Trace
from .tracer import Tracer


def merge(parent: Trace, children: Iterable[Trace]) -> Trace:
    """Return one trace of a process and of all that it and its children have forked.

    The events are in the order of time; it does not matter in which order `children` come.
    """
    traces = {trace.meta.get("process", ""): trace for trace in (parent, *children)}
    forked = {name: trace.meta.get("forked", 0) for name, trace in traces.items()}
    order = sorted(
        (event.t, event.seq, name) for name, trace in sorted(traces.items()) for event in trace
    )
    seqs = {(name, seq): number for number, (_t, seq, name) in enumerate(order, 1)}
    scheduled = [
        (name, traces[name][seq].data["handle"])
        for _t, seq, name in order
        if traces[name][seq].kind == "schedule"
    ]
    handles = {key: number for number, key in enumerate(scheduled, 1)}

    def seq_of(name: str, seq: int) -> int | None:
        # Each process counts on from where the fork was: an earlier number is its parent's.
        while name in forked and seq <= forked[name]:
            name = _parent(name)
        return seqs.get((name, seq))

    def handle_of(name: str, handle: int) -> int:
        while name and (name, handle) not in handles:
            name = _parent(name)
        return handles.get((name, handle), handle)

    events = []
    for number, (_t, seq, name) in enumerate(order, 1):
        event = copy.deepcopy(traces[name][seq])
        event.seq = number
        for edge in EDGES:
            to = getattr(event, edge)
            setattr(event, edge, None if to is None else seq_of(name, to))
        for key in {"handle", "passed"} & set(event.data):
            event.data[key] = handle_of(name, event.data[key])
        events.append(event)
    return Trace(events, {name: parent.meta[name] for name in parent.meta if name != "pending"})


def _parent(process: str) -> str:
    """Return the name of who forked a process.

    >>> _parent("p1.p2."), _parent("p1.")
    ('p1.', '')
    """
    return process[: process[:-1].rfind(".") + 1]


def _before() -> None:
    if Tracer.active is not None:
        Tracer.active.recorder.fork()


def _after_in_child() -> None:
    if Tracer.active is not None:
        Tracer.active.recorder.become_child()


# Python keeps these for the life of the process; they do nothing while nobody traces.
os.register_at_fork(before=_before, after_in_child=_after_in_child)
