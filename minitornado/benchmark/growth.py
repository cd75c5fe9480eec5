"""Growth: what one more of something costs when there are many of it.  minitornado alone.

Each row measures the cost of one (a request, a byte, a chunk, a timer) at four sizes.  A cost
that is the same at all of them makes the total linear.  The exponent is that of the total, fitted
to the four: 1 is linear, 2 would be the square; less than 1 means that a part is paid once, and
weighs less the more there are.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table

from .bench import SETTLE_SECONDS, Bench
from .load import Ask, Client, check, get, post, warm
from .measure import Server
from .report import number, plain_table
from .results import Results
from .workloads import WARM_UP

REQUESTS = 10_000  # asked in all of the connections together
TOGETHER = 50  # of them at the same time, if there are as many
PIECE_BYTES = 8
PIECE_SECONDS = 0.0001  # between two pieces, so that each is one event for the server
BUSY_SECONDS = 0.1  # of CPU time, at least, where an ask is repeated


@dataclass(frozen=True)
class Growth:
    """A row: `measure(bench, size)` returns the cost of one, in `unit`."""

    name: str
    title: str
    unit: str
    sizes: tuple[int, int, int, int]
    measure: Callable[[Bench, int], float]


def _connections(bench: Bench, size: int) -> float:
    """A request, when so many connections take turns; 50 ask at a time.

    A single one is dearest: each of its requests wakes the server up, and has a poll to itself.
    """
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(bench.server())
        warm(server.port, get(), WARM_UP)
        clients = [stack.enter_context(Client(server.port)) for _ in range(size)]
        for client in clients:
            client.ask(get())
        before = server.cpu()
        asked = 0
        while asked < REQUESTS:
            some = [clients[(asked + at) % size] for at in range(min(size, TOGETHER))]
            for client in some:
                client.socket.sendall(get().data)
            for client in some:
                client.read(get().body)
            asked += len(some)
        return _microseconds(server, before, asked)


def _idle(bench: Bench, size: int) -> float:
    """The memory of a connection that has been answered once, and is silent."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(bench.server())
        warm(server.port, get(), WARM_UP)
        before = server.resident()
        for _ in range(size):
            stack.enter_context(Client(server.port)).ask(get())
        return (server.resident() - before) / size / 1024


def _asked(make: Callable[[int], Ask], times: int = 1) -> Callable[[Bench, int], float]:
    """The CPU time for one of so many, all of them in one ask, which is repeated.

    With `times`, so many asks are sent together, so that what an ask costs by itself, the waking
    up of a server that serves one connection, weighs less.
    """

    def measure(bench: Bench, size: int) -> float:
        once = make(size)
        ask = Ask(once.data * times, once.body, once.times * times)
        with bench.server() as server, Client(server.port) as client:
            check(server.port, ask)
            before, asked = server.cpu(), 0
            while not asked or server.cpu() - before < BUSY_SECONDS:
                client.ask(ask)
                asked += 1
            return _microseconds(server, before, asked * times * size)

    return measure


def _header_bytes(size: int) -> Ask:
    """A head of so many bytes, in lines of 64."""
    lines = (f"X-Field-{number:06}: {'v' * 46}\r\n" for number in range(size // 64))
    return get(fields="".join(lines))


def _chunks(size: int) -> Ask:
    return post("/count", b"x" * size * 64, b"%d" % (size * 64), chunk=64)


def _pipelined(size: int) -> Ask:
    return Ask(get().data * size, times=size)


def _pieces(bench: Bench, size: int) -> float:
    """The CPU time for a piece of a head that arrives in so many."""
    fields = "X-Dripped: " + "v" * (size * PIECE_BYTES) + "\r\n"
    data = get(fields=fields).data
    pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]
    with bench.server() as server, Client(server.port) as client:
        check(server.port, get())
        before = server.cpu()
        for piece in pieces:
            client.socket.sendall(piece)
            time.sleep(PIECE_SECONDS)
        client.read(get().body)
        return _microseconds(server, before, len(pieces))


def _loop(what: str, figure: str) -> Callable[[Bench, int], float]:
    def measure(bench: Bench, size: int) -> float:
        return float(bench.run("loop_costs.py", bench.peer.name, what, str(size))[figure])

    return measure


def _microseconds(server: Server, before: float, count: int) -> float:
    time.sleep(SETTLE_SECONDS)
    return (server.cpu() - before) / count * 1e6


_THOUSANDS = (12_500, 25_000, 50_000, 100_000)

GROWTHS = {
    growth.name: growth
    for growth in (
        Growth("connections", "a request, by connections", "µs", (1, 100, 1000, 10_000),
               _connections),
        Growth("idle", "memory, by idle connections", "KiB", (1250, 2500, 5000, 10_000), _idle),
        Growth("header", "a byte of a head, by its bytes", "µs", (4096, 8192, 16_384, 32_768),
               _asked(_header_bytes, times=8)),
        Growth("chunks", "a chunk, by chunks of a body", "µs", (1000, 2000, 4000, 8000),
               _asked(_chunks)),
        Growth("pieces", "a piece, by pieces of a head", "µs", (1000, 2000, 4000, 8000), _pieces),
        Growth("pipelined", "a request, by requests in a row", "µs", (16, 64, 256, 1024),
               _asked(_pipelined)),
        Growth("callbacks", "a callback, by callbacks queued", "µs", _THOUSANDS,
               _loop("callbacks", "queued")),
        Growth("timers", "cancel and add, by timers pending", "µs", _THOUSANDS,
               _loop("timers", "replace")),
    )
}  # fmt: skip


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The power of the size with which the total (size times cost) grows; least squares.

    >>> round(exponent([1, 2, 4, 8], [3.0, 3.0, 3.0, 3.0]), 3)
    1.0
    >>> round(exponent([1, 2, 4, 8], [1.0, 2.0, 4.0, 8.0]), 3)
    2.0
    """
    xs = [math.log(size) for size in sizes]
    ys = [math.log(size * cost) for size, cost in zip(sizes, costs, strict=True)]
    return statistics.linear_regression(xs, ys).slope


def table(results: Results) -> Table:
    """A line a row: the cost of one at each of its sizes, and the exponent."""
    shown = plain_table("growth: what one costs", "", "at", "costs", "exponent")
    for name, found in results["growth"].items():
        growth = GROWTHS[name]
        medians = [statistics.median(values) for values in found["costs"]]
        fitted = f"{exponent(found['sizes'], medians):.2f}"
        for at, (size, cost) in enumerate(zip(found["sizes"], medians, strict=True)):
            last = at == len(medians) - 1
            shown.add_row(
                "" if at else growth.title, f"{size:,}", f"{number(cost)} {growth.unit}",
                fitted if last else "", end_section=last,
            )  # fmt: skip
    return shown
