"""Pending reads: where the answer ends, whole, cut anywhere, dripped, or never.

Each read is given its input as one piece, cut in two at every byte, and byte by byte, with
bytes of the next message behind it; the answer must be the same.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from minitornado.pending_read import (
    PendingRead,
    ReadBytes,
    ReadUntil,
    ReadUntilClose,
    ReadUntilRegex,
    UnsatisfiableReadError,
)

pytestmark = [pytest.mark.deadline(120), pytest.mark.usefixtures("quiet_log")]


class CountingBuffer(bytearray):
    """A buffer that counts the bytes which `find` had to look at."""

    looked_at = 0

    def find(self, needle: Any, start: Any = 0, *args: Any) -> int:
        at = super().find(needle, start, *args)
        self.looked_at += (at + len(needle) if at >= 0 else len(self)) - start
        return at


def feed(read: PendingRead, pieces: list[bytes], closed: bool = False) -> bytes | None:
    """Give `read` the pieces one after the other; return its answer, as a stream would."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        end = read.find_end(buffer, closed=False)
        if end is not None:
            return bytes(buffer[:end])
    end = read.find_end(buffer, closed) if closed else None
    return None if end is None else bytes(buffer[:end])


def ways_to_cut(data: bytes) -> list[list[bytes]]:
    two = [[data[:at], data[at:]] for at in range(1, len(data))]
    return [[data], *two, [data[at : at + 1] for at in range(len(data))]]


@pytest.mark.parametrize(
    ("make", "data", "answer"),
    [
        (lambda: ReadUntil(b"\n"), b"one\ntwo\n", b"one\n"),
        (lambda: ReadUntil(b"\r\n\r\n"), b"GET / HTTP/1.1\r\nA: b\r\n\r\nnext", None),
        (lambda: ReadUntil(b"\r\n\r\n"), b"a\r\r\n\r\n\r\n\r\n", b"a\r\r\n\r\n"),
        (lambda: ReadUntil(b"aab"), b"aaab", b"aaab"),  # a false start inside the delimiter
        (lambda: ReadUntil(b"\n", max_bytes=4), b"one\n", b"one\n"),
        (lambda: ReadUntilRegex(rb"\r?\n\r?\n"), b"a\n\r\nb", b"a\n\r\n"),
        (lambda: ReadUntilRegex(rb"b", max_bytes=3), b"aab", b"aab"),
        (lambda: ReadBytes(5), b"abcdefg", b"abcde"),
        (lambda: ReadBytes(5), b"abcde", b"abcde"),
        (lambda: ReadBytes(1), b"ab", b"a"),
    ],
)
def test_the_answer_does_not_depend_on_how_the_bytes_come(make: Any, data: bytes, answer: Any):
    if answer is None:
        answer = data[: data.index(b"\r\n\r\n") + 4]
    for pieces in ways_to_cut(data):
        assert feed(make(), pieces) == answer


@pytest.mark.parametrize("data", [b"", b"abc"])
@pytest.mark.parametrize(
    "make", [lambda: ReadUntil(b"\n"), lambda: ReadUntilRegex(rb"\n"), lambda: ReadBytes(10)]
)
def test_an_end_does_not_complete_what_is_incomplete(make: Any, data: bytes):
    assert feed(make(), [data], closed=True) is None


def test_an_end_is_no_first_byte():
    assert feed(ReadBytes(1, partial=True), [b""], closed=True) is None


# ---- ReadUntil ----


def test_a_head_that_drips_in_byte_by_byte_is_looked_at_once():
    # 64 KiB of head, one byte a packet: with a search from the start each time, two billion.
    size = 64 * 1024
    read, buffer = ReadUntil(b"\r\n\r\n"), CountingBuffer()
    for _ in range(size):
        buffer += b"x"
        assert read.find_end(buffer, closed=False) is None
    assert buffer.looked_at <= 4 * size


@pytest.mark.parametrize("delimiter", [b"\n", b"\r\n\r\n", b"--boundary--"])
def test_a_delimiter_is_found_across_any_two_packets(delimiter: bytes):
    for cut in range(1, len(delimiter)):
        data = b"head" + delimiter
        assert feed(ReadUntil(delimiter), [data[: 4 + cut], data[4 + cut :]]) == data


def test_a_delimiter_at_the_limit_is_in_time_and_one_byte_later_it_is_not():
    assert ReadUntil(b"\n", max_bytes=10).find_end(bytearray(b"x" * 9 + b"\n"), False) == 10
    with pytest.raises(UnsatisfiableReadError, match=r"b'\\n' within 10 bytes"):
        ReadUntil(b"\n", max_bytes=10).find_end(bytearray(b"x" * 10 + b"\n"), False)


def test_a_head_without_an_end_is_refused_as_soon_as_it_is_too_long():
    read, buffer = ReadUntil(b"\n", max_bytes=10), bytearray()
    for _ in range(10):
        buffer += b"x"
        assert read.find_end(buffer, closed=False) is None
    buffer += b"x"
    with pytest.raises(UnsatisfiableReadError):
        read.find_end(buffer, closed=False)


def test_what_was_refused_once_is_refused_again():
    # A stream asks again when it closes.
    read, buffer = ReadUntil(b"\n", max_bytes=2), bytearray(b"xxx")
    for _ in range(2):
        with pytest.raises(UnsatisfiableReadError):
            read.find_end(buffer, closed=True)


def test_bytes_behind_the_answer_do_not_count_against_the_limit():
    data = bytearray(b"ab\n" + b"x" * 100)
    assert ReadUntil(b"\n", max_bytes=3).find_end(data, closed=False) == 3
    assert ReadUntilRegex(rb"\n", max_bytes=3).find_end(data, closed=False) == 3


# ---- ReadUntilRegex ----


def test_a_match_may_begin_in_what_was_already_seen():
    assert feed(ReadUntilRegex(rb"a.*z"), [b"-a---", b"---z-"]) == b"-a------z"


def test_a_regex_may_be_compiled_already():
    assert feed(ReadUntilRegex(re.compile(rb"\d\D")), [b"ab1", b"2c"]) == b"ab12c"


def test_a_regex_without_a_match_is_refused_past_the_limit_and_says_which():
    read = ReadUntilRegex(rb"\d\d", max_bytes=3)
    assert read.find_end(bytearray(b"abc"), closed=False) is None
    with pytest.raises(UnsatisfiableReadError, match=r"d.*within 3 bytes"):
        read.find_end(bytearray(b"abcd"), closed=False)
    with pytest.raises(UnsatisfiableReadError):
        ReadUntilRegex(rb"\d\d", max_bytes=3).find_end(bytearray(b"ab12"), closed=False)


# ---- ReadBytes, ReadUntilClose ----


def test_partial_takes_the_first_bytes_that_come_and_never_more_than_asked_for():
    assert feed(ReadBytes(10, partial=True), [b"abc", b"def"]) == b"abc"
    assert feed(ReadBytes(2, partial=True), [b"abc"]) == b"ab"
    assert ReadBytes(10, partial=True).find_end(bytearray(), closed=False) is None


def test_no_bytes_are_there_at_once():
    assert ReadBytes(0).find_end(bytearray(b"abc"), closed=False) == 0


def test_until_close_waits_for_the_end_and_takes_everything():
    read = ReadUntilClose()
    assert read.find_end(bytearray(b"abc"), closed=False) is None
    assert read.find_end(bytearray(b"abc"), closed=True) == 3
    assert read.find_end(bytearray(), closed=True) == 0
