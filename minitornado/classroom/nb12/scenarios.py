"""Runs of a server for notebook 12, and what a trace of one says about the notebook's questions.

In each trace "c1" is the connection of client a, and "c2" that of client b.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich import box
from rich.style import Style
from rich.table import Table
from rich.text import Text

from minitornado import gen
from minitornado.httpserver import HTTPServer
from minitornado.trace import Event, Trace, drive
from minitornado.trace.views.view import LAYER_COLOURS

from .. import served
from ..logs import logged
from ..served import Moves, answer
from ..show import show

CLIENTS = {"c1": "client a", "c2": "client b"}


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


ASK = get("/")
INTERLEAVED = (
    ("connect", "a"), ("connect", "b"), ("send", "a", ASK[:10]), ("send", "b", ASK),
    ("recv", "b"), ("send", "a", ASK[10:]), ("recv", "a"), ("close", "a"), ("close", "b"),
)  # fmt: skip
BAD_THEN_GOOD = (
    ("connect", "a"), ("send", "a", get("/bad")), ("recv", "a"), ("send", "a", get("/good")),
    ("recv", "a"), ("close", "a"),
)  # fmt: skip
LEAVES = (("connect", "a"), ("send", "a", ASK), ("close", "a"), ("jump",), ("jump", 5.0))
LEAVES_IN_HEAD = (("connect", "a"), ("send", "a", ASK[:10]), ("close", "a"))


# ---- runs ----


def serve(application: Any, moves: Moves) -> tuple[Trace, dict[str, bytes]]:
    """Serve scripted moves of clients; return the trace, and what each connection received."""
    return served.serve(HTTPServer(application), moves)


def serve_at_once(
    application: Any, paths: Sequence[str] = ("/slow", "/quick"),
    clients: list[socket.socket] | None = None,
) -> Trace:  # fmt: skip
    """Serve clients that are connected, and then send their requests in the very same moment.

    Their sockets are put into `clients`. One that the application has closed has left.
    """
    server = HTTPServer(application)
    clients = [] if clients is None else clients

    def connect() -> None:
        [listener] = server._sockets.values()
        for _ in paths:
            clients.append(socket.create_connection(listener.getsockname()))

    def send() -> None:
        for client, path in zip(clients, paths, strict=True):
            client.sendall(get(path))

    def close() -> None:
        for client in clients:
            if client.fileno() >= 0:
                client.recv(65536, socket.MSG_DONTWAIT)
            client.close()

    try:
        return served.serve(server, [("meanwhile", each) for each in (connect, send, close)])[0]
    finally:
        for client in clients:
            client.close()


def tabs(paths: Sequence[str]) -> Trace:
    """Serve two tabs of a browser, each of which asks for one path, at a server that waits.

    As a browser does: of what it is fetching already it asks for no second copy, but waits for
    the first.
    """
    moves: list[tuple[Any, ...]] = [
        ("connect", "a"), ("connect", "b"), ("send", "a", get(paths[0])),
    ]  # fmt: skip
    if paths[0] == paths[1]:
        moves.append(("recv", "a"))
    moves += [("send", "b", get(paths[1])), ("recv", "a"), ("recv", "b"), ("close", "a"),
              ("close", "b")]  # fmt: skip
    return serve(patient, moves)[0]


def hello(request: Any) -> None:
    answer(request, b"hello")


def fails(request: Any) -> None:
    if request.path == "/bad":
        raise ZeroDivisionError
    answer(request, b"fine")


async def fails_later(request: Any) -> None:
    await gen.sleep(1)
    fails(request)


async def patient(request: Any) -> None:
    await gen.sleep(1)
    answer(request, b"hello")


def interleaved() -> Trace:
    """Trace two clients, of whom the first is interrupted in the middle of its request."""
    return serve(hello, INTERLEAVED)[0]


def failed(application: Any = fails) -> str:
    """What a client gets from a function that raises, and for its next request."""
    with logged(), contextlib.suppress(ConnectionError):
        return statuses(serve(application, BAD_THEN_GOOD)[1]["c1"])
    return "nothing"


def life(moves: Moves = LEAVES) -> str:
    """What becomes of a function that waits, if its client leaves."""
    notes: list[str] = []

    async def notes_it(request: Any) -> None:
        request.connection.set_close_callback(lambda: notes.append("told"))
        notes.append("begins")
        await gen.sleep(1)
        notes.append("goes on")
        answer(request, b"hello")
        notes.append("ends")

    serve(notes_it, moves)
    return life_of(notes)


# ---- what a trace says ----


def answered_first(trace: Trace) -> str:
    """Which client's answer goes out first."""
    return next(CLIENTS[str(e.conn)] for e in trace if e.name == "send")


def where_is(trace: Trace, conn: str = "c1", other: str = "c2") -> str:
    """Where `conn` is while the function of `other` runs."""
    app = next(event for event in trace if event.conn == other and event.step == "app")
    if any(around.conn == conn for around in trace.ancestors(app)):
        return "on the stack"
    if app.lane != "loop":
        return "in a thread"
    waiting = [event for event in trace if event.conn == conn and event.seq < app.seq
               and event.kind in ("yield", "resume")]  # fmt: skip
    return "nowhere on the stack" if waiting and waiting[-1].kind == "yield" else "unknown"


def where_is_the_other(trace: Trace) -> str:
    """Where client b's request is at the moment when client a's function is called."""
    app = next(event for event in trace if event.conn == "c1" and event.step == "app")
    before = [event for event in trace if event.conn == "c2" and event.seq < app.seq]
    if any(event.step == "app" for event in before):
        return "answered"
    if any(event.name == "recv" and event.data.get("bytes") for event in before):
        return "read, and on the list"
    return "in the kernel"


def statuses(received: bytes) -> str:
    """The status of each answer that a client received, in order."""
    return ", ".join(re.findall(r"HTTP/1\.1 (\d\d\d) ", received.decode())) or "nothing"


def life_of(notes: Sequence[str]) -> str:
    """The notes that a function took of its own life, as one text."""
    return ", ".join(notes)


def second_arrives(trace: Trace) -> str:
    """When client b's request comes in: before client a's answer goes out, or after."""
    sent = next(event.seq for event in trace if event.name == "send" and event.conn == "c1")
    came = next(
        event.seq for event in trace
        if event.name == "recv" and event.conn == "c2" and event.data.get("bytes")
    )  # fmt: skip
    return "after the first answer" if came > sent else "before the first answer"


# ---- side by side ----


def side_by_side(trace: Trace) -> None:
    """Show what happens for client a and for client b, in order, turn by turn."""
    conns = trace.connections()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("turn")
    for conn in conns:
        table.add_column(CLIENTS[conn], no_wrap=True, min_width=32)
    turn = 0
    for event, said in _told(trace):
        if turn and event.turn != turn:
            table.add_section()
        number = str(event.turn) if event.turn != turn else ""
        turn = event.turn
        # What was accepted has no connection yet, and is the connection.
        who = event.data.get("value") if event.name == "accept" else event.conn or event.fd
        colour = LAYER_COLOURS[event.layer or "loop"]
        cells = [Text(said, Style(color=colour)) if who == name else "" for name in conns]
        table.add_row(number, *cells)
    show(table)


def _told(trace: Trace) -> Iterator[tuple[Event, str]]:
    for event in trace:
        for tell in (_kernel, _application, _between):
            said = tell(event, trace)
            if said:
                yield event, said
                break


def _kernel(event: Event, trace: Trace) -> str:
    data = event.data
    if event.kind == "ready":
        return "the lamp is lit" if event.fd in CLIENTS else ""
    if event.kind != "syscall":
        return ""
    match event.name:
        case "accept":
            return "connects" if data.get("value") else ""
        case "recv":
            if data.get("error") == "EAGAIN":
                return "recv: nothing there yet"
            count = data.get("bytes", 0)
            return f"recv: {count} bytes" if count else "recv: the client has gone"
        case "send":
            return f"send: {data.get('bytes')} bytes"
        case "epoll_ctl" if event.fd in CLIENTS:
            return {"ADD": "a lamp goes up", "DEL": "its lamp comes down"}.get(data["op"], "")
    return ""


def _application(event: Event, trace: Trace) -> str:
    if event.layer != "app":
        return ""
    name = event.name.rpartition(".")[2]
    match event.kind:
        case "call" if event.step == "app":
            return f"{name} begins"
        case "return":
            return f"{name} returns"
        case "raise":
            return f"{name} raises {event.data.get('error')}"
        case "yield":
            return f"{name} waits"
        case "resume":
            return f"{name} goes on"
    return ""


def _between(event: Event, trace: Trace) -> str:
    if event.kind == "yield" and event.name.endswith(".read_response"):
        return "its coroutine waits"
    if event.kind == "schedule" and event.data.get("how") == "callback":
        return "its coroutine is put on the list" if event.data.get("coroutine") else ""
    if event.kind == "resume" and event.name.endswith(".read_response"):
        return "its coroutine goes on"
    if event.kind == "run" and event.name.endswith("._on_connection_close"):
        return "the connection is told"
    return ""


Runs = dict[str, Callable[[], object]]


def fates() -> Runs:
    """Four ways in which a request can end, as runs without a tracer."""

    def quietly(application: Any, moves: Moves) -> Callable[[], object]:
        def run() -> None:
            server = HTTPServer(application)
            with logged():
                drive(server, moves)
            assert server.io_loop is not None
            server.io_loop.close(all_fds=True)

        return run

    once = (*BAD_THEN_GOOD[:3], ("close", "a"))
    return {
        "all well": quietly(hello, once),
        "function raises": quietly(fails, once),
        "leaves, waiting": quietly(patient, LEAVES),
        "leaves, asking": quietly(hello, LEAVES_IN_HEAD),
    }
