"""The same behind TLS: odd segmentation, odd clients, nothing left behind (RFC 9112 §9.7, §9.8)."""

import contextlib
import ssl
import time
from collections.abc import Iterator

import pytest

from .conftest import Certificate
from .lab import (
    HASTY,
    MIB,
    TIMEOUT,
    Client,
    Server,
    TLSClient,
    chunked,
    chunks,
    post,
    request,
    sized,
    together,
    tracebacks,
)

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
versions = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
MIXED = request() + sized(b"one") + chunked(chunks(b"two", 1)) + request(b"GET /stream HTTP/1.1")
BODIES = [b"hello", b"one", b"two", b"piece " * 3]


def pattern(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def check_mixed(client: TLSClient, rule: str) -> None:
    with client:
        client.send(MIXED)
        outcome = client.receive(4)
    bodies = [answer.body for answer in outcome.final]
    assert bodies == BODIES, outcome.report(f"{rule}: four answers in order", f"bodies {bodies}")


# ---------------------------------------------------------------- segmentation


@versions
def test_requests_are_answered(tls: Server, version: ssl.TLSVersion) -> None:
    """M."""
    client = TLSClient(tls, version=version)
    assert client.tls.version() == version.name.replace("_", ".")
    check_mixed(client, f"TLS {version.name}")


@versions
def test_a_handshake_may_come_byte_by_byte(tls: Server, version: ssl.TLSVersion) -> None:
    """M: each byte of the handshake and of the records a segment of its own."""
    check_mixed(TLSClient(tls, version=version, segment=1), "byte by byte")


@versions
def test_every_byte_may_be_a_record(tls: Server, version: ssl.TLSVersion) -> None:
    """M."""
    check_mixed(TLSClient(tls, version=version, record=1), "a record a byte")


@versions
def test_many_requests_may_be_one_record(tls: Server, version: ssl.TLSVersion) -> None:
    """M: epoll does not see what OpenSSL has decrypted already."""
    with TLSClient(tls, version=version) as client:
        client.send(request() * 300)  # 10.8 KB
        outcome = client.receive(300)
    assert outcome.statuses == [200] * 300, outcome.report(
        "300 answers", f"{len(outcome.final)} answers")


@versions
def test_a_record_may_be_larger_than_a_read(
    certificate: Certificate, version: ssl.TLSVersion
) -> None:
    """M: `chunk_size` 1,000, records of 16 KB: what is pending inside OpenSSL is read as well."""
    with Server(
        ssl_options=certificate.options, trust=certificate.trust, chunk_size=1000
    ) as server:
        body = pattern(40_000)
        with TLSClient(server, version=version) as client:
            client.send(request() * 300)
            outcome = client.receive(300)
            assert outcome.statuses == [200] * 300, outcome.report(
                "300 answers", f"{len(outcome.final)} answers")
            client.send(sized(body) + chunked(chunks(body, 7000)) + request())
            outcome = client.receive(303)
        assert [a.body for a in outcome.final[300:]] == [body, body, b"hello"], outcome.report(
            "two bodies and hello", "not so")


@versions
def test_3_mib_up_and_20_mib_down(tls: Server, version: ssl.TLSVersion) -> None:
    """M."""
    up, down = pattern(3 * MIB), pattern(20 * MIB)
    with TLSClient(tls, version=version) as client:
        client.send(sized(up, target=b"/headers"))
        outcome = client.receive(1)
        assert outcome.final and outcome.final[0].json()["body"] == len(up), outcome.report(
            "3 MiB arrive", "they do not")
        client.send(request(b"GET /big?n=%d HTTP/1.1" % len(down)))
        outcome = client.receive(2)
    assert len(outcome.final) == 2 and outcome.final[1].body == down, outcome.report(
        "20 MiB, unchanged", "not so")


@versions
def test_a_slow_reader_gets_its_echo_whole(tls: Server, version: ssl.TLSVersion) -> None:
    """M: no lost and no repeated data when a write has to be tried again."""
    body = pattern(3 * MIB)
    with TLSClient(tls, version=version, receive_buffer=8192) as client:
        client.send(sized(body))
        for _ in range(40):
            time.sleep(0.02)
            client.socket.settimeout(1)
            client.incoming.write(client.socket.recv(4096))
        outcome = client.receive(1)
    assert outcome.final and outcome.final[0].body == body, outcome.report(
        "3 MiB unchanged", "not so"
    )


@versions
def test_a_client_may_end_tls_properly(tls: Server, version: ssl.TLSVersion) -> None:
    """M, RFC 9112 §9.8: close_notify frees the descriptor; no traceback."""
    tls.check_alive()
    before, mark = tls.settled_descriptors(0, within=0.2), tls.log_size()
    for data in (b"", request(), request()[:-2]):
        with TLSClient(tls, version=version) as client:
            client.send(data)
            client.receive(within=0.1)
            with contextlib.suppress(ssl.SSLError):
                client.tls.unwrap()
            client.flush()
            assert client.drain().closed, (
                f"close_notify after {data!r}: still open"
            )
    assert tls.settled_descriptors(before) <= before
    assert not (found := tracebacks(tls.log(mark))), found


# ---------------------------------------------------------------- clients that do not shake hands


def client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(
            ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


HELLO = client_hello()
NO_HANDSHAKE = {
    "garbage": b"\xde\xad\xbe\xef" * 100,
    "all 256 bytes": bytes(range(256)) * 4,
    "plain HTTP": request(),
    "a bad record type": b"\x99" + HELLO[1:],
    "a bad version": HELLO[:1] + b"\x09\x09" + HELLO[3:],
    "a record that is too long": HELLO[:3] + b"\xff\xff" + HELLO[5:] + bytes(70_000),
    "a broken hello": HELLO[:5] + b"\xff" + HELLO[6:],
    "a hello cut in its length": HELLO[:11] + b"\0\0" + HELLO[13:],
    "an alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "a warning": b"\x15\x03\x01\x00\x02\x01\x00",
    "application data": b"\x17\x03\x03\x00\x10" + bytes(16),
    "SSLv2": b"\x80\x2e\x01\x00\x02" + bytes(41),
    "two hellos": HELLO * 2,
    "a hello and garbage": HELLO + b"\xff" * 100,
    "a newline": b"\r\n\r\n",
    "half a hello": HELLO[:40],
    "one byte": HELLO[:1],
    "nothing": b"",
}


@pytest.fixture(scope="module")
def refused(certificate: Certificate) -> Iterator[dict[str, float | str | None]]:
    """The log, and the seconds until each of them was closed, None if it was not; all at once."""
    def one(data: bytes) -> float | None:
        started = server.now()
        with Client(server) as client:
            client.send(data)
            return server.now() - started if client.drain().closed else None

    with Server(ssl_options=certificate.options, trust=certificate.trust, **HASTY) as server:
        seconds = together(*(lambda d=d: one(d) for d in NO_HANDSHAKE.values()))
        yield dict(zip(NO_HANDSHAKE, seconds, strict=True)) | {"log": server.log()}


@pytest.mark.parametrize("name", NO_HANDSHAKE)
def test_what_is_no_handshake_is_closed(refused: dict, name: str) -> None:
    """M: within 5 s; those which only wait, by the timeout."""
    limit = TIMEOUT + 2.5 if name in ("half a hello", "one byte", "nothing") else 5.0
    assert refused[name] is not None, f"{name}: {NO_HANDSHAKE[name][:60]!r} was not closed"
    assert refused[name] <= limit, f"{name}: closed after {refused[name]:.1f} s, limit {limit} s"


def test_what_is_no_handshake_leaves_no_traceback(refused: dict) -> None:
    """S."""
    found = tracebacks(refused["log"])
    assert not found, found


@versions
def test_garbage_behind_a_handshake_is_closed(tls: Server, version: ssl.TLSVersion) -> None:
    """M: at once. S: no traceback."""
    mark = tls.log_size()
    for garbage in (b"\xff" * 100, request(), b"\x17\x03\x03\x00\x20" + bytes(32), HELLO):
        with TLSClient(tls, version=version) as client:
            client.socket.sendall(garbage)
            outcome = client.drain()
        assert outcome.closed, f"{garbage[:40]!r} behind a handshake: not closed"
        assert b"HTTP/" not in outcome.raw, f"{garbage[:40]!r} behind a handshake was answered"
    tls.check_alive("after garbage behind a handshake")
    assert not (found := tracebacks(tls.log(mark))), found


def test_silent_clients_block_nobody_and_cost_no_cpu(tls: Server) -> None:
    """M: 40 silent ones, 40 with half a hello, 40 that stop in the middle of the handshake."""
    clients = [Client(tls) for _ in range(120)]
    try:
        for n, client in enumerate(clients):
            client.send([b"", HELLO[:60], HELLO][n % 3])
        worst = max(tls.check_alive("beside silent clients") for _ in range(10))
        assert worst < 1, f"/hello took {worst:.2f} s beside silent clients"
        share = tls.settled_share(0.8, 0.10)
        assert share < 0.10, f"{share:.0%} of a core while 120 clients say nothing"
    finally:
        for client in clients:
            client.socket.close()


# ---------------------------------------------------------------- clients that vanish


def at_once(server: Server) -> Client:
    return Client(server)


def half_a_hello(server: Server) -> Client:
    client = Client(server)
    client.send(HELLO[:50])
    return client


def behind_the_hello(server: Server) -> Client:
    client = Client(server)
    client.send(HELLO)
    return client


def behind_the_servers_hello(server: Server) -> Client:
    client = behind_the_hello(server)
    client.socket.recv(1)
    return client


def behind_the_handshake(server: Server) -> Client:
    return TLSClient(server)


def after(data: bytes):
    def stage(server: Server) -> Client:
        client = TLSClient(server)
        client.send(data)
        return client
    return stage


ABRUPT = {
    "at once": at_once,
    "half a hello": half_a_hello,
    "behind the hello": behind_the_hello,
    "behind the server's hello": behind_the_servers_hello,
    "behind the handshake": behind_the_handshake,
    "mid-header": after(request()[:-2]),
    "mid-body": after(post(b"Content-Length: 99", body=b"x")),
    "mid-answer": after(request(b"GET /big?n=5000000 HTTP/1.1")),
    "mid-stream": after(request(b"GET /flushed?n=5000000 HTTP/1.1")),
    "before an answer": after(request(b"GET /slow?seconds=0.1 HTTP/1.1")),
}


@pytest.mark.parametrize("how", ["RST", "FIN"])
@pytest.mark.parametrize("stage", ABRUPT)
def test_an_abrupt_end_harms_nobody(tls: Server, stage: str, how: str) -> None:
    """M: alive. S: quiet log."""
    mark = tls.log_size()
    for n in range(5):
        with ABRUPT[stage](tls) as client:
            time.sleep(0.002 * n)
            if how == "RST":
                client.reset()
    tls.check_alive(f"after an abrupt end {stage} by {how}")
    if stage == "before an answer":
        time.sleep(0.15)
    assert not (found := tracebacks(tls.log(mark))), f"{stage}, {how}: {found}"


def test_a_hundred_failed_handshakes_leave_no_descriptor(tls: Server) -> None:
    """M: back to the start (+2), without any timeout."""
    tls.check_alive()
    before = tls.settled_descriptors(0, within=0.2)
    for n in range(100):
        with Client(tls) as client:
            client.send(list(NO_HANDSHAKE.values())[n % len(NO_HANDSHAKE)])
            if n % 2:
                client.drain(within=0.02)
    after = tls.settled_descriptors(before + 2)
    assert after <= before + 2, f"{before} descriptors before 100 failed handshakes, {after} after"
    tls.check_alive("after 100 failed handshakes")


@pytest.mark.parametrize("data", [b"", HELLO, b"garbage"], ids=["nothing", "a hello", "garbage"])
def test_connections_reset_before_accept_leave_no_descriptor(tls: Server, data: bytes) -> None:
    """M: 100 each of three kinds; `wrap_socket` on such a one raises, or hands out a dead one."""
    tls.check_alive()
    before, mark = tls.settled_descriptors(0, within=0.2), tls.log_size()
    with tls.paused():
        for _ in range(100):
            with Client(tls) as client:
                client.send(data)
                client.reset()
    tls.check_alive("after 100 connections reset before accept")
    after = tls.settled_descriptors(before + 2)
    assert after <= before + 2, (
        f"{before} descriptors before 100 resets with {data[:9]!r}, {after} after"
    )
    assert not (found := tracebacks(tls.log(mark))), found
