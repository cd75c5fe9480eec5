"""What is too much is refused as soon as it is known, and never kept (RFC 9110 §5.4, §15.5.14)."""

import threading
import time

import pytest

from .lab import (
    GLUED,
    MAX_BODY,
    MAX_HEADER,
    MIB,
    SERVED,
    TIMEOUT,
    TOO_LARGE,
    Case,
    Client,
    Server,
    Verdict,
    check,
    chunked,
    chunks,
    post,
    request,
    rows,
    sized,
    table,
    talk,
)

GET = b"GET /hello HTTP/1.1"
LONG_LINE = Verdict("414, 431, 413 or 400 and close, or close", (400, 413, 414, 431),
                    silence=True, closes=True)

# ---------------------------------------------------------------- the header section


@table(*rows("M", "RFC 6585 §5", LONG_LINE, {
    "a field of 69 KiB": request(GET, b"X: " + b"x" * 69 * 1024),
    "a name of 69 KiB": request(GET, b"x" * 69 * 1024 + b": 1"),
    "fields of 69 KiB together": request(GET, *[b"X: " + b"x" * 1020] * 69),
    "a field of 1 MiB": request(GET, b"X: " + b"x" * MIB),
    "10,000 fields": request(GET, *[b"X-Field-%05d: 1" % n for n in range(10_000)]),
    "1 MiB of whitespace": request(GET, b"X:" + b" " * MIB + b"1"),
}), *rows("M", "RFC 9110 §15.5.15", LONG_LINE, {
    "a target of 69 KiB": request(b"GET /" + b"x" * 69 * 1024 + b" HTTP/1.1"),
    "a target of 8 MiB": request(b"GET /" + b"x" * 8 * MIB + b" HTTP/1.1"),
    "a method of 69 KiB": request(b"X" * 69 * 1024 + b" /hello HTTP/1.1"),
    "4 MiB without a newline": b"x" * 4 * MIB,
    "4 MiB of NUL": b"\0" * 4 * MIB,
}))
def test_a_header_section_over_the_limit_is_refused(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("M", "RFC 9110 §5.4", SERVED, {
    "a field of 16 KB": request(GET, b"X: " + b"x" * 16_000),
    "90 fields": request(GET, *[b"X-%d: %d" % (n, n) for n in range(90)]),
    "60 KiB together": request(GET, *[b"X: " + b"x" * 1000] * 60),
}, body=b"hello"))
def test_a_header_section_within_the_limit_is_served(server: Server, case: Case) -> None:
    check(server, case)


def test_each_request_has_a_limit_of_its_own(server: Server) -> None:
    """M: three header sections of 40 KiB on one connection, pipelined, are each within it."""
    data = request(GET, *[b"X: " + b"x" * 1000] * 40) * 3
    outcome = talk(server, data, count=3)
    assert outcome.statuses == [200] * 3, outcome.report("three answers", "not so")


def flood(server: Server, start: bytes, block: bytes, seconds: float, limit: int = 64 * MIB) -> int:
    """Send `block` again and again until the server closes; bytes that were taken."""
    taken = 0
    with Client(server) as client:
        client.send(start)
        client.socket.settimeout(0.2)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and taken < limit:
            try:
                taken += client.socket.send(block)
            except TimeoutError:
                continue
            except OSError:
                break
    return taken


@pytest.mark.parametrize(("name", "start", "block"), [
    ("M: endless fields", request(GET)[:-2], b"X-Endless: 1\r\n" * 1000),
    ("M: an endless field", request(GET)[:-2] + b"X: ", b"x" * 16_384),
    ("M: an endless name", request(GET)[:-2], b"x" * 16_384),
    ("M: an endless target", b"GET /", b"x" * 16_384),
    ("S: endless CRLFs", b"", b"\r\n" * 8192),
    ("S: endless CRLFs behind a request", request(), b"\r\n" * 8192),
    ("S: endless LFs", b"", b"\n" * 16_384),
    ("S: an endless chunk extension", chunked(b"5;a="), b"x" * 16_384),
    ("S: an endless chunk size", chunked(b""), b"0" * 16_384),
    ("S: an endless trailer", chunked(b"0\r\n"), b"X: 1\r\n" * 3000),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_never_ends_is_bounded(hasty: Server, name: str, start: bytes, block: bytes) -> None:
    """RFC 9110 §5.4: refused within 4 s, long before 64 MiB were taken, and not kept."""
    before = hasty.memory()
    taken = flood(hasty, start, block, seconds=TIMEOUT + 1)
    assert hasty.memory() - before < 16 * MIB, f"{name}: memory grew by {hasty.memory() - before}"
    assert taken < 64 * MIB, f"{name}: {taken} bytes were taken and the connection still open"
    hasty.check_alive(f"after {name}")


def test_a_flood_does_not_keep_others_from_being_served(server: Server) -> None:
    """M: while one client sends CRLFs as fast as it can, /hello is answered within 1 s."""
    thread = threading.Thread(target=flood, args=(server, b"", b"\r\n" * 8192, 1.0))
    thread.start()
    worst = max(server.check_alive("during a flood") for _ in range(10))
    thread.join()
    assert worst < 1, f"/hello took {worst:.2f} s during a flood of CRLFs"


# ---------------------------------------------------------------- the body

INNER = b"GET /inner HTTP/1.1\r\nHost: lab\r\n\r\n"
OVER = MAX_BODY + 1


@table(*rows("S", "RFC 9110 §15.5.14", TOO_LARGE, {
    "Content-Length, not a byte of body": post(b"Content-Length: %d" % OVER),
    "Content-Length, its body a request": post(b"Content-Length: %d" % OVER, body=INNER),
    "a chunk size, not a byte of data": chunked(b"%x\r\n" % OVER),
    "a chunk size, its data a request": chunked(b"%x\r\n" % OVER + INNER),
    "a second chunk size": chunked(b"5\r\nhello\r\n%x\r\n" % (MAX_BODY - 4)),
}), *rows("M", "RFC 9110 §15.5.14", TOO_LARGE, {
    "a GET's": request(GET, b"Content-Length: %d" % OVER),
}))
def test_a_body_over_the_limit_is_refused_before_it_is_read(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("M", "RFC 9110 §15.5.14", TOO_LARGE, {
    "Content-Length, sent whole": sized(b"x" * OVER),
    "Content-Length, full of requests": sized(INNER * (OVER // len(INNER) + 1)),
    "chunks of 64 KiB": chunked(chunks(b"x" * OVER, 65_536)),
    "one chunk": chunked(chunks(b"x" * OVER, OVER)),
    "chunks of 1,000 that are requests": chunked(chunks(INNER * (OVER // len(INNER) + 1), 1000)),
    "to a path that is not there": sized(b"x" * OVER, target=b"/nowhere"),
}))
def test_a_body_over_the_limit_is_refused_when_it_is_sent_all_the_same(
        server: Server, case: Case) -> None:
    """Its sender may be cut off while sending; nothing inside the body is ever answered."""
    check(server, case)
    outcome = talk(server, case.data + GLUED, count=None)
    assert b"inner" not in outcome.raw, outcome.report("the body is no request", "answered")


@pytest.mark.parametrize("size", [MAX_BODY, MAX_BODY - 1])
@pytest.mark.parametrize("chunk", [None, MAX_BODY, 100_000])
def test_a_body_of_exactly_the_limit_is_served(
    server: Server, size: int, chunk: int | None
) -> None:
    """M, RFC 9110 §15.5.14."""
    body = b"x" * size
    data = sized(body) if chunk is None else chunked(chunks(body, chunk))
    check(server, Case("M", "RFC 9110 §15.5.14", f"{size} bytes", data, SERVED, body))


def test_the_limit_counts_each_body_of_a_connection_alone(server: Server) -> None:
    """M: two bodies of 3 MiB on one connection are each within it."""
    for data in (sized(b"x" * 3 * MIB), chunked(chunks(b"x" * 3 * MIB, 65_536))):
        outcome = talk(server, data * 2, count=2)
        assert outcome.statuses == [200, 200], outcome.report("two answers", "not so")


def test_the_limits_are_those_the_server_was_given() -> None:
    """M: other limits, other verdicts."""
    with Server(max_header_size=2048, max_body_size=100) as server:
        check(server, Case("M", "RFC 6585 §5", "a field of 3 KB, limit 2 KiB",
                           request(GET, b"X: " + b"x" * 3000), LONG_LINE))
        check(server, Case("M", "RFC 6585 §5", "a field of 1 KB, limit 2 KiB",
                           request(GET, b"X: " + b"x" * 1000), SERVED, b"hello"))
        check(
            server,
            Case("M", "RFC 9110 §15.5.14", "100 bytes", sized(b"x" * 100), SERVED, b"x" * 100),
        )
        check(server, Case("M", "RFC 9110 §15.5.14", "101 bytes", sized(b"x" * 101), TOO_LARGE))
        check(server, Case("M", "RFC 9110 §15.5.14", "101 bytes in chunks",
                           chunked(chunks(b"x" * 101, 10)), TOO_LARGE))
    assert MAX_HEADER > 3000 and MAX_BODY > 101
