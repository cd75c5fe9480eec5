"""History: of a server that runs for days, the requests that the page can show.  Pure.

A turn of the loop is kept as long as a request is kept that had a part in it.  Requests are
dropped, the oldest first, when there are too many of them, or of their events.

A request under /trace/ is the page's own: it is *watching*.  That is known when its head has
been read, and not before; so what is to be left out is decided when somebody looks.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from minitornado.trace.events import OPENERS, Event, Trace
from minitornado.trace.views.state import Hidden, State, lines_at, nobody

PREFIX = "/trace/"

KEPT = 80  # requests
WEIGHT_KEPT = 40_000  # of all requests' turns: events, and entries in the loop's state

# Of one request, so many turns: those with which it began, and the last.
FIRST_TURNS, LAST_TURNS = 40, 15

TURN_EVENTS = 3_000  # of a turn in which a client has pipelined very much, the first

# Stretches of time for which the loop ran for a request.  Nearer ones are drawn as one.
MAX_STRETCHES = 150
JOIN_MS = 1.0


@dataclass(slots=True)
class Turn:
    """A turn of the loop: its events, and the loop's state when it began.

    `serving`: of each connection, the request whose head came last.
    """

    before: State
    serving: dict[str, str]
    events: list[Event] = field(default_factory=list)
    requests: dict[str, Request] = field(default_factory=dict)
    users: int = 0  # how many requests keep it

    @property
    def weight(self) -> int:
        """What it costs to keep, in events."""
        before = self.before
        waits = len(before.queued) + len(before.timers) + len(before.watched)
        return len(self.events) + len(self.serving) + waits


class Request:
    """What is kept of a request.  Times are milliseconds since the trace began."""

    def __init__(self, name: str, conn: str | None) -> None:
        self.name = name
        self.conn = conn
        self.line = ""  # "GET /hello"; none has come yet
        self.status = ""  # "200 OK"
        self.state = "running"  # then "answered", "lost" or "refused"
        self.click: str | None = None  # what the page's button has sent along
        self.head = 0  # seq of the event with which its head was known
        self.came: float | None = None
        self.ended: float | None = None
        self.pipelined = False  # its bytes came before the request before it was answered
        self.stretches: list[list[float]] = []
        self.ran = 0.0  # for how long the loop ran for it, in all
        self.held: list[float] | None = None  # the longest time without a break: from, to
        self.turn_count = 0
        self._ran_until = 0.0
        self._first: list[Turn] = []
        self._last: deque[Turn] = deque()

    @property
    def watching(self) -> bool:
        """Whether it is the page's own."""
        return self.line.partition(" ")[2].startswith(PREFIX)

    @property
    def shown(self) -> bool:
        """Whether at least a part of it has come.  Each connection waits for one that has not."""
        return self.state == "refused" or bool(self.line)

    @property
    def left_out(self) -> int:
        """How many of its turns are not kept."""
        return self.turn_count - len(self._first) - len(self._last)

    def turns(self) -> list[Turn]:
        return [*self._first, *self._last]

    def keep(self, turn: Turn) -> Turn | None:
        """Keep a turn that is over; return the one that is not kept any more for it."""
        self.turn_count += 1
        kept = self._first if len(self._first) < FIRST_TURNS else self._last
        kept.append(turn)
        return self._last.popleft() if len(self._last) > LAST_TURNS else None

    def runs(self, now: float) -> None:
        """The loop begins to run for it."""
        stretches = self.stretches
        if stretches and now - stretches[-1][1] < JOIN_MS:
            return
        stretches.append([now, now])
        if len(stretches) > MAX_STRETCHES:
            gaps = [late[0] - early[1] for early, late in itertools.pairwise(stretches)]
            at = gaps.index(min(gaps))
            stretches[at][1] = stretches.pop(at + 1)[1]

    def runs_on(self, since: float, now: float) -> None:
        """The loop still runs for it, and has since `since`."""
        last = self.stretches[-1]
        self.ran += now - self._ran_until if self._ran_until >= since else now - since
        self._ran_until = last[1] = now
        if self.held is None or now - since > self.held[1] - self.held[0]:
            self.held = [since, now]

    def summary(self) -> dict[str, Any]:
        """Return what a line of the page's list says, ready for JSON."""
        return {
            "name": self.name, "line": self.line or "(unreadable)", "status": self.status,
            "state": self.state, "click": self.click, "came": self.came, "ended": self.ended,
            "pipelined": self.pipelined, "stretches": self.stretches, "ran": round(self.ran, 3),
            "held": self.held, "turns": self.turn_count, "watching": self.watching,
        }  # fmt: skip


class History:
    """Takes every event of a trace, as it happens."""

    def __init__(self) -> None:
        self.requests: dict[str, Request] = {}
        self.changed: dict[str, Request] = {}  # since `news` was called
        self._missed = 0
        self.latest: Request | None = None  # for which the last event happened
        self._watching: set[str] = set()
        self._state = State()
        self._serving: dict[str, str] = {}
        self._turn = self._begin_turn()
        self._weight = 0
        self._open: set[str] = set()  # connections
        self._received: dict[str, float] = {}  # connection -> when bytes came, for a request
        self._before: dict[str, float] = {}  # the same, of the request before
        self._running: Request | None = None  # the loop runs for it, without a break,
        self._since = 0.0  # since then

    def watching(self, req: str | None) -> bool:
        """Tell whether a request is known to be the page's own."""
        return req in self._watching

    def news(self) -> tuple[list[Request], int]:
        """Return what has changed since the last call; of how much more nothing is known."""
        changed, missed = list(self.changed.values()), self._missed
        self.changed.clear()
        self._missed = 0
        return changed, missed

    def known(self, conn: str) -> bool:
        """Tell whether a connection has carried a request before."""
        return conn in self._serving

    def add(self, event: Event) -> bool:
        """Take an event; return whether there is news of a request that is not the page's own."""
        if event.kind == "poll":
            self._end_turn()
        if len(self._turn.events) < TURN_EVENTS:
            self._turn.events.append(event)
        self._state.apply(event)
        self._follow_connection(event)
        request = self.latest = self._request(event)
        self._follow_time(event, request)
        if request is None:
            return False
        self._turn.requests[request.name] = request
        self._follow_request(event, request)
        if not request.shown:
            return False
        self.changed[request.name] = request
        return not request.watching

    # ---- turns ----

    def _begin_turn(self) -> Turn:
        return Turn(self._state.copy(), dict(self._serving))

    def _end_turn(self) -> None:
        turn = self._turn
        for request in turn.requests.values():
            if request.name in self.requests:  # else it has been dropped
                turn.users += 1
                self._release(request.keep(turn))
        self._weight += turn.weight if turn.users else 0
        turn.requests.clear()
        for conn in self._state.fills.keys() - self._open:
            del self._state.fills[conn]
        self._turn = self._begin_turn()
        self._trim()

    def _trim(self) -> None:
        while self.requests and (len(self.requests) > KEPT or self._weight > WEIGHT_KEPT):
            self._forget(next(iter(self.requests)))

    def _release(self, turn: Turn | None) -> None:
        if turn is not None:
            turn.users -= 1
            self._weight -= 0 if turn.users else turn.weight

    def _forget(self, name: str) -> None:
        request = self.requests.pop(name)
        for turn in request.turns():
            self._release(turn)
        self._missed += self.changed.pop(name, None) is not None
        if request.ended is not None:
            self._watching.discard(name)

    def _follow_connection(self, event: Event) -> None:
        conn = event.conn
        if conn is None:
            return
        if event.kind == "begin" and event.name == "connection":
            self._open.add(conn)
        elif event.kind == "syscall" and event.name == "recv" and event.data.get("bytes"):
            self._received[conn] = _ms(event)
        elif event.kind == "end" and event.name == "connection":
            self._open.discard(conn)
            for known in (self._received, self._before, self._serving):
                known.pop(conn, None)
        elif event.kind == "end" and conn in self._received:
            self._before[conn] = self._received.pop(conn)

    # ---- requests ----

    def _request(self, event: Event) -> Request | None:
        name = event.req
        if name is None:
            return None
        request = self.requests.get(name)
        if request is None:
            if event.kind == "end":  # it was dropped, and is over
                self._watching.discard(name)
                return None
            request = self.requests[name] = Request(name, event.conn)
            self._trim()  # a turn may have any number of requests, if clients are fast
            if name in self._watching:  # it was dropped, and goes on
                request.line = f"GET {PREFIX}"
        return request

    def _follow_request(self, event: Event, request: Request) -> None:
        arguments = event.data.get("args") or {}
        match event.kind, event.step:
            case "call", "headers-received" if not request.line:
                request.line = str(arguments.get("start_line", "")).rpartition(" ")[0]
                request.head = event.seq
                self._begins(event, request)
            case "call", "write-headers":
                request.status = str(arguments.get("start_line", ""))
            case "call", "refuse" | "timed-out":
                if not request.line:
                    self._begins(event, request)
                request.state = "refused"
            case "call" | "run", "request-lost" | "client-gone":
                request.state = "lost"
            case "end", _:
                request.ended = _ms(event)
                if request.state == "running":
                    request.state = "answered" if request.status else "lost"

    def _begins(self, event: Event, request: Request) -> None:
        conn = request.conn or ""
        if request.watching:
            self._watching.add(request.name)
        self._serving[conn] = request.name
        request.pipelined = conn in self._before and conn not in self._received
        known = self._before if request.pipelined else self._received
        request.came = known.get(conn, _ms(event))
        # Before, the loop only began to wait for it.
        self._since = max(self._since, request.came)
        request.stretches = [[self._since, _ms(event)]]
        request.ran, request.held = _ms(event) - self._since, None

    def _follow_time(self, event: Event, request: Request | None) -> None:
        """Add to the time for which the loop runs for a request."""
        now = _ms(event)
        if not event.turn or event.kind == "poll":
            self._running = None
        elif request is not None and request is self._running:
            request.runs_on(self._since, now)
        elif request is not None:
            self._running, self._since = request, now
            request.runs(now)

    # ---- looking ----

    def window(self, name: str, watching: bool = False) -> Window | None:
        """Return what is kept of a request's turns; None if it is none that can be shown.

        The page's own requests are left out, unless `watching`, or this is one of them: what
        is shown is what the loop would have done without them.  Its state says how many of
        what waits is left out for that.
        """
        request = self.requests.get(name)
        if request is None or not request.shown:
            return None
        turns = request.turns()
        if name in self._turn.requests:
            turns.append(self._turn)
        hide = not (watching or request.watching)
        parts = [(turn, self._without_watching(turn) if hide else turn.events) for turn in turns]
        parts = [part for part in parts if any(event.req == name for event in part[1])]
        return Window(request, parts, self._hidden if hide else lambda request, turn: nobody)

    def _hidden(self, request: Request, turn: Turn) -> Hidden:
        """Return what tells, in a turn of a request, whether something waits for the page's own."""
        def hidden(conn: str | None, req: str | None) -> bool:
            if req is not None or conn is None or conn == request.conn:
                return self.watching(req)
            if conn in turn.serving:
                return self.watching(turn.serving[conn])
            return self._watches_next(conn, turn.events[0].seq)

        return hidden

    def _without_watching(self, turn: Turn) -> list[Event]:
        """Return a turn's events without those of the page's own requests."""
        hidden: set[int | None] = set()  # what is left out, and its causes
        kept: list[Event] = []
        for group in _groups(turn.events):
            if self._watches(group):
                hidden.add(group[0].cause)
                continue
            # In one stack, several connections may have been accepted.
            for event in group:
                closes = event.of is not None and event.of in hidden
                if closes or self.watching(event.req):
                    hidden.add(event.seq)
                else:
                    kept.append(event)
        shown = [
            event
            for event in kept
            # The pipe with which the page wakes itself has no handle: it was there before.
            if event.kind != "ready" or ("handle" in event.data and event.seq not in hidden)
        ]
        ready = Counter(event.cause for event in shown if event.kind == "ready")
        return [
            replace(event, data=event.data | {"ready": ready[event.seq]})
            if event.kind == "poll" else event
            for event in shown
        ]  # fmt: skip

    def _watches(self, group: list[Event]) -> bool:
        """Tell whether events that ran in one stack are the page's own."""
        names = {event.req for event in group if event.req is not None}
        own = {name for name in names if self.watching(name)}
        if names:
            # At the end of a request, its connection begins to wait for the next one.
            conns = {event.conn for event in group if event.req in own}
            return bool(own) and not any(
                self._come(event.req, group[-1]) or event.conn not in conns
                for event in group
                if event.req is not None and event.req not in own
            )
        first = group[0]
        if first.conn is None:
            return first.kind == "resolve"  # a watcher is told that there is news
        return self._watches_next(first.conn, first.seq)

    def _watches_next(self, conn: str, seq: int) -> bool:
        """Tell whether the next head that came on a connection, after an event, is the page's."""
        heads = [
            request
            for request in self.requests.values()
            if request.conn == conn and request.head > seq
        ]
        return bool(heads) and min(heads, key=lambda request: request.head).watching

    def _come(self, name: str, event: Event) -> bool:
        """Tell whether a request had come when an event happened."""
        request = self.requests.get(name)
        return request is not None and 0 < request.head <= event.seq


class Window:
    """The kept turns of a request: a trace, and the loop's state at any of its events."""

    def __init__(
        self,
        request: Request,
        parts: list[tuple[Turn, list[Event]]],
        hidden: Callable[[Request, Turn], Hidden],
    ) -> None:
        self.request = request
        self.trace = Trace(event for _turn, events in parts for event in events)
        self._turns = [turn for turn, _events in parts]
        self._hidden = hidden

    def states(self, moments: set[int]) -> dict[int, list[tuple[str, str]]]:
        """Return the loop's state in words, right after each of these events.

        What is not shown has changed it too: it is worked out from all that happened.
        """
        found: dict[int, list[tuple[str, str]]] = {}
        for turn in self._turns:
            hidden = self._hidden(self.request, turn)
            found |= lines_at(Trace(turn.events), moments, turn.before, hidden)
        return found


def _groups(events: list[Event]) -> Iterator[list[Event]]:
    """Yield events that ran in one stack together, and any other alone."""
    group: list[Event] = []
    for event in events:
        if group and event.lane == group[0].lane and event.parent is None and event.of is None:
            yield group
            group = []
        group.append(event)
        if event.parent is None and event.kind not in OPENERS:
            yield group
            group = []
    if group:
        yield group


def _ms(event: Event) -> float:
    return round(event.t / 1e6, 3)
