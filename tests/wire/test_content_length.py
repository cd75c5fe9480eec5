"""Body framing by Content-Length: ASCII digits, nothing else (RFC 9110 §8.6, RFC 9112 §6.3)."""

import pytest

from .lab import (
    GLUED,
    REJECTED,
    SERVED,
    SERVED_OR_REJECTED,
    TOO_LARGE,
    Case,
    Server,
    any_of,
    check,
    check_all,
    post,
    request,
    rows,
    sized,
    table,
    talk,
)

INNER = b"GET /inner HTTP/1.1\r\nHost: lab\r\n\r\n"  # a request disguised as a body

NOT_DIGITS = [
    b"+5", b"-5", b"-0", b"+0", b"0x5", b"0o5", b"0b101", b"5_0", b"5.0", b"5e0", b'"5"', b"'5'",
    b"5;", b"5; a=b", b"5 5", b"5\t5", b"5 abc", b"abc", b"", b" ", b",", b"five", b"5\x0b",
    b"\x0b5", b"5\x0c", b"\x0c5", b"5\xa0", b"\xa05", b"5\x85", b"5\0", b"\x005", b"5\x7f",
    b"\xb2", b"5\xb2", "\uff15".encode(), "\u0665".encode(), "²".encode(), b"- 5", b"(5)", b"=5",
    b"5%", b"Infinity", b"NaN",
]


@table(*rows("M", "RFC 9110 §8.6", REJECTED, {
    repr(value): post(b"Content-Length: " + value, body=b"hello") for value in NOT_DIGITS}))
def test_anything_but_ascii_digits_is_rejected(server: Server, case: Case) -> None:
    check(server, case)


def test_the_same_holds_for_a_get_where_no_body_is_expected(server: Server) -> None:
    """M, RFC 9112 §6.3: an invalid Content-Length is an unrecoverable error of any request."""
    check_all(server, rows("M", "RFC 9112 §6.3", REJECTED, {
        f"GET, {value!r}": request(b"GET /hello HTTP/1.1", b"Content-Length: " + value)
        for value in NOT_DIGITS}))


@table(*rows("M", "RFC 9112 §5.1", SERVED, {
    "no space": post(b"Content-Length:5", body=b"hello"),
    "spaces around": post(b"Content-Length:   5  ", body=b"hello"),
    "tabs around": post(b"Content-Length:\t5\t", body=b"hello"),
}, body=b"hello"), *rows("M", "RFC 9110 §8.6", SERVED, {
    "zero": post(b"Content-Length: 0"),
    "zeros": post(b"Content-Length: 000"),
}, body=b""), *rows("S", "RFC 9110 §8.6", SERVED, {
    "leading zeros": post(b"Content-Length: 0005", body=b"hello"),
    "010 is ten": post(b"Content-Length: 005", body=b"hello"),
}, body=b"hello"))
def test_digits_are_taken_and_space_around_them_is_not_theirs(server: Server, case: Case) -> None:
    check(server, case)


def lengths(*values: bytes) -> bytes:
    return post(*[b"Content-Length: " + value for value in values], body=b"hello")


@table(*rows("M", "RFC 9112 §6.3", REJECTED, {
    "5, 6": lengths(b"5, 6"),
    "6, 5": lengths(b"6, 5"),
    "0, 5": lengths(b"0, 5"),
    "5, 0": lengths(b"5, 0"),
    "5, x": lengths(b"5, x"),
    "x, 5": lengths(b"x, 5"),
    "5, -5": lengths(b"5, -5"),
    "two lines, 5 and 6": lengths(b"5", b"6"),
    "two lines, 6 and 5": lengths(b"6", b"5"),
    "two lines, 0 and 5": lengths(b"0", b"5"),
    "two lines, 5 and 0": lengths(b"5", b"0"),
    "two lines, 5 and x": lengths(b"5", b"x"),
    "two lines, 5 and an empty one": lengths(b"5", b""),
    "two lines in two cases": post(b"Content-Length: 5", b"content-length: 6", body=b"hello"),
    "far apart": post(b"Content-Length: 5", *[b"X: 1"] * 20, b"Content-Length: 6", body=b"hello"),
    "three, the last differs": lengths(b"5", b"5", b"6"),
}))
def test_differing_lengths_are_rejected(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("M", "RFC 9112 §6.3", SERVED_OR_REJECTED, {
    "5, 5": lengths(b"5, 5"),
    "5,5,5": lengths(b"5,5,5"),
    "two lines": lengths(b"5", b"5"),
    "a list and a line": lengths(b"5, 5", b"5"),
    "5 and 05": lengths(b"5", b"05"),
}, body=b"hello"))
def test_equal_lengths_are_one_length_or_rejected(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("M", "RFC 9110 §8.6", TOO_LARGE, {
    "2^31": lengths(b"%d" % 2**31),
    "2^32 + 5": lengths(b"%d" % (2**32 + 5)),
    "2^63": lengths(b"%d" % 2**63),
    "2^64 + 5": lengths(b"%d" % (2**64 + 5)),
    "40 digits": lengths(b"1" + b"0" * 39),
    "400 digits": lengths(b"9" * 400),
    "4,300 digits": lengths(b"9" * 4300),
    "5,000 digits": lengths(b"9" * 5000),
    "50,000 digits": lengths(b"9" * 50_000),
}))
def test_a_huge_length_is_refused_and_overflows_nothing(server: Server, case: Case) -> None:
    check(server, case)


def test_five_thousand_zeros_and_a_five_are_no_500(server: Server) -> None:
    """M, RFC 9110 §8.6: int() refuses more than 4,300 digits with a ValueError."""
    check(server, Case("M", "RFC 9110 §8.6", "5,000 zeros", lengths(b"0" * 5000 + b"5"),
                       any_of(200, 400, 413, 431, silence=True), b"hello"))


@table(*rows("M", "RFC 9112 §6.3", any_of(200, 411, in_step=True), {
    "POST": post(),
    "PUT": request(b"PUT /echo HTTP/1.1"),
}, body=b""), *rows("M", "RFC 9112 §6.3", SERVED, {
    "GET": request(b"GET /echo HTTP/1.1"),
    "DELETE": request(b"DELETE /echo HTTP/1.1"),
}, body=b""))
def test_neither_length_nor_coding_means_an_empty_body(server: Server, case: Case) -> None:
    check(server, case)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /hello HTTP/1.1", 200),
        (b"GET /nowhere HTTP/1.1", 404),
        (b"POST /nowhere HTTP/1.1", 404),
        (b"POST /hello HTTP/1.1", 405),
        (b"DELETE /hello HTTP/1.1", 405),
        (b"GET /nothing HTTP/1.1", 204),
        (b"OPTIONS * HTTP/1.1", 404),
        (b"GET /stream HTTP/1.1", 200),
    ],
)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_nobody_reads_is_never_the_next_request(
        server: Server, line: bytes, status: int, framing: str) -> None:
    """M, RFC 9112 §9.3: skip it, or close."""
    if framing == "length":
        data = request(line, b"Content-Length: %d" % len(INNER), body=INNER)
    else:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER)
        data = request(line, b"Transfer-Encoding: chunked", body=body)
    outcome = talk(server, data + GLUED, count=2)
    rule = f"{status}, then the glued request or close; the body is never a request"
    assert outcome.statuses[:1] == [status], outcome.report(rule, "the first answer is wrong")
    assert b"inner" not in outcome.raw, outcome.report(rule, "the body was parsed as a request")
    assert outcome.closed or [a.body for a in outcome.final[1:]] == [b"glued"], outcome.report(
        rule, "out of step")


@pytest.mark.parametrize(("name", "data"), [
    ("half a body", post(b"Content-Length: 10", body=b"hello")),
    ("no body", post(b"Content-Length: 10")),
    ("all but one byte", post(b"Content-Length: 10", body=b"123456789")),
    ("half a large one", post(b"Content-Length: 200000", body=b"x" * 100_000)),
    ("GET", request(b"GET /hello HTTP/1.1", b"Content-Length: 10", body=b"hello")),
])
def test_a_body_cut_short_is_no_request(server: Server, name: str, data: bytes) -> None:
    """M, RFC 9112 §8: an incomplete message is not acted upon."""
    outcome = talk(server, data, count=None, end=True)
    rule = "FIN before the end of the body: 400, 408 or close, no 2xx"
    assert not outcome.final or outcome.statuses[0] in (400, 408), outcome.report(rule, "answered")
    assert outcome.closed, outcome.report(rule, "not closed")


def test_the_bytes_behind_a_body_are_the_next_request(server: Server) -> None:
    """M, RFC 9112 §9.3.2: to the byte, three times in one segment."""
    outcome = talk(server, sized(b"one") + sized(b"") + sized(b"three") + GLUED, count=4)
    bodies = [answer.body for answer in outcome.final]
    assert bodies == [b"one", b"", b"three", b"glued"], outcome.report(
        "four answers in order", f"bodies {bodies}")
