r"""What the bytes of HTTP/1.1 mean: heads, framing, chunk sizes.  Pure, and strict.

    parse_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")  ->  start line, fields, and what they decide:
                                                      keep alive?, length of the body
    parse_chunk_size(b"1f\r\n")                       ->  31

Where a message ends is decided here, and nowhere else.  Two who disagree about that, a proxy
and this server say, can be made to take one man's body for another man's request; so whatever
could be read in two ways is refused, with an HTTPInputError.

Tornado 4.4: parts of HTTP1Connection in tornado/http1connection.py.  RFC 9112 is the book.
"""

from __future__ import annotations

import functools
import re

from .httputil import (
    MAX_SHORT_LINE,
    HTTPHeaders,
    HTTPInputError,
    RequestStartLine,
    is_valid_host,
    parse_request_start_line,
)
from .util import Cache

# The digits are spelled out: int() takes "+5", " 5", "1_0" and Arabic digits as well.
_DIGITS = re.compile(r"[0-9]+")
MAX_CHUNK_LINE = 4 * 1024  # bytes of a chunk's size line, extensions included; nobody needs them
_CHUNK_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\x00]*)?\r\n")
_ABSOLUTE_FORM = re.compile(r"https?://([^/?#]*)([^#]*)", re.IGNORECASE)


class ReadLines:
    """A pending read like ReadUntil, for lines that strangers send: at `limit` bytes it ends.

    What it returns then lacks the delimiter; the stream stays open, and the client can be told
    why it is refused.  `seen` is the number of bytes that had come and did not suffice; when they
    do, it is 0 again, and the same object fit for the next read.
    """

    __slots__ = ("delimiter", "limit", "seen")

    def __init__(self, delimiter: bytes, limit: int) -> None:
        self.delimiter = delimiter
        self.limit = limit
        self.seen = 0

    def find_end(self, buffer: bytearray, closed: bool) -> int | None:
        if not buffer:  # as when a new connection's first request is still on its way
            return None
        # Three bytes are looked at again: a delimiter can straddle two packets.
        start = self.seen - 3 if self.seen > 3 else 0
        at = buffer.find(self.delimiter, start)
        end = len(buffer) if at < 0 else at + len(self.delimiter)
        if end > self.limit:
            return self.limit
        # A head typed by hand, with LF alone, is told so, and not waited for.
        if at >= 0 or buffer.find(b"\n\n", start) >= 0:
            self.seen = 0
            return end
        self.seen = end
        return None


class ReadChunks:
    r"""A pending read of chunks (RFC 9112 §7.1): those that are here, one at least, whole, and with
    no more than `limit` bytes of data together.

    `pieces` are their data.  `size` is None, or what a chunk announces that is not among them: 0
    for the last, or more than `limit`.  Behind a last chunk's size the CRLF is left in the buffer.

    >>> chunks = ReadChunks(limit=10)
    >>> chunks.find_end(bytearray(b"2\r\nab\r\n3\r\ncde\r\n6\r\nfghij"), closed=False)
    15
    >>> chunks.pieces, chunks.size
    ([b'ab', b'cde'], None)
    """

    __slots__ = ("limit", "pieces", "size")

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def find_end(self, buffer: bytearray, closed: bool) -> int | None:
        end, left = 0, self.limit
        self.pieces: list[bytes] = []
        self.size: int | None = None
        with memoryview(buffer) as view:
            while (start := buffer.find(b"\r\n", end, end + MAX_CHUNK_LINE) + 2) >= 2:
                size = parse_chunk_size(view[end:start].tobytes())
                after = start + size
                if size == 0:
                    self.size, end = size, start - 2  # a trailer ends with two CRLFs, if empty too
                    break
                if size > left:
                    if end == 0:
                        self.size, end = size, start
                    break
                if after + 2 > len(buffer):
                    break  # it is told whole: in parts, it would take four reads
                if not buffer.startswith(b"\r\n", after):
                    raise HTTPInputError("chunk data longer or shorter than its size")
                self.pieces.append(view[start:after].tobytes())
                left -= size
                end = after + 2
            else:
                if len(buffer) - end >= MAX_CHUNK_LINE:
                    raise HTTPInputError("chunk size line too long")
        return end or None


def parse_head(data: bytes) -> tuple[RequestStartLine, HTTPHeaders, bool, int | None]:
    r"""Return start line and fields of a head, up to and including its empty line, and `framing`.

    >>> head = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    >>> start_line, headers, keep_alive, body_length = parse_head(head)
    >>> start_line.path, headers["host"], keep_alive, body_length
    ('/hello', 'a', False, 0)
    """
    end = data.find(b"\r\n")
    start_line, in_origin_form = _start_lines[data[:end]]
    headers, keep_alive, body_length = _fields[data[end - len("HTTP/1.1") :]]
    headers = headers.copy()
    if not in_origin_form:
        start_line = _to_origin_form(start_line, headers)
    return start_line, headers, keep_alive, body_length


def _parse_start_line(line: bytes) -> tuple[RequestStartLine, bool]:
    """Return the start line that `line` is, and whether its target is a path."""
    start_line = parse_request_start_line(line.decode("latin-1"))
    return start_line, start_line.path.startswith("/")


def _parse_fields(data: bytes) -> tuple[HTTPHeaders, bool, int | None]:
    """Return the fields of a head, and `framing`, from all of it from the version on."""
    # Decoded once, as latin-1, which has a character for every byte; then split.  A CR or LF
    # that ends no line stays in one, and is refused there as any other control character.
    version, *lines = data.decode("latin-1").split("\r\n")[:-2]
    headers = HTTPHeaders()
    headers.parse_lines(lines)
    return headers, *framing(version, headers)


# A server is mostly asked for the same few things, and most clients say the same of themselves
# each time.
MAX_SHORT_FIELDS = 2048  # bytes
_start_lines = Cache(_parse_start_line, MAX_SHORT_LINE, maxsize=256)
_fields = Cache(_parse_fields, MAX_SHORT_FIELDS, maxsize=256)


def check_trailer(data: bytes) -> None:
    """Raise unless `data` is header fields, with a CRLF before the first and two at the end."""
    HTTPHeaders().parse_lines(data.decode("latin-1").split("\r\n")[1:-2])


# Most chunks of a body have one size.  Bounded in number here, in length by MAX_CHUNK_LINE.
@functools.lru_cache(maxsize=256)
def parse_chunk_size(line: bytes) -> int:
    r"""Return the size that a chunk's first line announces (RFC 9112 §7.1).

    >>> parse_chunk_size(b"1f;name=value\r\n")
    31
    """
    match = _CHUNK_LINE.fullmatch(line)
    if match is None:
        raise HTTPInputError(f"malformed chunk size: {line[:60]!r}")
    return int(match[1], 16)


def framing(version: str, headers: HTTPHeaders) -> tuple[bool, int | None]:
    """Return what a head decides: may the connection stay open, and how long is the body.

    The length is None if the body comes in chunks.

    >>> framing("HTTP/1.1", HTTPHeaders({"Host": "a", "Connection": "close"}))
    (False, 0)
    """
    field = headers.get  # a field that came several times is joined with commas
    _check_host(version, field("Host"))
    length = _body_length(version, field("Transfer-Encoding"), field("Content-Length"))
    return _can_keep_alive(version, field("Connection")), length


def _to_origin_form(start_line: RequestStartLine, headers: HTTPHeaders) -> RequestStartLine:
    """Take `GET http://host/path` for `GET /path` at that host (RFC 9112 §3.2.2)."""
    match = _ABSOLUTE_FORM.match(start_line.path)
    if match is None:
        return start_line  # `*`, `host:port`, or nonsense: the application's to answer
    authority, path = match[1], match[2]
    if not authority or not is_valid_host(authority):
        raise HTTPInputError(f"malformed host in the target: {authority[:60]!r}")
    headers["Host"] = authority  # it counts, and not the field, which HTTP/1.0 need not have
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
