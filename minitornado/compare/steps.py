"""The steps of a run: what all servers have in common, in words that they share.  Pure.

A trace holds what one server's functions are called; a Step says what was done, so that those
of two servers can be laid side by side:

    calls      who is told what: start_request, headers_received, ..., on_close
    loop       who was ready, and what was run: handlers, coroutines, callbacks, timeouts
    turns      the loop's calls of epoll_wait: one a turn
    kernel     accept, recv, send, close, epoll_ctl, with their sizes
    log        what was logged
    wire       what the client received, line by line
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from minitornado.trace import Event, Trace
from minitornado.trace.views import words

FACETS = ("calls", "loop", "turns", "kernel", "log", "wire")

#: Calls by the step of their probe, and what they are called in every Tornado.
CALLS = {
    "handle-stream": "handle_stream",
    "new-request": "start_request",
    "headers-received": "headers_received",
    "data-received": "data_received",
    "dispatch": "finish",
    "app": "the application",
    "write-headers": "write_headers",
    "write-body": "write",
    "finish": "connection.finish",
    "client-gone": "_on_connection_close",
    "request-lost": "on_connection_close",
    "connection-over": "on_close",
}

#: Fields whose value is of the moment, or of the server: what is put in its place.  As long as
#: what it replaces, where others count the bytes.
MASKED = {
    "date": "the second in which the answer was made",
    "server": "who made it",
    "etag": "a hash of the body, by whatever function",
}

SYSCALLS = ("accept", "recv", "send", "close", "epoll_ctl")


@dataclass(frozen=True)
class Step:
    """`key` is what is compared; `told` is said beside it, and isn't: a server's own names."""

    facet: str
    key: str
    turn: int = 0
    told: str = ""


class Run:
    """What happened in one scenario with one server.

    sent, received   what the client counted: bytes, and which, by connection
    """

    def __init__(
        self, events: list[dict[str, Any]], log: list[Any], sent: dict[str, int],
        received: dict[str, str],
    ) -> None:  # fmt: skip
        self.trace = Trace(Event.from_dict(event) for event in events)
        self.sent, self.received = sent, received
        self.steps = _without_rounds([*_steps(self.trace, log)])
        self.wire = [*_wire(received)]


def _steps(trace: Trace, log: list[dict[str, Any]]) -> Iterator[Step]:
    waiting = sorted(log, key=lambda record: int(record["seq"]))
    turn = 0
    parts: set[str | None] = set()  # fds of which the kernel has taken a part of what was sent
    for event in trace:
        while waiting and waiting[0]["seq"] < event.seq:
            yield _logged(waiting.pop(0), turn)
        turn = event.turn
        step = _BY_KIND.get(event.kind, _nothing)(event, trace)
        if step is not None:
            yield _in_parts(step, event, parts) if event.name == "send" else step
    for record in waiting:
        yield _logged(record, turn)


def _without_rounds(steps: list[Step]) -> list[Step]:
    """Leave out the turns in which the kernel has taken one more piece of what was sent.

    Into how many pieces it cuts a large one differs from run to run.  The first of them and the
    last stay, and so do their turns.
    """
    for conn in dict.fromkeys(s.key.split()[1] for s in steps if s.key.endswith(" a part")):
        part, rest = f"send {conn} a part", f"send {conn} the rest"
        first = next(step for step in steps if step.key == part)
        last = next((step for step in steps if step.key == rest), first)
        again = {step.turn for step in steps if first.turn < step.turn < last.turn}
        round_ = rf"(send|handler of|epoll_ctl MOD) {conn}.*|{conn} is writable|epoll_wait waits"
        steps = [
            replace(step, turn=step.turn - sum(turn < step.turn for turn in again))
            for step in steps
            if step is first
            or not (step.key == part or (step.turn in again and re.fullmatch(round_, step.key)))
        ]  # fmt: skip
    return steps


def _nothing(event: Event, trace: Trace) -> None:
    return None


def _poll(event: Event, trace: Trace) -> Step:
    said = "does not wait" if event.data.get("wait") == "none" else "waits"
    return Step("turns", f"epoll_wait {said}", event.turn)


def _ready(event: Event, trace: Trace) -> Step:
    if event.data.get("how") == "timer":
        return Step("loop", "a timeout is due", event.turn)
    events = words.watched(event.data)
    return Step("loop", f"{event.fd} is {words.interest(events)}", event.turn)


def _syscall(event: Event, trace: Trace) -> Step | None:
    data = event.data
    if event.name not in SYSCALLS or not re.match("c[0-9]|listen", event.fd or ""):
        return None
    parts = [event.name, data.get("op"), event.fd]
    if event.name == "epoll_ctl":
        parts.append(words.watched(data))
    elif data.get("error"):
        parts.append(data["error"])
    elif event.name == "accept":
        parts.append(data.get("value"))
    elif event.name in ("recv", "send"):
        parts.append(words.size(data["bytes"]))
    return Step("kernel", " ".join(str(part) for part in parts if part), event.turn)


def _in_parts(step: Step, event: Event, parts: set[str | None]) -> Step:
    """Leave out sizes that the kernel decides on: of a send that it did not take whole."""
    sent, asked = event.data.get("bytes"), event.data["asked"]
    if sent == asked and event.fd not in parts:
        return step
    what = "EAGAIN" if sent is None else "the rest" if sent == asked else "a part"
    (parts.discard if sent == asked else parts.add)(event.fd)
    return replace(step, key=f"send {event.fd} {what}")


def _call(event: Event, trace: Trace) -> Step | None:
    name = CALLS.get(event.step or "")
    if name is None:
        return None
    own = words.short(event.name)
    if event.step == "app" and own in CALLS.values():
        name = f"the application's {own}"
    told = words.function(event).removesuffix("." + own)  # whose it is; the name is said already
    return Step("calls", f"{name} {event.conn}", event.turn, told)


def _run(event: Event, trace: Trace) -> Step | None:
    """What the loop calls.  A callback that a Future calls at once is no step of the loop's."""
    if event.parent is not None or event.data.get("how") == "timer" or event.step in CALLS:
        return _call(event, trace)
    if any(child.step in CALLS for child in trace.children(event)[:1]):
        return None  # a wrapper of what is told of by itself
    if event.data.get("how") == "fd":
        return Step("loop", f"handler of {event.fd}", event.turn, words.function(event))
    if event.data.get("coroutine"):
        return Step("loop", *_coroutine(event, trace))
    return Step("loop", f"a callback of {event.conn}", event.turn, words.function(event))


def _coroutine(event: Event, trace: Trace) -> tuple[str, int, str]:
    """What is said of a coroutine that the loop takes further."""
    children = [event, *trace.children(event)]
    first = children[-1] if len(children) == 1 else children[1]
    does = "begins" if first.data.get("segment") == 1 else "goes on"
    asked = trace.get(event.link)
    # It waited for nothing but a turn: for asyncio.sleep(0), or for gen.moment.
    for_a_turn = first.kind == "resume" and first.data.get("target") in (None, "moment")
    moment = for_a_turn or (asked is not None and asked.data.get("done"))
    key = f"a coroutine of {event.conn} {does}{', having let a turn pass' if moment else ''}"
    return key, event.turn, words.own(event)


_BY_KIND = {
    "poll": _poll, "ready": _ready, "syscall": _syscall, "call": _call, "run": _run,
}  # fmt: skip


def _logged(record: dict[str, Any], turn: int) -> Step:
    first = str(record["text"]).partition("\n")[0]
    said = f"{record['channel']} {record['level']}: {first}"
    if record["error"] is not None:
        said += f" ({record['error']})"
    return Step("log", said, turn)


def _wire(received: dict[str, str]) -> Iterator[Step]:
    """Yield what each connection received, a line a step; values of MASKED fields are masked."""
    for conn, text in received.items():
        for line in text.split("\r\n"):
            name, colon, value = line.partition(":")
            if colon and name.lower() in MASKED:
                line = f"{name}: {'·' * len(value.strip())}"
            line = line.replace("\n", "\\n")
            if len(line) > 100:
                line = f"{words.size(len(line))}, the first {line[:10]!r}"
            yield Step("wire", f"{conn} {line}")
