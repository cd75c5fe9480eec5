"""Which events make a story, and the sentence that each is worth.  Pure.

A rule looks at one event and says a sentence, or None if this event is not worth one.  It may
say no more than the trace holds: the sentence must be true of every trace it is shown with.

`rank` 1 is the short story, 2 the usual one; everything else is left to the other views.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..events import Event
from . import words
from .facts import Facts

Say = Callable[[Event, Facts], str | None]


@dataclass(frozen=True)
class Rule:
    """Say a sentence about events of a kind, with one of these names: "write", or "Class.write"."""

    rank: int
    kind: str
    names: tuple[str, ...]
    say: Say

    def sentence(self, event: Event, facts: Facts) -> str | None:
        """Return what there is to say of an event, if it is one of those."""
        if event.kind != self.kind:
            return None
        if self.names and not {event.name, words.short(event.name)}.intersection(self.names):
            return None
        return self.say(event, facts)


def sentence(event: Event, facts: Facts) -> tuple[int, str]:
    """Return the rank and the sentence of an event; rank 3 if no rule has one."""
    for rule in RULES:
        if rule.kind == event.kind and (said := rule.sentence(event, facts)) is not None:
            return rule.rank, said
    return 3, ""


# ---- the kernel ----


# What is not there yet, spelled as an error.
_NOT_NOW = ("EAGAIN", "SSLWantReadError", "SSLWantWriteError")


def _poll(event: Event, facts: Facts) -> str | None:
    found = " and ".join(facts.ready(event))
    wait = event.data.get("wait")
    if wait == "none":
        if not found:
            return None  # a glance in passing
        return f"There is work at hand, so the loop asks epoll_wait but does not wait: {found}."
    limit = ", at most until its next timeout" if wait == "timer" else ""
    then = f"Then {found}" if found else "When it returns, no fd is ready"
    return f"The loop has nothing to run and waits in epoll_wait{limit}. {then}."


def _accept(event: Event, facts: Facts) -> str | None:
    error = event.data.get("error")
    if error == "EAGAIN":
        return None  # it ends every round of accepting, and says only that nobody else is there
    if error is not None:
        return f"accept fails: {error}."
    return f"accept: the kernel hands over a new connection, called {event.data['value']} here."


def _with_client(not_now: str, fails: str, done: Callable[[dict[str, Any]], str]) -> Say:
    """Return a rule's function for a system call on a connection, and for what may come of it."""

    def say(event: Event, facts: Facts) -> str | None:
        data, error = event.data, event.data.get("error")
        if event.fd != event.conn:
            return None
        text = done(data) if error is None else not_now if error in _NOT_NOW else fails
        whom = "OpenSSL" if event.name.startswith("ssl_") else "the kernel"
        return text.format(
            fd=event.fd, name=event.name, error=error, size=words.size(data.get("bytes")),
            asked=data.get("asked"), whom=whom, Whom=whom[0].upper() + whom[1:],
        )  # fmt: skip

    return say


def _received(data: dict[str, Any]) -> str:
    if data.get("bytes") == 0:
        return "{name}: no bytes, which means that the client will send nothing more on {fd}."
    return "{name}: {size} of {fd} come from {whom}."


def _sent(data: dict[str, Any]) -> str:
    if data.get("asked") not in (None, data.get("bytes")):
        return "{name}: {whom} takes {size} of {asked:,} for {fd}; the rest waits."
    return "{name}: {whom} takes {size} for {fd}, all that it was given."


def _epoll_ctl(event: Event, facts: Facts) -> str | None:
    if event.data.get("op") != "MOD":
        return None  # add_handler and remove_handler tell of the others
    asked = words.interest(words.watched(event.data) or "")
    if asked == words.NOTHING:
        return f"epoll_ctl: the kernel is to report nothing but errors of {event.fd} from now on."
    return f"epoll_ctl: from now on the kernel is to report when {event.fd} is {asked}."


# ---- the loop ----


# What only hands on what another layer has asked for.
_PASS_ON = ("coroutine", "loop", "future")


def _due(event: Event, facts: Facts) -> str | None:
    return "A timeout is due." if event.data.get("how") == "timer" else None


def _run(event: Event, facts: Facts) -> str | None:
    how = event.data.get("how")
    if how == "fd":
        return f"The loop calls {words.function(event)}, the handler of {event.fd}."
    if how == "timer":
        return f"The loop runs {words.function(event)}, since its time has come."
    if how == "callback" and event.layer not in _PASS_ON and not event.name.endswith("lambda"):
        return f"The loop runs {words.function(event)}, which was queued."
    return None


def _watch(event: Event, facts: Facts) -> str:
    when = words.interest(words.watched(event.data) or "")
    target = words.short(words.target(event))
    return f"The loop is asked to call {target} whenever {event.fd} is {when}."


def _timer(event: Event, facts: Facts) -> str | None:
    if event.data.get("target") == "_Deadline._wake" and not facts.ran(event):
        return None  # every connection has one, and hardly any comes due
    seconds = event.data.get("seconds")
    when = "at a given time" if seconds is None else f"in {words.seconds(seconds)}"
    return f"The loop is asked to run {words.target(event)} {when}."


def _queue(event: Event, facts: Facts) -> str | None:
    if words.target(event).startswith("lambda"):
        return None
    if event.data.get("coroutine"):
        return "The coroutine is to go on, but not in here: add_callback queues Runner.run."
    return f"add_callback queues {words.target(event)}, to be run later, with an empty stack."


def _forget(event: Event, facts: Facts) -> str:
    return f"The loop forgets {event.fd}: its handler is called no more."


# ---- futures and coroutines ----


def _resolve(event: Event, facts: Facts) -> str | None:
    if all(facts.only_logs(run) for run in facts.told(event)):
        return None  # nobody waits for it, or only in order to log what went wrong
    error = event.data.get("error")
    gave = f"is resolved{words.result(' with ', event.data)}"
    how = gave if error is None else f"fails with {error}"
    return f"{event.obj} {how}. Who waits for it is told at once."


def _wait(event: Event, facts: Facts) -> str | None:
    before = facts.before(event)
    if before is not None and before.kind == "yield":
        return None  # it waits since the one that it called waits
    name, target = words.own(event), event.data.get("target")
    if target == "moment":
        return f"The coroutine {name} waits for one turn (moment), so that others get theirs."
    return f"The coroutine {name} waits for {target}, and lets others run meanwhile."


def _resume(event: Event, facts: Facts) -> str | None:
    if any(child.kind == "resume" for child in facts.trace.children(event)):
        return None  # the one that it called goes on, and it only passes on
    target = event.data.get("target")
    waited = f" where it waited for {target}" if target not in (None, "moment") else ""
    closer = facts.trace.closer(event)
    error = closer.data.get("error") if closer is not None and closer.kind == "raise" else None
    raises = f", and raises {error}" if error else ""
    return f"The coroutine {words.own(event)} goes on{waited}{raises}."


def _start(event: Event, facts: Facts) -> str | None:
    if event.layer != "app":
        return None
    if event.data.get("segment"):
        return f"A coroutine of the application begins: {words.function(event)}."
    return f"The application runs: {words.function(event)}."


def _raise(event: Event, facts: Facts) -> str | None:
    if event.layer != "app":
        return None
    return f"The application, {words.function(event)}, raises {event.data.get('error')}."


def _end(event: Event, facts: Facts) -> str | None:
    if event.name == "connection":
        return f"The connection {event.conn} is over."
    before = facts.before(event)
    stays = before.data.get("value") if before and before.step == "read-request" else None
    if stays is None:
        return None  # it may never have begun: the adapter was there before the first byte
    if stays:
        return f"The answer to {event.req} is complete. The connection stays open for the next."
    return f"The exchange {event.req} is over, and no other will follow on this connection."


# ---- the servers ----

_READS = {
    "read_response": "the head of a request, which ends with an empty line",
    "_read_fixed_body": "a piece of the body",
    "_read_chunked_body": "the frame of a chunk of the body",
    "_read_trailer": "what follows the last chunk",
    "_linger": "what the client still sends, which nobody will look at",
}


def _start_read(event: Event, facts: Facts) -> str | None:
    inside = facts.inside(event, *_READS)
    if inside in ("_read_chunked_body", "_read_trailer") and not facts.asks_kernel(event):
        return None  # the buffer had it: a chunk has many of these
    what = f"for {_READS[inside]}" if inside else "to read"
    return f"The stream is asked {what}."


def _told(text: str, **arguments: str) -> Say:
    """Return a rule's function for a call that is always worth the same sentence.

    `arguments`: those of the call that it speaks of, and what is said if they aren't recorded.
    """

    def say(event: Event, facts: Facts) -> str:
        told = {name: words.argument(event, name) or other for name, other in arguments.items()}
        return text.format(name=event.name, conn=event.conn, req=event.req, **told)

    return say


_ADAPTER = "_ServerRequestAdapter."

RULES = (
    Rule(1, "poll", (), _poll),
    Rule(2, "ready", (), _due),
    Rule(1, "syscall", ("accept",), _accept),
    Rule(1, "syscall", ("ssl_do_handshake",), _with_client(
        "The TLS handshake on {fd} waits for the client ({error}).",
        "The TLS handshake on {fd} fails: {error}.",
        lambda data: "The TLS handshake on {fd} is done.")),
    Rule(1, "syscall", ("recv", "ssl_read"), _with_client(
        "{name}: nothing from {fd} yet. {Whom} says so ({error}) instead of waiting.",
        "{name} from {fd} fails: {error}.", _received)),
    Rule(1, "syscall", ("send", "ssl_write"), _with_client(
        "{name}: {whom} has no room for more bytes to {fd} now ({error}).",
        "{name} to {fd} fails: {error}.", _sent)),
    Rule(2, "syscall", ("epoll_ctl",), _epoll_ctl),
    Rule(2, "run", (), _run),
    Rule(1, "schedule", ("add_handler",), _watch),
    Rule(2, "schedule", ("call_at",), _timer),
    Rule(2, "schedule", ("add_callback",), _queue),
    Rule(2, "cancel", ("remove_handler",), _forget),
    Rule(1, "resolve", (), _resolve),
    Rule(2, "yield", (), _wait),
    Rule(1, "resume", (), _resume),
    Rule(2, "call", ("handle_stream",), _told("{name} takes {conn} over.")),
    Rule(2, "call", ("HTTPServer.start_request",),
         _told("A _ServerRequestAdapter is made: it will receive request {req}.")),
    Rule(1, "call", ("start_read",), _start_read),
    Rule(1, "call", (_ADAPTER + "headers_received",),
         _told("The head is read and parsed: {start_line}. The adapter learns of it.",
               start_line="a request")),
    Rule(1, "call", (_ADAPTER + "data_received",),
         _told("The adapter is given {chunk} of the body.", chunk="a piece")),
    Rule(2, "call", (_ADAPTER + "finish",),
         _told("The request is complete. The adapter learns of it, and calls who is to answer.")),
    Rule(1, "call", (_ADAPTER + "on_connection_close",),
         _told("The adapter learns that the request will never be complete.")),
    Rule(1, "call", ("write_headers",),
         _told("The answer begins: {start_line}.", start_line="its head")),
    Rule(1, "call", ("HTTP1Connection.write",),
         _told("The body of the answer: {chunk}.", chunk="a piece of it")),
    Rule(1, "call", (), _start),
    Rule(1, "raise", (), _raise),
    Rule(2, "end", (), _end),
)  # fmt: skip
