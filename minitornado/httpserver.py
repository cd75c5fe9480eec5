"""HTTPServer: where TCP and HTTP meet, and where an application is handed its requests.

    TCPServer ── stream ──> HTTPServer.handle_stream
                              │ makes a _HTTPRequestContext: who is the client?
                              │ makes an HTTP1ServerConnection, and starts it
                              ▼
    HTTP1ServerConnection ──> HTTPServer.start_request      for every request
                              │ makes a _ServerRequestAdapter
                              ▼
    HTTP1Connection ── events ──> _ServerRequestAdapter ──> callback(request)
                                                       or ──> delegate, event by event

Tornado 4.4: tornado/httpserver.py.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Container, Iterable
from typing import Any

from . import gen, httputil, netutil
from .http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from .httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerConnectionDelegate
from .ioloop import IOLoop
from .iostream import BaseIOStream
from .tcpserver import TCPServer

# Seconds a kept connection may be idle when nothing else is asked for; as Tornado.
DEFAULT_IDLE_TIMEOUT = 3600

SMALL_CHUNK = 4096  # bytes; to copy so many costs next to nothing

Application = Callable[[httputil.HTTPServerRequest], Any] | HTTPServerConnectionDelegate


class HTTPServer(TCPServer, HTTPServerConnectionDelegate):
    """A server of HTTP/1.1.

    `request_callback` is the application, of one of two kinds: a callable (or `async def`)
    that is called with each HTTPServerRequest when all of it is here, or an
    HTTPServerConnectionDelegate, which receives the events of its requests as they happen.

    Sizes are bytes, times seconds.  With `xheaders`, a front proxy's X-Real-Ip or
    X-Forwarded-For and X-Scheme or X-Forwarded-Proto say who the client is (otherwise they
    are anybody's to write, and ignored); `trusted_downstream` are further proxies, skipped in
    X-Forwarded-For.  `protocol` "https" is for a proxy that unpacks TLS and doesn't say so.
    Tornado 4.4: httpserver.HTTPServer.
    """

    def __init__(
        self, request_callback: Application, no_keep_alive: bool = False,
        io_loop: IOLoop | None = None, xheaders: bool = False, ssl_options: Any = None,
        protocol: str | None = None, decompress_request: bool = False,
        chunk_size: int | None = None, max_header_size: int | None = None,
        idle_connection_timeout: float | None = None, body_timeout: float | None = None,
        max_body_size: int | None = None, max_buffer_size: int | None = None,
        trusted_downstream: Iterable[str] | None = None,
    ) -> None:  # fmt: skip
        self.request_callback = request_callback
        self.xheaders = xheaders
        self.protocol = protocol
        self.conn_params = HTTP1ConnectionParameters(
            no_keep_alive=no_keep_alive, decompress=decompress_request, chunk_size=chunk_size,
            max_header_size=max_header_size, max_body_size=max_body_size, body_timeout=body_timeout,
            header_timeout=idle_connection_timeout or DEFAULT_IDLE_TIMEOUT,
        )  # fmt: skip
        super().__init__(io_loop, ssl_options, max_buffer_size, read_chunk_size=chunk_size)
        self.trusted_downstream = frozenset(trusted_downstream or ())
        self._connections: set[HTTP1ServerConnection] = set()

    async def close_all_connections(self) -> None:
        """Close every connection, answered or not; done when all have ended."""
        while self._connections:
            await self._connections.pop().close()

    async def drain(self, timeout: float) -> bool:
        """Let every exchange that has begun end, for `timeout` seconds at most; then close all.

        Call `stop` before.  Idle connections are closed at once, the others after their
        answer.  Returns whether all of them ended in time.
        """
        loop: IOLoop = self.io_loop or IOLoop.current()
        deadline = loop.time() + timeout
        # Read for every request: from now on, each answer is the last of its connection.
        no_keep_alive, self.conn_params.no_keep_alive = self.conn_params.no_keep_alive, True
        while self._connections and loop.time() < deadline:
            # A look at the sockets first: a request may be there that nobody has read yet.
            await gen.sleep(0.005)
            for conn in list(self._connections):
                conn.close_if_idle()
        drained = not self._connections
        await self.close_all_connections()
        self.conn_params.no_keep_alive = no_keep_alive  # it may listen again
        return drained

    # ---- called by TCPServer ----

    def handle_stream(self, stream: BaseIOStream, address: Any) -> None:
        """Serve HTTP on a new stream."""
        context = _HTTPRequestContext(stream, address, self.protocol, self.trusted_downstream)
        conn = HTTP1ServerConnection(stream, self.conn_params, context)
        self._connections.add(conn)
        conn.start_serving(self)

    # ---- called by HTTP1ServerConnection ----

    def start_request(self, server_conn: Any, request_conn: Any) -> HTTPMessageDelegate:
        """Return who receives the next request of `server_conn`."""
        return _ServerRequestAdapter(self, server_conn, request_conn)

    def on_close(self, server_conn: HTTP1ServerConnection) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(server_conn)


class _HTTPRequestContext:
    """Who is on the other end of a connection, as its requests see it.

    Made once a connection.  With xheaders a request may say that it comes from elsewhere;
    that holds for this request alone, see `_unapply_xheaders`.
    """

    __slots__ = (
        "_orig_protocol", "_orig_remote_ip", "address", "protocol", "remote_ip",
        "trusted_downstream",
    )  # fmt: skip

    def __init__(
        self, stream: Any, address: Any, protocol: str | None,
        trusted_downstream: Container[str] = (),
    ) -> None:  # fmt: skip
        self.address = address
        # (host, port, …), but for a unix socket, which has no address to speak of.
        self.remote_ip: str = address[0] if isinstance(address, tuple) else "0.0.0.0"
        self.protocol: str = protocol or ("https" if stream.encrypted else "http")
        self.trusted_downstream = trusted_downstream
        self._orig_remote_ip = self.remote_ip
        self._orig_protocol = self.protocol

    @property
    def address_family(self) -> int:
        """AF_INET, AF_INET6 (whose addresses have four parts), or AF_UNIX."""
        parts = len(self.address) if isinstance(self.address, tuple) else 0
        return {2: socket.AF_INET, 4: socket.AF_INET6}.get(parts, socket.AF_UNIX)

    def __str__(self) -> str:
        return self.remote_ip

    def _apply_xheaders(self, headers: HTTPHeaders) -> None:
        """Believe the front proxy about who the client is."""
        ip = self.remote_ip
        # Each proxy adds, at the end, whom it heard from.  The last that is no proxy of ours
        # is the client; what stands before it is what the client says about itself.
        for candidate in reversed(headers.get("X-Forwarded-For", ip).split(",")):
            ip = candidate.strip()
            if ip not in self.trusted_downstream:
                break
        ip = headers.get("X-Real-Ip", ip)
        if netutil.is_valid_ip(ip):
            self.remote_ip = ip
        protocol = headers.get("X-Scheme", headers.get("X-Forwarded-Proto", self.protocol))
        # Of a list, the last: it is the proxy's own word.
        protocol = protocol.split(",")[-1].strip()
        if protocol in ("http", "https"):
            self.protocol = protocol

    def _unapply_xheaders(self) -> None:
        """Forget it: the next request on this connection may be another client's."""
        self.remote_ip = self._orig_remote_ip
        self.protocol = self._orig_protocol


class _ServerRequestAdapter(HTTPMessageDelegate):
    """Stands between the events of one message and an application of either kind.

    HTTP1Connection speaks in events, since a body may be larger than memory:

        event                                a callable              a delegate
        headers_received   exactly once      makes the request       passed on
        data_received      0, 1, 2 … times   keeps the chunk         passed on
        finish             ┐ one of these    joins, calls it         passed on
        on_connection_close┘ two, once       forgets the chunks      passed on

    One adapter a request.  Tornado 4.0 to 4.4, same name; two adapters from 4.5 on.
    """

    __slots__ = ("_chunks", "connection", "delegate", "request", "server")

    def __init__(self, server: HTTPServer, server_conn: Any, request_conn: Any) -> None:
        self.server = server
        self.connection = request_conn
        self.request: httputil.HTTPServerRequest | None = None
        self.delegate: HTTPMessageDelegate | None = None
        # Joined once, at the end: adding to one bytes object would copy the whole body again
        # for every chunk.
        self._chunks: list[bytes] = []
        application = server.request_callback
        if isinstance(application, HTTPServerConnectionDelegate):
            self.delegate = application.start_request(server_conn, request_conn)

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
        if self.server.xheaders:
            self.connection.context._apply_xheaders(headers)
        if self.delegate is not None:
            # Returned, and not only called: a Future in it is to hold back the body.
            return self.delegate.headers_received(start_line, headers)
        self.request = httputil.HTTPServerRequest(
            connection=self.connection, start_line=start_line, headers=headers
        )
        return None

    def data_received(self, chunk: bytes) -> Any:
        if self.delegate is not None:
            return self.delegate.data_received(chunk)
        # Small neighbours are made one: each object takes 40 bytes and more beside its own, which
        # were 3 GB for the 100 MB of a client that sends them two by two.
        if self._chunks and len(self._chunks[-1]) + len(chunk) <= SMALL_CHUNK:
            self._chunks[-1] += chunk
        else:
            self._chunks.append(chunk)
        return None

    def finish(self) -> Any:
        try:
            if self.delegate is not None:
                return self.delegate.finish()
            assert self.request is not None, "finish() before headers_received()"
            if self._chunks:
                self.request.body, self._chunks = b"".join(self._chunks), []
                self.request._parse_body()
            return self.server.request_callback(self.request)  # type: ignore[operator]
        finally:
            if self.server.xheaders:
                self._cleanup()

    def on_connection_close(self) -> None:
        try:
            if self.delegate is not None:
                return self.delegate.on_connection_close()
            self._chunks.clear()  # half a request is no request
        finally:
            if self.server.xheaders:
                self._cleanup()

    def _cleanup(self) -> None:
        self.connection.context._unapply_xheaders()
