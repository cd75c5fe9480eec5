"""TCPServer: listening sockets in, streams out.

    listen(port) ──> bind_sockets ──> add_accept_handler ──> (the loop waits)
                                                               │ a connection
    handle_stream(stream, address) <── IOStream(connection) <──┘ _handle_connection

A subclass says what to do with a stream, in `handle_stream`.  Three ways to start:

    server.listen(8888)                  one process
    server.bind(8888); server.start(0)   one a core: forks, then listens in every child
    sockets = bind_sockets(8888)         the same by hand, with room for more servers
    fork_processes(0)
    server.add_sockets(sockets)

Tornado 4.4: tornado/tcpserver.py.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Iterable
from typing import Any

from . import netutil, process
from .concurrent import Future, is_future
from .ioloop import IOLoop
from .iostream import BaseIOStream, IOStream, Socket
from .log import app_log


class TCPServer:
    """A server of streams; subclass it and define `handle_stream`.

    `ssl_options`: a dict or an `ssl.SSLContext`, and every stream is an SSLIOStream.
    `max_buffer_size`, `read_chunk_size`: those of the streams, in bytes.
    """

    def __init__(
        self, io_loop: IOLoop | None = None, ssl_options: Any = None,
        max_buffer_size: int | None = None, read_chunk_size: int | None = None,
    ) -> None:  # fmt: skip
        self.io_loop = io_loop
        self.ssl_options = ssl_options
        self.max_buffer_size = max_buffer_size
        self.read_chunk_size = read_chunk_size
        self._sockets: dict[int, socket.socket] = {}  # fd -> listening socket
        self._pending_sockets: list[socket.socket] = []
        self._started = False
        if isinstance(ssl_options, dict):
            _check_ssl_files(ssl_options)
            # Once: a context for every connection would read the files for every connection.
            self.ssl_options = netutil.ssl_options_to_context(ssl_options, server_side=True)

    def listen(self, port: int, address: str = "") -> None:
        """Listen on `port`, in this process.  May be called several times."""
        self.add_sockets(netutil.bind_sockets(port, address=address))

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on `sockets`, as `bind_sockets` returns them, and own them."""
        if self.io_loop is None:
            self.io_loop = IOLoop.current()  # asked only here: after a fork it is another one
        for sock in sockets:
            # Not every one is: a supervisor may have made it.  Then accept() would hold the loop.
            sock.setblocking(False)
            self._sockets[sock.fileno()] = sock
            netutil.add_accept_handler(sock, self._handle_connection, io_loop=self.io_loop)

    def add_socket(self, socket: Socket) -> None:
        """Accept connections on one socket."""
        self.add_sockets([socket])

    def bind(
        self, port: int, address: str | None = None, family: int = socket.AF_UNSPEC,
        backlog: int = netutil.DEFAULT_BACKLOG, reuse_port: bool = False,
    ) -> None:  # fmt: skip
        """Bind `port`, to be served from `start` on; parameters as for `bind_sockets`."""
        sockets = netutil.bind_sockets(port, address, family, backlog, reuse_port=reuse_port)
        if self._started:
            self.add_sockets(sockets)
        else:
            self._pending_sockets.extend(sockets)

    def start(self, num_processes: int | None = 1) -> None:
        """Serve what was bound: in this process (1), or in children (0 or None: one a core).

        With children, this returns in each of them, and in the parent never: it stays to
        start those that die again.  See `fork_processes`.
        """
        assert not self._started, "start() was called before"
        self._started = True
        if num_processes != 1:
            process.fork_processes(num_processes)
        sockets, self._pending_sockets = self._pending_sockets, []
        self.add_sockets(sockets)

    def stop(self) -> None:
        """Stop listening.  Connections that were accepted go on."""
        # What was bound and never started, too: the kernel listens all the same.
        for sock in [*self._sockets.values(), *self._pending_sockets]:
            if self.io_loop is not None and self._sockets.get(sock.fileno()) is sock:
                self.io_loop.remove_handler(sock)
            sock.close()
        self._sockets.clear()
        self._pending_sockets.clear()

    def handle_stream(self, stream: Any, address: Any) -> object:
        """Take over a new connection; may be an `async def`.  For subclasses."""
        raise NotImplementedError("TCPServer subclasses define handle_stream(stream, address)")

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        """Make a stream of a connection.  What fails here costs this connection, and no other."""
        stream: BaseIOStream | None = None
        try:
            stream = self._make_stream(connection)
            if stream is None:
                return
            result = self.handle_stream(stream, address)
            if result is not None and (hasattr(result, "__await__") or is_future(result)):
                ending = functools.partial(_end_handling, stream)
                stream.io_loop.add_future(IOLoop.convert_yielded(result), ending)
        except Exception:
            app_log.error("Error in connection callback", exc_info=True)
            (stream or connection).close()  # whoever was to do it never will

    def _make_stream(self, connection: socket.socket) -> BaseIOStream | None:
        """Return a stream over `connection`; None if the peer has left already."""
        options = self.io_loop, self.max_buffer_size, self.read_chunk_size
        if self.ssl_options is None:
            return IOStream(connection, *options)
        from . import ssliostream  # with ssl, which a server without TLS need not load

        return ssliostream.accept_ssl(connection, self.ssl_options, *options)


def _end_handling(stream: BaseIOStream, future: Future[Any]) -> None:
    """Let the loop log what an `async def` or a thread has raised, and close its stream."""
    if future.exception() is not None:
        stream.close()
    future.result()


def _check_ssl_files(ssl_options: dict[str, Any]) -> None:
    """Say at the start what would otherwise be said, less clearly, at the first connection."""
    if "certfile" not in ssl_options:
        raise KeyError('missing key "certfile" in ssl_options')
    for key in ("certfile", "keyfile"):
        if ssl_options.get(key) and not os.path.exists(ssl_options[key]):
            raise ValueError(f'{key} "{ssl_options[key]}" does not exist')
