"""Sockets that listen: how they are made, and how what knocks is let in.

    bind_sockets(port)                  one non-blocking listening socket an address family
    add_accept_handler(sock, callback)  the loop calls back with (connection, address)

Tornado 4.4: tornado/netutil.py.  Left out: the resolvers (`connect` takes addresses),
SSL matching for Pythons before 2.7.9.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .ioloop import IOLoop
from .log import gen_log

if TYPE_CHECKING:  # loading it takes 6 ms and 4 MB, which a server without TLS need not spend
    import ssl

# Connections that the kernel keeps for us until we accept them; also how many of them we let
# in before the loop turns to somebody else.
DEFAULT_BACKLOG = 128

# What accept() says when this process, or the machine, has no room for one more fd.
NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# How long we leave the door shut then, in seconds.
NO_ROOM_PAUSE = 1.0

AcceptCallback = Callable[[socket.socket, Any], object]


def bind_sockets(
    port: int, address: str | None = None, family: int = socket.AF_UNSPEC,
    backlog: int = DEFAULT_BACKLOG, flags: int | None = None, reuse_port: bool = False,
) -> list[socket.socket]:  # fmt: skip
    """Return listening sockets for `port` on all addresses that `address` stands for.

    None or "" is every interface.  Port 0 lets the kernel choose, the same for all of them.
    `family` AF_INET leaves IPv6 out; `flags` are those of `getaddrinfo`.  `reuse_port` lets
    several processes listen on one port.  Raises OSError, e.g. if the port is taken.
    """
    if not socket.has_ipv6 and family == socket.AF_UNSPEC:
        family = socket.AF_INET
    flags = socket.AI_PASSIVE if flags is None else flags
    # A set: some systems answer the same address twice.
    infos = set(socket.getaddrinfo(address or None, port, family, socket.SOCK_STREAM, 0, flags))
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as opened:  # closes them: half of the addresses is no server
        for af, _type, _proto, _name, (host, wanted, *rest) in sorted(infos):
            if port == 0 and sockets:
                wanted = sockets[0].getsockname()[1]  # the port that the kernel chose for the first
            try:
                sock = socket.create_server(
                    (host, wanted, *rest), family=af, backlog=backlog, reuse_port=reuse_port
                )
            except OSError as error:
                # The kernel knows no IPv6; or it does, and "localhost" is ::1 too, but in a
                # container that has no such address.  There is another one, then.
                no_localhost = host == "::1" and error.errno == errno.EADDRNOTAVAIL
                if len(infos) == 1 or not (error.errno == errno.EAFNOSUPPORT or no_localhost):
                    raise
            else:
                sock.setblocking(False)
                sockets.append(opened.enter_context(sock))
        opened.pop_all()
    return sockets


def bind_unix_socket(file: str, mode: int = 0o600, backlog: int = DEFAULT_BACKLOG) -> socket.socket:
    """Return a socket that listens at the path `file`, with permissions `mode`.

    A socket that a dead server left there is removed; anything else is a ValueError.
    """
    if os.path.exists(file):
        if not stat.S_ISSOCK(os.stat(file).st_mode):
            raise ValueError(f"File {file} exists and is not a socket")
        os.remove(file)
    with contextlib.ExitStack() as opened:
        sock = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        sock.setblocking(False)
        sock.bind(file)
        os.chmod(file, mode)
        sock.listen(backlog)
        opened.pop_all()
    return sock


def add_accept_handler(
    sock: socket.socket, callback: AcceptCallback, io_loop: IOLoop | None = None
) -> None:
    """Call `callback(connection, address)` for every connection that comes in on `sock`.

    The connection's owner is the callback: it closes it.  Tornado 4.4: add_accept_handler.
    """
    loop: IOLoop = io_loop or IOLoop.current()

    def accept_handler(fd: Any, events: int) -> None:
        # Several may have come since the last poll: one event serves them all.  But not
        # without end: those who were let in wait for an answer while we stand at the door.
        for _ in range(DEFAULT_BACKLOG):
            try:
                connection, address = sock.accept()
            except BlockingIOError:
                return  # that was the last one
            except ConnectionAbortedError:
                continue  # it left while it was waiting; the next one may be there
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                return _pause_accepting(loop, sock, accept_handler, error)
            callback(connection, address)
            if sock.fileno() == -1:
                return  # that request was for the server to stop

    loop.add_handler(sock, accept_handler, IOLoop.READ)


def _pause_accepting(loop: IOLoop, sock: socket.socket, handler: Any, error: OSError) -> None:
    """Stop looking at `sock` for a moment: there is no room for the connection that waits.

    It stays readable, so the loop would call us again at once, for as long as nobody leaves.
    """
    gen_log.error("can't accept connections for %g s: %s", NO_ROOM_PAUSE, error)
    loop.remove_handler(sock)

    def resume() -> None:
        if sock.fileno() != -1:  # the server may have stopped meanwhile
            loop.add_handler(sock, handler, IOLoop.READ)

    loop.call_later(NO_ROOM_PAUSE, resume)


def is_valid_ip(ip: str | None) -> bool:
    """Tell whether `ip` is an IPv4 or IPv6 address in numbers, all of them (Tornado takes 127.1).

    >>> [is_valid_ip(ip) for ip in ("127.0.0.1", "::1", "127.1", "localhost", "")]
    [True, True, False, False, False]
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):  # the latter for a NUL, or what isn't ASCII
            socket.inet_pton(family, ip or "")  # None is a field that isn't there
            return True
    return False


def ssl_options_to_context(
    ssl_options: dict[str, Any] | ssl.SSLContext, server_side: bool | None = None
) -> ssl.SSLContext:
    """Return `ssl_options` as a context: itself, or made of a dict as `ssl.wrap_socket` once took.

    Keys: certfile, keyfile, cert_reqs, ca_certs, ciphers, ssl_version; alpn_protocols beside
    Tornado's.  A client's context (`server_side` False) trusts nobody without a certificate,
    and wants the name to be right; None is for those who don't say: who has a certificate of
    his own is taken for a server.
    """
    import ssl

    if isinstance(ssl_options, ssl.SSLContext):
        return ssl_options
    options = dict(ssl_options)
    certfile, keyfile = options.pop("certfile", None), options.pop("keyfile", None)
    if server_side is None:
        server_side = certfile is not None
    protocol = ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT
    context = ssl.SSLContext(options.pop("ssl_version", None) or protocol)
    if server_side:
        # A client that ends without a goodbye may still wait for its answer.  OpenSSL would take
        # that for an attack, and let us write no more.
        context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    if certfile is not None:
        context.load_cert_chain(certfile, keyfile)
    cert_reqs = options.pop("cert_reqs", context.verify_mode)
    context.check_hostname &= cert_reqs != ssl.CERT_NONE  # no certificate, no name to check
    context.verify_mode = cert_reqs
    if ca_certs := options.pop("ca_certs", None):
        context.load_verify_locations(ca_certs)
    elif not server_side and cert_reqs != ssl.CERT_NONE:
        context.load_default_certs()
    if ciphers := options.pop("ciphers", None):
        context.set_ciphers(ciphers)
    if alpn_protocols := options.pop("alpn_protocols", None):
        context.set_alpn_protocols(alpn_protocols)
    if options:
        raise ValueError(f"unknown ssl_options: {', '.join(sorted(options))}")
    return context


def ssl_wrap_socket(
    socket: socket.socket, ssl_options: dict[str, Any] | ssl.SSLContext,
    server_hostname: str | None = None, **kwargs: Any,
) -> ssl.SSLSocket:  # fmt: skip
    """Return `socket` as an SSL socket, which owns the fd from now on."""
    context = ssl_options_to_context(ssl_options, kwargs.get("server_side", False))
    return context.wrap_socket(socket, server_hostname=server_hostname, **kwargs)


