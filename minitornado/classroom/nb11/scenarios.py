"""Runs of a server for notebook 11, and what a trace of one says about the notebook's questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

from rich import box
from rich.style import Style
from rich.table import Table
from rich.text import Text

from minitornado.httpserver import HTTPServer, _HTTPRequestContext
from minitornado.trace import Event, Trace

from .. import served
from ..logs import logged
from ..palette import PALETTE
from ..served import Moves, answer
from ..show import show

Application = Callable[[Any], Any]

HEAD = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
GET = b"GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n"
PROXIED = b"GET /who HTTP/1.1\r\nHost: localhost\r\nX-Real-Ip: 203.0.113.9\r\n\r\n"

IN_TWO = (("connect", "k"), ("send", "k", HEAD + b"hello"), ("send", "k", b"world"),
          ("recv", "k"), ("close", "k"))  # fmt: skip
TWICE = (("connect", "k"), ("send", "k", HEAD + b"helloworld"), ("recv", "k"),
         ("send", "k", HEAD + b"helloworld"), ("recv", "k"), ("close", "k"))  # fmt: skip
HALF = (("connect", "k"), ("send", "k", HEAD + b"hello"), ("close", "k"))
TWO_CLIENTS = (("connect", "proxy"), ("send", "proxy", PROXIED), ("recv", "proxy"),
               ("send", "proxy", GET), ("recv", "proxy"), ("close", "proxy"))  # fmt: skip

# What the questions call the classes' methods, as the story does.
_NAMES = {
    "new-request": "start_request", "headers-received": "headers_received",
    "data-received": "data_received", "dispatch": "finish",
    "request-lost": "on_connection_close", "app": "your function",
}  # fmt: skip


# ---- runs ----


def serve(application: Any, moves: Moves, **options: Any) -> tuple[Trace, bytes]:
    """Serve scripted moves of one client; return the trace, and what the client received."""
    trace, received = served.serve(HTTPServer(application, **options), moves)
    return trace, received["c1"]


def echo(request: Any) -> None:
    answer(request, request.body)


def in_two_pieces() -> Trace:
    """Trace a POST whose body comes in two pieces, the first of them with the head."""
    return serve(echo, IN_TWO)[0]


def two_requests() -> Trace:
    """Trace two requests on one connection."""
    return serve(echo, TWICE)[0]


def half_a_request() -> Trace:
    """Trace a client that leaves in the middle of its body."""
    return serve(echo, HALF)[0]


def answered_by_return() -> bytes:
    """What the client of a function receives that returns its answer."""
    with logged():
        return serve(lambda request: b"hello", IN_TWO)[1]


def second_client(*, undone: bool = True) -> str:
    """Who the server takes a second client for, behind the same proxy as one with an X-Real-Ip.

    With `undone` False, nobody undoes what the first one's headers have said.
    """
    seen = []

    def who(request: Any) -> None:
        seen.append(request.remote_ip)
        answer(request, request.remote_ip.encode())

    if undone:
        serve(who, TWO_CLIENTS, xheaders=True)
    else:
        with mock.patch.object(_HTTPRequestContext, "_unapply_xheaders", lambda self: None):
            serve(who, TWO_CLIENTS, xheaders=True)
    return str(seen[1])


# ---- what a trace says ----


def steps(trace: Trace, req: str = "c1r1") -> Iterator[Event]:
    """Yield the calls of a request that the questions have a name for."""
    for event in trace:
        if event.kind == "call" and event.req == req and event.step in _NAMES:
            yield event


def order(trace: Trace, req: str = "c1r1") -> str:
    """Who is called for a request, in order."""
    return ", ".join(_NAMES[str(event.step)] for event in steps(trace, req))


def request_made(trace: Trace) -> str:
    """In which call the request object is made."""
    for event in trace:
        if event.kind == "call" and event.step == "new-request-object":
            return next(
                _NAMES[str(around.step)]
                for around in trace.ancestors(event)
                if around.step in _NAMES
            )
    return "never"


def adapters(trace: Trace) -> int:
    """How many adapters were made."""
    return sum(event.kind == "call" and event.step == "new-adapter" for event in trace)


def when_it_leaves(trace: Trace) -> str:
    """What becomes of a request whose client leaves in the middle of it."""
    called = order(trace)
    if "your function" in called:
        return "your function is called"
    return "the adapter is told" if called.endswith("on_connection_close") else "nothing"


def client_got(received: bytes) -> str:
    """What a client has received: a status, or nothing."""
    return received.partition(b"\r\n")[0].decode().partition(" ")[2] or "nothing"


def said_by(trace: Trace, names: Sequence[str] = ()) -> list[str]:
    """The functions of server and application that are called, in order; of `names`, if any."""
    called = [event.name for event in trace if _tells(event)]
    return [name for name in called if not names or name.rpartition(".")[2] in names]


def conversation(trace: Trace) -> None:
    """Show what HTTPServer and its adapters are told, and whom they call in it."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("turn", "for", "who is told", "of what", "and calls"):
        table.add_column(name, no_wrap=True)
    for event in trace:
        if _tells(event) and event.layer == "server" and not _told_within(event, trace):
            table.add_row(
                str(event.turn), event.req or "", _owner(event), _what(event),
                _called_in(event, trace),
            )  # fmt: skip
    show(table)


def _tells(event: Event) -> bool:
    return event.kind == "call" and event.layer in ("server", "app")


def _told_within(event: Event, trace: Trace) -> bool:
    """Tell whether an event stands in the last column of another one's row."""
    if event.step == "new-context":
        return True
    around = next(trace.ancestors(event), None)
    return around is not None and around.layer == "server" and around.step != "handle-stream"


def _owner(event: Event) -> Text:
    owner = event.name.rpartition(".")[0]
    return Text(owner, Style(color=PALETTE.get(owner, PALETTE["HTTPServer"]), bold=True))


def _what(event: Event) -> str:
    name = event.name.rpartition(".")[2]
    chunk = event.data.get("args", {}).get("chunk")
    return f"{name}: {chunk}" if chunk else name


def _called_in(event: Event, trace: Trace) -> str:
    called = []
    for child in trace.children(event):
        if child.kind == "call" and child.step not in ("start-serving", "new-server-connection"):
            called.append(_short(child))
            # Whoever is made may call somebody in turn, before it is there.
            if child.step == "new-adapter":
                called += [_short(inner) for inner in trace.children(child) if _tells(inner)]
    return "\n".join(called) or "nobody"


def _short(event: Event) -> str:
    owner, _, name = event.name.rpartition(".")
    if event.obj is not None:  # a method that was inherited has its parent's name
        owner = event.obj.partition("#")[0]
    if name == "__init__":
        return event.name.rpartition(".")[0].rpartition(".")[2]
    return f"{owner}.{name}" if event.layer == "app" and owner else name
