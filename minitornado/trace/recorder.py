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
from concurrent.futures import CancelledError
from typing import Any

from .events import Event
from .handles import Handle, Order, find
from .names import At, Names, can_be_named, innermost, name_of, size_of, source_of
from .probes import Place, Syscall, Table, Watch
from .writer import NOBODY, RING_ENDED, Args, Flow, Inside, Kwargs, Lane, Site, Writer

_CONNECTION = Site("connection", None, "tcp", "connection")
_CONNECTION_END = Site("connection", None, "tcp", "connection-end")
_REQUEST = Site("request", None, "http1", "request")
_REQUEST_END = Site("request", None, "http1", "request-end")
_READY = Site("ready", "kernel", "kernel", "ready")
_DUE = Site("deadline", "kernel", "loop", "due")
_ATTACH = Site("Tracer.attach", None, "loop", "attach")

#: An open bracket: seq of its opener, what it stands in, its site, the receiver's name, and
#: what is watched of the receiver, and was its state.
Open = tuple[int, Inside, Site, str | None, Any, Watch | None, tuple[Any, ...] | None]


class Recorder(Writer):
    """Knows what the events are about.  Used by the wrappers, and by Handles."""

    def __init__(
        self, table: Table, level: str = "full", heads: bool = False,
        sink: Callable[[Event], object] | None = None, ring: int | None = None,
    ) -> None:  # fmt: skip
        # Fewer than thirty attributes: those of an object that has more are in a dict of its own,
        # and found more slowly.  Every event needs some.
        super().__init__({"table": table.name, "level": level}, sink, ring)
        self.table = table
        self.names = Names(table.package, table.describe, heads)
        # Set by the tracer: probes the methods of an application's class, met on the way.
        self.watch_class: Callable[..., None] = lambda cls, methods, returns=(): None
        self.handles = itertools.count(1)
        self.handlers: dict[int, Order] = {}  # fd -> what is called for it
        self.ready: dict[int, int] = {}  # fd -> seq of its `ready`, until it has been served
        self.installed: list[Site] = []
        self.wrappers: dict[Any, Any] = {}  # function -> what stands in its place
        self.sites: dict[Any, Site] = {}  # function, or its wrapper -> a run can be its bracket
        self._plain: dict[Any, Site] = {}  # code of a function without a probe -> the same
        self._of_class: Callable[[type], tuple[bool, Watch | None]]
        self._of_class = functools.cache(self._look_at_class)
        self._loops_seen: dict[int, weakref.ref[Any]] = {}  # a WeakSet takes as long as an event
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
        self.trace.meta["handles"] = next(self.handles)  # the child's own are greater

    # ---- brackets ----

    def open(self, lane: Lane, site: Site, args: Args, kwargs: Kwargs) -> Open | None:
        """Open the bracket of a call."""
        try:
            row = site.row
            if row.opens == "conn":
                self._begin_connection(lane, site.argument(row.socket, args, kwargs))
            elif row.opens == "req":
                self._begin_request(lane)
            data = self._arguments(site, args, kwargs) if row.args else None
            return self.enter(lane, "call", site, args[0] if site.method else None, data)
        except Exception as error:
            self.failed(error)
            return None

    def enter(
        self, lane: Lane, kind: str, site: Site, receiver: Any, data: dict[str, Any] | None,
        cause: int | None = None, link: int | None = None,
        fd: str | None = None, at: At | None = None,
    ) -> Open:  # fmt: skip
        """Write an opener; what is written from now on stands inside it."""
        obj = watch = before = None
        if receiver is not None:
            has_name, watch = self._of_class(type(receiver))
            if has_name:
                obj = self.names.of(receiver).name
            if watch is not None:
                try:
                    before = watch.state(receiver)
                except AttributeError:
                    watch = None  # it is being made
        seq = self.emit(lane, kind, site, data, obj, None, cause, link, fd, at)
        around = lane.inside
        lane.inside = seq, around[1] + 1
        return seq, around, site, obj, receiver, watch, before

    def _look_at_class(self, cls: type) -> tuple[bool, Watch | None]:
        """Return of receivers of a class whether they have names, and what is watched of them."""
        watched = (self.table.watch.get(base.__name__) for base in cls.__mro__)
        return can_be_named(cls), next(filter(None, watched), None)

    def close(
        self, lane: Lane, opened: Open | None, kind: str,
        value: Any = None, error: BaseException | None = None,
        data: dict[str, Any] | None = None, at: At | None = None,
    ) -> int | None:  # fmt: skip
        """Close a bracket: "return" or "done" with a value, "raise" with an error, "yield" at ...

        Returns the event's seq, if there is one.
        """
        if opened is None or opened[0] != lane.inside[0] or not self.on:
            return None  # its opener stands in another process's trace, or it was stopped inside
        seq, lane.inside, site, obj, receiver, watch, before = opened
        try:
            if error is not None or value is not None:
                data = self.names.outcome(value, error)
            if watch is not None and kind != "yield":
                after = watch.state(receiver)
                if after != before:
                    data = data or {}
                    data["delta"] = watch, before, after  # to be written out by who looks at it
            return self.emit(lane, kind, site, data, obj, seq, at=at)
        except Exception as failure:
            self.failed(failure)
            return None

    def _arguments(self, site: Site, args: Args, kwargs: Kwargs) -> dict[str, Any]:
        """Return the data of an event with its arguments: {"args": {name: summary}}."""
        data: dict[str, Any] = {}
        summaries: dict[str, Any] = {}
        for name in site.row.args:
            value = site.argument(name, args, kwargs)
            if name == "events" and isinstance(value, int):
                summaries[name] = self.table.masks(value)
            elif value is not None:
                summaries[name] = self.names.summary(value)
                self.names.tell_head(data, value)
        if summaries:
            data["args"] = summaries
        return data

    # ---- connections and requests ----

    def _begin_connection(self, lane: Lane, sock: Any, attached: bool = False) -> None:
        name = self.names.next("c")
        lane.flow = name, None
        self._open.add(name)
        # It has a name already, if it was seen being accepted.
        self.names.fds.setdefault(self.fd_number(sock), name)
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
        ends = site.row is not None and site.row.closes == "req"
        if ends and lane.flow[1] is not None and not lane.muted:
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
        function = innermost(function)
        function = getattr(function, "__func__", function)
        function = getattr(function, "__wrapped__", function)
        mod = getattr(function, "__module__", None)
        return self._plain_site(function, getattr(function, "__code__", None), mod), False

    def coroutine_site(self, coroutine: Any) -> Site:
        """Return what is known of a coroutine that has no probe."""
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            return self._plain_site(coroutine, None, None)
        return self._plain_site(coroutine, frame.f_code, frame.f_globals.get("__name__"))

    def _plain_site(self, function: Any, code: Any, mod: str | None) -> Site:
        site = self._plain.get(code)
        if site is None:
            site = Site(name_of(function), mod, self.table.layers.get(mod or "", "app"))
            if code is not None:  # else it is written in C, or an object that can be called
                site.src = source_of(code)
                self._plain[code] = site
        return site

    def scheduled(self, lane: Lane, site: Site, args: Args, kwargs: Kwargs, function: Any) -> Order:
        """Write that `function` is handed over for later; return the Order to call it."""
        row = site.row
        passed = function.order if isinstance(function, Handle) else None
        order = Order(self, function, row.how, lane.flow, passed)
        data = order.told()
        fd = obj = link = None
        if row.how in ("callback", "timer", "fd"):
            self._see_loop(args[0])
        if row.how == "fd":
            data["events"] = self.table.masks(site.argument(row.events, args, kwargs))
            number = self.fd_number(site.argument(row.fd, args, kwargs))
            fd = self._watch(order, args[0], number, data)
        elif row.how == "timer":
            # On the clock's own word: what has passed since it was asked is no part of the plan.
            data["seconds"] = round(site.argument(row.when, args, kwargs) - lane.told, 6)
        elif row.how == "future":
            future = site.argument(row.future, args, kwargs)
            order.known = self.names.of(future)
            obj = order.known.name
            if future.done():
                data["done"] = True
        if passed is not None:
            if passed.how == "stored":
                link = passed.link
            else:
                data["passed"] = passed.number
        seq = self.emit(lane, "schedule", site, data, obj, link=link, fd=fd)
        if order.link is None:
            order.link = seq
        if row.how != "future" or "done" in data:  # else the Future's resolution, when it comes
            order.cause = seq
        return order

    def kept(self, lane: Lane, function: Any, opened: Open) -> Handle:
        """Return the Handle for a callable that is kept by whom the bracket `opened` is about."""
        if isinstance(function, Handle):
            function = function.order.function
        order = Order(self, function, "stored", lane.flow)
        order.link = opened[0]
        return Handle(order)

    def attached(self, loop: Any, place: Place, function: Any) -> Handle:
        """Write that a callable was found waiting in a loop; return the Handle for it."""
        lane = self.lanes.lane
        flow, lane.flow = lane.flow, NOBODY
        sock = None if place.fd is None else self.table.socket_of(loop, function)
        if sock is not None:
            self._accepted(sock)
            self._begin_connection(lane, sock, attached=True)
        order = Order(self, function, place.how, lane.flow)
        data, fd = order.told(), None
        if place.fd is not None:
            self.handlers[place.fd] = order
            fd = self._watch(order, loop, place.fd, data)
        elif place.how == "timer":
            data["seconds"] = None
        self._see_loop(loop)
        order.link = order.cause = self.emit(lane, "schedule", _ATTACH, data, fd=fd)
        lane.flow = flow
        return Handle(order)

    def _watch(self, order: Order, loop: Any, fd: int, data: dict[str, Any]) -> str | None:
        """Note that a callable is called for an fd; return the fd's name."""
        order.fd, data["recurring"] = fd, True
        return self.names.fd(fd, self.table.fd_role(loop, fd, order.function))

    def loops(self) -> list[Any]:
        """Return the loops that were given something, and still exist."""
        return [loop for seen in self._loops_seen.values() if (loop := seen()) is not None]

    def _see_loop(self, loop: Any) -> None:
        seen = self._loops_seen.get(id(loop))
        if seen is None or seen() is not loop:
            self._loops_seen[id(loop)] = weakref.ref(loop)

    def waiting(self, loop: Any) -> list[Order]:
        """Return what waits in a loop to be called."""
        found = [find(place.function) for place in self.table.places(loop)]
        return [order for order in found if order is not None and order.recorder is self]

    def end(self) -> None:
        """Stop recording; say what still waits."""
        super().end()
        self.trace.meta["pending"] = sorted(
            order.number for loop in self.loops() for order in self.waiting(loop)
        )

    def open_run(self, lane: Lane, order: Order, args: Args) -> Open | None:
        """Open the bracket of a callable that was handed over before, and is called now."""
        try:
            site, cause, fd = order.site, order.cause, None
            data: dict[str, Any] = {"how": order.how, "handle": order.number}
            if order.how == "stored":
                del data["handle"]  # nobody has scheduled it
                cause = lane.inside[0]
            elif order.how == "timer":
                cause = self.emit(
                    lane, "ready", _DUE, data.copy(), cause=cause, link=order.link
                )
            elif order.fd is not None:
                cause, fd = self.ready.pop(order.fd, None), self.names.fd(order.fd)
            elif order.known is not None and order.known.resolved is not None:
                cause = order.known.resolved
            if order.coroutine is not None:
                data["coroutine"] = order.coroutine
            if order.merged and site.row.args:
                data |= self._arguments(site, (order.receiver, *args), {})
            return self.enter(lane, "run", site, order.receiver, data, cause, order.link, fd)
        except Exception as error:
            self.failed(error)
            return None

    def taken_back(self, lane: Lane, site: Site, args: Args, kwargs: Kwargs) -> None:
        """Write that a callable is taken back, unless that comes too late."""
        row, argument = site.row, site.argument(site.row.arg, args, kwargs)
        if row.find is None:
            order = self.handlers.get(self.fd_number(argument))
        else:
            order = find(row.find(argument))
        if order is None or (order.ran and order.how != "fd"):
            site.unwritten += 1
        else:
            self.cancelled(lane, site, order)

    def cancelled(
        self, lane: Lane, site: Site, order: Order, error: BaseException | None = None
    ) -> None:
        """Write that a callable was taken back, or not taken, because of an error."""
        data = {"how": order.how, "handle": order.number, "target": order.site.name}
        fd = None
        if order.fd is not None:
            fd = self.names.fd(order.fd)
            if self.handlers.get(order.fd) is order:
                del self.handlers[order.fd]
                self.ready.pop(order.fd, None)
        if error is not None:
            data["error"] = self.names.error(error)
            site.unwritten -= 1  # of one call, two events
        self.emit(lane, "cancel", site, data, link=order.link, fd=fd)

    def dropped(self, lane: Lane, site: Site, args: Args, kwargs: Kwargs) -> None:
        """Write that a loop is closed: what still waits in it never runs."""
        site.unwritten += 1
        for order in self.waiting(args[0]):
            if order.how != "fd":  # a handler has an end of its own, when it is removed
                self.cancelled(lane, site, order)
                site.unwritten -= 1  # of one call, several events

    def fd_number(self, fd: Any) -> int:
        """Return the number of an fd, or of an object that has one."""
        return fd if isinstance(fd, int) else int(fd.fileno())

    # ---- futures ----

    def resolved(self, lane: Lane, site: Site, args: Args, kwargs: Kwargs) -> None:
        """Write that a Future gets its result, or its exception."""
        future, row = args[0], site.row
        too_late = row.arg is None and future.running()
        if too_late or (row.inside and not lane.inside[1]) or future.done():  # or says so itself
            site.unwritten += 1
            return
        value = CancelledError() if row.arg is None else site.argument(row.arg, args, kwargs)
        known = self.names.of(future)
        data = self.names.outcome(None if row.error else value, value if row.error else None)
        known.resolved = self.emit(lane, "resolve", site, data, known.name)

    # ---- the kernel ----

    def syscall_fd(self, lane: Lane, site: Site, args: Args, kwargs: Kwargs) -> int:
        """Return the number of the fd that a system call is about; -1 if it is not to be written.

        Outside of all brackets it is somebody else's: a test's client in the same process.
        """
        row: Syscall = site.row
        if row.fd is not None:
            number = self.fd_number(site.argument(row.fd, args, kwargs))
        else:
            number = args[0].fileno() if lane.inside[1] else -1
        return -1 if row.known and number not in self.names.fds else number

    def syscall(
        self, lane: Lane, site: Site, args: Args, kwargs: Kwargs,
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
            data["asked"] = sent if isinstance(sent, int) else size_of(sent)
        if error is not None:
            data["error"] = self.names.error(error)
        elif row.counts:
            data["bytes"] = value if isinstance(value, int) else size_of(value)
            self.names.tell_head(data, value if isinstance(sent, int | None) else sent[:value])
        elif row.accepts:
            data["value"] = self._accepted(value[0])
        self.emit(lane, "syscall", site, data, fd=fd)
        if row.closes and fd in self._open:
            self._end_connection(lane, fd)

    def _accepted(self, sock: Any) -> str:
        name = self.names.next("accepted c").replace("accepted ", "")
        self.names.fds[sock.fileno()] = name
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
        if lane not in self._loops:
            self._is_loops(lane)
        lane.turn += 1
        wait = "forever" if seconds is None else "timer" if seconds > 0 else "none"
        data: dict[str, Any] = {"wait": wait, "ready": len(ready)}
        fd = self.names.fd(self.fd_number(poller), "epoll")
        poll = self.emit(lane, "poll", site, data, fd=fd)
        self.ready.clear()
        for number, events in ready:
            data = {"how": "fd", "events": self.table.masks(events)}
            order = self.handlers.get(number)
            link = None
            lane.flow = NOBODY
            if order is not None:
                data["handle"], link, lane.flow = order.number, order.link, order.flow
            fd = self.names.fd(number)
            self.ready[number] = self.emit(
                lane, "ready", _READY, data, cause=poll, link=link, fd=fd
            )
        lane.flow = NOBODY
