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

import itertools
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

from .events import Event
from .handles import Handle, find
from .names import Names, innermost, name_of, source_of
from .probes import Place, Schedule, Syscall, Table, Watch
from .writer import NOBODY, RING_ENDED, Flow, Lane, Site, Writer

_CONNECTION = Site("connection", None, "tcp", "connection")
_CONNECTION_END = Site("connection", None, "tcp", "connection-end")
_REQUEST = Site("request", None, "http1", "request")
_REQUEST_END = Site("request", None, "http1", "request-end")
_READY = Site("ready", "kernel", "kernel", "ready")
_DUE = Site("deadline", "kernel", "loop", "due")
_ATTACH = Site("Tracer.attach", None, "loop", "attach")

#: An open bracket: seq of its opener, its site, the receiver's name, the receiver, its state.
Open = tuple[int, Site, str | None, Any, tuple[Any, ...] | None]


class Sleep:
    """Where a coroutine waits: how many segments it had, what it waits for, and for whom."""

    __slots__ = ("asleep", "flow", "segments", "src", "target")

    def __init__(self) -> None:
        self.segments = 0
        self.asleep: int | None = None  # seq of its last yield
        self.src: str | None = None  # the line
        self.target: Any = None
        self.flow = NOBODY


class _Watches(dict[type, Watch | None]):
    """What is watched of the objects of a class."""

    def __init__(self, table: Table) -> None:
        self._by_name = table.watch

    def __missing__(self, cls: type) -> Watch | None:
        names = [base.__name__ for base in cls.__mro__ if base.__name__ in self._by_name]
        watch = self[cls] = self._by_name[names[0]] if names else None
        return watch


class Recorder(Writer):
    """Knows what the events are about.  Used by the wrappers, and by Handles."""

    def __init__(
        self, table: Table, level: str = "full", heads: bool = False,
        sink: Callable[[Event], object] | None = None, ring: int | None = None,
    ) -> None:  # fmt: skip
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
        self._watches = _Watches(table)
        self._loops_seen: dict[int, weakref.ref[Any]] = {}  # a WeakSet takes as long as an event
        self._sleeps: weakref.WeakKeyDictionary[Any, Sleep] = weakref.WeakKeyDictionary()
        self._open: set[str] = set()  # connections that have begun and not ended
        self._requests: dict[str, int] = {}

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
            data = self._arguments(site, args, kwargs) if row.args else None
            return self._enter(lane, "call", site, args[0] if site.method and args else None, data)
        except Exception as error:
            self.failed(error)
            return None

    def _enter(
        self, lane: Lane, kind: str, site: Site, receiver: Any, data: dict[str, Any] | None,
        cause: int | None = None, link: int | None = None,
        fd: str | None = None, src: str | None = None,
    ) -> Open:  # fmt: skip
        """Write an opener; what is written from now on stands inside it."""
        obj = before = None
        if receiver is not None:
            known = self.names.of(receiver)
            obj = None if known is None else known.name
            watch = self._watches[type(receiver)]
            if watch is not None:
                try:
                    before = watch[1](receiver)
                except AttributeError:
                    before = None  # it is being made
        seq = self.emit(lane, kind, site, data, cause, link, None, fd, obj, src)
        lane.stack.append(seq)
        return seq, site, obj, receiver, before

    def close(
        self, lane: Lane, opened: Open | None, kind: str,
        value: Any = None, error: BaseException | None = None,
    ) -> None:  # fmt: skip
        """Close a bracket: `kind` is "return" or "done" with a value, or "raise" with an error."""
        if opened is None or not self._leave(lane, opened):
            return
        seq, site, obj, receiver, before = opened
        data: dict[str, Any] = {}
        try:
            if error is not None:
                data["error"] = self.names.error(error)
            elif value is not None:
                self.names.tell(data, "value", value)
            if before is not None:
                self._tell_changes(data, before, receiver)
            self.emit(lane, kind, site, data or None, None, None, seq, None, obj)
        except Exception as failure:
            self.failed(failure)

    def _leave(self, lane: Lane, opened: Open) -> bool:
        """Leave a bracket; return whether its end is to be written.

        It is not, if its opener stands in the trace of another process; and if the trace was
        stopped inside of it.
        """
        if not lane.stack or lane.stack[-1] != opened[0]:
            return False
        lane.stack.pop()
        return self.on

    def _tell_changes(self, data: dict[str, Any], before: tuple[Any, ...], receiver: Any) -> None:
        names, state = self._watches[type(receiver)] or ((), None)
        after = before if state is None else state(receiver)
        if after == before:
            return
        changed = zip(names, before, after, strict=True)
        delta = {name: [was, now] for name, was, now in changed if was != now}
        if "mask" in delta:
            masks = self.table.masks
            delta["mask"] = [None if mask is None else masks(mask) for mask in delta["mask"]]
        data["delta"] = delta

    def _arguments(
        self, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the data of an event with its arguments: {"args": {name: summary}}."""
        data: dict[str, Any] = {}
        summaries: dict[str, Any] = {}
        for name in site.row.args:
            value = site.argument(name, args, kwargs)
            if name == "events" and isinstance(value, int):
                summaries[name] = self.table.masks(value)
            elif value is not None:
                self.names.tell(data, name, value)
                summaries[name] = data.pop(name)
        return data | {"args": summaries} if summaries else data

    # ---- connections and requests ----

    def _begin_connection(self, lane: Lane, sock: Any, attached: bool = False) -> None:
        name = self.names.next("c")
        lane.flow = name, None
        self._open.add(name)
        number = self.fd_number(sock)
        if not self.names.has_fd(number):  # nobody saw it being accepted
            self.names.set_fd(number, name)
        data = {"attached": True} if attached else None
        self.emit(lane, "begin", _CONNECTION, data, fd=name)

    def _begin_request(self, lane: Lane) -> None:
        conn, _req = lane.flow
        if conn is None:
            return
        number = self._requests.get(conn, 0) + 1
        if len(self._requests) > 10 * RING_ENDED and conn not in self._requests:
            del self._requests[next(iter(self._requests))]  # of a connection long gone
        self._requests[conn] = number
        lane.flow = conn, f"{conn}r{number}"
        self.emit(lane, "begin", _REQUEST, None)

    def ended(self, lane: Lane, site: Site, flow: Flow) -> None:
        """A coroutine has ended: its caller goes on, in the `flow` that it was in.

        With some, a request ends.  What its caller does from then on, it does for nobody's.
        """
        if site.row.closes == "req" and lane.flow[1] is not None and not lane.muted:
            self.guard(self.emit, lane, "end", _REQUEST_END, None)
            flow = flow[0], None
        lane.flow = flow

    # ---- callables for later ----

    def site_of(self, function: Any) -> tuple[Site, bool]:
        """Return what is known of a callable, and whether the bracket of its run is its probe's."""
        plain = getattr(function, "__func__", function)
        site = self.sites.get(plain)
        if site is not None:
            return site, True
        site = self._plain.get(getattr(plain, "__code__", None))
        if site is None or "__wrapped__" in plain.__dict__:
            # Met for the first time, or it wraps another one.
            function = innermost(function)
            function = getattr(function, "__func__", function)
            function = getattr(function, "__wrapped__", function)
            mod = getattr(function, "__module__", None)
            site = self._plain_site(getattr(function, "__code__", None), name_of(function), mod)
        return site, False

    def coroutine_site(self, coroutine: Any) -> Site:
        """Return what is known of a coroutine that has no probe."""
        code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "gi_code", None)
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        mod = None if frame is None else frame.f_globals.get("__name__")
        return self._plain_site(code, name_of(coroutine), mod)

    def _plain_site(self, code: Any, name: str, mod: str | None) -> Site:
        site = None if code is None else self._plain.get(code)
        if site is None:
            site = Site(name, mod, self.table.layers.get(mod or "", "app"))
            if code is not None:
                site.src = source_of(code)
                self._plain[code] = site
        return site

    def scheduled(
        self, lane: Lane, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any], function: Any
    ) -> Handle:
        """Write that `function` is handed over for later; return the Handle that stands for it."""
        row: Schedule = site.row
        handle = Handle(self, function, row.how, lane.flow, row.recurring)
        data = handle.told()
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
            self._see_loop(args[0])
        passed = function if isinstance(function, Handle) else None
        stored = None
        if passed is not None and passed.how == "stored":
            stored = passed.link
        elif passed is not None:
            data["passed"] = passed.number
        seq = self.emit(lane, "schedule", site, data, None, stored, None, fd, obj)
        handle.is_scheduled_by(seq, passed, "done" in data)
        return handle

    def kept(self, lane: Lane, function: Any, opened: Open) -> Handle:
        """Return the Handle for a callable that is kept by whom the bracket `opened` is about."""
        handle = Handle(self, function, "stored", lane.flow, False)
        handle.link = opened[0]
        return handle

    def attached(self, loop: Any, place: Place, function: Any) -> Handle:
        """Write that a callable was found waiting in a loop; return the Handle for it."""
        lane = self.lanes.lane
        flow, lane.flow = lane.flow, NOBODY
        sock = None if place.fd is None else self.table.socket_of(loop, function)
        if sock is not None:
            self._accepted(sock)
            self._begin_connection(lane, sock, attached=True)
        handle = Handle(self, function, place.how, lane.flow, place.how == "fd")
        data, fd = handle.told(), None
        if place.fd is not None:
            handle.fd = place.fd
            self.fd_handles[place.fd] = handle
            fd = self.names.fd(place.fd, self.table.fd_role(loop, place.fd, function))
            data["recurring"] = True
        elif place.how == "timer":
            data["seconds"] = None
        self._see_loop(loop)
        handle.is_scheduled_by(self.emit(lane, "schedule", _ATTACH, data, fd=fd), None)
        lane.flow = flow
        return handle

    def loops(self) -> list[Any]:
        """Return the loops that were given something, and still exist."""
        return [loop for seen in self._loops_seen.values() if (loop := seen()) is not None]

    def _see_loop(self, loop: Any) -> None:
        seen = self._loops_seen.get(id(loop))
        if seen is None or seen() is not loop:
            self._loops_seen[id(loop)] = weakref.ref(loop)

    def waiting(self, loop: Any) -> list[Handle]:
        """Return the Handles that wait in a loop."""
        found = [find(place.function) for place in self.table.places(loop)]
        return [handle for handle in found if handle is not None and handle.recorder is self]

    def end(self) -> None:
        """Stop recording; say what still waits."""
        super().end()
        self.trace.meta["pending"] = sorted(
            handle.number for loop in self.loops() for handle in self.waiting(loop)
        )

    def open_run(self, lane: Lane, handle: Handle, args: tuple[Any, ...]) -> Open | None:
        """Open the bracket of a callable that was handed over before, and is called now."""
        try:
            site, cause, fd = handle.site, handle.cause, None
            data: dict[str, Any] = {"how": handle.how, "handle": handle.number}
            if handle.how == "stored":
                del data["handle"]  # nobody has scheduled it
                cause = lane.stack[-1] if lane.stack else None
            elif handle.how == "timer":
                cause = self.emit(lane, "ready", _DUE, data.copy(), cause, handle.link)
            elif handle.fd is not None:
                cause, fd = self.ready.pop(handle.fd, None), self.names.fd(handle.fd)
            elif handle.known is not None and handle.known.resolved is not None:
                cause = handle.known.resolved
            if handle.coroutine is not None:
                data["coroutine"] = handle.coroutine
            if handle.merged and site.row.args:
                data |= self._arguments(site, (handle.receiver, *args), {})
            return self._enter(lane, "run", site, handle.receiver, data, cause, handle.link, fd)
        except Exception as error:
            self.failed(error)
            return None

    def cancelled(
        self, lane: Lane, site: Site, handle: Handle, error: BaseException | None = None
    ) -> None:
        """Write that a callable was taken back, or not taken, because of an error."""
        data = {"how": handle.how, "handle": handle.number, "target": handle.site.name}
        fd = None
        if handle.fd is not None:
            fd = self.names.fd(handle.fd)
            if self.fd_handles.get(handle.fd) is handle:
                del self.fd_handles[handle.fd]
                self.ready.pop(handle.fd, None)
        if error is not None:
            data["error"] = self.names.error(error)
            site.unwritten -= 1  # of one call, two events
        self.emit(lane, "cancel", site, data, link=handle.link, fd=fd)

    def dropped(self, lane: Lane, site: Site, loop: Any) -> None:
        """Write that a loop is closed: what still waits in it never runs."""
        for handle in self.waiting(loop):
            if not handle.recurring:  # a handler has an end of its own, when it is removed
                self.cancelled(lane, site, handle)
                site.unwritten -= 1  # of one call, several events

    def fd_number(self, fd: Any) -> int:
        """Return the number of an fd, or of an object that has one."""
        return fd if isinstance(fd, int) else int(fd.fileno())

    # ---- futures ----

    def resolved(self, lane: Lane, site: Site, future: Any, value: Any) -> None:
        """Write that a Future gets its result, or its exception."""
        if future.done():
            site.unwritten += 1  # it will say so itself
            return
        known = self.names.of(future)
        data: dict[str, Any] = {}
        if site.row.error:
            data["error"] = self.names.error(value)
        elif value is not None:
            self.names.tell(data, "value", value)
        obj = None if known is None else known.name
        seq = self.emit(lane, "resolve", site, data, obj=obj)
        if known is not None:
            known.resolved = seq

    # ---- the kernel ----

    def syscall(
        self, lane: Lane, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any],
        fd: str | None, value: Any, error: BaseException | None = None,
    ) -> None:  # fmt: skip
        """Write a system call that has returned, or failed; `site` is the kernel's."""
        row: Syscall = site.row
        data: dict[str, Any] = {}
        if row.op is not None:
            data["op"] = row.op
        if row.events is not None:
            data["events"] = self.table.masks(site.argument(row.events, args, kwargs))
        sent = None
        if row.asked is not None and row.asked < len(args):
            sent = args[row.asked]
            data["asked"] = _size(sent)
        if error is not None:
            data["error"] = self.names.error(error)
        elif row.counts:
            data["bytes"] = _size(value)
            head = self.names.head(value if isinstance(sent, int | None) else sent[:value])
            if head is not None:
                data["head"] = head
        elif row.accepts:
            data["value"] = self._accepted(value[0])
        self.emit(lane, "syscall", site, data, fd=fd)
        if row.closes and fd in self._open:
            self._end_connection(lane, fd)

    def _accepted(self, sock: Any) -> str:
        name = self.names.next("accepted c").replace("accepted ", "")
        self.names.set_fd(sock.fileno(), name)
        return name

    def _end_connection(self, lane: Lane, name: str) -> None:
        self._open.discard(name)
        conn, req = flow = lane.flow
        lane.flow = name, req if conn == name else None
        self.emit(lane, "end", _CONNECTION_END, None, fd=name)
        lane.flow = flow

    def polled(
        self, lane: Lane, site: Site, poller: Any, seconds: Any, ready: list[tuple[int, int]]
    ) -> None:
        """Write that a poll has returned, and who is ready: a new turn begins."""
        self.is_loops(lane)
        lane.turn += 1
        wait = "forever" if seconds is None else "timer" if seconds > 0 else "none"
        data: dict[str, Any] = {"wait": wait, "ready": len(ready)}
        poll = self.emit(lane, "poll", site, data, fd=self.names.fd(poller, "epoll"))
        self.ready.clear()
        for number, events in ready:
            data = {"how": "fd", "events": self.table.masks(events)}
            handle = self.fd_handles.get(number)
            link = None
            lane.flow = NOBODY
            if handle is not None:
                data["handle"], link, lane.flow = handle.number, handle.link, (handle.flow[0], None)
            fd = self.names.fd(number)
            self.ready[number] = self.emit(lane, "ready", _READY, data, poll, link, fd=fd)
        lane.flow = NOBODY

    # ---- coroutines ----

    def sleep_of(self, coroutine: Any) -> Sleep:
        """Return where a coroutine that has no probe sleeps."""
        sleep = self._sleeps.get(coroutine)
        if sleep is None:
            sleep = self._sleeps[coroutine] = Sleep()
        return sleep

    def open_segment(
        self, lane: Lane, site: Site, sleep: Sleep, receiver: Any = None
    ) -> Open | None:
        """Open the bracket of one segment of a coroutine: up to where it waits, or ends."""
        if lane.muted:
            return None
        try:
            sleep.segments += 1
            if sleep.segments == 1:
                return self._enter(lane, "call", site, receiver, {"segment": 1})
            lane.flow = sleep.flow
            data = {"segment": sleep.segments, "target": sleep.target}
            return self._enter(
                lane, "resume", site, receiver, data, None, sleep.asleep, None, sleep.src
            )
        except Exception as error:
            self.failed(error)
            return None

    def suspend(
        self, lane: Lane, opened: Open | None, sleep: Sleep, waits_for: Any, src: str | None
    ) -> None:
        """Close the bracket of a segment: the coroutine waits, at the line `src`."""
        if opened is None or not self._leave(lane, opened):
            return
        try:
            seq, site, obj, _receiver, _before = opened
            sleep.flow = lane.flow
            sleep.target, sleep.src = self.names.summary(waits_for), src
            sleep.asleep = self.emit(
                lane, "yield", site, {"target": sleep.target}, None, None, seq, None, obj, src
            )
        except Exception as error:
            self.failed(error)


def _size(data: Any) -> int:
    """Return a number of bytes: of some that were asked for, or of these."""
    if isinstance(data, int):
        return data
    return data.nbytes if isinstance(data, memoryview) else len(data)
