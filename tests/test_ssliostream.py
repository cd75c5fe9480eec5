"""ssliostream: a handshake, and bytes behind records, whatever the pieces they come in.

The other end is OpenSSL over two byte buffers (`tls.Client`), so that a test decides which bytes of
which record travel when; or, as judges from outside, Python's blocking sockets, `openssl
s_client` and curl.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from doubles import ExpectLog, open_fds, reset, run, turns
from tls import Certificates, Client

from minitornado import iostream, ssliostream
from minitornado.concurrent import Future
from minitornado.gen import convert_yielded, sleep
from minitornado.httpserver import HTTPServer
from minitornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from minitornado.ioloop import IOLoop
from minitornado.iostream import IOStream, StreamClosedError
from minitornado.netutil import bind_sockets, ssl_options_to_context
from minitornado.ssliostream import SSLIOStream, accept_ssl

pytestmark = [pytest.mark.usefixtures("quiet_log"), pytest.mark.deadline(120)]

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
MIB = 1024 * 1024


@contextlib.contextmanager
def accepted(
    loop: IOLoop, context: ssl.SSLContext, **options: Any
) -> Iterator[tuple[SSLIOStream, socket.socket]]:
    """An accepted stream, whose handshake has not begun on the other side, and the raw peer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        connection, _address = listener.accept()
    for sock in (peer, connection):  # what is sent is to be there at once
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    limits = [options.pop(name, None) for name in ("max_buffer_size", "read_chunk_size")]
    stream = accept_ssl(connection, context, loop, *limits)
    assert not options
    assert stream is not None
    try:
        yield stream, peer
    finally:
        stream.close()
        peer.close()


@contextlib.contextmanager
def connected(
    loop: IOLoop, certificates: Certificates, **options: Any
) -> Iterator[tuple[SSLIOStream, Client]]:
    """The same with the handshake done."""
    with accepted(loop, certificates.server_context(), **options) as (stream, peer):
        client = Client(loop, peer, certificates.client_context())
        client.handshake()
        yield stream, client


def idle_polls(loop: IOLoop, seconds: float = 0.05) -> int:
    """How often the loop polls in a time in which nothing happens."""
    polls = 0
    poll = loop._poller.poll

    def counting(limit: float | None) -> Any:
        nonlocal polls
        polls += 1
        return poll(limit)

    loop._poller.poll = counting  # type: ignore[method-assign]
    run(loop, sleep(seconds).__await__())  # type: ignore[arg-type]
    loop._poller.poll = poll  # type: ignore[method-assign]
    return polls


async def wait(future: Future[Any]) -> Any:
    return await future


# ---- the handshake ----


@pytest.mark.parametrize("size", [1, 7, None])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_handshake_may_come_byte_by_byte(
    io_loop: IOLoop, certificates: Certificates, version: ssl.TLSVersion, size: int | None
) -> None:
    with accepted(io_loop, certificates.server_context()) as (stream, peer):
        context = certificates.client_context()
        context.minimum_version = context.maximum_version = version
        read = stream.read_until(b"\n")
        waiting = stream.wait_for_handshake()
        client = Client(io_loop, peer, context)
        assert not waiting.done()
        client.handshake(size)
        assert waiting.done()
        assert waiting.result() is stream
        client.send(b"hello\n", size=size)
        assert read.result() == b"hello\n"
        stream.write(b"answer")
        assert client.read() == b"answer"


def test_what_is_written_before_the_handshake_follows_it(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    with accepted(io_loop, certificates.server_context()) as (stream, peer):
        futures = [stream.write(b"one "), stream.write(b"two")]
        turns(io_loop, 2)
        assert not any(future.done() for future in futures)
        client = Client(io_loop, peer, certificates.client_context())
        client.handshake()
        assert all(future.done() for future in futures)
        assert client.read() == b"one two"


def test_more_than_the_kernel_takes_may_be_written_before_the_handshake(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    data = bytes(range(256)) * 4096 * 4
    with accepted(io_loop, certificates.server_context()) as (stream, peer):
        future = stream.write(data)
        client = Client(io_loop, peer, certificates.client_context())
        client.handshake()
        got = b""
        while len(got) < len(data):
            got += client.read()
        assert got == data
        assert future.done()


def test_a_client_that_says_nothing_costs_nothing(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    # A socket is nearly always writable: a handshake that asked for WRITE would spin.
    with accepted(io_loop, certificates.server_context()) as (stream, peer):
        stream.write(b"x")
        turns(io_loop, 2)
        assert idle_polls(io_loop) < 5
        peer.send(b"\x16\x03\x01")  # and neither does the beginning of a hello
        assert idle_polls(io_loop) < 5


def test_an_idle_connection_costs_nothing(io_loop: IOLoop, certificates: Certificates) -> None:
    with connected(io_loop, certificates) as (stream, client):
        assert idle_polls(io_loop) < 5  # nobody reads
        client.send(b"unwanted")
        assert idle_polls(io_loop) < 5  # nobody reads what is there
        read = stream.read_bytes(100)
        assert idle_polls(io_loop) < 5
        assert not read.done()


@pytest.mark.parametrize("noise", [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00" * 50, bytes(range(256)), b"\xff" * 5,
    b"\x15\x03\x01\x00\x02\x02\x28",  # an alert: handshake_failure
])  # fmt: skip
def test_noise_on_the_port_is_one_line_in_the_log_and_no_traceback(
    io_loop: IOLoop, certificates: Certificates, noise: bytes
) -> None:
    with accepted(io_loop, certificates.server_context()) as (stream, peer):
        read = stream.read_until(b"\n")
        waiting = stream.wait_for_handshake()
        peer.send(noise)
        with ExpectLog("tornado.general", "SSL Error on ") as expected:
            turns(io_loop, 2)
        assert (expected.matched, expected.tracebacks) == (1, 0)
        assert stream.closed()
        assert isinstance(stream.error, ssl.SSLError)
        for future in (read, waiting):
            with pytest.raises(StreamClosedError):
                future.result()


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
@pytest.mark.parametrize("sent", [0, 3, 100])
@pytest.mark.parametrize("own_context", [True, False])
def test_who_knocks_and_leaves_is_not_worth_a_line(
    io_loop: IOLoop, certificates: Certificates, own_context: bool, sent: int,
    leave: Callable[[socket.socket], None],
) -> None:  # fmt: skip
    # Port scans, and load balancers that look whether we are there, every few seconds.
    options: Any = certificates.server_context() if own_context else certificates.options
    with accepted(io_loop, ssl_options_to_context(options, True)) as (stream, peer):
        stream.wait_for_handshake()  # who doesn't look at the outcome is not told by the log
        client = Client(io_loop, peer, certificates.client_context())
        with contextlib.suppress(ssl.SSLWantReadError):
            client.tls.do_handshake()
        peer.send(client.outgoing.read()[:sent])
        turns(io_loop)
        leave(peer)
        turns(io_loop, 2)
        assert stream.closed()


def test_waiting_for_the_handshake_once_it_is_over(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    with connected(io_loop, certificates) as (stream, _client):
        assert stream.wait_for_handshake().result() is stream
    with accepted(io_loop, certificates.server_context()) as (stream, _peer):
        waiting = stream.wait_for_handshake()
        with pytest.raises(RuntimeError, match="Already waiting"):
            stream.wait_for_handshake()
        stream.close()
        for future in (waiting, stream.wait_for_handshake()):
            with pytest.raises(StreamClosedError):
                future.result()


def test_who_waited_for_the_handshake_may_close_the_stream(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    with accepted(io_loop, certificates.server_context()) as (stream, peer):
        stream.wait_for_handshake().add_done_callback(lambda future: stream.close())
        write = stream.write(b"x")
        read = stream.read_bytes(1)
        Client(io_loop, peer, certificates.client_context()).handshake()
        assert stream.closed()
        for future in (write, read):
            with pytest.raises(StreamClosedError):
                future.result()


def test_a_handshake_that_has_to_wait_for_write_asks_for_write(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    with accepted(io_loop, certificates.server_context()) as (stream, peer):
        shake, states = stream.socket.do_handshake, []  # type: ignore[attr-defined]

        def full_once() -> None:
            states.append(stream._state or 0)
            if len(states) == 1:
                raise ssl.SSLWantWriteError
            shake()

        stream.socket.do_handshake = full_once  # type: ignore[attr-defined]
        peer.send(b"\x16")
        turns(io_loop, 2)
        assert not states[0] & IOLoop.WRITE
        assert states[1] & IOLoop.WRITE
        assert idle_polls(io_loop) < 5  # now it waits for READ again, and for nothing else


# ---- records ----


def test_bytes_inside_the_ssl_object_are_found_without_an_event(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    # One record, three lines. The socket is empty after the first read, and epoll sees that.
    with connected(io_loop, certificates, read_chunk_size=4) as (stream, client):
        first = stream.read_until(b"\n")
        client.send(b"one\ntwo\nthree\n")
        assert first.result() == b"one\n"
        assert stream.read_until(b"\n").result() == b"two\n"
        third = stream.read_until(b"\n")
        turns(io_loop)
        assert third.result() == b"three\n"


def test_a_record_larger_than_a_read_is_read_whole(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    data = bytes(range(256)) * 60
    with connected(io_loop, certificates, read_chunk_size=100) as (stream, client):
        read = stream.read_bytes(len(data))
        client.send(data)
        assert read.result() == data


@pytest.mark.parametrize("size", [1, 3, None])
def test_every_byte_may_be_a_record_of_its_own(
    io_loop: IOLoop, certificates: Certificates, size: int | None
) -> None:
    with connected(io_loop, certificates) as (stream, client):
        read = stream.read_until(b"\r\n\r\n")
        client.send(*[bytes([byte]) for byte in b"a head\r\n\r\nmore"], size=size)
        assert read.result() == b"a head\r\n\r\n"
        assert stream.read_bytes(4).result() == b"more"


def test_many_records_in_one_packet_are_all_read(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    with connected(io_loop, certificates) as (stream, client):
        client.send(*[b"%05d\n" % number for number in range(1000)])
        for number in range(1000):
            assert run(io_loop, wait(stream.read_until(b"\n"))) == b"%05d\n" % number


def test_the_buffer_is_bounded(io_loop: IOLoop, certificates: Certificates) -> None:
    with connected(io_loop, certificates, max_buffer_size=5000) as (stream, client):
        read = stream.read_until(b"\n")
        with ExpectLog("tornado.general", "Reached maximum read buffer size"):
            client.send(b"x" * 6000)
        assert stream.closed()
        with pytest.raises(StreamClosedError):
            read.result()


def test_a_read_that_has_to_write_first_asks_for_write(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    with connected(io_loop, certificates) as (stream, client):
        recv, held = stream.socket.recv, [b""]

        def full_once(size: int) -> bytes:
            if not held[0]:
                held[0] = recv(size)  # so the socket is not readable any more
                raise ssl.SSLWantWriteError
            return held[0]

        stream.socket.recv = full_once  # type: ignore[method-assign, assignment]
        read = stream.read_bytes(2)
        client.send(b"ok")
        turns(io_loop)
        assert read.result() == b"ok"
        del stream.socket.recv
        assert idle_polls(io_loop) < 5  # and WRITE is dropped again


def test_a_record_that_is_damaged_is_one_line_and_the_end(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    with connected(io_loop, certificates) as (stream, client):
        read = stream.read_bytes(1)
        client.tls.write(b"x")
        record = bytearray(client.outgoing.read())
        record[-1] ^= 1
        client.outgoing.write(record)
        with ExpectLog("tornado.general", "error on read: .*") as expected:
            client.flush()
            turns(io_loop)
        assert (expected.matched, expected.tracebacks) == (1, 0)
        assert stream.closed()
        with pytest.raises(StreamClosedError):
            read.result()


# ---- writing ----


def test_a_write_of_nothing_is_done_at_once(io_loop: IOLoop, certificates: Certificates) -> None:
    # An answer to HEAD writes its body as nothing.
    with connected(io_loop, certificates) as (stream, client):
        assert stream.write(b"").done()
        stream.write(b"x")
        assert client.read() == b"x"


@pytest.mark.parametrize("piece", [MIB, 100_000, 1000, 17])
def test_a_slow_reader_gets_every_byte_once_and_in_order(
    io_loop: IOLoop, certificates: Certificates, piece: int
) -> None:
    # OpenSSL answers "bad length" to a write that is repeated with fewer bytes. So: many writes,
    # of which most find the socket full.
    data = bytes(index * 7 % 251 for index in range(piece)) * max(1, 2 * MIB // piece)
    with connected(io_loop, certificates) as (stream, client):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        futures = [stream.write(data[at : at + piece]) for at in range(0, len(data), piece)]
        assert stream.writing()
        got = bytearray()
        while len(got) < len(data):
            got += client.read()
        assert got == data
        turns(io_loop)
        assert all(future.done() for future in futures)
        assert idle_polls(io_loop) < 5


def test_a_write_to_who_has_left_is_no_line_in_the_log(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    for leave in (socket.socket.close, reset):
        with connected(io_loop, certificates) as (stream, client):
            leave(client.sock)
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
            future = stream.write(b"x" * MIB)
            turns(io_loop, 3)
            assert stream.closed()
            with pytest.raises(StreamClosedError):
                future.result()


def test_writing_and_reading_do_not_stand_in_each_others_way(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    data = b"0123456789" * (MIB // 5)
    with connected(io_loop, certificates) as (stream, client):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        write = stream.write(data)
        read = stream.read_bytes(5)
        client.send(b"hello")
        turns(io_loop, 2)
        assert read.result() == b"hello"  # while the write waits for the reader
        assert not write.done()
        got = b""
        while len(got) < len(data):
            got += client.read()
        assert got == data


# ---- the end ----


def test_a_goodbye_is_a_plain_end(io_loop: IOLoop, certificates: Certificates) -> None:
    with connected(io_loop, certificates) as (stream, client):
        read = stream.read_until_close()
        client.tls.write(b"last words")
        with contextlib.suppress(ssl.SSLError):
            client.tls.unwrap()  # sends close_notify
        client.flush()
        turns(io_loop)
        assert read.result() == b"last words"
        assert stream.error is None


def test_a_stream_says_goodbye_inside_the_encryption(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    # An end that anybody on the way can forge may have cut an answer short.
    with connected(io_loop, certificates) as (stream, client):
        stream.write(b"all of it")
        stream.close()
        client.receive()
        client.incoming.write_eof()
        assert client.tls.read(100) == b"all of it"
        assert client.tls.read(100) == b""  # without the goodbye: SSLEOFError
        assert client.ended


def test_after_an_error_there_is_no_goodbye(io_loop: IOLoop, certificates: Certificates) -> None:
    with connected(io_loop, certificates) as (stream, client):
        stream.close(exc_info=ValueError("cut short"))
        client.receive()
        client.incoming.write_eof()
        with pytest.raises(ssl.SSLEOFError):
            client.tls.read(100)


@pytest.mark.parametrize("goodbye", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_who_ends_in_one_breath_with_the_handshake_and_a_request_gets_all_of_its_answer(
    io_loop: IOLoop, certificates: Certificates, version: ssl.TLSVersion, goodbye: bool
) -> None:
    server = ssl_options_to_context(certificates.options, server_side=True)
    context = certificates.client_context()
    context.minimum_version = context.maximum_version = version
    answer = b"0123456789" * (MIB // 5)

    async def serve(stream: SSLIOStream) -> None:
        await stream.read_until(b"\n")
        # As an HTTP server does: it wants to know when the client leaves.
        write = stream.write(answer)
        stream.set_close_callback(lambda: None)
        await write

    with accepted(io_loop, server) as (stream, peer):
        served = convert_yielded(serve(stream))
        client = Client(io_loop, peer, context)
        with contextlib.suppress(ssl.SSLWantReadError):
            client.tls.do_handshake()
        while True:
            client.flush()
            client.receive()
            with contextlib.suppress(ssl.SSLWantReadError):
                client.tls.do_handshake()
                break
        client.tls.write(b"all that I ask\n")
        if goodbye:
            with contextlib.suppress(ssl.SSLError):
                client.tls.unwrap()
        peer.send(client.outgoing.read())
        peer.shutdown(socket.SHUT_WR)
        # With its own goodbye said, OpenSSL's client reads no more: so the bytes are counted.
        while not client.ended:
            turns(io_loop)
            client.receive()
        assert client.incoming.pending > len(answer)
        served.result()
        assert stream.closed()


@pytest.mark.parametrize("goodbye", [True, False])
def test_a_client_can_tell_an_answer_that_was_cut_short(
    io_loop: IOLoop, certificates: Certificates, goodbye: bool
) -> None:
    def serve() -> None:
        connection, _address = listener.accept()
        tls = certificates.server_context().wrap_socket(connection, server_side=True)
        tls.recv(100)
        tls.sendall(b"half of the answ")
        if goodbye:
            with contextlib.suppress(OSError):
                tls.unwrap()
        tls.close()

    async def ask() -> bytes:
        await stream.connect(listener.getsockname(), server_hostname="localhost")
        stream.write(b"?")
        return await stream.read_until_close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        stream = SSLIOStream(socket.socket(), ssl_options=certificates.client_context())
        assert run(io_loop, ask()) == b"half of the answ"
        thread.join(5)
    assert (stream.error is None) == goodbye


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
@pytest.mark.parametrize("stage", ["read", "idle", "listening", "writing"])
def test_who_leaves_abruptly_leaves_nothing(
    io_loop: IOLoop, certificates: Certificates, stage: str, leave: Callable[[socket.socket], None]
) -> None:
    before = open_fds(collected=True)
    with connected(io_loop, certificates) as (stream, client):
        closed: list[bool] = []
        if stage == "read":
            stream.read_bytes(1)
        elif stage == "listening":
            stream.set_close_callback(lambda: closed.append(True))
        elif stage == "writing":
            stream.write(b"x" * 10 * MIB)
        leave(client.sock)
        turns(io_loop, 4)
        if stage != "idle":
            assert stream.closed()
        assert closed == [True] * (stage == "listening")
    assert open_fds() == before


def test_a_connection_that_has_gone_before_it_is_wrapped_gives_no_stream(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        before = open_fds(collected=True)
        reset(socket.create_connection(listener.getsockname()))
        connection, _address = listener.accept()
        assert accept_ssl(connection, certificates.server_context(), io_loop) is None
        assert open_fds() == before


def test_an_unread_end_of_the_encryption_is_a_reset(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    # What OpenSSL calls an EOF is somebody leaving, and leaving is worth no line.
    with connected(io_loop, certificates) as (stream, _client):
        for method, call in (
            ("recv", lambda: stream.read_from_fd()), ("send", lambda: stream.write_to_fd(b"x")),
        ):  # fmt: skip
            for error in (ssl.SSLEOFError(8, "EOF"), ssl.SSLZeroReturnError(6, "closed")):
                def fail(*args: Any, error: ssl.SSLError = error) -> Any:
                    raise error

                setattr(stream.socket, method, fail)
                with pytest.raises(ConnectionResetError):
                    call()
            setattr(stream.socket, method, lambda *args: (_ for _ in ()).throw(ssl.SSLError("bad")))
            with pytest.raises(ssl.SSLError, match="bad"):
                call()


# ---- the client's side ----


class Server:
    """A blocking TLS server in a thread: the judge of our clients."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.context = context
        self.peer: Any = None
        self.sni: str | None = None
        self.error: Exception | None = None
        context.sni_callback = self._remember
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _remember(self, sock: Any, name: str, context: Any) -> None:
        self.sni = name

    def _serve(self) -> None:
        try:
            connection, _address = self.listener.accept()
            connection.settimeout(60)
            with self.context.wrap_socket(connection, server_side=True) as tls:
                self.peer = tls.getpeercert()
                tls.sendall(tls.recv(100).upper())
        except OSError as error:
            self.error = error

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.thread.join(60)
        assert not self.thread.is_alive()
        self.listener.close()


async def talk(stream: SSLIOStream, address: Any, **options: Any) -> bytes:
    try:
        assert await stream.connect(address, **options) is stream
        await stream.write(b"hello")
        return await stream.read_bytes(5)
    finally:
        stream.close()


def test_a_client_verifies_the_server(io_loop: IOLoop, certificates: Certificates) -> None:
    options: list[Any] = [certificates.client_context(), {"ca_certs": certificates.ca}]
    for option in options:
        with Server(certificates.server_context()) as server:
            stream = SSLIOStream(socket.socket(), ssl_options=option)
            answer = run(io_loop, talk(stream, server.address, server_hostname="localhost"))
            assert answer == b"HELLO"
        assert server.sni == "localhost"


def test_what_is_written_before_the_connection_is_there_follows(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    with Server(certificates.server_context()) as server:
        stream = SSLIOStream(socket.socket(), ssl_options=certificates.client_context())
        stream.connect(server.address, server_hostname="localhost")
        stream.write(b"early")
        assert run(io_loop, wait(stream.read_bytes(5))) == b"EARLY"
        stream.close()


def test_a_handshake_that_succeeds_at_once_does_not_forget_who_reads(
    io_loop: IOLoop, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server may be so quick that OpenSSL never has to ask for READ.
    shake = ssl.SSLSocket.do_handshake

    def at_once(self: ssl.SSLSocket, block: bool = False) -> None:
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                return shake(self)

    with Server(certificates.server_context()) as server:
        monkeypatch.setattr(ssl.SSLSocket, "do_handshake", at_once)
        stream = SSLIOStream(socket.socket(), ssl_options=certificates.client_context())
        stream.connect(server.address, server_hostname="localhost")
        read = stream.read_bytes(5)
        stream.write(b"early")
        assert run(io_loop, wait(read)) == b"EARLY"
        stream.close()


@pytest.mark.parametrize(("trust", "hostname", "reason"), [
    (True, "elsewhere", "Hostname mismatch"), (False, "localhost", "certificate verify failed"),
])  # fmt: skip
def test_a_client_refuses_whom_it_does_not_know(
    io_loop: IOLoop, certificates: Certificates, trust: bool, hostname: str, reason: str
) -> None:
    options = certificates.client_context() if trust else None  # None: the system's
    with Server(certificates.server_context()) as server:
        stream = SSLIOStream(socket.socket(), ssl_options=options)
        with ExpectLog("tornado.general", "SSL Error on ") as expected:
            with pytest.raises(StreamClosedError) as caught:
                run(io_loop, talk(stream, server.address, server_hostname=hostname))
            turns(io_loop)
        assert expected.tracebacks == 0
        assert reason in str(caught.value.real_error)
    assert isinstance(server.error, OSError)


def test_a_client_that_checks_names_must_be_given_one(io_loop: IOLoop) -> None:
    stream = SSLIOStream(socket.socket())
    with pytest.raises(ValueError, match="server_hostname"):
        stream.connect(("127.0.0.1", 1))
    stream.close()


def test_a_client_may_look_at_no_certificate(io_loop: IOLoop, certificates: Certificates) -> None:
    with Server(certificates.server_context()) as server:
        stream = SSLIOStream(socket.socket(), ssl_options={"cert_reqs": ssl.CERT_NONE})
        assert run(io_loop, talk(stream, server.address)) == b"HELLO"


def test_a_client_shows_its_certificate(io_loop: IOLoop, certificates: Certificates) -> None:
    context = certificates.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificates.ca)
    with Server(context) as server:
        stream = SSLIOStream(socket.socket(), ssl_options={
            "certfile": certificates.client_cert, "keyfile": certificates.client_key,
            "ca_certs": certificates.ca,
        })  # fmt: skip
        answer = run(io_loop, talk(stream, server.address, server_hostname="localhost"))
    assert answer == b"HELLO"
    assert server.peer["subject"] == ((("commonName", "a client"),),)


def test_a_connection_that_is_refused_is_one_line(io_loop: IOLoop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    stream = SSLIOStream(socket.socket())
    expected = ExpectLog("tornado.general", "Connect error on fd")
    with expected, pytest.raises(StreamClosedError) as caught:
        run(io_loop, talk(stream, address, server_hostname="localhost"))
    assert isinstance(caught.value.real_error, ConnectionRefusedError)


def test_a_server_that_resets_before_the_wrapping_is_no_bug_of_ours(
    io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Between our look at the socket's error and wrap_socket, which raises then.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = SSLIOStream(socket.socket())
        connecting = stream.connect(listener.getsockname(), server_hostname="localhost")
        connection, _address = listener.accept()
        connection.send(b"not TLS")

        def reset_just_after() -> None:
            reset(connection)

        monkeypatch.setattr(stream, "get_fd_error", reset_just_after)
        with pytest.raises(StreamClosedError):
            run(io_loop, wait(connecting))
        assert stream.closed()


def test_both_ends_may_be_ours(io_loop: IOLoop, certificates: Certificates) -> None:
    data = bytes(range(256)) * 8192
    with accepted(io_loop, certificates.server_context()) as (server, peer):
        peer.setblocking(False)
        client = SSLIOStream(
            certificates.client_context().wrap_socket(
                peer, server_hostname="localhost", do_handshake_on_connect=False))  # fmt: skip

        async def both() -> None:
            client.write(data)
            server.write(data)
            assert await server.read_bytes(len(data)) == data
            assert await client.read_bytes(len(data)) == data

        run(io_loop, both())
        client.close()


def test_the_class_can_be_imported_from_iostream() -> None:
    assert iostream.SSLIOStream is ssliostream.SSLIOStream
    assert SSLIOStream.encrypted
    assert not IOStream.encrypted


# ---- judges from outside ----


def application(request: HTTPServerRequest) -> None:
    certificate = request.get_ssl_certificate()
    subject = dict(pair for [pair] in certificate["subject"]) if certificate else {}
    alpn = request.connection.stream.socket.selected_alpn_protocol()
    body = f"{request.protocol} {subject.get('commonName')} {alpn} {len(request.body)}".encode()
    headers = HTTPHeaders({"Content-Length": str(len(body))})
    request.connection.write_headers(ResponseStartLine("", 200, "OK"), headers, body)
    request.connection.finish()


@contextlib.contextmanager
def https(loop: IOLoop, options: Any) -> Iterator[str]:
    server = HTTPServer(application, ssl_options=options)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    yield f"localhost:{sockets[0].getsockname()[1]}"
    server.stop()
    run(loop, server.close_all_connections())


def outside(loop: IOLoop, *command: str, stdin: bytes = b"") -> tuple[int, str]:
    """Run a program while the loop serves; return its status and all that it said."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here to be the judge")
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        told.write(stdin)
        told.seek(0)
        process = subprocess.Popen(command, stdin=told, stdout=said, stderr=said)

        async def ended() -> None:
            while process.poll() is None:
                await sleep(0.01)

        try:
            run(loop, ended())
        finally:
            process.kill()
            process.wait()
        said.seek(0)
        return process.returncode, said.read().decode(errors="replace")


def test_curl_trusts_the_certificate_and_gets_its_answer(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    with https(io_loop, certificates.options) as host:
        curl = ("curl", "-sS", "--noproxy", "*", f"https://{host}/")
        assert outside(io_loop, *curl, "--cacert", certificates.ca) == (0, "https None None 0")
        assert outside(io_loop, *curl, "--cacert", certificates.ca, "-d", "x" * 100_000, "-H",
                       "Expect:") == (0, "https None None 100000")  # fmt: skip
        with ExpectLog("tornado.general", "SSL Error on .*unknown ca") as expected:
            status, said = outside(io_loop, *curl)
        assert status == 60, said  # the peer certificate cannot be authenticated
        assert expected.tracebacks == 0


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_agrees_on_the_handshake_and_the_protocol(
    io_loop: IOLoop, certificates: Certificates, version: str
) -> None:
    options = {**certificates.options, "alpn_protocols": ["http/1.1"]}
    with https(io_loop, options) as host:
        status, said = outside(
            io_loop, "openssl", "s_client", "-connect", host, "-CAfile", certificates.ca, version,
            "-verify_return_error", "-verify_hostname", "localhost", "-alpn", "h2,http/1.1",
            "-ign_eof",
            stdin=b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )  # fmt: skip
    assert status == 0, said
    assert "Verify return code: 0 (ok)" in said
    assert "ALPN protocol: http/1.1" in said
    assert "https None http/1.1 0" in said


def test_a_client_certificate_is_asked_for_and_looked_at(
    io_loop: IOLoop, certificates: Certificates
) -> None:
    options = {
        **certificates.options, "cert_reqs": ssl.CERT_REQUIRED, "ca_certs": certificates.ca,
    }  # fmt: skip
    with https(io_loop, options) as host:
        curl = ("curl", "-sS", "--noproxy", "*", "--cacert", certificates.ca, f"https://{host}/")
        own = ("--cert", certificates.client_cert, "--key", certificates.client_key)
        assert outside(io_loop, *curl, *own) == (0, "https a client None 0")
        with ExpectLog("tornado.general", "SSL Error on .*peer did not return a certificate"):
            status, _said = outside(io_loop, *curl)
        assert status != 0


def test_the_log_of_the_stream_is_tornados(io_loop: IOLoop, certificates: Certificates) -> None:
    with accepted(io_loop, certificates.server_context()) as (_stream, peer):
        peer.send(b"GET / HTTP/1.1\r\n\r\n")
        with ExpectLog("tornado.general", "SSL Error") as expected:
            turns(io_loop, 2)
    assert expected.records[0].levelno == logging.WARNING
