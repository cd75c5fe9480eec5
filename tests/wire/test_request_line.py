"""The request line: method SP target SP HTTP-version CRLF (RFC 9112 §3)."""

import pytest

from .lab import (
    NOT_5XX,
    NOT_500,
    REJECTED,
    REJECTED_OR_505,
    SERVED,
    Case,
    Server,
    any_of,
    check,
    request,
    rows,
    table,
    talk,
)

LINES = {
    "a method alone": b"GET",
    "an empty line's worth of spaces": b"  ",
    "no target": b"GET HTTP/1.1",
    "an empty target": b"GET  HTTP/1.1",
    "no method": b"/hello HTTP/1.1",
    "a version alone": b"HTTP/1.1",
    "four words": b"GET /hello x HTTP/1.1",
    "a space in the target": b"GET /hel lo HTTP/1.1",
    "two versions": b"GET /hello HTTP/1.1 HTTP/1.1",
    "NUL in the target": b"GET /hel\0lo HTTP/1.1",
    "CR in the target": b"GET /hel\rlo HTTP/1.1",
    "CR before the version": b"GET /hello\rHTTP/1.1",
    "0x01 in the target": b"GET /hel\x01lo HTTP/1.1",
    "VT in the target": b"GET /hel\x0blo HTTP/1.1",
    "FF in the target": b"GET /hel\x0clo HTTP/1.1",
    "ESC in the target": b"GET /hel\x1blo HTTP/1.1",
    "DEL in the target": b"GET /hel\x7flo HTTP/1.1",
    "a parenthesis in the method": b"GE(T /hello HTTP/1.1",
    "a slash in the method": b"GE/T /hello HTTP/1.1",
    "a colon behind the method": b"GET: /hello HTTP/1.1",
    "quotes around the method": b'"GET" /hello HTTP/1.1',
    "NUL in the method": b"G\0ET /hello HTTP/1.1",
    "a control in the method": b"G\x01ET /hello HTTP/1.1",
    "UTF-8 in the method": "GÉT /hello HTTP/1.1".encode(),
    "latin-1 in the method": b"G\xc9T /hello HTTP/1.1",
    "a BOM": b"\xef\xbb\xbfGET /hello HTTP/1.1",
    "text in a line before": b"text\r\nGET /hello HTTP/1.1",
    "a status line": b"HTTP/1.1 200 OK",
}

VERSIONS = [
    b"HTTP/1.1x", b"HTTP/11", b"HTTP/1.", b"HTTP/1", b"HTTP/.1", b"HTTP/", b"HTTP/1.10",
    b"HTTP/01.1", b"HTTP/1.01", b"http/1.1", b"Http/1.1", b"HTTQ/1.1", b"HTTPS/1.1", b"HTTP/1,1",
    b"HTTP/ 1.1", b"HTTP /1.1", b"HTTP/+1.1", b"HTTP/-1.1", b"HTTP/1.-1", b"HTTP/1.1.1",
    b"HTTP/1_1", b"HTTP/a.b", b"HTTP/1.a", b"HTTP/0x1.1", b"HTTP\\1.1", b"HTTP/1.\xb9",
    b"HTTP/\xb9.1", "HTTP/1.\uff11".encode(), "HTTP/1.\u0661".encode(), b"HTTP/1.1\0",
    b"HTTP/1.1\x0b", b"HTTP/1.1\xa0", b"XHTTP/1.1",
]


@table(*rows("M", "RFC 9112 §3", REJECTED, {n: request(line) for n, line in LINES.items()}),
       *rows("M", "RFC 9112 §2.3", REJECTED,
             {f"version {v!r}": request(b"GET /hello " + v) for v in VERSIONS}))
def test_a_line_that_is_not_method_target_version_is_rejected(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("S", "RFC 9110 §15.6.6", REJECTED_OR_505, {
    "HTTP/2.0": request(b"GET /hello HTTP/2.0"),
    "HTTP/0.9 spelled out": request(b"GET /hello HTTP/0.9"),
    "HTTP/0.0": request(b"GET /hello HTTP/0.0"),
    "HTTP/3.0": request(b"GET /hello HTTP/3.0"),
    "HTTP/9.9": request(b"GET /hello HTTP/9.9"),
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /hello\r\n",
    "HTTP/0.9 with fields": request(b"GET /hello"),
}))
def test_other_major_versions_are_rejected(server: Server, case: Case) -> None:
    check(server, case)


def test_http_1_2_is_served_as_1_1(server: Server) -> None:
    """RFC 9110 §2.5. M: no 5xx but 505, and never HTTP/1.2 in the status line. S: 200."""
    outcome = talk(server, request(b"GET /hello HTTP/1.2"))
    rule = "HTTP/1.2: 200 and not HTTP/1.2 in the status line"
    assert not outcome.raw.startswith(b"HTTP/1.2"), outcome.report(rule, "echoed HTTP/1.2")
    assert outcome.statuses == [200], outcome.report(rule, "not served")


@table(*rows("M", "RFC 9110 §9.1", any_of(400, 405, 501), {
    "get": request(b"get /hello HTTP/1.1"),
    "Get": request(b"Get /hello HTTP/1.1"),
    "gET": request(b"gET /hello HTTP/1.1"),
    "post": request(b"post /echo HTTP/1.1", b"Content-Length: 0"),
}), *rows("M", "RFC 9110 §9.1", any_of(405, 501, 400, 404), {
    "FOO": request(b"FOO /hello HTTP/1.1"),
    "every token character": request(b"!#$%&'*+-.^_`|~09azAZ /hello HTTP/1.1"),
    "100 letters": request(b"M" * 100 + b" /hello HTTP/1.1"),
    "one letter": request(b"X /hello HTTP/1.1"),
    "TRACE": request(b"TRACE /hello HTTP/1.1"),
}), *rows("M", "RFC 9110 §9.3.6", any_of(*range(400, 500), 501), {
    "CONNECT authority": request(b"CONNECT lab:80 HTTP/1.1"),
    "CONNECT IPv6": request(b"CONNECT [::1]:80 HTTP/1.1"),
    "CONNECT a path": request(b"CONNECT /hello HTTP/1.1"),
}))
def test_methods_are_case_sensitive_and_unknown_ones_are_refused(
        server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("S", "RFC 9112 §2.2", SERVED, {"one CRLF": b"\r\n" + request()}),
       *rows("M", "RFC 9112 §2.2", NOT_500, {
           "two CRLFs": b"\r\n\r\n" + request(),
           "ten CRLFs": b"\r\n" * 10 + request(),
           "a bare LF": b"\n" + request(),
           "a bare CR": b"\r" + request(),
           "spaces and CRLF": b"  \r\n" + request(),
       }))
def test_empty_lines_before_a_request_are_no_error_of_ours(server: Server, case: Case) -> None:
    check(server, case)


def test_an_empty_line_between_two_requests_is_skipped(server: Server) -> None:
    """S, RFC 9112 §2.2: old clients send a CRLF behind a POST's body."""
    outcome = talk(server, request() + b"\r\n" + request(), count=2)
    assert outcome.statuses == [200, 200], outcome.report(
        "a CRLF between two requests is ignored", "not both answered")


@table(*rows("M", "RFC 9112 §3.2.2", SERVED, {
    "a name": request(b"GET http://lab/hello HTTP/1.1"),
    "with a port": request(b"GET http://lab:8080/hello HTTP/1.1"),
    "with a query": request(b"GET http://lab/hello?a=b HTTP/1.1"),
    "a query with a URL in it": request(b"GET http://lab/hello?a=http://b/c HTTP/1.1"),
    "IPv4": request(b"GET http://127.0.0.1/hello HTTP/1.1"),
    "IPv6": request(b"GET http://[::1]/hello HTTP/1.1"),
    "another host than in Host": request(b"GET http://other/hello HTTP/1.1"),
}, body=b"hello"))
def test_the_absolute_form_is_routed_like_its_path(server: Server, case: Case) -> None:
    check(server, case)


TARGETS = [
    b"http://[::1/x", b"http://lab:99999999/hello", b"http://lab:x/hello", b"http://",
    b"http:///hello", b"http://lab", b"http://lab?x", b"http:", b"HTTP://LAB/hello",
    b"ftp://lab/hello", b"://", b"//hello", b"///", b"/../..", b"/../../etc/passwd", b"/./hello",
    b"/%zz", b"/%", b"/%00", b"/%2e%2e", b"/h\xc3\xa9llo", b"/\xff\xfe", b"/[", b"/]", b'/"',
    b"/{}", b"/|", b"/^", b"/`", b"/<>", b"/\\", b"/hello#x", b"hello", b"hello/x", b"*", b"?",
    b"#", b"lab:80", b"[::1]:80", b"lab", b"/hello;a=b", b"/?" + b"&" * 2000,
    b"/" + b"a/" * 2000,
]


@table(
    *(
        Case(
            "M",
            "RFC 9112 §3.2",
            f"GET {target[:30]!r}",
            request(b"GET " + target + b" HTTP/1.1"),
            NOT_5XX,
        )
        for target in TARGETS
    )
)
def test_an_odd_target_is_the_clients_fault_not_ours(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("M", "RFC 9110 §9.3.7", NOT_500, {
    "OPTIONS *": request(b"OPTIONS * HTTP/1.1"),
    "OPTIONS /hello": request(b"OPTIONS /hello HTTP/1.1"),
    "HEAD *": request(b"HEAD * HTTP/1.1"),
}))
def test_options_of_the_server_as_a_whole_is_no_500(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("M", "RFC 3986 §2.1", any_of(200, 400), {
    f"?{query!r}": request(b"GET /hello?" + query + b" HTTP/1.1")
    for query in [b"%zz", b"a=%", b"a=%f", b"a=%ff", b"%ff=a", b"a=%C3%28", b"a=%00", b"a=\xff",
                  b"a=\xc3\xa9", b"=", b"&&&", b"a", b"a=b=c", b"+", b";", b"a;b", b"a=1&a=2", b"?"]
}))
def test_a_bad_query_does_not_raise(server: Server, case: Case) -> None:
    check(server, case)


def test_a_target_of_7500_bytes_works(server: Server) -> None:
    """M, RFC 9112 §3: request lines of at least 8000 octets should be supported."""
    check(server, Case("M", "RFC 9112 §3", "a target of 7.5 KB",
                       request(b"GET /hello?" + b"a" * 7500 + b" HTTP/1.1"), SERVED, b"hello"))


@pytest.mark.parametrize(
    "line",
    [
        b"GET  /hello HTTP/1.1",
        b"GET /hello  HTTP/1.1",
        b"GET\t/hello HTTP/1.1",
        b"GET /hello\tHTTP/1.1",
        b"GET /hello HTTP/1.1 ",
        b"GET /hello HTTP/1.1\t",
        b" GET /hello HTTP/1.1",
        b"\tGET /hello HTTP/1.1",
        b"GET /hello HTTP/1.1   ",
    ],
)
def test_lenient_whitespace_is_served_or_rejected(server: Server, line: bytes) -> None:
    check(server, Case("M", "RFC 9112 §3", "whitespace in the line", request(line),
                       any_of(200, 400, silence=True)))
