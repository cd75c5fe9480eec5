r"""HTTP/1.1 on a stream: one exchange after the other.

    HTTP1ServerConnection   one TCP connection: asks for a delegate, lets an exchange happen, again
    HTTP1Connection         one exchange: a request in, an answer out

    stream ── head ──> parse, check ──> delegate.headers_received(start_line, headers)
           ── body ──> length, chunks ─> delegate.data_received(chunk)   0, 1, 2 … times
                                     ──> delegate.finish()
                                              │ the application
    stream <── head ── write_headers <────────┤
           <── body ── write <────────────────┤
                       finish <───────────────┘

Where a message ends is decided here, and nowhere else.  Two who disagree about that, a proxy
and this server say, can be made to take one man's body for another man's request; so what is
ambiguous is refused, and after a refusal nothing more of that connection is read.

Tornado 4.4: tornado/http1connection.py, without the client's side (`is_client`).  Stricter;
answers 400, 408, 413, 414, 431, 501 and 505 where Tornado closes without a word, and 500 for a
delegate that raises.  RFC 9112 is the wire's book, RFC 9110 the meaning's.
"""

from __future__ import annotations

import functools
import re
import socket
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from . import gen, httputil
from .concurrent import Future
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
from .iostream import BaseIOStream, StreamClosedError
from .log import app_log, gen_log
from .pending_read import ReadUntil, UnsatisfiableReadError

CHUNK_SIZE = 64 * 1024  # bytes of a body handed to a delegate at once; as Tornado
MAX_HEADER_SIZE = 64 * 1024  # bytes of a head; as Tornado
MAX_CHUNK_LINE = 4 * 1024  # bytes of a chunk's size line, extensions included; nobody needs them

# How long, and over how many bytes, a client that we have answered early may finish speaking.
LINGER_SECONDS = 1.0
LINGER_BYTES = 1024 * 1024

# Bytes that no head may hold; CR, LF and TAB are looked at elsewhere.  RFC 9110 §5.5.
_CONTROLS = bytes({*range(32), 127} - {9, 10, 13})

# The digits are spelled out: int() takes "+5", " 5", "1_0" and Arabic digits as well.
_DIGITS = re.compile(r"[0-9]+")
_CHUNK_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\x00]*)?\r\n")

_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    505: "HTTP Version Not Supported",
}


class HTTP1ConnectionParameters:
    """What may be set for all exchanges of a server; sizes in bytes, times in seconds.

    `max_body_size` None is the stream's `max_buffer_size`.  Tornado 4.4, same name.
    """

    def __init__(
        self,
        no_keep_alive: bool = False,
        chunk_size: int | None = None,
        max_header_size: int | None = None,
        header_timeout: float | None = None,
        max_body_size: int | None = None,
        body_timeout: float | None = None,
        decompress: bool = False,
    ) -> None:
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
        "_body_timeout", "_chunking_output", "_close_callback", "_deadline", "_detached",
        "_disconnect_on_finish", "_expected_content_remaining", "_finish_future", "_finished",
        "_max_body_size",
        "_omit_body", "_pending_write", "_read_finished", "_request_start_line",
        "_response_started", "_stream_tells_us", "_write_finished", "context", "no_keep_alive",
        "params", "stream",
    )  # fmt: skip

    def __init__(
        self,
        stream: BaseIOStream,
        is_client: bool = False,
        params: HTTP1ConnectionParameters | None = None,
        context: object = None,
        deadline: _Deadline | None = None,
    ) -> None:
        if is_client:
            raise NotImplementedError("minitornado's HTTP1Connection is a server's; see the README")
        self.stream: Any = stream
        self.params = params or HTTP1ConnectionParameters()
        self.context = context
        self.no_keep_alive = self.params.no_keep_alive
        self._max_body_size = self.params.max_body_size or stream.max_buffer_size
        self._body_timeout = self.params.body_timeout
        self._deadline = deadline or _Deadline(stream.io_loop)

        # The request.
        self._request_start_line: RequestStartLine | None = None
        self._read_finished = False

        # The answer.
        self._response_started = False
        self._write_finished = False
        self._chunking_output = False
        self._omit_body = False  # to HEAD, or with 204 and 304: the head says it all
        self._expected_content_remaining: int | None = None  # of a Content-Length announced
        self._pending_write: Future[None] | None = None

        # The end of the exchange: the answer is complete, or can't be sent any more.
        self._finished = False
        self._finish_future: Future[None] | None = None  # made only if somebody must wait for it
        self._disconnect_on_finish = False
        self._detached = False
        self._close_callback: Callable[[], object] | None = None
        self._stream_tells_us = False  # whether the stream has our close callback

    # ---- the request ----

    async def read_response(self, delegate: HTTPMessageDelegate) -> bool:
        """Read one request into `delegate`, and wait until it is answered.

        Returns whether another may follow on this stream.  (The name is the client's, who
        reads responses with it; Tornado's server calls it too.)
        """
        if self.params.decompress:
            delegate = _GzipMessageDelegate(delegate, self.params.chunk_size, self._max_body_size)
        need_delegate_close = False
        try:
            start_line, headers = await self._read_head()
            length = self._start_request(start_line, headers)
            need_delegate_close = True
            waiting = self._call(delegate.headers_received, start_line, headers)
            if waiting is not None:
                await self._wait_for(waiting)
            if self._detached:  # another protocol has taken the stream over
                need_delegate_close = False
                return False
            if length != 0:
                await self._read_body(length, headers, delegate)
            self._read_finished = True
            if not self._write_finished:
                need_delegate_close = False
                self._finish_delegate(delegate)
            if not self._finished:
                await self._wait_for_answer()
            if self._detached:
                return False
            if self._disconnect_on_finish:
                self.close()
            return not self.stream.closed()
        except HTTPInputError as error:
            gen_log.info("Malformed HTTP message from %s: %s", self.context, error)
            await self._refuse(error.status, str(error))
            return False
        except _ApplicationError:
            await self._linger()
            return False
        finally:
            if need_delegate_close:
                self._close_delegate(delegate)
            self._clear_callbacks()

    async def _read_head(self) -> tuple[RequestStartLine, HTTPHeaders]:
        """Read up to the empty line, and parse it."""
        left = self.params.max_header_size
        while True:
            read = _ReadLines(b"\r\n\r\n", left)
            if self.params.header_timeout is not None and left == self.params.max_header_size:
                # From here to the end of the head, not from byte to byte: else a client that
                # drips would keep a connection for ever.
                self._deadline.start(
                    self.params.header_timeout, functools.partial(self._timed_out, read)
                )
            data = await self.stream.start_read(read)
            if not data.endswith(b"\r\n\r\n"):
                raise self._head_error(data, read)
            # Empty lines before a request are some client's slip of the pen (RFC 9112 §2.2).
            head = data
            while head.startswith(b"\r\n"):
                head = head[2:]
            if head:
                break
            left -= len(data)
            if left < len(data):
                raise HTTPInputError("nothing but empty lines")
        self._deadline.stop()
        return _parse_head(head)

    def _head_error(self, data: bytes, read: _ReadLines) -> HTTPInputError:
        if len(data) < read.limit:
            return HTTPInputError("lines end with CRLF, not with LF alone")
        limit = self.params.max_header_size
        if b"\r\n" not in data:
            return HTTPInputError(f"request line longer than {limit} bytes", status=414)
        return HTTPInputError(f"head longer than {limit} bytes", status=431)

    def _start_request(self, start_line: RequestStartLine, headers: HTTPHeaders) -> int | None:
        """Settle what the head decides; return the body's length, None if it comes in chunks."""
        self._request_start_line = start_line
        keep_alive, length = _framing(
            start_line.version,
            headers.get("Host"),
            headers.get("Connection"),
            headers.get("Transfer-Encoding"),
            headers.get("Content-Length"),
        )
        self._disconnect_on_finish = self.no_keep_alive or not keep_alive
        if length is not None and length > self._max_body_size:
            raise HTTPInputError(f"body longer than {self._max_body_size} bytes", status=413)
        return length

    async def _read_body(
        self, length: int | None, headers: HTTPHeaders, delegate: HTTPMessageDelegate
    ) -> None:
        if self._body_timeout is not None:
            self._deadline.start(self._body_timeout, self._timed_out)
        assert self._request_start_line is not None
        if (
            headers.get("Expect", "").lower() == "100-continue"
            and self._request_start_line.version != "HTTP/1.0"  # knows no 100, RFC 9110 §10.1.1
            and not self._response_started
            and not self.stream.closed()
        ):
            self.stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if length is None:
            await self._read_chunked_body(delegate)
        else:
            await self._read_fixed_body(length, delegate)
        self._deadline.stop()

    async def _read_fixed_body(self, length: int, delegate: HTTPMessageDelegate) -> None:
        """Hand `length` bytes to the delegate, in pieces as they come."""
        while length > 0:
            if self._write_finished:
                raise _AnsweredEarly
            # Partial: what is here is handed on, and memory holds a piece and not the body.
            chunk = await self.stream.read_bytes(min(self.params.chunk_size, length), partial=True)
            length -= len(chunk)
            if not self._write_finished:
                # Who returns a Future is not ready for more.  We stop reading, the kernel's
                # buffer fills, and TCP makes the client wait: that is all of flow control.
                waiting = self._call(delegate.data_received, chunk)
                if waiting is not None:
                    await self._wait_for(waiting)

    async def _read_chunked_body(self, delegate: HTTPMessageDelegate) -> None:
        """Hand chunks to the delegate up to the last, then read the trailer (RFC 9112 §7.1)."""
        total = 0
        while True:
            line = await self.stream.start_read(_ReadLines(b"\r\n", MAX_CHUNK_LINE))
            match = _CHUNK_LINE.fullmatch(line)
            if match is None:
                raise HTTPInputError(f"malformed chunk size: {line[:60]!r}")
            size = int(match[1], 16)
            if size == 0:
                return await self._read_trailer()
            total += size
            if total > self._max_body_size:  # asked before its bytes are read
                raise HTTPInputError(f"body longer than {self._max_body_size} bytes", status=413)
            await self._read_fixed_body(size, delegate)
            if await self.stream.read_bytes(2) != b"\r\n":
                raise HTTPInputError("chunk data longer or shorter than its size")

    async def _read_trailer(self) -> None:
        """Read the fields after the last chunk, and drop them: in the head, they would lie."""
        left = self.params.max_header_size
        while True:
            line = await self.stream.start_read(_ReadLines(b"\r\n", left))
            if line == b"\r\n":
                return
            if not line.endswith(b"\r\n"):
                raise HTTPInputError("trailer too long", status=431)
            _check_bytes(line, lines=1)
            HTTPHeaders().parse_line(line[:-2].decode("latin-1"))
            left -= len(line)

    def idle(self) -> bool:
        """Tell whether the head of the request has not come yet."""
        return self._request_start_line is None

    # ---- the answer ----

    def write_headers(
        self,
        start_line: ResponseStartLine,
        headers: Mapping[str, str],
        chunk: bytes | None = None,
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
        # One send for both, where two would be two packets and two syscalls.
        return self._write(head + self._format_chunk(chunk) if chunk else head)

    def write(self, chunk: bytes) -> Future[None]:
        """Write a piece of the body; the Future is done when it has left the stream's buffer.

        Raises HTTPOutputError beyond the Content-Length that was announced.  Before
        `write_headers`, bytes go out as they are: the application formats its own answer.
        """
        if self._write_finished:
            raise HTTPOutputError("write() after finish()")
        self._response_started = True
        return self._write(self._format_chunk(chunk))

    def finish(self) -> None:
        """Say that the answer is complete."""
        if self._write_finished:
            raise HTTPOutputError("finish() was called before")
        if self._pending_write is None:
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
            self._deadline.start(LINGER_SECONDS, self._timed_out)
        self._pending_write.add_done_callback(self._finish_request)

    def _format_head(self, start_line: ResponseStartLine, headers: HTTPHeaders) -> bytes:
        """Decide how the body will end, and return start line and fields as bytes."""
        code = start_line[1]
        request = self._request_start_line
        version = "HTTP/1.1" if request is None else request.version
        bodiless = code in (204, 304) or code < 200
        self._omit_body = bodiless or (request is not None and request.method == "HEAD")
        if code == 204:
            headers = _without_framing(headers)
        length = headers.get("Content-Length")
        # The application's own headers are not touched: it may use them for every answer.
        lines = [f"HTTP/1.1 {code} {start_line[2]}"]
        lines += [f"{name}: {value}" for name, value in headers.get_all()]
        if length is None and not bodiless and "Transfer-Encoding" not in headers:
            if version == "HTTP/1.0":
                self._disconnect_on_finish = True  # it knows no chunks: the end is the end
            else:
                self._chunking_output = True
                lines.append("Transfer-Encoding: chunked")
        if "Date" not in headers:
            lines.append(_date_line())
        connection = headers.get("Connection")
        if connection is not None:
            if "close" in connection.lower():
                self._disconnect_on_finish = True
        elif self._disconnect_on_finish:
            lines.append("Connection: close")
        elif version == "HTTP/1.0":
            lines.append("Connection: keep-alive")
        if length is not None and not self._omit_body:
            self._expected_content_remaining = int(length)
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if head.count(b"\n") != len(lines) + 1 or head.count(b"\r") != len(lines) + 1:
            # Text of a stranger in a field would otherwise become a field of its own.
            raise ValueError("Newline in header: " + repr([line for line in lines if "\n" in line]))
        return head

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
        try:
            future = self.stream.write(data)
        except StreamClosedError as error:
            future = Future()
            future.set_exception(error)
            future.exception()  # retrieved: a client that has left is no error of the application
        self._pending_write = future
        return future

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
        self._clear_callbacks()
        stream: BaseIOStream = self.stream
        self.stream = None
        self._detached = True
        self._resolve_finish()
        return stream

    def close(self) -> None:
        """Close the stream, and end the exchange."""
        if self.stream is not None:
            self.stream.close()
        self._clear_callbacks()
        self._resolve_finish()

    def _finish_request(self, _written: object = None) -> None:
        """The last byte of the answer has left the buffer: the exchange is over."""
        if self._disconnect_on_finish and self._read_finished:
            return self.close()
        self._clear_callbacks()
        self._resolve_finish()

    def _resolve_finish(self) -> None:
        self._finished = True
        if self._finish_future is not None and not self._finish_future.done():
            self._finish_future.set_result(None)

    async def _wait_for_answer(self) -> None:
        """Wait until the answer is complete, or the client has left."""
        if not self.stream.closed():
            # Nobody reads now, so nobody would notice the client leaving.
            self._stream_tells_us = True
            self.stream.set_close_callback(self._on_connection_close)
            self._finish_future = Future()
            await self._finish_future

    def _on_connection_close(self) -> None:
        """The stream was closed before the answer was complete."""
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            callback()
        self._resolve_finish()

    def _clear_callbacks(self) -> None:
        self._close_callback = None
        if self._stream_tells_us and self.stream is not None:
            self._stream_tells_us = False
            self.stream.set_close_callback(None)

    def _timed_out(self, head: _ReadLines | None = None) -> None:
        """Give up a client that is too slow: with an answer, if it has begun to ask."""
        gen_log.info("Timeout reading %s from %s", "body" if head is None else "head", self.context)
        if not self._response_started and (head is None or head.seen):
            self._write_error(408, "the request took too long")
        self.close()

    async def _refuse(self, status: int, reason: str) -> None:
        """Tell the client what was wrong, and close."""
        if not self._response_started:
            self._write_error(status, reason)
        await self._linger()

    def _write_error(self, status: int, reason: str) -> None:
        self._disconnect_on_finish = True
        body = f"{status} {_REASONS[status]}: {reason}\n".encode("latin-1", "replace")
        headers = HTTPHeaders({"Content-Type": "text/plain", "Content-Length": str(len(body))})
        self.write_headers(ResponseStartLine("HTTP/1.1", status, _REASONS[status]), headers, body)

    async def _linger(self) -> None:
        """Let the client read our answer, then close.

        Closing a socket that holds unread bytes resets the connection, and a reset takes the
        answer out of the client's hands.  So: say that we are done, drop what still comes,
        and wait for the client's own end, though not for long.
        """
        try:
            if self._pending_write is not None:
                await self._pending_write
            if self._detached or self.stream.closed() or self.stream.encrypted:
                return
            self._deadline.start(LINGER_SECONDS, self.stream.close)
            self.stream.socket.shutdown(socket.SHUT_WR)
            dropped = 0
            while dropped < LINGER_BYTES:
                dropped += len(await self.stream.read_bytes(CHUNK_SIZE, partial=True))
        except OSError:
            pass  # the client is gone, which is what we waited for
        finally:
            self.close()

    # ---- the application ----

    def _call(self, method: Callable[..., Any], *args: Any) -> Future[Any] | None:
        """Call a delegate; return the Future that it wants to be waited for."""
        try:
            result = method(*args)
            return None if result is None else gen.convert_yielded(result)
        except HTTPInputError:
            raise
        except Exception:
            self._application_failed()
            raise _ApplicationError from None

    async def _wait_for(self, waiting: Future[Any]) -> None:
        try:
            await waiting
        except HTTPInputError:
            raise
        except Exception:
            self._application_failed()
            raise _ApplicationError from None

    def _finish_delegate(self, delegate: HTTPMessageDelegate) -> None:
        """Tell the delegate that the request is complete; it may go on as a coroutine."""
        try:
            result = delegate.finish()
            if result is not None:
                future = gen.convert_yielded(result)
                if future.done():
                    self._application_done(future)
                else:
                    self.stream.io_loop.add_future(future, self._application_done)
        except HTTPInputError:
            raise
        except Exception:
            self._application_failed()

    def _application_done(self, future: Future[Any]) -> None:
        try:
            future.result()
        except StreamClosedError:
            self.close()  # the client has left, and the application has noticed
        except Exception:
            self._application_failed()

    def _application_failed(self) -> None:
        """Answer 500, or close if another answer has begun: its end can't be marked any more."""
        app_log.error("Uncaught exception", exc_info=True)
        if self._response_started or self.stream is None:
            return self.close()
        body = b"500 Internal Server Error\n"
        headers = HTTPHeaders({"Content-Type": "text/plain", "Content-Length": str(len(body))})
        self.write_headers(ResponseStartLine("HTTP/1.1", 500, _REASONS[500]), headers, body)
        self.finish()

    def _close_delegate(self, delegate: HTTPMessageDelegate) -> None:
        try:
            delegate.on_connection_close()
        except Exception:
            app_log.error("Uncaught exception", exc_info=True)


class HTTP1ServerConnection:
    """One TCP connection of a server: one exchange after the other, until either side has enough.

    Tornado 4.4, same name.
    """

    def __init__(
        self,
        stream: BaseIOStream,
        params: HTTP1ConnectionParameters | None = None,
        context: object = None,
    ) -> None:
        self.stream = stream
        self.params = params or HTTP1ConnectionParameters()
        self.context = context
        self._deadline = _Deadline(stream.io_loop)
        self._serving_future: Future[None] | None = None
        self._exchange: HTTP1Connection | None = None

    def start_serving(self, delegate: HTTPServerConnectionDelegate) -> None:
        """Begin: `delegate.start_request` for every request, `delegate.on_close` at the end."""
        # An answer in several writes must not wait for the client to acknowledge the first
        # (Nagle's algorithm and delayed acknowledgements add up to 40 ms).
        self.stream.set_nodelay(True)
        self._serving_future = gen.convert_yielded(self._server_request_loop(delegate))
        # Nobody else asks; so that what goes wrong in it is logged.
        self.stream.io_loop.add_future(self._serving_future, lambda future: future.result())

    async def close(self) -> None:
        """Close the connection; done when the serving coroutine has ended."""
        self.stream.close()
        if self._serving_future is not None and not self._serving_future.done():
            await self._serving_future

    def close_if_idle(self) -> None:
        """Close the connection unless a request is being read or answered."""
        if self._exchange is None or self._exchange.idle():
            self.stream.close()

    async def _server_request_loop(self, delegate: HTTPServerConnectionDelegate) -> None:
        try:
            while True:
                conn = HTTP1Connection(
                    self.stream, False, self.params, self.context, self._deadline
                )
                self._exchange = conn
                # Asked before the first byte is here: whoever is to receive it must exist.
                request_delegate = delegate.start_request(self, conn)
                try:
                    keep_alive = await conn.read_response(request_delegate)
                except (StreamClosedError, UnsatisfiableReadError):
                    return
                except Exception:
                    gen_log.error("Uncaught exception", exc_info=True)
                    conn.close()
                    return
                if not keep_alive:
                    return
                if self.stream.buffered():
                    # A turn for everybody else: a client that sends a thousand requests in one
                    # packet would be served to the end before the others.  (One that sends
                    # them singly is waited for, which gives everybody a turn.)
                    await gen.moment
        finally:
            self._deadline.close()
            delegate.on_close(self)


class _ReadLines(ReadUntil):
    """A ReadUntil for lines that strangers send: over the limit it ends, and the stream stays open.

    What it returns then lacks the delimiter, and the client can be told why it is refused.
    `seen` is the number of bytes that have come.
    """

    __slots__ = ("limit", "seen")

    def __init__(self, delimiter: bytes, limit: int) -> None:
        super().__init__(delimiter)
        self.limit = limit
        self.seen = 0

    def find_end(self, buffer: bytearray, closed: bool) -> int | None:
        seen, self.seen = self.seen, len(buffer)
        end = super().find_end(buffer, closed)
        if (end or len(buffer)) > self.limit:
            return self.limit
        if end is None and buffer.find(b"\n\n", seen - 1 if seen else 0) >= 0:
            return len(buffer)  # a head typed by hand, with LF alone: say so, don't wait for more
        return end


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

    def __init__(self, delegate: HTTPMessageDelegate, chunk_size: int, max_size: int) -> None:
        self._delegate = delegate
        self._chunk_size = chunk_size
        self._left = max_size
        self._decompressor: Any = None
        self._fed = False

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
        if headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip"):
            self._decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
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
            if self._decompressor.eof:
                raise HTTPInputError("bytes after the end of the gzip body")
            data = self._decompress(chunk)
            if data:
                self._left -= len(data)
                if self._left < 0:
                    raise HTTPInputError("body too large when unpacked", status=413)
                waiting = self._delegate.data_received(data)
                if waiting is not None:
                    await gen.convert_yielded(waiting)
            # What did not fit into one piece of output is still packed.
            chunk = self._decompressor.unconsumed_tail or self._decompressor.unused_data

    def _decompress(self, chunk: bytes) -> bytes:
        try:
            # In pieces: never more in memory than one, however well it was packed.
            return self._decompressor.decompress(chunk, self._chunk_size)  # type: ignore[no-any-return]
        except zlib.error as error:
            raise HTTPInputError(f"malformed gzip body: {error}") from None

    def finish(self) -> Any:
        if self._fed and not self._decompressor.eof:
            raise HTTPInputError("gzip body cut short")
        return self._delegate.finish()

    def on_connection_close(self) -> None:
        return self._delegate.on_connection_close()


class _ApplicationError(Exception):
    """The delegate has raised; it is logged and answered, and the exchange ends."""


class _AnsweredEarly(_ApplicationError):
    """The delegate has answered, and wants no more of the body."""


def _without_framing(headers: HTTPHeaders) -> HTTPHeaders:
    """Return `headers` as they may stand in a 204, which has no body to speak of."""
    headers = headers.copy()
    headers.pop("Content-Length", None)
    headers.pop("Transfer-Encoding", None)
    return headers


def _parse_head(data: bytes) -> tuple[RequestStartLine, HTTPHeaders]:
    r"""Return start line and fields of a head, up to and including its empty line.

    >>> start_line, headers = _parse_head(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    >>> start_line.path, headers["host"]
    ('/hello', 'a')
    """
    # Decoded once, as latin-1, which has a character for every byte; then split.
    lines = data[:-4].decode("latin-1").split("\r\n")
    _check_bytes(data, lines=len(lines) + 1)
    start_line = httputil.parse_request_start_line(lines[0])
    headers = HTTPHeaders()
    headers._parse_lines(lines[1:])
    if not start_line.path.startswith("/"):
        start_line = _to_origin_form(start_line, headers)
    return start_line, headers


def _check_bytes(data: bytes, lines: int) -> None:
    """Refuse control characters, and any CR or LF that does not end one of the `lines`."""
    # Each of these is one pass in C; a regular expression takes ten times as long.
    if len(data.translate(None, _CONTROLS)) != len(data):
        raise HTTPInputError("control character in the head")
    if data.count(b"\r") != lines or data.count(b"\n") != lines:
        raise HTTPInputError("CR or LF alone in the head")


def _to_origin_form(start_line: RequestStartLine, headers: HTTPHeaders) -> RequestStartLine:
    """Take `GET http://host/path` for `GET /path` at that host (RFC 9112 §3.2.2)."""
    match = re.match(r"https?://([^/?#]*)([^#]*)", start_line.path, re.IGNORECASE)
    if match is None:
        return start_line  # `*`, `host:port`, or nonsense: the application's to answer
    authority, path = match[1], match[2]
    if not authority or not httputil.is_valid_host(authority):
        raise HTTPInputError(f"malformed host in the target: {authority[:60]!r}")
    if len(headers.get_list("Host")) == 1:
        headers["Host"] = authority  # it counts, and not the field
    return start_line._replace(path=path if path.startswith("/") else "/" + path)


@functools.lru_cache(maxsize=1000)  # most requests differ from the last in none of these fields
def _framing(
    version: str, host: str | None, connection: str | None, coding: str | None, length: str | None
) -> tuple[bool, int | None]:
    """Return what a head decides: may the connection stay open, and how long is the body.

    The length is None if the body comes in chunks.  Fields that came several times are
    joined with commas.  What the rules forbid raises HTTPInputError.
    """
    _check_host(version, host)
    return _can_keep_alive(version, connection), _body_length(version, coding, length)


def _check_host(version: str, host: str | None) -> None:
    """Refuse a request that does not say, once, whom it is for (RFC 9112 §3.2)."""
    if host is None:
        if version != "HTTP/1.0":
            raise HTTPInputError("no Host")
    elif not httputil.is_valid_host(host):  # as two of them are not: no name holds a comma
        raise HTTPInputError(f"malformed Host, or more than one: {host[:60]!r}")


def _can_keep_alive(version: str, connection: str | None) -> bool:
    """Tell whether the connection may stay open after this exchange (RFC 9112 §9.3)."""
    options = {option.strip(" \t").lower() for option in (connection or "").split(",")}
    if "close" in options:
        return False
    return version != "HTTP/1.0" or "keep-alive" in options


def _body_length(version: str, coding: str | None, length: str | None) -> int | None:
    """Return how many bytes the body has, None if it comes in chunks (RFC 9112 §6.3).

    Whatever could be read in two ways is refused.
    """
    if coding is not None:
        if length is not None:
            raise HTTPInputError("both Transfer-Encoding and Content-Length")
        if version == "HTTP/1.0":
            raise HTTPInputError("Transfer-Encoding in HTTP/1.0")
        if coding.lower() != "chunked":
            raise HTTPInputError(f"Transfer-Encoding {coding[:60]!r} is not understood", status=501)
        return None
    if length is None:
        return 0
    # "5, 5" is what some proxies make of two equal fields; two different ones are an attack.
    values = {value.strip(" \t") for value in length.split(",")}
    digits = values.pop()
    if values or not _DIGITS.fullmatch(digits):
        raise HTTPInputError(f"malformed Content-Length: {length[:60]!r}")
    if len(digits.lstrip("0")) > 15:  # more than anybody has; and int() refuses 5,000 digits
        raise HTTPInputError("Content-Length beyond all limits", status=413)
    return int(digits)


_date_cache = (0, "")


def _date_line() -> str:
    """Return the Date field of this second."""
    global _date_cache
    now = int(time.time())
    if _date_cache[0] != now:  # written once a second, not once an answer
        _date_cache = (now, "Date: " + httputil.format_timestamp(now))
    return _date_cache[1]
