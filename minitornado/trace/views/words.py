"""How an event is named, in a few words, by every view.  Pure.

What is said comes from the event and from nowhere else; what it does not hold is left out.
"""

from __future__ import annotations

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
    return plural(count, "byte") if isinstance(count, int) else str(count)


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
    data, name = event.data, short(event.name)
    match event.kind:
        case "syscall":
            return _joined(name, data.get("op"), event.fd, watched(data), _came_of(event))
        case "schedule":
            delay = data.get("seconds")
            after = None if delay is None else f"in {delay:g} s"
            return _joined(name, event.fd, watched(data), after, "→", own_name(target(event)))
        case "poll":
            return f"{name}: {data.get('ready') or 'nothing'} ready"
        case "ready" if data.get("how") == "timer":
            return "a timeout is due"
        case "ready":
            return f"{event.fd} is {interest(watched(data))}"
        case "resolve" if data.get("error") is not None:
            return f"{event.obj or 'Future'} fails: {data['error']}"
        case "resolve":
            return f"{event.obj or 'Future'} is done{result(': ', data)}"
        case "yield":
            return _joined(name, "waits", f"for {data['target']}" if data.get("target") else None)
        case "resume":
            return f"{name} goes on"
        case "raise":
            return f"{function(event)} raises {data.get('error', 'an exception')}"
        case "cancel":
            return _joined(name, event.fd)
        case "begin" | "end":
            whose = {"request": event.req, "connection": event.conn}
            return f"{name} {whose.get(name, event.lane.partition('.')[0])} {event.kind}s"
        case "note":
            return str(data.get("text", name))
    return function(event)


def _joined(*parts: object) -> str:
    return " ".join(str(part) for part in parts if part)


def _came_of(syscall: Event) -> str:
    data = syscall.data
    if data.get("bytes") is not None and syscall.name in ("recv", "ssl_read"):
        return f"{data['bytes']:,} B"  # asked for 65,536 says nothing about the request
    return outcome(data) if data.get("value") is None else f"→ {data['value']}"


def watched(data: dict[str, Any]) -> str | None:
    """Return the events of an fd; ERROR is always among them, so it is not said."""
    events = data.get("events")
    if events is None:
        return None
    return "|".join(part for part in str(events).split("|") if part != "ERROR") or "ERROR"


def own_name(qualified: str) -> str:
    """Return a function's own name; of a lambda, whose it is.

    >>> own_name("Runner.run"), own_name("lambda of IOLoop.add_future")
    ('run', 'lambda of add_future')
    """
    return "lambda of " * qualified.startswith("lambda of ") + short(qualified)


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


def result(before: str, data: dict[str, Any]) -> str:
    """Return what a function returned, or a Future was given, after `before`; "" if nothing."""
    recorded = data.get("value")
    return "" if recorded in (None, "None") else before + value(recorded)


def target(event: Event) -> str:
    """Return what is to run, or runs: the coroutine, where a Runner takes it further."""
    coroutine = event.data.get("coroutine")
    if coroutine:
        return qualified(str(coroutine))
    named = event.data.get("target")
    return function(event) if named is None else qualified(str(named))


def singular(noun: str) -> str:
    """Return one of what `noun` names many of."""
    return noun.removesuffix("s") if noun in ("turns", "polls") else noun


def cut(text: str, width: int) -> str:
    """Return `text`, or its beginning and an ellipsis, in at most `width` characters.

    >>> cut("read_until", 10), cut("read_until", 8)
    ('read_until', 'read_un…')
    """
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
