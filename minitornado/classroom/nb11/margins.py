"""What notebook 11 says of each line that it owns: HTTPServer's part, the adapter, who is there."""

from __future__ import annotations

from ..explain import own


def _own(name: str, *notes: tuple[str, str]) -> None:
    own("11", f"httpserver.{name}", notes)


# ---- HTTPServer ----

_own(
    "HTTPServer.handle_stream",
    ("def handle_stream(self, stream: BaseIOStream, address: Any) -> None:",
     "`TCPServer` calls it, once for each new connection. It leaves this method to whoever "
     "inherits from it."),
    ("context = _HTTPRequestContext(stream, address, self.protocol, self.trusted_downstream)",
     "Who is at the other end? Noted once for the whole connection."),
    ("conn = HTTP1ServerConnection(stream, self.conn_params, context)",
     "Somebody who speaks HTTP on this stream, request after request."),
    ("self._connections.add(conn)",
     "The server remembers it. How else could it close all of them one day?"),
    ("conn.start_serving(self)",
     "Begin. **self** goes along, so that the connection knows whom to ask for an adapter."),
)  # fmt: skip
_own(
    "HTTPServer.start_request",
    ("def start_request(self, server_conn: Any, request_conn: Any) -> HTTPMessageDelegate:",
     "The connection asks: who receives the next request? It asks before each of them, and "
     "before the first byte is here."),
    ("return _ServerRequestAdapter(self, server_conn, request_conn)",
     "A new adapter. Every time."),
)  # fmt: skip
_own(
    "HTTPServer.on_close",
    ("def on_close(self, server_conn: HTTP1ServerConnection) -> None:",
     "The connection has ended, in whatever way."),
    ("self._connections.discard(server_conn)",
     "So forget it. `discard`, not `remove`: `close_all_connections` may have taken it out "
     "already."),
)  # fmt: skip

# ---- the adapter ----

_own(
    "_ServerRequestAdapter",
    ("class _ServerRequestAdapter(HTTPMessageDelegate):",
     "It hears the four events of one message. `HTTPMessageDelegate` is the list of them, each "
     "doing nothing."),
    ('__slots__ = ("_chunks", "connection", "delegate", "request", "server")',
     "All that it may ever hold. One is made for each request, so it is kept small: no dict."),
)  # fmt: skip
_own(
    "_ServerRequestAdapter.__init__",
    ("def __init__(self, server: HTTPServer, server_conn: Any, request_conn: Any) -> None:",
     "`server_conn` is the whole connection, `request_conn` this one exchange on it."),
    ("self.server = server", "It knows the application, and whether to believe proxies."),
    ("self.connection = request_conn", "The way back: on it, the answer is written."),
    ("self.request: httputil.HTTPServerRequest | None = None",
     "No request yet. The head is not here."),
    ("self.delegate: HTTPMessageDelegate | None = None",
     "And nobody to pass events on to, unless we find one below."),
    ("self._chunks: list[bytes] = []", "The tray for the pieces of the body."),
    ("application = server.request_callback",
     "What you gave to `HTTPServer(…)`: a function, or a delegate."),
    ("if isinstance(application, HTTPServerConnectionDelegate):",
     "Which of the two? A delegate may be callable as well, so this is asked first."),
    ("self.delegate = application.start_request(server_conn, request_conn)",
     "A delegate is asked as the server was: who receives this request? From now on **that** one "
     "hears the events."),
)  # fmt: skip
_own(
    "_ServerRequestAdapter.headers_received",
    ("def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:",
     "First event: the head is here, and parsed."),
    ("if self.server.xheaders:",
     "Only if you have said that a proxy stands in front. Headers are anybody's to write."),
    ("self.connection.context._apply_xheaders(headers)",
     "Then believe the proxy about who the client is. Now, before the request is made: it copies "
     "the address."),
    ("if self.delegate is not None:", "The application is a delegate?"),
    ("return self.delegate.headers_received(start_line, headers)",
     "Passed on. And what it answers is passed **back**: a Future means **wait with the body**."),
    ("self.request = httputil.HTTPServerRequest(\nconnection=self.connection, "
     "start_line=start_line, headers=headers\n)",
     "Else make the request. Its body is still empty."),
    ("return None", "Nothing to wait for: go on reading."),
)  # fmt: skip
_own(
    "_ServerRequestAdapter.data_received",
    ("def data_received(self, chunk: bytes) -> Any:",
     "Second event, as often as it takes: a piece of the body."),
    ("if self.delegate is not None:", "For a delegate:"),
    ("return self.delegate.data_received(chunk)",
     "it gets it as it is, and may hold back the next one."),
    ("if self._chunks and len(self._chunks[-1]) + len(chunk) <= SMALL_CHUNK:",
     "For a function, it goes into the tray. Is the last one there small, and this one too?"),
    ("self._chunks[-1] += chunk", "Then the two become one."),
    ("else:", "Mostly not:"),
    ("self._chunks.append(chunk)", "it lies beside the others."),
    ("return None", "Go on reading."),
)  # fmt: skip
_own(
    "_ServerRequestAdapter.finish",
    ("def finish(self) -> Any:", "Third event: the message is complete."),
    ("try:", "Your code runs in here. It may raise, and we have something to do afterwards."),
    ("if self.delegate is not None:", "For a delegate:"),
    ("return self.delegate.finish()", "it is told, and that is all."),
    ('assert self.request is not None, "finish() before headers_received()"',
     "If this fails, it is our own fault, and not the client's."),
    ("if self._chunks:", "Most requests have no body, and are spared what follows."),
    ('self.request.body, self._chunks = b"".join(self._chunks), []',
     "The tray becomes the body, in one copy, and is empty. Were the pieces kept, the body would "
     "be in memory twice while your function works."),
    ("self.request._parse_body()", "If it is a form, take it apart into fields and files."),
    ("return self.server.request_callback(self.request)",
     "**Here your function is called.** What comes back goes back to the connection. From an "
     "`async def` that is a coroutine, and the connection will see to it that it runs."),
    ("finally:", "However it went:"),
    ("if self.server.xheaders:", "if a proxy was believed,"),
    ("self._cleanup()", "believe it no longer."),
)  # fmt: skip
_own(
    "_ServerRequestAdapter.on_connection_close",
    ("def on_connection_close(self) -> None:",
     "Instead of the third: the client has left in the middle of the message."),
    ("try:", "A delegate's code may raise here too."),
    ("if self.delegate is not None:", "For a delegate:"),
    ("return self.delegate.on_connection_close()",
     "has to know: it may have opened a file for what came."),
    ("self._chunks.clear()", "For a function: empty the tray, call nobody."),
    ("finally:", "As above:"),
    ("if self.server.xheaders:", "if a proxy was believed,"),
    ("self._cleanup()", "believe it no longer."),
)  # fmt: skip
_own(
    "_ServerRequestAdapter._cleanup",
    ("def _cleanup(self) -> None:", "The request is over, for the context."),
    ("self.connection.context._unapply_xheaders()", "See below."),
)  # fmt: skip

# ---- who is at the other end ----

_own(
    "_HTTPRequestContext._apply_xheaders",
    ("def _apply_xheaders(self, headers: HTTPHeaders) -> None:",
     "A proxy stands in front: every connection comes from it. The headers say who is behind it."),
    ("ip = self.remote_ip", "If they say nothing, the address stays."),
    ('for candidate in reversed(headers.get("X-Forwarded-For", ip).split(",")):',
     "A list: each proxy has added whom it heard from. So the end is the youngest word, and we "
     "read from there."),
    ("ip = candidate.strip()", "This one, perhaps."),
    ("if ip not in self.trusted_downstream:\nbreak",
     "No proxy of ours? Then it is the client, and what stands before it is hearsay."),
    ('ip = headers.get("X-Real-Ip", ip)', "A single address, where a proxy sends one, goes first."),
    ("if netutil.is_valid_ip(ip):\nself.remote_ip = ip",
     "Only if it is an address at all. Else everything stays as it was."),
    ('protocol = headers.get("X-Scheme", headers.get("X-Forwarded-Proto", self.protocol))',
     "The proxy may have unpacked TLS. To the client it was https."),
    ('protocol = protocol.split(",")[-1].strip()', "Here too, the last word of a list counts."),
    ('if protocol in ("http", "https"):\nself.protocol = protocol', "Only one of these two."),
)  # fmt: skip
_own(
    "_HTTPRequestContext._unapply_xheaders",
    ("def _unapply_xheaders(self) -> None:", "The request is over."),
    ("self.remote_ip = self._orig_remote_ip",
     "The address is again that of the other end of the connection."),
    ("self.protocol = self._orig_protocol", "And so is the protocol."),
)  # fmt: skip
