r"""HTTP/1.1 on a stream: one exchange after the other.

    HTTP1ServerConnection   one TCP connection: asks for a delegate, lets an exchange happen, again
    HTTP1Connection         one exchange: a request in, an answer out

    stream ── head ──> parse_head ───> delegate.headers_received(start_line, headers)
           ── body ──> length, chunks ─> delegate.data_received(chunk)   0, 1, 2 … times
                                     ──> delegate.finish()
                                              │ the application
    stream <── head ── write_headers <────────┤
           <── body ── write <────────────────┤
                       finish <───────────────┘

What the bytes mean is http1parser's to say; after a refusal nothing more of a connection is
read.  Tornado 4.4: tornado/http1connection.py, without the client's side (`is_client`).  It
answers 400, 408, 413, 414, 431, 501 and 505 where Tornado closes without a word, and 500 for
a delegate that raises.
"""

from __future__ import annotations

import socket
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from . import gen, http1parser, httputil
from .concurrent import Future, chain_future
from .http1parser import ReadChunks, ReadLines
from .httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPOutputError,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from .ioloop import IOLoop
from .iostream import SENT, BaseIOStream, StreamClosedError
from .log import app_log, gen_log

CHUNK_SIZE = 64 * 1024  # bytes of a body handed to a delegate at once; as Tornado
MAX_HEADER_SIZE = 64 * 1024  # bytes of a head; as Tornado
MAX_EMPTY_LINES = 100  # before a head; each two of them are a read

# How long, and over how many bytes, a client that we have answered early may finish speaking.
LINGER_SECONDS = 1.0
LINGER_BYTES = 1024 * 1024

REQUESTS_A_TURN = 16  # that one client may have answered before the others have their turn
PIECES_A_TURN = 64  # of one client's body, handed on likewise

MAX_JOINED_CHUNK = 64 * 1024  # bytes; to join more with the head costs more than a second send

GZIP = 16 + zlib.MAX_WBITS  # zlib's way to say: with gzip's head and checksum, not its own

_REASONS = {
    400: "Bad Request", 408: "Request Timeout", 413: "Content Too Large", 414: "URI Too Long",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    505: "HTTP Version Not Supported",
}  # fmt: skip


class HTTP1ConnectionParameters:
    """What may be set for all exchanges of a server; sizes in bytes, times in seconds.

    `max_body_size` None is the stream's `max_buffer_size`.  Tornado 4.4, same name.
    """

    def __init__(
        self, no_keep_alive: bool = False, chunk_size: int | None = None,
        max_header_size: int | None = None, header_timeout: float | None = None,
        max_body_size: int | None = None, body_timeout: float | None = None,
        decompress: bool = False,
    ) -> None:  # fmt: skip
        self.no_keep_alive = no_keep_alive
        self.chunk_size = chunk_size or CHUNK_SIZE
        self.max_header_size = max_header_size or MAX_HEADER_SIZE
        self.header_timeout = header_timeout
        self.max_body_size = max_body_size
        self.body_timeout = body_timeout
        self.decompress = decompress


class HTTP1Connection(httputil.HTTPConnection):
    """One exchange on a stream: reads a request, and takes the answer to it.

    Applications use `write_headers`, `write`, `finish`, `set_close_callback`, and, for other
    protocols, `detach`.  Tornado 4.4: HTTP1Connection, the server's side of it.
    """

    __slots__ = (
        "_body_length", "_body_timeout", "_chunking_output", "_close_callback", "_deadline",
        "_disconnect_on_finish", "_expected_content_remaining", "_finish_future",
        "_finished", "_head", "_max_body_size", "_omit_body", "_pending_write",
        "_pieces", "_read_finished", "_request_start_line", "_response_started",
        "_write_finished", "context", "params", "stream",
    )  # fmt: skip

    def __init__(
        self, stream: BaseIOStream, is_client: bool = False,
        params: HTTP1ConnectionParameters | None = None, context: object = None,
        deadline: _Deadline | None = None, head: ReadLines | None = None,
    ) -> None:  # fmt: skip
        if is_client:
            raise NotImplementedError("minitornado's HTTP1Connection is a server's; see the README")
        self.stream: Any = stream
        self.params = params or HTTP1ConnectionParameters()
        self.context = context
        self._max_body_size = self.params.max_body_size or stream.max_buffer_size
        self._body_timeout = self.params.body_timeout
        self._deadline = deadline or _Deadline(stream.io_loop)
        self._pieces = 0  # of bodies, either way, so far

        # The request.
        self._request_start_line: RequestStartLine | None = None
        self._head = head or ReadLines(b"\r\n\r\n", self.params.max_header_size)
        self._body_length: int | None = 0  # None: in chunks
        self._read_finished = False

        # The answer.
        self._response_started = False
        self._write_finished = False
        self._chunking_output = False
        self._omit_body = False  # to HEAD, or with 204 and 304: the head says it all
        self._expected_content_remaining: int | None = None  # of a Content-Length announced
        self._pending_write: Future[None] | None = None

        # The end of the exchange: the answer is out, or never will be.
        self._finished = False
        self._finish_future: Future[None] | None = None  # made only if somebody must wait for it
        self._disconnect_on_finish = False
        self._close_callback: Callable[[], object] | None = None

    # ---- the request ----

    async def read_response(self, delegate: HTTPMessageDelegate) -> bool:
        """Read one request into `delegate`, and wait until it is answered.

        Returns whether another may follow on this stream.  (The name is the client's, who
        reads responses with it; Tornado's server calls it too.)
        """
        if self.params.decompress:
            delegate = _GzipMessageDelegate(delegate, self)
        need_delegate_close = False
        try:
            if self.params.header_timeout is not None:
                # From here to the end of the head, not from byte to byte: else a client that
                # drips would keep a connection for ever.
                self._deadline.start(self.params.header_timeout, self._timed_out)
            data = await self.stream.start_read(self._head)
            if data.startswith(b"\r\n"):
                data = await self._skip_empty_lines(data)
            headers = self._parse_head(data)
            need_delegate_close = True
            waiting = delegate.headers_received(self._request_start_line, headers)
            if waiting is not None:
                await self._wait_for(waiting)
            if self._body_length != 0 and self.stream is not None:
                await self._read_body(headers, delegate)
            self._read_finished = True
            if not self._write_finished and self.stream is not None:
                need_delegate_close = False
                waiting = delegate.finish()
                if waiting is not None:  # the application goes on as a coroutine
                    _future_of(waiting).add_done_callback(self._application_done)
        except HTTPInputError as error:
            self._refuse(error)
        except _EnoughRead:
            pass
        except Exception as error:
            if self._client_has_left(error):
                raise
            self._application_failed(error)
        finally:
            if need_delegate_close and self.stream is not None:
                self._close_delegate(delegate)
        if not self._finished or self._disconnect_on_finish:
            await self._end_exchange()
        return self.stream is not None and not self.stream.closed()

    async def _skip_empty_lines(self, data: bytes) -> bytes:
        """Return the head behind `data`: an empty line is some client's slip (RFC 9112 §2.2)."""
        for _ in range(MAX_EMPTY_LINES):
            if not data.startswith(b"\r\n"):
                break
            self._head = ReadLines(b"\r\n\r\n", self._head.limit - 2)
            data = data[2:] or await self.stream.start_read(self._head)
        return data

    def _parse_head(self, data: bytes) -> HTTPHeaders:
        """Parse a head, keep what it decides, and return its fields."""
        self._deadline.stop()
        if self.stream.closed():  # since the head was read: there is nobody to be answered
            raise StreamClosedError(self.stream.error)
        if not data.endswith(b"\r\n\r\n"):
            raise _unfinished_head(data, self._head.limit)
        self._request_start_line, headers, keep_alive, self._body_length = (
            http1parser.parse_head(data)
        )
        self._disconnect_on_finish = self.params.no_keep_alive or not keep_alive
        return headers

    async def _read_body(self, headers: HTTPHeaders, delegate: HTTPMessageDelegate) -> None:
        # Asked only here: headers_received may have changed the limits.
        self._check_body_size(self._body_length or 0)
        if self._body_timeout is not None:
            self._deadline.start(self._body_timeout, self._timed_out)
        assert self._request_start_line is not None
        if (
            headers.get("Expect", "").lower() == "100-continue"
            and self._request_start_line.version != "HTTP/1.0"  # knows no 100, RFC 9110 §10.1.1
            and not self._response_started
        ):
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            if self._body_length is None:
                await self._read_chunked_body(delegate)
            else:
                await self._read_fixed_body(self._body_length, delegate)
        finally:
            self._deadline.stop()
        if self.stream is not None and self.stream.closed():  # since its end was read, as of a head
            raise StreamClosedError(self.stream.error)

    async def _read_fixed_body(self, length: int, delegate: HTTPMessageDelegate) -> None:
        """Hand `length` bytes to the delegate, in pieces as they come."""
        while length > 0:
            self._check_wanted()
            # Partial: what is here is handed on, and memory holds a piece and not the body.
            chunk = await self.stream.read_bytes(min(self.params.chunk_size, length), partial=True)
            length -= len(chunk)
            if not self._write_finished:
                waiting = self._hand_on(chunk, delegate)
                if waiting is not None:
                    await waiting

    def _hand_on(self, piece: bytes, delegate: HTTPMessageDelegate) -> Any:
        """Give the delegate a piece of the body; return what to wait for before the next, or None.

        Who returns a Future is not ready for more.  We stop reading, the kernel's buffer fills,
        and TCP makes the client wait: that is all of flow control.
        """
        waiting = delegate.data_received(piece)
        # A turn for everybody else: if the client sends faster than we use what it sends, the
        # next piece is always here, and nobody would wait for anything before the last.
        self._pieces += 1
        turn = self._pieces % PIECES_A_TURN == 0
        if waiting is not None:
            return self._wait_for(waiting, turn)
        return gen.moment if turn else None

    async def _wait_for(self, waiting: Any, turn: bool = False) -> None:
        """Wait until a delegate is ready for more; or for the end, if the client leaves first.

        What is done already, as an `async def` without an await is, is waited for a `turn` if told.
        """
        ready = _future_of(waiting)
        if ready.done() or self.stream is None:
            await ready
            if turn:
                await gen.moment
            return
        either: Future[Any] = Future()
        chain_future(ready, either)

        def left() -> None:
            if not either.done():
                either.set_exception(StreamClosedError())

        self.stream.set_close_callback(left)
        await either
        if self.stream is not None:
            self.stream.set_close_callback(None)

    async def _read_chunked_body(self, delegate: HTTPMessageDelegate) -> None:
        """Hand chunks to the delegate up to the last, then read the trailer (RFC 9112 §7.1)."""
        total = 0
        while True:
            self._check_wanted()
            # Small chunks are taken together: three reads for each would cost more than its bytes.
            # Whole, though only if the stream's buffer has room, beside what comes behind them.
            limit = min(self.params.chunk_size, self.stream.max_buffer_size // 4)
            chunks = ReadChunks(min(limit, self._max_body_size - total))
            await self.stream.start_read(chunks)
            total += sum(map(len, chunks.pieces)) + (chunks.size or 0)
            self._check_body_size(total)  # before its bytes are read
            for piece in chunks.pieces:
                self._check_wanted()
                waiting = self._hand_on(piece, delegate)
                if waiting is not None:
                    await waiting
            if chunks.size:
                await self._read_fixed_body(chunks.size, delegate)
                if await self.stream.read_bytes(2) != b"\r\n":
                    raise HTTPInputError("chunk data longer or shorter than its size")
            elif chunks.size == 0:
                return await self._read_trailer()

    async def _read_trailer(self) -> None:
        """Read the fields after the last chunk, and drop them: in the head, they would lie."""
        # All at once, from the CRLF of the last chunk on: in 64 KB there may be 16,000 lines.
        limit = self.params.max_header_size
        data = await self.stream.start_read(ReadLines(b"\r\n\r\n", limit))
        if not data.endswith(b"\r\n\r\n"):
            raise _unfinished_head(data, limit)
        http1parser.check_trailer(data)

    def _check_wanted(self) -> None:
        if self._write_finished or self.stream is None:
            raise _EnoughRead

    def _check_body_size(self, size: int) -> None:
        if size > self._max_body_size:
            raise HTTPInputError(f"body longer than {self._max_body_size} bytes", status=413)

    def idle(self) -> bool:
        """Tell whether the head of the request has not come yet."""
        return self._request_start_line is None

    # ---- the answer ----

    def write_headers(
        self, start_line: ResponseStartLine, headers: Mapping[str, str], chunk: bytes | None = None
    ) -> Future[None]:
        """Write the head of the answer, and `chunk`, the first piece of its body, with it.

        Without a Content-Length the body is sent in chunks, or, to an HTTP/1.0 client, ended
        by closing.  Date and Connection are added where they are missing.  The Future is done
        when all has left the stream's buffer; it fails with StreamClosedError.
        """
        if self._response_started:
            raise HTTPOutputError("write_headers() was called before")
        if headers.__class__ is not HTTPHeaders:  # isinstance() is slow for an abstract base
            headers = HTTPHeaders(headers)
        head = self._format_head(start_line, headers)
        self._response_started = True
        body = self._format_chunk(chunk) if chunk else b""
        if len(body) > MAX_JOINED_CHUNK:
            self._write(head)
            return self._write(body)
        # One send for both, where two would be two packets and two syscalls.
        return self._write(head + body)

    def write(self, chunk: bytes) -> Future[None]:
        """Write a piece of the body; the Future is done when it has left the stream's buffer.

        Raises HTTPOutputError beyond the Content-Length that was announced.  Before
        `write_headers`, bytes go out as they are: the application formats its own answer.
        """
        if self._write_finished:
            raise HTTPOutputError("write() after finish()")
        self._response_started = True
        future = self._write(self._format_chunk(chunk))
        # As for the pieces of a request: a client that takes faster than the application makes
        # is always ready for the next, and who awaits each would wait for none.
        self._pieces += 1
        return gen.moment if future is SENT and self._pieces % PIECES_A_TURN == 0 else future

    def finish(self) -> None:
        """Say that the answer is complete."""
        if self._write_finished:
            raise HTTPOutputError("finish() was called before")
        if not self._response_started:
            raise HTTPOutputError("finish() before write_headers(): there is no answer")
        if self._expected_content_remaining and not self.stream.closed():
            self.stream.close()
            raise HTTPOutputError(
                f"Tried to write {self._expected_content_remaining} bytes less than Content-Length"
            )
        if self._chunking_output and not self._omit_body:
            self._write(b"0\r\n\r\n")
        self._write_finished = True
        if not self._read_finished:
            # The rest of the body would be taken for the next request.
            self._disconnect_on_finish = True
        if self._pending_write is SENT:
            return self._finish_request()
        assert self._pending_write is not None
        self._pending_write.add_done_callback(self._finish_request)

    def _format_head(self, start_line: ResponseStartLine, headers: HTTPHeaders) -> bytes:
        """Decide how the body will end, and return start line and fields as bytes."""
        code = start_line[1]
        request = self._request_start_line
        version = "HTTP/1.1" if request is None else request.version
        bodiless = code in (204, 304) or code < 200
        self._omit_body = bodiless or (request is not None and request.method == "HEAD")
        # Of an answer that was refused below, nothing may be left.
        self._chunking_output, self._expected_content_remaining = False, None
        if self.params.no_keep_alive:  # the server may be draining by now
            self._disconnect_on_finish = True
        if code == 204:
            headers = _without_framing(headers)
        fields = headers.fields
        # The application's own headers are not touched: it may use them for every answer.
        lines = [httputil.status_lines[start_line], *headers.format_lines()]
        if "Content-Length" in fields:
            if "Transfer-Encoding" in fields:  # RFC 9112 §6.2: the client could believe either
                raise ValueError("both Content-Length and Transfer-Encoding in the answer")
            if not self._omit_body:
                self._expected_content_remaining = int(fields["Content-Length"])
        elif not bodiless and "Transfer-Encoding" not in fields:
            if version == "HTTP/1.0":
                self._disconnect_on_finish = True  # it knows no chunks: the end is the end
            else:
                self._chunking_output = True
                lines.append(b"Transfer-Encoding: chunked")
        if "Date" not in fields:
            lines.append(_date_line())
        said = fields["Connection"].lower() if "Connection" in fields else None
        if said is not None and "close" in said:
            self._disconnect_on_finish = True
        elif self._disconnect_on_finish:
            lines.append(b"Connection: close")  # whatever the application says: it counts
        elif version == "HTTP/1.0" and said is None:
            lines.append(b"Connection: keep-alive")
        lines.append(b"\r\n")
        return b"\r\n".join(lines)

    def _format_chunk(self, chunk: bytes) -> bytes:
        if self._omit_body:
            return b""
        if self._expected_content_remaining is not None:
            self._expected_content_remaining -= len(chunk)
            if self._expected_content_remaining < 0:
                self.stream.close()  # the client would take the rest for the next answer
                raise HTTPOutputError("Tried to write more data than Content-Length")
        if self._chunking_output and chunk:  # an empty chunk would end the body
            return b"%x\r\n%b\r\n" % (len(chunk), chunk)
        return chunk

    def _write(self, data: bytes) -> Future[None]:
        future: Future[None]
        # The next request is here already: whoever asks in advance gets the answers together, in
        # one send.  Not many bytes of them, since nobody waits for these to leave.
        held = (
            self._read_finished and not self._disconnect_on_finish
            and self.stream.may_hold(len(data))
        )  # fmt: skip
        try:
            future = self.stream.write_soon(data) if held else self.stream.write(data)
        except StreamClosedError as error:
            future = Future()
            future.set_exception(error)
            future.exception()  # retrieved: a client that has left is no error of the application
        # What is held is as good as sent; else each answer would wait for a send of its own.
        self._pending_write = SENT if held else future
        return future

    def _write_error(self, status: int, reason: str = "") -> None:
        """Answer with an error, all of it."""
        self._disconnect_on_finish |= not self._read_finished
        text = f"{status} {_REASONS[status]}{reason and ': '}{reason}\n"
        body = text.encode("latin-1", "replace")
        headers = HTTPHeaders({"Content-Type": "text/plain", "Content-Length": str(len(body))})
        self.write_headers(ResponseStartLine("HTTP/1.1", status, _REASONS[status]), headers, body)
        self.finish()

    # ---- what goes wrong ----

    def _refuse(self, error: HTTPInputError) -> None:
        """Tell the client what was wrong with its request; the connection ends with it."""
        gen_log.info("Malformed HTTP message from %s: %s", self.context, error)
        self._disconnect_on_finish = True
        if not self._response_started:
            self._write_error(error.status, str(error))
        elif not self._write_finished:
            self.close()

    def _timed_out(self) -> None:
        """Give up a client that is too slow: with an answer, if it has begun to ask."""
        gen_log.info("Timeout reading %s from %s", "head" if self.idle() else "body", self.context)
        if not self._response_started and (self._head.seen or not self.idle()):
            self._write_error(408, "the request took too long")
        self.close()

    def _application_done(self, future: Future[Any]) -> None:
        error = future.exception()
        if self._client_has_left(error):
            self.close()  # and the application has noticed
        elif error is not None:
            self._application_failed(error)

    def _client_has_left(self, error: BaseException | None) -> bool:
        """Tell whether `error` says so; the application may have closed streams of its own."""
        return isinstance(error, StreamClosedError) and (
            self.stream is None or self.stream.at_eof()
        )

    def _application_failed(self, error: BaseException) -> None:
        """Answer 500, or close if another answer has begun: its end can't be marked any more."""
        app_log.error("Uncaught exception", exc_info=error)
        if self._response_started or self.stream is None:
            if not self._write_finished:  # else it is whole, and on its way if not gone
                self.close()
        else:
            self._write_error(500)

    def _close_delegate(self, delegate: HTTPMessageDelegate) -> None:
        try:
            delegate.on_connection_close()
        except Exception as error:
            app_log.error("Uncaught exception", exc_info=error)

    # ---- the end ----

    def set_close_callback(self, callback: Callable[[], object] | None) -> None:
        """Call `callback()` if the client leaves before the answer is complete."""
        self._close_callback = callback

    def set_body_timeout(self, timeout: float) -> None:
        """Give this request's body so many seconds, in place of the server's `body_timeout`."""
        self._body_timeout = timeout

    def set_max_body_size(self, max_body_size: int) -> None:
        """Let the body of this request have so many bytes, in place of the server's limit."""
        self._max_body_size = max_body_size

    def detach(self) -> BaseIOStream:
        """Give the stream away, e.g. to another protocol; this object is of no use afterwards."""
        stream: BaseIOStream = self.stream
        self._end()
        self.stream = None
        return stream

    def close(self) -> None:
        """Close the stream, and end the exchange."""
        if self.stream is not None:
            self.stream.close()
        self._end()

    def _finish_request(self, _written: object = None) -> None:
        """The last byte of the answer has left the buffer: the exchange is over."""
        if self._disconnect_on_finish and not self._client_speaks():
            self._disconnect_on_finish = False  # done, and not to be waited for
            return self.close()
        if not self._read_finished:
            self._deadline.start(LINGER_SECONDS, self._timed_out)
        self._end()

    def _end(self) -> None:
        self._finished = True
        self._close_callback = None
        if self._finish_future is not None and not self._finish_future.done():
            if self.stream is not None:
                self.stream.set_close_callback(None)
            self._finish_future.set_result(None)

    def _on_connection_close(self) -> None:
        """The stream was closed before the answer was complete."""
        callback, self._close_callback = self._close_callback, None
        try:
            if callback is not None:
                callback()
        finally:
            self._end()

    async def _end_exchange(self) -> None:
        """Wait until the answer is out, or the client has left; then close, if that is the end."""
        if not self._finished:
            # Nobody reads now, so nobody would notice the client leaving.
            self.stream.set_close_callback(self._on_connection_close)
            self._finish_future = Future()
            await self._finish_future
        if self._disconnect_on_finish and self.stream is not None and not self.stream.closed():
            if self._client_speaks():
                await self._linger()
            self.close()

    def _client_speaks(self) -> bool:
        """Tell whether bytes may be here, or come, that nobody will read."""
        # Inside TLS `pending` says yes of nearly all: each would be waited for until he closes.
        further_requests = not self.stream.encrypted and self.stream.pending()
        return not self._read_finished or further_requests

    async def _linger(self) -> None:
        """Let the client finish speaking, though not for long.

        Closing a socket that holds unread bytes resets the connection, and a reset takes our
        answer out of the client's hands.  So: say that we are done, drop what still comes,
        and wait for the client's own end.
        """
        self._deadline.start(LINGER_SECONDS, self.stream.close)
        dropped = 0
        try:
            if not self.stream.encrypted:  # TLS has no end of one direction alone
                self.stream.socket.shutdown(socket.SHUT_WR)
            while dropped < LINGER_BYTES:
                dropped += len(await self.stream.read_bytes(CHUNK_SIZE, partial=True))
        except OSError:
            pass  # the client is gone, which is what we waited for


class HTTP1ServerConnection:
    """One TCP connection of a server: one exchange after the other, until either side has enough.

    Tornado 4.4, same name.
    """

    __slots__ = (
        "__weakref__", "_deadline", "_exchange", "_head", "_serving_future", "context", "params",
        "stream",
    )  # fmt: skip

    def __init__(
        self, stream: BaseIOStream, params: HTTP1ConnectionParameters | None = None,
        context: object = None,
    ) -> None:  # fmt: skip
        self.stream = stream
        self.params = params or HTTP1ConnectionParameters()
        self.context = context
        # Of one exchange after the other.
        self._deadline = _Deadline(stream.io_loop)
        self._head = ReadLines(b"\r\n\r\n", self.params.max_header_size)
        self._serving_future: Future[None] | None = None
        self._exchange: HTTP1Connection | None = None

    def start_serving(self, delegate: HTTPServerConnectionDelegate) -> None:
        """Begin: `delegate.start_request` for every request, `delegate.on_close` at the end."""
        # An answer in several writes must not wait for the client to acknowledge the first
        # (Nagle's algorithm and delayed acknowledgements add up to 40 ms).
        self.stream.set_nodelay(True)
        # Nobody need ask for its outcome: what goes wrong is logged in there.
        self._serving_future = gen.convert_yielded(self._server_request_loop(delegate))

    async def close(self) -> None:
        """Close the connection; done when the serving coroutine has ended."""
        self.stream.close()
        if self._serving_future is not None:
            await self._serving_future

    def close_if_idle(self) -> None:
        """Close the connection unless a request is being read or answered."""
        # A read that is not pending has got its bytes, and they wait for their turn.
        idle = self._exchange is None or (self._exchange.idle() and self.stream.reading())
        if idle and not self.stream.writing():
            self.stream.close()

    async def _server_request_loop(self, delegate: HTTPServerConnectionDelegate) -> None:
        served, keep_alive = 0, True
        try:
            while keep_alive:
                conn = HTTP1Connection(
                    self.stream, False, self.params, self.context, self._deadline, self._head
                )
                self._exchange = conn
                # Asked before the first byte is here: whoever is to receive it must exist.
                request_delegate = delegate.start_request(self, conn)
                keep_alive = await conn.read_response(request_delegate)
                served += 1
                if served % REQUESTS_A_TURN == 0 and self.stream.pending():
                    # A turn for everybody else: a client that sends a thousand requests in one
                    # packet would be served to the end before the others.  (One that sends
                    # them singly is waited for, which gives everybody a turn.)
                    await gen.moment
        except StreamClosedError:
            pass  # the client has left
        except Exception:
            gen_log.error("Uncaught exception", exc_info=True)
            self.stream.close()
        finally:
            self._deadline.close()
            try:
                delegate.on_close(self)
            except Exception:
                app_log.error("Uncaught exception", exc_info=True)


class _Deadline:
    """The time until which a connection's client must have said something; it moves.

    A timeout for every request would be put on the loop's heap and taken off again for every
    request, and hardly ever run.  Here is one for the whole connection: when it runs too
    early, it looks how far the deadline has moved, and goes back to sleep.
    """

    __slots__ = ("_callback", "_io_loop", "_timeout", "_timeout_at", "_when")

    def __init__(self, io_loop: IOLoop) -> None:
        self._io_loop = io_loop
        self._when: float | None = None  # on the loop's clock; None while nobody is waited for
        self._callback: Callable[[], object] | None = None
        self._timeout: object = None
        self._timeout_at = 0.0

    def start(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call `callback` in `seconds`, unless started again or stopped before."""
        self._when = self._io_loop.time() + seconds
        self._callback = callback
        if self._timeout is None:
            self._sleep(self._when)
        elif self._timeout_at > self._when:
            self._io_loop.remove_timeout(self._timeout)
            self._sleep(self._when)

    def stop(self) -> None:
        """Wait for nobody.  The timeout stays where it is."""
        self._when = self._callback = None

    def close(self) -> None:
        """Take the timeout off the loop, at the end of the connection."""
        self.stop()
        if self._timeout is not None:
            self._io_loop.remove_timeout(self._timeout)
            self._timeout = None

    def _sleep(self, when: float) -> None:
        self._timeout_at = when
        self._timeout = self._io_loop.call_at(when, self._wake)

    def _wake(self) -> None:
        self._timeout = None
        if self._when is None or self._callback is None:
            return
        if self._when > self._io_loop.time():
            return self._sleep(self._when)
        callback = self._callback
        self.stop()
        callback()


class _GzipMessageDelegate(HTTPMessageDelegate):
    """Stands before a delegate, and unpacks bodies with `Content-Encoding: gzip`.

    The limit on a body's size holds for what comes out as well: a kilobyte can unpack to a
    megabyte.  Tornado 4.4, same name.
    """

    def __init__(self, delegate: HTTPMessageDelegate, connection: HTTP1Connection) -> None:
        self._delegate = delegate
        self._connection = connection
        self._decompressor: Any = None
        self._fed = False
        self._pieces = self._size = 0  # of the body, unpacked so far

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
        if headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip"):
            self._decompressor = zlib.decompressobj(GZIP)
            # The body that arrives is not the one that was sent; this says what it was.
            headers.add("X-Consumed-Content-Encoding", headers["Content-Encoding"])
            del headers["Content-Encoding"]
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        if self._decompressor is None:
            return self._delegate.data_received(chunk)
        return self._unpack(chunk)

    async def _unpack(self, chunk: bytes) -> None:
        self._fed = True
        while chunk:
            if self._decompressor.eof:  # one gzip file may follow another, RFC 1952 §2.2
                self._decompressor = zlib.decompressobj(GZIP)
            data = self._decompress(chunk)
            if data:
                self._size += len(data)
                self._connection._check_body_size(self._size)
                waiting = self._delegate.data_received(data)
                if waiting is not None:
                    await _future_of(waiting)
            # Counted here too: one that comes may hold thousands, of which many may be empty.
            self._pieces += 1
            if self._pieces % PIECES_A_TURN == 0:
                await gen.moment
            # What did not fit into one piece of output is still packed.
            chunk = self._decompressor.unconsumed_tail or self._decompressor.unused_data

    def _decompress(self, chunk: bytes) -> bytes:
        try:
            # In pieces: never more in memory than one, however well it was packed.
            size = self._connection.params.chunk_size
            return self._decompressor.decompress(chunk, size)  # type: ignore[no-any-return]
        except zlib.error as error:
            raise HTTPInputError(f"malformed gzip body: {error}") from None

    def finish(self) -> Any:
        if self._fed and not self._decompressor.eof:
            self._delegate.on_connection_close()
            raise HTTPInputError("gzip body cut short")
        return self._delegate.finish()

    def on_connection_close(self) -> None:
        return self._delegate.on_connection_close()


class _EnoughRead(Exception):
    """The delegate wants no more of the body: it has answered, or given the stream away."""


def _future_of(waiting: Any) -> Future[Any]:
    """Return a Future for what an application waits for, which calls back in the loop's thread."""
    future = gen.convert_yielded(waiting)
    return future if isinstance(future, Future) else gen.multi([future])  # of concurrent.futures


def _unfinished_head(data: bytes, limit: int) -> HTTPInputError:
    if len(data) < limit:
        return HTTPInputError("lines end with CRLF, not with LF alone")
    if b"\r\n" not in data:
        return HTTPInputError("request line too long", status=414)
    return HTTPInputError("head or trailer too long", status=431)


def _without_framing(headers: HTTPHeaders) -> HTTPHeaders:
    """Return `headers` as they may stand in a 204, which has no body to speak of."""
    headers = headers.copy()
    headers.pop("Content-Length", None)
    headers.pop("Transfer-Encoding", None)
    return headers


_date_cache = (0, b"")


def _date_line() -> bytes:
    """Return the Date field of this second."""
    global _date_cache
    now = time.time()
    if not 0 <= now - _date_cache[0] < 1:  # written once a second, not once an answer
        line = "Date: " + httputil.format_timestamp(int(now))
        _date_cache = (int(now), line.encode("latin-1"))
    return _date_cache[1]
