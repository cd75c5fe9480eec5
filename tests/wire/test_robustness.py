"""Seeded mutants and noise: no 5xx, no hang, nothing left behind (RFC 9110 §15.6.1)."""

import random
import re
from collections.abc import Callable, Iterable
from itertools import chain

from .lab import (
    PATIENCE,
    Client,
    Outcome,
    Server,
    chunked,
    chunks,
    request,
    sized,
    together,
    tracebacks,
)

SEEDS = [
    request(), request(b"GET /hello?a=b HTTP/1.0", b"Connection: keep-alive"),
    request(b"GET /headers HTTP/1.1", b"Accept: */*", b"Cookie: a=b; c=d", b"X-Forwarded-For: ::1"),
    sized(b"hello world"), chunked(chunks(b"hello world", 4)),
    chunked(b"5;a=b\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"),
    sized(b"a=1&b=2", b"Content-Type: application/x-www-form-urlencoded"),
    sized(b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n",
          b"Content-Type: multipart/form-data; boundary=x"),
    request(b"OPTIONS * HTTP/1.1"), request(b"HEAD /hello HTTP/1.1"), request() + sized(b"two"),
    request(b"GET http://lab/hello HTTP/1.1", b"Connection: close"),
    sized(b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\x05\0\0\0",
          b"Content-Encoding: gzip"),
]
SPICE = [
    b"\r\n", b"\r", b"\n", b"\0", b" ", b"\t", b":", b";", b",", b"\xff", b"0x", b"-1",
    b"HTTP/1.1", b"chunked", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
    b"\r\n\r\n", b"99999999999999999999", b"%00", b"\xef\xbb\xbf", b"Host: x\r\n",
    b"Expect: 100-continue\r\n", b'"', b"\x7f", b"\x80", b"Connection: close",
]


def mutant(rng: random.Random) -> bytes:
    """A valid request after one to four accidents."""
    data = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.randint(1, 12))
        accident = rng.randrange(7)
        if accident == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif accident == 1:
            data[at:at] = rng.choice(SPICE)
        elif accident == 2:
            del data[at:end]
        elif accident == 3:
            data[at:at] = data[at:end] * rng.randint(1, 5)
        elif accident == 4:
            data[at:end] = rng.choice(SPICE)
        elif accident == 5:
            del data[at:]
        else:
            data += rng.choice(SEEDS)[:rng.randint(1, 40)]
    return bytes(data)


def problem_of(outcome: Outcome) -> str:
    # Which answer belongs to a HEAD cannot be told of a mutant: only status lines are looked for.
    rule = "no 500, 502, 503, 504; closed behind the client's FIN"
    if bad := re.findall(rb"HTTP/1\.[01] (50[0234]) ", outcome.raw):
        return outcome.report(rule, f"answered {bad}")
    return "" if outcome.closed else outcome.report(rule, "not closed")


def send_and_end(server: Server, data: bytes) -> str:
    with Client(server) as client:
        client.send(data)
        client.end()
        return problem_of(client.drain())


def between_valid_ones(server: Server, data: bytes) -> str:
    with Client(server) as client:
        client.send(request() + data + request())
        client.end()
        outcome = client.drain()
    if not outcome.raw.startswith(b"HTTP/1.1 200 "):
        return outcome.report("the valid request before a mutant is answered", "it is not")
    return problem_of(outcome)


def run(server: Server, attempt: Callable[[Server, bytes], str], inputs: Iterable[bytes]) -> None:
    """Each on a connection of its own, four at a time; /hello within 2 s in between."""
    inputs = list(inputs)

    def part(start: int) -> list[str]:
        problems = []
        for n, data in enumerate(inputs[start::4]):
            if problem := attempt(server, data):
                problems.append(problem)
            if n % 25 == 0:
                server.check_alive("between mutants")
        return problems

    scenarios = [lambda s=s: part(s) for s in range(4)]
    problems = list(chain(*together(*scenarios, within=10 * PATIENCE)))
    assert not problems, f"{len(problems)} of {len(inputs)}:" + "".join(problems[:8])


def test_600_mutants_are_survived(server: Server) -> None:
    """M."""
    rng = random.Random(1)
    run(server, send_and_end, (mutant(rng) for _ in range(600)))


def test_300_mutants_leave_no_traceback_and_no_descriptor(watched: Server) -> None:
    """M: nothing a client sends is an unexpected error."""
    watched.check_alive()
    before = watched.settled_descriptors(0, within=0.2)
    rng = random.Random(2)
    for data in (mutant(rng) for _ in range(300)):
        mark = watched.log_size()
        problem = send_and_end(watched, data)
        assert not problem, problem
        found = tracebacks(watched.log(mark))
        assert not found, f"{data!r} left a traceback in the log:\n{found}"
    after = watched.settled_descriptors(before)
    assert after <= before, f"{before} descriptors before 300 mutants, {after} after"


def test_150_mutants_between_valid_requests(server: Server) -> None:
    """M: the valid one before is answered, whatever follows."""
    rng = random.Random(3)
    run(server, between_valid_ones, (mutant(rng) for _ in range(150)))


def test_100_random_blobs_are_survived(watched: Server) -> None:
    """M: noise of 1 to 4,000 bytes, some of it made of HTTP's own characters."""
    rng = random.Random(4)
    mark = watched.log_size()
    run(watched, send_and_end, [
        rng.randbytes(rng.randint(1, 4000)) if n % 2 else
        b"".join(rng.choice(SPICE) for _ in range(rng.randint(1, 400))) for n in range(100)])
    assert not (found := tracebacks(watched.log(mark))), found
