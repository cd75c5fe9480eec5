"""What a request cost: turns of the loop, and calls into the kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import RenderableType

from ..events import Event, Trace
from . import select, words
from .view import GREY, View, line

SYSCALLS = ("epoll_ctl", "accept", "recv", "send")
TLS = ("ssl_do_handshake", "ssl_read", "ssl_write")  # OpenSSL's, which does the system calls


@dataclass
class Count:
    """How often something happened, and how often it ended in which way."""

    name: str
    number: int = 0
    details: Counter[str] = field(default_factory=Counter)


class Counts(View):
    """Turns, polls, epoll_ctl, accept, recv, send of a trace, a connection or a request.

    Turns are those in which something happened for it.  Polls are all between its first event
    and its last, for the loop polls for everybody.  `counts["recv"]` is a number.
    """

    def __init__(self, trace: Trace, conn: str | None = None, req: str | None = None) -> None:
        events = select.about(trace, conn, req)
        self.rows = {name: Count(name) for name in ("turns", "polls", *SYSCALLS, *TLS)}
        self.rows["turns"].number = len({words.when(event) for event in events if event.turn})
        for event in _between(events, trace):
            _add(self.rows["polls"], event)
        for event in events:
            if event.kind == "syscall" and event.name in self.rows:
                _add(self.rows[event.name], event)

    def __getitem__(self, name: str) -> int:
        return self.rows[name].number

    def body(self, width: int) -> Iterable[RenderableType]:
        tls = any(self[name] for name in TLS)
        for row in self.rows.values():
            if row.number == 0 and (tls or row.name in TLS):
                continue
            name = words.singular(row.name) if row.number == 1 else row.name
            details = ", ".join(f"{count:,} {how}" for how, count in sorted(row.details.items()))
            name = f"{name:{18 if tls else 10}}" if details else name
            yield line((f"{row.number:4,} ", "bold"), name, (details, GREY))
        if tls:
            yield line(("     What OpenSSL asks of the kernel is not seen.", GREY))


def _between(events: list[Event], trace: Trace) -> list[Event]:
    """Return the polls of the same loops, from the first of `events` to the last."""
    loops = {event.lane for event in events}
    polls = [event for event in trace.whole if event.kind == "poll" and event.lane in loops]
    return [poll for poll in polls if events[0].seq <= poll.seq <= events[-1].seq]


def _add(row: Count, event: Event) -> None:
    row.number += 1
    data = event.data
    if event.kind == "poll":
        row.details["without waiting" if data.get("wait") == "none" else "ready to sleep"] += 1
    elif data.get("error") is not None:
        row.details[f"said {data['error']}"] += 1
    elif data.get("op"):
        row.details[str(data["op"])] += 1
    elif row.name == "send" and data.get("bytes", 0) < data.get("asked", 0):
        row.details["took a part"] += 1
