"""Runs of a server for notebook 00, and what a trace of one says about the notebook's questions.

In each trace there is one connection, "c1", with one request, "c1r1".
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich import box
from rich.style import Style
from rich.table import Table
from rich.text import Text

from minitornado.demo.application import application
from minitornado.httpserver import HTTPServer
from minitornado.ioloop import IOLoop
from minitornado.netutil import bind_sockets
from minitornado.trace import Event, Trace
from minitornado.trace.views import Counts

from .. import served
from ..palette import PALETTE
from ..served import answer
from ..show import show

Application = Callable[[Any], Any]

GET = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"

LARGE_BYTES = 3_000_000
# How much the kernel keeps for us on its way out; left alone, it takes megabytes.
SMALL_TRAY_BYTES = 64 * 1024

# For an application that never answers; one that does needs a hundredth of it.
DEADLINE_SECONDS = 10.0


# ---- runs ----


def moves(*pieces: bytes) -> list[tuple[Any, ...]]:
    """What a browser does that sends its request in `pieces`."""
    sends = [("send", "browser", piece) for piece in pieces]
    return [("connect", "browser"), *sends, ("recv", "browser"), ("close", "browser")]


def one_request(app: Application = application) -> Trace:
    """Trace a browser that connects, asks `app`, receives, and hangs up."""
    return serve(app, moves(GET))


def serve(app: Application, script: Sequence[tuple[Any, ...]]) -> Trace:
    """Trace `app`, and browsers that do what `script` says."""
    return served.serve(HTTPServer(app), script)[0]


def large_answer() -> Trace:
    """The same, for an answer that the kernel does not take at once."""

    def large(request: Any) -> None:
        tray = request.connection.stream.socket
        tray.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_TRAY_BYTES)
        answer(request, b"x" * LARGE_BYTES)

    return one_request(large)


def two_browsers(app: Application) -> None:
    """Let two browsers ask `app` at the same time, one for /a and one for /b.

    Both requests are there before the loop's first turn.  Raises TimeoutError if one of them
    is not answered within `DEADLINE_SECONDS`.
    """
    loop = IOLoop(make_current=False)
    server = HTTPServer(app, io_loop=loop)
    listeners = bind_sockets(0, "127.0.0.1")
    server.add_sockets(listeners)
    waiting: set[socket.socket] = set()

    def receive(browser: socket.socket, events: int) -> None:
        browser.recv(65536)
        loop.remove_handler(browser)
        waiting.remove(browser)
        if not waiting:
            loop.stop()

    browsers = []
    try:
        for path in (b"/a", b"/b"):
            browser = socket.create_connection(listeners[0].getsockname(), DEADLINE_SECONDS)
            browsers.append(browser)
            browser.sendall(GET.replace(b"/hello", path))
            loop.add_handler(browser, receive, loop.READ)
        waiting |= set(browsers)
        loop.call_later(DEADLINE_SECONDS, loop.stop)
        loop.start()
        if waiting:
            raise TimeoutError(f"no answer for {DEADLINE_SECONDS:g} seconds")
    finally:
        for browser in browsers:
            browser.close()
        loop.close(all_fds=True)


def order_of_work() -> str:
    """Which of two browsers' requests begins and ends when, if each takes some computing."""
    order = []

    def works(request: Any) -> None:
        name = request.path.strip("/")
        order.append(f"{name} begins")
        sum(range(100_000))
        order.append(f"{name} ends")
        answer(request, b"done")

    two_browsers(works)
    return ", ".join(order)


# ---- what a trace says ----


def turns(trace: Trace) -> int:
    """How many turns of the loop it took, from the knock to the answer."""
    return Counts(trace, req="c1r1")["turns"]


def answered_in(script: Sequence[tuple[Any, ...]]) -> int:
    """The turn in which the answer goes out, if a browser does what `script` says."""
    sent = [event for event in serve(application, script) if event.name == "send"]
    return sent[0].turn if sent else 0


def epoll_ctls_of_the_second() -> int:
    """How often epoll_ctl was called for a second request on the connection; -1: there is none."""
    ask = [("send", "browser", GET), ("recv", "browser")]
    trace = serve(application, [("connect", "browser"), *ask, *ask, ("close", "browser")])
    if not any(event.req == "c1r2" and event.step == "app" for event in trace):
        return -1
    answered = next(event for event in trace if event.name == "send")
    return sum(event.name == "epoll_ctl" and event.seq > answered.seq
               for event in _syscalls(trace))


def epoll_ctls(trace: Trace) -> int:
    """How often epoll_ctl was called for the connection, until the browser hung up."""
    return sum(event.name == "epoll_ctl" for event in _syscalls(trace))


def write_interest(trace: Trace) -> str:
    """When the loop was asked to watch the connection for WRITE: before or after the first send."""
    sent = False
    for event in _syscalls(trace):
        sent = sent or event.name == "send"
        if "WRITE" in event.data.get("events", ""):
            return "after the first `send`" if sent else "before the first `send`"
    return "never"


def when_sent(trace: Trace) -> str:
    """When the kernel was given the answer, seen from the application."""
    sent = next(event for event in _syscalls(trace) if event.name == "send")
    app = next(event for event in trace if event.step == "app" and event.kind == "call")
    if app in trace.ancestors(sent):
        return "while your function ran"
    return "after your function had returned" if sent.turn == app.turn else "a turn later"


def calls(trace: Trace) -> None:
    """Show what is asked of the kernel for the connection, from the answer on."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("call", width=12)
    table.add_column("what it says to the kernel", width=44)
    table.add_column("how often")
    after = itertools.dropwhile(lambda event: event.name != "send", _syscalls(trace))
    for (name, said), group in itertools.groupby(after, _said):
        often = "once" if len(list(group)) == 1 else "again and again"
        table.add_row(Text(name, Style(color=PALETTE["kernel"], bold=True)), said, often)
    show(table)


def _syscalls(trace: Trace) -> Iterator[Event]:
    """Yield the calls of epoll_ctl and send for the connection, until the browser hangs up."""
    for event in trace.filter(kind="syscall", fd="c1"):
        if event.data.get("op") == "DEL":
            return
        if event.name in ("epoll_ctl", "send"):
            yield event


def _said(event: Event) -> tuple[str, str]:
    if event.name == "epoll_ctl":
        return event.name, f"watch this socket for {event.data['events'].replace('|', ' and ')}"
    left = event.data["asked"] - event.data.get("bytes", 0)
    return event.name, "take this, as much as fits" if left else "take this: and all of it fitted"
