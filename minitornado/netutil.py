"""Sockets that listen: how they are made, and how what knocks is let in.

    bind_sockets(port)                  one non-blocking listening socket an address family
    add_accept_handler(sock, callback)  the loop calls back with (connection, address)

Tornado 4.4: tornado/netutil.py.  Left out: the resolvers (`connect` takes addresses),
SSL matching for Pythons before 2.7.9.
"""

from __future__ import annotations

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
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("the platform doesn't support SO_REUSEPORT")
    sockets: list[socket.socket] = []
    if address == "":
        address = None
    if not socket.has_ipv6 and family == socket.AF_UNSPEC:
        family = socket.AF_INET
    if flags is None:
        flags = socket.AI_PASSIVE
    try:
        # A set: some systems answer the same address twice.
        infos = set(socket.getaddrinfo(address, port, family, socket.SOCK_STREAM, 0, flags))
        for af, _type, proto, _name, sockaddr in sorted(infos, key=lambda info: info[0]):
            sock = _bind(af, proto, sockaddr, port, sockets, reuse_port)
            if sock is not None:
                sockets.append(sock)
                sock.listen(backlog)  # may fail as well as bind, if somebody else was faster
    except BaseException:
        for sock in sockets:  # half of the addresses is no server
            sock.close()
        raise
    return sockets


def _bind(
    family: int,
    proto: int,
    sockaddr: Any,
    port: int,
    sockets: list[socket.socket],
    reuse_port: bool,
) -> socket.socket | None:
    """Bind one socket of `bind_sockets`; None where the kernel lacks the address family."""
    try:
        sock = socket.socket(family, socket.SOCK_STREAM, proto)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise
    host, wanted = sockaddr[:2]
    try:
        if os.name != "nt":
            # A server that is started again must not wait until its old connections have
            # left TIME_WAIT.  (On Windows the option means something else: to steal a port.)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # Else Linux's IPv6 socket takes the IPv4 port too, and the second bind fails.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if port == 0 and sockets:
            wanted = sockets[0].getsockname()[1]  # the port that the kernel chose for the first
        sock.setblocking(False)
        sock.bind((host, wanted, *sockaddr[2:]))
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL and host == "::1":
            return None  # "localhost" is ::1 too, in containers that have no IPv6
        raise
    return sock


def bind_unix_socket(
    file: str, mode: int = 0o600, backlog: int = DEFAULT_BACKLOG
) -> socket.socket:
    """Return a socket that listens at the path `file`, with permissions `mode`.

    A socket that a dead server left there is removed; anything else is a ValueError.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if os.path.exists(file):
            if not stat.S_ISSOCK(os.stat(file).st_mode):
                raise ValueError(f"File {file} exists and is not a socket")
            os.remove(file)
        sock.bind(file)
        os.chmod(file, mode)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
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


def is_valid_ip(ip: str) -> bool:
    """Tell whether `ip` is an IPv4 or IPv6 address in numbers.

    >>> is_valid_ip("127.0.0.1"), is_valid_ip("::1"), is_valid_ip("localhost"), is_valid_ip("")
    (True, True, False, False)
    """
    if not ip or "\x00" in ip:
        return False  # some getaddrinfo takes "" for localhost, or stops at a NUL
    try:
        flags = socket.AI_NUMERICHOST
        return bool(socket.getaddrinfo(ip, 0, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, flags))
    except (OSError, UnicodeError):
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
    known = {
        "certfile", "keyfile", "cert_reqs", "ca_certs", "ciphers", "ssl_version", "alpn_protocols",
    }  # fmt: skip
    unknown = set(ssl_options) - known
    if unknown:
        raise ValueError(f"unknown ssl_options: {', '.join(sorted(unknown))}")
    if server_side is None:
        server_side = "certfile" in ssl_options
    protocol = ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT
    context = ssl.SSLContext(ssl_options.get("ssl_version") or protocol)
    if "certfile" in ssl_options:
        context.load_cert_chain(ssl_options["certfile"], ssl_options.get("keyfile"))
    if "cert_reqs" in ssl_options:
        if ssl_options["cert_reqs"] == ssl.CERT_NONE:
            context.check_hostname = False  # a name can't be checked on no certificate
        context.verify_mode = ssl_options["cert_reqs"]
    if "ca_certs" in ssl_options:
        context.load_verify_locations(ssl_options["ca_certs"])
    elif not server_side and context.verify_mode != ssl.CERT_NONE:
        context.load_default_certs()
    if "ciphers" in ssl_options:
        context.set_ciphers(ssl_options["ciphers"])
    if "alpn_protocols" in ssl_options:
        context.set_alpn_protocols(ssl_options["alpn_protocols"])
    return context


def ssl_wrap_socket(
    socket: socket.socket,
    ssl_options: dict[str, Any] | ssl.SSLContext,
    server_hostname: str | None = None,
    **kwargs: Any,
) -> ssl.SSLSocket:
    """Return `socket` as an SSL socket, which owns the fd from now on."""
    context = ssl_options_to_context(ssl_options, kwargs.get("server_side", False))
    return context.wrap_socket(socket, server_hostname=server_hostname, **kwargs)


