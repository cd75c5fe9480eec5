"""httputil: what is a header field, a start line, a request, a form; and what only looks like one.

Where Tornado decides what a server program may expect, the real Tornado is asked (it comes with
Jupyter, so it is there wherever the notebooks run).
"""

from __future__ import annotations

import copy
import datetime
import email.utils
import pickle
import time
import tracemalloc
from typing import Any

import pytest
from doubles import ExpectLog

from minitornado import httputil
from minitornado.concurrent import Future
from minitornado.httputil import (
    HTTPFile,
    HTTPHeaders,
    HTTPInputError,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
    format_timestamp,
    is_valid_host,
    parse_body_arguments,
    parse_cookie,
    parse_multipart_form_data,
    parse_qs_bytes,
    parse_request_start_line,
    parse_response_start_line,
    split_host_and_port,
    url_concat,
)

WHY_TORNADO = "the real Tornado is the judge here; Jupyter brings it along"
WHY_HYPOTHESIS = "hypothesis makes up the inputs of this test, and is not installed"

pytestmark = pytest.mark.usefixtures("quiet_log")


def seconds(function: Any, *args: Any) -> float:
    """CPU time of one call: other processes' doings don't count."""
    start = time.process_time()
    function(*args)
    return time.process_time() - start


# ---- HTTPHeaders ----


def test_headers_know_no_case_and_keep_the_usual_spelling() -> None:
    headers = HTTPHeaders({"content-TYPE": "a"})
    assert headers["CONTENT-type"] == headers.get("Content-Type") == "a"
    assert "content-type" in headers
    assert list(headers) == ["Content-Type"]


def test_headers_keep_repeated_fields_in_order() -> None:
    headers = HTTPHeaders.parse("Set-Cookie: a=1\r\nX: y\r\nset-cookie: b=2\r\n")
    assert headers["Set-Cookie"] == headers.get("set-cookie") == "a=1,b=2"
    assert headers.get_list("SET-COOKIE") == ["a=1", "b=2"]
    assert list(headers.get_all()) == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X", "y")]
    assert len(headers) == 2


def test_setting_a_header_replaces_all_fields_of_that_name() -> None:
    headers = HTTPHeaders([("A", "1")])
    headers.add("a", "2")
    headers["A"] = "3"
    assert headers.get_list("a") == ["3"]
    del headers["a"]
    assert "A" not in headers
    assert headers.get_list("A") == []
    assert headers.get("A") is None
    assert headers.get("A", "else") == "else"
    with pytest.raises(KeyError):
        headers["A"]
    with pytest.raises(KeyError):
        del headers["A"]


def test_what_is_no_string_is_in_no_headers() -> None:
    assert 1 not in HTTPHeaders({"1": "a"})


def test_the_list_of_values_is_the_callers_own() -> None:
    headers = HTTPHeaders({"a": "1"})
    headers.get_list("a").append("2")
    assert headers.get_list("a") == ["1"]


@pytest.mark.parametrize("copied", [
    HTTPHeaders, copy.copy, copy.deepcopy, HTTPHeaders.copy,
    lambda headers: pickle.loads(pickle.dumps(headers)),
])  # fmt: skip
def test_copies_of_headers_share_nothing(copied: Any) -> None:
    headers = HTTPHeaders.parse("A: 1\r\nA: 2\r\n")
    other = copied(headers)
    assert other == headers
    other.add("A", "3")
    other["B"] = "4"
    assert headers.get_list("A") == ["1", "2"]
    assert "B" not in headers


def test_headers_print_as_lines() -> None:
    headers = HTTPHeaders({"a": "1"})
    headers.add("A", "2")
    assert str(headers) == "A: 1\nA: 2\n"
    assert repr(headers) == "HTTPHeaders([('A', '1'), ('A', '2')])"


def test_headers_are_made_as_a_dict_is() -> None:
    assert dict(HTTPHeaders(a="1")) == {"A": "1"}
    assert dict(HTTPHeaders([("b", "2")], c="3")) == {"B": "2", "C": "3"}
    assert dict(HTTPHeaders(HTTPHeaders(a="1"), b="2")) == {"A": "1", "B": "2"}
    assert dict(HTTPHeaders({"a": "1", "A": "2"})) == {"A": "2"}


def test_headers_are_made_of_one_thing_as_a_dict_is() -> None:
    with pytest.raises(TypeError, match="at most 1 argument"):
        HTTPHeaders(HTTPHeaders(), {"X": "1"})


def test_headers_made_of_headers_of_a_subclass_keep_repeated_fields() -> None:
    class Mine(HTTPHeaders):
        pass

    headers = HTTPHeaders(Mine.parse("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"))
    assert headers.get_list("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("line", [
    "no colon", "", ": no name", " A: led by a space", "\tA: by a tab", "A : space before colon",
    "A\t: tab before colon", "A B: space inside", "A\x00: NUL", "\xe4: not ASCII", "A(: b", "A,: b",
    'A": b', "A/: b", "A@: b",
])  # fmt: skip
def test_a_line_that_is_no_field_is_refused(line: str) -> None:
    # RFC 9112 §5.1: no white space before the colon; §5.2: a continuation may be refused.
    with pytest.raises(HTTPInputError) as caught:
        HTTPHeaders().parse_line(line)
    assert caught.value.status == 400


def test_a_name_that_is_very_long_is_not_kept() -> None:
    httputil._names.clear()
    name = "a" * (httputil.MAX_SHORT_LINE + 1)
    headers = HTTPHeaders()
    headers.parse_line(f"{name}: x")
    assert headers[name] == "x"
    assert not httputil._names


def test_every_character_of_a_token_may_stand_in_a_name() -> None:
    name = "!#$%&'*+-.^_`|~09AZaz"
    headers = HTTPHeaders()
    headers.parse_line(f"{name}: x")
    assert headers[name] == "x"


@pytest.mark.parametrize(("raw", "value"), [
    (" \t b \t ", "b"), ("", ""), ("b:c", "b:c"), ("a\tb", "a\tb"), ("\xa0b\x85", "\xa0b\x85"),
])  # fmt: skip
def test_only_space_and_tab_are_stripped_from_a_value(raw: str, value: str) -> None:
    # RFC 9110 §5.5.  str.strip() would take \x85 and \xa0 as well.
    headers = HTTPHeaders()
    headers.parse_line("A:" + raw)
    assert headers["A"] == value


def test_header_lines_end_with_crlf_or_lf() -> None:
    assert dict(HTTPHeaders.parse("A: 1\nB: 2\r\n\r\n")) == {"A": "1", "B": "2"}


def test_the_caches_of_field_names_and_lines_are_bounded() -> None:
    # Strangers choose both: a cache without an end would be theirs to fill.
    headers = HTTPHeaders()
    headers.parse_lines([f"X-{number}: y" for number in range(3000)])
    assert len(headers.format_lines()) == 3000
    for cache in (httputil._parsed_lines, httputil._names, httputil._formatted_fields):
        assert 0 < len(cache) <= 1000


def test_a_value_is_text() -> None:
    # As in Tornado; and 1, which equals True, would be sent in its place.
    with pytest.raises(TypeError, match="int"):
        HTTPHeaders({"A": 1}).format_lines()


def test_a_long_line_is_not_kept() -> None:
    httputil._parsed_lines.clear()
    httputil._formatted_fields.clear()
    headers = HTTPHeaders()
    headers.parse_lines(["A: " + "x" * 500, "B: " + "y" * 200])
    assert [len(headers["A"]), len(headers["B"])] == [500, 200]
    assert list(httputil._parsed_lines) == ["B: " + "y" * 200]
    assert [len(line) for line in headers.format_lines()] == [503, 203]
    assert list(httputil._formatted_fields) == [("B", "y" * 200)]


@pytest.mark.parametrize("character", ["\0", "\r", "\n", "\x0b", "\x1f", "\x7f"])
@pytest.mark.parametrize("length", [1, 500])
def test_a_control_character_in_a_field_is_refused(character: str, length: int) -> None:
    with pytest.raises(HTTPInputError, match="control character"):  # RFC 9110 §5.5
        HTTPHeaders().parse_line("A: " + "x" * length + character + "x")


def test_many_fields_of_one_name_are_joined_once() -> None:
    headers = HTTPHeaders()
    headers.parse_lines(["A: 1", "B: x", "a: 2", "A: 3"])
    assert headers["A"] == "1,2,3"
    assert headers.get_list("a") == ["1", "2", "3"]
    headers["A"] = "4"
    assert headers.get_list("a") == ["4"]
    headers.add("A", "5")
    del headers["A"]
    headers.add("A", "6")
    assert list(headers.get_all()) == [("B", "x"), ("A", "6")]


def test_names_are_written_as_tornado_writes_them() -> None:
    tornado = pytest.importorskip("tornado.httputil", reason=WHY_TORNADO)
    for name in ("content-type", "ETag", "WWW-Authenticate", "x--y", "a-", "DNT", "x_y-Z"):
        assert list(HTTPHeaders({name: "1"})) == list(tornado.HTTPHeaders({name: "1"})), name


# ---- start lines ----


def test_a_request_line_has_three_words() -> None:
    start_line = parse_request_start_line("GET /a?b=c HTTP/1.1")
    assert start_line == RequestStartLine("GET", "/a?b=c", "HTTP/1.1")
    assert (start_line.method, start_line.path, start_line.version) == tuple(start_line)


@pytest.mark.parametrize("line", [
    "", "GET", "GET /", "GET / HTTP/1.1 x", "GET  / HTTP/1.1", "GET /  HTTP/1.1", " GET / HTTP/1.1",
    "GET / HTTP/1.1 ", "GET\t/ HTTP/1.1", "GET / a HTTP/1.1", "GET /\x00 HTTP/1.1",
    "GET /\x7f HTTP/1.1", "GE(T / HTTP/1.1", "G\xc9T / HTTP/1.1", "GET / http/1.1",
    "GET / HTTP/1.1x", "GET / HTTP/11", "GET / HTTP/1.", "GET / HTTP/1.10", "GET / HTTQ/1.1",
    "GET / HTTP/1,1", "GET / HTTP/+1.1", "GET / HTTP/1.\xb9", "GET / HTTP/1.\u0661",
    "GET / HTTP/1.1\n",
])  # fmt: skip
def test_what_is_no_request_line_is_refused(line: str) -> None:
    # RFC 9112 §3.  \d and int() would take the superscript and the Arabic one.
    with pytest.raises(HTTPInputError) as caught:
        parse_request_start_line(line)
    assert caught.value.status == 400


def test_another_major_version_is_told_so() -> None:
    with pytest.raises(HTTPInputError) as caught:
        parse_request_start_line("GET / HTTP/2.0")
    assert caught.value.status == 505
    assert parse_request_start_line("GET / HTTP/1.2").version == "HTTP/1.2"


def test_a_status_line_has_three_words_of_which_the_last_may_be_missing() -> None:
    assert parse_response_start_line("HTTP/1.1 404 Not Found") == ("HTTP/1.1", 404, "Not Found")
    assert parse_response_start_line("HTTP/1.0 200") == ResponseStartLine("HTTP/1.0", 200, "")
    for line in ("HTTP/1.1 20 OK", "HTTP/1.1  200 OK", "HTTP/2 200 OK", "HTTP/1.1 200 a\nb", ""):
        with pytest.raises(HTTPInputError):
            parse_response_start_line(line)


def test_random_text_is_a_request_line_or_refused() -> None:
    hypothesis = pytest.importorskip("hypothesis", reason=WHY_HYPOTHESIS)
    strategies = hypothesis.strategies
    word = strategies.text("GET/ HTP1.0\t\r\n\x00?#%\xe4:", max_size=12)

    @hypothesis.given(strategies.lists(word, max_size=4).map(" ".join))
    @hypothesis.example("GET / HTTP/1.1")
    @hypothesis.settings(database=None, deadline=None, derandomize=True)
    def check(line: str) -> None:
        try:
            start_line = parse_request_start_line(line)
        except HTTPInputError:
            return
        assert " ".join(start_line) == line

    check()


# ---- hosts ----


@pytest.mark.parametrize("host", [
    "a", "example.com", "EXAMPLE.com:8080", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:80",
    "localhost:", "a%41", "a-._~b", "",
])  # fmt: skip
def test_a_host_is_a_name_or_an_address_and_maybe_a_port(host: str) -> None:
    assert is_valid_host(host)  # RFC 9110 §7.2


@pytest.mark.parametrize("host", [
    "a b", "a/b", "u@a", "a?b", "a#b", "<a>", "a\\b", 'a"b', "{a}", "%zz", "\xe4", "a:b", "a:1:2",
    "[::1", "::1", "[::1]x", "a\n", "[a b]", "a:\u0661",
])  # fmt: skip
def test_what_is_no_host_is_refused(host: str) -> None:
    assert not is_valid_host(host)


def test_a_host_and_its_port_are_split_as_tornado_splits_them() -> None:
    tornado = pytest.importorskip("tornado.httputil", reason=WHY_TORNADO)
    for netloc in ("a", "a:80", "[::1]", "[::1]:80", "a:", "a:b", ":80", "", "a:00080", "a:b:1"):
        assert split_host_and_port(netloc) == tornado.split_host_and_port(netloc), netloc


def test_a_port_of_5000_digits_is_no_port() -> None:
    # int() would refuse them with a ValueError, and a Host field may hold so many.
    netloc = "a:" + "1" * 5000
    assert split_host_and_port(netloc) == (netloc, None)


# ---- the interfaces ----


def test_the_interfaces_say_what_is_to_be_defined() -> None:
    connection = httputil.HTTPConnection()
    for call in (
        lambda: connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), {}),
        lambda: connection.write(b""),
        connection.finish,
        lambda: httputil.HTTPServerConnectionDelegate().start_request(None, None),
    ):
        with pytest.raises(NotImplementedError):
            call()
    delegate = httputil.HTTPMessageDelegate()
    delegate.headers_received(None, HTTPHeaders())
    delegate.data_received(b"")
    delegate.finish()
    delegate.on_connection_close()
    httputil.HTTPServerConnectionDelegate().on_close(None)


# ---- requests ----


class Connection:
    """What a request asks of a connection."""

    class Context:
        remote_ip = "10.0.0.1"
        protocol = "https"

    context = Context()

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.finished = False

    def write(self, chunk: bytes) -> Future[None]:
        self.written.append(chunk)
        future: Future[None] = Future()
        future.set_result(None)
        return future

    def finish(self) -> None:
        self.finished = True


def make_request(uri: str = "/", body: bytes = b"", **headers: str) -> HTTPServerRequest:
    fields = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    request = HTTPServerRequest(
        connection=Connection(), start_line=RequestStartLine("POST", uri, "HTTP/1.1"),
        headers=fields, body=body)  # fmt: skip
    request._parse_body()
    return request


FORM = "application/x-www-form-urlencoded"


def test_a_request_knows_what_it_is_and_where_it_comes_from() -> None:
    request = make_request("/path?query", Host="example.com:81")
    assert (request.method, request.uri, request.version) == ("POST", "/path?query", "HTTP/1.1")
    assert (request.path, request.query) == ("/path", "query")
    assert (request.remote_ip, request.protocol) == ("10.0.0.1", "https")
    assert request.host == "example.com:81"
    assert request.full_url() == "https://example.com:81/path?query"
    assert request.supports_http_1_1()


def test_a_request_without_anything_has_defaults() -> None:
    request = HTTPServerRequest(method="GET", uri="/")
    assert (request.version, request.body, request.host) == ("HTTP/1.0", b"", "127.0.0.1")
    assert (request.remote_ip, request.protocol) == (None, "http")
    assert (dict(request.headers), request.files, request.arguments) == ({}, {}, {})
    assert not request.supports_http_1_1()
    assert HTTPServerRequest("GET", "/", host="h").host == "h"


def test_a_request_shows_its_address_but_not_its_secrets() -> None:
    text = repr(make_request("/path", Host="h", Authorization="secret"))
    assert text.startswith("HTTPServerRequest(protocol='https', host='h', method='POST'")
    assert "secret" not in text


def test_arguments_of_query_and_body_are_kept_apart_and_joined() -> None:
    request = make_request("/?a=1&b=", b"a=2&c=%E4", Content_Type=FORM)
    assert request.query_arguments == {"a": [b"1"], "b": [b""]}
    assert request.body_arguments == {"a": [b"2"], "c": [b"\xe4"]}
    assert request.arguments == {"a": [b"1", b"2"], "b": [b""], "c": [b"\xe4"]}
    request.arguments["a"].append(b"3")
    assert request.query_arguments["a"] == [b"1"]
    assert request.body_arguments["a"] == [b"2"]


def test_arguments_asked_for_before_the_body_came_get_the_bodys_too() -> None:
    # As a Tornado delegate does that looks at the query in headers_received.
    request = HTTPServerRequest("POST", "/?a=1", headers=HTTPHeaders({"Content-Type": FORM}))
    early = request.arguments
    assert early == {"a": [b"1"]}
    request.body = b"a=2"
    request._parse_body()
    assert request.arguments is early
    assert early == {"a": [b"1", b"2"]}


def test_a_request_writes_to_its_connection() -> None:
    request = make_request()
    assert request.write(b"x").done()
    request.finish()
    assert request.connection.written == [b"x"]
    assert request.connection.finished
    with pytest.raises(AssertionError, match="bytes"):
        request.write("x")  # type: ignore[arg-type]


def test_the_time_of_a_request_stops_with_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    request = make_request()
    now[0] += 2
    assert request.request_time() == 2
    request.finish()
    now[0] += 5
    assert request.request_time() == 2


def test_cookies_are_worked_out_and_those_that_are_none_left_out() -> None:
    request = make_request(Cookie="a=b; c=\"d;e\"; expires=no; f(=g")
    assert {name: morsel.value for name, morsel in request.cookies.items()} == {"a": "b", "c": '"d'}
    assert make_request().cookies == {}


def test_the_clients_certificate_is_the_sockets() -> None:
    request = make_request()

    class Socket:
        def getpeercert(self, binary_form: bool) -> object:
            return b"der" if binary_form else {"subject": ()}

    class Stream:
        socket: object = Socket()

    request.connection.stream = Stream()
    assert request.get_ssl_certificate() == {"subject": ()}
    assert request.get_ssl_certificate(binary_form=True) == b"der"
    request.connection.stream.socket = object()
    assert request.get_ssl_certificate() is None


def test_a_file_has_its_fields_as_keys_and_attributes() -> None:
    file = HTTPFile(filename="a", body=b"b", content_type="c")
    assert (file.filename, file["body"]) == ("a", b"b")
    file.filename = "z"
    assert file["filename"] == "z"
    with pytest.raises(AttributeError):
        file.nothing  # noqa: B018
    assert copy.copy(file) == file


# ---- forms ----


def test_urlencoded_values_are_bytes_and_malformed_ones_do_no_harm() -> None:
    assert parse_qs_bytes("a=%zz&a=%C3%A4&b&=c&&d=1=2") == {
        "a": [b"%zz", b"\xc3\xa4"], "b": [b""], "": [b"c"], "d": [b"1=2"],
    }  # fmt: skip
    assert parse_qs_bytes(b"a=\xff+%20") == {"a": [b"\xff  "]}
    assert parse_qs_bytes("a=\u20ac") == {"a": [b"?"]}
    assert parse_qs_bytes("") == parse_qs_bytes(b"") == {}


def test_any_query_at_all_is_taken_apart_without_an_error() -> None:
    hypothesis = pytest.importorskip("hypothesis", reason=WHY_HYPOTHESIS)
    strategies = hypothesis.strategies

    @hypothesis.given(strategies.one_of(
        strategies.binary(max_size=40), strategies.text(max_size=40), strategies.text("a=&;%+1")))
    @hypothesis.settings(database=None, deadline=None, derandomize=True)
    def check(query: str | bytes) -> None:
        for values in parse_qs_bytes(query).values():
            assert all(isinstance(value, bytes) for value in values)

    check()


def test_queries_are_taken_apart_as_tornado_does_it() -> None:
    tornado = pytest.importorskip("tornado.escape", reason=WHY_TORNADO)
    for query in ("a=1&b=2&a=3", "a=&b", "%61=%62", "a=%E4%ff", "+=+", "a;b=c", "a==b", "=a"):
        assert parse_qs_bytes(query) == tornado.parse_qs_bytes(query, keep_blank_values=True), query


def parse(content_type: str, body: bytes, **headers: str) -> tuple[Any, Any]:
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, list[HTTPFile]] = {}
    fields = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    parse_body_arguments(content_type, body, arguments, files, fields)
    return arguments, files


def test_a_body_that_is_no_form_is_left_alone() -> None:
    assert parse("application/json", b"a=1", Content_Encoding="x") == ({}, {})


def test_the_type_of_a_form_knows_no_case() -> None:
    assert parse(FORM.upper() + "; charset=utf-8", b"a=1") == ({"a": [b"1"]}, {})


def test_a_form_that_is_packed_is_left_alone_with_a_warning() -> None:
    with ExpectLog("tornado.general", "Unsupported Content-Encoding: br"):
        assert parse(FORM, b"a=1", Content_Encoding="br") == ({}, {})


def multipart(*parts: str, boundary: str = "1234", end: str = "--") -> bytes:
    text = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}{end}\r\n"
    return text.encode("latin-1")


PART = 'Content-Disposition: form-data; name="{}"{}\r\n\r\n{}'
MULTIPART = "multipart/form-data; boundary=1234"


def test_a_multipart_form_has_arguments_and_files() -> None:
    body = multipart(
        PART.format("a", "", "1"),
        PART.format("a", "", "2\r\n\r\n3"),
        PART.format("f", '; filename="x.txt"', "body"),
        "content-type: image/png\r\n"
        'content-disposition: FORM-data; name="f"; filename=y\r\n\r\n\xff',
        PART.format("empty", '; filename=""', ""),
    )
    for content_type in (MULTIPART, 'multipart/form-data; a=b; boundary="1234"; c=d'):
        arguments, files = parse(content_type, body)
        assert arguments == {"a": [b"1", b"2\r\n\r\n3"], "empty": [b""]}
        assert files == {"f": [
            {"filename": "x.txt", "body": b"body", "content_type": "application/unknown"},
            {"filename": "y", "body": b"\xff", "content_type": "image/png"},
        ]}  # fmt: skip


@pytest.mark.parametrize("filename", [
    "a;b.txt", 'a"b.txt', 'a";b.txt', 'a;"b.txt', 'a";";.txt', 'a\\"b.txt', "a\\b.txt", "a b",
    "\\", '"', ";", "=", "a=b;c=d",
])  # fmt: skip
def test_file_names_survive_their_quotes(filename: str) -> None:
    quoted = filename.replace("\\", "\\\\").replace('"', '\\"')
    _arguments, files = parse(MULTIPART, multipart(PART.format("f", f'; filename="{quoted}"', "")))
    assert files["f"][0].filename == filename


def test_a_backslash_that_escapes_nothing_is_itself() -> None:
    part = PART.format("f", r'; filename="C:\folder\file.txt"', "")
    assert parse(MULTIPART, multipart(part))[1]["f"][0].filename == r"C:\folder\file.txt"


def test_file_names_may_be_encoded() -> None:
    part = PART.format("f", "; filename=x; filename*=utf-8''%e2%82%ac%20rates", "")
    assert parse(MULTIPART, multipart(part))[1]["f"][0].filename == "\u20ac rates"  # RFC 8187
    part = PART.format("f", "; filename*=ISO-8859-1'en'%A3", "")
    assert parse(MULTIPART, multipart(part))[1]["f"][0].filename == "\xa3"


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "hex", "", "no-such"])
def test_an_encoding_that_nobody_should_use_leaves_the_name_out(charset: str) -> None:
    # "undefined" raises a UnicodeError, which is no LookupError, and would have become a 500.
    part = PART.format("f", f"; filename=x; filename*={charset}''%ff", "")
    assert parse(MULTIPART, multipart(part))[1]["f"][0].filename == "x"  # and no line in the log


def test_a_name_that_is_not_in_its_encoding_is_left_out() -> None:
    arguments, _files = parse(MULTIPART, multipart(PART.format("f", "; filename*=utf-8''%ff", "x")))
    assert arguments == {"f": [b"x"]}


@pytest.mark.parametrize(("content_type", "body", "warning"), [
    ("multipart/form-data", multipart(PART.format("a", "", "")), ".*no boundary"),
    (MULTIPART, multipart(PART.format("a", "", ""), end=""), ".*no final boundary"),
    (MULTIPART, b"", ".*no final boundary"),
    (MULTIPART, multipart("no headers"), ".*missing headers"),
    (MULTIPART, multipart("no colon\r\n\r\n"), ".*no colon"),
    (MULTIPART, multipart("Content-Disposition: attachment; name=a\r\n\r\n"), "Invalid multipart"),
    (MULTIPART, multipart("X: y\r\n\r\n"), "Invalid multipart"),
    (MULTIPART, multipart("Content-Disposition: form-data\r\n\r\n"), ".*missing name"),
    (MULTIPART, multipart(PART.format("a", "", "x")).replace(b"x\r\n", b"x"), "Invalid multipart"),
    (MULTIPART, multipart("X: " + "y" * 10240 + "\r\n" + PART.format("a", "", "")), ".*headers"),
    ("multipart/form-data; boundary=" + "1" * 71, multipart(boundary="1" * 71), ".*boundary over"),
])  # fmt: skip
def test_a_malformed_multipart_form_is_a_warning(
    content_type: str, body: bytes, warning: str
) -> None:
    with ExpectLog("tornado.general", warning):
        assert parse(content_type, body) == ({}, {})


def test_the_quotes_of_a_boundary_are_none_of_it() -> None:
    arguments: dict[str, list[bytes]] = {}
    parse_multipart_form_data(b'"1234"', multipart(PART.format("a", "", "b")), arguments, {})
    assert arguments == {"a": [b"b"]}


def test_a_boundary_may_have_70_bytes() -> None:
    boundary = "1" * 70
    body = multipart(PART.format("a", "", "b"), boundary=boundary)
    assert parse(f"multipart/form-data; boundary={boundary}", body) == ({"a": [b"b"]}, {})


def test_the_parts_of_a_form_are_bounded() -> None:
    most = httputil.MAX_MULTIPART_PARTS
    part = PART.format("a", "", "")
    arguments, _files = parse(MULTIPART, multipart(*[part] * most))
    assert len(arguments["a"]) == most
    with ExpectLog("tornado.general", f"multipart/form-data with more than {most} parts"):
        assert parse(MULTIPART, multipart(*[part] * (most + 1))) == ({}, {})


def test_an_urlencoded_form_beyond_a_limit_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    most, warning = httputil.MAX_FORM_FIELDS, "urlencoded form with more than 1000 fields or"
    assert parse(FORM, b"&".join([b"a=b"] * most)) == ({"a": [b"b"] * most}, {})
    with ExpectLog("tornado.general", warning):
        assert parse(FORM, b"&".join([b"a=b"] * (most + 1))) == ({}, {})
    monkeypatch.setattr(httputil, "MAX_FORM_BYTES", 100)
    assert parse(FORM, b"a=" + b"x" * 98) == ({"a": [b"x" * 98]}, {})
    with ExpectLog("tornado.general", warning):
        assert parse(FORM, b"a=" + b"x" * 99) == ({}, {})


def test_an_escape_takes_70_times_its_own_memory() -> None:
    body = b"a=" + b"%41" * 100_000
    tracemalloc.start()
    try:
        parse(FORM, body)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 50 < peak / len(body) < 90


def test_a_long_word_in_a_content_type_costs_no_more_than_its_length() -> None:
    # A pattern that may begin anywhere takes two billion steps for these, half a minute.
    for word in ("a" * 60_000, " " * 60_000, 'a="' * 20_000, ';a="\\' * 15_000, ";" * 60_000):
        assert seconds(httputil._parse_parameters, f"multipart/form-data; {word}") < 0.5, word[:9]


def test_a_long_boundary_costs_nothing() -> None:
    # Searched for backwards, this one in this body would take over a second a megabyte.
    boundary, line = b"-" * 30_000, b"-" * 30_003 + b"x"
    with ExpectLog("tornado.general", "Invalid multipart/form-data: boundary over 70 bytes"):
        assert seconds(parse_multipart_form_data, boundary, line * 33, {}, {}) < 0.2


def test_multipart_forms_are_taken_apart_as_tornado_does_it() -> None:
    tornado = pytest.importorskip("tornado.httputil", reason=WHY_TORNADO)
    body = multipart(
        PART.format("a", "", "1"), PART.format("f", '; filename="a;b\\"c.txt"', "x\r\ny"),
        "Content-Type: text/plain\r\n" + PART.format("f", "; filename*=utf-8''%C3%A4", ""),
        PART.format("", "; name=b", "2"),
    )  # fmt: skip
    theirs: tuple[Any, Any] = ({}, {})
    tornado.parse_body_arguments(MULTIPART, body, *theirs)
    assert parse(MULTIPART, body) == theirs


def test_any_form_at_all_is_taken_apart_without_an_error() -> None:
    hypothesis = pytest.importorskip("hypothesis", reason=WHY_HYPOTHESIS)
    strategies = hypothesis.strategies
    piece = strategies.sampled_from([
        b"--1234\r\n", b"--1234--", b"\r\n\r\n", b"Content-Disposition: form-data; ", b'name="a"',
        b"; filename*=", b"utf-8''%ff", b"x", b"\r\n", b'"', b"\\", b"\xff", b":", b";", b"=",
        b"undefined''%f", b"\x00",
    ])  # fmt: skip
    field = strategies.text('multipart/form-data; boundary=1234"\\*', max_size=30)

    @hypothesis.given(strategies.lists(piece, max_size=25).map(b"".join), field)
    @hypothesis.settings(database=None, deadline=None, derandomize=True)
    def check(body: bytes, extra: str) -> None:
        for content_type in (MULTIPART + extra, "multipart/form-data" + extra):
            with ExpectLog("tornado.general", "", required=False):
                arguments, files = parse(content_type, body)
            assert all(isinstance(value, bytes) for found in arguments.values() for value in found)
            assert all(isinstance(file, HTTPFile) for found in files.values() for file in found)

    check()


# ---- URLs, cookies, dates ----


@pytest.mark.parametrize(("url", "args", "result"), [
    ("https://localhost/path", [("y", "y"), ("z", "z")], "https://localhost/path?y=y&z=z"),
    ("https://localhost/path?", {"y": "/y"}, "https://localhost/path?y=%2Fy"),
    ("https://localhost/path?x=1&", {"y": "y"}, "https://localhost/path?x=1&y=y"),
    ("/path?r=1&t=", [("q", "a b")], "/path?r=1&t=&q=a+b"),
    ("/path#tab", [("d", "1")], "/path?d=1#tab"),
    ("/path?r=1", None, "/path?r=1"),
    ("/path", [], "/path"),
    ("/path?a=1", {"a": "2"}, "/path?a=1&a=2"),
    ("/path", (("a", "\u20ac"),), "/path?a=%E2%82%AC"),
])  # fmt: skip
def test_arguments_are_added_to_a_url(url: str, args: Any, result: str) -> None:
    assert url_concat(url, args) == result
    tornado = pytest.importorskip("tornado.httputil", reason=WHY_TORNADO)
    assert tornado.url_concat(url, args) == result


def test_the_query_that_a_url_has_is_not_rewritten() -> None:
    # Bytes that are no UTF-8 would be lost, as they are in Tornado 6.
    for query in ("q=%E4", "x", "a=%20b+c", "a;b", "%zz"):
        assert url_concat(f"/p?{query}#top", {"y": "z"}) == f"/p?{query}&y=z#top"
        assert url_concat(f"/p?{query}", {}) == f"/p?{query}"


@pytest.mark.parametrize(("cookie", "result"), [
    ("", {}), ("a=b", {"a": "b"}), ("a=b; c=d;e=f", {"a": "b", "c": "d", "e": "f"}),
    ("a=b=c", {"a": "b=c"}), ("abc", {"": "abc"}), ("=x", {"": "x"}), (";; a = b ;", {"a": "b"}),
    (r'a="b\"c\073\\"', {"a": 'b"c;\\'}), ('a="', {"a": '"'}), ('a="b', {"a": '"b'}),
    ('a="\\400"', {"a": "400"}), ('a="\\', {"a": '"\\'}), ('a="b\\"', {"a": "b\\"}),
    ("a=1; a=2", {"a": "2"}),
])  # fmt: skip
def test_cookies_are_read_as_browsers_write_them(cookie: str, result: dict[str, str]) -> None:
    assert parse_cookie(cookie) == result
    tornado = pytest.importorskip("tornado.httputil", reason=WHY_TORNADO)
    assert tornado.parse_cookie(cookie) == result


def test_thousands_of_escapes_in_a_cookie_cost_linear_time() -> None:
    cookie = 'a="' + "\\377" * 15_000 + '"'
    assert seconds(parse_cookie, cookie) < 0.5
    assert parse_cookie(cookie) == {"a": "\xff" * 15_000}


def test_times_are_written_as_http_writes_them() -> None:
    moment = 1359312200.503611
    expected = "Sun, 27 Jan 2013 18:43:20 GMT"  # RFC 9110 §5.6.7
    zone = datetime.timezone(datetime.timedelta(hours=-5))
    for ts in (
        moment, int(moment), time.gmtime(moment), tuple(time.gmtime(moment)),
        datetime.datetime(2013, 1, 27, 18, 43, 20),
        datetime.datetime.fromtimestamp(moment, zone),
        (2013, 1, 27, 18, 43, 20), (2013, 1, 27, 18, 43, 20, 0, 0, 0),  # no day of the week
        email.utils.parsedate("Sun, 27 Jan 2013 18:43:20 GMT"),
    ):  # fmt: skip
        assert format_timestamp(ts) == expected
    with pytest.raises(TypeError, match="unknown timestamp type"):
        format_timestamp("now")


def test_every_day_and_month_has_its_english_name_in_any_locale() -> None:
    for day in range(400):
        ts = 1_700_000_000 + day * 86_400
        assert format_timestamp(ts) == email.utils.formatdate(ts, usegmt=True)


def test_responses_holds_the_reasons() -> None:
    assert httputil.responses[404] == "Not Found"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        httputil.nothing  # noqa: B018
