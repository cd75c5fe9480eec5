"""The same answer whatever the segmentation, for good and for bad requests (RFC 9112 §2.2)."""

import random
import time

import pytest

from .lab import (
    MIB,
    Client,
    Outcome,
    Server,
    chunked,
    chunks,
    post,
    request,
    sized,
    talk,
    together,
)

GOOD = {  # the bytes, and the bodies that come back
    "GET": (request(), [b"hello"]),
    "fields": (request(b"GET /hello HTTP/1.1", b"A: 1", b"B:\t2 ", b"C:"), [b"hello"]),
    "a CRLF before": (b"\r\n" + request(), [b"hello"]),
    "POST": (
        sized(b"hello\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        [b"hello\r\n\r\nGET / HTTP/1.1\r\n\r\n"],
    ),
    "chunked": (
        chunked(b"5;a=b\r\nhello\r\n00a\r\n, 01234\r\n\r\r\n0\r\nX-Trailer: 1\r\n\r\n"),
        [b"hello, 01234\r\n\r"],
    ),
    "pipelined": (
        request() + sized(b"one") + chunked(chunks(b"two", 1)) + request(),
        [b"hello", b"one", b"two", b"hello"],
    ),
    "Connection: close": (request(b"GET /hello HTTP/1.1", b"Connection: close"), [b"hello"]),
}
BAD = {
    "a bad line": request(b"GET /hello HTTP/1.1x"),
    "a bad method": request(b"GE(T /hello HTTP/1.1"),
    "no Host": request(host=None),
    "a space before the colon": request(b"GET /hello HTTP/1.1", b"X : 1"),
    "no colon": request(b"GET /hello HTTP/1.1", b"X"),
    "a bad length": post(b"Content-Length: +5", body=b"hello"),
    "a bad coding": post(b"Transfer-Encoding: cow", body=b"hello"),
    "a bad chunk size": chunked(b"5\r\nhello\r\n0x0\r\n\r\n"),
    "no CRLF behind a chunk": chunked(b"5\r\nhelloXX0\r\n\r\n"),
    "bad behind good": sized(b"one") + request(b"GET\t\0 HTTP/1.1"),
}


def verdict(outcome: Outcome) -> list[tuple[int, bytes]]:
    return [(answer.status, answer.body) for answer in outcome.final]


@pytest.mark.parametrize("name", [*GOOD, *BAD])
def test_a_request_split_at_any_position_gets_the_same_answer(server: Server, name: str) -> None:
    """M: two segments, cut everywhere. All cuts at once, so that the pause is paid once."""
    good = name in GOOD
    data = GOOD[name][0] if good else BAD[name]
    count = len(GOOD[name][1]) if good else None
    whole = talk(server, data, count)
    rule = "the same in one piece as in two"
    if good:
        assert [a.body for a in whole.final] == GOOD[name][1], whole.report(
            rule, "wrong in one piece"
        )
    else:
        assert whole.closed and whole.statuses[-1:] in ([400], [501], []), whole.report(
            rule, "not bad"
        )
    clients = [(cut, Client(server)) for cut in range(1, len(data))]
    for cut, client in clients:
        client.send(data[:cut])
    time.sleep(0.05)
    problems = []
    for cut, client in clients:
        client.send(data[cut:])
    for cut, client in clients:
        with client:
            outcome = client.receive(count)
            if verdict(outcome) != verdict(whole) or (not good and not outcome.closed):
                problems.append(
                    outcome.report(f"{rule}: {verdict(whole)}", f"cut at {cut}: not so")
                )
    assert not problems, f"{len(problems)} of {len(clients)} cuts:" + "".join(problems[:5])


def test_requests_byte_by_byte_get_the_same_answers(server: Server) -> None:
    """M: each byte its own segment; a bad one must get its 400, not a hang."""
    def drip(name: str) -> str:
        good = name in GOOD
        data = GOOD[name][0] if good else BAD[name]
        count = len(GOOD[name][1]) if good else None
        whole = talk(server, data, count)
        with Client(server) as client:
            client.drip(data)
            outcome = client.receive(count)
        # The sender of a bad request may be cut off while it still sends, and its 400 lost with it.
        same = verdict(outcome) == verdict(whole) or (
            not good and outcome.closed and verdict(outcome) == verdict(whole)[:-1])
        return (
            "" if same else outcome.report(f"byte by byte as in one piece: {verdict(whole)}", name)
        )

    problems = [p for p in together(*(lambda n=n: drip(n) for n in [*GOOD, *BAD])) if p]
    assert not problems, "".join(problems)


def test_pipelined_requests_in_random_pieces_get_the_same_answers(server: Server) -> None:
    """M: 24 seeds, 20 requests each, pieces of 1 to 60 bytes."""
    def one(seed: int) -> str:
        rng = random.Random(seed)
        bodies = [rng.randbytes(rng.choice([0, 1, 10, 300])) for _ in range(20)]
        data = b"".join(sized(b) if rng.random() < 0.5 else chunked(chunks(b, rng.randint(1, 40)))
                        for b in bodies)
        with Client(server) as client:
            at = 0
            while at < len(data):
                size = rng.randint(1, 60)
                client.send(data[at:at + size])
                at += size
                if rng.random() < 0.3:
                    time.sleep(0.0005)
            outcome = client.receive(len(bodies))
        same = [answer.body for answer in outcome.final] == bodies
        return "" if same else outcome.report("20 bodies echoed in order", f"not so, seed {seed}")

    for first in (0, 12):
        problems = [
            p for p in together(*(lambda s=s: one(s) for s in range(first, first + 12))) if p
        ]
        assert not problems, "".join(problems[:3])


@pytest.mark.parametrize(
    "body",
    [bytes(range(256)) * 8, b"\r\n" * 3000, b"\0" * 70_000, random.Random(1).randbytes(MIB),
     b"0\r\n\r\n" * 1000],
    ids=lambda body: f"{body[:4]!r}, {len(body)} bytes",
)
def test_binary_and_large_bodies_come_back_unchanged(server: Server, body: bytes) -> None:
    """M, RFC 9110 §6.4: by length, and in chunks of several sizes."""
    for data in (sized(body), chunked(chunks(body, 65_536)), chunked(chunks(body, 1000)),
                 chunked(chunks(body, MIB))):
        outcome = talk(server, data)
        assert outcome.statuses == [200] and outcome.final[0].body == body, outcome.report(
            "the body comes back unchanged", "not so")


def test_a_large_answer_arrives_unchanged(server: Server) -> None:
    """M: 3 MiB, read at once and read in drops."""
    expected = (bytes(range(251)) * (3 * MIB // 251 + 1))[:3 * MIB]
    for receive_buffer in (None, 4096):
        with Client(server, receive_buffer=receive_buffer) as client:
            client.send(request(b"GET /big?n=%d HTTP/1.1" % len(expected)) + request())
            outcome = client.receive(2)
        assert outcome.statuses == [200, 200], outcome.report("3 MiB, then hello", "not so")
        assert outcome.final[0].body == expected, outcome.report("3 MiB unchanged", "changed")
