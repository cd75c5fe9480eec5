"""Slow clients: each part of a request has its time, counted from its start (RFC 9112 §9.5).

All scenarios run at once, in threads, when the first of them is asked for: the waits are paid once.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from .lab import (
    HASTY,
    MIB,
    PATIENCE,
    TIMEOUT,
    Client,
    Outcome,
    Server,
    chunked,
    chunks,
    post,
    request,
    sized,
    together,
)

LATEST = TIMEOUT + 2.5  # seconds
EARLIEST = TIMEOUT - 0.7
WAIT = LATEST + PATIENCE  # until we believe that it will not be closed
SLOW_BODY = b"Content-Length: 100000"


@dataclass
class Ended:
    """How a scenario ended: the seconds until the server closed, None if it did not.

    When the server's clock was started we see from outside, and on a busy machine late.  It was
    between two moments: `at_most` counts from the first of them, `at_least` from the other.
    """

    outcome: Outcome
    at_most: float | None = None
    at_least: float | None = None


@dataclass
class Start:
    """When the clock of a part of a request was started: not before, and not after."""

    first: float
    last: float

    def ended(self, outcome: Outcome) -> Ended:
        now = time.monotonic()
        if not outcome.closed:
            return Ended(outcome)
        return Ended(outcome, now - self.first, now - self.last)


def wait_for_close(client: Client, start: Start) -> Ended:
    return start.ended(client.receive(None, WAIT))


def drip(client: Client, start: Start, data: bytes, pause: float = 0.1) -> Ended:
    """A byte each `pause` seconds until the server closes."""
    at = 0
    while time.monotonic() - start.last < WAIT and not client.closed:
        client.send(data[at % len(data):at % len(data) + 1])
        at += 1
        client.receive(None, pause)
    return start.ended(client.receive(None, 0))


Scenario = Callable[[Client], Ended]


def never_sends(client: Client) -> Ended:
    return wait_for_close(client, Start(client.began, time.monotonic()))


def idle_after(data: bytes, answers: int = 1) -> Scenario:
    def scenario(client: Client) -> Ended:
        before = time.monotonic()
        client.send(data)
        client.receive(answers)
        return wait_for_close(client, Start(before, time.monotonic()))
    return scenario


def sends_and_stops(data: bytes) -> Scenario:
    def scenario(client: Client) -> Ended:
        client.send(data)
        return wait_for_close(client, Start(client.began, time.monotonic()))
    return scenario


def sends_then_drips(data: bytes, rest: bytes) -> Scenario:
    def scenario(client: Client) -> Ended:
        client.send(data)
        return drip(client, Start(client.began, time.monotonic()), rest)
    return scenario


def drips_after_an_answer(client: Client) -> Ended:
    """The clock of the second header section starts when the first request is answered."""
    before = time.monotonic()
    client.send(request())
    client.receive()
    start = Start(before, time.monotonic())
    return drip(client, start, request(b"GET /hello HTTP/1.1", b"X: " + b"x" * 200))


HEADER = {
    "M: a connection that never sends": never_sends,
    "M: idle after an answer": idle_after(request()),
    "M: idle after ten answers": idle_after(request() * 10, 10),
    "M: idle after a body": idle_after(sized(b"hello")),
    "M: idle after a chunked body": idle_after(chunked(chunks(b"hello", 2))),
    "M: idle after a streamed answer": idle_after(request(b"GET /stream HTTP/1.1")),
    "M: half a request line": sends_and_stops(b"GET /hel"),
    "M: half a header": sends_and_stops(request()[:-2]),
    "M: a header drop by drop": sends_then_drips(
        b"GET /hello HTTP/1.1\r\nHost: lab\r\n", b"X: 1\r\n"
    ),
    "M: a request line drop by drop": sends_then_drips(b"GET /", b"x"),
    "M: a second header drop by drop": drips_after_an_answer,
    "M: CRLFs drop by drop": sends_then_drips(b"", b"\r\n"),
}
BODY = {
    "M: no body, Content-Length": sends_and_stops(post(SLOW_BODY)),
    "M: no body, chunked": sends_and_stops(chunked(b"")),
    "M: half a body": sends_and_stops(post(SLOW_BODY, body=b"x" * 500)),
    "M: half a chunk": sends_and_stops(chunked(b"64\r\nxxxx")),
    "M: half a chunk size": sends_and_stops(chunked(b"6")),
    "M: half a trailer": sends_and_stops(chunked(b"0\r\nX: 1\r\n")),
    "M: a body drop by drop": sends_then_drips(post(SLOW_BODY), b"x"),
    "M: a chunk drop by drop": sends_then_drips(chunked(b"100\r\n"), b"x"),
    "M: chunks drop by drop": sends_then_drips(chunked(b""), b"1\r\nx\r\n"),
    "M: an extension drop by drop": sends_then_drips(chunked(b"5;a="), b"x"),
    "M: a trailer drop by drop": sends_then_drips(chunked(b"0\r\n"), b"X: 1\r\n"),
    "M: a body to a path that is not there": sends_and_stops(post(SLOW_BODY, target=b"/nowhere")),
    "M: 100-continue and no body": sends_and_stops(post(SLOW_BODY, b"Expect: 100-continue")),
}


def in_time(client: Client) -> Ended:
    """Header, body and a pause between requests, each within its limit: 6 s in all, and served."""
    for _ in range(2):
        send_within(client, post(b"Content-Length: 10"), 1.5)
        send_within(client, b"0123456789", 1.3)
        client.receive(len(client.answers) + 1)
    return Ended(client.receive(2))


def send_within(client: Client, data: bytes, seconds: float) -> None:
    """Byte by byte; those that are late on a busy machine are sent at once, to be in time."""
    start = time.monotonic()
    for at in range(len(data)):
        client.send(data[at:at + 1])
        time.sleep(max(0.0, start + seconds * (at + 1) / len(data) - time.monotonic()))


def each_request_restarts_the_clock(client: Client) -> Ended:
    """A request every 2 s: four of them take twice the idle timeout."""
    for n in range(1, 5):
        client.send(request())
        client.receive(n)
        if n < 4:
            time.sleep(2)
    return Ended(client.receive(4))


def slow_handler(client: Client) -> Ended:
    """The application takes longer than any timeout: its time is not the client's."""
    client.send(request(b"GET /slow?seconds=4.5 HTTP/1.1") + request())
    return Ended(client.receive(2))


def slow_reader(client: Client) -> Ended:
    """A long answer in progress is not cut by the idle timer: 12 MiB, read during 5 s."""
    start = time.monotonic()
    client.send(request(b"GET /big?n=%d HTTP/1.1" % (12 * MIB)))
    while time.monotonic() - start < 5 and not client.closed:
        client.socket.settimeout(PATIENCE)
        data = client.socket.recv(100_000)
        client.raw += data
        client.closed = not data
        time.sleep(0.1)
    return Ended(client.receive(1))


def slow_stream(client: Client) -> Ended:
    client.send(request(b"GET /flushed?n=%d HTTP/1.1" % (12 * MIB)))
    time.sleep(4.5)
    return Ended(client.receive(1))


SERVED = {
    "M: parts within their limits": (in_time, 2),
    "M: each request restarts the clock": (each_request_restarts_the_clock, 4),
    "M: a slow handler": (slow_handler, 2),
    "S: a long answer read slowly": (slow_reader, 1),
    "S: a long flushed answer, its reader asleep": (slow_stream, 1),
}


@pytest.fixture(scope="module")
def ended() -> Iterator[dict[str, Ended]]:
    """Every scenario on a connection of its own, all at once."""
    scenarios: dict[str, Scenario] = HEADER | BODY | {n: s for n, (s, _) in SERVED.items()}
    with Server(**HASTY) as server:
        def run(scenario: Scenario) -> Ended:
            with Client(server) as client:
                return scenario(client)
        results = together(*(lambda s=s: run(s) for s in scenarios.values()))
        yield dict(zip(scenarios, results, strict=True))


@pytest.mark.parametrize("name", HEADER)
def test_a_slow_or_silent_header_is_closed_in_time(ended: dict[str, Ended], name: str) -> None:
    """M: counted from its start, not its last byte; not before T - 0.7, not after T + 2.5 s."""
    outcome, at_most, at_least = ended[name].outcome, ended[name].at_most, ended[name].at_least
    earliest = 0.0 if "CRLFs" in name else EARLIEST  # more than one empty line may be a 400
    rule = f"{name}: closed between {earliest:.1f} and {LATEST:.1f} s (408 or 400 or nothing)"
    assert at_most is not None and at_least is not None, outcome.report(rule, "never closed")
    assert at_most >= earliest and at_least <= LATEST, outcome.report(
        rule, f"closed after {at_least:.1f} s at least, {at_most:.1f} s at most"
    )
    assert set(outcome.statuses) <= {200, 400, 408}, outcome.report(rule, "another answer")


@pytest.mark.parametrize("name", BODY)
def test_a_slow_or_absent_body_is_closed_in_time(ended: dict[str, Ended], name: str) -> None:
    """M: one clock for the whole body."""
    outcome, at_most, at_least = ended[name].outcome, ended[name].at_most, ended[name].at_least
    rule = (
        f"{name}: closed between {EARLIEST:.1f} and {LATEST:.1f} s (408 or 400 or nothing), no 2xx"
    )
    assert at_most is not None and at_least is not None, outcome.report(rule, "never closed")
    assert at_most >= EARLIEST and at_least <= LATEST, outcome.report(
        rule, f"closed after {at_least:.1f} s at least, {at_most:.1f} s at most"
    )
    assert set(outcome.statuses) <= {400, 408}, outcome.report(rule, "another answer")


@pytest.mark.parametrize("name", SERVED)
def test_what_keeps_its_times_is_served(ended: dict[str, Ended], name: str) -> None:
    """M, and S for the long answers."""
    outcome, count = ended[name].outcome, SERVED[name][1]
    rule = f"{name}: {count} times 200"
    assert outcome.statuses == [200] * count, outcome.report(rule, "not so")
