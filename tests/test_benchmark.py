"""The benchmark measures what it says, tells it as it is, and leaves nothing behind.

No time is asserted here: what is, are the sums, the words, and that every kind of driver gets
right answers out of a real server.
"""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import json
import os
import re
import resource
import runpy
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from minitornado import cli, gen, http1parser, httputil
from minitornado.benchmark import (
    growth,
    picture,
    readme,
    reasons,
    report,
    results,
    tricks,
    workloads,
)
from minitornado.benchmark.bench import Bench
from minitornado.benchmark.load import (
    Ask,
    Client,
    Hammered,
    WrongAnswer,
    check,
    find_wrk,
    get,
    parse_wrk,
    post,
    run_wrk,
)
from minitornado.benchmark.measure import Cores, environment, many_fds, serving
from minitornado.benchmark.peers import OURS, PEERS, PINS, PROGRAMS, Peer
from minitornado.benchmark.session import Session
from minitornado.benchmark.workloads import WORKLOADS
from minitornado.classroom.palette import PALETTE
from minitornado.cli.output import Complaint
from minitornado.concurrent import Future
from minitornado.http1connection import HTTP1Connection
from minitornado.httpserver import HTTPServer
from minitornado.ioloop import IOLoop
from minitornado.iostream import IOStream
from minitornado.netutil import bind_sockets

pytestmark = pytest.mark.deadline(120)

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "minitornado", "benchmark"]


def figures(cpu: list[float], **more: list[float]) -> dict[str, list[float]]:
    return {"cpu": cpu, **more}


@pytest.fixture
def canned() -> dict[str, Any]:
    """Results of two rounds; the second was disturbed, for both alike."""
    return {
        "machine": {
            "cpu": "a CPU", "cores": 2, "kernel": "6.1", "python": "CPython 3.11", "pinned": True,
        },
        "load_averages": [0.1, 1.2],
        "versions": {"tornado": "6"},
        "settings": {"rounds": 2, "idle": 10},
        "workloads": {
            "hello": {
                OURS: figures([10.0, 20.0], rate=[100.0, 50.0]),
                "tornado": figures([60.0, 120.0], rate=[10.0, 5.0]),
                "epoll": figures([5.0, 10.0]),
            },
            "start": {OURS: figures([50.0], memory=[14.0]), "tornado": figures([75.0])},
        },
    }  # fmt: skip


def shown(table: Any, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


# ---- the sums ----


def test_a_ratio_is_taken_round_by_round(canned: dict[str, Any]) -> None:
    found = results.ratio(canned, "hello", OURS, "cpu")
    assert found is not None
    # The medians, 15 and 90, are no measure: what disturbed one round disturbed both of it.
    assert (found.median, found.least, found.most) == (6.0, 6.0, 6.0)
    assert results.ratio(canned, "hello", "aiohttp", "cpu") is None
    assert results.spread(canned, "hello", OURS, "cpu") == results.Spread(15.0, 10.0, 20.0)


def test_the_report_tells_figures_ratios_and_goals(canned: dict[str, Any]) -> None:
    text = shown(report.workload_table(canned, WORKLOADS["hello"]))
    assert re.search(r"minitornado +15 \[10-20\] +6\b", text)
    assert "goal: ≥ 5.5" in text and re.search(r"bare epoll .* 12\b", text)
    text = shown(report.goals_table(canned))
    assert re.search(r"hello: CPU a request +6 +≥ 5.5 +reached", text)
    assert re.search(r"start: CPU +50 +≤ 45 ms +missed", text)
    assert re.search(r"start: memory +14 +≤ 15 MiB +reached", text)


def test_growth_tells_the_power_of_the_total() -> None:
    squared = {"sizes": [1, 2, 4, 8], "costs": [[1.0], [2.0], [4.0], [8.0]]}
    text = shown(growth.table({"growth": {"chunks": squared}}))
    assert re.search(r"8 +8 µs +2\.00", text)


def test_the_shares_of_the_layers_add_up_to_the_whole() -> None:
    ladder = {
        step.name: {"cpu": [float(at), at + 1.0], "kernel": [0.4, 0.4]}
        for at, step in enumerate(reasons.STEPS, 5)
    }
    top = len(reasons.STEPS)
    calls = {step.name: {"python": 2.0 * at, "c": at} for at, step in enumerate(reasons.STEPS)}
    found = {"ladder": ladder, "calls": calls, "syscalls": {"recvfrom": 1.0, "epoll_wait": 0.05}}
    text = shown(reasons.table({"reasons": found}))
    assert re.search(rf"sum of the medians +{top + 4.5:g} +100 +{2 * top - 2} \+ {top - 1}", text)
    assert re.search(rf"the real server +{top + 4.5:g} \[{top + 4}-{top + 5}\]", text)
    assert "kernel takes 40 %" in text and "1 recvfrom, 0.05 epoll_wait" in text
    titles = [step.layer for step in reasons.STEPS]
    narrow = shown(reasons.table({"reasons": found}), 80).partition("sum of")[0].splitlines()[4:]
    assert len(narrow) > 2 * len(titles)  # what is wrapped goes on indented, below its title
    assert [re.split("  +", line.strip())[0] for line in narrow if line[2:3].strip()] == titles


def test_the_largest_share_is_told_with_the_machine_that_it_was_measured_on(
    canned: dict[str, Any],
) -> None:
    # Of nine rows, the sixth adds most; the others have higher figures, and add less.
    added = [2.0, 1.0, 1.0, 1.0, 1.0, 10.0, 1.0, 1.0, 2.0]
    sums = itertools.accumulate(added)
    ladder = {
        step.name: {"cpu": [total, total]} for step, total in zip(reasons.STEPS, sums, strict=True)
    }
    told = reasons.sentence({**canned, "reasons": {"ladder": ladder}})
    assert told == (
        f"The largest share: {reasons.STEPS[5].layer}, 50 %. "
        "Measured with CPython 3.11, on 2 cores of a CPU."
    )


@pytest.fixture
def played(canned: dict[str, Any]) -> dict[str, Any]:
    """Tricks that take half, and a collector that makes no difference but noise."""
    peers = {peer.name: figures([10.0, 40.0]) for peer in tricks.peers()}
    peers[OURS] = figures([20.0, 80.0])
    peers["no-collector"] = figures([16.0, 100.0])
    calls = {name: {"python": 50.0, "c": 38.9} for name in peers}
    calls[OURS] = {"python": 60.0, "c": 40.2}
    calls["no-collector"] = {"python": 60.0, "c": 40.1}
    return {**canned, "tricks": {"peers": peers, "calls": calls}}


def test_tricks_are_set_against_the_stack_as_it_is_round_by_round(played: dict[str, Any]) -> None:
    text = shown(tricks.table(played), 80)
    assert re.search(r"minitornado as it is +50 +1 +100 *\n", text)
    assert re.search(r"no asserts +25 +2 +-11 *\n", text)
    assert re.search(r"no garbage collector +58 +1.02 \[0.8-1.25\] +0 *\n", text)
    assert re.search(r"all of them together +25 +2 +-11 *\n", text)
    words = " ".join(text.split())
    for trick in tricks.TRICKS:  # each has both its sentences, and all of them
        assert f"{trick.does} Why not: {trick.left_out}" in words
        assert all(re.fullmatch(r"[^…]+\.", told) for told in (trick.does, trick.left_out))
    section = readme.section(played)
    assert "| no garbage collector | 1.02 (0.8 to 1.25) | It is the program's to say," in section


# ---- the load ----

WRK = """\
Running 1s test @ http://127.0.0.1:1
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.08ms  309.16us   9.07ms   93.57%
  Latency Distribution
     50%    2.02ms
     99%  {slowest}
  {requests} requests in 1.10s, 3.75MB read
{trouble}Requests/sec:  30659.98
"""


@pytest.mark.parametrize(
    ("slowest", "milliseconds"), [("3.10ms", 3.1), ("950.00us", 0.95), ("1.20s", 1200.0)]
)
def test_what_wrk_prints_is_understood(slowest: str, milliseconds: float) -> None:
    told = parse_wrk(WRK.format(slowest=slowest, requests=33731, trouble=""))
    assert told == Hammered(33731, 30659.98, pytest.approx(milliseconds))


@pytest.mark.parametrize(
    "trouble",
    [
        "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
        "  Non-2xx or 3xx responses: 12\n",
    ],
)
def test_trouble_that_wrk_tells_of_is_a_wrong_answer(trouble: str) -> None:
    with pytest.raises(WrongAnswer, match=re.escape(trouble.strip())):
        parse_wrk(WRK.format(slowest="1ms", requests=1, trouble=trouble))


def test_anything_else_that_wrk_prints_is_a_complaint() -> None:
    with pytest.raises(Complaint, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1:1 Connection refused\n")


def bench(name: str = OURS, **more: Any) -> Bench:
    return Bench(PEERS[name], sys.executable, Cores(), find_wrk(), **more)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with bench().server() as server:
        yield server.port


def test_answers_are_looked_at(port: int) -> None:
    check(port, get())
    check(port, get(fields="Connection: close\r\n", keep_alive=False))
    check(port, Ask(get().data * 16, times=16))
    check(port, post("/echo", b"abc", b"abc", chunk=2))
    for wrong, why in [
        (get(body=b"hello World"), "body"),
        (get(body=b"hello"), "200 OK"),
        (get("/nothing"), "500"),
        (get(fields="Connection: close\r\n"), "closes"),
    ]:
        with pytest.raises(WrongAnswer, match=why):
            check(port, wrong)


def test_a_connection_that_is_kept_against_the_ask_is_a_wrong_answer(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minitornado.benchmark.load.ANSWER_SECONDS", 0.2)
    with pytest.raises(WrongAnswer, match="keeps"):
        check(port, get(keep_alive=False))


@pytest.mark.skipif(find_wrk() is None, reason="no wrk on this machine")
def test_wrk_asks_for_the_bytes_it_is_given(port: int) -> None:
    wrk = find_wrk()
    assert wrk is not None
    told = run_wrk(wrk, port, post("/echo", bytes(range(256)), bytes(range(256))), 1, 2)
    assert told.requests > 10 and told.rate > 0


# ---- each kind of driver, once, with what is small ----

SMALL_BODY = post("/count", bytes(20_000), b"20000", chunk=1000)


@pytest.fixture
def no_wrk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five requests in the place of wrk's second."""

    def hammer(self: Bench, server: Any, ask: Ask, connections: int = 64) -> dict[str, float]:
        with Client(server.port) as client:
            for _ in range(5):
                client.ask(ask)
        return {"cpu": 1.0, "rate": 5.0, "p99": 1.0}

    monkeypatch.setattr(Bench, "hammer", hammer)
    monkeypatch.setattr(workloads, "WARM_UP", 16)


@pytest.mark.usefixtures("no_wrk")
@pytest.mark.parametrize("name", ["pipelined", "idle", "start", "timers", "callbacks"])
def test_a_workload_yields_all_its_figures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PEERS[OURS].__class__, "with_arguments", lambda self, *_: self)
    work = WORKLOADS[name]
    measure = work.measure
    if name in ("timers", "callbacks"):
        measure = workloads._loop(name, "1000")
    measured = measure(bench(idle=10))
    assert set(measured) >= {figure.key for figure in work.figures}
    assert all(value > 0 for key, value in measured.items() if key not in ("each", "bytes"))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_body_is_measured_with_a_callback_and_with_a_delegate(
    streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workloads, "BODIES", 2)
    measured = workloads._bodies(SMALL_BODY, *(["streamed"] if streamed else []))(bench())
    assert measured["cpu"] > 0 and measured["faults"] >= 0


@pytest.mark.parametrize("name", list(growth.GROWTHS))
def test_growth_can_be_measured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for constant, value in (("REQUESTS", 4), ("WARM_UP", 2), ("BUSY_SECONDS", 0.0)):
        monkeypatch.setattr(growth, constant, value)
    assert growth.GROWTHS[name].measure(bench(), 128) >= 0


@pytest.mark.parametrize("step", [step.name for step in reasons.STEPS])
def test_every_step_of_the_ladder_is_a_server(step: str) -> None:
    (peer,) = (peer for peer in reasons.peers() if peer.name == step)
    with serving(peer.command(sys.executable), Cores().server) as server:
        check(server.port, get())


# ---- the tricks that were left out ----


GET = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CONVERSATIONS = [
    GET * 40 + LAST,
    b"HEAD" + GET[3:] + GET.replace(b"/hello", b"/nothing") + LAST,
    post("/echo", b"abc", b"").data + GET + post("/echo", b"abc", b"", chunk=2).data + LAST,
    b"\r\nGET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /hello HTTP/1.0\r\n\r\n",
    GET + b"GET /hello HTTP/1.1\r\n\r\n",
    GET + b"GET /hello HTTP/1.1\nHost: a\n\n",
    GET.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"),
]


def answers(port: int, data: bytes) -> bytes:
    """All that comes back, but for the dates."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(data)
        with client.makefile("rb") as file:
            return re.sub(rb"Date: [^\r]*", b"Date:", file.read())


@pytest.mark.parametrize("peer", tricks.peers()[1:], ids=lambda peer: peer.name)
def test_a_server_with_tricks_answers_as_one_without(peer: Peer, port: int) -> None:
    with serving(peer.command(sys.executable), Cores().server) as server:
        check(server.port, get())
        for data in CONVERSATIONS:
            assert answers(server.port, data) == answers(port, data) != b""
        words = Path(f"/proc/{server.pid}/cmdline").read_bytes().split(b"\0")
        assert (b"-O" in words) == (peer.name in ("no-asserts", "together"))


PLAYED = runpy.run_path(str(PROGRAMS / "tricks.py"))["TRICKS"]
OK = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")


def two_requests() -> list[Any]:
    """Two on one connection, the second asked when the first is answered; their connections."""
    seen: list[Any] = []

    def hello(request: Any) -> None:
        seen.append(request.connection)
        fields = httputil.HTTPHeaders({"Content-Length": "5"})
        request.connection.write_headers(OK, fields, b"hello")
        request.connection.finish()

    async def ask() -> None:
        client: Any = IOStream(socket.create_connection(sockets[0].getsockname()))
        for _ in range(2):
            await client.write(GET)
            assert (await client.read_until(b"hello")).startswith(b"HTTP/1.1 200 OK\r\n")
        client.close()
        await server.close_all_connections()

    loop = IOLoop(make_current=False)
    server = HTTPServer(hello, io_loop=loop)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        loop.run_sync(ask, timeout=60)
    finally:
        loop.close(all_fds=True)
    return seen


@pytest.mark.parametrize(
    ("trick", "replaced", "times"),
    [
        ("head-by-bytes", "parse_head", 2),
        ("answer-by-fields", "_format_head", 2),
        ("resumed-at-once", "add_future", 2),
        ("exchange-reused", "HTTP1Connection", 2),
        ("callbacks-alone", "start_serving", 1),
    ],
)
def test_what_a_trick_replaces_is_what_the_stack_calls(
    trick: str, replaced: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: Counter[str] = Counter()

    def put(owner: Any, name: str, new: Any) -> None:
        def counting(*args: Any, **kwargs: Any) -> Any:
            called[name] += 1
            return new(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)

    PLAYED[trick](put)
    first, second = two_requests()
    assert called[replaced] >= times
    # Why it is left out: what writes too late, writes to the next one who asks.
    assert (first is second) == (trick == "exchange-reused")


def test_what_is_kept_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two equal requests within a second, the second is neither parsed nor formatted."""
    made = Counter[str]()

    def count(owner: Any, name: str) -> None:
        make = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args: (made.update([name]), make(*args))[1])

    count(http1parser, "parse_head")
    count(HTTP1Connection, "_format_head")
    monkeypatch.setattr(time, "time", lambda: 1e9)
    two_requests()
    assert made == {"parse_head": 2, "_format_head": 2}
    made.clear()
    for trick in ("head-by-bytes", "answer-by-fields"):
        PLAYED[trick](monkeypatch.setattr)
    two_requests()
    assert made == {"parse_head": 1, "_format_head": 1}


def test_no_coroutine_reads_a_request_that_callbacks_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read, read_response = [], HTTP1Connection.read_response

    async def counted(self: HTTP1Connection, delegate: Any) -> bool:
        keep_alive = await read_response(self, delegate)
        read.append(self)
        return keep_alive

    monkeypatch.setattr(HTTP1Connection, "read_response", counted)
    assert read == two_requests()
    read.clear()
    PLAYED["callbacks-alone"](monkeypatch.setattr)
    assert len(two_requests()) == 2 and not read


@pytest.mark.parametrize("at_once", [False, True])
def test_a_coroutine_resumed_at_once_goes_on_within_set_result(
    at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if at_once:
        PLAYED["resumed-at-once"](monkeypatch.setattr)
    future: Future[None] = Future()
    order = []

    async def waits() -> None:
        await future
        order.append("goes on")

    async def run() -> None:
        waiting = gen.convert_yielded(waits())
        future.set_result(None)
        order.append("set_result has returned")
        await waiting

    loop = IOLoop(make_current=False)
    loop.run_sync(run, timeout=60)
    loop.close()
    expected = ["goes on", "set_result has returned"]
    assert order == (expected if at_once else expected[::-1])


def test_without_a_collector_none_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "disable", lambda: off.append(True))
    off: list[bool] = []
    PLAYED["no-collector"](monkeypatch.setattr)
    assert off == [True]


@pytest.mark.usefixtures("no_wrk")
def test_tricks_are_measured_and_counted_beside_the_stack_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tricks, "TRICKS", tricks.TRICKS[:1])
    steps: list[str] = []
    session = Session(sys.executable, Cores(), None, rounds=1, idle=1, step=steps.append)
    found = session.tricks()
    names = [OURS, "head-by-bytes", "together"]
    assert len(steps) == len(tricks.peers()) == 3  # what the progress bar counts
    assert list(found["peers"]) == list(found["calls"]) == names
    assert [it["cpu"] for it in found["peers"].values()] == [[1.0]] * 3
    plain, cached, together = (it["python"] + it["c"] for it in found["calls"].values())
    assert cached == pytest.approx(together, abs=0.5)  # the date is written once a second
    assert cached < plain - 1
    assert all(more.startswith("-") for _, _, more in tricks.rows({"tricks": found}))


def test_rounds_are_interleaved_and_their_figures_kept_in_order() -> None:
    asked = []

    def measure(bench: Bench) -> dict[str, float]:
        asked.append(bench.peer.name)
        return {"cpu": len(asked)}

    work = workloads.Workload("x", "x", (), measure, ("a", "b"))
    peers = [Peer(name, name, ()) for name in "abc"]
    session = Session(sys.executable, Cores(), None, rounds=2, idle=1)
    assert session.workload(work, peers) == {"a": {"cpu": [1, 3]}, "b": {"cpu": [2, 4]}}
    assert asked == ["a", "b", "a", "b"]  # and not c, which can't do it


def test_the_servers_python_is_not_told_what_ours_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    given = environment()
    assert [name for name in given if name.startswith("PYTHON")] == ["PYTHONPATH"]
    assert given["PATH"] == os.environ["PATH"]


def test_each_peer_without_packages_answers_as_the_workloads_need_it() -> None:
    for name in ("asyncio", "epoll"):
        with bench(name).server() as server:
            check(server.port, get())
            check(server.port, get(fields="Connection: close\r\n", keep_alive=False))
            check(server.port, Ask(get().data * 16, times=16))
            check(server.port, post("/echo", b"x" * 1024, b"x" * 1024))
            check(server.port, post("/count", bytes(100_000), b"100000"))


# ---- nothing is left behind ----


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.01)
    return False


def test_a_server_is_ended_whatever_happens() -> None:
    with contextlib.suppress(KeyboardInterrupt), bench().server() as server:
        assert server.cpu() > 0
        raise KeyboardInterrupt
    assert gone(server.pid)


def test_a_server_does_not_outlive_a_benchmark_that_is_killed() -> None:
    code = (
        "import sys, time; from minitornado.benchmark.measure import serving\n"
        f"with serving([sys.executable, {str(PROGRAMS / 'epoll_server.py')!r}], 0) as server:\n"
        "    print(server.pid, flush=True); time.sleep(30)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as us:
        assert us.stdout is not None
        pid = int(us.stdout.readline())
        us.kill()
    assert gone(pid)


def test_a_server_that_does_not_start_is_a_complaint_with_its_reason() -> None:
    with (
        pytest.raises(Complaint, match=r"ladder\.py does not start: KeyError: 'nothing'"),
        serving([sys.executable, str(PROGRAMS / "ladder.py"), "nothing"], Cores().server),
    ):
        raise AssertionError("it has started")


def test_a_server_that_ends_while_it_is_measured_is_a_complaint() -> None:
    command = [sys.executable, str(PROGRAMS / "epoll_server.py")]
    with (
        pytest.raises(Complaint, match=r"epoll_server\.py has ended: ValueError: invalid"),
        serving(command, Cores().server) as server,
    ):
        with Client(server.port) as client:
            client.socket.sendall(b"POST / HTTP/1.1\r\nContent-Length: nonsense\r\n\r\n")
            assert client.ended()
        while True:
            server.resident()


def test_ctrl_c_ends_it_without_a_word_and_without_a_server() -> None:
    command = [*COMMAND, "--workloads", "start", "--peers", OURS, "--rounds", "500"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as us:
        children = Path(f"/proc/{us.pid}/task/{us.pid}/children")
        while not (pids := children.read_text().split()):
            time.sleep(0.01)
        time.sleep(0.1)
        us.send_signal(signal.SIGINT)
        out, err = us.communicate(timeout=60)
    assert (us.returncode, out, err) == (130, b"", b"")
    assert all(gone(int(pid)) for pid in pids)


def test_ctrl_c_in_the_moment_of_a_fork_is_not_forgotten() -> None:
    # Struck where Python would report what is raised, and go on.
    code = (
        "import os, signal, sys; from minitornado.benchmark.measure import serving\n"
        "os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "try:\n"
        f"    with serving([sys.executable, {str(PROGRAMS / 'epoll_server.py')!r}], 0):\n"
        "        print('served')\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_files_may_be_opened_by_the_thousand_and_the_limit_is_put_back() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with many_fds(400) as fds:
            assert fds == 400 == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        with many_fds(100) as fds:  # nothing to do
            assert fds == 200 == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (200, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_fewer_files_are_allowed_where_the_limit_can_t_be_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def setrlimit(_what: int, limits: tuple[int, int]) -> None:
        if limits[1] > 300:
            raise ValueError("not allowed to raise maximum limit")
        asked.append(limits)

    monkeypatch.setattr(resource, "getrlimit", lambda _what: (100, 300))
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    with many_fds(400) as fds:
        assert (fds, asked) == (300, [(300, 300)])
    assert asked == [(300, 300), (100, 300)]


# ---- the command ----


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_it_measures_prints_and_writes(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    done = run("--quick", "--workloads", "start,hello", "--peers", OURS, "--output", str(output),
               PATH="/nowhere")  # fmt: skip
    assert done.returncode == 0
    # wrk can't be found: said in a sentence, and the rest is measured.
    assert "wrk is not installed" in done.stderr and "left out: hello" in done.stderr
    assert "from nothing to the first answer" in done.stdout and f"{output}" in done.stdout
    found = json.loads(output.read_text())
    assert list(found["workloads"]) == ["start"]
    assert len(found["workloads"]["start"][OURS]["cpu"]) == found["settings"]["rounds"] == 2
    assert found["machine"]["python"].startswith("CPython 3.")
    assert "from nothing" in run("--show", str(output)).stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--workloads", "hallo"], 2, "no workload is called 'hallo'; there are hello, headers"),
        (["--peers", "nginx"], 2, "no peer is called 'nginx'; there are minitornado, tornado"),
        (["--rounds", "0"], 2, "rounds are a number from 1 to 999, not '0'"),
        (["--show", "/nowhere/x"], 2, "minitornado: can't read /nowhere/x: "),
        (["--show", "README.md"], 2, "minitornado: README.md holds no results: "),
    ],
)
def test_misuse_gets_a_sentence(
    words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["benchmark", *words]) == status
    assert said in capsys.readouterr().err


def test_it_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["benchmark", "--list"]) == 0
    out = capsys.readouterr().out
    for name in (*WORKLOADS, *PEERS, *PLAYED):
        assert name in out
    assert list(PLAYED) == [trick.name for trick in tricks.TRICKS]


def test_every_package_of_a_peer_has_a_version() -> None:
    assert {package for peer in PEERS.values() for package in peer.packages} == set(PINS)
    for peer in PEERS.values():
        assert (PROGRAMS / peer.program[0]).exists()


# ---- the picture, and the README ----


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    return results.load()


def test_the_committed_results_are_complete(committed: dict[str, Any]) -> None:
    assert committed["versions"] == PINS
    assert list(committed["workloads"]) == list(WORKLOADS)
    rounds = committed["settings"]["rounds"]
    for name, work in WORKLOADS.items():
        assert list(committed["workloads"][name]) == [p for p in PEERS if p in work.peers]
        for figures in committed["workloads"][name].values():
            for figure in work.figures:
                assert len(figures[figure.key]) == min(rounds, work.most_rounds)
    assert list(committed["reasons"]["ladder"]) == [step.name for step in reasons.STEPS]
    played = {peer.name for peer in tricks.peers()}
    assert set(committed["tricks"]["peers"]) == set(committed["tricks"]["calls"]) == played
    assert all(len(it["cpu"]) == rounds for it in committed["tricks"]["peers"].values())
    for name, row in growth.GROWTHS.items():
        assert committed["growth"][name]["sizes"] == list(row.sizes)
    assert shown(report.goals_table(committed)).count("\n") > len(WORKLOADS)


def test_the_readme_shows_the_committed_results(committed: dict[str, Any]) -> None:
    text = (ROOT / "README.md").read_text()
    assert readme.section(committed) in text
    assert (ROOT / readme.PICTURE).read_text() == picture.draw(committed)
    found = results.ratio(committed, "hello", OURS, "cpu")
    assert found is not None and f"**{report.number(found.median)}**" in text


def test_the_picture_tells_peers_apart_without_colour(canned: dict[str, Any]) -> None:
    drawn = ET.fromstring(picture.draw(canned))
    assert len({mark.path for mark in picture.MARKS.values()}) == len(picture.MARKS)
    assert set(picture.MARKS) == set(PEERS) - {"tornado"}
    colours = {node.get(key) for node in drawn.iter() for key in ("stroke", "fill")}
    assert colours - {None, "none"} <= set(PALETTE.values())  # readable on light and on dark
    texts = [node.text for node in drawn.iter("{http://www.w3.org/2000/svg}text")]
    for label in ("hello, keep-alive, 64 connections", "Tornado: 1", "goal", "6"):
        assert label in texts
    titles = [node.text for node in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert "minitornado: 6 [6-6]" in titles


def test_the_ratio_s_mark_stands_where_the_scale_says(canned: dict[str, Any]) -> None:
    place = picture._scale([results.Spread(6.0, 6.0, 6.0)])
    assert place(1) < place(2) < place(6) <= picture.WIDTH - picture.RIGHT
    assert place(2) - place(1) == pytest.approx(place(4) - place(2))  # logarithmic
