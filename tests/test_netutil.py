"""netutil: sockets that listen, how what knocks is let in, and what TLS options mean."""

from __future__ import annotations

import _socket
import errno
import os
import select
import signal
import socket
import ssl
import stat
import time
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from doubles import ExpectLog, FakePoller, open_fds, reset, turns
from families import Family, cpu_seconds
from tls import Certificates

from minitornado import netutil
from minitornado.ioloop import IOLoop
from minitornado.netutil import (
    add_accept_handler,
    bind_sockets,
    bind_unix_socket,
    is_valid_ip,
    ssl_options_to_context,
    ssl_wrap_socket,
)

pytestmark = pytest.mark.usefixtures("quiet_log")

HAS_IPV6 = os.path.exists("/proc/net/if_inet6") and "lo" in Path("/proc/net/if_inet6").read_text()


def families(sockets: list[socket.socket]) -> set[socket.AddressFamily]:
    return {sock.family for sock in sockets}


def close(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


# ---- bind_sockets ----


def test_a_socket_is_bound_listens_and_does_not_block() -> None:
    [sock] = bind_sockets(0, "127.0.0.1")
    with sock:
        assert not sock.getblocking()
        with pytest.raises(BlockingIOError):
            sock.accept()
        with socket.create_connection(sock.getsockname()), sock.accept()[0]:
            pass


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
@pytest.mark.parametrize("address", [None, ""])
def test_no_address_means_all_of_both_families_on_one_port(address: str | None) -> None:
    sockets = bind_sockets(0, address)
    try:
        assert families(sockets) == {socket.AF_INET, socket.AF_INET6}
        [port] = {sock.getsockname()[1] for sock in sockets}
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port)).close()
    finally:
        close(sockets)


def test_a_family_leaves_the_other_out() -> None:
    sockets = bind_sockets(0, family=socket.AF_INET)
    try:
        assert families(sockets) == {socket.AF_INET}
        assert sockets[0].getsockname()[0] == "0.0.0.0"
    finally:
        close(sockets)


def test_without_ipv6_nobody_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_ipv6", False)
    sockets = bind_sockets(0)
    try:
        assert families(sockets) == {socket.AF_INET}
    finally:
        close(sockets)


def test_flags_are_those_of_getaddrinfo() -> None:
    with pytest.raises(socket.gaierror):
        bind_sockets(0, "localhost", flags=socket.AI_NUMERICHOST)
    # Without AI_PASSIVE, None is the loopback.
    sockets = bind_sockets(0, None, family=socket.AF_INET, flags=0)
    try:
        assert sockets[0].getsockname()[0] == "127.0.0.1"
    finally:
        close(sockets)


def test_the_backlog_is_passed_on() -> None:
    [sock] = bind_sockets(0, "127.0.0.1", backlog=1)
    with sock:
        clients = []
        for _ in range(4):  # Linux lets one more than asked for in, and leaves the rest waiting
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(sock.getsockname())
            clients.append(client)
        in_time = select.select([], clients, [], 60)[1]
        while len(in_time) < 2:
            in_time = select.select([], clients, [], 60)[1]
        time.sleep(0.02)  # for those who must not be let in
        assert len(select.select([], clients, [], 0)[1]) == 2
        for client in clients:
            client.close()


def test_two_processes_can_share_a_port_if_both_ask_for_it() -> None:
    [first] = bind_sockets(0, "127.0.0.1", reuse_port=True)
    with first:
        port = first.getsockname()[1]
        [second] = bind_sockets(port, "127.0.0.1", reuse_port=True)
        second.close()
        with pytest.raises(OSError, match="in use"):
            bind_sockets(port, "127.0.0.1")


def test_a_platform_without_shared_ports_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_socket, "SO_REUSEPORT")  # where the standard library looks
    with pytest.raises(ValueError, match="SO_REUSEPORT"):
        bind_sockets(0, reuse_port=True)


def test_a_server_can_start_again_while_its_old_connections_linger() -> None:
    [sock] = bind_sockets(0, "127.0.0.1")
    with sock:
        address = sock.getsockname()
        client = socket.create_connection(address)
        connection, _ = sock.accept()
    connection.close()  # who closes first has the connection in TIME_WAIT
    time.sleep(0.01)
    client.close()
    [again] = bind_sockets(address[1], "127.0.0.1")
    again.close()


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_a_port_that_is_taken_in_one_family_is_no_server() -> None:
    before = open_fds(collected=True)
    [taken] = bind_sockets(0, "::1")
    with taken, pytest.raises(OSError, match="in use"):
        bind_sockets(taken.getsockname()[1])
    assert open_fds() == before


def test_a_socket_that_cannot_listen_is_closed() -> None:
    # With SO_REUSEADDR two may bind one port as long as nobody listens; the second listen fails.
    [sock] = bind_sockets(0, "127.0.0.1")
    port = sock.getsockname()[1]
    sock.close()
    rival = socket.socket()
    rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    class Raced(socket.socket):
        def bind(self, address: Any) -> None:
            rival.bind(address)
            super().bind(address)
            rival.listen()

    before = open_fds(collected=True)
    with rival, pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", Raced)
        with pytest.raises(OSError, match="in use"):
            bind_sockets(port, "127.0.0.1")
        assert open_fds() == before


def test_an_address_that_is_answered_twice_is_bound_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: lookup(*args) * 2)
    close(bind_sockets(0, "127.0.0.1"))  # the second of two would be "in use"


class Failing(socket.socket):
    """A socket which the kernel, or a container without IPv6, refuses for one family."""

    family_refused = socket.AF_INET6
    on_socket: int | None = None
    on_bind: int | None = None

    def __init__(self, family: int = -1, *args: Any, **kwargs: Any) -> None:
        if family == self.family_refused and self.on_socket is not None:
            raise OSError(self.on_socket, "refused")
        super().__init__(family, *args, **kwargs)

    def bind(self, address: Any) -> None:
        if self.family == self.family_refused and self.on_bind is not None:
            raise OSError(self.on_bind, "refused")
        super().bind(address)


def failing(monkeypatch: pytest.MonkeyPatch, **failures: int) -> None:
    monkeypatch.setattr(socket, "socket", type("Failing", (Failing,), failures))
    lookup = socket.getaddrinfo

    def both(host: Any, *args: Any) -> Any:
        address = (host if ":" in host else "::1", 0, 0, 0)
        six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", address)
        return [six, *lookup("127.0.0.1", *args)]

    monkeypatch.setattr(socket, "getaddrinfo", both)


def test_a_kernel_without_ipv6_serves_the_other_family(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, on_socket=errno.EAFNOSUPPORT)
    sockets = bind_sockets(0, "localhost")
    assert families(sockets) == {socket.AF_INET}
    close(sockets)


def test_localhost_may_have_an_ipv6_address_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(monkeypatch, on_bind=errno.EADDRNOTAVAIL)
    sockets = bind_sockets(0, "localhost")
    assert families(sockets) == {socket.AF_INET}
    close(sockets)


def test_any_other_address_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # Half of the addresses that a name stands for is not what was asked for.
    failing(monkeypatch, on_bind=errno.EADDRNOTAVAIL)
    before = open_fds(collected=True)
    with pytest.raises(OSError, match="refused"):
        bind_sockets(0, "2001:db8::1")
    assert open_fds() == before


@pytest.mark.parametrize("failure", [
    {"on_bind": errno.EADDRNOTAVAIL}, {"on_socket": errno.EAFNOSUPPORT},
])  # fmt: skip
def test_no_address_at_all_is_an_error_and_no_server_without_sockets(
    monkeypatch: pytest.MonkeyPatch, failure: dict[str, int]
) -> None:
    # As for "localhost", but there is no other address that could stand for this one.
    failing(monkeypatch, **failure)
    both = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: both(*args)[:1])
    with pytest.raises(OSError, match="refused"):
        bind_sockets(0, "::1")


def test_no_room_for_a_socket_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, on_socket=errno.EMFILE)
    with pytest.raises(OSError, match="refused"):
        bind_sockets(0, "localhost")


# ---- bind_unix_socket ----


def test_a_unix_socket_listens_at_a_path_with_a_mode(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with bind_unix_socket(path, mode=0o640) as sock:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
        assert not sock.getblocking()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
    # What is left of it is taken over.
    with bind_unix_socket(path):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    before = open_fds(collected=True)
    with pytest.raises(ValueError, match="exists and is not a socket"):
        bind_unix_socket(str(path))
    assert path.read_text() == "precious"
    assert open_fds() == before


# ---- add_accept_handler ----


class Listener:
    """A listening socket whose accept() gives what a script says, and then "nobody"."""

    FD = 100_000

    def __init__(self, *script: Any) -> None:
        self.script = deque(script)
        self.accepts = 0
        self.fd = self.FD

    def fileno(self) -> int:
        return self.fd

    def accept(self) -> tuple[Any, Any]:
        self.accepts += 1
        step = self.script.popleft() if self.script else BlockingIOError()
        if isinstance(step, BaseException):
            raise step
        return step, ("address", 1)


def listen(
    fake: tuple[IOLoop, FakePoller], *script: Any
) -> tuple[IOLoop, FakePoller, Any, list[Any]]:
    loop, poller = fake
    listener: Any = Listener(*script)
    accepted: list[Any] = []
    add_accept_handler(listener, lambda connection, address: accepted.append(connection))
    return loop, poller, listener, accepted


def readable(loop: IOLoop, poller: FakePoller, times: int = 1) -> None:
    """One turn of the loop for each READ event on the listener."""
    for _ in range(times):
        poller.script.append([(Listener.FD, IOLoop.READ)])
        poller.script.append(lambda: loop.stop())
        loop.start()


def test_one_event_lets_in_all_who_wait(fake: Any) -> None:
    loop, poller, listener, accepted = listen(fake, "a", "b", "c")
    readable(loop, poller)
    assert accepted == ["a", "b", "c"]
    assert listener.accepts == 4  # the last one says that nobody is left


def test_one_event_does_not_let_in_more_than_the_backlog(fake: Any) -> None:
    # Those who were let in wait for an answer while we stand at the door.
    loop, poller, _listener, accepted = listen(fake, *range(200))
    readable(loop, poller)
    assert len(accepted) == netutil.DEFAULT_BACKLOG == 128
    readable(loop, poller)
    assert len(accepted) == 200


def test_who_left_while_waiting_does_not_stop_the_next(fake: Any) -> None:
    loop, poller, _listener, accepted = listen(fake, ConnectionAbortedError(), "b")
    readable(loop, poller)
    assert accepted == ["b"]


def test_an_error_of_the_socket_is_logged_and_the_loop_goes_on(fake: Any) -> None:
    loop, poller, _listener, accepted = listen(fake, OSError(errno.EINVAL, "odd"), "b")
    with ExpectLog("tornado.application", "Exception in callback"):
        readable(loop, poller)
    readable(loop, poller)
    assert accepted == ["b"]


@pytest.mark.parametrize("number", sorted(netutil.NO_ROOM))
def test_without_room_the_door_is_shut_for_a_second(fake: Any, number: int) -> None:
    loop, poller, _listener, accepted = listen(fake, "a", OSError(number, "no room"), "b")
    started = poller.clock()
    with ExpectLog("tornado.general", "can't accept connections for 1 s: .*no room") as expected:
        readable(loop, poller)
    assert (accepted, expected.matched) == (["a"], 1)
    assert Listener.FD not in poller.watched  # else it would be reported, and fail, at once
    poller.script.append(lambda: poller.clock.advance(netutil.NO_ROOM_PAUSE))
    poller.script.append([(Listener.FD, IOLoop.READ)])
    poller.script.append(lambda: loop.stop())
    loop.start()
    assert poller.clock() - started == pytest.approx(1.0)
    assert accepted == ["a", "b"]


def test_a_server_that_stopped_while_the_door_was_shut_stays_stopped(fake: Any) -> None:
    loop, poller, listener, _accepted = listen(fake, OSError(errno.EMFILE, "no room"))
    with ExpectLog("tornado.general", "can't accept"):
        readable(loop, poller)
    listener.fd = -1
    poller.script.append(lambda: poller.clock.advance(netutil.NO_ROOM_PAUSE))
    poller.script.append(lambda: loop.stop())
    loop.start()
    assert not {-1, Listener.FD} & poller.watched.keys()


def test_a_request_may_tell_the_server_to_stop(fake: Any) -> None:
    # The application can run inside accept's own event; the socket is gone when it returns.
    loop, poller = fake
    listener: Any = Listener("a", OSError(errno.EBADF, "closed"))
    accepted: list[Any] = []

    def stop(connection: Any, address: Any) -> None:
        accepted.append(connection)
        loop.remove_handler(listener)
        listener.fd = -1

    add_accept_handler(listener, stop, io_loop=loop)
    readable(loop, poller)
    assert (accepted, listener.accepts) == (["a"], 1)


def test_a_connection_and_its_address_are_handed_over(io_loop: IOLoop) -> None:
    got: list[tuple[socket.socket, Any]] = []
    [sock] = bind_sockets(0, "127.0.0.1")
    add_accept_handler(sock, lambda *args: got.append(args))
    with socket.create_connection(sock.getsockname()) as client:
        turns(io_loop, 2)
        [(connection, address)] = got
        assert address == client.getsockname()
        connection.close()
    io_loop.remove_handler(sock)
    sock.close()


def test_who_reset_the_connection_before_it_was_accepted_harms_nobody(io_loop: IOLoop) -> None:
    got: list[socket.socket] = []
    [sock] = bind_sockets(0, "127.0.0.1")
    add_accept_handler(sock, lambda connection, address: got.append(connection))
    for _ in range(5):
        reset(socket.create_connection(sock.getsockname()))
    client = socket.create_connection(sock.getsockname())
    turns(io_loop, 2)
    assert got[-1].getpeername() == client.getsockname()
    for each in (*got, client, sock):
        if each is sock:
            io_loop.remove_handler(sock)
        each.close()


NO_ROOM_SERVER = """
    from minitornado.ioloop import IOLoop
    from minitornado.netutil import add_accept_handler, bind_sockets
    [sock] = bind_sockets(0, "127.0.0.1")
    loop = IOLoop.current()
    held = []
    turned_out = False
    def let_in(connection, address):
        held.append(connection)
        if turned_out:
            say("in")
    add_accept_handler(sock, let_in)
    def turn_out():
        global turned_out
        turned_out = True
        while held:
            held.pop().close()
    signal.signal(signal.SIGUSR1, lambda *args: loop.add_callback_from_signal(turn_out))
    signal.signal(signal.SIGTERM, lambda *args: loop.add_callback_from_signal(loop.stop))
    say(sock.getsockname()[1])
    loop.start()
"""


def test_a_process_out_of_fds_neither_spins_nor_floods_the_log_and_recovers() -> None:
    with Family(NO_ROOM_SERVER, nofile=48) as family:
        port = int(family.line())
        began = time.monotonic()
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
        while "can't accept connections for 1 s" not in family.log():
            time.sleep(0.01)
        used = cpu_seconds(family.pid)
        time.sleep(1.2)
        used = cpu_seconds(family.pid) - used
        lines = family.log().count("can't accept connections for 1 s")
        assert used < 0.3, f"{used:g} s of CPU in 1.2 s"
        assert lines <= 1 + (time.monotonic() - began) / netutil.NO_ROOM_PAUSE, family.log()
        family.signal(signal.SIGUSR1)
        assert family.line() == "in"  # those who had to wait
        family.signal(signal.SIGTERM)
        assert family.wait() == 0
        assert "Traceback" not in family.log()
        for client in clients:
            client.close()


# ---- is_valid_ip ----


@pytest.mark.parametrize("ip", ["127.0.0.1", "4.4.4.4", "::1", "2620:0:1cfe:face:b00c::3"])
def test_an_address_in_numbers_is_valid(ip: str) -> None:
    assert is_valid_ip(ip)


@pytest.mark.parametrize("ip", [
    "localhost", "www.example.com", "4.4.4.4<", " 127.0.0.1", "127.0.0.1 x", "\n127.0.0.1",
    "127.0.0.1\n", "", " ", "\n", "\x00", "127.0.0.1\x00x", "a" * 100, "\xe4" * 70, "1.2.3.4.5",
    None,
])  # fmt: skip
def test_what_is_no_address_is_not_valid_and_no_error(ip: str | None) -> None:
    assert not is_valid_ip(ip)


# ---- TLS options ----


def test_a_context_is_taken_as_it_is() -> None:
    context = ssl.create_default_context()
    assert ssl_options_to_context(context) is context


def test_options_make_a_server_of_who_has_a_certificate(certificates: Certificates) -> None:
    context = ssl_options_to_context(certificates.options)
    assert context.protocol == ssl.PROTOCOL_TLS_SERVER
    assert context.verify_mode == ssl.CERT_NONE


def test_a_client_trusts_nobody_without_a_certificate_and_a_name() -> None:
    context = ssl_options_to_context({})
    assert context.protocol == ssl.PROTOCOL_TLS_CLIENT
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] > 0 or not ssl.get_default_verify_paths().cafile


def test_a_client_may_have_a_certificate_of_its_own(certificates: Certificates) -> None:
    # It is no server for all that: with a server's context nobody's certificate was looked at.
    context = ssl_options_to_context(certificates.options, server_side=False)
    assert context.protocol == ssl.PROTOCOL_TLS_CLIENT
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_each_option_is_set(certificates: Certificates) -> None:
    context = ssl_options_to_context({
        **certificates.options, "cert_reqs": ssl.CERT_REQUIRED, "ca_certs": certificates.ca,
        "ciphers": "ECDHE-RSA-AES128-GCM-SHA256", "alpn_protocols": ["http/1.1"],
    })  # fmt: skip
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509"] == 1
    names = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"}
    assert names == {"ECDHE-RSA-AES128-GCM-SHA256"}


def test_the_version_says_what_the_context_is_for() -> None:
    context = ssl_options_to_context({"ssl_version": ssl.PROTOCOL_TLS_SERVER})
    assert context.protocol == ssl.PROTOCOL_TLS_SERVER


def test_a_client_may_ask_for_no_certificate() -> None:
    context = ssl_options_to_context({"cert_reqs": ssl.CERT_NONE})
    assert context.verify_mode == ssl.CERT_NONE
    assert not context.check_hostname
    assert context.cert_store_stats()["x509"] == 0


def test_an_option_that_nobody_knows_is_an_error() -> None:
    # One letter wrong in ca_certs, and every certificate would be trusted.
    with pytest.raises(ValueError, match=r"unknown ssl_options: ca_cert$"):
        ssl_options_to_context({"ca_cert": "file"})


def test_a_socket_is_wrapped_for_either_side(certificates: Certificates) -> None:
    one, two = socket.socketpair()
    one.setblocking(False)
    server = ssl_wrap_socket(
        one, certificates.options, server_side=True, do_handshake_on_connect=False)  # fmt: skip
    client = ssl_wrap_socket(
        two, {**certificates.options, "ca_certs": certificates.ca}, "localhost",
        do_handshake_on_connect=False)  # fmt: skip
    assert server.context.protocol == ssl.PROTOCOL_TLS_SERVER
    assert client.context.protocol == ssl.PROTOCOL_TLS_CLIENT
    assert one.fileno() == two.fileno() == -1
    server.close()
    client.close()
