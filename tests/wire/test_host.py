"""The Host field: one, and a valid one (RFC 9112 §3.2, RFC 9110 §7.2)."""

from .lab import EXACTLY_400, SERVED, Case, Server, any_of, check, request, rows, table, talk

GET = b"GET /hello HTTP/1.1"


def get(*hosts: bytes) -> bytes:
    return request(GET, *hosts, host=None)


@table(*rows("M", "RFC 9112 §3.2", EXACTLY_400, {
    "no Host": get(),
    "no Host but others": get(b"X-Host: lab", b"Hostname: lab"),
    "no Host with the absolute form": request(b"GET http://lab/hello HTTP/1.1", host=None),
    "the same twice": get(b"Host: lab", b"Host: lab"),
    "two values": get(b"Host: lab", b"Host: other"),
    "the same in another case": get(b"Host: lab", b"HOST: lab"),
    "far apart": get(b"Host: lab", *[b"X-%d: 1" % n for n in range(20)], b"host: lab"),
    "the second empty": get(b"Host: lab", b"Host:"),
    "the first empty": get(b"Host:", b"Host: lab"),
    "three": get(b"Host: lab", b"Host: lab", b"Host: lab"),
}), *rows("S", "RFC 9112 §3.2", EXACTLY_400, {
    "two in HTTP/1.0": request(b"GET /hello HTTP/1.0", b"Host: a", b"Host: b", host=None),
}))
def test_none_or_several_hosts_are_exactly_400(server: Server, case: Case) -> None:
    check(server, case)


def test_http_1_0_needs_no_host(server: Server) -> None:
    """M, RFC 9112 §3.2: the field is required of HTTP/1.1 alone."""
    outcome = talk(server, request(b"GET /hello HTTP/1.0", host=None))
    assert outcome.statuses == [200], outcome.report("HTTP/1.0 without Host: 200", "not served")


def values(*values: bytes) -> dict[str, bytes]:
    return {repr(value): get(b"Host: " + value) for value in values}


@table(*rows("M", "RFC 9110 §7.2", EXACTLY_400, values(
    b"la b", b"lab x", b"lab/", b"/lab", b"http://lab", b"a@lab", b"a:b@lab", b"lab?", b"lab?x",
    b"lab#", b"lab#x")),
    *rows("S", "RFC 3986 §3.2.2", EXACTLY_400, values(
        b"<lab>", b"la\\b", b'"lab"', b"{lab}", b"%zz", b"lab%", b"%4", b"l\xe4b", "läb".encode(),
        b"lab:x", b"lab:8o", b"lab:-1", b"lab:+80", b"lab:80:80", b"[::1", b"[::1]x", b"::1]",
        b"[::1]:x", b"[::1]:80:80", b"lab:\xb2")))
def test_an_invalid_host_is_exactly_400(server: Server, case: Case) -> None:
    check(server, case)


@table(
    *rows(
        "M",
        "RFC 9110 §7.2",
        SERVED,
        values(
            b"lab",
            b"lab.example.org",
            b"lab:8080",
            b"127.0.0.1",
            b"127.0.0.1:8080",
            b"[::1]",
            b"[::1]:8080",
            b"[2001:db8::1]",
            b"LAB.Example.ORG",
            b"a-b._~c",
            b"localhost:80",
            b" lab \t",
        ),
        body=b"hello",
    ),
    *rows(
        "S",
        "RFC 3986 §3.2.3",
        SERVED,
        values(b"localhost:", b"[::1]:", b"a%41b", b"%6c%61%62"),
        body=b"hello",
    ),
)
def test_a_valid_host_is_served(server: Server, case: Case) -> None:
    check(server, case)


@table(*rows("M", "RFC 9110 §7.2", any_of(200, 400), {
    "an empty Host": get(b"Host:"),
    "an empty Host with space": get(b"Host: "),
    "a comma": get(b"Host: a,b"),
    "a comma and a space": get(b"Host: a, b"),
}))
def test_an_empty_host_and_a_list_are_served_or_rejected(server: Server, case: Case) -> None:
    check(server, case)
