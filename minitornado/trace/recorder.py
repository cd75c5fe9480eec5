"""Recorder: writes down what happens, where in the stack, for whom, and because of what.

The wrappers say "this function was called", "this callable was handed over"; the recorder
knows the rest.  For every lane (a thread) it keeps the stack of open brackets, which gives an
event its `parent`, and the *flow*: the connection and the request that the code works for.

A flow is handed on in three ways, none of which is a guess:

    down the stack      what is called works for whom its caller works
    through a Handle    a callback works for whom it was registered by
    across a wait       a coroutine goes on working for whom it worked before

Nothing here may disturb the program.  What goes wrong in here is caught, becomes a note in
the trace, and makes `Trace.check` fail.
"""

from __future__ import annotations

import functools
import itertools
import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

from .events import Event, Trace
from .handles import Handle, find
from .names import Names, name_of, source_of
from .probes import Place, Row, Schedule, Syscall, Table

# Of connections that have ended, how many are kept beside the ones that live, with a ring.
RING_ENDED = 100

# How many events there are before a ring is looked after; from then on, when they have doubled.
RING_EVENTS = 10_000


class Lane:
    """A thread, and where it stands."""

    __slots__ = ("conn", "muted", "name", "polling", "req", "stack", "told", "turn")

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[Event] = []  # the open brackets
        self.conn: str | None = None  # the flow
        self.req: str | None = None
        self.turn = 0
        self.muted = False  # inside a poll: how it is done is not the program's doing
        self.polling: Any = None  # the function that polls, while it does
        self.told = 0.0  # what the loop's clock said last


class Site:
    """A function that is traced: its row, and what is known of it beforehand."""

    __slots__ = ("layer", "method", "mod", "name", "original", "positions", "row", "src", "step")

    def __init__(
        self, row: Row | None, original: Any, name: str, mod: str | None, layer: str
    ) -> None:
        self.row: Any = row  # None for what has no probe: it runs through a Handle, or a Runner
        self.original = original
        self.name = name
        self.mod = mod
        self.layer = layer
        self.step = None if row is None else row.step
        self.src: str | None = None
        self.method = False  # whether the first argument is the receiver
        self.positions: dict[str, int] = {}

    def argument(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the argument that the parameter `name` gets; None if it is left out."""
        at = self.positions[name]
        return args[at] if at < len(args) else kwargs.get(name)


class Open:
    """An open bracket: its event, and the state of the receiver when it was opened."""

    __slots__ = ("before", "event", "receiver")

    def __init__(self, event: Event, receiver: Any, before: dict[str, Any]) -> None:
        self.event = event
        self.receiver = receiver
        self.before = before


class Suspension:
    """Where a coroutine sleeps: how many segments it had, what it waits for, and for whom."""

    __slots__ = ("asleep", "conn", "req", "segments", "target")

    def __init__(self) -> None:
        self.segments = 0
        self.asleep: int | None = None  # seq of its last yield
        self.target: Any = None
        self.conn: str | None = None
        self.req: str | None = None


class Recorder:
    """Writes events into `trace`.  Used by the wrappers of `probes`' rows, and by Handles."""

    def __init__(
        self,
        table: Table,
        level: str = "full",
        heads: bool = False,
        sink: Callable[[Event], object] | None = None,
        ring: int | None = None,
    ) -> None:
        self.table = table
        self.trace = Trace(meta={"table": table.name, "level": level})
        self.names = Names(table.package, table.describe, heads)
        self.on = False
        self.errors = 0
        self.handles = itertools.count(1)
        # Set by the tracer: probes the methods of an application's class, met on the way.
        self.watch_class: Callable[..., None] = lambda cls, methods, returns=(): None
        self.fd_handles: dict[int, Any] = {}  # fd -> the Handle that is called for it
        self.ready: dict[int, int] = {}  # fd -> seq of its `ready`, until it has been served
        self.installed: list[Site] = []
        # Calls that went through a wrapper, and were nothing to write: (module, name) -> number.
        self.unwritten: Counter[tuple[str, str]] = Counter()
        self.sites: dict[Any, Site] = {}  # function, or its wrapper -> a run can be its bracket
        self._plain: dict[Any, Site] = {}  # code of an unprobed function -> the same
        self.wrappers: dict[Any, Any] = {}  # function -> what stands in its place
        self._loops_seen: weakref.WeakSet[Any] = weakref.WeakSet()
        self._suspensions: weakref.WeakKeyDictionary[Any, Suspension] = weakref.WeakKeyDictionary()
        self._sink = sink
        self._ring = ring
        self._prune_at = RING_EVENTS
        self._seq = itertools.count(1)
        self._began = time.perf_counter_ns()
        self._lanes = threading.local()
        self._first = self._last = Lane("loop")
        self._loops: list[Lane] = []
        self._threads = itertools.count(1)
        self._open: set[str] = set()  # connections that have begun and not ended
        self._requests: dict[str, int] = {}
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
            lane = self._lanes.lane = Lane(f"thread-{next(self._threads)}")
            return lane

    def _is_loop(self, lane: Lane) -> None:
        """This lane polls: it is a loop's, and is called so."""
        if lane in self._loops:
            return
        name = "loop" if not self._loops else f"loop{len(self._loops) + 1}"
        self._loops.append(lane)
        if lane.name != name:
            if name == self._first.name:  # the thread that began the trace only watches
                self._rename(self._first, "main")
            self._rename(lane, name)

    def _rename(self, lane: Lane, name: str) -> None:
        for event in self.trace.events:
            if event.lane == lane.name:
                event.lane = name
        lane.name = name

    # ---- writing ----

    def emit(
        self,
        lane: Lane,
        kind: str,
        name: str,
        mod: str | None,
        layer: str | None,
        *,
        cause: int | None = None,
        link: int | None = None,
        of: int | None = None,
        fd: str | None = None,
        obj: str | None = None,
        src: str | None = None,
        step: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> Event:
        """Write an event that happens now, in this lane."""
        stack = lane.stack
        event = Event(
            next(self._seq), kind, name, mod, layer, lane.name,
            time.perf_counter_ns() - self._began, lane.turn, len(stack),
            stack[-1].seq if stack else None, cause, link, of, lane.conn, lane.req,
            fd, obj, src, step, {} if data is None else data,
        )  # fmt: skip
        self.trace.events.append(event)
        if self._ring is not None and len(self.trace.events) >= self._prune_at:
            self._prune()
        if self._sink is not None:
            self._tell(event)
        return event

    def _tell(self, event: Event) -> None:
        assert self._sink is not None
        try:
            self._sink(event)
        except Exception as error:
            self._sink = None  # it would fail again, for every event
            self.failed(error)

    def skip(self, site: Site) -> None:
        """Count a call that is nothing to write, so that the audit comes out even."""
        self.unwritten[str(site.mod), site.name] += 1

    def guard(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of the tracer's; None if it fails, which is noted."""
        try:
            return function(*args)
        except Exception as error:
            self.failed(error)
            return None

    def failed(self, error: BaseException) -> None:
        """Note an error of the tracer's own; the program goes on."""
        self.errors += 1
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_next is not None:
            traceback = traceback.tb_next
        where = ""
        if traceback is not None:
            file = os.path.basename(traceback.tb_frame.f_code.co_filename)
            where = f" at {file}:{traceback.tb_lineno}"
        text = f"{type(error).__name__}{where}: {error}"
        self.note("tracer-error", text)

    def note(self, name: str, text: str) -> None:
        """Write a remark of the tracer's own."""
        self.emit(self.lane(), "note", name, None, None, data={"text": text})

    # ---- brackets ----

    def open(
        self,
        lane: Lane,
        site: Site,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Open | None:
        """Open the bracket of a call."""
        try:
            receiver = args[0] if site.method and args else None
            row = site.row
            if row.opens == "conn":
                self._begin_connection(lane, site.argument(row.socket, args, kwargs))
            elif row.opens == "req":
                self._begin_request(lane)
            data = self._arguments(site, args, kwargs)
            obj = None if receiver is None else self.names.name(receiver)
            event = self.emit(
                lane, "call", site.name, site.mod, site.layer,
                obj=obj, src=site.src, step=site.step, data=data,
            )  # fmt: skip
            lane.stack.append(event)
            return Open(event, receiver, self.state(receiver))
        except Exception as error:
            self.failed(error)
            return None

    def close(
        self,
        lane: Lane,
        opened: Open | None,
        kind: str,
        value: Any = None,
        error: BaseException | None = None,
    ) -> None:
        """Close a bracket: `kind` is "return" or "done" with a value, or "raise" with an error."""
        if opened is None:
            return
        event = opened.event
        lane.stack.pop()
        try:
            data: dict[str, Any] = {}
            if error is not None:
                data["error"] = self.names.error(error)
            elif value is not None:
                data["value"] = self.names.summary(value)
                head = self.names.head(value)
                if head is not None:
                    data["head"] = head
            before = opened.before
            if before:
                after = self.state(opened.receiver)
                delta = {
                    name: [before[name], now]
                    for name, now in after.items()
                    if name in before and before[name] != now
                }
                if delta:
                    data["delta"] = delta
            self.emit(
                lane, kind, event.name, event.mod, event.layer,
                of=event.seq, obj=event.obj, step=event.step, data=data,
            )  # fmt: skip
        except Exception as failure:
            self.failed(failure)

    def state(self, receiver: Any) -> dict[str, Any]:
        """Return the state of a receiver that is watched; {} of any other, and while it is made."""
        for cls in type(receiver).__mro__:
            watch = self.table.watch.get(cls.__name__)
            if watch is not None:
                try:
                    return watch(receiver)
                except AttributeError:
                    return {}
        return {}

    def _arguments(
        self, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if site.row.args:
            summaries = {}
            for name in site.row.args:
                value = site.argument(name, args, kwargs)
                if name == "events" and isinstance(value, int):
                    summaries[name] = self.table.masks(value)
                elif value is not None:
                    summaries[name] = self.names.summary(value)
                    head = self.names.head(value)
                    if head is not None:
                        data["head"] = head
            if summaries:
                data["args"] = summaries
        return data

    # ---- connections and requests ----

    def _begin_connection(self, lane: Lane, sock: Any, attached: bool = False) -> None:
        lane.conn, lane.req = self.names.next("c"), None
        self._open.add(lane.conn)
        number = self.fd_number(sock)
        if not self.names.has_fd(number):  # nobody saw it being accepted
            self.names.set_fd(number, lane.conn)
        data = {"attached": True} if attached else {}
        self.emit(
            lane, "begin", "connection", None, "tcp", fd=lane.conn, step="connection", data=data
        )

    def _begin_request(self, lane: Lane) -> None:
        if lane.conn is None:
            return
        number = self._requests.get(lane.conn, 0) + 1
        if len(self._requests) > 10 * RING_ENDED and lane.conn not in self._requests:
            del self._requests[next(iter(self._requests))]  # of a connection long gone
        self._requests[lane.conn] = number
        lane.req = f"{lane.conn}r{number}"
        self.emit(lane, "begin", "request", None, "http1", step="request")

    def ended(self, lane: Lane, site: Site, conn: str | None, req: str | None) -> None:
        """A coroutine has ended: its caller goes on, for `conn` and `req`.

        With some, a request ends.  What its caller does from then on, it does for nobody's.
        """
        if site.row.closes == "req" and lane.req is not None:
            self.guard(self._end_request, lane)
            req = None
        lane.conn, lane.req = conn, req

    def _end_request(self, lane: Lane) -> None:
        self.emit(lane, "end", "request", None, "http1", step="request-end")

    # ---- callables for later ----

    def site_of(self, function: Any) -> tuple[Site, bool]:
        """Return what is known of a callable, and whether the bracket of its run is its probe's."""
        plain = getattr(function, "__func__", function)
        site = self.sites.get(plain)
        if site is not None:
            return site, True
        while isinstance(plain, functools.partial):
            plain = plain.func
        plain = getattr(plain, "__func__", plain)
        plain = getattr(plain, "__wrapped__", plain)
        mod = getattr(plain, "__module__", None)
        return self._plain_site(getattr(plain, "__code__", None), name_of(plain), mod), False

    def coroutine_site(self, coroutine: Any) -> Site:
        """Return what is known of a coroutine that has no probe."""
        code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "gi_code", None)
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        mod = None if frame is None else frame.f_globals.get("__name__")
        return self._plain_site(code, name_of(coroutine), mod)

    def _plain_site(self, code: Any, name: str, mod: str | None) -> Site:
        site = None if code is None else self._plain.get(code)
        if site is None:
            site = Site(None, None, name, mod, self.table.layers.get(mod or "", "app"))
            if code is not None:
                site.src = source_of(code)
                self._plain[code] = site
        return site

    def scheduled(
        self,
        lane: Lane,
        site: Site,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        function: Any,
    ) -> Handle:
        """Write that `function` is handed over for later; return the Handle that stands for it."""
        row: Schedule = site.row
        handle = Handle(self, function, row.how, next(self.handles), lane, row.recurring)
        data: dict[str, Any] = {"how": row.how, "handle": handle.number, "target": handle.site.name}
        coroutine = self.table.coroutine_of(handle.function)
        if coroutine is not None:
            data["coroutine"] = handle.coroutine = name_of(coroutine)
        fd = obj = None
        if row.fd is not None:
            handle.fd = self.fd_number(site.argument(row.fd, args, kwargs))
            fd = self.names.fd(handle.fd, self.table.fd_role(args[0], handle.fd, handle.function))
        if row.events is not None:
            data["events"] = self.table.masks(site.argument(row.events, args, kwargs))
        if row.when is not None:
            # On the clock's own word: what has passed since it was asked is no part of the plan.
            data["seconds"] = round(site.argument(row.when, args, kwargs) - lane.told, 6)
        if row.recurring:
            data["recurring"] = True
        if row.future is not None:
            future = site.argument(row.future, args, kwargs)
            handle.known = self.names.of(future)
            obj = None if handle.known is None else handle.known.name
            if future.done():
                data["done"] = True
        else:
            self._loops_seen.add(args[0])
        passed = function if isinstance(function, Handle) else None
        if passed is not None:
            data["passed"] = passed.number
        event = self.emit(
            lane, "schedule", site.name, site.mod, site.layer,
            fd=fd, obj=obj, src=site.src, step=site.step, data=data,
        )  # fmt: skip
        handle.is_scheduled_by(event, passed)
        return handle

    def attached(self, loop: Any, place: Place, function: Any) -> Handle:
        """Write that a callable was found waiting in a loop; return the Handle for it."""
        lane = self.lane()
        flow = lane.conn, lane.req
        lane.conn = lane.req = fd = None
        sock = None if place.fd is None else self.table.socket_of(loop, function)
        if sock is not None:
            self._accepted(sock)
            self._begin_connection(lane, sock, attached=True)
        handle = Handle(self, function, place.how, next(self.handles), lane, place.how == "fd")
        data = {"how": place.how, "handle": handle.number, "target": handle.site.name}
        if place.fd is not None:
            handle.fd = place.fd
            self.fd_handles[place.fd] = handle
            fd = self.names.fd(place.fd, self.table.fd_role(loop, place.fd, function))
            data["recurring"] = True
        elif place.how == "timer":
            data["seconds"] = None
        self._loops_seen.add(loop)
        event = self.emit(
            lane, "schedule", "Tracer.attach", None, "loop", fd=fd, step="attach", data=data
        )
        handle.is_scheduled_by(event, None)
        lane.conn, lane.req = flow
        return handle

    def loops(self) -> list[Any]:
        """Return the loops that were given something, and still exist."""
        return list(self._loops_seen)

    def waiting(self, loop: Any) -> list[Handle]:
        """Return the Handles that wait in a loop."""
        found = [find(place.function) for place in self.table.places(loop)]
        return [handle for handle in found if handle is not None and handle.recorder is self]

    def end(self) -> None:
        """Stop recording; say what still waits."""
        self.on = False
        self.trace.meta["pending"] = sorted(
            handle.number for loop in self.loops() for handle in self.waiting(loop)
        )

    def open_run(self, lane: Lane, handle: Handle, args: tuple[Any, ...]) -> Open | None:
        """Open the bracket of a callable that was handed over before, and is called now."""
        try:
            site = handle.site
            cause, fd = handle.cause, None
            if handle.how == "timer":
                cause = self.emit(
                    lane, "ready", "deadline", "kernel", "loop", cause=cause, link=handle.link,
                    step="due", data={"how": "timer", "handle": handle.number},
                ).seq  # fmt: skip
            elif handle.how == "fd" and handle.fd is not None:
                cause = self.ready.pop(handle.fd, None)
                fd = self.names.fd(handle.fd)
            elif handle.known is not None and handle.known.resolved is not None:
                cause = handle.known.resolved
            data: dict[str, Any] = {"how": handle.how, "handle": handle.number}
            if handle.coroutine is not None:
                data["coroutine"] = handle.coroutine
            if handle.merged and site.row.args:
                data.update(self._arguments(site, (handle.receiver, *args), {}))
            receiver = handle.receiver
            event = self.emit(
                lane, "run", site.name, site.mod, site.layer, cause=cause, link=handle.link,
                fd=fd, obj=None if receiver is None else self.names.name(receiver),
                src=site.src, step=site.step or "run", data=data,
            )  # fmt: skip
            lane.stack.append(event)
            return Open(event, receiver, self.state(receiver))
        except Exception as error:
            self.failed(error)
            return None

    def cancelled(
        self, lane: Lane, site: Site, handle: Handle, error: BaseException | None = None
    ) -> None:
        """Write that a callable was taken back."""
        target = handle.site.name
        data: dict[str, Any] = {"how": handle.how, "handle": handle.number, "target": target}
        fd = None
        if handle.fd is not None:
            fd = self.names.fd(handle.fd)
            if self.fd_handles.get(handle.fd) is handle:
                del self.fd_handles[handle.fd]
                self.ready.pop(handle.fd, None)
        if error is not None:
            data["error"] = self.names.error(error)
        self.emit(
            lane, "cancel", site.name, site.mod, site.layer,
            link=handle.link, fd=fd, src=site.src, step=site.step, data=data,
        )  # fmt: skip

    def refused(self, lane: Lane, site: Site, handle: Handle, error: BaseException) -> None:
        """Write that a callable was not taken."""
        self.cancelled(lane, site, handle, error)
        self.unwritten[str(site.mod), site.name] -= 1  # of one call, two events

    def dropped(self, lane: Lane, site: Site, loop: Any) -> None:
        """Write that a loop is closed: what still waits in it never runs."""
        for handle in self.waiting(loop):
            if not handle.recurring:  # a handler has an end of its own, when it is removed
                self.cancelled(lane, site, handle)
                self.unwritten[str(site.mod), site.name] -= 1  # of one call, several events

    def fd_number(self, fd: Any) -> int:
        return fd if isinstance(fd, int) else int(fd.fileno())

    # ---- futures ----

    def resolved(self, lane: Lane, site: Site, future: Any, value: Any) -> None:
        """Write that a Future gets its result, or its exception."""
        if future.done():
            return self.skip(site)  # it will say so itself
        known = self.names.of(future)
        data: dict[str, Any] = {}
        if site.row.error:
            data["error"] = self.names.error(value)
        elif value is not None:
            data["value"] = self.names.summary(value)
            head = self.names.head(value)
            if head is not None:
                data["head"] = head
        event = self.emit(
            lane, "resolve", site.name, site.mod, site.layer,
            obj=None if known is None else known.name, src=site.src, step=site.step, data=data,
        )  # fmt: skip
        if known is not None:
            known.resolved = event.seq

    # ---- the kernel ----

    def syscall(
        self,
        lane: Lane,
        site: Site,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        fd: str | None,
        value: Any = None,
        error: BaseException | None = None,
    ) -> None:
        """Write a system call that has returned, or failed."""
        row: Syscall = site.row
        data: dict[str, Any] = {}
        if row.op is not None:
            data["op"] = row.op
        if row.events is not None:
            data["events"] = self.table.masks(site.argument(row.events, args, kwargs))
        sent = None
        if row.asked is not None:
            sent = args[row.asked] if row.asked < len(args) else None
        if sent is not None:
            data["asked"] = sent if isinstance(sent, int) else _size(sent)
        if error is not None:
            data["error"] = self.names.error(error)
        elif row.counts:
            data["bytes"] = value if isinstance(value, int) else len(value)
            head = self.names.head(value if sent is None or isinstance(sent, int) else sent[:value])
            if head is not None:
                data["head"] = head
        elif row.accepts:
            data["value"] = self._accepted(value[0])
        self.emit(
            lane, "syscall", row.name, "kernel", "kernel",
            fd=fd, src=site.src, step=row.step or row.name, data=data,
        )  # fmt: skip
        if row.closes and fd is not None and fd in self._open:
            self._end_connection(lane, fd)

    def _accepted(self, sock: Any) -> str:
        name = self.names.next("accepted c").removeprefix("accepted ")
        self.names.set_fd(sock.fileno(), name)
        return name

    def _end_connection(self, lane: Lane, name: str) -> None:
        self._open.discard(name)
        conn, req = lane.conn, lane.req
        lane.conn, lane.req = name, req if conn == name else None
        self.emit(lane, "end", "connection", None, "tcp", fd=name, step="connection-end")
        lane.conn, lane.req = conn, req

    def polled(
        self, lane: Lane, site: Site, poller: Any, seconds: Any, ready: list[tuple[int, int]]
    ) -> None:
        """Write that a poll has returned, and who is ready: a new turn begins."""
        self._is_loop(lane)
        lane.turn += 1
        wait = "forever" if seconds is None else "timer" if seconds > 0 else "none"
        number = poller.fileno()
        poll = self.emit(
            lane, "poll", "epoll_wait", "kernel", "kernel",
            fd=self.names.fd(number, "epoll") if number >= 0 else None,
            src=site.src, step=site.step, data={"wait": wait, "ready": len(ready)},
        )  # fmt: skip
        self.ready.clear()
        for number, events in ready:
            handle = self.fd_handles.get(number)
            lane.conn = None if handle is None else handle.conn
            data = {"how": "fd", "events": self.table.masks(events)}
            if handle is not None:
                data["handle"] = handle.number
            event = self.emit(
                lane, "ready", "ready", "kernel", "kernel",
                cause=poll.seq, link=None if handle is None else handle.link,
                fd=self.names.fd(number), step="ready", data=data,
            )  # fmt: skip
            self.ready[number] = event.seq
        lane.conn = None

    # ---- coroutines ----

    def suspension(self, coroutine: Any) -> Suspension:
        """Return where a coroutine that has no probe sleeps."""
        known = self._suspensions.get(coroutine)
        if known is None:
            known = self._suspensions[coroutine] = Suspension()
        return known

    def open_segment(
        self, lane: Lane, site: Site, sleep: Suspension, src: str | None, receiver: Any = None
    ) -> Open | None:
        """Open the bracket of one segment of a coroutine: from `src` to where it waits or ends."""
        try:
            sleep.segments += 1
            data: dict[str, Any] = {"segment": sleep.segments}
            if sleep.segments > 1:
                lane.conn, lane.req = sleep.conn, sleep.req
                data["target"] = sleep.target
            event = self.emit(
                lane, "call" if sleep.segments == 1 else "resume", site.name, site.mod, site.layer,
                link=sleep.asleep, obj=None if receiver is None else self.names.name(receiver),
                src=src, step=site.step if sleep.segments == 1 else "resume", data=data,
            )  # fmt: skip
            lane.stack.append(event)
            return Open(event, receiver, self.state(receiver))
        except Exception as error:
            self.failed(error)
            return None

    def suspend(
        self, lane: Lane, opened: Open | None, sleep: Suspension, waits_for: Any, src: str | None
    ) -> None:
        """Close the bracket of a segment: the coroutine waits, at the line `src`."""
        if opened is None:
            return
        event = opened.event
        lane.stack.pop()
        try:
            sleep.conn, sleep.req = lane.conn, lane.req
            sleep.target = self.names.summary(waits_for)
            closer = self.emit(
                lane, "yield", event.name, event.mod, event.layer,
                of=event.seq, src=src, step="wait", data={"target": sleep.target},
            )  # fmt: skip
            sleep.asleep = closer.seq
        except Exception as error:
            self.failed(error)

    def passed_over(self, site: Site) -> None:
        """An exception went through a coroutine to the one that it awaits, and stayed there.

        Python gives it to the inner one directly.  The outer one was no more than passed over:
        a segment of it in the trace, and no call of it by Python.
        """
        self.unwritten[str(site.mod), site.name] -= 1

    def failed_with(self, future: Any) -> bool:
        """Tell whether a Future that is done has an exception."""
        return future is not None and bool(self.guard(future.exception))

    # ---- the ring ----

    def _prune(self) -> None:
        """Keep the last events of each connection that lives, and of the last ones that ended."""
        assert self._ring is not None
        events = self.trace.events
        size = len(events)
        by_conn: dict[str | None, list[Event]] = {}
        ended: list[str | None] = []
        for event in events[:size]:
            by_conn.setdefault(event.conn, []).append(event)
            if event.kind == "end" and event.name == "connection":
                ended.append(event.conn)
        for conn in ended[:-RING_ENDED]:
            by_conn.pop(conn, None)
        kept = [event for group in by_conn.values() for event in group[-self._ring :]]
        kept.sort(key=lambda event: event.seq)
        events[:size] = kept  # what other threads append meanwhile stands behind
        self._prune_at = max(RING_EVENTS, 2 * len(kept))


def _size(data: Any) -> int:
    return data.nbytes if isinstance(data, memoryview) else len(data)

