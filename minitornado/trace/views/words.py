"""How an event is named, in a few words, by every view.  Pure.

What is said comes from the event and from nowhere else; what it does not hold is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..events import Event


def function(event: Event) -> str:
    """Return the function of an event as a reader calls it: the receiver's class, and its name.

    >>> function(Event(1, "call", "BaseIOStream.write", obj="IOStream#1"))
    'IOStream.write'
    """
    # A HTTPServer is a TCPServer, and what it does as one belongs to that layer.
    return qualified(event.name, None if event.layer == "tcp" else event.obj)


def qualified(name: str, obj: str | None = None) -> str:
    """Return a qualified name without what only Python needs.

    A function in a function goes by its own name; a lambda has none.

    >>> qualified("add_accept_handler.accept_handler"), qualified("IOLoop.add_future.lambda")
    ('accept_handler', 'lambda of IOLoop.add_future')
    """
    owner, _, own = name.rpartition(".")
    if not owner:
        return name
    if own == "lambda":
        return f"lambda of {qualified(owner, obj)}"
    if owner.rpartition(".")[2].lstrip("_")[:1].islower():
        return own
    return f"{owner if obj is None else obj.partition('#')[0]}.{own}"


def short(name: str) -> str:
    """Return a function's own name, without its class.

    >>> short("HTTP1Connection.read_response"), short("IOLoop.add_future.lambda")
    ('read_response', 'lambda')
    """
    return name.rpartition(".")[2]


def size(count: object) -> str:
    """Return a number of bytes in words.

    >>> size(1), size(65536)
    ('1 byte', '65,536 bytes')
    """
    if not isinstance(count, int):
        return str(count)
    return "1 byte" if count == 1 else f"{count:,} bytes"


def plural(count: int, noun: str) -> str:
    """Return a number of things in words.

    >>> plural(1, "turn"), plural(3, "turn")
    ('1 turn', '3 turns')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


NOTHING = "nothing"


def seconds(count: float) -> str:
    """Return a span of time in words.

    >>> seconds(1), seconds(0.05), seconds(3600)
    ('1 second', '0.05 seconds', '3,600 seconds')
    """
    number = f"{count:,.0f}" if count >= 1000 else f"{count:g}"
    return "1 second" if number == "1" else f"{number} seconds"


def interest(events: object) -> str:
    """Return what an fd is watched for, or ready for, as adjectives.

    >>> interest("READ"), interest("READ|WRITE")
    ('readable', 'readable and writable')
    """
    words = {"READ": "readable", "WRITE": "writable", "ERROR": "broken or hung up"}
    parts = [words.get(part, part) for part in str(events).split("|") if part]
    return " and ".join(parts) or NOTHING


def outcome(data: dict[str, Any]) -> str:
    """Return what came of a syscall: its error, its bytes, or its value."""
    if data.get("error") is not None:
        return str(data["error"])
    if data.get("bytes") is not None:
        count = f"{data['bytes']:,} B"
        asked = data.get("asked")
        return count if asked in (None, data["bytes"]) else f"{count} of {asked:,}"
    return "" if data.get("value") is None else str(data["value"])


def when(event: Event) -> str:
    """Return the turn of an event, or the thread where there are none.

    >>> when(Event(1, "call", "f", turn=2)), when(Event(1, "call", "f", lane="thread-1"))
    ('turn 2', 'thread-1')
    >>> when(Event(1, "call", "f", lane="p1.loop"))
    'before the first poll of p1.loop'
    """
    if "loop" not in event.lane:
        return event.lane
    turn = f"turn {event.turn}" if event.turn else "before the first poll"
    return turn if event.lane == "loop" else f"{turn} of {event.lane}"


def label(event: Event) -> str:
    """Return one line about an event, the same in every view."""
    return _LABELS.get(event.kind, function)(event)


def _label_syscall(event: Event) -> str:
    data = event.data
    parts = [event.name, data.get("op"), event.fd, watched(data), outcome(data)]
    if data.get("bytes") is not None and event.name.startswith("recv"):
        parts[-1] = f"{data['bytes']:,} B"  # asked for 65,536 says nothing about the request
    if data.get("value") is not None:
        parts[-1] = f"→ {data['value']}"
    return " ".join(str(part) for part in parts if part)


def watched(data: dict[str, Any]) -> str | None:
    """Return the events of an fd; ERROR is always among them, so it is not said."""
    events = data.get("events")
    if events is None:
        return None
    return "|".join(part for part in str(events).split("|") if part != "ERROR") or "ERROR"


def _label_schedule(event: Event) -> str:
    data = event.data
    parts = [short(event.name), event.fd, watched(data)]
    if data.get("seconds") is not None:
        parts.append(f"in {data['seconds']:g} s")
    return " ".join(str(part) for part in [*parts, "→", short_target(event)] if part)


def short_target(event: Event) -> str:
    """Return the own name of what is to run; of a lambda, whose it is."""
    name = target(event)
    return f"lambda of {short(name)}" if name.startswith("lambda of ") else short(name)


def own(event: Event) -> str:
    """Return the own name of what an event is about: of the coroutine, if it has one."""
    return short(str(event.data.get("coroutine") or event.name))


def argument(event: Event, name: str) -> str | None:
    """Return the summary of an argument, if it was recorded."""
    recorded = (event.data.get("args") or {}).get(name)
    return None if recorded is None else value(recorded)


def value(recorded: object) -> str:
    """Return the summary of a value, as numbers of bytes are written.

    >>> value("65536 bytes"), value("FileIO")
    ('65,536 bytes', 'FileIO')
    """
    count, _, rest = str(recorded).partition(" ")
    return size(int(count)) if rest == "bytes" and count.isdecimal() else str(recorded)


def target(event: Event) -> str:
    """Return what is to run, or runs: the coroutine, where a Runner takes it further."""
    coroutine = event.data.get("coroutine")
    if coroutine:
        return qualified(str(coroutine))
    named = event.data.get("target")
    return function(event) if named is None else qualified(str(named))


def _label_poll(event: Event) -> str:
    ready = event.data.get("ready", 0)
    found = ready if isinstance(ready, int) else len(ready)
    return f"{event.name}: {found} ready" if found else f"{event.name}: nothing ready"


def _label_ready(event: Event) -> str:
    if event.data.get("how") == "timer":
        return "a timeout is due"
    return f"{event.fd} is {interest(watched(event.data))}"


def _label_resolve(event: Event) -> str:
    data = event.data
    name = event.obj or "Future"
    if data.get("error") is not None:
        return f"{name} fails: {data['error']}"
    result = data.get("value")
    return f"{name} is done" if result in (None, "None") else f"{name} is done: {value(result)}"


def _label_yield(event: Event) -> str:
    target = event.data.get("target")
    return f"{short(event.name)} waits" + (f" for {target}" if target else "")


def _label_life(event: Event) -> str:
    who = event.req if event.name == "request" else event.conn
    return f"{event.name} {who} {'begins' if event.kind == 'begin' else 'ends'}"


_LABELS: dict[str, Callable[[Event], str]] = {
    "syscall": _label_syscall,
    "schedule": _label_schedule,
    "poll": _label_poll,
    "ready": _label_ready,
    "resolve": _label_resolve,
    "yield": _label_yield,
    "raise": lambda event: f"{function(event)} raises {event.data.get('error', 'an exception')}",
    "resume": lambda event: f"{short(event.name)} goes on",
    "cancel": lambda event: f"{short(event.name)} {event.fd or ''}".rstrip(),
    "begin": _label_life,
    "end": _label_life,
    "note": lambda event: str(event.data.get("text", event.name)),
}


def singular(noun: str) -> str:
    """Return one of what `noun` names many of."""
    return noun.removesuffix("s") if noun in ("turns", "polls") else noun


def cut(text: str, width: int) -> str:
    """Return `text`, or its beginning and an ellipsis, in at most `width` characters.

    >>> cut("read_until", 10), cut("read_until", 8)
    ('read_until', 'read_un…')
    """
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
