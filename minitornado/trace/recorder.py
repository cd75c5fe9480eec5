"""Recorder: writes down what happens, where in the stack, for whom, and because of what.

The wrappers say "this function was called", "this callable was handed over"; the recorder
knows the rest.  The stack of open brackets gives an event its `parent`.  The *flow*, the
connection and the request that the code works for, is handed on in three ways, none of which
is a guess:

    down the stack      what is called works for whom its caller works
    through a Handle    a callback works for whom it was registered by
    across a wait       a coroutine goes on working for whom it worked before
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

from .events import Event
from .handles import Handle, find
from .names import Names, name_of, source_of
from .probes import Place, Row, Schedule, Syscall, Table, Watch
from .writer import RING_ENDED, Lane, Writer


class Site:
    """A function that is traced: its row, and what is known of it beforehand."""

    __slots__ = (
        "layer", "method", "mod", "name", "original", "positions", "row", "src", "step",
        "unwritten",
    )  # fmt: skip

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
        self.unwritten = 0  # calls that were nothing to write

    def argument(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the argument that the parameter `name` gets; None if it is left out."""
        at = self.positions[name]
        return args[at] if at < len(args) else kwargs.get(name)


class Open:
    """An open bracket: its opener, and the state of the receiver at that time."""

    __slots__ = ("before", "obj", "receiver", "seq", "site")

    def __init__(
        self, seq: int, site: Site, obj: str | None, receiver: Any, before: tuple[Any, ...] | None
    ) -> None:
        self.seq = seq
        self.site = site
        self.obj = obj
        self.receiver = receiver
        self.before = before


class Suspension:
    """Where a coroutine sleeps: how many segments it had, what it waits for, and for whom."""

    __slots__ = ("asleep", "conn", "req", "segments", "src", "target")

    def __init__(self) -> None:
        self.segments = 0
        self.asleep: int | None = None  # seq of its last yield
        self.src: str | None = None  # the line
        self.target: Any = None
        self.conn: str | None = None
        self.req: str | None = None


class Recorder(Writer):
    """Knows what the events are about.  Used by the wrappers, and by Handles."""

    def __init__(
        self,
        table: Table,
        level: str = "full",
        heads: bool = False,
        sink: Callable[[Event], object] | None = None,
        ring: int | None = None,
    ) -> None:
        super().__init__({"table": table.name, "level": level}, sink, ring)
        self.table = table
        self.names = Names(table.package, table.describe, heads)
        # Set by the tracer: probes the methods of an application's class, met on the way.
        self.watch_class: Callable[..., None] = lambda cls, methods, returns=(): None
        self.handles = itertools.count(1)
        self.fd_handles: dict[int, Handle] = {}  # fd -> the Handle that is called for it
        self.ready: dict[int, int] = {}  # fd -> seq of its `ready`, until it has been served
        self.installed: list[Site] = []
        self.wrappers: dict[Any, Any] = {}  # function -> what stands in its place
        self.sites: dict[Any, Site] = {}  # function, or its wrapper -> a run can be its bracket
        self._plain: dict[Any, Site] = {}  # code of a function without a probe -> the same
        self._watches: dict[type, Watch | None] = {}
        self._loops_seen: weakref.WeakSet[Any] = weakref.WeakSet()
        self._suspensions: weakref.WeakKeyDictionary[Any, Suspension] = weakref.WeakKeyDictionary()
        self._open: set[str] = set()  # connections that have begun and not ended
        self._requests: dict[str, int] = {}

    def skip(self, site: Site) -> None:
        """Count a call that is nothing to write, so that the audit comes out even."""
        site.unwritten += 1

    @property
    def unwritten(self) -> Counter[tuple[str, str]]:
        """How many calls of each function were nothing to write: {(module, name): number}."""
        counts: Counter[tuple[str, str]] = Counter()
        for site in (*self.installed, *self._plain.values()):
            counts[str(site.mod), site.name] += site.unwritten
        return counts

    def become_child(self) -> None:
        """Go on in the child: its connections and fds are its own."""
        super().become_child()
        self.names.process = self.process

    # ---- brackets ----

    def open(
        self, lane: Lane, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Open | None:
        """Open the bracket of a call."""
        try:
            row = site.row
            if row.opens == "conn":
                self._begin_connection(lane, site.argument(row.socket, args, kwargs))
            elif row.opens == "req":
                self._begin_request(lane)
            receiver = args[0] if site.method and args else None
            data: dict[str, Any] = {}
            if row.args:
                self._tell_arguments(data, site, args, kwargs)
            return self._opened(lane, "call", site, receiver, None, None, site.src, data)
        except Exception as error:
            self.failed(error)
            return None

    def _opened(
        self,
        lane: Lane,
        kind: str,
        site: Site,
        receiver: Any,
        cause: int | None,
        link: int | None,
        src: str | None,
        data: dict[str, Any] | None,
        fd: str | None = None,
        step: str | None = None,
    ) -> Open:
        """Write an opener; what is written from now on stands inside it."""
        obj = before = None
        if receiver is not None:
            obj = self.names.name(receiver)
            before = self.state(receiver)
        seq = self.emit(
            lane, kind, site.name, site.mod, site.layer, cause, link, None, fd, obj, src,
            step or site.step, data,
        )  # fmt: skip
        lane.stack.append(seq)
        return Open(seq, site, obj, receiver, before)

    def close(
        self,
        lane: Lane,
        opened: Open | None,
        kind: str,
        value: Any = None,
        error: BaseException | None = None,
    ) -> None:
        """Close a bracket: `kind` is "return" or "done" with a value, or "raise" with an error."""
        if not self._pop(lane, opened):
            return
        assert opened is not None
        try:
            data: dict[str, Any] = {}
            if error is not None:
                data["error"] = self.names.error(error)
            elif value is not None:
                self._tell_value(data, "value", value)
            if opened.before is not None:
                delta = self._delta(opened.before, opened.receiver)
                if delta:
                    data["delta"] = delta
            site = opened.site
            self.emit(
                lane, kind, site.name, site.mod, site.layer, None, None, opened.seq, None,
                opened.obj, None, site.step, data,
            )  # fmt: skip
        except Exception as failure:
            self.failed(failure)

    def _pop(self, lane: Lane, opened: Open | None) -> bool:
        """Leave a bracket; return whether its end is to be written.

        It is not, if it could not be opened, or if its opener stands in the trace of another
        process; and if the trace was stopped inside of it.
        """
        if opened is None or not lane.stack or lane.stack[-1] != opened.seq:
            return False
        lane.stack.pop()
        return self.on

    def state(self, receiver: Any) -> tuple[Any, ...] | None:
        """Return the state of a receiver that is watched; None of others, or while it is made."""
        watch = self._watch_of(type(receiver))
        if watch is None:
            return None
        try:
            return watch[1](receiver)
        except AttributeError:
            return None

    def _watch_of(self, cls: type) -> Watch | None:
        try:
            return self._watches[cls]
        except KeyError:
            names = [base.__name__ for base in cls.__mro__]
            watched = [self.table.watch[name] for name in names if name in self.table.watch]
            return self._watches.setdefault(cls, watched[0] if watched else None)

    def _delta(self, before: tuple[Any, ...], receiver: Any) -> dict[str, list[Any]]:
        after = self.state(receiver)
        watch = self._watch_of(type(receiver))
        if after is None or after == before or watch is None:
            return {}
        delta = {
            name: [was, now]
            for name, was, now in zip(watch[0], before, after, strict=True)
            if was != now
        }
        if "mask" in delta:
            words = [None if mask is None else self.table.masks(mask) for mask in delta["mask"]]
            delta["mask"] = words
        return delta

    def _tell_value(self, data: dict[str, Any], key: str, value: Any) -> None:
        data[key] = self.names.summary(value)
        head = self.names.head(value)
        if head is not None:
            data["head"] = head

    def _tell_arguments(
        self, data: dict[str, Any], site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        summaries: dict[str, Any] = {}
        for name in site.row.args:
            value = site.argument(name, args, kwargs)
            if name == "events" and isinstance(value, int):
                summaries[name] = self.table.masks(value)
            elif value is not None:
                self._tell_value(data, name, value)
                summaries[name] = data.pop(name)
        if summaries:
            data["args"] = summaries

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
        if site.row.closes == "req" and lane.req is not None and not lane.muted:
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
        code = getattr(plain, "__code__", None)
        site = self._plain.get(code)
        if site is None or "__wrapped__" in plain.__dict__:
            site = self._site_inside(plain)
        return site, False

    def _site_inside(self, function: Any) -> Site:
        """The same for a callable that is met for the first time, or wraps another one."""
        while isinstance(function, functools.partial):
            function = function.func
        function = getattr(function, "__func__", function)
        function = getattr(function, "__wrapped__", function)
        mod = getattr(function, "__module__", None)
        return self._plain_site(getattr(function, "__code__", None), name_of(function), mod)

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
        elif row.how != "thread":
            self._loops_seen.add(args[0])
        passed = function if isinstance(function, Handle) else None
        if passed is not None:
            data["passed"] = passed.number
        seq = self.emit(
            lane, "schedule", site.name, site.mod, site.layer, None, None, None,
            fd, obj, site.src, site.step, data,
        )  # fmt: skip
        handle.is_scheduled_by(seq, passed, "done" in data)
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
        seq = self.emit(
            lane, "schedule", "Tracer.attach", None, "loop", fd=fd, step="attach", data=data
        )
        handle.is_scheduled_by(seq, None)
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
                    lane, "ready", "deadline", "kernel", "loop", cause, handle.link,
                    step="due", data={"how": "timer", "handle": handle.number},
                )  # fmt: skip
            elif handle.how == "fd" and handle.fd is not None:
                cause = self.ready.pop(handle.fd, None)
                fd = self.names.fd(handle.fd)
            elif handle.known is not None and handle.known.resolved is not None:
                cause = handle.known.resolved
            data: dict[str, Any] = {"how": handle.how, "handle": handle.number}
            if handle.coroutine is not None:
                data["coroutine"] = handle.coroutine
            if handle.merged and site.row.args:
                self._tell_arguments(data, site, (handle.receiver, *args), {})
            return self._opened(
                lane, "run", site, handle.receiver, cause, handle.link, site.src, data, fd,
                site.step or "run",
            )  # fmt: skip
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
        site.unwritten -= 1  # of one call, two events

    def dropped(self, lane: Lane, site: Site, loop: Any) -> None:
        """Write that a loop is closed: what still waits in it never runs."""
        for handle in self.waiting(loop):
            if not handle.recurring:  # a handler has an end of its own, when it is removed
                self.cancelled(lane, site, handle)
                site.unwritten -= 1  # of one call, several events

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
            self._tell_value(data, "value", value)
        seq = self.emit(
            lane, "resolve", site.name, site.mod, site.layer,
            obj=None if known is None else known.name, src=site.src, step=site.step, data=data,
        )  # fmt: skip
        if known is not None:
            known.resolved = seq

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
        name = self.names.next("accepted c").replace("accepted ", "")
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
        self.is_loops(lane)
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
            data: dict[str, Any] = {"how": "fd", "events": self.table.masks(events)}
            if handle is not None:
                data["handle"] = handle.number
            self.ready[number] = self.emit(
                lane, "ready", "ready", "kernel", "kernel",
                cause=poll, link=None if handle is None else handle.link,
                fd=self.names.fd(number), step="ready", data=data,
            )  # fmt: skip
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
        if lane.muted:
            return None
        try:
            sleep.segments += 1
            data: dict[str, Any] = {"segment": sleep.segments}
            if sleep.segments > 1:
                lane.conn, lane.req = sleep.conn, sleep.req
                data["target"] = sleep.target
            first = sleep.segments == 1
            return self._opened(
                lane, "call" if first else "resume", site, receiver, None, sleep.asleep, src, data,
                None, None if first else "resume",
            )  # fmt: skip
        except Exception as error:
            self.failed(error)
            return None

    def suspend(
        self, lane: Lane, opened: Open | None, sleep: Suspension, waits_for: Any, src: str | None
    ) -> None:
        """Close the bracket of a segment: the coroutine waits, at the line `src`."""
        if not self._pop(lane, opened):
            return
        assert opened is not None
        try:
            site = opened.site
            sleep.conn, sleep.req = lane.conn, lane.req
            sleep.target, sleep.src = self.names.summary(waits_for), src
            sleep.asleep = self.emit(
                lane, "yield", site.name, site.mod, site.layer, None, None, opened.seq, None,
                opened.obj, src, "wait", {"target": sleep.target},
            )  # fmt: skip
        except Exception as error:
            self.failed(error)

    def passed_over(self, site: Site) -> None:
        """An exception went through a coroutine to the one that it awaits, and stayed there.

        Python gives it to the inner one directly.  The outer one was no more than passed over:
        a segment of it in the trace, and no call of it by Python.
        """
        site.unwritten -= 1

    def failed_with(self, future: Any) -> bool:
        """Tell whether a Future that is done has an exception."""
        return future is not None and bool(self.guard(future.exception))


def _size(data: Any) -> int:
    return data.nbytes if isinstance(data, memoryview) else len(data)

