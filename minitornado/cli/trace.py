"""trace: one request to the demo application, over a real socket, traced.

The client is in this process, and acts only when the loop has nothing left to do.  So the
same request has the same trace, every time.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from minitornado.demo.application import application
from minitornado.httpserver import HTTPServer
from minitornado.trace import Event, Trace, drive, tracing
from minitornado.trace.drive import Driven

from . import files, views
from .output import Complaint, console, reason_of

if TYPE_CHECKING:
    from rich.console import Console

CR = b"\r"


def run(options: argparse.Namespace) -> int:
    """Trace one request; show it, and what was answered."""
    quiet_log()
    screen = console()
    request = request_bytes(options.method, options.path, options.headers, options.data)
    if options.audit:
        from .audit import run_audit

        return run_audit(request, screen)
    if views.name_of(options) == "log":
        trace, answer = record_live(request, screen, views.log_level(options))
    else:
        trace, answer = record(request)
        views.show(trace, options, screen)
    if options.json is not None:
        write(trace, options.json)
    files.write(trace, options)
    screen.print(f"\n{describe(answer)}", soft_wrap=True, markup=False)
    return 0


def quiet_log() -> None:
    """Keep the log off the screen: /boom's traceback is in the trace, and no crash of ours."""
    logging.getLogger("tornado").addHandler(logging.NullHandler())


@contextmanager
def a_server() -> Iterator[HTTPServer]:
    """A server of the demo that does not listen yet; its loop and sockets are closed at the end."""
    server = HTTPServer(application)
    try:
        yield server
    finally:
        server.stop()
        if server.io_loop is not None:
            server.io_loop.close(all_fds=True)


def ask(server: HTTPServer, request: bytes) -> Driven:
    """Send a request to a server, receive the answer, leave."""
    script = [("connect", "k1"), ("send", "k1", request), ("recv", "k1"), ("close", "k1")]
    try:
        return drive(server, script)
    except (TimeoutError, ValueError) as error:  # too much to answer, too much to send at once
        raise Complaint(f"{error}: ask for less") from None


def record(
    request: bytes, sink: Callable[[Event], object] | None = None
) -> tuple[Trace, bytes]:
    """Trace a request to the demo; return the trace, and the answer's bytes."""
    with a_server() as server, tracing(sink=sink) as trace:
        client = ask(server, request)
    for event in trace.filter(kind="note", name="tracer-error"):
        raise Complaint(f"the tracer has failed, so part of this is missing: {event.data['text']}")
    return trace, client.answers.get("c1", b"")


def record_live(request: bytes, screen: Console, level: str) -> tuple[Trace, bytes]:
    """The same, and every event is printed as it happens."""
    from minitornado.trace.views import Live

    log = Live(screen, level=level)
    printer = Printer(log)
    trace, answer = record(request, printer)
    printer.check()
    log.flush()
    return trace, answer


class Printer:
    """A sink that prints, until printing fails.

    It is called in the middle of the program that is traced, which a closed pipe is no business
    of, and the tracer would make a note and go on.  So the error is kept, and raised afterwards.
    """

    def __init__(
        self, log: Callable[[Event], object], failed: Callable[[Exception], object] | None = None
    ) -> None:
        self._log = log
        self._failed = failed
        self._error: Exception | None = None

    def __call__(self, event: Event) -> None:
        if self._error is None:
            try:
                self._log(event)
            except Exception as error:
                self._error = error
                if self._failed is not None:
                    self._failed(error)

    def check(self) -> None:
        """Raise the error that printing ended with, if it did."""
        if self._error is not None:
            raise self._error


def request_bytes(
    method: str | None, path: str, fields: list[str], body: str | None
) -> bytes:
    r"""Return a request as it is sent.

    Host and Content-Length are added where they are missing; the host without a port, which
    would be another one every time.

    >>> request_bytes(None, "/echo", ["X-One: 1"], "hi")
    b'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nX-One: 1\r\n\r\nhi'
    """
    data = (body or "").encode("utf-8", "surrogateescape")
    lines = [f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1"]
    named = {field.partition(":")[0].lower() for field in fields}
    if "host" not in named:
        lines.append("Host: localhost")
    if body is not None and not named & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join([*lines, *fields, "\r\n"]).encode("ascii") + data


def describe(answer: bytes) -> str:
    r"""Return an answer's status and size, and its body if that is short.

    >>> print(describe(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
    The answer: HTTP/1.1 200 OK, 40 bytes with this body:
    hi
    """
    while answer.startswith(b"HTTP/1.1 1"):  # 100 Continue: the answer is still to come
        answer = answer.partition(b"\r\n\r\n")[2]
    if not answer:
        return "There was no answer."
    head, _, body = answer.partition(b"\r\n\r\n")
    said = f"The answer: {head.partition(CR)[0].decode('latin-1')}, {len(answer):,} bytes"
    text = body.decode("utf-8", "replace").strip()
    if 0 < len(text) <= 80 and text.isprintable():
        return f"{said} with this body:\n{text}"
    return f"{said}, {len(body):,} of them its body"


def write(trace: Trace, path: str) -> None:
    """Write a trace to a file; raise a Complaint if that can't be done."""
    try:
        trace.dump(path)
    except OSError as error:
        raise Complaint(f"can't write {path}: {reason_of(error)}") from None
