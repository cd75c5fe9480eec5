"""The page's routes, in front of the demo application's.

    GET  /                   the page
    GET  /trace/events       what happens, as a text/event-stream that does not end
    GET  /trace/request      ?of=c3r1: its lanes and its steps, as JSON
    POST /trace/client       ?do=pipelined, ?do=slow-reader: start such a client

Events come from the tracer in the middle of whatever the server does.  There, they are only
put into the history; a byte in a pipe makes the loop tell the watchers, in a turn of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from collections import deque
from typing import Any

from minitornado import gen
from minitornado.httputil import HTTPServerRequest
from minitornado.ioloop import IOLoop
from minitornado.iostream import StreamClosedError
from minitornado.trace.events import Event

from .. import application as demo
from . import document
from .answers import answer, start
from .clients import CLIENTS, Clients
from .drawing import draw
from .history import History
from .watchers import Watcher, message

MAX_WATCHERS = 20

# Seconds from the first news to the message: most requests are over by then, and are one.
PAUSE = 0.05


CLICK = re.compile(r"[0-9a-z-]{1,24}")  # names a click, and the window that it happened in


class Page:
    """Serves the page and the demo application.

    `application` is for HTTPServer.  `saw` is to be called with every event of a tracer that
    starts *after* this was made: what is in the loop already has no handle, by which the page
    tells its own from others'.
    """

    def __init__(self, io_loop: IOLoop) -> None:
        self.history = History()
        self.watchers: set[Watcher] = set()
        self._started = secrets.token_hex(4)  # the page tells one server from the next by it
        self._routes = {
            "/": demo.Route(self._page),
            "/trace/events": demo.Route(self._events, methods=("GET",)),
            "/trace/request": demo.Route(self._request, methods=("GET",)),
            "/trace/client": demo.Route(self._client, methods=("POST",)),
        }
        self._document = document.build()
        self._io_loop = io_loop
        self._reports: deque[tuple[str, list[float]]] = deque()
        self._clients = Clients(self._report)
        self._zero = 0.0  # when the trace began, by the clock of its events
        self._woken = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        io_loop.add_handler(self._reader, self._on_news, IOLoop.READ)

    def application(self, request: HTTPServerRequest) -> Any:
        """Answer the page's own requests; hand all others to the demo application."""
        self._note_click(request)
        route = self._routes.get(request.path)
        if route is None:
            return demo.application(request)
        if request.method not in route.methods:
            allow = ", ".join(route.methods)
            return answer(request, 405, f"{request.path} takes {allow}.\n", Allow=allow)
        return route.handler(request)

    def saw(self, event: Event) -> None:
        """Take an event of the tracer."""
        if not self._zero:
            self._zero = time.perf_counter() - event.t / 1e9
        if self.history.add(event) and any(watcher.waits for watcher in self.watchers):
            self._wake()

    def stop(self) -> None:
        """Let every watcher's answer end: the server is about to."""
        for watcher in self.watchers:
            watcher.tell("bye", message("bye", 0))
            watcher.leave()
        self._clients.stop()
        self._io_loop.remove_handler(self._reader)
        os.close(self._reader)
        os.close(self._writer)
        self._writer = -1

    # ---- news ----

    def _wake(self) -> None:
        if not self._woken and self._writer >= 0:
            self._woken = True
            os.write(self._writer, b"\0")

    def _report(self, click: str, sent: float, done: float) -> None:
        """Called by clients, in their threads."""
        times = [round(1000 * (seconds - self._zero), 1) for seconds in (sent, done)]
        self._reports.append((click, times))
        # Not by way of `_wake`: two threads could each think that the other one has done it.
        # The server may have stopped; or the pipe is full, and somebody is woken anyway.
        with contextlib.suppress(OSError):
            os.write(self._writer, b"\0")

    def _on_news(self, fd: int, _events: int) -> None:
        os.read(fd, 4096)
        self._woken = False
        self._collect()
        for watcher in self.watchers:
            watcher.wake()

    def _collect(self) -> None:
        """Give the watchers what has changed."""
        changed, missed = self.history.news()
        for watcher in self.watchers:
            watcher.skip(missed)
        for request in changed:
            self._tell(request.name, message("request", request.summary()), request.watching)
        while self._reports:
            click, times = self._reports.popleft()
            self._tell(f"client {click}", message("client", [click, *times]), False)

    def _tell(self, key: str, news: bytes, own: bool) -> None:
        for watcher in self.watchers:
            if watcher.own or not own:
                watcher.tell(key, news, pressing=not own)

    def _note_click(self, request: HTTPServerRequest) -> None:
        """Remember which click of which window a request comes from, if it says so."""
        click = request.headers.get("X-Click", "")
        # The last event was our caller's call of us: it says which request this is.
        latest = self.history.latest
        if latest is not None and CLICK.fullmatch(click):
            latest.click = click

    # ---- the routes ----

    def _page(self, request: HTTPServerRequest) -> None:
        latest = self.history.latest
        document.send(request, self._document, "" if latest is None else latest.name)

    async def _events(self, request: HTTPServerRequest) -> None:
        if len(self.watchers) >= MAX_WATCHERS:
            return answer(request, 503, "There are too many windows that watch.\n")
        watcher = Watcher(own=request.query_arguments.get("own") == [b"1"])
        for known in self.history.requests.values():
            if known.shown and (watcher.own or not known.watching):
                watcher.tell(known.name, message("request", known.summary()))
        facts = {"started": self._started, "known": len(watcher)}
        self.watchers.add(watcher)
        request.connection.set_close_callback(watcher.leave)
        hello = b"retry: 1000\n\n" + message("hello", facts)
        try:
            start(request, 200, {"Content-Type": "text/event-stream"}, hello)
            while not watcher.over:
                self._collect()  # what has changed while nobody waited
                await watcher.news()
                await gen.sleep(0 if watcher.over else PAUSE)
                self._collect()
                # The Future is done when all of it has left our buffer; until then, more news
                # stays in the watcher's queue, which has a bound.
                await request.connection.write(watcher.take())
            request.connection.finish()
        except StreamClosedError:
            pass  # the window was closed
        finally:
            self.watchers.discard(watcher)

    def _request(self, request: HTTPServerRequest) -> None:
        arguments = request.query_arguments
        name = b"".join(arguments.get("of", [])).decode("latin-1")
        window = self.history.window(name, watching=arguments.get("own") == [b"1"])
        if window is None:
            return answer(request, 404, "This request is not kept any more.\n")
        answer(request, 200, json.dumps(draw(window)), "application/json")

    def _client(self, request: HTTPServerRequest) -> None:
        what = b"".join(request.query_arguments.get("do", [])).decode("latin-1")
        click = request.headers.get("X-Click", "")
        # A page of somebody else's can make a browser send a POST, but not with such a field.
        if what not in CLIENTS or not CLICK.fullmatch(click):
            return answer(request, 400, f"Say do, one of {' '.join(CLIENTS)}, and X-Click.\n")
        address = request.connection.stream.socket.getsockname()[:2]
        if self._clients.start(what, address, click):
            return answer(request, 202, "It has begun.\n")
        return answer(request, 503, "There are too many such clients already.\n")
