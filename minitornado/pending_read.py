r"""What a reader waits for, and where its answer ends in the buffer.

A stream keeps the bytes that have arrived in one buffer.  A reader says when it will be
content: at a delimiter, at a match, after so many bytes, at the end.  Each of these is a
small object that answers one question, again after every packet:

    find_end(buffer, closed)  ->  17      your answer is buffer[:17]
                                  None    not yet; come back with more bytes
                                  raises  UnsatisfiableReadError: it can't be had any more

Nothing here knows sockets, so everything here can be tried on a bytearray:

>>> read = ReadUntil(b"\r\n")
>>> read.find_end(bytearray(b"GET / HT"), closed=False)
>>> read.find_end(bytearray(b"GET / HTTP/1.1\r\nHost"), closed=False)
16

Tornado 4.4: the six attributes `_read_delimiter`, `_read_regex`, `_read_bytes`,
`_read_partial`, `_read_max_bytes`, `_read_until_close` of BaseIOStream, and `_find_read_pos`.
"""

from __future__ import annotations

import re
from typing import Protocol


class UnsatisfiableReadError(Exception):
    """A read can't be satisfied: `max_bytes` are here, and what was looked for is not among them.

    Tornado 4.4: iostream.UnsatisfiableReadError.
    """


class PendingRead(Protocol):
    """What a stream asks of a read that waits."""

    def find_end(self, buffer: bytearray, closed: bool) -> int | None:
        """The number of bytes of `buffer` that are the answer; None while it is incomplete.

        `closed` says that no more bytes will come.  Between two calls the buffer only grows.
        """


class ReadUntil:
    """A read that ends with `delimiter`, within `max_bytes` bytes if given."""

    __slots__ = ("_searched", "delimiter", "max_bytes")

    def __init__(self, delimiter: bytes, max_bytes: int | None = None) -> None:
        self.delimiter = delimiter
        self.max_bytes = max_bytes
        self._searched = 0  # bytes of the buffer that are known to hold no whole delimiter

    def find_end(self, buffer: bytearray, closed: bool) -> int | None:
        # A delimiter can straddle two packets ("\r\n\r", then "\n"), so all but one of its
        # bytes are looked at again; the rest never is.  Starting at 0 every time would let a
        # client that drips a 64 KiB head byte by byte cost two billion comparisons.
        start = self._searched - len(self.delimiter) + 1
        at = buffer.find(self.delimiter, start if start > 0 else 0)
        if at >= 0:
            end = at + len(self.delimiter)
            _check_max_bytes(end, self.max_bytes, self.delimiter)
            return end
        self._searched = len(buffer)
        # Before the delimiter is found, too: a head without an end must not grow for ever.
        _check_max_bytes(len(buffer), self.max_bytes, self.delimiter)
        return None


class ReadUntilRegex:
    """A read that ends where the first match of `regex` ends, within `max_bytes` bytes if given."""

    __slots__ = ("max_bytes", "regex")

    def __init__(self, regex: bytes, max_bytes: int | None = None) -> None:
        self.regex = re.compile(regex)
        self.max_bytes = max_bytes

    def find_end(self, buffer: bytearray, closed: bool) -> int | None:
        # From the start every time: a match may begin anywhere in what was already seen, and
        # nothing tells where.  Who reads from strangers prefers ReadUntil, which remembers.
        match = self.regex.search(buffer)
        end = None if match is None else match.end()
        _check_max_bytes(len(buffer) if end is None else end, self.max_bytes, self.regex.pattern)
        return end


class ReadBytes:
    """A read of `num_bytes` bytes; with `partial`, of the first bytes to come, at most so many."""

    __slots__ = ("num_bytes", "partial")

    def __init__(self, num_bytes: int, partial: bool = False) -> None:
        self.num_bytes = num_bytes
        self.partial = partial

    def find_end(self, buffer: bytearray, closed: bool) -> int | None:
        if len(buffer) >= self.num_bytes:
            return self.num_bytes
        return len(buffer) if self.partial and buffer else None


class ReadUntilClose:
    """A read of everything up to the end of the stream, which may be nothing at all."""

    __slots__ = ()

    def find_end(self, buffer: bytearray, closed: bool) -> int | None:
        return len(buffer) if closed else None


def _check_max_bytes(size: int, max_bytes: int | None, wanted: bytes) -> None:
    if max_bytes is not None and size > max_bytes:
        raise UnsatisfiableReadError(f"no {wanted!r} within {max_bytes} bytes")
