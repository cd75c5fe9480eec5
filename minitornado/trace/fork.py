"""Fork: a traced process that forks goes on in two, and each writes a trace of its own.

The child's begins with an event whose `cause` is the parent's `fork`.  Its numbers go on from
there, so an edge to what was registered before the fork (a listener's handler, say) leads into
the parent's trace.  Its lanes, connections and fds carry its name: "p1.loop", "p1.c1".
`merge` makes one trace of them.
"""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from .canonical import renumbered
from .events import Event, Trace
from .tracer import Tracer


def merge(parent: Trace, children: Iterable[Trace]) -> Trace:
    """Return one trace of a process and of all that it and its children have forked.

    The events are in the order of time; it does not matter in which order `children` come.
    What a ring has dropped has a number here too, and is missed as in the trace of one process.
    """
    traces = {trace.meta.get("process", ""): trace for trace in (parent, *children)}
    seqs: dict[tuple[str, int], int] = {}
    handles: defaultdict[tuple[str, int], int] = defaultdict(itertools.count(1).__next__)
    events = []
    last = {name: trace.meta.get("forked", 0) for name, trace in traces.items()}
    for _t, seq, name in sorted(
        (event.t, event.seq, name) for name, trace in sorted(traces.items()) for event in trace
    ):
        for number in range(last[name] + 1, seq + 1):  # up to it, from where the trace has a hole
            seqs[name, number] = len(seqs) + 1
        last[name] = seq
        seq_of = partial(_renumber, seqs.get, traces, name, "forked")
        handle_of = partial(_renumber, handles.__getitem__, traces, name, "handles")
        events.append(Event.from_dict(renumbered(traces[name][seq].to_dict(), seq_of, handle_of)))
    return Trace(events, {name: parent.meta[name] for name in parent.meta if name != "pending"})


def _renumber(
    new: Callable[[tuple[str, int]], Any], traces: dict[str, Trace], name: str, at_fork: str,
    number: int,
) -> Any:  # fmt: skip
    """Return the new number for one that the process `name` speaks of.

    Each counts on from where it was `at_fork`: an earlier number is its parent's.
    """
    while name in traces and number <= traces[name].meta.get(at_fork, 0):
        name = _parent(name)
    return new((name, number))


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
