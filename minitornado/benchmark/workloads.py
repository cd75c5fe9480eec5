"""What is measured: a table of workloads, with the goals of each."""

from __future__ import annotations

import contextlib
import statistics
import time

from .bench import SETTLE_SECONDS, Bench, Figure, Measure, Workload
from .load import BROWSER, Ask, Client, check, get, post, warm
from .peers import OURS, PEERS, REFERENCE

MEBIBYTE = 1024 * 1024
BIG = 10 * MEBIBYTE
WARM_UP = 300  # requests before anything is timed: after a few dozen, Python has adapted its code
WARM_UP_BODIES = 2  # after which malloc has learnt how large they are, and keeps the pages
BODY_SECONDS = 0.15  # of CPU time, at least, or BODIES bodies
BODIES = 8
IDLE_CHECKED = 100  # of the idle connections, those that must still answer at the end

SERVERS = tuple(name for name in PEERS if name != "uvloop")
PARSERS = tuple(name for name in SERVERS if name != "epoll")  # it can't tell where chunks end
STREAMING = (OURS, REFERENCE)  # those with a delegate that is given a body piece by piece
LOOPS = (OURS, REFERENCE, "asyncio", "uvloop")


def _requests(ask: Ask) -> Measure:
    """Requests as fast as they are answered.

    What is under way when the load stops has cost CPU, and is not counted: so there are fewer
    connections if each has several requests under way.
    """
    connections = 64 if ask.times == 1 else 8

    def measure(bench: Bench) -> dict[str, float]:
        with bench.server() as server:
            check(server.port, ask)
            warm(server.port, ask, WARM_UP // ask.times)
            return bench.hammer(server, ask, connections)

    return measure


def _bodies(ask: Ask, *arguments: str) -> Measure:
    """Large bodies, one after the other, on one connection."""

    def measure(bench: Bench) -> dict[str, float]:
        with bench.server(*arguments) as server, Client(server.port) as client:
            for _ in range(WARM_UP_BODIES):
                client.ask(ask)
            cpu, faults, asked = server.cpu(), server.faults(), 0
            while asked < BODIES and server.cpu() - cpu < BODY_SECONDS:
                client.ask(ask)
                asked += 1
            time.sleep(SETTLE_SECONDS)
            size = asked * BIG / MEBIBYTE
            return {
                "cpu": (server.cpu() - cpu) / size * 1e6,
                "faults": (server.faults() - faults) / size,
            }

    return measure


def _idle(bench: Bench) -> dict[str, float]:
    """Hello, while thousands of other connections stay open and say nothing."""
    ask = get()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(bench.server())
        check(server.port, ask)
        warm(server.port, ask, WARM_UP)
        alone = bench.hammer(server, ask)
        before = server.resident()
        clients = []
        for _ in range(bench.idle):
            clients.append(stack.enter_context(Client(server.port)))
            clients[-1].ask(ask)
        each = (server.resident() - before) / len(clients)
        among = bench.hammer(server, ask)
        for client in clients[:: max(1, len(clients) // IDLE_CHECKED)]:
            client.ask(ask)  # else they were not kept, and nothing has been shown
    return {
        "cpu": among["cpu"], "each": each / 1024, "kept": alone["cpu"] / among["cpu"],
        "p99": among["p99"],
    }  # fmt: skip


def _start(bench: Bench) -> dict[str, float]:
    """From nothing to the first answer."""
    cpus, sizes = [], []
    for _ in range(3):
        with bench.server() as server, Client(server.port) as client:
            client.ask(get())
            time.sleep(SETTLE_SECONDS)
            cpus.append(server.cpu() * 1000)
            sizes.append(server.resident() / MEBIBYTE)
    return {"cpu": statistics.median(cpus), "memory": statistics.median(sizes)}


def _loop(*arguments: str) -> Measure:
    return lambda bench: bench.run("loop_costs.py", bench.peer.name, *arguments)


def _with_wrk(name: str, title: str, ask: Ask, goal: float) -> Workload:
    figures = (
        Figure("cpu", "CPU a request", "µs", ratio=goal),
        Figure("rate", "requests a second"),
    )
    return Workload(name, title, figures, _requests(ask), SERVERS, needs_wrk=True)


def _of_bodies(
    name: str, title: str, ask: Ask, goal: float, faults: float | None = None,
    peers: tuple[str, ...] = SERVERS,
) -> Workload:  # fmt: skip
    figures = (
        Figure("cpu", "CPU a MiB", "µs", ratio=goal),
        Figure("faults", "page faults a MiB", most=faults),
    )
    measure = _bodies(ask, "streamed") if peers is STREAMING else _bodies(ask)
    return Workload(name, title, figures, measure, peers)


_UP = post("/count", bytes(BIG), b"%d" % BIG)
_CHUNKED = post("/count", bytes(BIG), b"%d" % BIG, chunk=8192)

WORKLOADS = {
    workload.name: workload
    for workload in (
        _with_wrk("hello", "hello, keep-alive, 64 connections", get(), 5.5),
        _with_wrk("headers", "hello with a browser's 12 headers", get(fields=BROWSER), 5.5),
        _with_wrk("close", "a connection a request",
                  get(fields="Connection: close\r\n", keep_alive=False), 3),
        _with_wrk("echo", "POST 1 KiB, echoed", post("/echo", b"x" * 1024, b"x" * 1024), 4.5),
        _with_wrk("pipelined", "hello, pipelined by 16", Ask(get().data * 16, times=16), 9),
        _of_bodies("up", "POST 10 MiB", _UP, 2, faults=50),
        _of_bodies("up-streamed", "POST 10 MiB, to a delegate", _UP, 1.4, 50, STREAMING),
        _of_bodies("chunked", "POST 10 MiB in 8 KiB chunks", _CHUNKED, 4, peers=PARSERS),
        _of_bodies("chunked-streamed", "POST 10 MiB in chunks, to a delegate", _CHUNKED, 5,
                   peers=STREAMING),
        _of_bodies("down", "GET 10 MiB", get("/big", body=bytes(BIG)), 1.5),
        Workload("idle", "hello among 10,000 idle connections", (
            Figure("cpu", "CPU a request", "µs", ratio=5.5),
            Figure("each", "memory an idle connection", "KiB", most=3),
            Figure("kept", "CPU without them / with them", least=0.95),
            Figure("p99", "99 % answered within", "ms", ratio=1),
        ), _idle, SERVERS, needs_wrk=True, most_rounds=3),
        Workload("timers", "timers, 100,000 pending", (
            Figure("add", "add one", "µs", ratio=4),
            Figure("replace", "cancel one, add one", "µs", ratio=3),
            Figure("fire", "add one and let it fire", "µs", ratio=3),
            Figure("bytes", "memory of one", "bytes", most=220),
        ), _loop("timers"), LOOPS),
        Workload("callbacks", "callbacks", (
            Figure("again", "one that adds itself again", "µs", ratio=3),
            Figure("queued", "100,000 queued, each", "µs", ratio=15),
            Figure("await", "await a Future", "µs", ratio=3),
        ), _loop("callbacks"), LOOPS),
        Workload("start", "from nothing to the first answer", (
            Figure("cpu", "CPU", "ms", most=45, compared=True),
            Figure("memory", "memory", "MiB", most=15, compared=True),
        ), _start, SERVERS),
    )
}  # fmt: skip
