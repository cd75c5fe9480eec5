r"""IOStream: a non-blocking socket with two buffers; bytes in, Futures out.

    who reads                                              who writes
        read_until(b"\r\n\r\n") -> Future                      write(data) -> Future
           │                    ▲                                │          ▲
    look in the buffer          │ set_result              send at once      │ set_result
    look in the kernel          │                           (the rest)      │
    wait for READ ──> loop ──> _handle_read            wait for WRITE ──> _handle_write
                                │                                           │
                     recv ──> read buffer                 write buffer ──> send

Try first, wait second: a read looks in the buffer, then in the kernel, and only then asks
the loop for READ.  A write sends at once, and asks for WRITE only after the kernel has
refused bytes; a socket is nearly always writable, so asking before would wake us for nothing,
again and again.  A connection's fd isn't known to the loop before one of the two must wait.

Tornado 4.4: tornado/iostream.py.  Left out: the callback-taking twin of each method,
`streaming_callback`, PipeIOStream, `start_tls`.  SSLIOStream is in ssliostream.py, and can be
imported from here; it is loaded when it is used, since a server without TLS can do without `ssl`.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from .concurrent import Future
from .ioloop import IOLoop
from .log import gen_log
from .pending_read import PendingRead, ReadBytes, ReadUntil, ReadUntilClose, ReadUntilRegex
from .pending_read import UnsatisfiableReadError as UnsatisfiableReadError
from .poller import ERROR, READ, WRITE

Data: TypeAlias = bytes | bytearray | memoryview
Socket: TypeAlias = socket.socket  # for places where `socket` is the stream's own

MAX_BUFFER_SIZE = 100 * 1024 * 1024  # bytes that wait for a reader; as Tornado
READ_CHUNK_SIZE = 64 * 1024  # bytes asked of the kernel at once; as Tornado

# Bytes offered to the kernel at once, when they come out of the write buffer.
WRITE_CHUNK_SIZE = 256 * 1024


# What `write` returns when the kernel took everything at once, which is nearly always: done, and
# the same for all, since there is nothing to tell one from the other.
SENT: Future[None] = Future()
SENT.set_result(None)


class StreamClosedError(OSError):
    """The stream is closed.  `real_error` is what closed it: an exception, or None for a plain end.

    Tornado 4.4: iostream.StreamClosedError.
    """

    def __init__(self, real_error: BaseException | None = None) -> None:
        super().__init__("Stream is closed")
        self.real_error = real_error


# What connect() says when it is not done yet; Windows has a word of its own.
IN_PROGRESS = {errno.EINPROGRESS, getattr(errno, "WSAEWOULDBLOCK", errno.EINPROGRESS)}

# What the kernel says of a peer that is not there any more; nobody's fault, and not logged.
LEFT = (ConnectionError, TimeoutError)


class StreamBufferFullError(Exception):
    """More bytes than `max_buffer_size` or `max_write_buffer_size` wait in a buffer."""


class BaseIOStream:
    """The two buffers, and the rules for when to ask the loop for what.

    A subclass knows the file: `fileno`, `close_fd`, `read_from_fd`, `write_to_fd`,
    `get_fd_error`.  One read may be pending at a time; writes may be many.
    """

    #: Whether the bytes on the wire are encrypted (SSLIOStream); told without importing `ssl`.
    encrypted: ClassVar[bool] = False

    # What most streams never have need not be kept for each: it is in the class until it is set.
    error: BaseException | None = None  # that closed the stream
    _bytes_buffered = 0  # ever put into the write buffer
    _bytes_flushed = 0  # ever sent out of it
    _held = False  # it was not offered to the kernel yet: see write_soon

    def __init__(
        self, io_loop: IOLoop | None = None, max_buffer_size: int | None = None,
        read_chunk_size: int | None = None, max_write_buffer_size: int | None = None,
    ) -> None:  # fmt: skip
        self.io_loop: IOLoop = io_loop or IOLoop.current()
        self.max_buffer_size = max_buffer_size or MAX_BUFFER_SIZE
        # At most half of the buffer, so that the limit is met before it is far exceeded.
        chunk_size = min(read_chunk_size or READ_CHUNK_SIZE, self.max_buffer_size // 2)
        self.read_chunk_size = max(chunk_size, 1)
        self.max_write_buffer_size = max_write_buffer_size

        self._read_buffer = bytearray()
        self._read: PendingRead | None = None
        self._read_future: Future[bytes] | None = None
        # May the kernel hold bytes for us?  Unknown is yes.  Known to be no after a short
        # recv, up to the next READ event: it saves the recv that is bound to come up empty.
        self._maybe_readable = True

        self._write_buffer: bytearray | memoryview = bytearray()

        self._state: int | None = None  # events asked of the loop; None: fd not registered
        self._connecting = False
        self._eof = False  # the peer has said its last byte, but may still listen
        self._closed = False
        self._close_callback: Callable[[], object] | None = None

    @functools.cached_property
    def _write_futures(self) -> deque[tuple[int, Future[None]]]:
        """(done at, future) of each write that waits.  An empty deque takes 600 bytes, and most
        streams never need one."""
        return deque()

    # ---- the file: for subclasses ----

    def fileno(self) -> int | Any:
        """Return the fd, or the object that owns it."""
        raise NotImplementedError

    def close_fd(self) -> None:
        """Close the file."""
        raise NotImplementedError

    def read_from_fd(self) -> bytes | None:
        """Read what is there: bytes, b"" at the end, or None if there is nothing right now."""
        raise NotImplementedError

    def write_to_fd(self, data: Data) -> int:
        """Write what the kernel takes of `data` right now; return how many bytes that were."""
        raise NotImplementedError

    def get_fd_error(self) -> BaseException | None:
        """Return the error that an ERROR event stands for, if the file keeps one."""
        return None

    # ---- reading ----

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> Future[bytes]:
        """Resolve with all bytes up to and including `delimiter`.

        Past `max_bytes` without it the stream closes, with UnsatisfiableReadError as its
        `error`.  Tornado 4.4: BaseIOStream.read_until.
        """
        return self.start_read(ReadUntil(delimiter, max_bytes))

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Future[bytes]:
        """Resolve with all bytes up to the end of the first match of `regex`."""
        return self.start_read(ReadUntilRegex(regex, max_bytes))

    def read_bytes(self, num_bytes: int, partial: bool = False) -> Future[bytes]:
        """Resolve with `num_bytes` bytes; with `partial`, the first to come."""
        return self.start_read(ReadBytes(num_bytes, partial))

    def read_until_close(self) -> Future[bytes]:
        """Resolve with all that comes until the stream closes: b"" if it is closed already."""
        return self.start_read(ReadUntilClose())

    def start_read(self, read: PendingRead) -> Future[bytes]:
        """Resolve with the bytes that `read` finds; the four methods above are this one.

        Fails with StreamClosedError if the stream closes first, which `read_until_close`
        takes for its end.  What is already in the buffer is still delivered after that.
        """
        assert self._read is None, "Already reading"
        self._read = read
        future: Future[bytes] = Future()
        self._read_future = future
        # Try first, wait second.  A client may pipeline: request two came in the packet of
        # request one and sits in our buffer.  The kernel has nothing left to report, so a
        # stream that polled first would sleep on bytes that it already holds.
        if self._read_buffer or self._maybe_readable or self._closed or self._eof:
            self._handle_read()
        else:
            self._add_io_state(READ)  # there is nothing to try
        return future  # not self._read_future: _handle_read may have cleared it

    def reading(self) -> bool:
        """Tell whether a read is pending."""
        return self._read is not None

    # ---- writing ----

    def write(self, data: Data) -> Future[None]:
        """Send `data`; resolve when its last byte has left our buffer for the kernel's.

        That is no promise that the peer has it.  Who writes much should wait for it before
        writing more: what the peer is too slow to take stays in memory.  Raises
        StreamClosedError, and StreamBufferFullError past `max_write_buffer_size`.
        """
        if self._closed:
            raise StreamClosedError(self.error)
        if isinstance(data, memoryview):
            data = data.cast("B")  # so that len() counts bytes
        if (
            self.max_write_buffer_size is not None
            and len(self._write_buffer) + len(data) > self.max_write_buffer_size
        ):
            raise StreamBufferFullError(
                f"Reached maximum write buffer size: {self.max_write_buffer_size} bytes"
            )
        if not data and not self._write_buffer:
            return SENT
        sent = 0
        if not self._write_buffer and not self._connecting:  # else it would jump the queue
            sent = self._send(data)
            if sent == len(data):
                return SENT
        future: Future[None] = Future()
        if self._closed:  # the send has found that the peer is gone
            self._fail(future)
            return future
        rest = memoryview(data)[sent:]
        if not self._write_buffer and isinstance(data, bytes) and len(rest) > WRITE_CHUNK_SIZE:
            self._write_buffer = rest  # nobody can change it, so that a copy is saved
        else:
            if isinstance(self._write_buffer, memoryview):
                self._write_buffer = bytearray(self._write_buffer)
            self._write_buffer += rest
        self._bytes_buffered += len(data) - sent
        self._write_futures.append((self._bytes_buffered, future))
        if self._held:
            self._flush()  # this is what those have waited for
        elif not self._connecting:  # else whoever connects knows what to wait for
            self._add_io_state(WRITE)
        return future

    def write_soon(self, data: Data) -> Future[None]:
        """As `write`, but with the next write, or on the next turn: in one send with others.

        Only if `may_hold` says so.
        """
        if self._closed:
            raise StreamClosedError(self.error)
        if not self._write_buffer:  # else somebody else sees to it already
            if not data:
                return SENT
            self._held = True
            self.io_loop.add_callback(self._flush)
        future: Future[None] = Future()
        assert isinstance(self._write_buffer, bytearray), "write_soon() only if may_hold()"
        self._write_buffer += data
        self._bytes_buffered += len(data)
        self._write_futures.append((self._bytes_buffered, future))
        return future

    def _flush(self) -> None:
        if self._held:
            self._held = False
            self._handle_write()
            if self._write_buffer:
                self._add_io_state(WRITE)

    def writing(self) -> bool:
        """Tell whether bytes wait in the write buffer."""
        return bool(self._write_buffer)

    # ---- closing ----

    def close(self, exc_info: bool | BaseException | tuple[Any, ...] = False) -> None:
        """Close the file now.  Bytes that the kernel has not taken are dropped; those not read yet
        can be read.

        `exc_info`: an exception, the triple of `sys.exc_info`, or True in an `except` block; it
        is kept as `error`.
        Pending reads and writes fail with StreamClosedError.
        """
        if exc_info is True:
            exc_info = sys.exc_info()
        if self._held:  # it was as good as sent
            self._flush()
        if not self._closed:
            if exc_info:
                self.error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
            if self._state is not None:
                self.io_loop.remove_handler(self.fileno())
                self._state = None
            self.close_fd()
            self._closed = True
            self._finish_closing()

    def set_close_callback(self, callback: Callable[[], object] | None) -> None:
        """Call `callback()` on a turn of its own once the stream is closed, by either side.

        It also has us look out for the peer's end, which nobody would notice while no read
        is pending.
        """
        self._close_callback = callback
        if self._closed:
            self._maybe_run_close_callback()
        elif callback is not None and not self._read_buffer and not self._eof:
            self._add_io_state(READ)

    def closed(self) -> bool:
        """Tell whether the stream is closed."""
        return self._closed

    def at_eof(self) -> bool:
        """Tell whether no more bytes will come: the stream is closed, or about to be."""
        return self._closed or self._eof

    def set_nodelay(self, value: bool) -> None:
        """Send small packets at once (True), or gather them for a moment.  Here: nothing to do."""

    # ---- called by the loop ----

    def _handle_events(self, fd: Any, events: int) -> None:
        """Do what `events` make possible: connect, read, write, see an error, in this order."""
        try:
            if self._connecting:
                self._handle_connect()
            if events & READ and not self._closed:
                self._maybe_readable = True
                if self._read is None:
                    self._handle_unwanted()
                elif self._read_to_buffer():  # the buffer alone has been searched already
                    self._handle_read()
            if events & WRITE and not self._closed and not self._connecting:
                self._handle_write()
            if events & ERROR and not self._closed:
                self._handle_error()
        except Exception as error:
            gen_log.error("Uncaught exception, closing connection.", exc_info=True)
            self.close(exc_info=error)
            raise

    def _handle_connect(self) -> None:
        """Nothing to do; IOStream connects."""

    def _handle_unwanted(self) -> None:
        """Bytes have come that nobody reads, or the peer has left."""
        if self._read_buffer or self._eof:
            # There is enough in store.  Level-triggered epoll would tell us again on every
            # turn, hundreds of thousands of times a second; start_read asks anew.
            self._drop_io_state(READ)
        else:
            self._read_to_buffer()  # the only way to tell the two apart

    def _handle_read(self) -> None:
        """Take the pending read as far as it goes: finished, failed, or waiting for READ."""
        while self._read is not None:
            try:
                end = self._read.find_end(self._read_buffer, self._closed or self._eof)
            except UnsatisfiableReadError as error:
                gen_log.info("Unsatisfiable read, closing connection: %s", error)
                self._fail_read(StreamClosedError(error))
                return self.close(exc_info=error)
            except Exception as error:  # a delimiter that is no bytes
                return self._fail_read(error)
            if end is not None:
                self._finish_read(end)
            elif self._closed or self._eof:
                self._fail_read(StreamClosedError(self.error))
            elif not self._maybe_readable or not self._read_to_buffer():
                return self._add_io_state(READ)

    def _handle_write(self) -> None:
        """Send what the kernel takes of the write buffer; tell those whose bytes are through."""
        while self._write_buffer:
            # A bytearray can't shrink while a view of it exists.
            with memoryview(self._write_buffer) as view, view[:WRITE_CHUNK_SIZE] as piece:
                size = len(piece)
                sent = self._send(piece)
            if self._closed:
                return
            if isinstance(self._write_buffer, memoryview):
                self._write_buffer = self._write_buffer[sent:] or bytearray()
            else:
                del self._write_buffer[:sent]  # moves no bytes: it has room at its front
            self._bytes_flushed += sent
            while self._write_futures and self._write_futures[0][0] <= self._bytes_flushed:
                self._write_futures.popleft()[1].set_result(None)
            if sent < size:
                return
        if self._eof:
            # The peer has said its last byte, and has got ours: unless who waited for that has
            # more to write, on the turn that its Future has just asked for.
            return self.io_loop.add_callback(self._close_if_idle)
        self._drop_io_state(WRITE)

    def _handle_error(self) -> None:
        """Both directions are dead: save what the kernel still holds, then close."""
        while not self._closed and not self._eof and self._read_to_buffer():
            pass
        self._handle_read()
        if not self._closed:
            self.close(exc_info=self.get_fd_error() or False)

    # ---- plumbing ----

    def _read_to_buffer(self) -> bool:
        """Receive once; return False if there is nothing for us right now."""
        try:
            chunk = self.read_from_fd()
        except OSError as error:
            # A reset is one more way to leave, and so is a network that is gone.
            if not isinstance(error, LEFT):
                gen_log.warning("error on read: %s", error)
            self.close(exc_info=error)
            return True
        if chunk is None:
            return False
        if not chunk:
            self._handle_eof()
            return True
        self._read_buffer += chunk
        if len(self._read_buffer) > self.max_buffer_size:
            gen_log.error("Reached maximum read buffer size")
            self.close(exc_info=StreamBufferFullError("Reached maximum read buffer size"))
        return True

    def _handle_eof(self) -> None:
        """The peer will send no more.  Close, but not before it has got what we owe it."""
        if not self._write_buffer:
            return self.close()
        self._eof = True  # _handle_write closes
        self._drop_io_state(READ)  # an end stays readable for ever

    def pending(self) -> bool:
        """Tell whether bytes may be here that no read has taken, in our buffer or beneath."""
        return bool(self._read_buffer) or self._maybe_readable

    def may_hold(self, size: int) -> bool:
        """Tell whether `size` bytes may be written soon, instead of now.

        That is: there is more to be read, whose answer they can wait for; the kernel has refused
        nothing; and together with what waits they are no more than one piece.
        """
        return (
            bool(self._read_buffer)
            and (self._held or not self._write_buffer)
            and len(self._write_buffer) + size <= WRITE_CHUNK_SIZE
            and self.max_write_buffer_size is None  # which `write` enforces
        )

    def _close_if_idle(self) -> None:
        if not self._write_buffer:
            self.close()

    def _finish_read(self, end: int) -> None:
        """Cut `end` bytes off the buffer, and resolve the pending read with them."""
        buffer, future = self._read_buffer, self._read_future
        assert future is not None
        self._read = self._read_future = None
        if end == len(buffer):
            data = bytes(buffer)
            buffer.clear()
            if self._close_callback is not None:
                self._add_io_state(READ)  # nothing in store: look out for the end again
        else:
            # The rest belongs to the next read: it may be the next request.
            data = memoryview(buffer)[:end].tobytes()
            del buffer[:end]
        future.set_result(data)

    def _fail_read(self, error: Exception) -> None:
        future = self._read_future
        assert future is not None
        self._read = self._read_future = None
        future.set_exception(error)
        future.exception()  # retrieved: a peer that leaves is nobody's fault, and not logged

    def _fail(self, future: Future[Any]) -> None:
        future.set_exception(StreamClosedError(self.error))
        future.exception()  # as above

    def _send(self, data: Data) -> int:
        """Send what the kernel takes; 0 if it takes nothing, or if the peer is gone."""
        try:
            return self.write_to_fd(data)
        except OSError as error:
            if not isinstance(error, LEFT):
                gen_log.warning("Write error on %s: %s", self.fileno(), error)
            self.close(exc_info=error)
            return 0

    def _finish_closing(self) -> None:
        """Tell everybody who waits: readers (who may be content), writers, the close callback."""
        if self._read is not None:
            self._handle_read()
        # A new one, since _handle_write may hold a view of the old one, which can't shrink then.
        self._write_buffer = bytearray()
        for _end, future in self.__dict__.pop("_write_futures", ()):
            self._fail(future)
        self._maybe_run_close_callback()

    def _maybe_run_close_callback(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            self.io_loop.add_callback(callback)

    def _add_io_state(self, events: int) -> None:
        """Ask the loop for `events` as well.  The first time, this makes the fd known to it."""
        if self._closed:
            return
        if self._state is None:
            self._state = events
            self.io_loop.add_handler(self.fileno(), self._handle_events, events)
        elif events & ~self._state:  # epoll_ctl is a syscall: only if something changes
            self._state |= events
            self.io_loop.update_handler(self.fileno(), self._state)

    def _drop_io_state(self, events: int) -> None:
        """Ask the loop for `events` no longer."""
        if self._state is not None and self._state & events:
            self._state &= ~events
            self.io_loop.update_handler(self.fileno(), self._state)


class IOStream(BaseIOStream):
    """A stream over a socket, which it owns from now on: it makes it non-blocking, and closes it.

    The socket is connected, or `connect` is called before anything else.
    Tornado 4.4: iostream.IOStream.
    """

    _connect_future: Future[IOStream] | None = None

    def __init__(self, socket: Socket, *args: Any, **kwargs: Any) -> None:
        self.socket: Socket = socket
        self.socket.setblocking(False)
        super().__init__(*args, **kwargs)

    def connect(self, address: Any, server_hostname: str | None = None) -> Future[IOStream]:
        """Connect to `address`, a tuple (or a path) as for `socket.connect`; resolve with self.

        Give numbers: a name would be looked up by the system, while everybody waits.  `write`
        may be called before the connection stands.
        """
        future: Future[IOStream] = Future()
        self._connecting = True
        self._connect_future = future
        try:
            self.socket.connect(address)
        except OSError as error:
            # "In progress" is the ordinary case: the handshake takes a while.  Else refused at
            # once, as the loopback may, or a unix socket whose backlog is full (EAGAIN).
            if error.errno not in IN_PROGRESS:
                gen_log.warning("Connect error on fd %s: %s", self.socket.fileno(), error)
                self.close(exc_info=error)
                return future
        self._add_io_state(WRITE)  # a socket is writable when it is connected
        return future

    def fileno(self) -> Any:
        return self.socket

    def close_fd(self) -> None:
        self.socket.close()

    def read_from_fd(self) -> bytes | None:
        try:
            chunk: bytes = self.socket.recv(self.read_chunk_size)
        except BlockingIOError:  # the ordinary case, spelled as an exception
            self._maybe_readable = False
            return None
        # Less than we asked for: the kernel has no more.  What comes from now on, epoll tells.
        if len(chunk) < self.read_chunk_size:
            self._maybe_readable = False
        return chunk

    def write_to_fd(self, data: Data) -> int:
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0

    def get_fd_error(self) -> BaseException | None:
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return OSError(code, os.strerror(code)) if code else None

    def set_nodelay(self, value: bool) -> None:
        """Send small packets at once (True), or let the kernel gather them (Nagle's algorithm)."""
        if not self._closed:
            try:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1 if value else 0)
            except OSError as error:
                # A unix socket gathers nothing, and knows no such option.  The peer may have reset
                # the connection already; some systems say EINVAL then.
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise

    def _handle_connect(self) -> None:
        error = self.get_fd_error()
        if error is not None:
            gen_log.warning("Connect error on fd %s: %s", self.socket.fileno(), error)
            return self.close(exc_info=error)
        self._connecting = False
        future, self._connect_future = self._connect_future, None
        if future is not None:
            future.set_result(self)

    def _finish_closing(self) -> None:
        self._connecting = False
        if self._connect_future is not None:
            future, self._connect_future = self._connect_future, None
            future.set_exception(StreamClosedError(self.error))
        super()._finish_closing()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.socket!r}>"


def __getattr__(name: str) -> Any:
    if name == "SSLIOStream":
        from .ssliostream import SSLIOStream

        return SSLIOStream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
