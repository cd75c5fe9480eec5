"""Transfer-Encoding: `chunked` and nothing else, never guessed at (RFC 9112 §6.1, §6.3)."""

from .lab import (
    GLUED,
    REJECTED,
    REJECTED_OR_501,
    SERVED,
    Case,
    Server,
    any_of,
    check,
    post,
    request,
    rows,
    table,
    talk,
)

BODY = b"5\r\nhello\r\n0\r\n\r\n"


def coded(*values: bytes, body: bytes = BODY, version: bytes = b"HTTP/1.1") -> bytes:
    return post(*[b"Transfer-Encoding:" + value for value in values], body=body, version=version)


@table(*rows("M", "RFC 9112 §7", SERVED, {
    repr(value): coded(value)
    for value in (b" chunked", b"chunked", b" CHUNKED", b" Chunked", b" cHuNkEd", b"  chunked  ",
                  b"\tchunked\t", b" \t chunked \t ")}, body=b"hello"))
def test_chunked_is_taken_in_any_case_and_with_space_around(server: Server, case: Case) -> None:
    check(server, case)


OTHERS = [
    b"identity", b"chunked, identity", b"chunked, chunked", b"chunked,chunked", b"xchunked",
    b"chunkedx", b'"chunked"', b"'chunked'", b"chunked;", b"chun ked", b"gzip", b"deflate",
    b"cow", b"chunked, gzip", b"chunked\x0b", b"\x0bchunked", b"chunked\x0c", b"chunked\xa0",
    b"\xa0chunked", b"chunked\0", b"\0chunked", b"chunked\x85", b"chunked\x1f", b"x, chunked",
    b"chunk", b"none", b"chunked chunked", b"chunked=1", "\uff43hunked".encode(), b"chun\xeeed",
    "chun\u212aed".encode(),
]
SECOND_CHOICE = [
    b"", b" ", b",", b"gzip, chunked", b"identity, chunked", b"chunked;a=b", b"chunked,",
    b",chunked",
]


@table(*rows("M", "RFC 9112 §6.1", REJECTED_OR_501,
             {repr(value): coded(b" " + value) for value in OTHERS}),
       *rows("S", "RFC 9112 §6.1", REJECTED_OR_501,
             {repr(value): coded(b" " + value) for value in SECOND_CHOICE}),
       *rows("M", "RFC 9112 §6.1", REJECTED_OR_501, {
           "two lines, chunked and identity": coded(b" chunked", b" identity"),
           "two lines, identity and chunked": coded(b" identity", b" chunked"),
           "two lines, chunked and cow": coded(b" chunked", b" cow"),
           "a line in another case": post(b"Transfer-Encoding: chunked", b"transfer-encoding: cow",
                                          body=BODY),
           "far apart": post(b"Transfer-Encoding: chunked", *[b"X: 1"] * 20,
                             b"Transfer-Encoding: identity", body=BODY),
       }),
       *rows("S", "RFC 9112 §6.1", REJECTED_OR_501, {
           "two lines of chunked": coded(b" chunked", b" chunked"),
           "chunked and an empty line": coded(b" chunked", b""),
       }))
def test_every_other_coding_is_rejected(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("M", "RFC 9112 §6.1", REJECTED_OR_501, {
    repr(value): request(b"GET /hello HTTP/1.1", b"Transfer-Encoding: " + value)
    for value in (b"identity", b"cow", b"gzip", b"xchunked")}))
def test_an_unknown_coding_does_not_mean_no_body(server: Server, case: Case) -> None:
    check(server, case)


BOTH = {
    "Content-Length first": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=BODY),
    "Content-Length last": post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=BODY),
    "the right length": post(
        b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(BODY), body=BODY
    ),
    "length 0": post(b"Transfer-Encoding: chunked", b"Content-Length: 0", body=BODY),
    "length 4": post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=BODY),
    "a huge length": post(b"Content-Length: 999999", b"Transfer-Encoding: chunked", body=BODY),
    "mixed case": post(b"CONTENT-length: 5", b"TRANSFER-encoding: CHUNKED", body=BODY),
    "far apart": post(
        b"Content-Length: 5", *[b"X: 1"] * 20, b"Transfer-Encoding: chunked", body=BODY
    ),
    "keep-alive asked": post(
        b"Connection: keep-alive", b"Content-Length: 5", b"Transfer-Encoding: chunked", body=BODY
    ),
}


@table(*rows("S", "RFC 9112 §6.3", REJECTED, BOTH))
def test_a_length_beside_a_coding_is_rejected(server: Server, case: Case) -> None:
    check(server, case)


@table(
    *rows("M", "RFC 9112 §6.3", any_of(200, 400, silence=True, closes=True), BOTH, body=b"hello"),
    *rows(
        "M",
        "RFC 9112 §6.3",
        REJECTED_OR_501,
        {
            "an unknown coding": post(
                b"Content-Length: 5", b"Transfer-Encoding: cow", body=b"hello"
            ),
            "identity": post(b"Content-Length: 5", b"Transfer-Encoding: identity", body=b"hello"),
        },
    ),
)
def test_a_length_beside_a_coding_never_frames_the_body(server: Server, case: Case) -> None:
    """M: rejected, or framed by chunked and then closed."""
    check(server, case)


@table(*rows("M", "RFC 9112 §6.1", any_of(200, 400, 501, silence=True, closes=True), {
    "plain": coded(b" chunked", version=b"HTTP/1.0"),
    "keep-alive asked": post(b"Transfer-Encoding: chunked", b"Connection: keep-alive", body=BODY,
                             version=b"HTTP/1.0"),
    "with a length": post(b"Transfer-Encoding: chunked", b"Connection: keep-alive",
                          b"Content-Length: 5", body=BODY, version=b"HTTP/1.0"),
}, body=b"hello"))
def test_a_coding_in_http_1_0_is_rejected_or_the_last_of_its_connection(
        server: Server, case: Case) -> None:
    check(server, case)


def test_chunked_as_a_body_of_a_get_is_read(server: Server) -> None:
    """M, RFC 9112 §6.3: framing does not depend on the method."""
    data = request(b"GET /echo HTTP/1.1", b"Transfer-Encoding: chunked", body=BODY)
    outcome = talk(server, data + GLUED, count=2)
    assert [a.body for a in outcome.final] == [b"hello", b"glued"], outcome.report(
        "a GET with a chunked body: echoed, then the next", "not so")
