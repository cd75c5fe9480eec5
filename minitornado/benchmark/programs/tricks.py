"""The hello server of callback_server.py, with tricks played on the stack: `tricks.py NAME,NAME`.

Each function here plays one, from outside: `put(owner, name, new)` sets an attribute of a class or
a module of the stack, or of the standard library.  Why none of them is in the stack is said in
minitornado/benchmark/tricks.py.
"""

import functools
import gc
import os
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minitornado import gen, http1connection, http1parser
from minitornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from minitornado.httpserver import HTTPServer
from minitornado.httputil import HTTPInputError
from minitornado.ioloop import IOLoop
from minitornado.iostream import StreamClosedError

Put = Callable[[Any, str, Any], None]

KEPT = 256  # of each kind, at most: clients choose what is kept
DECIDED = (  # what an HTTP1Connection has decided when a head is made
    "_omit_body", "_chunking_output", "_expected_content_remaining", "_disconnect_on_finish",
)  # fmt: skip


def head_by_bytes(put: Put) -> None:
    """A head that has come before is not parsed again."""
    parse = functools.lru_cache(KEPT)(http1parser.parse_head)

    def parse_head(data: bytes) -> Any:
        start_line, headers, *framing = parse(data)
        return start_line, headers.copy(), *framing  # an application may change its own

    put(http1parser, "parse_head", parse_head)


def answer_by_fields(put: Put) -> None:
    """A head that would be the same as one of this second is not made again."""
    make = HTTP1Connection._format_head
    heads: dict[Any, tuple[bytes, list[Any]]] = {}

    def format_head(self: Any, start_line: Any, headers: Any) -> bytes:
        asked = self._request_start_line
        if asked is None or "Set-Cookie" in headers:  # several are not the same as one, joined
            return make(self, start_line, headers)
        key = (
            tuple(start_line), tuple(headers.fields.items()), asked.method, asked.version,
            self._disconnect_on_finish, self.params.no_keep_alive, int(time.time()),
        )  # fmt: skip
        if key in heads:
            head, decided = heads[key]
            for name, value in zip(DECIDED, decided, strict=True):
                setattr(self, name, value)
            return head
        if len(heads) >= KEPT:
            heads.clear()
        head = make(self, start_line, headers)
        heads[key] = head, [getattr(self, name) for name in DECIDED]
        return head

    put(HTTP1Connection, "_format_head", format_head)


def resumed_at_once(put: Put) -> None:
    """A coroutine goes on inside `set_result`, and not on a turn of its own."""
    bounce = IOLoop.add_future

    def add_future(self: Any, future: Any, callback: Any) -> None:
        if future.done():  # as `moment` is, which is there to give others a turn
            bounce(self, future, callback)
        else:
            future.add_done_callback(callback)

    put(IOLoop, "add_future", add_future)


def exchange_reused(put: Put) -> None:
    """One HTTP1Connection a TCP connection, made as new for each of its requests."""
    make, forget = http1connection.HTTP1Connection, HTTPServer.on_close
    kept: dict[Any, HTTP1Connection] = {}

    def reuse(stream: Any, is_client: bool, params: Any, context: Any, *more: Any) -> Any:
        connection = kept.get(context)
        if connection is None:
            connection = kept[context] = make(stream, is_client, params, context, *more)
        else:
            connection.__init__(stream, is_client, params, context, *more)  # type: ignore[misc]
        return connection

    def on_close(self: Any, server_conn: Any) -> None:
        kept.pop(server_conn.context, None)
        forget(self, server_conn)

    put(http1connection, "HTTP1Connection", reuse)
    put(HTTPServer, "on_close", on_close)


class _Machine:
    """What HTTP1ServerConnection's coroutines do, written as callbacks: for plain requests.

    What has a body, ends the connection, or is refused, is put back, and left to them.
    """

    __slots__ = ("connection", "delegate", "future", "receiver", "served", "server_conn", "start")

    def __init__(self, start: Any, server_conn: Any, delegate: Any) -> None:
        self.start = start
        self.server_conn = server_conn
        self.delegate = delegate
        self.served = 0

    def ask(self) -> None:
        conn, more = self.server_conn, True
        while more:
            self.connection = http1connection.HTTP1Connection(
                conn.stream, False, conn.params, conn.context, conn._deadline
            )
            conn._exchange = self.connection
            self.receiver = self.delegate.start_request(conn, self.connection)
            conn._deadline.start(conn.params.header_timeout, self.connection._timed_out)
            self.future = conn.stream.start_read(self.connection._head)
            if not self.future.done():
                return conn.stream.io_loop.add_future(self.future, self.go_on)  # type: ignore
            more = self.answer()

    def go_on(self, _done: Any) -> None:
        if self.answer():
            self.ask()

    def answer(self) -> bool:
        """The head is here; return whether the next may be asked for at once."""
        conn, connection = self.server_conn, self.connection
        conn._deadline.stop()
        try:
            data = self.future.result()
            start_line, headers, keep_alive, length = http1parser.parse_head(data)
            plain = keep_alive and length == 0 and not conn.params.no_keep_alive
        except StreamClosedError:
            self.start(conn, self.delegate)  # to do what is to be done at the end
            return False
        except HTTPInputError:
            plain = False
        if not plain or not data.endswith(b"\r\n\r\n") or conn.stream.closed():
            conn.stream._read_buffer[:0] = data
            self.start(conn, self.delegate)
            return False
        connection._request_start_line = start_line
        return self.hand_over(start_line, headers)

    def hand_over(self, start_line: Any, headers: Any) -> bool:
        conn, connection = self.server_conn, self.connection
        try:
            self.receiver.headers_received(start_line, headers)
            connection._read_finished = True
            waiting = self.receiver.finish()
            if waiting is not None:
                gen.convert_yielded(waiting).add_done_callback(connection._application_done)
        except Exception as error:
            connection._application_failed(error)
        loop = conn.stream.io_loop
        self.served += 1
        if not connection._finished or connection._disconnect_on_finish:
            loop.add_future(gen.convert_yielded(connection._end_exchange()), self.ended)
        elif self.served % http1connection.REQUESTS_A_TURN == 0 and conn.stream.pending():
            loop.add_callback(self.ask)
        else:
            return True
        return False

    def ended(self, _done: Any) -> None:
        self.ask()


def callbacks_alone(put: Put) -> None:
    """A state machine reads requests, and no coroutine: those without a body, at least."""
    start = HTTP1ServerConnection.start_serving

    def start_serving(self: Any, delegate: Any) -> None:
        self.stream.set_nodelay(True)
        _Machine(start, self, delegate).ask()

    put(HTTP1ServerConnection, "start_serving", start_serving)


def no_collector(put: Put) -> None:
    """Circles of objects are never looked for."""
    gc.disable()


def no_asserts(put: Put) -> None:
    """The same process, begun again without its asserts."""
    if __debug__:
        os.execv(sys.executable, [sys.executable, "-O", *sys.argv])


TRICKS = {
    trick.__name__.replace("_", "-"): trick
    for trick in (
        head_by_bytes, answer_by_fields, resumed_at_once, exchange_reused, callbacks_alone,
        no_collector, no_asserts,
    )
}  # fmt: skip


def play(names: str) -> None:
    """Play the tricks of these names, which have commas between them."""
    for name in names.split(","):
        TRICKS[name](setattr)


if __name__ == "__main__":
    play(sys.argv[1])
    sys.argv[1:] = ["minitornado", "callback"]
    runpy.run_path(str(Path(__file__).with_name("callback_server.py")), run_name="__main__")
