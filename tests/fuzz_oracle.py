"""A second, independent reading of HTTP/1.1 requests, to judge the first by.

    read(data)  ->  the requests in `data`, and how it ends: complete, incomplete, closed, refused

Written from RFC 9112 and 9110 alone, byte by byte, with no regular expression and nothing of
minitornado in it.  Strict: what could be read in two ways is refused.  Where the RFCs leave a
choice, it is made here as the project made it (obs-fold, LF alone and a Transfer-Encoding other
than chunked are refused; empty lines before a request are skipped).

Limits of size are not its business, but for the body's: inputs are to stay below the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DIGITS = frozenset(b"0123456789")
HEX = frozenset(b"0123456789abcdefABCDEF")
LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
TCHAR = DIGITS | LETTERS | frozenset(b"!#$%&'*+-.^_`|~")  # RFC 9110 §5.6.2
TARGET = frozenset(range(0x21, 256)) - {0x7F}
VALUE = frozenset(range(0x20, 256)) - {0x7F} | {0x09}  # field-content and obs-text, §5.5
EXTENSION = frozenset(range(256)) - {0x00, 0x0A, 0x0D}
NAME_OF_HOST = DIGITS | LETTERS | frozenset(b"-._~!$&'()*+;=")  # RFC 3986 §3.2.2, no comma


class Refused(Exception):
    """These bytes are no request."""


class Incomplete(Exception):
    """They may become one with more bytes."""


@dataclass
class Message:
    method: bytes
    target: bytes  # in origin form if it came in absolute form
    version: bytes
    body: bytes = b""
    fields: dict[bytes, list[bytes]] = field(default_factory=dict)  # by lower-case name

    def values(self, name: bytes) -> list[bytes]:
        return self.fields.get(name, [])


class Cursor:
    """Where we are in the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def peek(self) -> int:
        if self.at >= len(self.data):
            raise Incomplete
        return self.data[self.at]

    def skip(self, expected: bytes) -> None:
        """Step over these bytes, and no others."""
        for byte in expected:
            if self.peek() != byte:
                raise Refused(f"{expected!r} expected at {self.at}")
            self.at += 1

    def many(self, alphabet: frozenset[int], least: int = 0) -> bytes:
        start = self.at
        while self.peek() in alphabet:
            self.at += 1
        if self.at - start < least:
            raise Refused(f"byte {self.peek()} at {self.at}")
        return self.data[start : self.at]

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        self.at += len(taken)
        if len(taken) < count:
            raise Incomplete
        return taken


def read(data: bytes, max_body: int) -> tuple[list[Message], str]:
    """Return the requests, and the end: complete, incomplete, closed or refused."""
    cursor = Cursor(data)
    messages: list[Message] = []
    while True:
        try:
            while cursor.data[cursor.at : cursor.at + 2] == b"\r\n":
                cursor.at += 2
            if cursor.at == len(data):
                return messages, "complete"
            message = read_message(cursor, max_body)
        except Refused:
            return messages, "refused"
        except Incomplete:
            return messages, "incomplete"
        messages.append(message)
        if not stays_open(message):
            return messages, "closed"


def read_message(cursor: Cursor, max_body: int) -> Message:
    method = cursor.many(TCHAR, least=1)
    cursor.skip(b" ")
    target = cursor.many(TARGET, least=1)
    cursor.skip(b" HTTP/1.")
    minor = cursor.take(1)
    if minor[0] not in DIGITS:
        raise Refused("version")
    cursor.skip(b"\r\n")
    message = Message(method, target, b"HTTP/1." + minor)
    for name, value in read_fields(cursor):
        message.fields.setdefault(name.lower(), []).append(value)
    check_host(message)
    apply_absolute_form(message)
    message.body = read_body(cursor, message, max_body)
    return message


def read_fields(cursor: Cursor) -> list[tuple[bytes, bytes]]:
    fields = []
    while cursor.peek() != 0x0D:
        name = cursor.many(TCHAR, least=1)
        cursor.skip(b":")
        value = cursor.many(VALUE)
        cursor.skip(b"\r\n")
        fields.append((name, value.strip(b" \t")))
    cursor.skip(b"\r\n")
    return fields


def check_host(message: Message) -> None:
    hosts = message.values(b"host")
    if len(hosts) > 1 or (not hosts and message.version != b"HTTP/1.0"):
        raise Refused("Host")
    if hosts and not is_host(hosts[0]):
        raise Refused("Host")


def is_host(host: bytes) -> bool:
    """uri-host [":" port], RFC 9110 §7.2."""
    if host.startswith(b"["):
        literal, bracket, rest = host[1:].partition(b"]")
        if not bracket or not literal or not set(literal) <= HEX | set(b":."):
            return False
    else:
        name, colon, digits = host.partition(b":")
        rest = colon + digits
        while name:
            if name[0] == ord("%"):
                if len(name) < 3 or name[1] not in HEX or name[2] not in HEX:
                    return False
                name = name[3:]
            elif name[0] in NAME_OF_HOST:
                name = name[1:]
            else:
                return False
    return not rest or (rest.startswith(b":") and set(rest[1:]) <= DIGITS)


def is_absolute(target: bytes) -> bool:
    return target.partition(b"://")[0].lower() in (b"http", b"https") and b"://" in target


def apply_absolute_form(message: Message) -> None:
    """http://host/path counts as /path at that host, whatever Host says; RFC 9112 §3.2.2."""
    if not is_absolute(message.target):
        return
    rest = message.target.partition(b"://")[2]
    end = min(at for at in (*map(rest.find, (b"/", b"?", b"#")), len(rest)) if at >= 0)
    authority, path = rest[:end], rest[end:].partition(b"#")[0]
    if not authority or not is_host(authority):
        raise Refused("authority")
    message.target = path if path.startswith(b"/") else b"/" + path
    message.fields[b"host"] = [authority]


def read_body(cursor: Cursor, message: Message, max_body: int) -> bytes:
    codings, lengths = message.values(b"transfer-encoding"), message.values(b"content-length")
    if codings:
        if lengths or message.version == b"HTTP/1.0" or len(codings) != 1:
            raise Refused("Transfer-Encoding with something else")
        if codings[0].lower() != b"chunked":
            raise Refused("Transfer-Encoding")
        return read_chunks(cursor, max_body)
    if not lengths:
        return b""
    values = [value.strip(b" \t") for value in b",".join(lengths).split(b",")]
    if not values[0] or not set(values[0]) <= DIGITS or values.count(values[0]) != len(values):
        raise Refused("Content-Length")
    return cursor.take(bounded(number(values[0], 10), max_body))


def read_chunks(cursor: Cursor, max_body: int) -> bytes:
    body = b""
    while True:
        size = number(cursor.many(HEX, least=1), 16)
        cursor.many(frozenset(b" \t"))
        if cursor.peek() == ord(";"):
            cursor.many(EXTENSION)
        cursor.skip(b"\r\n")
        if size == 0:
            read_fields(cursor)  # the trailer section has the grammar of the header section
            return body
        body += cursor.take(bounded(size, max_body - len(body)))
        cursor.skip(b"\r\n")


def number(digits: bytes, base: int) -> int:
    """The number, digit by digit: int() takes what is none as well."""
    result = 0
    for digit in digits:
        result = result * base + b"0123456789abcdef".index(digit | 0x20)
    return result


def bounded(size: int, most: int) -> int:
    if size > most:
        raise Refused("too large")
    return size


def stays_open(message: Message) -> bool:
    words = b",".join(message.values(b"connection")).lower().split(b",")
    options = {word.strip(b" \t") for word in words}
    if b"close" in options:
        return False
    return message.version != b"HTTP/1.0" or b"keep-alive" in options
