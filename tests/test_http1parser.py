"""http1parser: caches share nothing; pending reads of heads and chunks end where they say.

What is refused, and why, is in tests/wire, where a real server says so.
"""

from __future__ import annotations

import pytest

from minitornado import http1parser
from minitornado.http1parser import MAX_CHUNK_LINE, ReadChunks, ReadLines, parse_head
from minitornado.httputil import HTTPInputError

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\nX: 2\r\n\r\n"


def test_each_request_has_headers_of_its_own_although_their_lines_have_come_before():
    for _ in range(3):
        headers = parse_head(HEAD)[1]
        assert list(headers.get_all()) == [("Host", "h"), ("X", "1"), ("X", "2")]
        headers["Host"] = "changed"
        headers.add("X", "3")
        del headers["X"]


def test_the_same_fields_decide_differently_in_another_version():
    for _ in range(2):
        for version, keep_alive in ((b"1.1", True), (b"1.0", False), (b"1.1", True)):
            head = b"GET / HTTP/%b\r\nHost: same\r\nContent-Length: 5\r\n\r\n" % version
            assert parse_head(head)[2:] == (keep_alive, 5)


def test_an_absolute_target_does_not_change_what_is_kept_of_the_fields():
    rest = b" HTTP/1.1\r\nHost: field\r\n\r\n"
    for _ in range(2):
        assert parse_head(b"GET http://target/" + rest)[1]["Host"] == "target"
        assert parse_head(b"GET /" + rest)[1]["Host"] == "field"
    for _ in range(2):  # HTTP/1.0 may come without Host; then the target alone says it
        assert parse_head(b"GET http://target/ HTTP/1.0\r\n\r\n")[1]["Host"] == "target"
        assert "Host" not in parse_head(b"GET / HTTP/1.0\r\n\r\n")[1]


def test_heads_that_are_kept_are_bounded_in_number_and_length():
    cache = http1parser._fields
    cache.clear()
    long = b"X: " + b"x" * http1parser.MAX_SHORT_FIELDS
    parse_head(HEAD[:-2] + long + b"\r\n\r\n")
    assert not cache
    for number in range(1000):
        parse_head(b"GET / HTTP/1.1\r\nHost: h%d\r\n\r\n" % number)
    assert 0 < len(cache) <= 256


def test_start_lines_that_are_kept_are_bounded_in_number_and_length():
    cache = http1parser._start_lines
    cache.clear()
    path = b"/" + b"x" * http1parser.MAX_SHORT_LINE
    assert parse_head(HEAD.replace(b"/", path, 1))[0].path == path.decode()
    assert not cache
    for number in range(1000):
        assert parse_head(HEAD.replace(b"/", b"/%d" % number, 1))[0].path == f"/{number}"
    assert 0 < len(cache) <= 256


def test_chunk_sizes_that_are_kept_are_bounded_in_number_and_length():
    cache = http1parser.parse_chunk_size
    cache.cache_clear()
    for number in range(1, 1000):
        chunks(b"%x\r\n" % number, limit=0)
    assert 0 < cache.cache_info().currsize <= 256
    cache.cache_clear()
    with pytest.raises(HTTPInputError, match="too long"):
        chunks(b"1;" + b"x" * MAX_CHUNK_LINE + b"\r\n")
    assert cache.cache_info().currsize == 0


@pytest.mark.parametrize("cut", range(1, len(HEAD)))
def test_an_end_that_is_cut_in_two_is_found(cut: int):
    read = ReadLines(b"\r\n\r\n", 100)
    assert read.find_end(bytearray(HEAD[:cut]), closed=False) is None
    assert read.seen == cut
    assert read.find_end(bytearray(HEAD + b"more"), closed=False) == len(HEAD)
    assert read.find_end(bytearray(b"A\r\n\r\n"), closed=False) == 5  # the next one


def test_a_head_ends_at_its_limit_and_where_lf_alone_ends_it():
    assert ReadLines(b"\r\n\r\n", len(HEAD)).find_end(bytearray(HEAD), False) == len(HEAD)
    assert ReadLines(b"\r\n\r\n", len(HEAD) - 1).find_end(bytearray(HEAD), False) == len(HEAD) - 1
    by_hand = bytearray(b"GET / HTTP/1.1\n\n")
    assert ReadLines(b"\r\n\r\n", 100).find_end(by_hand, False) == len(by_hand)


def chunks(data: bytes, limit: int = 10) -> tuple[int | None, list[bytes], int | None]:
    read = ReadChunks(limit)
    return read.find_end(bytearray(data), closed=False), read.pieces, read.size


@pytest.mark.parametrize(("data", "found"), [
    (b"", (None, [], None)),
    (b"2", (None, [], None)),
    (b"2\r\na", (None, [], None)),  # told whole
    (b"2\r\nab\r", (None, [], None)),
    (b"2\r\nab\r\n", (7, [b"ab"], None)),
    (b"2\r\nab\r\n3\r\nc", (7, [b"ab"], None)),
    (b"5\r\n12345\r\n5\r\n67890\r\n1\r\na\r\n", (20, [b"12345", b"67890"], None)),  # that is 10
    (b"2\r\nab\r\nb\r\n", (7, [b"ab"], None)),
    (b"b\r\n", (3, [], 11)),  # larger than the limit: to be read by itself
    (b"2\r\nab\r\n0\r\nX: y", (8, [b"ab"], 0)),
    (b"0\r\n", (1, [], 0)),  # the CRLF is the trailer's
])  # fmt: skip
def test_chunks_that_are_here_are_taken_together(
    data: bytes, found: tuple[int | None, list[bytes], int | None]
):
    assert chunks(data) == found


@pytest.mark.parametrize(("data", "words"), [
    (b"2\r\nabc\r\n", "longer or shorter"),
    (b"2\r\nab\r\n+1\r\n", "malformed chunk size"),
    (b"2\r\nab\r\n" + b"1" * MAX_CHUNK_LINE, "too long"),
])  # fmt: skip
def test_a_chunk_that_is_none_is_refused(data: bytes, words: str):
    with pytest.raises(HTTPInputError, match=words):
        chunks(data)
