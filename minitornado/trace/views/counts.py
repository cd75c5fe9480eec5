"""What a request cost: turns of the loop, and calls into the kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.console import RenderableType

from ..events import Event, Trace
from . import select, words
from .view import GREY, View, line

SYSCALLS = ("epoll_ctl", "accept", "recv", "send")
TLS = ("ssl_do_handshake", "ssl_read", "ssl_write")  # OpenSSL's, which does the system calls


class Counts(View):
    """Turns, polls, epoll_ctl, accept, recv, send of a trace, a connection or a request.

    Turns are those in which something happened for it.  Polls are all between its first event
    and its last, for the loop polls for everybody.  `counts["recv"]` is a number.
    """

    def __init__(self, trace: Trace, conn: str | None = None, req: str | None = None) -> None:
        events = select.about(trace, conn, req)
        #: How often something happened, by how it ended; "" is nothing worth a word.
        self.rows: dict[str, Counter[str]] = {
            "turns": Counter({"": len({words.when(event) for event in events if event.turn})}),
            "polls": Counter(map(_how, _between(events, trace))),
        }
        for name in (*SYSCALLS, *TLS):
            calls = [event for event in events if (event.kind, event.name) == ("syscall", name)]
            self.rows[name] = Counter(map(_how, calls))

    def __getitem__(self, name: str) -> int:
        return self.rows[name].total()

    def body(self, width: int) -> Iterable[RenderableType]:
        tls = any(self[name] for name in TLS)
        for name, row in self.rows.items():
            if self[name] == 0 and (tls or name in TLS):
                continue
            named = words.singular(name) if self[name] == 1 else name
            details = ", ".join(f"{count:,} {how}" for how, count in sorted(row.items()) if how)
            named = f"{named:{18 if tls else 10}}" if details else named
            yield line((f"{self[name]:4,} ", "bold"), named, (details, GREY))
        if tls:
            yield line(("     What OpenSSL asks of the kernel is not seen.", GREY))


def _between(events: list[Event], trace: Trace) -> list[Event]:
    """Return the polls of the same loops, from the first of `events` to the last."""
    loops = {event.lane for event in events}
    polls = [event for event in trace.whole if event.kind == "poll" and event.lane in loops]
    return [poll for poll in polls if events[0].seq <= poll.seq <= events[-1].seq]


def _how(event: Event) -> str:
    data = event.data
    if event.kind == "poll":
        return "without waiting" if data.get("wait") == "none" else "ready to sleep"
    if data.get("error") is not None:
        return f"said {data['error']}"
    if event.name == "send" and data.get("bytes", 0) < data.get("asked", 0):
        return "took a part"
    return str(data.get("op") or "")
