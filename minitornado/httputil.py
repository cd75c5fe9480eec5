"""HTTP as data: header fields, start lines, requests, and the events of a message.

Nothing here reads or writes a byte.  `http1connection` turns bytes into these and back;
`httpserver` and the application pass them on.

    RequestStartLine, HTTPHeaders     the head of a message
    HTTPServerRequest                 a whole request, as an application likes it
    HTTPMessageDelegate               receives the events of one message, as they happen
    HTTPServerConnectionDelegate      makes such a receiver for every request
    HTTPConnection                    what an answer is written to

Tornado 4.4: tornado/httputil.py.  Stricter in what it takes for a field or a start line, and
arguments, cookies and files are worked out when they are first asked for.
"""

from __future__ import annotations

import datetime
import functools
import re
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple, TypeAlias

from .concurrent import Future
from .log import gen_log
from .util import Cache

# Every field or part of a form costs objects, and a warning at worst; real forms have fewer.
MAX_FORM_FIELDS = 1000  # as Tornado 6.5
MAX_FORM_BYTES = 4 * 1024 * 1024  # of an urlencoded one: an escape takes 70 times its own memory
MAX_MULTIPART_PARTS = 100  # as Tornado 6.5
MAX_PART_HEADER_BYTES = 10 * 1024  # names and file names of one part of a form

# RFC 2046 §5.1.1.  Searching backwards for a long one may take as many steps for every byte: with
# 30 KB of boundary, a megabyte of body would hold the loop for seconds.
MAX_BOUNDARY = 70  # bytes

# token, RFC 9110 §5.6.2: what a method or a field name is made of.
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TOKEN = re.compile(TOKEN)
_LINE_ENDS = re.compile(r"[\r\n\0]")  # or what somebody may take for one, RFC 9110 §5.5
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # may stand in no field, RFC 9110 §5.5

# Exactly three words and two spaces.  The version is in ASCII digits: \d would take "¹" too.
_REQUEST_LINE = re.compile(rf"({TOKEN}) ([^\x00-\x20\x7f]+) (HTTP/([0-9])\.[0-9])")
_RESPONSE_LINE = re.compile(r"(HTTP/1\.[0-9]) ([0-9]{3})(?: ([\t\x20-\x7e\x80-\xff]*))?")

# uri-host [":" port], RFC 9110 §7.2: [IPv6], or a name or IPv4 address (with percent escapes).
# A comma would be legal in a name, and is never there: it is what joins two Host fields.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|(?:[\w\-.~!$&'()*+;=]|%[0-9A-Fa-f]{2})*)(?::\d*)?", re.A)


class HTTPInputError(Exception):
    """The peer sent what HTTP does not allow.  `status` is the answer that tells it so."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class HTTPOutputError(Exception):
    """The application wrote what HTTP does not allow: more or less than it had announced."""


# ---- header fields ----


def _normalize_name(name: str) -> str:
    """Return the field name as it is usually written.

    >>> _normalize_name("coNtent-TYPE")
    'Content-Type'
    """
    return "-".join([word.capitalize() for word in name.split("-")])


# Clients and applications say the same of themselves with every message: so strictness costs once
# a distinct line, and not once a message.
MAX_SHORT_LINE = 256  # characters
_names = Cache(_normalize_name, MAX_SHORT_LINE)


def _parse_line(line: str) -> tuple[str, str]:
    """Return name and value of the field that `line` holds, without its line end."""
    name, colon, value = line.partition(":")
    if not colon:
        raise HTTPInputError(f"no colon in header line: {line[:60]!r}")
    if not _TOKEN.fullmatch(name):
        raise HTTPInputError(f"malformed header field name: {name[:60]!r}")
    if not value.isprintable() and _CONTROL.search(value):  # the first is quick, the second exact
        raise HTTPInputError(f"control character in header line: {line[:60]!r}")
    # Only these two are white space here: strip() would take \x85 and \xa0 too.
    return _names[name], value.strip(" \t")


_parsed_lines = Cache(_parse_line, MAX_SHORT_LINE)


def _format_line(line: str) -> bytes:
    """Return `line` as it is sent, without its end; raise ValueError if it would be several."""
    if _LINE_ENDS.search(line):
        # Text of a stranger in a field would otherwise become a field of its own.
        raise ValueError(f"Newline or NUL in header: {line!r}")
    return line.encode("latin-1")


def _format_field(field: tuple[str, str]) -> bytes:
    name, value = field
    return _format_line(name + ": " + value)  # no numbers: 1 and True are one key, and two texts


_formatted_fields = Cache(_format_field, MAX_SHORT_LINE, length=lambda field: sum(map(len, field)))


class HTTPHeaders(MutableMapping[str, str]):
    """Header fields: a dict whose keys know no case, and which can hold a name several times.

    >>> headers = HTTPHeaders({"content-type": "text/html"})
    >>> headers["Content-Type"]
    'text/html'
    >>> headers.add("Set-Cookie", "A=B")
    >>> headers.add("Set-Cookie", "C=D")
    >>> headers["set-cookie"]
    'A=B,C=D'
    >>> headers.get_list("set-cookie")
    ['A=B', 'C=D']
    >>> list(headers.get_all())
    [('Content-Type', 'text/html'), ('Set-Cookie', 'A=B'), ('Set-Cookie', 'C=D')]

    Tornado 4.4: httputil.HTTPHeaders.
    """

    __slots__ = ("_as_list", "fields")

    def __init__(self, *args: Any, **kwargs: str) -> None:
        #: {name as it is usually written: value, or values joined with commas}; to be read only.
        self.fields: dict[str, str] = {}
        self._as_list: dict[str, list[str]] = {}  # the values, where a name has more than one
        given: Any = args[0] if len(args) == 1 and not kwargs else dict(*args, **kwargs)
        # What has it is an HTTPHeaders; isinstance() is slow for an abstract base.
        if hasattr(given, "_as_list"):
            copied = given.copy()
            self.fields, self._as_list = copied.fields, copied._as_list
        else:
            for name, value in (given if isinstance(given, dict) else dict(given)).items():
                self.fields[_names[name]] = value

    def add(self, name: str, value: str) -> None:
        """Add a field, beside those of the same name."""
        name = _names[name]
        if name in self.fields:
            self._as_list.setdefault(name, [self.fields[name]]).append(value)
            value = f"{self.fields[name]},{value}"
        self.fields[name] = value

    def get_list(self, name: str) -> list[str]:
        """Return the values of all fields of this name, in order; [] if there is none."""
        return [value for field, value in self.get_all() if field == _names[name]]

    def get_all(self) -> Iterator[tuple[str, str]]:
        """Yield (name, value) of every field; a name that came twice is yielded twice."""
        for name, joined in self.fields.items():
            for value in self._as_list.get(name, (joined,)):
                yield name, value

    def parse_line(self, line: str) -> None:
        r"""Add the field that `line` holds, without its line end.

        Raises HTTPInputError if it is none: no colon, a space in or after the name, or a
        line that continues the one before (obs-fold, RFC 9112 §5.2: a server may refuse it).

        >>> headers = HTTPHeaders()
        >>> headers.parse_line("Content-Type: text/html")
        >>> headers.get("content-type")
        'text/html'
        """
        self.parse_lines([line])

    def parse_lines(self, lines: list[str]) -> None:
        """Add a field for each line; `parse_line` for many."""
        fields, as_list = self.fields, self._as_list
        for line in lines:
            name, value = _parsed_lines[line]
            if name in fields:
                as_list.setdefault(name, [fields[name]]).append(value)
            else:
                fields[name] = value
        for name in as_list:  # once, and not once a line: a thousand of one name cost no million
            fields[name] = ",".join(as_list[name])

    def format_lines(self) -> list[bytes]:
        """Return the fields as they are sent, without line ends; the contrary of `parse_lines`.

        Raises ValueError for a name or value with a line end in it.
        """
        fields = self.get_all() if self._as_list else self.fields.items()
        return [_formatted_fields[field] for field in fields]

    @classmethod
    def parse(cls, headers: str) -> HTTPHeaders:
        r"""Return the fields of a header section, whose lines end with CRLF or LF.

        >>> headers = HTTPHeaders.parse("Content-Type: text/html\r\nContent-Length: 42\r\n")
        >>> sorted(headers.items())
        [('Content-Length', '42'), ('Content-Type', 'text/html')]
        """
        result = cls()
        result.parse_lines([line for line in headers.replace("\r\n", "\n").split("\n") if line])
        return result

    def __getitem__(self, name: str) -> str:
        return self.fields[_names[name]]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the field's value, or `default`."""
        return self.fields.get(_names[name], default)

    def __setitem__(self, name: str, value: str) -> None:
        name = _names[name]
        self.fields[name] = value
        if self._as_list:
            self._as_list.pop(name, None)

    def __delitem__(self, name: str) -> None:
        name = _names[name]
        del self.fields[name]
        self._as_list.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _names[name] in self.fields

    def __len__(self) -> int:
        return len(self.fields)

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def copy(self) -> HTTPHeaders:
        """Return a copy, which shares nothing with this one."""
        headers = HTTPHeaders.__new__(HTTPHeaders)  # __init__ has nothing more to do
        headers.fields = self.fields.copy()
        headers._as_list = {}
        if self._as_list:
            headers._as_list = {name: values.copy() for name, values in self._as_list.items()}
        return headers

    __copy__ = copy

    def __str__(self) -> str:
        return "".join(f"{name}: {value}\n" for name, value in self.get_all())

    def __repr__(self) -> str:
        return f"HTTPHeaders({list(self.get_all())!r})"


# ---- start lines ----


class RequestStartLine(NamedTuple):
    """The first line of a request; `path` is the target as it was sent, query included."""

    method: str
    path: str
    version: str


class ResponseStartLine(NamedTuple):
    """The first line of a response."""

    version: str
    code: int
    reason: str


def _format_status_line(start_line: ResponseStartLine) -> bytes:
    _version, code, reason = start_line  # the version is ours to say
    return _format_line(f"HTTP/1.1 {code} {reason}")


#: {ResponseStartLine: the line that is sent}; raises ValueError if it would be several.
status_lines = Cache(_format_status_line, MAX_SHORT_LINE, length=lambda line: len(line[2]))


def parse_request_start_line(line: str) -> RequestStartLine:
    """Return the three words of a request line; raise HTTPInputError if it isn't one.

    >>> parse_request_start_line("GET /foo HTTP/1.1")
    RequestStartLine(method='GET', path='/foo', version='HTTP/1.1')
    """
    if not (match := _REQUEST_LINE.fullmatch(line)):
        raise HTTPInputError(f"Malformed HTTP request line: {line[:60]!r}")
    method, path, version, major = match.groups()
    if major != "1":
        raise HTTPInputError(f"this server speaks HTTP/1, not {version}", status=505)
    return RequestStartLine(method, path, version)


def parse_response_start_line(line: str) -> ResponseStartLine:
    """Return the three words of a status line; raise HTTPInputError if it isn't one.

    >>> parse_response_start_line("HTTP/1.1 200 OK")
    ResponseStartLine(version='HTTP/1.1', code=200, reason='OK')
    """
    if not (match := _RESPONSE_LINE.fullmatch(line)):
        raise HTTPInputError(f"Error parsing response start line: {line[:60]!r}")
    return ResponseStartLine(match[1], int(match[2]), match[3] or "")


def is_valid_host(host: str) -> bool:
    """Tell whether `host` may stand in a Host field: uri-host [":" port], RFC 9110 §7.2.

    >>> [is_valid_host(host) for host in ("a:80", "[::1]:80", "", "a b", "a:b", "u@a", "[::1")]
    [True, True, True, False, False, False, False]
    """
    return _HOST.fullmatch(host) is not None


def split_host_and_port(netloc: str) -> tuple[str, int | None]:
    """Return host and port of `netloc`; the port is None if it names none.

    >>> split_host_and_port("example.com:443"), split_host_and_port("[::1]")
    (('example.com', 443), ('[::1]', None))
    """
    # Five digits, which no port exceeds: int() refuses 5,000 of them with a ValueError.
    match = re.fullmatch(r"(.+):([0-9]{1,5})", netloc)
    return (netloc, None) if match is None else (match[1], int(match[2]))


# ---- the events of a message ----


class HTTPServerConnectionDelegate:
    """An application that wants the events of its requests, and not whole requests."""

    def start_request(self, server_conn: Any, request_conn: Any) -> HTTPMessageDelegate:
        """Return who is to receive the events of the next request on this connection.

        `server_conn` stands for the TCP connection, and is the same for all of its requests;
        `request_conn`, an HTTPConnection, takes the answer to this one.
        """
        raise NotImplementedError

    def on_close(self, server_conn: Any) -> None:
        """The TCP connection has ended."""


class HTTPMessageDelegate:
    """Receives the events of one message, in this order:

    headers_received         once
    data_received            0, 1, 2 … times
    finish                   ┐ one of the two
    on_connection_close      ┘
    """

    __slots__ = ()  # one is made for every request; what a subclass saves, this must not undo

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
        """The head is here.  A Future that is returned holds back the body until it is done."""

    def data_received(self, chunk: bytes) -> Any:
        """A piece of the body is here.  A Future that is returned holds back the next one."""

    def finish(self) -> Any:
        """The message is complete."""

    def on_connection_close(self) -> None:
        """The connection has ended in the middle of the message; `finish` will not be called."""


class HTTPConnection:
    """What an answer is written to: once `write_headers`, any number of `write`, once `finish`."""

    __slots__ = ()  # as HTTPMessageDelegate's

    def write_headers(
        self, start_line: ResponseStartLine, headers: Mapping[str, str], chunk: bytes | None = None
    ) -> Future[None]:
        """Write the head, and `chunk` with it; the Future is done when both are sent."""
        raise NotImplementedError

    def write(self, chunk: bytes) -> Future[None]:
        """Write a piece of the body; the Future is done when it has left the buffer."""
        raise NotImplementedError

    def finish(self) -> None:
        """Say that the answer is complete."""
        raise NotImplementedError


# ---- a request ----


Args: TypeAlias = dict[str, list[bytes]]
Files: TypeAlias = dict[str, list["HTTPFile"]]


class HTTPServerRequest:
    """A request as an object: what a plain application is called with.

    ============  =======================================================================
    method        "GET", as it was sent: methods have case
    uri           the target: path and query
    path, query   its two halves
    version       "HTTP/1.1"
    headers       HTTPHeaders
    body          bytes; b"" if there is none
    remote_ip     the client's address, or what a trusted proxy says it is (`xheaders`)
    protocol      "http" or "https", likewise
    host          the Host field, or "127.0.0.1"
    arguments     {name: [value, …]} of query and body together; values are bytes
    files         {name: [HTTPFile, …]} of a form
    connection    where the answer is written to: an HTTPConnection
    ============  =======================================================================

    Tornado 4.4: httputil.HTTPServerRequest.
    """

    _finish_time: float | None = None

    def __init__(
        self, method: str | None = None, uri: str | None = None, version: str = "HTTP/1.0",
        headers: HTTPHeaders | None = None, body: bytes | None = None, host: str | None = None,
        files: Files | None = None, connection: Any = None,
        start_line: RequestStartLine | None = None,
    ) -> None:  # fmt: skip
        self.method, self.uri, self.version = start_line or (method, uri, version)
        self.headers = HTTPHeaders() if headers is None else headers
        self.body = body or b""
        context = getattr(connection, "context", None)
        self.remote_ip: str | None = None if context is None else context.remote_ip
        self.protocol: str = "http" if context is None else context.protocol
        if host:
            self.host = host
        self.files = files or {}
        self.connection = connection
        self.path, _, self.query = (self.uri or "").partition("?")
        self.body_arguments: Args = {}
        self._start_time = time.time()

    @functools.cached_property
    def host(self) -> str:
        """What the client calls the server: the Host field, or "127.0.0.1" where it has none."""
        return self.headers.get("Host") or "127.0.0.1"

    @functools.cached_property
    def query_arguments(self) -> Args:
        """The arguments of the query, {name: [value, …]}; what is malformed is left out."""
        return parse_qs_bytes(self.query)

    @functools.cached_property
    def arguments(self) -> Args:
        """The arguments of query and body together, the query's first."""
        return _add_arguments(_add_arguments({}, self.query_arguments), self.body_arguments)

    @functools.cached_property
    def cookies(self) -> Any:
        """The cookies, as an `http.cookies.SimpleCookie`; names it refuses are left out."""
        from http.cookies import CookieError, SimpleCookie

        cookies: SimpleCookie = SimpleCookie()
        for name, value in parse_cookie(self.headers.get("Cookie", "")).items():
            try:
                cookies[name] = value
            except CookieError:
                gen_log.debug("cookie with an illegal name left out: %r", name)
        return cookies

    def supports_http_1_1(self) -> bool:
        """Tell whether the client speaks HTTP/1.1."""
        return self.version != "HTTP/1.0"

    def write(self, chunk: bytes) -> Future[None]:
        """Write to the connection, as `connection.write`."""
        assert isinstance(chunk, bytes), "write() takes bytes"
        return self.connection.write(chunk)  # type: ignore[no-any-return]

    def finish(self) -> None:
        """Finish the answer, as `connection.finish`."""
        self.connection.finish()
        self._finish_time = time.time()

    def full_url(self) -> str:
        """Return the URL that the client asked for."""
        return f"{self.protocol}://{self.host}{self.uri}"

    def request_time(self) -> float:
        """Return the seconds from the request's head to its finished answer, or to now."""
        return (self._finish_time or time.time()) - self._start_time

    def get_ssl_certificate(self, binary_form: bool = False) -> Any:
        """Return the client's certificate as `SSLSocket.getpeercert`; None if there is none."""
        getpeercert = getattr(self.connection.stream.socket, "getpeercert", None)
        return None if getpeercert is None else getpeercert(binary_form=binary_form)

    def _parse_body(self) -> None:
        """Take the arguments and files out of a form.  Any other body stays as it is."""
        if kind := self.headers.get("Content-Type"):
            parse_body_arguments(kind, self.body, self.body_arguments, self.files, self.headers)
        if "arguments" in self.__dict__:  # asked for while the body was still on its way
            _add_arguments(self.arguments, self.body_arguments)

    def __repr__(self) -> str:
        names = ("protocol", "host", "method", "uri", "version", "remote_ip")
        args = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({args})"


class HTTPFile(dict[str, Any]):
    """A file of a form: `filename`, `body` (bytes), `content_type`, as keys or attributes."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(name)

    __setattr__ = dict.__setitem__


# ---- forms, URLs, cookies, dates ----


def parse_qs_bytes(query: str | bytes) -> Args:
    """Return {name: [value, …]} of a query or an urlencoded form; values are bytes.

    They need not be UTF-8, so decoding them is left to who knows.  Never raises.

    >>> parse_qs_bytes("a=1&a=%E4&b=")
    {'a': [b'1', b'\\xe4'], 'b': [b'']}
    """
    if not query:
        return {}
    from urllib.parse import parse_qs

    # latin-1 maps every byte to one character, and back.
    if isinstance(query, bytes):
        query = query.decode("latin-1")
    found = parse_qs(query, keep_blank_values=True, encoding="latin-1").items()
    return {name: [value.encode("latin-1", "replace") for value in vals] for name, vals in found}


def parse_body_arguments(
    content_type: str, body: bytes, arguments: Args, files: Files,
    headers: HTTPHeaders | None = None,
) -> None:  # fmt: skip
    """Add what a form's `body` holds to `arguments` and `files`.

    Urlencoded and multipart forms are understood; other types are left alone.  A form that is
    malformed, or beyond the limits above, is a warning in the log.
    Tornado 4.4: parse_body_arguments.
    """
    kind = content_type.lower()
    if not kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        return
    if headers and "Content-Encoding" in headers:
        gen_log.warning("Unsupported Content-Encoding: %s", headers["Content-Encoding"])
    elif kind.startswith("application"):
        if len(body) > MAX_FORM_BYTES or body.count(b"&") >= MAX_FORM_FIELDS:
            return gen_log.warning(
                "urlencoded form with more than %d fields or %d bytes left alone",
                MAX_FORM_FIELDS, MAX_FORM_BYTES,
            )  # fmt: skip
        _add_arguments(arguments, parse_qs_bytes(body))
    elif boundary := _parse_parameters(content_type)[1].get("boundary"):
        parse_multipart_form_data(boundary.encode("latin-1", "replace"), body, arguments, files)
    else:
        gen_log.warning("Invalid multipart/form-data: no boundary")


def _add_arguments(arguments: Args, more: Args) -> Args:
    for name, values in more.items():
        arguments.setdefault(name, []).extend(values)
    return arguments


def parse_multipart_form_data(boundary: bytes, data: bytes, arguments: Args, files: Files) -> None:
    """Add the parts of a multipart form to `arguments` and `files` (RFC 7578).

    At most MAX_MULTIPART_PARTS are looked at.  What is malformed is a warning in the log, and
    is left out.  Tornado 4.4: parse_multipart_form_data.
    """
    boundary = boundary.strip(b'"')
    if len(boundary) > MAX_BOUNDARY:
        return gen_log.warning(f"Invalid multipart/form-data: boundary over {MAX_BOUNDARY} bytes")
    body, final, _rest = data.rpartition(b"--" + boundary + b"--")
    if not final:
        return gen_log.warning("Invalid multipart/form-data: no final boundary")
    parts = body.split(b"--" + boundary + b"\r\n", MAX_MULTIPART_PARTS + 1)
    if len(parts) > MAX_MULTIPART_PARTS + 1:
        return gen_log.warning("multipart/form-data with more than %d parts", MAX_MULTIPART_PARTS)
    for part in filter(None, parts):
        _parse_part(part, arguments, files)


def _parse_part(part: bytes, arguments: Args, files: Files) -> None:
    end = part.find(b"\r\n\r\n", 0, MAX_PART_HEADER_BYTES)
    if end == -1:
        return gen_log.warning("multipart/form-data missing headers")
    try:
        headers = HTTPHeaders.parse(part[:end].decode("utf-8", "replace"))
    except HTTPInputError as error:
        return gen_log.warning("Invalid multipart/form-data: %s", error)
    disposition, parameters = _parse_parameters(headers.get("Content-Disposition", ""))
    name, filename, value = parameters.get("name"), parameters.get("filename"), part[end + 4 : -2]
    if disposition != "form-data" or not part.endswith(b"\r\n"):
        gen_log.warning("Invalid multipart/form-data")
    elif not name:
        gen_log.warning("multipart/form-data value missing name")
    elif filename:
        kind = headers.get("Content-Type", "application/unknown")
        file = HTTPFile(filename=filename, body=value, content_type=kind)
        files.setdefault(name, []).append(file)
    else:
        arguments.setdefault(name, []).append(value)


# ;name=value or ;name="quoted".  Each begins with a semicolon, so no byte is looked at from more
# than one beginning: 64 KB of one long word would otherwise cost two billion steps.
_PARAMETER = re.compile(r';\s*([^=;\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))')


def _parse_parameters(field: str) -> tuple[str, dict[str, str]]:
    r"""Return the value of a field, and its parameters.

    >>> _parse_parameters('form-data; name="a;b"; filename="x\\"y"')
    ('form-data', {'name': 'a;b', 'filename': 'x"y'})
    """
    value, _, _ = field.partition(";")
    parameters: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(field):
        # A quote or a backslash may be escaped.  Before anything else a backslash is itself:
        # some clients send C:\folder\file as it is.
        parameters[name.lower()] = re.sub(r'\\(["\\])', r"\1", quoted) or plain.strip()
    for name in [name for name in parameters if name.endswith("*")]:
        _decode_extended(name, parameters)
    return value.strip().lower(), parameters


def _decode_extended(name: str, parameters: dict[str, str]) -> None:
    """Replace `name*=utf-8''%e2%82%ac` by the `name` that it stands for (RFC 8187)."""
    from urllib.parse import unquote

    charset, _, rest = parameters.pop(name).partition("'")
    try:
        # Of all that Python can decode these two were ever allowed.  Others have surprises:
        # "undefined" raises what no other does, "punycode" takes quadratic time.
        if charset.lower() not in ("utf-8", "iso-8859-1"):
            raise LookupError(charset)
        parameters[name[:-1]] = unquote(rest.partition("'")[2], charset, errors="strict")
    except (LookupError, UnicodeDecodeError):
        gen_log.debug("parameter in an unknown encoding left out: %.60r", name)


def url_concat(url: str, args: Mapping[str, Any] | Iterable[tuple[str, Any]] | None) -> str:
    """Return `url` with `args` (a dict or pairs) added to its query.

    >>> url_concat("http://example.com/foo?a=b#top", [("c", "d"), ("c", "d2")])
    'http://example.com/foo?a=b&c=d&c=d2#top'
    """
    if args is None:
        return url
    from urllib.parse import urlencode, urlsplit, urlunsplit

    parts = urlsplit(url)
    # What is there stays as it is: taken apart, bytes that are no UTF-8 would be lost.
    more = urlencode(list(args.items() if isinstance(args, Mapping) else args))
    query = "&".join(filter(None, (parts.query.removesuffix("&"), more)))
    return urlunsplit(parts._replace(query=query))


def parse_cookie(cookie: str) -> dict[str, str]:
    """Return {name: value} of a Cookie field, as browsers write it and read it.

    >>> parse_cookie('a=b; c="d"; e')
    {'a': 'b', 'c': 'd', '': 'e'}
    """
    cookies: dict[str, str] = {}
    for piece in cookie.split(";"):
        # A word without "=" is a value without a name.
        name, value = map(str.strip, (piece if "=" in piece else "=" + piece).split("=", 1))
        if name or value:
            cookies[name] = _unquote_cookie(value)
    return cookies


def _unquote_cookie(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value

    def unescape(match: re.Match[str]) -> str:
        return chr(int(match[1], 8)) if match[1] else str(match[2])

    # One pass, so that thousands of escapes cost linear time.
    return re.sub(r"\\(?:([0-3][0-7][0-7])|(.))", unescape, value[1:-1])


def format_timestamp(ts: Any) -> str:
    """Return a time as HTTP writes it.  `ts`: seconds, a time tuple or a datetime; all are UTC.

    >>> format_timestamp(1359312200)
    'Sun, 27 Jan 2013 18:43:20 GMT'
    """
    if isinstance(ts, (int, float)):
        ts = time.gmtime(ts)
    elif isinstance(ts, datetime.datetime):
        ts = ts.utctimetuple()
    elif isinstance(ts, tuple):  # which a struct_time is, too
        import calendar

        ts = time.gmtime(calendar.timegm(ts))  # its weekday need not be right, or there
    else:
        raise TypeError(f"unknown timestamp type: {ts!r}")
    # Not strftime, whose names of days and months follow the locale: asctime's are English.
    weekday, month, day, clock, year = time.asctime(ts).split()
    return f"{weekday}, {day:0>2} {month} {year:0>4} {clock} GMT"


def __getattr__(name: str) -> Any:
    if name == "responses":  # {code: reason}; loading http.client takes longer than this module
        from http.client import responses

        return responses
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
