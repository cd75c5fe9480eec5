"""tcpserver: listening sockets in, streams out, in each of the ways to start."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from doubles import ExpectLog, open_fds, reset, run, turns
from families import Family
from tls import Certificates

from minitornado.concurrent import Future
from minitornado.ioloop import IOLoop
from minitornado.iostream import IOStream, StreamClosedError
from minitornado.netutil import bind_sockets, bind_unix_socket
from minitornado.ssliostream import SSLIOStream
from minitornado.tcpserver import TCPServer

pytestmark = pytest.mark.usefixtures("quiet_log")


class Keeper(TCPServer):
    """Keeps the streams it is given."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.streams: list[tuple[IOStream, Any]] = []

    def handle_stream(self, stream: IOStream, address: Any) -> object:
        self.streams.append((stream, address))
        return None

    def close(self) -> None:
        self.stop()
        for stream, _address in self.streams:
            stream.close()


def serve(server: TCPServer) -> Any:
    """Let `server` listen on the loopback, and return its address."""
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    return sockets[0].getsockname()


# ---- streams ----


def test_a_connection_becomes_a_stream(io_loop: IOLoop) -> None:
    server = Keeper(max_buffer_size=1000, read_chunk_size=100)
    with socket.create_connection(serve(server)) as client:
        turns(io_loop)
        [(stream, address)] = server.streams
        assert type(stream) is IOStream
        assert address == client.getsockname()
        assert (stream.max_buffer_size, stream.read_chunk_size) == (1000, 100)
        assert stream.io_loop is io_loop
    server.close()


@pytest.mark.deadline(5)
def test_a_socket_that_blocks_does_not_hold_the_loop(io_loop: IOLoop) -> None:
    server = Keeper()
    listener = socket.create_server(("127.0.0.1", 0))
    assert listener.getblocking()
    server.add_socket(listener)
    with socket.create_connection(listener.getsockname()):
        turns(io_loop)  # of which one would wait for a second connection
        assert len(server.streams) == 1
    server.close()


def test_a_server_over_a_unix_socket_has_streams_too(io_loop: IOLoop, tmp_path: Path) -> None:
    server = Keeper()
    server.add_socket(bind_unix_socket(str(tmp_path / "socket")))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "socket"))
        turns(io_loop)
        assert len(server.streams) == 1
    server.close()


def test_a_subclass_defines_handle_stream() -> None:
    with pytest.raises(NotImplementedError, match="handle_stream"):
        TCPServer().handle_stream(None, None)


def test_a_handler_that_fails_costs_its_connection_and_no_other(io_loop: IOLoop) -> None:
    class Failing(Keeper):
        def handle_stream(self, stream: IOStream, address: Any) -> object:
            super().handle_stream(stream, address)
            if len(self.streams) == 1:
                raise ValueError("the first is bad luck")
            return None

    server = Failing()
    address = serve(server)
    with socket.create_connection(address) as first, socket.create_connection(address):
        with ExpectLog("tornado.application", "Error in connection callback") as expected:
            turns(io_loop)
        assert expected.tracebacks == 1
        assert [stream.closed() for stream, _address in server.streams] == [True, False]
        assert first.recv(1) == b""
    server.close()


def test_a_coroutine_handler_that_fails_later_costs_its_connection_too(io_loop: IOLoop) -> None:
    class Failing(Keeper):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            super().handle_stream(stream, address)
            await stream.read_bytes(1)
            raise ValueError("not one byte more")

    server = Failing()
    with socket.create_connection(serve(server)) as client:
        turns(io_loop)
        client.send(b"xy")
        with ExpectLog("tornado.application", "Exception in callback") as expected:
            turns(io_loop, 4)
        assert expected.tracebacks == 1
        assert server.streams[0][0].closed()
    server.close()


def test_a_thread_that_handles_a_stream_and_fails_costs_its_connection_too(
    io_loop: IOLoop,
) -> None:
    futures: list[concurrent.futures.Future[None]] = []

    class Failing(Keeper):
        def handle_stream(self, stream: IOStream, address: Any) -> object:
            super().handle_stream(stream, address)
            futures.append(concurrent.futures.Future())
            return futures[0]

    server = Failing()
    with socket.create_connection(serve(server)):
        turns(io_loop)
        futures[0].set_exception(ValueError("of another thread"))
        with ExpectLog("tornado.application", "Exception in callback") as expected:
            turns(io_loop, 2)
        assert expected.tracebacks == 1
        assert server.streams[0][0].closed()
    server.close()


def test_a_coroutine_handler_is_waited_for_in_silence(io_loop: IOLoop) -> None:
    class Echo(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            try:
                while True:
                    await stream.write(await stream.read_bytes(100, partial=True))
            except StreamClosedError:
                pass

    server = Echo()
    with socket.create_connection(serve(server)) as client:
        client.send(b"hello")
        turns(io_loop, 3)
        assert client.recv(100) == b"hello"
    turns(io_loop, 4)
    server.stop()


def test_a_stream_that_cannot_be_made_is_logged_and_its_fd_closed(io_loop: IOLoop) -> None:
    class Failing(TCPServer):
        def _make_stream(self, connection: socket.socket) -> Any:
            raise ValueError("no stream today")

    server = Failing()
    before = len(open_fds(collected=True))
    with socket.create_connection(serve(server)) as client:
        with ExpectLog("tornado.application", "Error in connection callback"):
            turns(io_loop)
        assert client.recv(1) == b""
    server.stop()
    assert len(open_fds()) == before


# ---- stop ----


def test_a_stopped_server_keeps_its_connections(io_loop: IOLoop) -> None:
    server = Keeper()
    address = serve(server)
    with socket.create_connection(address) as client:
        turns(io_loop)
        server.stop()
        server.stop()  # twice does no harm
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        client.send(b"x")
        assert run(io_loop, wait(server.streams[0][0].read_bytes(1))) == b"x"
    server.close()


async def wait(future: Future[Any]) -> Any:
    return await future


def test_what_was_bound_but_not_started_stops_too(io_loop: IOLoop) -> None:
    # The kernel lets clients in from bind() on, and nobody would ever answer them.
    server = Keeper()
    server.bind(0, "127.0.0.1")
    address = server._pending_sockets[0].getsockname()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_a_socket_that_somebody_else_has_closed_can_be_stopped(io_loop: IOLoop) -> None:
    server = Keeper()
    [sock] = bind_sockets(0, "127.0.0.1")
    server.add_socket(sock)
    io_loop.remove_handler(sock)
    sock.close()
    server.stop()
    assert server._sockets == {}


def test_a_handler_may_stop_the_server(io_loop: IOLoop) -> None:
    class Once(Keeper):
        def handle_stream(self, stream: IOStream, address: Any) -> object:
            self.stop()
            return super().handle_stream(stream, address)

    server = Once()
    address = serve(server)
    clients = [socket.create_connection(address) for _ in range(3)]
    turns(io_loop)
    assert len(server.streams) == 1
    server.close()
    for client in clients:
        client.close()


# ---- the ways to start, in this process ----


def test_listen_serves_at_once_and_may_be_called_again(io_loop: IOLoop) -> None:
    server = Keeper()
    server.listen(0, "127.0.0.1")
    server.listen(0, "127.0.0.1")
    for sock in list(server._sockets.values()):
        socket.create_connection(sock.getsockname()).close()
    turns(io_loop)
    assert len(server.streams) == 2
    server.close()


def test_bind_and_start_in_one_process(io_loop: IOLoop) -> None:
    server = Keeper()
    server.bind(0, "127.0.0.1", family=socket.AF_INET, backlog=5, reuse_port=True)
    assert server._sockets == {}
    server.start()
    server.bind(0, "127.0.0.1")  # after start, it serves at once
    assert len(server._sockets) == 2
    with pytest.raises(AssertionError, match="start"):
        server.start()
    server.close()


def test_the_loop_is_asked_for_when_sockets_are_added(io_loop: IOLoop) -> None:
    # Not when the server is made: after a fork it is another one.
    IOLoop.clear_current()
    server = Keeper()
    assert server.io_loop is None
    assert IOLoop.current(instance=False) is None
    io_loop.make_current()
    serve(server)
    assert server.io_loop is io_loop
    server.close()


def test_a_loop_that_is_given_is_the_one(io_loop: IOLoop) -> None:
    IOLoop.clear_current()
    server = Keeper(io_loop=io_loop)
    with socket.create_connection(serve(server)):
        turns(io_loop)
        assert server.streams[0][0].io_loop is io_loop
    server.close()


# ---- the ways to start, in several processes ----

SERVE = """
    from minitornado import netutil, process
    from minitornado.ioloop import IOLoop
    from minitornado.tcpserver import TCPServer

    class Who(TCPServer):
        async def handle_stream(self, stream, address):
            await stream.write(b"%d\\n" % os.getpid())
            stream.close()
"""
WAYS = {
    "listen": """
    server = Who()
    server.listen(0, "127.0.0.1")
    say(*[sock.getsockname()[1] for sock in server._sockets.values()])
    """,
    "bind and start(n)": """
    server = Who()
    server.bind(0, "127.0.0.1")
    say(server._pending_sockets[0].getsockname()[1])
    server.start({number})
    """,
    "bind_sockets, fork_processes, add_sockets": """
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    say(sockets[0].getsockname()[1])
    process.fork_processes({number})
    server = Who()
    server.add_sockets(sockets)
    """,
}
FORKING = [way for way in WAYS if way != "listen"]
RUN = """
    say("ready", os.getpid())
    IOLoop.current().start()
"""


def program(way: str, number: int = 1, cores: int | None = None) -> str:
    fix = "" if cores is None else f"\n    process.cpu_count = lambda: {cores}\n"
    return SERVE + fix + WAYS[way].format(number=number) + RUN


def ready(family: Family, number: int) -> set[int]:
    """The pids of the next `number` processes that are ready."""
    return {int(line.removeprefix("ready ")) for line in family.lines(number)}


def ask(port: int) -> int:
    """The pid of the process that serves a connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        return int(client.makefile().readline())


def test_one_process_that_listens() -> None:
    with Family(program("listen")) as family:
        port = int(family.line())
        assert ready(family, 1) == {family.pid} == {ask(port)}
        family.signal(signal.SIGTERM)
        assert family.wait() == -signal.SIGTERM


@pytest.mark.parametrize("way", FORKING)
def test_several_processes_serve_one_port(way: str) -> None:
    with Family(program(way, 2)) as family:
        port = int(family.line())
        pids = ready(family, 2)
        assert len(pids) == 2
        assert family.pid not in pids
        # Which of the two gets a connection is the kernel's choice; so one is put to sleep.
        for sleeper in pids:
            os.kill(sleeper, signal.SIGSTOP)
            assert {ask(port)} == pids - {sleeper}
            os.kill(sleeper, signal.SIGCONT)
        family.signal(signal.SIGTERM)
        assert family.wait() == -signal.SIGTERM


@pytest.mark.parametrize("way", FORKING)
def test_no_number_is_one_process_a_core(way: str) -> None:
    with Family(program(way, 0, cores=3)) as family:
        int(family.line())
        assert len(ready(family, 3)) == 3
        family.signal(signal.SIGTERM)
        assert family.wait() == -signal.SIGTERM


@pytest.mark.parametrize("way", FORKING)
def test_a_server_process_that_is_killed_is_back_soon(way: str) -> None:
    with Family(program(way, 2)) as family:
        port = int(family.line())
        pids = ready(family, 2)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        # The port was open all the while: those who knock are served by the new ones.
        assert ask(port) not in pids
        assert not ready(family, 2) & pids
        family.signal(signal.SIGTERM)
        assert family.wait() == -signal.SIGTERM


def test_starting_several_is_refused_once_there_is_a_loop() -> None:
    with Family(SERVE + "\n    IOLoop.current()" + WAYS["bind and start(n)"].format(number=2) + RUN
    ) as family:  # fmt: skip
        family.line()
        assert family.wait() == 1
        assert "RuntimeError: Cannot run in multiple processes" in family.log()


# ---- TLS ----


def test_options_for_tls_are_looked_at_when_the_server_is_made(
    certificates: Certificates, tmp_path: Path
) -> None:
    with pytest.raises(KeyError, match="certfile"):
        TCPServer(ssl_options={"keyfile": certificates.key})
    for key in ("certfile", "keyfile"):
        options = certificates.options | {key: str(tmp_path / "nothing")}
        with pytest.raises(ValueError, match=f"{key} .* does not exist"):
            TCPServer(ssl_options=options)


def test_options_for_tls_become_a_context_once(certificates: Certificates) -> None:
    # A context for every connection would read the files for every connection.
    context = TCPServer(ssl_options=certificates.options).ssl_options
    assert isinstance(context, ssl.SSLContext)
    assert TCPServer(ssl_options=context).ssl_options is context


def test_with_tls_a_connection_becomes_an_ssl_stream(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    server = Keeper(ssl_options=certificates.options, max_buffer_size=1000, read_chunk_size=100)
    with socket.create_connection(serve(server)):
        turns(io_loop)
        [(stream, _address)] = server.streams
        assert type(stream) is SSLIOStream
        assert (stream.max_buffer_size, stream.read_chunk_size) == (1000, 100)
    server.close()


@pytest.mark.parametrize("first", [b"", b"some bytes, which wrap_socket would raise for"])
def test_clients_that_reset_before_accept_leave_nothing(
    io_loop: IOLoop, certificates: Certificates, first: bytes
) -> None:
    server = Keeper(ssl_options=certificates.options)
    address = serve(server)
    before = open_fds(collected=True)
    for _ in range(100):
        client = socket.create_connection(address)
        client.send(first)
        reset(client)
    turns(io_loop, 3)
    assert open_fds() == before
    assert server.streams == []
    server.close()


def test_a_client_that_resets_while_it_is_wrapped_leaves_nothing(
    io_loop: IOLoop, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Keeper(ssl_options=certificates.options)
    client = socket.create_connection(serve(server))
    client.send(b"bytes before the handshake")
    wrap = ssl.SSLContext.wrap_socket

    def reset_then_wrap(*args: Any, **kwargs: Any) -> Any:
        reset(client)
        return wrap(*args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", reset_then_wrap)
    before = len(open_fds(collected=True))
    turns(io_loop, 2)
    # Either wrap_socket has raised, or the stream has found out at once.
    assert all(stream.closed() for stream, _address in server.streams)
    assert len(open_fds()) == before - 1
    server.close()
