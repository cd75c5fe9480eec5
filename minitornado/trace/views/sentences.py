"""Which events make a story, and the sentence that each is worth.  Pure.

A rule looks at one event and says a sentence, or None if this event is not worth one.  It may
say no more than what the event holds: the same sentence must be true of every trace.

`rank` 1 is the short story, 2 the usual one; everything else is left to the other views.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..events import Event, Trace
from . import words

Say = Callable[[Event, Trace], str | None]


@dataclass(frozen=True)
class Rule:
    """Say a sentence about events of a kind, with one of these names (the function's own)."""

    rank: int
    kind: str
    names: tuple[str, ...]
    say: Say


def sentence(event: Event, trace: Trace) -> tuple[int, str] | None:
    """Return the rank and the sentence of an event; None if no rule has one."""
    for rule in _BY_KIND.get(event.kind, ()):
        if not rule.names or words.short(event.name) in rule.names:
            said = rule.say(event, trace)
            if said is not None:
                return rule.rank, said
    return None


# ---- the kernel ----


def _poll(event: Event, trace: Trace) -> str | None:
    wait = event.data.get("wait")
    found = [words.label(ready) for ready in words.readies(trace, event) if ready.fd]
    if not found:
        return None
    if wait == "none":
        begin = "Callbacks are queued, so the loop only glances at the kernel (epoll_wait)"
    elif wait == "timer":
        begin = "The loop sleeps in epoll_wait, no longer than up to its next timeout"
    else:
        begin = "The loop has nothing left to do and sleeps in epoll_wait"
    return f"{begin}. The kernel says: {', '.join(found)}."


def _accept(event: Event, trace: Trace) -> str | None:
    error = event.data.get("error")
    if error is None:
        return f"accept: the kernel hands over a new connection; here it is called {event.conn}."
    return None if error == "EAGAIN" else f"accept fails: {error}."


def _recv(event: Event, trace: Trace) -> str | None:
    data = event.data
    if data.get("error") == "EAGAIN":
        return f"recv: nothing has come from {event.fd} yet. It says so at once (EAGAIN)."
    if data.get("error") is not None:
        return f"recv from {event.fd} fails: {data['error']}."
    if data.get("bytes") == 0:
        return f"recv returns no bytes: the other side of {event.fd} will send nothing more."
    return f"recv takes {words.size(data.get('bytes'))} from {event.fd} into the stream's buffer."


def _send(event: Event, trace: Trace) -> str | None:
    data = event.data
    if data.get("error") == "EAGAIN":
        return f"send: the kernel has no room for more bytes to {event.fd} now (EAGAIN)."
    if data.get("error") is not None:
        return f"send to {event.fd} fails: {data['error']}."
    sent, asked = data.get("bytes"), data.get("asked")
    if asked is not None and sent != asked:
        return f"send: the kernel takes {words.size(sent)} of {asked:,} for {event.fd}, not all."
    return f"send: the kernel takes all {words.size(sent)} for {event.fd}."


# ---- the loop ----


def _ready_timer(event: Event, trace: Trace) -> str | None:
    return "A timeout is due." if event.data.get("how") == "timer" else None


def _run(event: Event, trace: Trace) -> str | None:
    how = event.data.get("how")
    if how == "fd":
        return f"The loop calls {words.function(event)}, the handler of {event.fd}."
    if how == "timer":
        return f"The loop runs {words.function(event)}: its time has come."
    return None


def _watch(event: Event, trace: Trace) -> str:
    target = words.qualified(str(event.data.get("target", "a handler")))
    when = words.interest(event.data.get("events", ""))
    return f"The loop is asked to call {target} every time that {event.fd} is {when}."


def _timer(event: Event, trace: Trace) -> str | None:
    target = words.qualified(str(event.data.get("target", "a callback")))
    seconds = event.data.get("seconds")
    when = "at a given time" if seconds is None else f"in {seconds:g} seconds"
    return f"The loop is asked to run {target} {when}."


def _queue(event: Event, trace: Trace) -> str:
    target = words.qualified(str(event.data.get("target", "a callback")))
    return f"add_callback queues {target}: the loop will run it soon, but not inside this call."


def _forget(event: Event, trace: Trace) -> str | None:
    return f"The loop forgets {event.fd}: no handler of it is called any more."


# ---- futures and coroutines ----


def _resolve(event: Event, trace: Trace) -> str | None:
    data = event.data
    if not data.get("waiting"):
        return None
    who = words.plural(data["waiting"], "callback")
    verb = "waits" if data["waiting"] == 1 else "wait"
    if data.get("error") is not None:
        return f"{event.obj} fails with {data['error']}; {who} {verb} for it."
    value = data.get("value")
    with_what = "" if value in (None, "None") else f" with {value}"
    return f"{event.obj} is resolved{with_what}; {who} {verb} for it."


def _wait(event: Event, trace: Trace) -> str | None:
    target = event.data.get("target")
    return f"{words.short(event.name)} waits for {target} and gives the thread back."


def _resume(event: Event, trace: Trace) -> str | None:
    data = event.data
    name = words.short(event.name)
    if data.get("error") is not None:
        return f"The coroutine {name} goes on, with an exception: {data['error']}."
    value = data.get("value")
    with_what = "" if value in (None, "None") else f" with {value}"
    return f"The coroutine {name} goes on{with_what}."


# ---- the servers ----


_CALLS_2 = {
    "handle_stream": "HTTPServer.handle_stream begins to serve HTTP on {conn}.",
    "start_request": "A _ServerRequestAdapter is made: it will receive {req}.",
}
_CALLS_1 = {
    "headers_received": "The head of {req} is complete and parsed: headers_received.",
    "data_received": "A piece of the body of {req}: data_received.",
    "on_connection_close": "{conn} has ended before {req} was complete.",
    "write_headers": "write_headers begins the answer.",
}


def _call_1(event: Event, trace: Trace) -> str:
    return _CALLS_1[words.short(event.name)].format(conn=event.conn, req=event.req)


def _call_2(event: Event, trace: Trace) -> str:
    return _CALLS_2[words.short(event.name)].format(conn=event.conn, req=event.req)


def _start_read(event: Event, trace: Trace) -> str | None:
    return f"The stream of {event.conn} is asked to read."


def _app(event: Event, trace: Trace) -> str | None:
    return f"The application runs: {words.function(event)}." if event.layer == "app" else None


def _raise(event: Event, trace: Trace) -> str | None:
    if event.layer != "app":
        return None
    return f"The application, {words.function(event)}, raises {event.data.get('error')}."


RULES = (
    Rule(1, "poll", (), _poll),
    Rule(2, "ready", (), _ready_timer),
    Rule(1, "syscall", ("accept",), _accept),
    Rule(1, "syscall", ("recv", "recv_into"), _recv),
    Rule(1, "syscall", ("send",), _send),
    Rule(2, "run", (), _run),
    Rule(1, "schedule", ("add_handler",), _watch),
    Rule(2, "schedule", ("call_at",), _timer),
    Rule(2, "schedule", ("add_callback",), _queue),
    Rule(2, "cancel", ("remove_handler",), _forget),
    Rule(1, "resolve", (), _resolve),
    Rule(2, "yield", (), _wait),
    Rule(1, "resume", (), _resume),
    Rule(1, "call", ("start_read",), _start_read),
    Rule(2, "call", tuple(_CALLS_2), _call_2),
    Rule(1, "call", tuple(_CALLS_1), _call_1),
    Rule(1, "call", (), _app),
    Rule(1, "raise", (), _raise),
)

_BY_KIND: dict[str, list[Rule]] = {}
for _rule in RULES:
    _BY_KIND.setdefault(_rule.kind, []).append(_rule)
