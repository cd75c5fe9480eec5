"""Writer: puts events down in the order in which they happen, each in its lane.

A lane is a thread, and where it stands: the brackets that are open in it, and for whom it
works.  The loop's lane is called "loop", others "thread-1", ...; a thread that only watches,
while another runs the loop, is "main".

What is put down is a tuple of what only this moment knows.  All that its Site knows for ever,
and all that follows from the rest, is added when somebody looks: see `Event.recorded`.

Nothing in here may disturb the program.  What goes wrong is caught, becomes a note in the
trace, and makes `Trace.check` fail.
"""

from __future__ import annotations

import itertools
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

from .events import Event, Trace
from .names import At, printable, source_of

# With a ring: of connections that have ended, how many are kept beside those that live.
RING_ENDED = 100

# How many events there are before a ring is looked after; from then on, when they have doubled.
RING_EVENTS = 10_000

#: For whom code works: the connection and the request, "c3" and "c3r2".
Flow = tuple[str | None, str | None]
NOBODY: Flow = (None, None)

#: What a function was called with.
Args = tuple[Any, ...]
Kwargs = dict[str, Any]

#: The innermost bracket that is open, by the seq of its opener, and how many are open.
Inside = tuple[int | None, int]
OUTSIDE: Inside = (None, 0)


@dataclass(slots=True, eq=False)
class Site:
    """Where events come from, a function or a mark: what all of them have in common."""

    name: str
    mod: str | None = None
    layer: str | None = None
    step: str | None = None
    src: str | None = None
    row: Any = None  # None for what has no probe: it runs through a Handle, or a Runner
    original: Any = None
    method: bool = False  # whether the first argument is the receiver
    positions: dict[str, int] = field(default_factory=dict)  # of the parameters
    unwritten: int = 0  # calls that were nothing to write

    def argument(self, name: str, args: Args, kwargs: Kwargs) -> Any:
        """Return the argument that the parameter `name` gets; None if it is left out."""
        at = self.positions[name]
        return args[at] if at < len(args) else kwargs.get(name)

    def replaced(self, name: str, value: Any, args: Args, kwargs: Kwargs) -> Args:
        """Return `args` with another value for the parameter `name`; it may go into `kwargs`."""
        at = self.positions[name]
        if at < len(args):
            return (*args[:at], value, *args[at + 1 :])
        kwargs[name] = value
        return args


_FORK = Site("fork", None, "kernel", "fork")
_PROCESS = Site("process", None, "kernel", "process")


@dataclass(slots=True, eq=False)
class Lane:
    """A thread, and where it stands.  It has a `name` from its first Event on."""

    writer: Writer
    name: str = ""
    muted: bool = False  # inside a poll: how it is done is not the program's doing
    inside: Inside = OUTSIDE
    flow: Flow = NOBODY
    turn: int = 0
    polling: Any = None  # the function that polls, while it does
    told: float = 0.0  # what the loop's clock said last

    def take_number(self) -> str:
        """Return the name of a lane that had none: a thread's that is no loop's."""
        self.name = f"{self.writer.process}thread-{next(self.writer.threads)}"
        return self.name


class Lanes(threading.local):
    """The `lane` of each thread, which is made when the thread is first heard of."""

    def __init__(self, writer: Writer) -> None:
        self.lane = writer.new_lane()


class Writer:
    """Writes events into `trace`, and hands them to `sink`."""

    def __init__(
        self, meta: dict[str, Any], sink: Callable[[Event], object] | None, ring: int | None
    ) -> None:
        self.trace = Trace(meta=meta)
        self.trace.sink = None if sink is None else self._tell
        self.on = False
        self._sink = sink
        self._ring = ring
        self._followed = sink is not None or ring is not None
        self._until_prune = RING_EVENTS
        self._seq = itertools.count(1)
        self.lanes = Lanes(self)
        self._loops: list[Lane] = []
        self.threads = itertools.count(1)
        self.process = ""  # the name of a child, put before all names of its own
        self._forks = itertools.count(1)
        self._fork: tuple[int, str] = (0, "")  # the last: seq of its event, name of the child

    # ---- lanes ----

    def begin(self) -> None:
        """Begin to record; the calling thread is the loop's, until another one polls."""
        self.trace.began = perf_counter_ns()
        self.on = True
        self.lanes = Lanes(self)
        self._first = self.lanes.lane
        self._first.name = "loop"

    def end(self) -> None:
        """Stop recording."""
        self.on = False
        self.lanes = Lanes(self)
        self.trace.sink = None  # the trace stays, and we go

    def new_lane(self) -> Lane:
        """Return a lane for the calling thread; a muted one while the tracer is off."""
        return Lane(self, muted=not self.on)

    def _is_loops(self, lane: Lane) -> None:
        """This lane polls for the first time: it is a loop's, and is called so."""
        name = f"{self.process}loop{len(self._loops) + 1 if self._loops else ''}"
        self._loops.append(lane)
        if lane.name != name:
            if name == self._first.name:  # the thread that began the trace only watches
                self._rename(self._first, self.process + "main")
            self._rename(lane, name)

    def _rename(self, lane: Lane, name: str) -> None:
        before, lane.name = lane.name, name
        for event in self.trace.events:
            if event.lane == before:
                event.lane = name

    # ---- processes ----

    def fork(self) -> None:
        """Write that the process forks."""
        if self.on:
            name = f"{self.process}p{next(self._forks)}."
            self._fork = self.emit(self.lanes.lane, "fork", _FORK, {"value": name}), name

    def become_child(self) -> None:
        """Go on in the child, with an empty trace and names of its own."""
        if self.on:
            seq, self.process = self._fork
            self.trace.restart()
            self._forks = itertools.count(1)
            self._loops.clear()
            lane = self._first = self.lanes.lane
            lane.name, lane.turn = self.process + "loop", 0
            lane.inside = OUTSIDE  # the brackets that are open are closed by the parent
            first = self.emit(lane, "begin", _PROCESS, None, cause=seq)
            # What other threads of the parent's have written since is the parent's as well.
            self.trace.meta |= {"process": self.process, "forked": first - 1}

    # ---- events ----

    def emit(
        self, lane: Lane, kind: str, site: Site, data: dict[str, Any] | None,
        obj: str | None = None, of: int | None = None, cause: int | None = None,
        link: int | None = None, fd: str | None = None, at: At | None = None,
    ) -> int:  # fmt: skip
        """Write an event that happens now, in this lane; return its seq.

        `at`: of a resume or a yield, which are at another place in the code each time.
        """
        seq = next(self._seq)
        # A tuple takes a fifth of an Event's time.
        self.trace.fresh.append((
            seq, kind, site, lane, perf_counter_ns(), lane.turn, lane.inside,
            lane.flow, data, obj, of, cause, link, fd, at,
        ))  # fmt: skip
        if self._followed:
            self._follow()
        return seq

    def _follow(self) -> None:
        """Tell the sink of what was written; look after the ring."""
        if self._sink is not None:
            self.trace.up_to_date()
        if self._ring is not None:
            self._until_prune -= 1
            if self._until_prune <= 0:
                left = self.trace.prune(self._ring, RING_ENDED)
                self._until_prune = max(RING_EVENTS, left)

    def _tell(self, event: Event) -> None:
        try:
            if self._sink is not None:
                self._sink(event)
        except Exception as error:
            self._sink = None  # it would fail again, for every event
            self.failed(error)

    # ---- trouble ----

    def guard(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of the tracer's; None if it fails, which is noted."""
        try:
            return function(*args)
        except Exception as error:
            self.failed(error)
            return None

    def failed(self, error: BaseException) -> None:
        """Note an error of the tracer's own; the program goes on."""
        *_, (frame, line) = traceback.walk_tb(error.__traceback__)
        where = source_of(frame.f_code, line)
        self.note("tracer-error", f"{type(error).__name__} at {where}: {error}")

    def note(self, name: str, text: str) -> None:
        """Write a remark of the tracer's own."""
        self.emit(self.lanes.lane, "note", Site(name), {"text": printable(text)})
