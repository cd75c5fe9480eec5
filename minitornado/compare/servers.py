"""One class a family of servers: how its loop is made, driven and traced.

    Ours        IOLoop over our poller
    Tornado4    PollIOLoop over select.epoll: the same four methods, so the driver fits in
    Tornado6    AsyncIOLoop over asyncio, which is given a selector of ours: the driver is in it

Whose poller it is, the driver's `DrivenPoller` stands in front of it, and the clock is its own.
"""

from __future__ import annotations

import gc
import importlib
import logging
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minitornado.trace import Tracer
from minitornado.trace.drive import Client, Clock, Driven, DrivenPoller, ScriptEnds
from minitornado.trace.probes import Table
from minitornado.trace.tables import MINITORNADO

from .scenarios import Scenario, Tools

START = 1000.0  # what the clock says at first, in seconds


class Ours:
    """minitornado: also what the others have in common with it."""

    package = "minitornado"
    table: Table = MINITORNADO

    def __init__(self) -> None:
        self.httputil = importlib.import_module(self.package + ".httputil")
        self.netutil = importlib.import_module(self.package + ".netutil")
        self.ioloop = importlib.import_module(self.package + ".ioloop")
        self.httpserver = importlib.import_module(self.package + ".httpserver")

    def run(self, scenario: Scenario) -> dict[str, Any]:
        """Run a scenario; return what was traced and logged, and what the client saw."""
        gc.collect()  # what the scenario before has left would end in this one's story
        tracer = Tracer(self.table, "full").start()
        try:
            with logged(tracer) as log:
                driven = self.serve(scenario, tracer)
                gc.collect()  # who complains only when it is forgotten does so now
        finally:
            trace = tracer.stop()
        return {
            "events": [event.to_dict() for event in trace],
            "log": log,
            "sent": driven.sent,
            "received": {name: data.decode("latin-1") for name, data in driven.answers.items()},
        }

    def serve(self, scenario: Scenario, tracer: Tracer) -> Driven:
        """Serve the script's client; return what it saw."""
        loop, clock = self.make_loop(), Clock(START)
        tools = Tools(self.httputil, loop)
        server = self.make_server(scenario, tools, loop)
        [listener] = self.netutil.bind_sockets(0, "127.0.0.1")
        client = Client(listener.getsockname(), list(scenario.script), loop)
        self.drive(loop, client, clock)
        server.add_sockets([listener])

        def meanwhile(*moves: tuple[Any, ...], seconds: float = 0.0) -> None:
            lane = tracer.recorder.lanes.lane
            lane.muted = True  # it is the client's doing
            for move in moves:
                client.make(move)
            clock.now += seconds
            lane.muted = False

        tools.meanwhile = meanwhile
        try:
            loop.start()
        except ScriptEnds:
            pass
        finally:
            client.close()
            tracer.recorder.lanes.lane.muted = True  # how it is taken apart is not the story
            loop.close(all_fds=True)
            self.ioloop.IOLoop.clear_current()
        return client.driven

    def make_loop(self) -> Any:
        """A loop that is current."""
        return self.ioloop.IOLoop(make_current=True)

    def make_server(self, scenario: Scenario, tools: Tools, loop: Any) -> Any:
        """The HTTPServer of a scenario."""
        return self.httpserver.HTTPServer(
            scenario.application(tools), io_loop=loop, **scenario.options
        )

    def drive(self, loop: Any, client: Client, clock: Clock) -> None:
        """Let the client move when the loop would sleep, and the clock stand."""
        loop._poller, loop._time_func = DrivenPoller(loop._poller, client, clock), clock


class Tornado4(Ours):
    """Tornado 4.0 to 4.5."""

    package = "tornado"

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table

    def drive(self, loop: Any, client: Client, clock: Clock) -> None:
        loop._impl, loop.time_func = DrivenPoller(loop._impl, client, clock), clock


class Tornado6(Tornado4):
    """Tornado 6.2 and later."""

    def make_loop(self) -> Any:
        import asyncio

        platform = importlib.import_module("tornado.platform.asyncio")
        inner = asyncio.SelectorEventLoop(_Selector())
        asyncio.set_event_loop(inner)
        return platform.AsyncIOLoop(asyncio_loop=inner)

    def make_server(self, scenario: Scenario, tools: Tools, loop: Any) -> Any:
        return self.httpserver.HTTPServer(scenario.application(tools), **scenario.options)

    def drive(self, loop: Any, client: Client, clock: Clock) -> None:
        loop.time = loop.asyncio_loop.time = clock
        selector = loop.asyncio_loop._selector
        selector.driven = DrivenPoller(_Poller(selector), client, clock)


class _Selector(selectors.DefaultSelector):
    """What asyncio is given to wait with: it lets the driver wait, once there is one."""

    driven: DrivenPoller | None = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        key = super().register(fileobj, events, data)
        if self.driven is not None:
            self.driven.register(key.fd, _mask(events))
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> Any:
        before = self.get_key(fileobj)
        key = super().modify(fileobj, events, data)
        # asyncio also calls it when only the callback is another, and the kernel isn't told.
        if self.driven is not None and events != before.events:
            self.driven.modify(key.fd, _mask(events))
        return key

    def unregister(self, fileobj: Any) -> Any:
        key = super().unregister(fileobj)
        if self.driven is not None:
            self.driven.unregister(key.fd)
        return key

    def select(self, timeout: float | None = None) -> Any:
        if self.driven is None:
            return super().select(timeout)
        ready = self.driven.poll(timeout)
        return [(self.get_key(fd), _events(mask)) for fd, mask in ready]

    def ask(self, seconds: float) -> list[tuple[int, int]]:
        """The kernel's own answer."""
        return [(key.fd, _mask(events)) for key, events in super().select(seconds)]


class _Poller:
    """The selector as a poller, for the driver; what it registers is registered already."""

    def __init__(self, selector: _Selector) -> None:
        self.poll = selector.ask
        self.fileno = selector.fileno

    def register(self, fd: int, events: int) -> None: ...

    def modify(self, fd: int, events: int) -> None: ...

    def unregister(self, fd: int) -> None: ...


# asyncio's READ and WRITE are 1 and 2, Tornado's 1 and 4.
def _mask(events: int) -> int:
    return (events & 1) | (events & 2) << 1


def _events(mask: int) -> int:
    return (mask & 1) | (mask & 4) >> 1


@contextmanager
def logged(tracer: Tracer) -> Iterator[list[dict[str, Any]]]:
    """Collect what is logged: after which event, on which channel, how loud, and what."""
    records: list[dict[str, Any]] = []

    def emit(record: logging.LogRecord) -> None:
        records.append(
            {
                "seq": len(tracer.trace), "channel": record.name, "level": record.levelname,
                "text": record.getMessage(),
                "error": record.exc_info[0].__name__
                if record.exc_info and record.exc_info[0]
                else None,
            }
        )  # fmt: skip

    handler = logging.Handler()
    handler.emit = emit  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield records
    finally:
        root.removeHandler(handler)
