"""SSLIOStream: a stream whose bytes are encrypted on the way.

    application <── bytes ──> SSLIOStream <── bytes ──> ssl object <── records ──> socket

Between us and the socket stands OpenSSL, with a buffer and a will of its own:

- Nothing passes before the *handshake*, which takes several round trips, each of which may
  have to wait for READ or for WRITE.
- One record from the socket may hold more bytes than we asked for.  The rest waits inside the
  ssl object, and epoll, which sees the socket alone, will never tell.
- A read may have to write first, and a write to read.

Tornado 4.4: SSLIOStream in tornado/iostream.py.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Any, ClassVar

from . import netutil
from .concurrent import Future
from .iostream import WRITE_CHUNK_SIZE, Data, IOStream, Socket
from .log import gen_log
from .poller import READ, WRITE

# What OpenSSL says of an end in the middle of the encryption: a reset, as any other.  A client is
# told, since anybody on the way could have cut its answer short; a server's requests say their
# own length.
CUT_SHORT = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


class SSLIOStream(IOStream):
    """A stream over an `ssl.SSLSocket` made with `do_handshake_on_connect=False`.

    Or over a plain socket that is not connected yet: then `connect` wraps it, with
    `ssl_options` (a context, or a dict as for `ssl_options_to_context`; by default, the
    system's certificates are trusted and the server's name is checked).
    Reads and writes may be called at once; they wait for the handshake.
    """

    encrypted: ClassVar[bool] = True

    def __init__(self, socket: Socket, *args: Any, **kwargs: Any) -> None:
        self._ssl_options = kwargs.pop("ssl_options", None)
        self._server_hostname: str | None = None
        self._handshake_future: Future[SSLIOStream] | None = None
        super().__init__(socket, *args, **kwargs)
        self._connecting = True
        if isinstance(socket, ssl.SSLSocket):
            self._handshake()

    def connect(self, address: Any, server_hostname: str | None = None) -> Future[IOStream]:
        """Connect and shake hands; resolve with self.  `server_hostname`: whose certificate."""
        options = self._ssl_options or {}
        self._ssl_options = netutil.ssl_options_to_context(options, server_side=False)
        if self._ssl_options.check_hostname and server_hostname is None:
            raise ValueError("connect() needs server_hostname: whose certificate to expect")
        self._server_hostname = server_hostname
        return super().connect(address)

    def wait_for_handshake(self) -> Future[SSLIOStream]:
        """Resolve with self when the handshake is done, e.g. to look at the peer's certificate."""
        if self._handshake_future is not None:
            raise RuntimeError("Already waiting")
        future: Future[SSLIOStream] = Future()
        if self._closed:
            self._fail(future)
        elif self._connecting:
            self._handshake_future = future
        else:
            future.set_result(self)
        return future

    # ---- the file ----

    def read_from_fd(self) -> bytes | None:
        if self._connecting:
            return None
        try:
            # A short answer means nothing here: the ssl object may hold another record.  So
            # _maybe_readable stays until OpenSSL itself asks for the socket.
            return self.socket.recv(self.read_chunk_size)
        except ssl.SSLWantReadError:
            self._maybe_readable = False
            return None
        except ssl.SSLWantWriteError:
            self._add_io_state(WRITE)
            return None
        except CUT_SHORT as error:
            raise ConnectionResetError(*error.args) from error

    def write_to_fd(self, data: Data) -> int:
        try:
            # OpenSSL wants a write that it could not finish to be repeated with the same bytes,
            # and no fewer.  In pieces of a fixed size, the first piece is just that.
            return self.socket.send(memoryview(data)[:WRITE_CHUNK_SIZE])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except CUT_SHORT as error:
            raise ConnectionResetError(*error.args) from error

    def close_fd(self) -> None:
        if not self._connecting and self.error is None:
            # Say goodbye inside the encryption (close_notify): an end that anybody on the way
            # can forge may have cut an answer short.  We don't wait for the reply.
            with contextlib.suppress(OSError, ValueError):
                self.socket.unwrap()  # type: ignore[attr-defined,unused-ignore]
        super().close_fd()

    # ---- called by the loop ----

    def _handle_events(self, fd: Any, events: int) -> None:
        if self._connecting:
            # The handshake takes what is there, and a read that was asked for the request behind
            # it.  To look for more would find the end of a client that asks but once, before
            # anybody has had a turn to answer.
            events &= ~READ
        elif events & WRITE:
            events |= READ  # it may have been a read that had to write first
        super()._handle_events(fd, events)

    def _handle_connect(self) -> None:
        if not isinstance(self.socket, ssl.SSLSocket):
            error = self.get_fd_error()
            if error is not None:
                gen_log.warning("Connect error on fd %s: %s", self.socket.fileno(), error)
                return self.close(exc_info=error)
            # Put the ssl object between us and the connected socket: the same fd, a new owner.
            self.io_loop.remove_handler(self.socket)
            self._state = None
            try:
                self.socket = netutil.ssl_wrap_socket(
                    self.socket, self._ssl_options, self._server_hostname,
                    do_handshake_on_connect=False, suppress_ragged_eofs=False,
                )  # fmt: skip
            except OSError as reset:  # since we asked for its error
                return self.close(exc_info=reset)
        self._handshake()

    def _handshake(self) -> None:
        """Take the handshake as far as it goes: done, failed, or waiting for READ or WRITE."""
        assert isinstance(self.socket, ssl.SSLSocket)
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            # Not both: a socket is nearly always writable, and would keep the loop spinning.
            self._add_io_state(READ)
            return self._drop_io_state(WRITE)
        except ssl.SSLWantWriteError:
            return self._add_io_state(WRITE)
        except OSError as error:
            # Port scans and load balancers knock and leave, which is worth no line.  Plain HTTP
            # on this port, an unknown certificate, noise: one line, no traceback.
            if isinstance(error, ssl.SSLError) and not isinstance(error, CUT_SHORT):
                gen_log.warning("SSL Error on %s: %s", self.socket.fileno(), error)
            return self.close(exc_info=error)
        self._connecting = False
        futures = self._connect_future, self._handshake_future
        self._connect_future = self._handshake_future = None
        for future in futures:
            if future is not None:
                future.set_result(self)
        if self._write_buffer:  # written while we shook hands
            self._add_io_state(WRITE)
        # Who reads already has asked for READ, which was forgotten with the plain socket.
        self._handle_read()

    def _finish_closing(self) -> None:
        future, self._handshake_future = self._handshake_future, None
        if future is not None:
            self._fail(future)
        super()._finish_closing()


def accept_ssl(connection: Socket, context: ssl.SSLContext, *args: Any) -> SSLIOStream | None:
    """Return a stream over an accepted connection; None, and it is closed, if the peer has left.

    `args` are SSLIOStream's.
    """
    try:
        # A client that has reset the connection by now: wrap_socket would take it for a socket
        # that is yet to be connected, or raise and keep the fd.
        connection.getpeername()
        wrapped = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    except OSError:
        connection.close()
        return None
    return SSLIOStream(wrapped, *args)
