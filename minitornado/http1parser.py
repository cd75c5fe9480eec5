r"""What the bytes of HTTP/1.1 mean: heads, framing, chunk sizes.  Pure, and strict.

    parse_head(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")  ->  start line, fields
    framing(version, host, connection, coding, length)     ->  keep alive?, length of the body
    parse_chunk_size(b"1f\r\n")                            ->  31

Where a message ends is decided here, and nowhere else.  Two who disagree about that, a proxy
and this server say, can be made to take one man's body for another man's request; so whatever
could be read in two ways is refused, with an HTTPInputError.

Tornado 4.4: parts of HTTP1Connection in tornado/http1connection.py.  RFC 9112 is the book.
"""

from __future__ import annotations

import functools
import re

from .httputil import (
    HTTPHeaders,
    HTTPInputError,
    RequestStartLine,
    is_valid_host,
    parse_request_start_line,
)

# The digits are spelled out: int() takes "+5", " 5", "1_0" and Arabic digits as well.
_DIGITS = re.compile(r"[0-9]+")
_CHUNK_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\x00]*)?\r\n")
_ABSOLUTE_FORM = re.compile(r"https?://([^/?#]*)([^#]*)", re.IGNORECASE)


class ReadLines:
    """A pending read like ReadUntil, for lines that strangers send: at `limit` bytes it ends.

    What it returns then lacks the delimiter; the stream stays open, and the client can be told
    why it is refused.  `seen` is the number of bytes that had come and did not suffice.
    """

    __slots__ = ("delimiter", "limit", "seen")

    def __init__(self, delimiter: bytes, limit: int) -> None:
        self.delimiter = delimiter
        self.limit = limit
        self.seen = 0

    def find_end(self, buffer: bytearray, closed: bool) -> int | None:
        # Three bytes are looked at again: a delimiter can straddle two packets.
        start = self.seen - 3 if self.seen > 3 else 0
        at = buffer.find(self.delimiter, start)
        end = len(buffer) if at < 0 else at + len(self.delimiter)
        if end > self.limit:
            return self.limit
        # A head typed by hand, with LF alone, is told so, and not waited for.
        if at >= 0 or buffer.find(b"\n\n", start) >= 0:
            return end
        self.seen = end
        return None


def parse_head(data: bytes) -> tuple[RequestStartLine, HTTPHeaders]:
    r"""Return start line and fields of a head, up to and including its empty line.

    >>> start_line, headers = parse_head(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    >>> start_line.path, headers["host"]
    ('/hello', 'a')
    """
    # Decoded once, as latin-1, which has a character for every byte; then split.  A CR or LF
    # that ends no line stays in one, and is refused there as any other control character.
    lines = data[:-4].decode("latin-1").split("\r\n")
    start_line = parse_request_start_line(lines[0])
    headers = HTTPHeaders()
    headers.parse_lines(lines[1:])
    if not start_line.path.startswith("/"):
        start_line = _to_origin_form(start_line, headers)
    return start_line, headers


def check_trailer_line(line: bytes) -> None:
    """Raise unless `line`, CRLF included, is a header field."""
    HTTPHeaders().parse_line(line[:-2].decode("latin-1"))


def parse_chunk_size(line: bytes) -> int:
    r"""Return the size that a chunk's first line announces (RFC 9112 §7.1).

    >>> parse_chunk_size(b"1f;name=value\r\n")
    31
    """
    match = _CHUNK_LINE.fullmatch(line)
    if match is None:
        raise HTTPInputError(f"malformed chunk size: {line[:60]!r}")
    return int(match[1], 16)


@functools.lru_cache(maxsize=1000)  # most requests differ from the last in none of these fields
def framing(
    version: str, host: str | None, connection: str | None, coding: str | None, length: str | None
) -> tuple[bool, int | None]:
    """Return what a head decides: may the connection stay open, and how long is the body.

    The length is None if the body comes in chunks.  Fields that came several times are
    joined with commas.

    >>> framing("HTTP/1.1", "a", "close", None, "5")
    (False, 5)
    """
    _check_host(version, host)
    return _can_keep_alive(version, connection), _body_length(version, coding, length)


def _to_origin_form(start_line: RequestStartLine, headers: HTTPHeaders) -> RequestStartLine:
    """Take `GET http://host/path` for `GET /path` at that host (RFC 9112 §3.2.2)."""
    match = _ABSOLUTE_FORM.match(start_line.path)
    if match is None:
        return start_line  # `*`, `host:port`, or nonsense: the application's to answer
    authority, path = match[1], match[2]
    if not authority or not is_valid_host(authority):
        raise HTTPInputError(f"malformed host in the target: {authority[:60]!r}")
    if is_valid_host(headers.get("Host", ",")):  # else it is refused, as it always is
        headers["Host"] = authority  # it counts, and not the field
    return start_line._replace(path=path if path.startswith("/") else "/" + path)


def _check_host(version: str, host: str | None) -> None:
    """Refuse a request that does not say, once, whom it is for (RFC 9112 §3.2)."""
    if host is None:
        if version != "HTTP/1.0":
            raise HTTPInputError("no Host")
    elif not is_valid_host(host):  # as two of them are not: no name holds a comma
        raise HTTPInputError(f"malformed Host, or more than one: {host[:60]!r}")


def _can_keep_alive(version: str, connection: str | None) -> bool:
    """Tell whether the connection may stay open after this exchange (RFC 9112 §9.3)."""
    options = {option.strip(" \t").lower() for option in (connection or "").split(",")}
    return "close" not in options and (version != "HTTP/1.0" or "keep-alive" in options)


def _body_length(version: str, coding: str | None, length: str | None) -> int | None:
    """Return how many bytes the body has, None if it comes in chunks (RFC 9112 §6.3)."""
    if coding is not None:
        if length is not None:
            raise HTTPInputError("both Transfer-Encoding and Content-Length")
        if version == "HTTP/1.0":
            raise HTTPInputError("Transfer-Encoding in HTTP/1.0")
        if coding.lower() != "chunked":
            raise HTTPInputError(f"Transfer-Encoding {coding[:60]!r} is not understood", status=501)
        return None
    if length is None:
        return 0
    # "5, 5" is what some proxies make of two equal fields; two different ones are an attack.
    values = {value.strip(" \t") for value in length.split(",")}
    digits = values.pop()
    if values or not _DIGITS.fullmatch(digits):
        raise HTTPInputError(f"malformed Content-Length: {length[:60]!r}")
    digits = digits.lstrip("0") or "0"
    if len(digits) > 15:  # more than anybody has; and int() refuses 5,000 digits
        raise HTTPInputError("Content-Length beyond all limits", status=413)
    return int(digits)
