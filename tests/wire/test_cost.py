"""Four times the bytes cost four times the time: no input is quadratic, or one client could stop
the server.

Measured is the CPU time of the server's process, which other programs disturb only a little: the
least of some tries is the one that was disturbed least.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from .lab import (
    MIB,
    Client,
    Outcome,
    Server,
    any_of,
    chunked,
    chunks,
    post,
    request,
    sized,
    talk,
)

TIMES = 4
RATIO = 7.2  # for four times the work: linear is 4, quadratic is 16
FLOOR = 0.03  # seconds; below it the process's noise decides
TRIES = 5


def drip(server: Server, data: bytes, size: int) -> Outcome:
    with Client(server) as client:
        for at in range(0, len(data), size):
            client.socket.send(data[at:at + size])
        client.sent += data[:1000]
        return client.receive()


def many_chunks(server: Server, n: int) -> Outcome:
    return talk(server, chunked(chunks(b"x" * n, 1)))


def body_pieces(server: Server, n: int) -> Outcome:
    return drip(server, sized(b"x" * 32 * n), 32)


def header_pieces(server: Server, n: int) -> Outcome:
    return drip(server, request(b"GET /hello HTTP/1.1", b"X: " + b"x" * n), 1)


def repeated_names(server: Server, n: int) -> Outcome:
    return talk(server, request(b"GET /hello HTTP/1.1", *[b"A: 1"] * n) * 20, count=20)


def pipelined(server: Server, n: int) -> Outcome:
    return talk(server, request() * n, count=n)


def commas(server: Server, n: int) -> Outcome:
    return talk(server, post(b"Content-Length: 5" + b",5" * n, body=b"hello"))


def coding_commas(server: Server, n: int) -> Outcome:
    return talk(server, post(b"Transfer-Encoding: " + b"," * n + b"chunked"))


def connection_commas(server: Server, n: int) -> Outcome:
    return talk(
        server, request(b"GET /hello HTTP/1.1", b"Connection: " + b", " * n + b"TE")
    )


def answer_size(server: Server, n: int) -> Outcome:
    return talk(server, request(b"GET /big?n=%d HTTP/1.1" % (n * MIB)))


def answer_pieces(server: Server, n: int) -> Outcome:
    return talk(server, request(b"GET /stream?pieces=%d HTTP/1.1" % n))


SERVED = any_of(200)
ANSWERED = any_of(200, 400, 413, 431, 501, silence=True)
WORK = {  # and how often it is done in the smaller of two runs
    "chunks of one byte": (many_chunks, 25_000, SERVED),
    "body pieces": (body_pieces, 10_000, SERVED),
    "header pieces": (header_pieces, 15_000, SERVED),
    "repeated names": (repeated_names, 2_250, ANSWERED),
    "pipelined requests": (pipelined, 1_500, SERVED),
    "commas in Content-Length": (commas, 7_500, ANSWERED),
    "commas in Transfer-Encoding": (coding_commas, 15_000, ANSWERED),
    "commas in Connection": (connection_commas, 7_500, ANSWERED),
    "MiB of an answer": (answer_size, 6, SERVED),
    "pieces of an answer": (answer_pieces, 10_000, SERVED),
}
# How many pieces the server sees is up to the machine: those that come while it does not look
# are one.  So these are compared by what each read has cost.
BY_READS = {"body pieces", "header pieces"}


@pytest.fixture(scope="module")
def counting() -> Iterator[Server]:
    with Server(count_reads=True) as server:
        yield server


class Cost(NamedTuple):
    seconds: float  # of CPU
    reads: int

    def __str__(self) -> str:
        return f"{self.seconds:.3f} s of CPU in {self.reads} reads"


def reads(server: Server) -> int:
    return int(talk(server, request(b"GET /reads HTTP/1.1")).final[0].body)


def cost(server: Server, name: str, size: int) -> Cost:
    work: Callable[[Server, int], Outcome]
    work, _n, verdict = WORK[name]
    reads_before, before = reads(server), server.cpu_seconds()
    outcome = work(server, size)
    seconds = server.cpu_seconds() - before
    assert not (problem := verdict.problem(outcome)), outcome.report(
        f"{size} {name}: an answer in time", problem)
    return Cost(seconds, reads(server) - reads_before)


@pytest.mark.parametrize("name", WORK)
def test_time_is_linear(counting: Server, name: str) -> None:
    """M."""
    n = WORK[name][1]

    def each(cost: Cost) -> float:
        return max(cost.seconds, FLOOR) / (cost.reads if name in BY_READS else 1)

    few, many, allowed = [], [], RATIO / (TIMES if name in BY_READS else 1)
    for _ in range(TRIES):
        few.append(cost(counting, name, n))
        many.append(cost(counting, name, TIMES * n))
        if min(map(each, many)) <= allowed * min(map(each, few)):
            return
    pytest.fail(
        f"{name}: {n} cost {min(few, key=each)}, {TIMES * n} cost {min(many, key=each)}: "
        f"more than {RATIO} times as much"
    )
