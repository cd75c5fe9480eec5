"""What the notebooks' runs share: a server, clients that keep to a script, and an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitornado.httputil import ResponseStartLine
from minitornado.trace import Event, Trace, drive, tracing

Moves = Sequence[tuple[Any, ...]]


def serve(server: Any, moves: Moves) -> tuple[Trace, dict[str, bytes]]:
    """Let `server`, a new TCPServer, serve scripted `moves` as `drive` takes them, and close.

    Return the trace, and what each connection received. Raises TimeoutError after 30 seconds.
    """
    try:
        with tracing() as trace:
            client = drive(server, moves)
    finally:
        if server.io_loop is not None:
            server.io_loop.close(all_fds=True)
    return trace, client.answers


def answer(request: Any, body: bytes) -> None:
    """Answer 200 with `body`."""
    fields = {"Content-Length": str(len(body))}
    request.connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), fields, body)
    request.connection.finish()


def is_syscall(event: Event, name: str, fd: str, error: str | None = None) -> bool:
    """Tell whether an event is that call for that fd, and with that outcome."""
    told = (event.kind, event.name, event.fd, event.data.get("error"))
    return told == ("syscall", name, fd, error)
