"""The same program has the same trace: in every process, with every hash seed, with threads.

Promised: the canonical form is the same, byte by byte.  Only times are left out of it.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future as ThreadFuture

import pytest
from trace_scenarios import DELEGATE, SCRIPTS, Application, answer, app, get, one, traced

from minitornado.httpserver import HTTPServer
from minitornado.httputil import HTTPServerRequest
from minitornado.trace import Trace, drive, tracing
from minitornado.trace.events import Event

pytestmark = pytest.mark.deadline(120)

PROCESSES = 6


def digests() -> str:
    """Return a digest of the canonical form of every scenario."""
    traces = {name: traced(name)[0] for name in SCRIPTS}
    traces["delegate"] = traced("delegate", Application(), DELEGATE)[0]
    lines = (
        f"{name}: {hashlib.sha256(trace.canonical().encode()).hexdigest()}"
        for name, trace in traces.items()
    )
    return "\n".join(lines)


def test_fresh_processes_with_other_hash_seeds_have_the_same_traces() -> None:
    path = os.pathsep.join(sys.path)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", "import logging; logging.disable();"
             "import test_trace_repeatable as t; print(t.digests())"],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": path},
            stdout=subprocess.PIPE, text=True,
        )
        for seed in range(PROCESSES)
    ]  # fmt: skip
    outputs = [child.communicate(timeout=100)[0] for child in children]
    assert [child.returncode for child in children] == [0] * PROCESSES
    assert outputs[0].count("\n") == len(SCRIPTS) + 1
    assert set(outputs) == {outputs[0]}


def test_a_trace_is_the_same_as_fast_or_slow_as_the_machine_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import time

    expected = traced("later")[0].canonical()
    stops = iter(range(10_000))

    def slow_sink(event: Event) -> None:
        if next(stops) % 10 == 0:
            time.sleep(0.002)

    assert traced("later", sink=slow_sink)[0].canonical() == expected


def test_who_is_ready_is_served_in_the_order_of_coming_whatever_the_numbers_of_the_fds() -> None:
    server, clients = HTTPServer(app), []

    # For the second client's socket, and for the server's end of it, when they are closed.
    holes = [os.open(os.devnull, os.O_RDONLY) for _ in range(2)]

    def connect() -> None:
        (listener,) = server._sockets.values()
        clients.append(socket.create_connection(listener.getsockname()))

    def connect_lower() -> None:
        for hole in holes:
            os.close(hole)
        connect()

    def ask() -> None:
        for client in clients:
            client.sendall(get())

    with tracing() as trace:
        drive(server, [("meanwhile", move) for move in (connect, connect_lower, ask)])
    fds = {connection.stream.socket.fileno() for connection in server._connections}
    for client in clients:
        client.close()
    assert server.io_loop is not None
    server.io_loop.close(all_fds=True)
    assert len(fds) == 2 and min(fds) in holes and max(fds) not in holes
    asked = [event.conn for event in trace if event.name == "recv" and event.data.get("bytes")]
    assert asked == ["c1", "c2"]


# ---- threads ----


def threaded() -> Trace:
    """A request that is answered with what another thread has worked out."""
    release, done = threading.Event(), threading.Event()

    def application(request: HTTPServerRequest) -> None:
        future: ThreadFuture[bytes] = ThreadFuture()

        def work() -> None:
            release.wait(60)
            loop.add_callback(answer, request.connection, b"half")
            future.set_result(b"done")
            done.set()

        loop = request.connection.stream.io_loop
        loop.add_future(future, lambda future: None)
        threading.Thread(target=work).start()

    def work_meanwhile() -> None:
        release.set()
        assert done.wait(60)

    script = one(("send", "k1", get()), ("meanwhile", work_meanwhile), ("recv", "k1"))
    return traced(application=application, script=script)[0]


def test_with_threads_the_canonical_order_is_the_programs() -> None:
    forms = set()
    for _ in range(20):
        trace = threaded()
        assert trace.check() == []
        assert {event.lane for event in trace} == {"loop", "thread-1"}
        forms.add(trace.canonical())
    assert len(forms) == 1


def test_who_asks_for_the_canonical_form_changes_nothing() -> None:
    trace = threaded()
    before = [event.to_dict() | {"data": dict(event.data)} for event in trace]
    assert trace.canonical()
    assert [event.to_dict() | {"data": event.data} for event in trace] == before


def test_canonical_order_does_not_depend_on_who_was_faster() -> None:
    # Two threads, each with two events, the second of which waits for the other's first.
    def events(order: str) -> Trace:
        at: dict[str, Event] = {}
        for seq, name in enumerate(order.split(), 1):
            cause = {"b2": "a1", "a2": "b1"}.get(name)
            at[name] = Event(
                seq, "note", name, lane=f"thread-{name[0]}", t=seq * 17,
                cause=None if cause is None else at[cause].seq, data={"handle": seq},
            )  # fmt: skip
        return Trace(at.values())

    orders = ("a1 b1 a2 b2", "b1 a1 b2 a2", "a1 b1 b2 a2", "b1 a1 a2 b2")
    assert len({events(order).canonical() for order in orders}) == 1
