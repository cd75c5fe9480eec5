"""Any bytes, and valid ones a little bent: nothing but HTTPInputError, and one reading of them.

    what is accepted      a second reading (fuzz_oracle.py) agrees to the byte on where each message
                          ends and what is in it; h11 does too, or refuses
    what is refused       the second reading refuses it as well
    however it is cut     the same comes of it

The examples are the same in every run.  MINITORNADO_FUZZ_EXAMPLES=20000 makes so many for every
test, new ones in each run; tests/fuzz_atheris.py searches with the code's coverage as its guide.
"""

from __future__ import annotations

import contextlib
import gzip
import http.cookies
import ipaddress
import logging
import os
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode, urlsplit

import fuzz_oracle as oracle
import pytest
from fuzz_wire import MAX_BODY, Result, exchange

from minitornado import http1parser, httputil, netutil
from minitornado.httputil import HTTPHeaders, HTTPInputError, HTTPServerRequest
from minitornado.ioloop import IOLoop

hypothesis = pytest.importorskip(
    "hypothesis", reason="SKIPPED, no parser is fuzzed: pip install hypothesis"
)
from hypothesis import assume, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

try:
    import h11
except ImportError:  # it comes with jupyter
    h11 = None

MANY = os.environ.get("MINITORNADO_FUZZ_EXAMPLES")
EXAMPLES = int(MANY or "300")
fuzz = settings(
    max_examples=EXAMPLES, derandomize=not MANY, deadline=None, database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)

# Seconds; a test takes less than ten with 300 examples.
pytestmark = pytest.mark.deadline(60 + EXAMPLES / 10)


@pytest.fixture(scope="module")
def loop() -> Iterator[IOLoop]:
    loop = IOLoop(make_current=False)
    yield loop
    assert len(loop._handlers) == 1, "only the waker"
    loop.close()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a stranger sends is an error of ours."""
    caplog.set_level(logging.WARNING)
    yield
    bad = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not bad, bad[0].getMessage()


# ---- strategies: messages by the grammar ----

TCHARS = "!#$%&'*+-.^_`|~09azAZ"
tokens = st.text(TCHARS, min_size=1, max_size=8)
values = st.text(
    st.just("\t") | st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"),
    max_size=20,
)
ows = st.sampled_from(["", " ", "\t", "  \t"])
hosts = st.sampled_from(["a", "a:80", "[::1]:8080", "127.0.0.1", "a.b-c_d~e", "%41", "a:", ""])
targets = st.sampled_from(
    ["/", "/a?b=c", "*", "/%zz", "//x", "http://b:1/c?d#e", "HTTPS://b", "http://b?d", "/\xe4"]
)
connections = st.sampled_from(["", "keep-alive", "close", "x, close", "Keep-Alive ,upgrade", "TE"])
uninteresting = tokens.filter(
    lambda name: name.lower() not in
    ("host", "content-length", "transfer-encoding", "connection", "expect", "content-encoding")
)


@st.composite
def chunked(draw: Any, body: bytes) -> bytes:
    """`body` in chunks, with all that the grammar allows around them."""
    out = b""
    while body:
        size = draw(st.integers(1, len(body)))
        digits = draw(st.sampled_from(["%x", "%X", "0%x", "000%x"])) % size
        extension = draw(st.sampled_from(["", ";a", ";a=b", '; a="b"', ";" + "x" * 50]))
        out += f"{digits}{extension}\r\n".encode() + body[:size] + b"\r\n"
        body = body[size:]
    out += draw(st.sampled_from([b"0\r\n", b"00\r\n", b"0;a=b\r\n"]))
    for name, value in draw(st.lists(st.tuples(tokens, values), max_size=2)):
        out += f"{name}: {value}\r\n".encode("latin-1")
    return out + b"\r\n"


@st.composite
def requests(draw: Any) -> bytes:
    """A valid request."""
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2"]))
    fields = [(name, value) for name, value in draw(
        st.lists(st.tuples(uninteresting, values), max_size=4))]
    if version != "HTTP/1.0" or draw(st.booleans()):
        fields.append((draw(st.sampled_from(["Host", "hOST"])), draw(hosts)))
    if draw(st.booleans()):
        fields.append(("Connection", draw(connections)))
    body = draw(st.binary(max_size=40) | st.binary(min_size=200, max_size=MAX_BODY))
    framing = draw(st.sampled_from(["none", "length", "list", "chunked"]))
    if framing == "chunked" and version != "HTTP/1.0":
        fields.append(("Transfer-Encoding", draw(st.sampled_from(["chunked", "Chunked"]))))
        encoded = draw(chunked(body))
    elif framing == "none":
        encoded = b""
    else:
        length = draw(st.sampled_from(["%d", "0%d", "00%d"])) % len(body)
        fields.append(("Content-Length", f"{length} ,\t{length}" if framing == "list" else length))
        encoded = body
    if encoded and draw(st.booleans()):
        fields.append(("Expect", "100-Continue"))
    lines = [f"{draw(tokens)} {draw(targets)} {version}"]
    lines += [f"{name}:{draw(ows)}{value}{draw(ows)}" for name, value in draw(
        st.permutations(fields))]
    empty = draw(st.sampled_from([b"", b"", b"\r\n", b"\r\n\r\n"]))
    return empty + "\r\n".join([*lines, "", ""]).encode("latin-1") + encoded


pipelines = st.lists(requests(), min_size=1, max_size=3).map(b"".join)

# What an attacker glues in: each has fooled some server.
SPLINTERS = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b"\x00", b" ", b"\t", b"\x0b", b"\x85",
    b"\xa0", b":", b",", b";", b"+", b"-", b"_", b"0x", b"\xb2", b"0", b"5", b"a", b"F" * 16,
    b"1" * 16, b"%", b"[", b"@", b"http://x y/", b"http://@/",
    b" HTTP/1.1", b" HTTP/0.9", b" HTTP/2.0",
    b"Content-Length: 5\r\n", b"Content-Length: 05\r\n", b"Content-Length:\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b", chunked",
    b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding:\x0bchunked\r\n",
    b"Host: b\r\n", b"Host: b c\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n",
    b"X: a\r\n b\r\n", b"0\r\n\r\n", b"5\r\nabcde", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
]


@st.composite
def mutants(draw: Any) -> bytes:
    """Valid requests, with a few splinters in them, pieces lost, doubled or exchanged."""
    data = draw(pipelines)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 8)))
        kind = draw(st.sampled_from(["insert", "insert", "replace", "lose", "double", "cut short"]))
        if kind == "insert":
            data = data[:at] + draw(st.sampled_from(SPLINTERS)) + data[at:]
        elif kind == "replace":
            data = data[:at] + draw(st.sampled_from(SPLINTERS) | st.binary(max_size=3)) + data[end:]
        elif kind == "lose":
            data = data[:at] + data[end:]
        elif kind == "double":
            data = data[:end] + data[at:end] + data[end:]
        else:
            data = data[:at]
    return data


def at_line_starts(data: bytes) -> list[int]:
    return [0, *(at + 2 for at in range(len(data)) if data[at : at + 2] == b"\r\n")]


@st.composite
def line_mutants(draw: Any) -> bytes:
    """Valid requests with a whole line too many: more often read as a message than the others."""
    data = draw(pipelines)
    at = draw(st.sampled_from(at_line_starts(data)))
    lines = [splinter for splinter in SPLINTERS if splinter.endswith(b"\r\n")]
    return data[:at] + draw(st.sampled_from(lines)) + data[at:]


@st.composite
def cut(draw: Any, data: bytes) -> list[bytes]:
    """`data` in pieces."""
    ends = sorted({*draw(st.lists(st.integers(0, len(data)), max_size=6)), len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


# ---- whole connections ----


def check(result: Result, data: bytes) -> str:
    """Compare with the second reading; return how it says that the bytes end."""
    expected, end = oracle.read(data, MAX_BODY)
    assert result.accepted == expected
    answers = result.statuses[: len(expected)]
    assert answers == [200] * len(expected)
    for number, (body, message) in enumerate(zip(result.bodies, expected, strict=False), 1):
        assert body == (b"" if message.method == b"HEAD" else b"answer %d" % number)
    refusals = result.statuses[len(expected) :]
    # Where the second reading has seen enough, the server may still wait for the line's end.
    assert len(refusals) <= (end == "refused"), f"{refusals} though it is {end}"
    assert set(refusals) <= {400, 413, 501, 505}
    return end


@fuzz
@given(data=pipelines)
def test_valid_requests_are_accepted_as_the_second_reading_reads_them(
    loop: IOLoop, data: bytes
) -> None:
    assert check(exchange(loop, [data]), data) in ("complete", "closed")


@fuzz
@given(data=mutants() | line_mutants())
def test_of_bent_requests_those_are_accepted_that_the_second_reading_accepts(
    loop: IOLoop, data: bytes
) -> None:
    check(exchange(loop, [data]), data)


@pytest.mark.xfail(
    strict=True,
    reason="a malformed Host beside a target in absolute form is replaced before it is looked at",
)
def test_a_malformed_host_is_refused_beside_an_absolute_target_too(
    loop: IOLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle, "LENIENT_BESIDE_ABSOLUTE_FORM", False)
    data = b"GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n"
    assert check(exchange(loop, [data]), data) == "refused"


@fuzz
@given(data=st.binary(max_size=200) | st.lists(st.sampled_from(SPLINTERS)).map(b"".join))
def test_of_any_bytes_those_are_accepted_that_the_second_reading_accepts(
    loop: IOLoop, data: bytes
) -> None:
    check(exchange(loop, [data]), data)


@fuzz
@given(data=pipelines | mutants(), pieces=st.data())
def test_the_same_comes_of_bytes_however_they_are_cut(
    loop: IOLoop, data: bytes, pieces: Any
) -> None:
    whole = exchange(loop, [data])
    parts = exchange(loop, pieces.draw(cut(data)))
    assert parts.accepted == whole.accepted
    assert parts.statuses == whole.statuses


@settings(fuzz, max_examples=max(20, EXAMPLES // 10))
@given(data=pipelines | mutants())
def test_the_same_comes_of_bytes_one_by_one(loop: IOLoop, data: bytes) -> None:
    whole = exchange(loop, [data])
    bytewise = exchange(loop, [data[at : at + 1] for at in range(len(data))])
    assert bytewise.accepted == whole.accepted
    assert bytewise.statuses == whole.statuses


def h11_reads(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Method, target and body of the requests that h11 sees, up to the first it refuses."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    connection.receive_data(b"")
    seen = []
    try:
        while True:
            request = connection.next_event()
            if type(request) is not h11.Request:
                return seen
            body = b""
            while type(event := connection.next_event()) is h11.Data:
                body += event.data
            if type(event) is not h11.EndOfMessage:
                return seen
            seen.append((request.method, request.target, body))
            connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE:
                return seen
            connection.start_next_cycle()
    except h11.ProtocolError:
        return seen


@pytest.mark.skipif(h11 is None, reason="SKIPPED, h11 is not asked: pip install h11")
@fuzz
@given(data=pipelines | mutants() | line_mutants())
def test_h11_reads_what_is_accepted_in_the_same_way_or_refuses_it(
    loop: IOLoop, data: bytes
) -> None:
    ours = exchange(loop, [data]).accepted
    assume(ours)
    theirs = h11_reads(data.lstrip(b"\r\n"))
    for mine, (method, target, body) in zip(ours, theirs, strict=False):
        assert (mine.method, mine.body) == (method, body)
        if target.startswith(b"/"):
            assert mine.target == target


@fuzz
@given(body=st.binary(max_size=MAX_BODY), level=st.integers(0, 9), pieces=st.data())
def test_gzip_bodies_are_unpacked_as_gzip_does_it_however_they_are_cut(
    loop: IOLoop, body: bytes, level: int, pieces: Any
) -> None:
    packed = gzip.compress(body, level, mtime=0)
    assume(len(packed) <= MAX_BODY)
    (message,) = exchange(loop, pieces.draw(cut(gzip_request(packed))), decompress=True).accepted
    assert message.body == body


@fuzz
@given(body=st.binary(max_size=100), change=st.data())
def test_a_broken_gzip_body_is_refused_or_gzip_takes_it_too(
    loop: IOLoop, body: bytes, change: Any
) -> None:
    packed = bytearray(gzip.compress(body, mtime=0))
    for _ in range(change.draw(st.integers(1, 3))):
        packed[change.draw(st.integers(0, len(packed) - 1))] = change.draw(st.integers(0, 255))
    packed = packed[: change.draw(st.integers(0, len(packed)))]
    result = exchange(loop, [gzip_request(bytes(packed))], decompress=True)
    if result.accepted:
        assert result.accepted[0].body == (gzip.decompress(packed) if packed else b"")
    else:
        assert result.statuses in ([400], [413])
        with pytest.raises((OSError, EOFError, zlib.error, AssertionError)):
            assert len(gzip.decompress(packed)) <= MAX_BODY


def gzip_request(packed: bytes) -> bytes:
    return (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
            % (len(packed), packed))


# ---- the parsers, one by one ----


@fuzz
@given(line=st.text(max_size=60) | st.tuples(tokens, targets, st.sampled_from(
    ["HTTP/1.1", "HTTP/1.0", "HTTP/1.\xb2", "HTTP/2.0", "HTTP/1.1 "])).map(" ".join))
def test_an_accepted_request_line_has_three_words_and_nothing_else(line: str) -> None:
    try:
        words = httputil.parse_request_start_line(line)
    except HTTPInputError as error:
        assert error.status in (400, 505)
    else:
        assert " ".join(words) == line
        assert len(line.split()) == 3


@fuzz
@given(line=st.text(max_size=60) | st.tuples(
    st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/1.10"]),
    st.sampled_from(["200", "099", "2000", "\u0662\u0660\u0660", "+20"]), values).map(" ".join))
def test_an_accepted_status_line_can_be_written_again(line: str) -> None:
    try:
        version, code, reason = httputil.parse_response_start_line(line)
    except HTTPInputError:
        return
    assert f"{version} {code:03d} {reason}" in (line, line + " ")


@fuzz
@given(lines=st.text(max_size=80) | st.lists(st.tuples(
    tokens, st.sampled_from([":", ": ", " :", ""]), values).map("".join)).map("\r\n".join))
def test_accepted_header_fields_can_be_written_and_read_again(lines: str) -> None:
    try:
        headers = HTTPHeaders.parse(lines)
    except HTTPInputError:
        return
    for name, value in headers.get_all():
        assert set(name.encode()) <= oracle.TCHAR
        assert "\n" not in value and value == value.strip(" \t")
    assert list(HTTPHeaders.parse(str(headers)).get_all()) == list(headers.get_all())


@fuzz
@given(head=st.binary(max_size=100) | mutants())
def test_parse_head_raises_nothing_else(head: bytes) -> None:
    with contextlib.suppress(HTTPInputError):
        http1parser.parse_head(head + b"\r\n\r\n")


@fuzz
@given(line=st.binary(max_size=30) | st.lists(st.sampled_from(SPLINTERS)).map(b"".join))
def test_an_accepted_chunk_size_is_what_the_second_reading_counts(line: bytes) -> None:
    line = line.replace(b"\r\n", b"") + b"\r\n"
    try:
        size = http1parser.parse_chunk_size(line)
    except HTTPInputError:
        return
    digits = line[: min(at for at in map(line.find, (b";", b" ", b"\t", b"\r")) if at >= 0)]
    assert size == oracle.number(digits, 16)


@fuzz
@given(query=st.binary(max_size=80) | st.text("&=+%aA0zé ", max_size=80).map(
    lambda text: text.encode("latin-1")))
def test_a_query_is_read_as_its_bytes_say(query: bytes) -> None:
    expected: dict[str, list[bytes]] = {}
    for pair in query.split(b"&"):
        if pair:
            name, _, value = (unquote_to_bytes(part) for part in
                              pair.replace(b"+", b" ").partition(b"="))
            expected.setdefault(name.decode("latin-1"), []).append(value)
    assert httputil.parse_qs_bytes(query) == expected
    assert httputil.parse_qs_bytes(query.decode("latin-1")) == expected


@fuzz
@given(query=st.text(max_size=80))
def test_no_query_makes_parse_qs_bytes_raise(query: str) -> None:
    httputil.parse_qs_bytes(query)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1,
                max_size=10)
contents = st.binary(max_size=30).filter(lambda data: b"--limit" not in data)


@fuzz
@given(fields=st.lists(st.tuples(names, contents)), uploads=st.lists(
    st.tuples(names, names, contents)), quoted=st.booleans(), preamble=st.booleans())
def test_a_form_comes_out_of_multipart_as_it_went_in(
    fields: list[tuple[str, bytes]], uploads: list[tuple[str, str, bytes]], quoted: bool,
    preamble: bool,
) -> None:
    def escape(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', '\\"')

    parts = [(f'form-data; name="{escape(name)}"', value) for name, value in fields]
    parts += [(f'form-data; name="{escape(name)}"; filename="{escape(filename)}"', value)
              for name, filename, value in uploads]
    body = b"".join(
        b"--limit\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + value + b"\r\n"
        for disposition, value in parts
    ) + b"--limit--" + (b"\r\n" if preamble else b"")
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, list[httputil.HTTPFile]] = {}
    content_type = "multipart/form-data; boundary=" + ('"limit"' if quoted else "limit")
    httputil.parse_body_arguments(content_type, body, arguments, files)
    expected: dict[str, list[bytes]] = {}
    for name, value in fields:
        expected.setdefault(name, []).append(value)
    assert arguments == expected
    uploaded: dict[str, list[tuple[str, bytes]]] = {}
    for name, filename, value in uploads:
        uploaded.setdefault(name, []).append((filename, value))
    assert {name: [(file.filename, file.body) for file in group] for name, group in files.items()
            } == uploaded


FORM = (b"--b\r\nContent-Disposition: form-data; name=\"a\"; filename*=utf-8''%e2%82%ac; "
        b'x="y\\""\r\n'
        b"Content-Type: text/plain\r\n\r\nvalue\r\n--b--\r\n")


@fuzz
@given(change=st.data(), content_type=st.text(max_size=30) | st.sampled_from(
    ["multipart/form-data; boundary=b", "Multipart/Form-Data; boundary*=utf-8''b", "text/plain",
     "multipart/form-data; boundary=", "application/x-www-form-urlencoded; charset=x"]))
def test_no_form_makes_the_parsers_raise(change: Any, content_type: str) -> None:
    body = bytearray(FORM * change.draw(st.integers(1, 2)))
    for _ in range(change.draw(st.integers(0, 6))):
        at = change.draw(st.integers(0, len(body)))
        end = at + change.draw(st.integers(0, 4))
        body[at:end] = change.draw(st.binary(max_size=3) | st.sampled_from(
            [b"*=", b"--b", b"''", b'"', b";", b"\\", b"%"]))
    request = HTTPServerRequest("POST", "/", headers=HTTPHeaders({"Content-Type": content_type}),
                                body=bytes(body))
    request._parse_body()
    arguments: dict[str, list[bytes]] = {}
    httputil.parse_multipart_form_data(b"b", bytes(body), arguments, {})
    assert all(isinstance(value, bytes) for group in arguments.values() for value in group)


@fuzz
@given(text=st.text(max_size=60) | st.text('";=\\ 0127a,', max_size=60))
def test_no_cookie_makes_the_parsers_raise(text: str) -> None:
    request = HTTPServerRequest("GET", "/", headers=HTTPHeaders({"Cookie": text}))
    assert set(request.cookies) <= set(httputil.parse_cookie(text))


@fuzz
@given(cookies=st.dictionaries(
    st.text("abcXYZ019-_.", min_size=1, max_size=8),
    st.text(st.characters(max_codepoint=0xFF), max_size=20), max_size=4))
def test_cookies_are_read_as_the_standard_library_writes_them(cookies: dict[str, str]) -> None:
    jar: http.cookies.SimpleCookie = http.cookies.SimpleCookie()
    for name, value in cookies.items():
        assume(name.lower() not in http.cookies.Morsel._reserved)  # type: ignore[attr-defined]
        jar[name] = value
    written = jar.output(attrs=[], header="", sep=";")
    assert httputil.parse_cookie(written) == cookies


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@fuzz
@given(base=st.sampled_from(["http://a", "https://a:8/b", "/c/d", "e", ""]),
       query=st.lists(st.tuples(words, words), max_size=3),
       fragment=st.sampled_from(["", "#top", "#a?b=c"]),
       args=st.lists(st.tuples(words, words), max_size=3))
def test_url_concat_adds_to_the_query_and_changes_nothing_else(
    base: str, query: list[tuple[str, str]], fragment: str, args: list[tuple[str, str]]
) -> None:
    url = base + ("?" + urlencode(query) if query else "") + fragment
    before, after = urlsplit(url), urlsplit(httputil.url_concat(url, args))
    assert after._replace(query="") == before._replace(query="")
    assert parse_qsl(after.query, keep_blank_values=True) == query + args
    assert httputil.url_concat(url, None) == url


@fuzz
@given(host=st.text(max_size=20) | st.text("[]:.%aF0@/ ,", max_size=20))
def test_an_accepted_host_is_one_to_the_second_reading_as_well(host: str) -> None:
    raw = host.encode("latin-1", "replace")
    assert httputil.is_valid_host(host) == (oracle.is_host(raw) and raw.decode("latin-1") == host)
    name, port = httputil.split_host_and_port(host)
    assert port is None or host == f"{name}:{host.rpartition(':')[2]}"


@fuzz
@given(text=st.text(max_size=20) | st.ip_addresses().map(str))
def test_addresses_are_valid_and_nothing_raises(text: str) -> None:
    valid = netutil.is_valid_ip(text)
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return  # the system's resolver takes some more, 127.1 say
    assert valid
