"""Quiet: the log in the terminal, without the requests of those who watch the page.

It stands between the tracer and the log.  Whether bytes that have come are a request of the
page's own is known when its head has been read.  So of a connection that may be a browser's,
events are held back until then, or until the loop has slept, and with them all that comes
after: the log keeps its order.  Until somebody opens the page, nothing is held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from minitornado.trace.events import Event

from .history import History

HELD = 2_000  # events; beyond, all of them are shown


class _Held:
    """An event, and whether it is to be shown; None: not known yet."""

    __slots__ = ("event", "shown")

    def __init__(self, event: Event, shown: bool | None) -> None:
        self.event = event
        self.shown = shown


class Quiet:
    """A sink that hands on to `sink` what is not the page's own, in the order in which it came."""

    def __init__(self, sink: Callable[[Event], object], history: History) -> None:
        self._sink = sink
        self._history = history
        self._opened = False
        # Connections that have had requests of the page's own, and whether the last one was.
        self._own: dict[str, bool] = {}
        self._held: deque[_Held] = deque()

    def __call__(self, event: Event) -> None:
        """Take an event, after the history has."""
        conn, came = event.conn or "", event.step == "headers-received"
        if came:
            own = self._history.watching(event.req)
            request = self._history.requests.get(event.req or "")
            if own or conn in self._own or (request is not None and request.line == "GET /"):
                self._own[conn] = own
        self._opened |= bool(self._own)
        if not self._opened:
            self._sink(event)
            return
        if event.kind == "poll" and event.data.get("wait") != "none":
            # The loop has slept: what it did before, for a head that has not come, was the
            # end of the request before.
            for held in self._held:
                if held.shown is None and held.event.kind != "poll":
                    held.shown = not self._own.get(held.event.conn or "")
        self._held.append(_Held(event, self._verdict(event)))
        over = event.kind == "end" and event.name == "connection"
        if over or came or event.step in ("refuse", "timed-out"):
            self._decide(conn, not self._own.get(conn))
        if over:
            self._own.pop(conn, None)
        self._hand_on()

    def _verdict(self, event: Event) -> bool | None:
        if event.kind == "poll":
            return None
        if event.conn is None:
            # The pipe with which the page wakes itself has no handle: it was there before.  What
            # it does there is to tell its watchers, in nobody's name.
            wakes = event.kind == "ready" and "handle" not in event.data
            return not wakes and not (event.kind == "resolve" and event.parent is None)
        if self._history.watching(event.req):
            return False
        request = self._history.requests.get(event.req or "")
        if request is not None and request.shown:
            return True
        # Of a new connection nobody knows whether it is the browser's.
        return True if self._history.known(event.conn) and event.conn not in self._own else None

    def _decide(self, conn: str, shown: bool) -> None:
        """Now it is known whose the bytes were."""
        for held in self._held:
            if held.shown is None and held.event.conn == conn:
                held.shown = shown

    def _hand_on(self) -> None:
        held = self._held
        while held:
            shown = True if len(held) > HELD else held[0].shown
            if held[0].event.kind == "poll" and shown is None:
                shown = self._poll_led_to_something()
            if shown is None:
                return
            event = held.popleft().event
            if shown:
                self._sink(event)

    def _poll_led_to_something(self) -> bool | None:
        """Tell whether something is shown of the turn that is the first of those held."""
        turn = iter(self._held)
        next(turn)
        for other in turn:
            if other.event.kind == "poll":
                return False
            if other.shown is not False:
                return other.shown
        return None
