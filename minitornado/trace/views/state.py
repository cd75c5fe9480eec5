"""The loop's state at any moment of a trace, worked out from what had happened by then.  Pure.

Who waits to be called, what has a deadline, which fds the kernel watches and for what, and how
much lies in the buffers of each stream.  What was there before the trace began is not known,
unless the tracer was attached to the loop.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from ..events import Event, Trace
from . import words


@dataclass
class State:
    """What waits, at one moment.

    queued    handle -> name of the callback, in the order in which they will run
    timers    handle -> name of the callback
    watched   fd -> the events asked for, as the kernel knows them
    buffers   connection -> bytes in its stream's read and write buffer, as last recorded: an
              event tells of a change when the function that made it has returned
    """

    queued: dict[int, str] = field(default_factory=dict)
    timers: dict[int, str] = field(default_factory=dict)
    watched: dict[str, str] = field(default_factory=dict)
    buffers: dict[str, tuple[int, int]] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Take one more event into account."""
        data = event.data
        handle = data.get("handle")
        if event.kind == "schedule" and isinstance(handle, int):
            name = words.target(event)
            if data.get("how") == "callback":
                self.queued[handle] = name
            elif data.get("how") == "timer":
                self.timers[handle] = name
        elif event.kind in ("run", "cancel") and isinstance(handle, int):
            self.queued.pop(handle, None)
            self.timers.pop(handle, None)
        elif event.kind == "syscall":
            self._apply_syscall(event)
        if event.conn is not None and "Stream#" in (event.obj or ""):
            read, write = self.buffers.get(event.conn, (0, 0))
            delta = data.get("delta") or {}
            self.buffers[event.conn] = (
                delta.get("rbuf", (0, read))[1], delta.get("wbuf", (0, write))[1],
            )  # fmt: skip

    def _apply_syscall(self, event: Event) -> None:
        if event.fd is None or event.data.get("error") is not None:
            return
        if event.name == "epoll_ctl":
            if event.data.get("op") == "DEL":
                self.watched.pop(event.fd, None)
            else:
                self.watched[event.fd] = words.watched(event.data) or ""
        elif event.name == "close":
            self.watched.pop(event.fd, None)

    def lines(self, conn: str | None = None) -> list[tuple[str, str]]:
        """Return the state in words: `[("ready queue", "Runner.run"), ...]`."""
        watched = ", ".join(f"{fd} {events}" for fd, events in self.watched.items())
        lines = [
            ("ready queue", ", ".join(self.queued.values()) or "empty"),
            ("timers", ", ".join(self.timers.values()) or "none"),
            ("epoll watches", watched or "nothing"),
        ]
        if conn in self.buffers:
            read, write = self.buffers[conn]
            said = f"{words.size(read)} to be read, {words.size(write)} to be sent"
            lines.append((f"{conn} buffers", said))
        return lines


def lines_at(trace: Trace, moments: Collection[int]) -> dict[int, list[tuple[str, str]]]:
    """Return the state in words right after each of these events, by seq."""
    state = State()
    found = {}
    for event in trace.whole:
        state.apply(event)
        if event.seq in moments:
            found[event.seq] = state.lines(event.conn)
    return found
