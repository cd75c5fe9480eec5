"""What a connection carries, in which order, and when it ends (RFC 9112 §9, RFC 9110 §7.6)."""

import calendar
import time
from itertools import chain

import pytest

from .lab import (
    GLUED,
    HOST,
    MAX_BODY,
    MIB,
    PACKAGE,
    SERVED,
    Case,
    Client,
    Server,
    Verdict,
    any_of,
    check,
    chunked,
    chunks,
    post,
    request,
    rows,
    sized,
    table,
    talk,
    together,
    tracebacks,
)

GET = b"GET /hello HTTP/1.1"
SERVED_THEN_CLOSED = Verdict("200, then close; nothing behind it is answered", (200,), closes=True)

CLOSES = {
    repr(v): [b"Connection: " + v]
    for v in (
        b"close",
        b"Close",
        b"CLOSE",
        b"close, TE",
        b"TE, close",
        b"keep-alive, close",
        b"close, keep-alive",
        b",close",
        b", ,\tclose ,",
        b"close,",
        b"TE,close,Upgrade",
        b"  close\t",
    )
} | {
    "two lines": [b"Connection: TE", b"Connection: close"],
    "two lines, close first": [b"Connection: close", b"Connection: keep-alive"],
    "far apart": [b"Connection: keep-alive", *[b"X: 1"] * 20, b"connection: close"],
}
STAYS = [
    b"closed", b"x-close", b"TE", b"", b"keep-alive", b"Keep-Alive", b"close-not", b"clos", b",",
    b"not close", b"close=1", b"TE, keep-alive", b"closeclose",
]


# ---------------------------------------------------------------- persistence


def test_http_1_1_stays_open_by_default(server: Server) -> None:
    """M, RFC 9112 §9.3: ten requests, each sent when the one before is answered."""
    with Client(server) as client:
        for n in range(1, 11):
            client.send(request())
            outcome = client.receive(n)
            assert outcome.statuses == [200] * n, outcome.report("request after request", "not so")


@table(*rows("M", "RFC 9112 §9.3", SERVED_THEN_CLOSED, {
    "HTTP/1.0": request(b"GET /hello HTTP/1.0"),
    "HTTP/1.0 with close": request(b"GET /hello HTTP/1.0", b"Connection: close"),
    "HTTP/1.0 with another option": request(b"GET /hello HTTP/1.0", b"Connection: TE"),
}, body=b"hello"), *rows("M", "RFC 9112 §9.6", SERVED_THEN_CLOSED,
                         {n: request(GET, *fields) for n, fields in CLOSES.items()}, body=b"hello"),
    *rows("M", "RFC 9112 §9.6", SERVED_THEN_CLOSED, {
        "close with a body": sized(b"hello", b"Connection: close"),
        "close with a chunked body": chunked(chunks(b"hello", 2), b"Connection: close"),
    }, body=b"hello"), *rows("M", "RFC 9112 §9.6", SERVED_THEN_CLOSED, {
        "close with a streamed answer": request(b"GET /stream HTTP/1.1", b"Connection: close"),
    }, body=b"piece " * 3))
def test_close_ends_the_connection_behind_the_answer(server: Server, case: Case) -> None:
    check(server, case)


@pytest.mark.parametrize("fields", CLOSES.values(), ids=CLOSES)
def test_the_last_answer_says_close(server: Server, fields: list[bytes]) -> None:
    """S, RFC 9112 §9.6: the server should send a close option in its final response."""
    outcome = talk(server, request(GET, *fields))
    assert outcome.final and "close" in (outcome.final[0].get("Connection") or "").lower(), \
        outcome.report("Connection: close in the last answer", "no close in the answer")


@table(*rows("M", "RFC 9110 §7.6.1", SERVED, {
    repr(value): request(GET, b"Connection: " + value) for value in STAYS}, body=b"hello"))
def test_no_other_connection_option_closes(server: Server, case: Case) -> None:
    check(server, case)


@pytest.mark.parametrize("option", [b"keep-alive", b"Keep-Alive", b"KEEP-ALIVE", b"TE, keep-alive"])
@pytest.mark.parametrize("path", [b"/hello", b"/echo", b"/nothing", b"/nowhere"])
def test_http_1_0_keep_alive_is_said_and_kept_or_closed(
        server: Server, option: bytes, path: bytes) -> None:
    """M, RFC 9112 §9.3."""
    one = request(b"GET " + path + b" HTTP/1.0", b"Connection: " + option)
    with Client(server) as client:
        client.send(one)
        outcome = client.receive()
        rule = "HTTP/1.0 keep-alive: close, or say keep-alive and go on"
        assert outcome.final, outcome.report(rule, "no answer")
        if "keep-alive" in (outcome.final[0].get("Connection") or "").lower():
            client.send(one)
            outcome = client.receive(2)
            assert len(outcome.final) == 2, outcome.report(rule, "said keep-alive, did not go on")
        else:
            outcome = client.receive(None)
            assert outcome.closed, outcome.report(rule, "did not say keep-alive, did not close")


@pytest.mark.parametrize("fields", [[], [b"Connection: keep-alive"], [b"TE: chunked"]])
def test_a_streamed_answer_to_http_1_0_ends_with_the_connection(
        server: Server, fields: list[bytes]) -> None:
    """M, RFC 9112 §6.1: never a Transfer-Encoding to a client of 1.0."""
    outcome = talk(server, request(b"GET /stream HTTP/1.0", *fields) + GLUED, count=None)
    rule = "no Transfer-Encoding, the body ends by close, nothing behind it"
    assert outcome.closed and outcome.statuses == [200], outcome.report(
        rule, "not one answer, closed"
    )
    assert outcome.final[0].get("Transfer-Encoding") is None, outcome.report(rule, "has one")
    assert outcome.final[0].body == b"piece " * 3, outcome.report(rule, "another body")


@pytest.mark.parametrize("path", [b"/hello", b"/nothing", b"/nowhere", b"/boom", b"/big?n=100000"])
def test_no_answer_to_http_1_0_has_a_transfer_encoding(server: Server, path: bytes) -> None:
    """M, RFC 9112 §6.1."""
    outcome = talk(server, request(b"GET " + path + b" HTTP/1.0"), count=None)
    rule = "an answer without Transfer-Encoding"
    assert all(a.get("Transfer-Encoding") is None for a in outcome.final), outcome.report(
        rule, "has"
    )
    assert outcome.closed, outcome.report("HTTP/1.0: close behind the answer", "not closed")


# ---------------------------------------------------------------- pipelining


@pytest.mark.parametrize("count", [100, 1000])
def test_pipelined_requests_are_answered_in_order(server: Server, count: int) -> None:
    """RFC 9112 §9.3.2. M: 100 in one segment. S: 1,000, without recursion trouble."""
    bodies = [b"%d" % n for n in range(count)]
    outcome = talk(server, b"".join(map(sized, bodies)), count=count)
    rule = f"{count} answers, in order"
    assert outcome.statuses == [200] * count, outcome.report(rule, f"{len(outcome.final)} answers")
    assert [a.body for a in outcome.final] == bodies, outcome.report(rule, "not in order")


def test_an_answer_waits_for_the_slow_one_before_it(server: Server) -> None:
    """M, RFC 9112 §9.3.2."""
    data = (
        request(b"GET /slow?seconds=0.3 HTTP/1.1")
        + request()
        + request(b"GET /stream HTTP/1.1")
        + request(b"GET /slow?seconds=0.1 HTTP/1.1")
        + sized(b"end")
    )
    outcome = talk(server, data, count=5)
    bodies = [answer.body for answer in outcome.final]
    assert bodies == [b"slow", b"hello", b"piece " * 3, b"slow", b"end"], outcome.report(
        "five answers in order", f"bodies {bodies}")


BAD = {
    "a bad request line": b"GET\r\n\r\n",
    "a bad version": request(b"GET /hello HTTP/1.x"),
    "no Host": request(GET, host=None),
    "a space before the colon": request(GET, b"X : 1"),
    "a bad Content-Length": post(b"Content-Length: x", body=b"hello"),
    "a bad chunk size": chunked(b"x\r\nhello\r\n0\r\n\r\n"),
    "an unknown coding": post(b"Transfer-Encoding: cow", body=b"hello"),
    "an over-large body": post(b"Content-Length: %d" % (MAX_BODY + 1)),
    "an over-large field": request(GET, b"X: " + b"x" * 100_000),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("path", [b"/hello", b"/slow?seconds=0.1", b"/stream"])
def test_a_bad_request_does_not_cost_the_valid_one_before_it(
        server: Server, path: bytes, bad: bytes) -> None:
    """M, RFC 9112 §9.3.2: the valid one is answered first, then 400 or close."""
    outcome = talk(server, request(b"GET " + path + b" HTTP/1.1") + bad + GLUED, count=None)
    rule = "200, then 4xx or 501 and close"
    assert outcome.statuses[:1] == [200], outcome.report(rule, "the valid one is not answered")
    assert outcome.closed and len(outcome.final) <= 2, outcome.report(rule, "not closed behind it")
    assert all(400 <= s < 502 and s != 500 for s in outcome.statuses[1:]), outcome.report(
        rule, "5xx"
    )


# ---------------------------------------------------------------- HEAD, 204, 304


@pytest.mark.parametrize(
    "path",
    [
        b"/hello",
        b"/big?n=1000",
        b"/big?n=200000",
        b"/nowhere",
        b"/stream",
        b"/stream?pieces=0",
        b"/flushed?n=200000",
    ],
)
def test_head_has_the_header_of_get_and_no_body(server: Server, path: bytes) -> None:
    """M, RFC 9110 §9.3.2: also for streamed resources; the connection stays in step."""
    data = b" ".join((b"HEAD", path, b"HTTP/1.1\r\n")) + HOST + b"\r\n\r\n"
    outcome = talk(
        server, data + request(b"GET " + path + b" HTTP/1.1") + GLUED, count=3, heads={0}
    )
    rule = "HEAD's header, GET's answer with the same header, then the glued answer"
    assert len(outcome.final) == 3 and not outcome.broken, outcome.report(rule, "out of step")
    head, get, glued = outcome.final
    assert glued.body == b"glued" and head.status == get.status, outcome.report(rule, "not so")
    for name in ("Content-Length", "Content-Type", "ETag"):
        assert head.get(name) == get.get(name), outcome.report(rule, f"{name} differs")


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"DELETE"])
@pytest.mark.parametrize(("path", "status"), [(b"/nothing", 204), (b"/unchanged", 304)])
def test_204_and_304_have_no_body(server: Server, method: bytes, path: bytes, status: int) -> None:
    """M, RFC 9110 §15.3.5, §15.4.5, RFC 9112 §6.1, §6.3."""
    data = method + b" " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n\r\n"
    outcome = talk(server, data + GLUED, count=2)
    rule = f"{status} without Transfer-Encoding or body, then the glued answer"
    assert outcome.statuses == [status, 200], outcome.report(rule, "out of step")
    first = outcome.final[0]
    assert first.get("Transfer-Encoding") is None, outcome.report(rule, "Transfer-Encoding")
    if status == 204:
        assert first.get("Content-Length") is None, outcome.report("204: no Content-Length", "has")


# ---------------------------------------------------------------- Expect


@pytest.mark.parametrize("level", ["M: 100-continue", "S: 100-Continue", "S: 100-CONTINUE"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_100_is_sent_once_before_the_body_is(server: Server, framing: str, level: str) -> None:
    """RFC 9110 §10.1.1. M: before the body, then 200. S: the expectation in any case."""
    expect = b"Expect: " + level[3:].encode()
    if framing == "length":
        head, body = post(b"Content-Length: 5", expect), b"hello"
    else:
        head, body = chunked(b"", expect), chunks(b"hello", 2)
    with Client(server) as client:
        for n in (1, 2):  # twice: the second request of a connection expects it as well
            client.send(head)
            client.receive_interim(2 * n - 1)
            outcome = client.receive(n, within=0.1)  # not yet a final answer
            rule = "exactly one 100, then the body is sent, then exactly one 200"
            assert [a.status for a in outcome.answers] == [100, 200] * (n - 1) + [100], \
                outcome.report(rule, "not one 100")
            client.send(body)
            outcome = client.receive(n)
            assert [a.status for a in outcome.answers] == [100, 200] * n, outcome.report(
                rule, "not so"
            )
            assert outcome.final[-1].body == b"hello", outcome.report(rule, "another body")


def test_100_has_its_reason_and_nothing_else(server: Server) -> None:
    """S, RFC 9110 §15.2.1, RFC 9112 §6.3: no framing in an interim answer."""
    with Client(server) as client:
        client.send(post(b"Content-Length: 5", b"Expect: 100-continue"))
        outcome = client.receive_interim(1)
    assert outcome.raw.startswith(b"HTTP/1.1 100 Continue\r\n"), outcome.report(
        "HTTP/1.1 100 Continue", "another line")
    assert not outcome.answers or outcome.answers[0].get("Content-Length") is None, outcome.report(
        "no Content-Length in a 100", "has one")


@pytest.mark.parametrize("fields", [[], [b"Connection: keep-alive"]])
def test_http_1_0_is_never_sent_a_100(server: Server, fields: list[bytes]) -> None:
    """M, RFC 9110 §10.1.1."""
    with Client(server) as client:
        client.send(
            post(b"Content-Length: 5", b"Expect: 100-continue", *fields, version=b"HTTP/1.0")
        )
        client.receive(within=0.3)
        client.send(b"hello")
        outcome = client.receive()
    assert [a.status for a in outcome.answers] == [200], outcome.report(
        "HTTP/1.0: no 100; 200 when the body is here", "not so")


def test_an_over_large_body_is_refused_without_a_100(server: Server) -> None:
    """S, RFC 9110 §10.1.1: the final answer saves the client from sending it."""
    data = post(b"Content-Length: %d" % (MAX_BODY + 1), b"Expect: 100-continue")
    outcome = talk(server, data, count=None)
    rule = "4xx or close, no 100"
    assert outcome.closed and all(400 <= a.status < 500 for a in outcome.answers), outcome.report(
        rule, "not so")


@pytest.mark.parametrize("data", [
    sized(b"hello", b"Expect: 100-continue"), chunked(chunks(b"hello", 2), b"Expect: 100-continue"),
    sized(b"", b"Expect: 100-continue"), request(GET, b"Expect: 100-continue")])
def test_nothing_is_lost_when_nothing_is_waited_for(server: Server, data: bytes) -> None:
    """M, RFC 9110 §10.1.1: the body is already here, or there is none: 200, at most one 100."""
    outcome = talk(server, data + GLUED, count=2)
    rule = "200 and the glued answer, at most one 100"
    assert outcome.statuses == [200, 200], outcome.report(rule, "not both answered")
    assert len(outcome.answers) <= 3, outcome.report(rule, "too many 100")


@table(*rows("M", "RFC 9110 §10.1.1", any_of(200, 417, 400), {
    repr(value): sized(b"hello", b"Expect: " + value)
    for value in (b"200-ok", b"100-continue-not", b"", b"x", b"100-continue, x")}))
def test_an_unknown_expectation_is_no_error_of_ours(server: Server, case: Case) -> None:
    check(server, case)


def test_an_answer_before_the_body_sends_no_100_and_never_parses_the_body() -> None:
    """M, RFC 9112 §9.3: a delegate that answers when it has seen the header, body outstanding."""
    with Server(delegate=True) as server:
        inner = b"GET /inner HTTP/1.1\r\nHost: lab\r\n\r\n"
        expecting = post(
            b"Content-Length: %d" % len(inner), b"Expect: 100-continue", target=b"/early"
        )
        with Client(server) as client:
            client.send(expecting)
            outcome = client.receive()
            assert [a.status for a in outcome.answers] == [200], outcome.report(
                "the final answer and no 100", "not so")
        for data in (sized(inner, target=b"/early"), chunked(chunks(inner, 7), target=b"/early"),
                     sized(b"x" * MIB, target=b"/early")):
            outcome = talk(server, data + request(b"GET /after HTTP/1.1"), count=2)
            rule = "answered at once, then closed or the body skipped; it is never a request"
            bodies = [answer.body for answer in outcome.final]
            assert bodies in ([b"early"], [b"early", b"0"]), outcome.report(
                rule, f"bodies {bodies}"
            )
            assert outcome.closed or len(bodies) == 2, outcome.report(rule, "neither")
        for body in (b"", b"hello", b"x" * MIB):
            for data in (
                sized(body, target=b"/count"),
                chunked(chunks(body, 5000), target=b"/count"),
            ):
                outcome = talk(server, data)
                assert outcome.final and outcome.final[0].body == b"%d" % len(body), outcome.report(
                    f"a delegate is handed {len(body)} bytes", "not so")
        assert not tracebacks(server.log()), tracebacks(server.log())


# ---------------------------------------------------------------- Upgrade, errors, Date


@table(
    *rows(
        "M",
        "RFC 9110 §7.8",
        SERVED,
        {
            "h2c": request(
                GET,
                b"Connection: Upgrade, HTTP2-Settings",
                b"Upgrade: h2c",
                b"HTTP2-Settings: AAMAAABk",
            ),
            "websocket": request(
                GET,
                b"Connection: Upgrade",
                b"Upgrade: websocket",
                b"Sec-WebSocket-Version: 13",
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ),
            "TLS": request(GET, b"Connection: upgrade", b"Upgrade: TLS/1.0, HTTP/1.1"),
            "without Connection": request(GET, b"Upgrade: cow"),
            "empty": request(GET, b"Connection: upgrade", b"Upgrade:"),
        },
        body=b"hello",
    ),
    *rows(
        "M",
        "RFC 9110 §7.8",
        SERVED,
        {
            "with a body": sized(b"body", b"Connection: Upgrade", b"Upgrade: h2c"),
            "with a chunked body": chunked(
                chunks(b"body", 3), b"Connection: Upgrade", b"Upgrade: websocket"
            ),
        },
        body=b"body",
    ),
)
def test_an_upgrade_is_ignored(server: Server, case: Case) -> None:
    check(server, case)


@pytest.mark.parametrize(
    "data",
    [
        request(b"GET /boom HTTP/1.1"),
        request(b"HEAD /boom HTTP/1.1"),
        sized(b"hello", target=b"/boom"),
        chunked(chunks(b"hello", 2), target=b"/boom"),
        request(b"GET /boom HTTP/1.0"),
    ],
)
def test_a_handler_that_raises_is_answered_500(server: Server, data: bytes) -> None:
    """S, RFC 9110 §15.6.1: the connection goes on or closes; the next client is served."""
    outcome = talk(server, data + GLUED, count=2, heads={0} if data.startswith(b"HEAD") else ())
    rule = "500, then the glued answer or close"
    assert outcome.statuses[:1] == [500], outcome.report(rule, "not 500")
    assert outcome.closed or outcome.final[-1].body == b"glued", outcome.report(rule, "neither")
    server.check_alive("after a handler that raised")


def test_a_handler_that_raises_is_told_in_the_log(watched: Server) -> None:
    """S: the traceback belongs in the log, not on the wire."""
    outcome = talk(watched, request(b"GET /boom HTTP/1.1"))
    assert b"Traceback" not in outcome.raw, outcome.report("no traceback on the wire", "has one")
    assert "RuntimeError: boom" in watched.log(), (
        "the log must tell the error:\n" + watched.log()[-800:]
    )


def test_an_answer_has_a_date(server: Server) -> None:
    """S, RFC 9110 §6.6.1: an origin server with a clock sends Date, in IMF-fixdate."""
    for path in (b"/hello", b"/nowhere", b"/stream", b"/nothing"):
        asked = time.time()
        outcome = talk(server, request(b"GET " + path + b" HTTP/1.1"))
        date = outcome.final[0].get("Date") if outcome.final else None
        assert date is not None, outcome.report("Date in an answer", "none")
        sent = calendar.timegm(time.strptime(date, "%a, %d %b %Y %H:%M:%S GMT"))
        assert asked - 2 < sent <= time.time(), outcome.report("Date is now", date)


def test_an_unknown_path_is_404_and_the_connection_goes_on(server: Server) -> None:
    """M, RFC 9110 §15.5.5."""
    outcome = talk(server, request(b"GET /nowhere HTTP/1.1") + GLUED, count=2)
    assert outcome.statuses == [404, 200], outcome.report("404, then the next", "not so")


# ---------------------------------------------------------------- FIN


COMPLETE = {"GET": request(), "POST": sized(b"hello"), "chunked": chunked(chunks(b"hello", 2))}


@pytest.mark.parametrize("data", COMPLETE.values(), ids=COMPLETE)
@pytest.mark.parametrize("pause", [0.02, 0], ids=["M: 20 ms later", "S: at once"])
def test_a_fin_behind_a_complete_request_costs_no_answer(
        server: Server, data: bytes, pause: float) -> None:
    """RFC 9112 §9.6: what is buffered is parsed and answered before EOF is acted upon."""
    for _ in range(10):  # whether both are there at the first look is a matter of luck
        with Client(server) as client:
            client.send(data)
            if pause:
                time.sleep(pause)
            client.end()
            outcome = client.receive(None)
        rule = "200, then the server closes as well"
        assert outcome.statuses == [200], outcome.report(rule, "no 200")
        assert outcome.closed, outcome.report(rule, "not closed")


def test_a_fin_behind_pipelined_requests_costs_no_answer(server: Server) -> None:
    """S, RFC 9112 §9.6."""
    for _ in range(5):
        outcome = talk(server, request() * 10, count=None, end=True)
        assert outcome.statuses == [200] * 10 and outcome.closed, outcome.report(
            "ten answers, then close", f"{len(outcome.final)} answers")


@pytest.mark.parametrize("path", [b"/big", b"/flushed"])
def test_a_large_answer_to_a_half_closed_client_is_delivered_whole(
        server: Server, path: bytes) -> None:
    """S, RFC 9112 §9.6: 5 MiB, read only after a while; written in one go and in pieces."""
    with Client(server) as client:
        client.send(request(b"GET %b?n=%d HTTP/1.1" % (path, 5 * MIB)))
        time.sleep(0.02)
        client.end()
        time.sleep(0.2)
        outcome = client.receive(None)
    rule = "5 MiB, whole, then close"
    assert outcome.statuses == [200] and len(outcome.final[0].body) == 5 * MIB, outcome.report(
        rule, "not whole")
    assert outcome.closed, outcome.report(rule, "not closed")


def test_eof_on_an_idle_connection_frees_its_descriptor(watched: Server) -> None:
    """M: without any timeout; on fresh connections, between two requests, in the middle of one."""
    before = watched.descriptors()
    clients = [Client(watched) for _ in range(30)]
    for n, client in enumerate(clients):
        client.send([b"", request(), b"GET /hel"][n % 3])
    assert watched.accepted(30, before)
    for n, client in enumerate(clients):
        if n % 3 == 1:
            client.receive()
        client.socket.close()
    after = watched.settled_descriptors(before)
    assert after <= before, f"30 clients have left: {before} descriptors before, {after} after"


@pytest.mark.skipif(
    PACKAGE != "minitornado", reason="Tornado's HTTPServer does not await a callback"
)
def test_an_async_callback_is_served_and_its_error_is_a_500() -> None:
    """S: `async def` callbacks, which Tornado takes in its coroutines alone."""
    with Server(async_callback=True) as server:
        outcome = talk(server, request() + sized(b"x") + GLUED, count=3)
        assert outcome.statuses == [200] * 3, outcome.report("three answers", "not so")
        outcome = talk(server, request(b"GET /boom HTTP/1.1"))
        assert outcome.statuses == [500], outcome.report(
            "500 for an async def that raises", "not so"
        )
        server.check_alive("after an async def that raised")


def test_many_connections_do_not_mix_their_answers(server: Server) -> None:
    """M, RFC 9112 §9.4: 40 at once, 20 requests each, the body tells whose it is."""
    def one(n: int) -> list[str]:
        problems = []
        with Client(server) as client:
            for i in range(1, 21):
                body = b"%d/%d" % (n, i)
                client.send(sized(body))
                outcome = client.receive(i)
                if len(outcome.final) != i or outcome.final[-1].body != body:
                    problems.append(outcome.report(f"the body is {body!r}", "it is not"))
                    break
        return problems

    problems = list(chain(*together(*(lambda n=n: one(n) for n in range(40)))))
    assert not problems, problems[0]
