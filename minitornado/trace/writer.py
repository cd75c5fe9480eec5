"""Writer: puts events down in the order in which they happen, each in its lane.

A lane is a thread, and where it stands: the brackets that are open in it, and for whom it
works.  The loop's lane is called "loop", others "thread-1", ...; a thread that only watches,
while another runs the loop, is "main".

Nothing in here may disturb the program.  What goes wrong is caught, becomes a note in the
trace, and makes `Trace.check` fail.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .events import Event, Trace
from .names import printable

# With a ring: of connections that have ended, how many are kept beside those that live.
RING_ENDED = 100

# How many events there are before a ring is looked after; from then on, when they have doubled.
RING_EVENTS = 10_000


class Lane:
    """A thread, and where it stands."""

    __slots__ = (
        "conn", "muted", "name", "polling", "req", "stack", "telling", "told", "turn", "untold",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[int] = []  # the open brackets, by the seq of their openers
        self.conn: str | None = None  # the flow: for whom the code works
        self.req: str | None = None
        self.turn = 0
        self.muted = False  # inside a poll: how it is done is not the program's doing
        self.polling: Any = None  # the function that polls, while it does
        self.told = 0.0  # what the loop's clock said last
        self.untold: deque[int] = deque()  # events that the sink has not been told of
        self.telling = False  # whether it is being told


class Writer:
    """Writes events into `trace`, and hands them to `sink`."""

    def __init__(
        self, meta: dict[str, Any], sink: Callable[[Event], object] | None, ring: int | None
    ) -> None:
        self.trace = Trace(meta=meta)
        self.on = False
        self._append = self.trace.fresh.append
        self._sink = sink
        self._ring = ring
        self._until_prune = RING_EVENTS
        self._seq = itertools.count(1)
        self._began = time.perf_counter_ns()
        self._lanes = threading.local()
        self._first = Lane("loop")
        self._loops: list[Lane] = []
        self._threads = itertools.count(1)
        self.process = ""  # the name of a child, put before all names of its own
        self._forks = itertools.count(1)
        self._fork: tuple[int, str] = (0, "")  # the last: seq of its event, name of the child
        self._off = Lane("off")
        self._off.muted = True

    # ---- lanes ----

    def begin(self) -> None:
        """Begin to record; the calling thread is the loop's, until another one polls."""
        self._began = time.perf_counter_ns()
        self._lanes.lane = self._first
        self.on = True

    def lane(self) -> Lane:
        """Return the calling thread's lane; a muted one while the tracer is off."""
        if not self.on:
            return self._off
        try:
            return self._lanes.lane  # type: ignore[no-any-return]
        except AttributeError:
            lane = self._lanes.lane = Lane(f"{self.process}thread-{next(self._threads)}")
            return lane

    def is_loops(self, lane: Lane) -> None:
        """This lane polls: it is a loop's, and is called so."""
        if lane in self._loops:
            return
        name = f"{self.process}loop{len(self._loops) + 1 if self._loops else ''}"
        self._loops.append(lane)
        if lane.name != name:
            if name == self._first.name:  # the thread that began the trace only watches
                self._rename(self._first, self.process + "main")
            self._rename(lane, name)

    def _rename(self, lane: Lane, name: str) -> None:
        for event in self.trace.events:
            if event.lane == lane.name:
                event.lane = name
        lane.name = name

    # ---- processes ----

    def fork(self) -> None:
        """Write that the process forks."""
        if self.on:
            name = f"{self.process}p{next(self._forks)}."
            lane = self.lane()
            seq = self.emit(lane, "fork", "fork", None, "kernel", step="fork", data={"value": name})
            self._fork = seq, name

    def become_child(self) -> None:
        """Go on in the child, with an empty trace and names of its own."""
        if self.on:
            seq, self.process = self._fork
            self.trace.restart()
            self.trace.meta |= {"process": self.process, "forked": seq}
            self._forks = itertools.count(1)
            self._loops.clear()
            lane = self._first = self.lane()
            lane.name, lane.turn = self.process + "loop", 0
            lane.stack.clear()  # the brackets that are open are closed by the parent
            self.emit(lane, "begin", "process", None, "kernel", seq, step="process")

    # ---- events ----

    def emit(
        self,
        lane: Lane,
        kind: str,
        name: str,
        mod: str | None,
        layer: str | None,
        cause: int | None = None,
        link: int | None = None,
        of: int | None = None,
        fd: str | None = None,
        obj: str | None = None,
        src: str | None = None,
        step: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> int:
        """Write an event that happens now, in this lane; return its seq."""
        stack = lane.stack
        seq = next(self._seq)
        # A tuple takes a fifth of an Event's time; they are made Events when somebody looks.
        self._append(
            (
                seq, kind, name, mod, layer, lane.name, time.perf_counter_ns() - self._began,
                lane.turn, len(stack), stack[-1] if stack else None, cause, link, of,
                lane.conn, lane.req, fd, obj, src, step, data or {},
            )
        )  # fmt: skip
        if self._sink is not None:
            self._tell(lane, seq)
        if self._ring is not None:
            self._until_prune -= 1
            if self._until_prune <= 0:
                left = self.trace.prune(self._ring, RING_ENDED)
                self._until_prune = max(RING_EVENTS, left)
        return seq

    def _tell(self, lane: Lane, seq: int) -> None:
        """Tell the sink of an event.

        A signal handler may have interrupted the sink, or who looks at the trace: what the
        handler does is told when that is over, in its order.
        """
        lane.untold.append(seq)
        while lane.untold and not lane.telling and not self.trace.interrupted:
            lane.telling = True
            try:
                while lane.untold:
                    event = self.trace.get(lane.untold.popleft())
                    if event is not None and self._sink is not None:
                        self._sink(event)
            except Exception as error:
                self._sink = None  # it would fail again, for every event
                self.failed(error)
            finally:
                lane.telling = False

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
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_next is not None:
            traceback = traceback.tb_next
        where = ""
        if traceback is not None:
            file = os.path.basename(traceback.tb_frame.f_code.co_filename)
            where = f" at {file}:{traceback.tb_lineno}"
        self.note("tracer-error", f"{type(error).__name__}{where}: {error}")

    def note(self, name: str, text: str) -> None:
        """Write a remark of the tracer's own."""
        self.emit(self.lane(), "note", name, None, None, data={"text": printable(text)})
