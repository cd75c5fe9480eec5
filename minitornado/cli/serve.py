"""serve: the demo server, until Ctrl-C; what it does is logged as it happens."""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minitornado.demo.application import ROUTES
from minitornado.demo.server import DemoServer
from minitornado.httpserver import HTTPServer
from minitornado.ioloop import IOLoop
from minitornado.netutil import bind_sockets

from .output import Complaint, console, reason_of

if TYPE_CHECKING:
    from rich.console import Console

    from minitornado.demo.page.site import Page
    from minitornado.trace import Trace

# How long exchanges that have begun may go on after Ctrl-C.
DRAIN_SECONDS = 1.0

# How many events of each connection are remembered: some twenty requests' worth.
RING_EVENTS = 2000

# Steps of a request of which at least a part has come.  Each connection ends with one more,
# that never came, and has no story.
CAME = {"headers-received", "refuse", "timed-out"}


def run(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, which is a good end: 0."""
    sockets = listen(options.address, options.port)
    serving = _Serving(options)
    serving.catch_signals()
    _log_to_stderr(serving)
    # The trace begins before the server listens, so it knows everything that is registered.
    page = serving.page
    tracer = None if page is None else _start_tracer(serving, page, options.level)
    try:
        serving.server.add_sockets(sockets)
        greet(sockets[0].getsockname())
        serving.run()
    finally:
        if tracer is not None:
            tracer.stop()
    return 0


class _Serving:
    """The server and its loop, from the first request to the stop."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.loop: IOLoop = IOLoop.current()
        self.page: Page | None = None
        if options.no_trace:
            from minitornado.demo.page.untraced import application

            self.server: HTTPServer = DemoServer(application)
        else:
            from minitornado.demo.page.site import Page

            # The chain tells of requests that end in the middle; so it is the plain server.
            self.page = Page(self.loop)
            self.server = HTTPServer(self.page.application)
        self.stopping = False  # since a signal has come, or nobody reads the log
        self._error: BaseException | None = None
        # A byte in this pipe stops the loop.  `add_callback` would do, but it may be traced, and
        # who asks for the stop may have interrupted the tracer, or be called by it.
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self.loop.add_handler(self._reader, self._on_stop, IOLoop.READ)

    def catch_signals(self) -> None:
        """Let SIGINT and SIGTERM stop the server."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        # Python runs handlers between two of its steps.  A signal that comes right before the
        # loop falls asleep would wait for its next event; so the byte is written in C, at once.
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def run(self) -> None:
        """Turn the loop until somebody stops it."""
        self.loop.start()
        if self._error is not None:
            raise self._error

    def stop(self, error: BaseException | None = None) -> None:
        """Let what has begun end, then stop the loop; `error` is then raised by `run`."""
        if not self.stopping:
            self.stopping = True
            self._error = error
            os.write(self._writer, b"\0")

    def _on_signal(self, number: int, _frame: object) -> None:
        # A handler that blocks keeps the loop from hearing the first one; the second ends it.
        if self.stopping:
            raise KeyboardInterrupt
        self.stop()

    async def _on_stop(self, fd: int, _events: int) -> None:
        self.loop.remove_handler(fd)
        self.server.stop()
        if self.page is not None:
            self.page.stop()
        await self.server.drain(DRAIN_SECONDS)
        self.loop.stop()


def listen(address: str, port: int) -> list[socket.socket]:
    """Return listening sockets; raise a Complaint that says what to do about it."""
    try:
        return bind_sockets(port, address)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            sentence = f"port {port} is taken by another program: choose another with --port"
        elif number == errno.EACCES:
            sentence = f"port {port} is for root alone: choose one from 1024 up with --port"
        elif number == errno.EADDRNOTAVAIL:
            sentence = f"this machine has no address {address}: leave --address out"
        elif isinstance(error, (socket.gaierror, UnicodeError)):
            sentence = f"nobody knows an address {address!r}: leave --address out"
        else:
            sentence = f"can't listen on {address} port {port}: {reason_of(error)}"
        raise Complaint(sentence) from None


def greet(address: tuple[Any, ...]) -> None:
    """Say where the server listens: `address` is its socket's, as `getsockname` returns it."""
    host, port = address[:2]
    if host in ("0.0.0.0", "::"):
        print("Everybody who reaches this machine can use it, /block too.", file=sys.stderr)
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    print(f"Listening on {url} until Ctrl-C.")
    print("Open that in a browser, or try in another terminal:")
    print(f"\n    curl -v {url}/hello\n")
    print(f"or one of {' '.join(ROUTES)}\n", flush=True)


class _LogHandler(logging.StreamHandler[Any]):
    """Writes to stderr; stops the server when nobody reads it any more."""

    def __init__(self, serving: _Serving) -> None:
        super().__init__()
        self._serving = serving

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, BrokenPipeError):
            self._serving.stop(error)


def _log_to_stderr(serving: _Serving) -> None:
    handler = _LogHandler(serving)
    handler.setFormatter(logging.Formatter("[%(levelname).1s %(asctime)s] %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _start_tracer(serving: _Serving, page: Page, level: str) -> Any:
    from minitornado.demo.page.quiet import Quiet
    from minitornado.trace import Event, Tracer, views

    from .trace import Printer

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # in a pipe too: `| grep` wants to see it now
    screen = console()
    tracer: Tracer
    tell: Callable[[Event], object]
    if level == "story":
        tell = Printer(lambda event: _tell(event, tracer.trace, page, screen), serving.stop)
    else:
        tell = Quiet(Printer(views.Live(screen, level=level), serving.stop), page.history)

    def sink(event: Event) -> None:
        if not serving.stopping:  # how the server takes leave is nobody's request
            page.saw(event)
            tell(event)

    # All of it, whatever is logged: the page shows the calls in between too.
    tracer = Tracer(level="full", sink=sink, ring=RING_EVENTS)
    return tracer.start()


def _tell(event: Any, trace: Trace, page: Page, screen: Console) -> None:
    """Print the story of a request that has just ended."""
    if event.kind != "end" or event.name != "request" or page.history.watching(event.req):
        return
    steps = {other.step for other in trace.filter(req=event.req)}
    if steps & CAME:
        from minitornado.trace.views import Story

        screen.print(f"the story of {event.req}", style="bold")
        screen.print(Story(trace, req=event.req))
        screen.print()
