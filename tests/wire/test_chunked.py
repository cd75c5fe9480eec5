"""Chunked bodies: every size, every CRLF, every limit (RFC 9112 §7.1)."""

import json
import time

import pytest

from .lab import (
    GLUED,
    MIB,
    REJECTED,
    SERVED,
    TOO_LARGE,
    Case,
    Client,
    Server,
    any_of,
    check,
    chunked,
    rows,
    table,
    talk,
)

END = b"0\r\n\r\n"


def first_size(size: bytes) -> bytes:
    return chunked(size + b"\r\nhello\r\n" + END)


def last_size(size: bytes) -> bytes:
    return chunked(b"5\r\nhello\r\n" + size + b"\r\n\r\n")


@table(*rows("M", "RFC 9112 §7.1", SERVED, {
    "5": first_size(b"5"),
    "05": first_size(b"05"),
    "00000005": first_size(b"00000005"),
    "last chunk 00": last_size(b"00"),
    "last chunk 0000000000": last_size(b"0000000000"),
    "two chunks": chunked(b"2\r\nhe\r\n3\r\nllo\r\n" + END),
    "five chunks": chunked(b"".join(b"1\r\n%c\r\n" % c for c in b"hello") + END),
}, body=b"hello"), *rows("M", "RFC 9112 §7.1", SERVED, {
    "a": chunked(b"a\r\n0123456789\r\n" + END),
    "A": chunked(b"A\r\n0123456789\r\n" + END),
    "0A": chunked(b"0A\r\n0123456789\r\n" + END),
}, body=b"0123456789"), *rows("M", "RFC 9112 §7.1", SERVED, {
    "1f": chunked(b"1f\r\n" + b"x" * 31 + b"\r\n" + END),
    "1F": chunked(b"1F\r\n" + b"x" * 31 + b"\r\n" + END),
}, body=b"x" * 31), *rows("M", "RFC 9112 §7.1", SERVED, {
    "no chunk at all": chunked(END),
}, body=b""), *rows("M", "RFC 9112 §7.1", SERVED, {
    "CRLF as data": chunked(b"4\r\n\r\n\r\n\r\n" + END),
}, body=b"\r\n\r\n"))
def test_hex_digits_are_a_size(server: Server, case: Case) -> None:
    check(server, case)


SIZES = [
    b"0x5", b"0X5", b"+5", b"-5", b"-1", b"-0", b"1_0", b"_5", b"5_", b"xyz", b"g", b"5g",
    b"5.0", b"5,5", b"5=a", b"", b" 5", b"\t5", b"5 5", b"\x0b5", b"5\x0b", b"\x0c5", b"5\x0c",
    b"5\0", b"\x005", b"5\xa0", b"5h", b'"5"', b"#5", b"\xb2", "\uff15".encode(),
    "\u0665".encode(), b"5\r", b"\r5", b"5:", b"0o5", b"'5'",
]


@table(*rows("M", "RFC 9112 §7.1", REJECTED, {f"{s!r}": first_size(s) for s in SIZES}),
       *rows("M", "RFC 9112 §7.1", REJECTED, {
           f"last chunk {s!r}": last_size(s) for s in
           (b"-0", b"+0", b"0x0", b"0x", b"", b" 0", b"0.", b"0\0", b"o", b"\xb0", b"-00")}))
def test_anything_but_hex_digits_is_rejected(server: Server, case: Case) -> None:
    check(server, case)


@pytest.mark.parametrize("size", [b"-1", b"-5", b"-2", b"-ffffffff", b"-7fffffffffffffff"])
def test_a_negative_size_spins_nobody(server: Server, size: bytes) -> None:
    """M, RFC 9112 §7.1: one such request would stop the server for good."""
    with Client(server) as client:
        client.send(first_size(size))
        server.check_alive(f"after a chunk size of {size!r}, its connection still open")


@table(*rows("M", "RFC 9112 §7.1", any_of(200, 400, silence=True, in_step=True), {
    "one": first_size(b"5 "),
    "two and a tab": first_size(b"5 \t "),
    "behind the last size": last_size(b"0 "),
}, body=b"hello"))
def test_space_behind_a_size_is_taken_or_rejected(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("M", "RFC 9112 §7.1.1", SERVED, {
    f"{e!r}": first_size(b"5" + e) for e in
    (b";a=b", b";foo", b";a=b;c=d", b';a="b"', b";a=" + b"x" * 200)
} | {"at the last chunk": last_size(b"0;a=b"), "a name at the last chunk": last_size(b"0;foo")},
    body=b"hello"), *rows("S", "RFC 9112 §7.1.1", SERVED, {
        "a semicolon in quotes": first_size(b'5;a="b;c"'),
        "an escaped quote": first_size(rb'5;a="b\"c;d"'),
    }, body=b"hello"))
def test_chunk_extensions_are_ignored(server: Server, case: Case) -> None:
    check(server, case)


def with_trailer(*lines: bytes, target: bytes = b"/echo") -> bytes:
    body = b"5\r\nhello\r\n0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    return chunked(body, target=target)


@table(*rows("M", "RFC 9112 §7.1.2", SERVED, {
    "one field": with_trailer(b"X-Trailer: 1"),
    "three fields": with_trailer(b"X-Trailer: 1", b"X-Trailer: 2", b"Y:"),
    "Content-Length": with_trailer(b"Content-Length: 500"),
    "a bad Content-Length": with_trailer(b"Content-Length: x"),
    "Transfer-Encoding": with_trailer(b"Transfer-Encoding: cow"),
    "Host": with_trailer(b"Host: other"),
    "Connection": with_trailer(b"X-Trailer: 1", b"Trailer: x"),
}, body=b"hello"))
def test_a_trailer_is_read_and_has_no_effect(server: Server, case: Case) -> None:
    check(server, case)


def test_a_trailer_is_never_merged_into_the_header(server: Server) -> None:
    """M, RFC 9110 §6.5.1."""
    outcome = talk(server, with_trailer(b"X-Trailer: 1", b"Content-Length: 500", b"Cookie: a=b",
                                        target=b"/headers"))
    rule = "200, and the application sees no trailer field"
    assert outcome.statuses == [200], outcome.report(rule, "not served")
    names = {name.lower() for name, _ in json.loads(outcome.final[0].body)["headers"]}
    assert not names & {"x-trailer", "content-length", "cookie"}, outcome.report(
        rule, f"saw {names}"
    )


@table(
    *rows(
        "S",
        "RFC 9112 §7.1.2",
        REJECTED,
        {
            f"{line!r}": with_trailer(line)
            for line in (
                b"no colon",
                b": 1",
                b"X : 1",
                b"X\0: 1",
                b"X: a\0b",
                b"(X): 1",
                b" X: 1",
                b"GET /inner HTTP/1.1",
                b"X: a\rb",
                b"X\xff: 1",
            )
        },
    )
)
def test_a_malformed_trailer_line_is_rejected(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("M", "RFC 9112 §7.1", REJECTED, {
    "no CRLF behind data": chunked(b"5\r\nhello" + END),
    "junk behind data": chunked(b"5\r\nhelloXX" + END),
    "junk and CRLF behind data": chunked(b"5\r\nhelloX\r\n" + END),
    "CRLF, junk behind data": chunked(b"5\r\nhello\r\nX\r\n" + END),
    "LF behind data": chunked(b"5\r\nhello\n" + END),
    "CR behind data": chunked(b"5\r\nhello\r" + END),
    "LF CR behind data": chunked(b"5\r\nhello\n\r" + END),
    "CR X behind data": chunked(b"5\r\nhello\rX" + END),
    "X LF behind data": chunked(b"5\r\nhelloX\n" + END),
    "LF behind the size": chunked(b"5\nhello\r\n" + END),
    "CR behind the size": chunked(b"5\rhello\r\n" + END),
    "LF everywhere": chunked(b"5\nhello\n0\n\n"),
    "LF behind the last size": chunked(b"5\r\nhello\r\n0\n\r\n"),
    "CR behind the last size": chunked(b"5\r\nhello\r\n0\r\r\n"),
    "data longer than the size": chunked(b"4\r\nhello\r\n" + END),
    "data much longer": chunked(b"1\r\nhello\r\n" + END),
    "data shorter than the size": chunked(b"6\r\nhello\r\n" + END),
    "data two shorter": chunked(b"7\r\nhello\r\n" + END),
    "an empty line before a size": chunked(b"\r\n5\r\nhello\r\n" + END),
    "an empty line between chunks": chunked(b"2\r\nhe\r\n\r\n3\r\nllo\r\n" + END),
    "plain text": chunked(b"hello, this is no chunk\r\n\r\n"),
}), *rows("S", "RFC 9112 §7.1.1", REJECTED, {
    "LF in an extension": chunked(b"5;a\nb\r\nhello\r\n" + END),
    "LF for CRLF behind an extension": chunked(b"5;a\nhello\r\n" + END),
    "CR in an extension": chunked(b"5;a\rb\r\nhello\r\n" + END),
    "NUL in an extension": chunked(b"5;a\0b\r\nhello\r\n" + END),
    "LF in the last extension": chunked(b"5\r\nhello\r\n0;a\nb\r\n\r\n"),
    "LF for the last CRLF": chunked(b"5\r\nhello\r\n0\r\n\n"),
}))
def test_every_line_and_every_chunk_ends_with_crlf(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("M", "RFC 9112 §7.1", TOO_LARGE, {
    "200 F": first_size(b"F" * 200),
    "16 F": first_size(b"F" * 16),
    "17 digits": first_size(b"1" + b"0" * 16),
    "2^32 + 5": first_size(b"100000005"),
    "2^64 + 5": first_size(b"10000000000000005"),
    "5,000 F": first_size(b"F" * 5000),
}), *rows("S", "RFC 9112 §7.1.1", TOO_LARGE, {
    "1 MiB of extension": first_size(b"5;a=" + b"x" * MIB),
    "1 MiB of extension, unended": chunked(b"5;a=" + b"x" * MIB),
    "1 MiB of extension at the end": last_size(b"0;a=" + b"x" * MIB),
    "1 MiB of zeros": first_size(b"0" * MIB + b"5"),
    "a trailer line of 1 MiB": with_trailer(b"X: " + b"x" * MIB),
    "1 MiB of trailer, unended": chunked(b"0\r\nX: " + b"x" * MIB),
    "100,000 trailer lines": with_trailer(*[b"X: 1"] * 100_000),
}))
def test_sizes_extensions_and_trailers_are_bounded(server: Server, case: Case) -> None:
    check(server, case)


def test_extensions_of_many_chunks_are_bounded_or_cost_no_memory(watched: Server) -> None:
    """S, RFC 9112 §7.1.1: 2,000 chunks of one byte with 1 KiB of extension each."""
    before = watched.memory(peak=True)
    chunk = b"1;" + b"e" * 1000 + b"\r\nx\r\n"
    outcome = talk(watched, chunked(chunk * 2000 + END))
    rule = "2 MB of extensions: 200 or 4xx, not kept in memory"
    assert outcome.statuses[:1] in ([200], [400], [413], [431], []), outcome.report(rule, "neither")
    assert outcome.final or outcome.closed, outcome.report(rule, "no answer")
    assert watched.memory(peak=True) - before < 16 * MIB, outcome.report(rule, "memory")


def test_a_chunked_body_cut_anywhere_is_no_request(server: Server) -> None:
    """M, RFC 9112 §8: FIN at every position, also just before the final CRLF."""
    data = chunked(b"5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n")
    start = data.index(b"\r\n\r\n") + 4
    clients = [(cut, Client(server)) for cut in range(start, len(data))]
    for cut, client in clients:
        client.send(data[:cut])
    time.sleep(0.05)  # so that the FIN is an event of its own
    for _, client in clients:
        client.end()
    problems = []
    for _, client in clients:
        with client:
            outcome = client.receive(None)
        if any(status < 300 for status in outcome.statuses) or not outcome.closed:
            problems.append(outcome.report("cut by FIN: no 2xx, then close", "answered or open"))
    assert not problems, "".join(problems[:5])


def test_the_next_request_starts_right_behind_the_last_crlf(server: Server) -> None:
    """M, RFC 9112 §7.1.3."""
    one = chunked(b"3\r\none\r\n" + END)
    outcome = talk(server, one + with_trailer(b"A: 1") + one + GLUED, count=4)
    bodies = [answer.body for answer in outcome.final]
    assert bodies == [b"one", b"hello", b"one", b"glued"], outcome.report(
        "four answers in order", f"bodies {bodies}")
