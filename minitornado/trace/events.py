"""Events: what a trace is made of, and how it is kept.

    seq   kind       name                      parent  cause  link
    72    poll       epoll_wait
    73    ready      (c1: READ)                          72     45
    74    run        IOStream._handle_events             73     45
    ...
    90      resolve  Future.set_result            81
    99    done       (of 74)

An Event is one line of that table.  Three edges lead from it to earlier ones, and are never
mixed up:

    parent   where am I?       the bracket that is open around this event: the stack
    cause    why now?          the readiness, the resolution, the add_callback that made it run
    link     who asked?        the add_handler, add_done_callback, call_at that registered it

Brackets are opened by a `call` (of a probed function), a `run` (the loop, or a Future, calls
what it was given) or a `resume` (a coroutine goes on), and closed by an event whose `of` is
the opener.  All other kinds are points.

    call    -> return | raise      (of a coroutine's first segment: also yield)
    run     -> done | raise
    resume  -> yield | return | raise

A Trace is a sequence of Events with the questions that views and checks ask of it, and its
form on disk: JSON, one object a line, the first of them a header.
"""

from __future__ import annotations

import bisect
import json
import operator
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .canonical import canonical, to_json
from .looks import Looks
from .names import source_at

FORMAT = "minitornado-trace"
VERSION = 1

#: Kinds that open a bracket, and those that close it; a coroutine's call is closed as its resume.
CLOSED_BY = {
    "call": {"return", "raise"},
    "run": {"done", "raise"},
    "resume": {"yield", "return", "raise"},
}
OPENERS = frozenset(CLOSED_BY)
CLOSERS = frozenset().union(*CLOSED_BY.values())
POINTS = frozenset(
    {"schedule", "cancel", "poll", "ready", "resolve", "syscall", "begin", "end", "fork", "note"}
)
KINDS = OPENERS | CLOSERS | POINTS

#: Concepts (see Event.step) whose calls belong to the chain of a request, as callbacks do.
CHAIN_STEPS = frozenset(
    {
        "new-connection", "new-request", "headers-received", "data-received", "dispatch",
        "request-lost", "app", "runner", "wake", "drain-waker", "stop-listening",
    }
)  # fmt: skip

#: From the kernel up to the application.
LAYERS = ("kernel", "loop", "future", "coroutine", "stream", "tcp", "http1", "server", "app")


@dataclass(slots=True)
class Event:
    """One thing that happened.  A field that says nothing is None.

    seq     position in the process's total order, from 1
    kind    one of KINDS
    name    qualified name of the function ("IOStream.write"), of the syscall ("recv"), or of
            what begins and ends ("connection", "request")
    mod     module of the function; "kernel" for syscalls
    layer   one of LAYERS
    lane    the thread it happened in: "loop", "thread-1"; with a process before it after a merge
    t       nanoseconds since the trace began; the one field that differs from run to run
    turn    of the loop: the number of polls that have returned; 0 in other lanes
    depth   number of brackets open around it
    parent, cause, link     seq of another event, see above
    of      seq of the opener that this event closes
    conn    the connection, "c3", and
    req     the request, "c3r2", for which it happened: by causality, not by fd
    fd      role of the fd: "listen1", "c3", "waker1", "epoll1"
    obj     the receiver, by class and order of first appearance: "IOStream#1", "Future#7"
    src     "iostream.py:122": the function; for resume and yield, the line that goes on or waits
    step    key of a concept, shared by all tables: "accept", "recv", "resume"
    data    what else there is to say:

        call      args {name: summary}; segment: 1 if it is the first of a coroutine
        run       how ("callback", "timer", "fd", "future", "thread"; "stored" if somebody has
                  kept it, who calls it now), handle (its number; none if stored), args;
                  coroutine: name of the one that Runner.run takes further
        resume    segment: 2, 3, ...; target: what it waited for ("Future#7")
        return    value (a summary); delta {name: [before, after]}: what changed in the receiver
        yield     target: what it waits for
        raise     error: name of the exception's class, or of its errno ("EAGAIN")
        done      value; delta
        schedule  how, handle, target (name of what is to run), coroutine (as for run), events
                  (of an fd), seconds (of a timer), recurring: True for the handler of an fd,
                  done: True if the Future is done already, passed: the number of the handle
                  that this one takes the place of (a callback that is scheduled once more)
        cancel    how, handle, target
        poll      wait ("none", "timer", "forever"), ready (how many fds)
        ready     how ("fd", "timer"), events ("READ", "READ|WRITE", ...), handle
        resolve   value or error; waiting (how many callbacks)
        syscall   bytes, asked, value, error, op ("ADD", "MOD", "DEL"), events, as fits
        note      text

        Bytes are summarised as their number ("28 bytes"); `head`, their beginning, is there
        only if it was asked for.
    """

    seq: int
    kind: str
    name: str
    mod: str | None = None
    layer: str | None = None
    lane: str = "loop"
    t: int = 0
    turn: int = 0
    depth: int = 0
    parent: int | None = None
    cause: int | None = None
    link: int | None = None
    of: int | None = None
    conn: str | None = None
    req: str | None = None
    fd: str | None = None
    obj: str | None = None
    src: str | None = None
    step: str | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that say something, in their order."""
        values = ((name, getattr(self, name)) for name in FIELDS)
        return {name: value for name, value in values if value is not None and value != {}}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Event:
        """Return the event that `to_dict` told of; fields of a later version are dropped."""
        return cls(**{name: value for name, value in values.items() if name in FIELDS})

    @classmethod
    def recorded(cls, record: tuple[Any, ...], began: int) -> Event:
        """Return the event that was put down as a tuple by `Writer.emit`."""
        (seq, kind, site, lane, t, turn, (parent, depth), (conn, req), data, obj, of, cause, link,
         fd, at) = record  # fmt: skip
        name = lane.name or lane.take_number()
        step = STEPS.get(kind) or site.step or ("run" if kind == "run" else None)
        if kind in STEPS:
            src = None if at is None else source_at(*at)
        else:
            src = None if kind in CLOSERS else site.src
        if data and "delta" in data:
            watch, before, after = data["delta"]
            data["delta"] = watch.delta(before, after)
        return cls(
            seq, kind, site.name, site.mod, site.layer, name, t - began, turn, depth, parent, cause,
            link, of, conn, req, fd, obj, src, step, {} if data is None else data,
        )  # fmt: skip


FIELDS = tuple(entry.name for entry in fields(Event))

#: What is at another line each time; its concept is its kind's, and not its function's.
STEPS = {"resume": "resume", "yield": "wait"}


class Trace(Looks):
    """A sequence of events, in the order of `seq`.

    A selection made by `filter` is a Trace too.  It still knows the whole: `trace[seq]` finds
    every event, so the edges of what is visible can be followed through what is not.

    `meta`: what the header line says (table, level, ...).
    """

    def __init__(
        self,
        events: Iterable[Event] = (),
        meta: dict[str, Any] | None = None,
        whole: Trace | None = None,
    ) -> None:
        #: What a tracer has written, as tuples, since it `began`: `events` makes Events of them.
        self.fresh: deque[tuple[Any, ...]] = deque()
        self.began = 0
        self.sink: Callable[[Event], object] | None = None  # called with each, when it is an Event
        self._lock = threading.RLock()
        self._at_work = False  # somebody has the lock, and is at work
        self.meta: dict[str, Any] = {} if meta is None else meta
        self.whole: Trace = self if whole is None else whole
        self._by_seq: dict[int, Event] = {}
        self._closers: dict[int, Event] = {}
        self._children: dict[int | None, list[Event]] = {}
        self._events: list[Event] = []
        self._set(list(events))

    # ---- a sequence ----

    @property
    def events(self) -> list[Event]:
        """The events, in the order of `seq`."""
        return self.up_to_date()._events

    def up_to_date(self) -> Trace:
        """Make Events of what was written since somebody looked; return the trace."""
        if self.fresh:
            with self._work() as free:
                while free and self.fresh:
                    event = Event.recorded(self.fresh.popleft(), self.began)
                    _put(self._events, event)
                    self._index(event)
                    if self.sink is not None:
                        self.sink(event)
        return self

    def _index(self, event: Event) -> None:
        self._by_seq[event.seq] = event
        if self.whole is not self:  # which knows the rest
            return
        if event.of is not None:
            self._closers[event.of] = event
        else:
            _put(self._children.setdefault(event.parent, []), event)

    @contextmanager
    def _work(self) -> Iterator[bool]:
        """Keep other threads out; False for who is inside of this work, or has interrupted it.

        Several threads may look at once, the sink may look as well, and a signal handler at what
        the code that it has interrupted is about to change.  It would wait for itself for ever if
        the lock were no RLock, and spoil what is half done if it went on; so it takes what is
        there.  What it writes is for whoever is at work.
        """
        with self._lock:
            if self._at_work:
                yield False
                return
            self._at_work = True
            try:
                yield True
            finally:
                self._at_work = False

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, seq: int) -> Event:
        """Return the event number `seq` of the whole trace; KeyError if it isn't there."""
        return self.whole.up_to_date()._by_seq[seq]

    def get(self, seq: int | None) -> Event | None:
        """Return the event number `seq` of the whole trace, or None."""
        return None if seq is None else self.whole.up_to_date()._by_seq.get(seq)

    def __contains__(self, seq: object) -> bool:
        """Tell whether the event number `seq` is in this selection."""
        return seq in self.up_to_date()._by_seq

    # ---- brackets and edges ----

    def closer(self, opener: Event) -> Event | None:
        """Return the event that closed the bracket; None if it is open, or `opener` opens none."""
        return self.whole.up_to_date()._closers.get(opener.seq)

    def opener(self, event: Event) -> Event:
        """Return the opener of a closer; any other event is its own."""
        return event if event.of is None else self[event.of]

    def children(self, opener: Event | None) -> list[Event]:
        """Return the events right inside the bracket, its closer left out; None: outside of all."""
        children = self.whole.up_to_date()._children
        return children.get(None if opener is None else opener.seq, [])

    def inside(self, opener: Event) -> Iterator[Event]:
        """Yield the events in a bracket, at any depth, in their order; closers are left out."""
        for event in self.children(opener):
            yield event
            yield from self.inside(event)

    def ancestors(self, event: Event) -> Iterator[Event]:
        """Yield the brackets around an event, from the inside out."""
        parent = self.get(event.parent)
        while parent is not None:
            yield parent
            parent = self.get(parent.parent)

    def visible(self, seq: int | None) -> Event | None:
        """Return the event `seq`, or the nearest in this selection that stands for it.

        An event that was filtered out is stood for by its bracket, or by its cause.
        """
        shown = self.up_to_date()._by_seq
        event = self.get(seq)
        while event is not None and event.seq not in shown:
            up = event.of if event.of is not None else event.parent
            event = self.get(up if up is not None else event.cause)
        return event

    def restart(self) -> None:
        """Forget all events: a child begins its own trace, whatever a lock of its parent's says."""
        self._lock = threading.RLock()
        self._at_work = False
        self.fresh.clear()
        self._set([])

    def _set(self, events: list[Event]) -> None:
        for known in (self._events, self._by_seq, self._closers, self._children):
            known.clear()
        self._events += events
        for event in events:
            self._index(event)

    # ---- a bound ----

    def prune(self, each: int, ended: int) -> int:
        """Keep the last `each` events of a connection, and of those that are over, `ended`.

        Returns how many events are left.
        """
        with self._work() as free:
            if not free:
                return len(self._events) + len(self.fresh)
            fresh = [self.fresh.popleft() for _ in range(len(self.fresh))]
            items: list[Event | tuple[Any, ...]] = [*self._events, *fresh]
            over = [conn for kind, name, conn in map(_about, items) if (kind, name) == _END]
            room = dict.fromkeys(over[:-ended], 0)
            kept = []
            for item in reversed(items):
                conn = _about(item)[2]
                left = room.setdefault(conn, each)
                if left > 0:
                    room[conn] = left - 1
                    kept.append(item)
            self._set([item for item in reversed(kept) if isinstance(item, Event)])
            # Before what has been written meanwhile.
            self.fresh.extendleft(item for item in kept if not isinstance(item, Event))
            return len(kept)

    # ---- selections ----

    def only(self, events: Iterable[Event]) -> Trace:
        """Return a selection: these events, of the same whole."""
        return Trace(events, self.meta, self.whole)

    def filter(self, *, level: str | None = None, **wanted: Any) -> Trace:
        """Return the events whose fields are as `wanted`.

        A wanted value may be a collection of values: `filter(conn="c1", kind={"run", "resolve"})`.
        `level`: "full" is everything, "chain" leaves out the calls in between.
        """
        tests = [
            (name, want if isinstance(want, Collection) and not isinstance(want, str) else (want,))
            for name, want in wanted.items()
        ]
        unknown = [name for name in wanted if name not in FIELDS]
        if unknown:
            raise TypeError(f"an event has no field {unknown[0]!r}")
        return self.only(
            event
            for event in self.events
            if all(getattr(event, name) in want for name, want in tests)
            and (level != "chain" or self.level(event) == "chain")
        )

    def level(self, event: Event) -> str:
        """Return "chain" for what tells why something ran, "full" for calls on the way."""
        opener = self.get(event.of) or event
        if opener.data.get("how") == "stored":
            return "full"
        if opener.kind != "call" or "segment" in opener.data or opener.step in CHAIN_STEPS:
            return "chain"
        return "full"

    def connections(self) -> list[str]:
        """Return the names of the connections, in order of appearance."""
        return list(dict.fromkeys(event.conn for event in self.events if event.conn is not None))

    def requests(self, conn: str | None = None) -> list[str]:
        """Return the names of the requests (of one connection), in order of appearance."""
        events = self.events if conn is None else self.filter(conn=conn)
        return list(dict.fromkeys(event.req for event in events if event.req is not None))

    # ---- proof ----

    def check(
        self,
        sent: Mapping[str, int] | None = None,
        received: Mapping[str, int] | None = None,
        ended: bool = False,
    ) -> list[str]:
        """Return which laws the trace breaks, in sentences; see `check.violations`."""
        from .check import violations

        return violations(self, sent, received, ended)

    # ---- forms ----

    def canonical(self) -> str:
        """Return the events as JSON lines without their times: two equal runs have equal ones."""
        return canonical(self.events)

    def dump(self, path: str | Path) -> None:
        """Write the trace to a file: JSON lines, the header first."""
        header = {"format": FORMAT, "version": VERSION, "meta": self.meta}
        with open(path, "w", encoding="utf-8") as file:
            file.write(to_json(header) + "\n")
            for event in self.events:
                file.write(to_json(event.to_dict()) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read what `dump` wrote.  Raises ValueError if it is something else, or too new."""
        with open(path, encoding="utf-8") as file:
            header = json.loads(file.readline() or "{}")
            if not isinstance(header, dict) or header.get("format") != FORMAT:
                raise ValueError(f"{path} is no trace: its first line is not a {FORMAT} header")
            if header.get("version") != VERSION:
                raise ValueError(f"{path} has version {header.get('version')}, not {VERSION}")
            return cls((Event.from_dict(json.loads(line)) for line in file), header.get("meta"))


load = Trace.load


def _put(events: list[Event], event: Event) -> None:
    """Put an event where its seq belongs: at the end, unless another thread was faster."""
    if events and events[-1].seq > event.seq:
        bisect.insort(events, event, key=operator.attrgetter("seq"))
    else:
        events.append(event)


_END = ("end", "connection")


def _about(item: Event | tuple[Any, ...]) -> tuple[str, str, str | None]:
    """Return kind, name and connection of an event, or of one that is still a tuple."""
    if isinstance(item, Event):
        return item.kind, item.name, item.conn
    return item[1], item[2].name, item[7][0]
