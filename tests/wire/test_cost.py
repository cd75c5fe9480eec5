"""Twice the bytes cost twice the time: no input is quadratic, or one client could stop the server.

Measured is the CPU time of the server's process, which other programs do not disturb.
"""

from collections.abc import Callable

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

RATIO = 2.7  # for twice the work: linear is 2, quadratic is 4
FLOOR = 0.12  # seconds; below it the clock's steps of 10 ms and the process's noise decide


def drip(server: Server, data: bytes, size: int) -> Outcome:
    with Client(server) as client:
        for at in range(0, len(data), size):
            client.socket.send(data[at:at + size])
        client.sent += data[:1000]
        return client.receive(within=15)


def many_chunks(server: Server, n: int) -> Outcome:
    return talk(server, chunked(chunks(b"x" * n, 1)), within=15)


def body_pieces(server: Server, n: int) -> Outcome:
    return drip(server, sized(b"x" * 32 * n), 32)


def header_pieces(server: Server, n: int) -> Outcome:
    return drip(server, request(b"GET /hello HTTP/1.1", b"X: " + b"x" * n), 1)


def repeated_names(server: Server, n: int) -> Outcome:
    return talk(server, request(b"GET /hello HTTP/1.1", *[b"A: 1"] * n) * 20, count=20, within=15)


def pipelined(server: Server, n: int) -> Outcome:
    return talk(server, request() * n, count=n, within=15)


def commas(server: Server, n: int) -> Outcome:
    return talk(server, post(b"Content-Length: 5" + b",5" * n, body=b"hello"), within=15)


def coding_commas(server: Server, n: int) -> Outcome:
    return talk(server, post(b"Transfer-Encoding: " + b"," * n + b"chunked"), within=15)


def connection_commas(server: Server, n: int) -> Outcome:
    return talk(
        server, request(b"GET /hello HTTP/1.1", b"Connection: " + b", " * n + b"TE"), within=15
    )


def answer_size(server: Server, n: int) -> Outcome:
    return talk(server, request(b"GET /big?n=%d HTTP/1.1" % (n * MIB)), within=15)


def answer_pieces(server: Server, n: int) -> Outcome:
    return talk(server, request(b"GET /stream?pieces=%d HTTP/1.1" % n), within=15)


SERVED = any_of(200)
ANSWERED = any_of(200, 400, 413, 431, 501, silence=True)
WORK = {
    "chunks of one byte": (many_chunks, 50_000, SERVED),
    "body pieces": (body_pieces, 20_000, SERVED),
    "header pieces": (header_pieces, 30_000, SERVED),
    "repeated names": (repeated_names, 4_500, ANSWERED),
    "pipelined requests": (pipelined, 3_000, SERVED),
    "commas in Content-Length": (commas, 15_000, ANSWERED),
    "commas in Transfer-Encoding": (coding_commas, 30_000, ANSWERED),
    "commas in Connection": (connection_commas, 15_000, ANSWERED),
    "MiB of an answer": (answer_size, 12, SERVED),
    "pieces of an answer": (answer_pieces, 20_000, SERVED),
}


@pytest.mark.parametrize("name", WORK)
def test_time_is_linear(watched: Server, name: str) -> None:
    """M."""
    work: Callable[[Server, int], Outcome]
    work, n, verdict = WORK[name]
    seconds = []
    for size in (n, 2 * n):
        before = watched.cpu_seconds()
        outcome = work(watched, size)
        seconds.append(watched.cpu_seconds() - before)
        rule = f"{size} {name}: an answer within 15 s"
        assert not (problem := verdict.problem(outcome)), outcome.report(rule, problem)
    once, twice = seconds
    assert twice <= RATIO * max(once, FLOOR), (
        f"{name}: {n} cost {once:.2f} s of CPU, {2 * n} cost {twice:.2f} s: "
        f"more than {RATIO} times as much")
