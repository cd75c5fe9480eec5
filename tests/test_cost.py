"""What a request costs, counted and not timed: system calls, function calls, timers, pages; and
what a connection keeps while it waits for one.

A time may not be asserted; these may, since no other program can change them.
"""

from __future__ import annotations

import gc
import socket
import sys
import tracemalloc
from typing import NamedTuple

import pytest

from minitornado.benchmark import counts
from minitornado.benchmark.bench import Bench
from minitornado.benchmark.load import get
from minitornado.benchmark.measure import Cores
from minitornado.benchmark.peers import OURS, PEERS
from minitornado.benchmark.workloads import WORKLOADS
from minitornado.httpserver import HTTPServer
from minitornado.ioloop import IOLoop
from minitornado.iostream import IOStream

pytestmark = pytest.mark.deadline(120)


class Cost(NamedTuple):
    goal: float
    ceiling: float


# Calls a hello request over keep-alive.  The ceiling is what is called now, and goes down alone:
# who saves a call lowers it.
CALLS = {"python": Cost(goal=45, ceiling=58), "c": Cost(goal=55, ceiling=36)}

# System calls a request, requests being there whenever the server looks.
KEEP_ALIVE = {"recvfrom": 1.0, "sendto": 1.0, "epoll_wait": 0.1}
A_CONNECTION_A_REQUEST = 9.2

PAGE_FAULTS_A_MEBIBYTE = 50

IDLE_BYTES = 2_610  # of a connection that waits for its first request, without its socket

#: Python 3.12 inlines comprehensions, so that later ones call less.
COUNTED = sys.version_info[:2] == (3, 11)


def bench() -> Bench:
    return Bench(PEERS[OURS], sys.executable, Cores(), None)


@pytest.fixture(scope="module")
def calls() -> dict[str, dict[str, float]]:
    return bench().run("counted.py", OURS)


@pytest.mark.parametrize("kind", list(CALLS))
def test_a_request_makes_no_more_calls_than_it_did(
    calls: dict[str, dict[str, float]], kind: str
) -> None:
    made, ceiling = sum(calls[kind].values()), CALLS[kind].ceiling
    assert made <= ceiling, f"{made:.1f} {kind} calls a request: more than before"
    if COUNTED:
        assert made > ceiling - 1, f"{made:.1f} {kind} calls a request: lower the ceiling to that"


def test_the_calls_are_those_of_a_request_and_nothing_else(
    calls: dict[str, dict[str, float]],
) -> None:
    assert calls["python"]["counted.hello"] == 1.0
    assert calls["python"]["httpserver._ServerRequestAdapter.finish"] == 1.0
    assert calls["c"]["iostream.IOStream.write_to_fd"] == 1.0  # send


def test_no_timer_is_made_for_a_request_over_keep_alive(
    calls: dict[str, dict[str, float]],
) -> None:
    timers = [name for name in calls["python"] if "call_at" in name or "_Timeout" in name]
    assert timers == []
    assert "ioloop.IOLoop.time" in calls["python"]  # the deadline moves instead


def syscalls(keep_alive: bool) -> dict[str, float]:
    ask = get() if keep_alive else get(fields="Connection: close\r\n", keep_alive=False)
    made = counts.syscalls(PEERS[OURS].command(sys.executable), ask)
    return made or pytest.skip("no strace on this machine, or it may not trace")


def test_a_request_over_keep_alive_is_one_recv_and_one_send() -> None:
    made = syscalls(keep_alive=True)
    assert made["recvfrom"] == made["sendto"] == 1.0
    assert set(made) <= set(KEEP_ALIVE), "no epoll_ctl, and nothing else"
    assert made["epoll_wait"] <= KEEP_ALIVE["epoll_wait"]


def test_a_connection_a_request_is_at_most_nine_system_calls() -> None:
    made = syscalls(keep_alive=False)
    assert made["sendto"] == made["close"] == 1.0
    assert sum(made.values()) <= A_CONNECTION_A_REQUEST, made


def test_an_upload_touches_few_new_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minitornado.benchmark.workloads.BODIES", 3)
    for name in ("up", "up-streamed"):
        assert WORKLOADS[name].measure(bench())["faults"] <= PAGE_FAULTS_A_MEBIBYTE


def test_an_idle_connection_keeps_little(io_loop: IOLoop) -> None:
    """What stands in comments as "smaller" or "not kept for each" is in this sum."""
    server = HTTPServer(lambda request: None)
    pairs = [socket.socketpair() for _ in range(200)]

    def serve(first: int, last: int) -> None:
        for ours, _theirs in pairs[first:last]:
            server.handle_stream(IOStream(ours), ("127.0.0.1", 8888))

    serve(0, 50)  # the first of a class costs more
    gc.collect()
    tracemalloc.start()
    try:
        serve(50, 200)
        each = tracemalloc.get_traced_memory()[0] / 150
    finally:
        tracemalloc.stop()
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
    assert each <= IDLE_BYTES
