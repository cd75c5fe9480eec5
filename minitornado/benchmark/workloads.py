"""What is measured: a table of workloads, each with its figures and its goals.

A workload is a function that takes a Bench (one peer, for one round), starts the peer afresh,
checks its answers, and returns {figure: value}.  The figure that stands first is the one whose
ratio to Tornado counts.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .load import BROWSER, Ask, check, get, post, run_wrk, warm
from .measure import Cores, Server, serving
from .peers import PEERS, Peer

MEBIBYTE = 1024 * 1024
BIG = 10 * MEBIBYTE
WARM_UP = 300  # requests before anything is timed: after a few dozen, Python has adapted its code
SETTLE_SECONDS = 0.02  # for a server to end what it was doing when the load stopped


@dataclass(frozen=True)
class Figure:
    """One number of a workload.  Less is better, unless there is a `least`.

    The goals: `ratio` is how many times less than Tornado's it is to be, in the same run; `most`
    and `least` hold for the number itself.
    """

    key: str
    label: str
    unit: str
    ratio: float | None = None
    most: float | None = None
    least: float | None = None


@dataclass
class Bench:
    """One peer, for one round."""

    peer: Peer
    python: str
    cores: Cores
    wrk: str | None
    seconds: int
    quick: bool = False

    @contextlib.contextmanager
    def server(self, peer: Peer | None = None) -> Iterator[Server]:
        with serving((peer or self.peer).command(self.python), self.cores.server) as server:
            yield server

    def hammer(self, server: Server, ask: Ask, connections: int = 64) -> dict[str, float]:
        """Ask with wrk; return CPU a request, requests a second, and the slowest percent."""
        assert self.wrk is not None, "workloads that need wrk are left out without it"
        before = server.cpu()
        told = run_wrk(self.wrk, server.port, ask, self.seconds, connections)
        time.sleep(SETTLE_SECONDS)
        cpu = server.cpu() - before
        return {"cpu": cpu / told.requests * 1e6, "rate": told.rate, "p99": told.p99_ms}


Measure = Callable[[Bench], dict[str, float]]


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    figures: tuple[Figure, ...]
    measure: Measure
    peers: tuple[str, ...] = tuple(PEERS)
    needs_wrk: bool = False


def _requests(ask: Ask) -> Measure:
    """A measure of requests on 64 connections; on fewer if they are pipelined.

    What is under way when the load stops has cost CPU, and is not counted.
    """
    connections = 64 if ask.times == 1 else 8

    def measure(bench: Bench) -> dict[str, float]:
        with bench.server() as server:
            check(server.port, ask)
            warm(server.port, ask, WARM_UP // ask.times)
            return bench.hammer(server, ask, connections)

    return measure


def _with_wrk(name: str, title: str, ask: Ask, goal: float) -> Workload:
    figures = (
        Figure("cpu", "CPU a request", "µs", ratio=goal),
        Figure("rate", "requests a second", ""),
    )
    return Workload(name, title, figures, _requests(ask), needs_wrk=True)


WORKLOADS = {
    workload.name: workload
    for workload in (
        _with_wrk("hello", "hello, keep-alive, 64 connections", get(), 5.5),
        _with_wrk("headers", "hello with a browser's 12 headers", get(fields=BROWSER), 5.5),
        _with_wrk("close", "a connection a request",
                  get(fields="Connection: close\r\n", keep_alive=False), 3),
        _with_wrk("echo", "POST 1 KiB, echoed", post("/echo", b"x" * 1024, b"x" * 1024), 4.5),
        _with_wrk("pipelined", "hello, pipelined by 16",
                  Ask(get().data * 16, times=16), 9),
    )
}  # fmt: skip
