"""The loop's state at any moment of a trace, worked out from what had happened by then.  Pure.

Who waits to be called, what has a deadline, which fds the kernel watches and for what, and how
much lies in the buffers of each stream.

A trace may tell a part of it only: the loop was there before the trace began, or the trace has
a bound and has lost its beginning.  And some of it may not be meant for who looks.  So each row
names what it leaves out.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter

from ..events import Event, Trace
from . import words

QUEUE, TIMERS, WATCHED = "ready queue", "timers", "epoll watches"
ROWS = {QUEUE: "empty", TIMERS: "none", WATCHED: "nothing"}  # and what they say if it is nothing

LATE = "what was there before the trace began"
LOST = "what is no longer in the trace"

#: Tells whether what waits for a connection and a request is somebody's who is not to be shown.
Hidden = Callable[[str | None, str | None], bool]


def nobody(conn: str | None, req: str | None) -> bool:
    """Tell that nobody is hidden."""
    return False


@dataclass(frozen=True)
class Fill:
    """How many bytes are in the read and the write buffer of a stream; None: not known."""

    read: int | None = None
    write: int | None = None
    stream: str | None = None  # its name; None until something happens to it


@dataclass
class State:
    """What waits, at one moment.

    queued    handle -> the event that scheduled it, in the order in which they will run
    timers    handle -> the event that scheduled it
    watched   fd -> the events asked for, as the kernel knows them; "" if that wasn't recorded
    fills     connection -> its stream's buffers, as last recorded: an event tells of a change
              when the function that made it has returned
    partial   row -> what else there may be that the trace does not tell of
    """

    queued: dict[int, Event] = field(default_factory=dict)
    timers: dict[int, Event] = field(default_factory=dict)
    watched: dict[str, str] = field(default_factory=dict)
    fills: dict[str, Fill] = field(default_factory=dict)
    partial: dict[str, str] = field(default_factory=lambda: dict.fromkeys(ROWS, LATE))
    loops: frozenset[str] = frozenset()  # the lanes that have polled

    def copy(self) -> State:
        """Return the same state, which goes its own way from now on."""
        return replace(
            self, queued=dict(self.queued), timers=dict(self.timers), watched=dict(self.watched),
            fills=dict(self.fills), partial=dict(self.partial),
        )  # fmt: skip

    def lose(self) -> None:
        """Events are missing here: nobody knows what they would have changed."""
        self.partial = dict.fromkeys(ROWS, LOST)
        self.fills.clear()

    def apply(self, event: Event) -> None:
        """Take one more event into account."""
        data = event.data
        match event.kind:
            case "schedule":
                waiting = {"callback": self.queued, "timer": self.timers}.get(data["how"])
                if waiting is not None:
                    waiting[data["handle"]] = event
                elif data["how"] == "fd":
                    self._apply_handler(event)
            case "run" | "cancel":
                self.queued.pop(data.get("handle", 0), None)
                self.timers.pop(data.get("handle", 0), None)
            case "poll":
                self._apply_poll(event)
            case "ready" if event.fd is not None and "handle" in data:
                self.watched.setdefault(event.fd, "")
            case "syscall" if event.fd is not None and data.get("error") is None:
                self._apply_syscall(event, event.fd)
            case "begin" if event.conn is not None and event.name == "connection":
                self.fills[event.conn] = Fill() if data.get("attached") else Fill(0, 0)
        if event.conn is not None and "Stream#" in (event.obj or ""):
            self._apply_delta(event, event.conn)

    def _apply_handler(self, event: Event) -> None:
        """Take into account that an fd got a handler; of those that count, epoll_ctl will tell."""
        fd = event.fd or ""
        if event.step == "attach":  # the tracer has found it, with all else that waited
            self.watched.setdefault(fd, "")
            self.partial.clear()
        elif "waker" in fd and not self.loops:  # a loop is being made: nothing was in it before
            self.partial.clear()

    def _apply_poll(self, event: Event) -> None:
        """Take into account that a loop has polled: it only sleeps if it has nothing to run."""
        self.loops |= {event.lane}
        wait = event.data.get("wait")
        if wait != "none" and self.partial.pop(QUEUE, None):
            self.queued.clear()
        if wait == "forever" and self.partial.pop(TIMERS, None):
            self.timers.clear()

    def _apply_syscall(self, event: Event, fd: str) -> None:
        if event.name == "epoll_ctl" and event.data.get("op") != "DEL":
            self.watched[fd] = words.watched(event.data) or ""
        elif event.name in ("epoll_ctl", "close"):
            self.watched.pop(fd, None)

    def _apply_delta(self, event: Event, conn: str) -> None:
        """Take into account what a function has changed in the stream of a connection.

        That is the first stream met on its behalf: an application may open others.
        """
        fill = self.fills.get(conn, Fill())
        if fill.stream in (None, event.obj):
            delta = event.data.get("delta") or {}
            self.fills[conn] = Fill(
                delta.get("rbuf", (0, fill.read))[1], delta.get("wbuf", (0, fill.write))[1],
                event.obj,
            )  # fmt: skip

    # ---- in words ----

    def lines(
        self, event: Event, trace: Trace, hidden: Hidden = nobody
    ) -> list[tuple[str, str]]:
        """Return the state in words: `[("ready queue", "Runner.run"), ...]`.

        `event` is the last that was applied, and `trace` has the brackets around it.
        """
        entries: dict[str, list[tuple[str, str | None, str | None]]] = {
            QUEUE: [(_to_run(by), by.conn, by.req) for by in self.queued.values()],
            TIMERS: [(_to_run(by), by.conn, by.req) for by in self.timers.values()],
            WATCHED: [
                (f"{fd} {events or '(for what is not recorded)'}", fd, None)
                for fd, events in self.watched.items()
            ],
        }
        whose = "all loops' " if len(self.loops) > 1 else ""
        lines = []
        for row, nothing in ROWS.items():
            shown = [
                said if conn in (None, event.conn) or row == WATCHED else f"{said} ({conn})"
                for said, conn, req in entries[row]
                if not hidden(conn, req)
            ]
            count = len(entries[row]) - len(shown)
            left_out = [f"{count} of the page's own"] if count else []
            left_out += [self.partial[row]] if row in self.partial else []
            said = ", ".join(shown) or (nothing if not left_out else "nothing to show")
            more = f"; left out: {', and '.join(left_out)}" if left_out else ""
            lines.append((whose + row, said + more))
        if event.conn in self.fills and trace.meta.get("level") != "chain":
            fill = self.fills[event.conn]
            read = _buffer_line(fill, "rbuf", "to be read", event, trace)
            write = _buffer_line(fill, "wbuf", "to be sent", event, trace)
            lines.append((f"{event.conn} buffers", f"{read}, {write}"))
        return lines


def _to_run(schedule: Event) -> str:
    """Return what is to run: where a Runner takes a coroutine further, both."""
    coroutine = schedule.data.get("coroutine")
    runner = f"{words.qualified(schedule.data['target'])} of " if coroutine else ""
    return runner + words.target(schedule)


def changing(fill: Fill, name: str, event: Event, trace: Trace) -> tuple[Event, int] | None:
    """Return who is changing a buffer, "rbuf" or "wbuf", at an event, and to how many bytes.

    That is a bracket around the event, whose end will tell of it: whether the change has been
    made by then, or comes later, the trace does not say.  It does if a bracket that begins later
    finds the buffer as it is known to be.
    """
    now = fill.read if name == "rbuf" else fill.write
    for bracket in trace.ancestors(event):
        change = _change(bracket, fill, name, trace)
        if change is not None and change[1] != now:
            later = (_change(inner, fill, name, trace) for inner in _later(event, bracket, trace))
            found = next((found for found in later if found is not None), None)
            return None if found is not None and found[0] == now else (bracket, change[1])
    return None


def _later(event: Event, bracket: Event, trace: Trace) -> Iterator[Event]:
    """Yield what comes after an event up to the end of a bracket around it."""
    events, end = trace.whole.events, trace.closer(bracket)
    for at in range(bisect(events, event.seq, key=attrgetter("seq")), len(events)):
        if end is not None and events[at].seq > end.seq:
            return
        yield events[at]


def _change(bracket: Event, fill: Fill, name: str, trace: Trace) -> tuple[int, int] | None:
    """Return what a bracket has changed a buffer from, and to; None if it hasn't, or is open."""
    closer = trace.closer(bracket)
    if closer is None or bracket.obj != fill.stream:
        return None
    return (closer.data.get("delta") or {}).get(name)


def _buffer_line(fill: Fill, name: str, what: str, event: Event, trace: Trace) -> str:
    now = fill.read if name == "rbuf" else fill.write
    said = "an unknown number of bytes" if now is None else words.size(now)
    change = changing(fill, name, event, trace)
    if change is None:
        return f"{said} {what}"
    bracket, after = change
    before = "unknown" if now is None else f"{now:,}"
    return f"{before} → {words.size(after)} {what} (during {words.short(bracket.name)})"


def states(trace: Trace, before: State | None = None) -> Iterator[tuple[Event, State]]:
    """Yield each event of a trace with the state right after it, which is changed by the next.

    `before` is what it was when the trace began, if somebody knows that.
    """
    state = State() if before is None else before.copy()
    last: int | None = None
    for event in trace.whole:
        if before is None and last is not None and event.seq > last + 1:
            state.lose()
        last = event.seq
        state.apply(event)
        yield event, state


def lines_at(
    trace: Trace, moments: Collection[int], before: State | None = None, hidden: Hidden = nobody
) -> dict[int, list[tuple[str, str]]]:
    """Return the state in words right after each of these events, by seq."""
    return {
        event.seq: state.lines(event, trace, hidden)
        for event, state in states(trace, before)
        if event.seq in moments
    }
