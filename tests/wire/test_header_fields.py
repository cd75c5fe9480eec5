"""Header fields: names are tokens, values lose only SP and TAB at their ends (RFC 9112 §5)."""

import ssl

import pytest

from .lab import (
    EXACTLY_400,
    NOT_500,
    REJECTED,
    SERVED,
    Answer,
    Case,
    Client,
    Outcome,
    Server,
    Verdict,
    any_of,
    check,
    check_all,
    request,
    rows,
    sized,
    table,
    talk,
)

TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
OTHERS = bytes(set(range(256)) - set(TOKEN) - set(b":\r\n"))  # ':' ends a name, CR and LF a line
CONTROLS = bytes(set(range(1, 32)) - set(b"\t\r\n")) + b"\x7f"
GET_HEADERS = b"GET /headers HTTP/1.1"


def seen(answer: Answer, name: str = "x-test") -> list[str]:
    """The values of a field as the application saw them, in order."""
    return [value for n, value in answer.json()["headers"] if n.lower() == name]


def with_value(value: bytes) -> bytes:
    return request(GET_HEADERS, b"X-Test:" + value)


def test_no_other_byte_than_a_token_character_is_taken_in_a_name(server: Server) -> None:
    """M, RFC 9110 §5.1, §5.6.2: all 176 of them, inside, before and behind a name."""
    check_all(
        server,
        (
            Case(
                "M",
                "RFC 9110 §5.6.2",
                f"0x{byte:02x} in a name",
                request(b"GET /hello HTTP/1.1", line),
                REJECTED,
            )
            for byte in OTHERS
            for line in (b"X%cY: 1" % byte, b"X%c: 1" % byte, b"Y: 1\r\n%cX: 1" % byte)
            # A line led by SP or TAB is an obs-fold, which has rules of its own.
            if not (line.startswith(b"Y") and byte in b" \t")
        ),
    )


def test_every_token_character_is_taken_in_a_name(server: Server) -> None:
    """M, RFC 9110 §5.6.2."""
    check_all(server, (
        Case("M", "RFC 9110 §5.6.2", f"{byte:c} in a name",
             request(b"GET /hello HTTP/1.1", b"X%cY: 1" % byte), SERVED, b"hello")
        for byte in TOKEN))


@table(*rows("M", "RFC 9112 §5", REJECTED, {
    "an empty name": request(b"GET /hello HTTP/1.1", b": 1"),
    "an empty name, no value": request(b"GET /hello HTTP/1.1", b":"),
    "no colon": request(b"GET /hello HTTP/1.1", b"X-Test"),
    "no colon in the last line": request(b"GET /hello HTTP/1.1", b"A: 1", b"X-Test 1"),
    "no colon in the first line": request(b"GET /hello HTTP/1.1", host=b"Host lab"),
    "a second request line": request(b"GET /hello HTTP/1.1", b"GET /inner HTTP/1.1"),
}))
def test_a_line_without_name_or_colon_is_rejected(server: Server, case: Case) -> None:
    check(server, case)


@table(
    *rows(
        "M",
        "RFC 9112 §5.1",
        EXACTLY_400,
        {
            "a space": request(b"GET /hello HTTP/1.1", b"X : 1"),
            "a tab": request(b"GET /hello HTTP/1.1", b"X\t: 1"),
            "three spaces": request(b"GET /hello HTTP/1.1", b"X   : 1"),
            "in Host": request(b"GET /hello HTTP/1.1", host=b"Host : lab"),
            "in Content-Length": request(
                b"POST /echo HTTP/1.1", b"Content-Length : 5", body=b"hello"
            ),
            "a tab in Content-Length": request(
                b"POST /echo HTTP/1.1", b"Content-Length\t: 5", body=b"hello"
            ),
            "in Transfer-Encoding": request(
                b"POST /echo HTTP/1.1",
                b"Transfer-Encoding : chunked",
                body=b"5\r\nhello\r\n0\r\n\r\n",
            ),
        },
    )
)
def test_whitespace_between_name_and_colon_is_exactly_400(server: Server, case: Case) -> None:
    check(server, case)


@pytest.mark.parametrize(("raw", "value"), [
    (b" a", "a"), (b"a", "a"), (b"  \t a \t ", "a"), (b" a\tb", "a\tb"), (b" a \t b", "a \t b"),
    (b"", ""), (b" ", ""), (b" \t ", ""), (b" a:b:c", "a:b:c"), (b":", ":"), (b" http://x/", "http://x/"),
    (b' "a, b"', '"a, b"'), (b" a;b=c", "a;b=c"), (b" \\", "\\")])
def test_a_value_loses_space_and_tab_at_its_ends_and_nothing_else(
        server: Server, raw: bytes, value: str) -> None:
    """M, RFC 9112 §5.1."""
    outcome = talk(server, with_value(raw))
    rule = f"the application sees {value!r}"
    assert outcome.statuses == [200], outcome.report(rule, "not served")
    assert seen(outcome.final[0]) == [value], outcome.report(rule, f"saw {seen(outcome.final[0])}")


@pytest.mark.parametrize("edge", [b"\x0b", b"\x0c", b"\x85", b"\xa0", b"\x1c", b"\x1f"])
def test_what_str_strip_takes_for_space_is_kept_or_rejected(server: Server, edge: bytes) -> None:
    """M, RFC 9110 §5.5: only SP and TAB are whitespace here."""
    outcome = talk(server, with_value(b" " + edge + b"a" + edge + b" "))
    rule = f"{edge!r} at the ends: kept, or (a control) rejected, never stripped"
    kept = (edge + b"a" + edge).decode("latin-1")
    assert not outcome.final or outcome.statuses[0] in (200, 400), outcome.report(rule, "neither")
    if outcome.statuses == [200]:
        assert seen(outcome.final[0]) == [kept], outcome.report(rule, "not kept as it was")


def test_bytes_above_127_are_legal_in_a_value(server: Server) -> None:
    """RFC 9110 §5.5. M: never a 500. S: 200, and latin-1 for the application."""
    for byte in range(0x80, 0x100):
        outcome = talk(server, with_value(b" a%cb" % byte))
        rule = "obs-text in a value: 200"
        assert outcome.statuses == [200], outcome.report(rule, "not served")
        assert seen(outcome.final[0]) == [f"a{byte:c}b"], outcome.report(rule, "not latin-1")
    outcome = talk(server, with_value("ż❤".encode()))
    assert outcome.statuses == [200], outcome.report("UTF-8 in a value: 200", "not served")


@pytest.mark.parametrize("raw", [b" a\0b", b" \0", b" a\0", b"\0a", b" a\rb", b" a\r", b" \ra",
                                 b" a\rX-Injected: b", b" a\0X-Injected: b", b" a\r\rX-Injected: b",
                                 b" a\r\tX-Injected: b"])
def test_the_application_never_sees_nul_or_bare_cr(server: Server, raw: bytes) -> None:
    """M, RFC 9110 §5.5, RFC 9112 §2.2: reject, or replace by SP."""
    outcome = talk(server, with_value(raw))
    rule = "NUL and bare CR in a value: rejected, or replaced by SP; no second field"
    assert (outcome.statuses or [400])[0] in (200, 400), outcome.report(rule, "neither")
    assert outcome.closed or outcome.final, outcome.report(rule, "no answer")
    if outcome.statuses == [200]:
        fields = outcome.final[0].json()["headers"]
        assert not any(c in value for _, value in fields for c in "\0\r"), outcome.report(
            rule, "seen"
        )
        assert not seen(outcome.final[0], "x-injected"), outcome.report(rule, "injected")


def test_other_controls_in_a_value_are_rejected(server: Server) -> None:
    """S, RFC 9110 §5.5."""
    check_all(
        server,
        (
            Case(
                "S",
                "RFC 9110 §5.5",
                f"0x{byte:02x} in a value",
                with_value(b" a%cb" % byte),
                REJECTED,
            )
            for byte in CONTROLS
        ),
    )


FOLDS = {b" a\r\n b": "a b", b" a\r\n\tb": "a b", b" a\r\n   \t b": "a b", b"\r\n a": "a",
         b" a\r\n b\r\n c": "a b c", b" a\r\n X-Injected: b": "a X-Injected: b", b" a\r\n ": "a"}


@pytest.mark.parametrize("raw", FOLDS)
def test_a_folded_value_is_rejected_or_joined(server: Server, raw: bytes) -> None:
    """M, RFC 9112 §5.2: one value, joined by SP, or 400."""
    outcome = talk(server, with_value(raw))
    rule = f"obs-fold: rejected, or seen as {FOLDS[raw]!r}"
    assert (outcome.statuses or [400])[0] in (200, 400), outcome.report(rule, "neither")
    assert outcome.closed or outcome.final, outcome.report(rule, "no answer")
    if outcome.statuses == [200]:
        joined = [" ".join(value.split()) for value in seen(outcome.final[0])]
        assert joined == [FOLDS[raw]], outcome.report(rule, f"saw {joined}")


def test_a_folded_framing_field_cannot_smuggle(server: Server) -> None:
    """M, RFC 9112 §5.2: Content-Length and Transfer-Encoding, their value on the next line."""
    for field in (
        b"Content-Length:\r\n 5",
        b"Content-Length: 5\r\n ",
        b"X: 1\r\n Content-Length: 5",
    ):
        outcome = talk(server, request(b"POST /echo HTTP/1.1", field, body=b"hello"))
        rule = "a folded Content-Length: rejected, or 5; a fold is never a field of its own"
        assert outcome.statuses[:1] in ([], [400], [200], [411]), outcome.report(rule, "neither")
        if outcome.statuses[:1] == [200]:
            expected = b"" if field.startswith(b"X") else b"hello"
            assert outcome.final[0].body == expected, outcome.report(rule, "wrong body")


@pytest.mark.parametrize("led", [b" X-Test: 1", b"\tX-Test: 1", b" ", b"  X-Test"])
def test_a_first_line_led_by_whitespace_is_never_a_field(server: Server, led: bytes) -> None:
    """M, RFC 9112 §2.2: reject, or ignore it."""
    outcome = talk(server, request(GET_HEADERS, host=led + b"\r\nHost: lab"))
    rule = "whitespace before the first field: rejected or ignored"
    assert (outcome.statuses or [400])[0] in (200, 400), outcome.report(rule, "neither")
    assert outcome.closed or outcome.final, outcome.report(rule, "no answer")
    if outcome.statuses == [200]:
        assert seen(outcome.final[0]) == [], outcome.report(rule, "taken as a field")


def test_12_000_folds_cost_linear_time(server: Server) -> None:
    """M, RFC 9112 §5.2: joined pairwise they would take seconds."""
    before = server.cpu_seconds()
    outcome = talk(server, with_value(b" a" + b"\r\n b" * 12_000))
    used = server.cpu_seconds() - before
    rule = "12,000 folds: 200 or 4xx, in less than 1 s of CPU"
    assert all(status < 500 for status in outcome.statuses), outcome.report(rule, "5xx")
    assert (outcome.final or outcome.closed) and used < 1, outcome.report(rule, f"{used:.2f} s")


BARE_LF = {
    "LF everywhere": b"GET /hello HTTP/1.1\nHost: lab\n\n",
    "LF behind the request line": b"GET /hello HTTP/1.1\nHost: lab\r\n\r\n",
    "LF behind a field": b"GET /hello HTTP/1.1\r\nHost: lab\nX: 1\r\n\r\n",
    "LF LF at the end": b"GET /hello HTTP/1.1\r\nHost: lab\n\n",
    "CRLF LF at the end": b"GET /hello HTTP/1.1\r\nHost: lab\r\n\n",
    "LF CRLF at the end": b"GET /hello HTTP/1.1\r\nHost: lab\n\r\n",
}


def decided(server: Server, client: Client) -> Outcome:
    """What came back once the server has done with all that was sent."""
    for _ in range(3):  # each takes it some turns, and ours came first
        server.check_alive()
    return client.receive(within=0)


def verdict_of(outcome: Outcome) -> str:
    if outcome.final:
        return str(outcome.statuses[0])
    return "closed" if outcome.closed else "waiting"


@pytest.mark.parametrize("name", BARE_LF)
def test_a_bare_lf_is_judged_the_same_in_one_piece_and_byte_by_byte(
        server: Server, name: str) -> None:
    """M, RFC 9112 §2.2: accept, reject or wait, but consistently."""
    with Client(server) as client:
        client.send(BARE_LF[name])
        whole = decided(server, client)
    with Client(server) as client:
        client.drip(BARE_LF[name])
        dripped = decided(server, client)
    rule = "bare LF: 200, 400, close or wait, whatever the segmentation"
    assert verdict_of(whole) in ("200", "400", "closed", "waiting"), whole.report(rule, "none")
    assert verdict_of(dripped) == verdict_of(whole), dripped.report(
        rule, f"{verdict_of(dripped)} byte by byte, {verdict_of(whole)} in one piece")


@pytest.mark.parametrize("data", [b"GET /hello HTTP/1.1\rHost: lab\r\r",
                                  b"GET /hello HTTP/1.1\r\nHost: lab\r\r",
                                  b"GET /hello HTTP/1.1\r\nHost: lab\rX: 1\r\n\r",
                                  b"GET /hello HTTP/1.1\r\nHost: lab\r\n\r"])
def test_a_cr_alone_ends_no_line(server: Server, data: bytes) -> None:
    """M, RFC 9112 §2.2."""
    with Client(server) as client:
        client.send(data)
        outcome = decided(server, client)
    rule = "CR is no line end: reject or wait"
    assert verdict_of(outcome) in ("400", "closed", "waiting"), outcome.report(rule, "answered")


def test_repeated_fields_are_all_kept_in_order(server: Server) -> None:
    """M, RFC 9110 §5.3: one by one or joined by commas, but none lost and none exchanged."""
    outcome = talk(server, request(GET_HEADERS, b"X-Test: 1", b"x-test: 2", b"X-Other: 0",
                                   b"X-TEST: 3", b"X-Test:", b"X-Test: 1"))
    rule = "all six X-Test values, in order, whatever the case of the name"
    assert outcome.statuses == [200], outcome.report(rule, "not served")
    joined = ",".join(seen(outcome.final[0])).replace(" ", "")
    assert joined == "1,2,3,,1", outcome.report(rule, f"saw {joined}")


@table(*rows("M", "RFC 9110 §5.1", SERVED, {
    "CONTENT-LENGTH": request(b"POST /echo HTTP/1.1", b"CONTENT-LENGTH: 5", body=b"hello"),
    "content-length": request(b"POST /echo HTTP/1.1", b"content-length: 5", body=b"hello"),
    "cOnTeNt-LeNgTh": request(b"POST /echo HTTP/1.1", b"cOnTeNt-LeNgTh: 5", body=b"hello"),
    "transfer-encoding": request(b"POST /echo HTTP/1.1", b"transfer-ENCODING: chunked",
                                 body=b"5\r\nhello\r\n0\r\n\r\n"),
    "hOST": request(b"POST /echo HTTP/1.1", b"Content-Length: 5", host=b"hOST: lab", body=b"hello"),
}, body=b"hello"))
def test_field_names_are_case_insensitive(server: Server, case: Case) -> None:
    check(server, case)


def client_hello() -> bytes:
    """The first bytes of a TLS client that took the port for an https one."""
    context = ssl.create_default_context()
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="lab").do_handshake()
    return outgoing.read()


GARBAGE = Verdict("400, 431, close, or waiting for more", (400, 431, 414, 501, 505), silence=True,
                  waiting=True)


@table(*rows("M", "RFC 9112 §3", GARBAGE, {
    "a TLS ClientHello": client_hello(),
    "all 256 bytes": bytes(range(256)),
    "all 256 bytes and an end": bytes(range(256)) + b"\r\n\r\n",
    "CRLFs": b"\r\n" * 500,
    "LFs": b"\n" * 500,
    "NULs": b"\0" * 4096 + b"\r\n\r\n",
    "0xff": b"\xff" * 4096 + b"\r\n\r\n",
    "spaces": b" " * 4096 + b"\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SMTP": b"EHLO lab\r\nMAIL FROM:<a@lab>\r\n\r\n",
    "a PROXY line": b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + request(),
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
}))
def test_garbage_is_refused_and_harms_nobody(server: Server, case: Case) -> None:
    check(server, Case(case.level, case.source, case.name, case.data, case.verdict, within=0.3))
    server.check_alive("after garbage")


def test_a_field_too_many_does_not_hide_the_framing(server: Server) -> None:
    """M, RFC 9112 §6.3: the last of 60 fields still frames the body."""
    padding = [b"X-%d: %d" % (n, n) for n in range(60)]
    check(server, Case("M", "RFC 9112 §6.3", "Content-Length as the last of 60 fields", request(
        b"POST /echo HTTP/1.1", *padding, b"Content-Length: 5", body=b"hello"), SERVED, b"hello"))
    check(server, Case("M", "RFC 9112 §6.3", "Content-Length as the first of 60 fields",
                       sized(b"hello", *padding), SERVED, b"hello"))


def test_an_unknown_field_is_ignored(server: Server) -> None:
    """M, RFC 9110 §5.1: also those which mean something to others."""
    for field in (
        b"Keep-Alive: timeout=5",
        b"TE: trailers",
        b"Trailer: X-A",
        b"Content-Encoding: br",
        b"Cookie: a=b; c",
        b"Cookie: \xff=;;;",
        b"Content-Type: multipart/form-data",
        b"Content-Type: application/x-www-form-urlencoded; charset=x",
        b"X-Forwarded-For: not an address",
        b"X-Scheme: gopher",
    ):
        check(
            server,
            Case(
                "M",
                "RFC 9110 §5.1",
                f"{field!r}",
                request(b"GET /hello HTTP/1.1", field),
                any_of(200, 400),
            ),
        )


def test_a_bad_form_body_is_no_500(server: Server) -> None:
    """M, RFC 9110 §15.5.1: what is parsed for the application's convenience must not raise."""
    multipart = b"Content-Type: multipart/form-data; boundary=x"
    for kind, body in (
        (b"Content-Type: application/x-www-form-urlencoded", b"a=%zz&%ff=\xff&&="),
        (multipart, b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n"),
        (multipart, b"--x\r\nno disposition\r\n\r\n1\r\n--x--\r\n"),
        (multipart, b"--x"),
        (multipart, b"\xff\0"),
        (b"Content-Type: multipart/form-data", b"--x--"),
        (b'Content-Type: multipart/form-data; boundary="', b"--"),
    ):
        check(
            server,
            Case("M", "RFC 9110 §15.5.1", f"{kind!r} with {body!r}", sized(body, kind), NOT_500),
        )
