"""Compressed requests: decoded size counts, half the data is none (RFC 9110 §8.4)."""

import gzip
import zlib

import pytest

from .lab import (
    MAX_BODY,
    MIB,
    REJECTED,
    SERVED,
    TOO_LARGE,
    Case,
    Server,
    any_of,
    check,
    chunked,
    chunks,
    request,
    rows,
    sized,
    table,
    talk,
)

GZIP = b"Content-Encoding: gzip"
HELLO = gzip.compress(b"hello", mtime=0)


def bomb(size: int) -> bytes:
    """`size` zero bytes, compressed to about a thousandth."""
    packer = zlib.compressobj(9, wbits=31)
    pieces = [packer.compress(bytes(min(MIB, size - at))) for at in range(0, size, MIB)]
    return b"".join(pieces) + packer.flush()


@table(*rows("M", "RFC 9110 §8.4.1", SERVED, {
    "by length": sized(HELLO, GZIP),
    "in chunks": chunked(chunks(HELLO, 3), GZIP),
    "GZIP": sized(HELLO, b"Content-Encoding: GZIP"),
    "Gzip": sized(HELLO, b"content-encoding: Gzip"),
    "space around": sized(HELLO, b"Content-Encoding:  gzip "),
}, body=b"hello"), *rows("M", "RFC 9110 §8.4.1", SERVED, {
    "nothing, compressed": sized(gzip.compress(b""), GZIP),
}, body=b""), *rows("M", "RFC 9110 §8.4.1", SERVED, {
    "300 KB": sized(gzip.compress(bytes(range(250)) * 1200), GZIP),
}, body=bytes(range(250)) * 1200), *rows("M", "RFC 9110 §8.4", SERVED, {
    "exactly max_body": sized(bomb(MAX_BODY), GZIP),
}, body=bytes(MAX_BODY)))
def test_a_compressed_body_is_decoded(server: Server, case: Case) -> None:
    check(server, Case(case.level, case.source, case.name, case.data, case.verdict, case.body, 5))


def test_compression_is_a_matter_of_one_request(server: Server) -> None:
    """M: plain, gzip, plain, gzip on one connection."""
    data = sized(b"plain") + sized(HELLO, GZIP) + sized(HELLO) + sized(HELLO, GZIP) + request()
    outcome = talk(server, data, count=5)
    bodies = [answer.body for answer in outcome.final]
    assert bodies == [b"plain", b"hello", HELLO, b"hello", b"hello"], outcome.report(
        "each body decoded if its own header says so", f"bodies {bodies}")


@table(*rows("M", "RFC 9110 §15.5.14", TOO_LARGE, {
    "one byte more than max_body": sized(bomb(MAX_BODY + 1), GZIP),
    "64 MiB": sized(bomb(64 * MIB), GZIP),
    "64 MiB in chunks": chunked(chunks(bomb(64 * MIB), 1000), GZIP),
    "one byte more in chunks": chunked(chunks(bomb(MAX_BODY + 1), 100), GZIP),
}))
def test_the_decoded_size_counts_against_max_body(watched: Server, case: Case) -> None:
    check(watched, case)
    assert watched.memory(peak=True) < 100 * MIB, (
        "decode incrementally: a bomb must not be unpacked"
    )


def test_a_bomb_costs_little_memory() -> None:
    """M: the server of its own never holds much more than max_body."""
    with Server() as server:
        server.check_alive()
        before = server.memory(peak=True)
        outcome = talk(server, sized(bomb(64 * MIB), GZIP), count=None)
        grown = server.memory(peak=True) - before
        assert grown < 20 * MIB, outcome.report(
            "a bomb of 64 MiB is refused after max_body = 4 MiB", f"memory grew by {grown} bytes")


BROKEN = {
    "garbage": b"this is not gzip at all",
    "one byte": b"\x1f",
    "the magic alone": b"\x1f\x8b",
    "a header alone": HELLO[:10],
    "a bad method": HELLO[:2] + b"\x07" + HELLO[3:],
    "broken data": HELLO[:10] + b"\xff\xff\xff" + HELLO[13:],
    "a bad CRC": HELLO[:-8] + b"\0\0\0\0" + HELLO[-4:],
    "a bad length": HELLO[:-4] + b"\0\0\0\0",
    "no trailer": HELLO[:-8],
    "half the data": gzip.compress(bytes(range(256)) * 40)[:200],
    "all but a byte": HELLO[:-1],
    "zlib, not gzip": zlib.compress(b"hello"),
}


@table(*rows("M", "RFC 9110 §15.5.16", any_of(400, 415, silence=True), {
    name: sized(body, GZIP) for name, body in BROKEN.items()} | {
    name + ", in chunks": chunked(chunks(body, 4), GZIP) for name, body in BROKEN.items()}))
def test_a_body_that_cannot_be_decoded_whole_is_the_clients_fault(
        server: Server, case: Case) -> None:
    check(server, case)


def test_a_broken_body_never_puts_the_connection_out_of_step(server: Server) -> None:
    """M, RFC 9112 §9.3: the rest of the body is no request."""
    inner = request(b"GET /inner HTTP/1.1")
    for body in (b"garbage" + inner, HELLO + inner, HELLO[:10] + b"\xff" + inner):
        outcome = talk(server, sized(body, GZIP), count=2)
        assert b"inner" not in outcome.raw, outcome.report("the body is no request", "answered")
    check(
        server,
        Case(
            "M",
            "RFC 9112 §6.3",
            "a bad length beside gzip",
            request(b"POST /echo HTTP/1.1", GZIP, b"Content-Length: +25", body=HELLO),
            REJECTED,
        ),
    )


@pytest.mark.parametrize("coding", [b"identity", b"br", b"deflate", b"x", b""])
def test_another_coding_is_handed_on_or_refused(server: Server, coding: bytes) -> None:
    """M, RFC 9110 §15.5.16: what is not decoded is the application's business, or 415."""
    check(
        server,
        Case(
            "M",
            "RFC 9110 §8.4",
            f"{coding!r}",
            sized(b"body", b"Content-Encoding: " + coding),
            any_of(200, 400, 415),
            b"body",
        ),
    )
