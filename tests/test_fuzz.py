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

import fuzz_atheris
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
uninteresting = tokens.filter(
    lambda name: name.lower() not in
    ("host", "content-length", "transfer-encoding", "connection", "expect", "content-encoding")
)
OWS = ["", " ", "\t", "  \t"]

# What may stand where, and what may not; in each of the latter some server has been caught.
# n is the right number, l one less, m one more.
GRAMMAR: dict[str, tuple[list[str], list[str]]] = {
    "method": (
        ["GET", "HEAD", "POST", "get", "M-SEARCH"],
        ["", "G T", "G\xc9T", "G(T", "\x00", ":"],
    ),
    "space": ([" "], ["  ", "\t", "", "\x0b", "\xa0"]),
    "target": (
        ["/", "/a?b=c", "*", "/%zz", "//x", "http://b:1/c?d#e", "HTTPS://b", "http://b?d", "/\xe4"],
        ["", "/a b", "/\x00", "/\x7f", "http://", "http://[::1/x", "http://u@a/", "/\t", "/\x0b"],
    ),
    "version": (
        ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2"],
        ["HTTP/1.1 ", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.\xb2", "HTTP/1.10", "HTTP/11",
         "", "HTTP/+1.1", "HTTP/1,1", "HTTP/1.1x"],
    ),
    "line end": (["\r\n"], ["\n", "\r", "\r\r\n", "", "\r\n ", " \r\n", "\n\n"]),
    "colon": ([":"], [" :", "\t:", "", ":\r\n ", "=", "\x00:", "\r\n:"]),
    "end of value": ([""], ["\x00", "\x01", "\x0b", "\x7f", "\r", "\n", "\r\n\t"]),
    "host": (
        ["a", "a:80", "[::1]:8080", "127.0.0.1", "a.b-c_d~e", "%41", "a:", ""],
        ["a b", "a/b", "u@a", "a?", "[::1", "a:b", "a:1:2", "a,b", "\xe4", '"a"', "%4",
         "a\\b", "[]"],
    ),
    "hosts": (["one"], ["none", "two"]),
    "connection": (
        ["", "keep-alive", "close", "x, close", "Keep-Alive ,upgrade", "TE", "closed"],
        ["\x0bclose", "close\x00", "close;", '"close"'],
    ),
    "framing": (["one"], ["both", "1.0", "two codings"]),
    "length": (
        ["{n}", "0{n}", "00{n}", "{n} ,\t{n}", "\t{n} "],
        ["+{n}", "-{n}", "{n}_0", "0x{n}", "{n}.0", "{n}e0", '"{n}"', "{n};", "{n} {n}", "", ",",
         "{n},", ",{n}", "{n},{m}", "\x0b{n}", "{n}\xa0", "\xb2", "9" * 5000, "{m}", "{l}", "-0"],
    ),
    "body": (["small"], ["large"]),
    "coding": (
        ["chunked", "Chunked", "CHUNKED"],
        ["identity", "chunked, identity", "chunked, chunked", "xchunked", "chunkedx", '"chunked"',
         "chunked;", "chunked;a=b", "chun ked", "gzip", "gzip, chunked", "", "\x0bchunked",
         "chunked\xa0", "chunked,", "cow"],
    ),
    "chunk size": (
        ["{n:x}", "{n:X}", "0{n:x}", "000{n:x}", "{n:x}\t "],
        ["0x{n:x}", "+{n:x}", "-{n:x}", " {n:x}", "{n:x}_0", "{n:x}g", "{n:x}\x0b", "{n:x} 0",
         "{n:x}.0", "{n:x}=a", "", "\xb2", "{m:x}", "{l:x}", "f" * 16],
    ),
    "extension": (
        ["", "", ";a", ";a=b", '; a="b"', ";" + "x" * 50, " ;a"],
        [";\x00", ";\n", ";\r", "a;b", ";a\r\n "],
    ),
    "chunk end": (["\r\n"], ["", "\n", "\r", "xy", "\r\nx", "x\r\n"]),
    "last chunk": (["0", "00", "0;a=b"], ["-0", "", "0x0", "1", "0\x0b"]),
    "trailer": (
        ["", "", "X: 1\r\n", "Content-Length: 9\r\nY:\r\n"],
        ["X : 1\r\n", "no colon\r\n", "X: \x00\r\n", " X: 1\r\n", "X: 1\n", ":\r\n",
         "X: a\rb: c\r\n"],
    ),
}
FLAWS = [(kind, text) for kind, (_good, bad) in GRAMMAR.items() for text in bad]
OF_CHUNKS = ("coding", "chunk size", "extension", "chunk end", "last chunk", "trailer")


class Writer:
    """Writes a request by the grammar; with a flaw, at one place where it fits."""

    def __init__(self, draw: Any, flaw: tuple[str, str] | None) -> None:
        self.draw = draw
        self.kind, self.text = flaw or ("", "")
        self.skip = draw(st.integers(0, 2)) if self.kind == "line end" else 0

    def pick(self, kind: str) -> str:
        if kind == self.kind and self.skip == 0:
            self.kind = ""
            return self.text
        self.skip -= kind == self.kind
        return self.draw(st.sampled_from(GRAMMAR[kind][0]))  # type: ignore[no-any-return]

    def chunked(self, body: bytes) -> bytes:
        """`body` in chunks, with all that the grammar allows around them."""
        pick, out = self.pick, b""
        while body:
            n = self.draw(st.integers(1, len(body)))
            size = pick("chunk size").format(l=n - 1, n=n, m=n + 1)
            out += (size + pick("extension") + pick("line end")).encode("latin-1")
            out += body[:n] + pick("chunk end").encode()
            body = body[n:]
        end = pick("last chunk") + pick("line end") + pick("trailer") + pick("line end")
        return out + end.encode("latin-1")

    def request(self) -> bytes:
        pick, draw = self.pick, self.draw
        of_length, of_chunks = self.kind == "length", self.kind in OF_CHUNKS
        if self.kind == "body":
            of_chunks = not draw(st.booleans())
            of_length = not of_chunks
        framing, hosts = pick("framing"), pick("hosts")
        of_chunks |= framing != "one"
        version = "HTTP/1.1" if of_chunks or hosts == "none" else pick("version")
        version = "HTTP/1.0" if framing == "1.0" else version
        least = MAX_BODY + 1 if pick("body") == "large" else int(of_length or of_chunks)
        body = draw(st.binary(min_size=least, max_size=least + 30))
        way = "chunks" if of_chunks else "length" if of_length else draw(
            st.sampled_from(["none", "length"] + ["chunks"] * (version != "HTTP/1.0")))
        fields = draw(st.lists(st.tuples(uninteresting, values), max_size=3))
        wanted = {"one": int(version != "HTTP/1.0" or self.kind == "host"), "none": 0, "two": 2}
        fields += [("Host", pick("host")) for _ in range(wanted[hosts])]
        if self.kind == "connection" or draw(st.booleans()):
            fields.append(("Connection", pick("connection")))
        encoded = body
        if way == "length" or framing == "both":
            length = pick("length").format(l=len(body) - 1, n=len(body), m=len(body) + 1)
            fields.append(("Content-Length", length))
        if way == "chunks":
            fields += [("Transfer-Encoding", pick("coding"))] * (1 + (framing == "two codings"))
            encoded = self.chunked(body)
        if way != "none" and draw(st.booleans()):
            fields.append(("Expect", "100-Continue"))
        text = draw(st.sampled_from(["", "", "\r\n", "\r\n\r\n"])) + pick("method")
        text += pick("space") + pick("target") + pick("space") + version + pick("line end")
        for name, value in draw(st.permutations(fields)):
            before, after = draw(st.sampled_from(OWS)), draw(st.sampled_from(OWS))
            text += name + pick("colon") + before + value + pick("end of value") + after
            text += pick("line end")
        return (text + pick("line end")).encode("latin-1") + encoded * (way != "none")


@st.composite
def requests(draw: Any, flaw: tuple[str, str] | None = None) -> bytes:
    """A request, valid but for the flaw."""
    return Writer(draw, flaw).request()


def flawed(flaw: tuple[str, str]) -> st.SearchStrategy[bytes]:
    """A request with a flaw, between two that have none."""
    return st.tuples(st.just(b"") | requests(), requests(flaw), requests()).map(b"".join)


pipelines = st.lists(requests(), min_size=1, max_size=3).map(b"".join)
bent = st.sampled_from(FLAWS).flatmap(flawed)

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
@given(data=mutants())
def test_of_bent_requests_those_are_accepted_that_the_second_reading_accepts(
    loop: IOLoop, data: bytes
) -> None:
    check(exchange(loop, [data]), data)


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: f"{flaw[0]}: {flaw[1][:20]!a}")
@settings(fuzz, max_examples=max(6, EXAMPLES // 50))
@given(choice=st.data())
def test_with_each_flaw_that_is_accepted_which_the_second_reading_accepts(
    loop: IOLoop, choice: Any, flaw: tuple[str, str]
) -> None:
    data = choice.draw(flawed(flaw))
    check(exchange(loop, [data]), data)


def test_a_malformed_host_is_refused_beside_an_absolute_target_too(loop: IOLoop) -> None:
    data = b"GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n"
    assert check(exchange(loop, [data]), data) == "refused"


@fuzz
@given(data=st.binary(max_size=200) | st.lists(st.sampled_from(SPLINTERS)).map(b"".join))
def test_of_any_bytes_those_are_accepted_that_the_second_reading_accepts(
    loop: IOLoop, data: bytes
) -> None:
    check(exchange(loop, [data]), data)


@fuzz
@given(data=pipelines | bent | mutants(), pieces=st.data())
def test_the_same_comes_of_bytes_however_they_are_cut(
    loop: IOLoop, data: bytes, pieces: Any
) -> None:
    whole = exchange(loop, [data])
    parts = exchange(loop, pieces.draw(cut(data)))
    assert parts.accepted == whole.accepted
    assert parts.statuses == whole.statuses


@settings(fuzz, max_examples=max(20, EXAMPLES // 10))
@given(data=pipelines | bent | mutants())
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
@given(data=pipelines | bent | mutants())
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
@given(body=st.binary(max_size=MAX_BODY - 30), level=st.integers(0, 9), pieces=st.data())
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


@pytest.mark.parametrize("seed", fuzz_atheris.SEEDS, ids=range(len(fuzz_atheris.SEEDS)))
def test_what_atheris_begins_with_is_taken_rightly(loop: IOLoop, seed: bytes) -> None:
    fuzz_atheris.try_one(loop, seed)


# ---- the parsers, one by one ----


@fuzz
@given(line=st.text(max_size=60) | st.tuples(*(
    st.sampled_from(GRAMMAR[kind][0] + GRAMMAR[kind][1])
    for kind in ("method", "space", "target", "space", "version"))).map("".join))
def test_an_accepted_request_line_has_three_words_and_nothing_else(line: str) -> None:
    try:
        words = httputil.parse_request_start_line(line)
    except HTTPInputError as error:
        assert error.status in (400, 505)
    else:
        assert list(words) == line.split(" ")


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


# No field of a part's head may hold a control character but TAB, as no field of a request may.
CONTROLS = "".join(map(chr, {*range(32), 127} - {9}))
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=CONTROLS), min_size=1,
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
    try:
        expected = ipaddress.ip_address(text) is not None and "%" not in text  # no interface
    except ValueError:
        expected = False
    assert netutil.is_valid_ip(text) == expected
