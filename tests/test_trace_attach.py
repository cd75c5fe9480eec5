"""A tracer that comes late, leaves early, or stays for days."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from trace_scenarios import SCRIPTS, app, causes, get, one

from minitornado import gen
from minitornado.httpserver import HTTPServer
from minitornado.ioloop import IOLoop
from minitornado.iostream import IOStream
from minitornado.netutil import bind_sockets
from minitornado.trace import Trace, Tracer, drive, tracing
from minitornado.trace.handles import Handle
from minitornado.trace.loops import _unwrapped

pytestmark = pytest.mark.deadline(120)


class Service:
    """A server that listens already, and a client of it, both on one loop."""

    def __init__(self) -> None:
        import socket

        self.loop = IOLoop(make_current=False)
        self.server = HTTPServer(app, io_loop=self.loop)
        sockets = bind_sockets(0, "127.0.0.1")
        self.server.add_sockets(sockets)
        self.address = sockets[0].getsockname()
        self.client = IOStream(socket.socket(), io_loop=self.loop)
        self.run(self.client.connect, self.address)
        self.ask()

    def run(self, func: Any, *args: Any) -> Any:
        return self.loop.run_sync(lambda: func(*args), timeout=60)

    def ask(self) -> None:
        async def ask() -> None:
            await self.client.write(get())
            await self.client.read_until(b"hello")
            await gen.sleep(0.001)  # the server goes back to waiting

        self.run(ask)

    def close(self) -> None:
        self.client.close()
        self.run(gen.sleep, 0.001)
        self.server.stop()
        self.loop.close()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def handles(loop: IOLoop) -> list[Any]:
    found = [handler for _fileobj, handler in loop._handlers.values()]
    found += [timeout.callback for _when, _count, timeout in loop._timeouts]
    return [function for function in found if _unwrapped(function) is not function]


def test_what_waits_in_a_loop_gets_handles_and_loses_them_again(service: Service) -> None:
    before = dict(service.loop._handlers)
    tracer = Tracer().start()
    try:
        tracer.attach(service.loop)
        assert len(handles(service.loop)) >= 3  # the waker, the listener, the connection
        tracer.attach(service.loop)  # once is enough
        inside = [handle.order.function for handle in handles(service.loop)]
        assert not any(isinstance(function, Handle) for function in inside)
    finally:
        tracer.stop()
    assert handles(service.loop) == []
    assert service.loop._handlers == before
    service.ask()


def test_requests_on_a_connection_that_was_there_have_their_causes(service: Service) -> None:
    with tracing() as trace:
        assert Tracer.active is not None
        Tracer.active.attach(service.loop)
        service.ask()
    assert trace.check() == []
    begin = next(iter(trace.filter(kind="begin", name="connection", conn="c1")))
    assert begin.data == {"attached": True}
    send = next(
        event for event in trace.filter(name="send")
        if any(above.name == "app" for above in trace.ancestors(event))
    )  # fmt: skip
    last = list(causes(trace, send))[-1]
    assert last.kind == "poll"
    runs = list(trace.filter(kind="run", name="BaseIOStream._handle_events"))
    assert {trace[run.link or 0].name for run in runs if run.conn} == {"Tracer.attach"}


def test_new_connections_begin_though_the_server_listened_before(service: Service) -> None:
    import socket

    async def other() -> None:
        client = IOStream(socket.socket(), io_loop=service.loop)
        await client.connect(service.address)
        await client.write(get())
        await client.read_until(b"hello")
        client.close()
        await gen.sleep(0.001)

    for _ in range(2):  # also after a first trace, whose wrappers the closure had captured
        with tracing() as trace:
            assert Tracer.active is not None
            Tracer.active.attach(service.loop)
            service.run(other)
        new = [
            event for event in trace.filter(kind="begin", name="connection")
            if "attached" not in event.data
        ]  # fmt: skip
        assert len(new) == 1
        conn = new[0].conn
        assert [call.req for call in trace.filter(kind="call", name="app")] == [f"{conn}r1"]
        assert trace.check() == []


def test_without_attach_a_listener_of_before_is_not_seen(service: Service) -> None:
    # Why `attach` is needed; a trace with such a hole is no whole trace, and says so.
    with tracing() as trace:
        service.ask()
    assert trace.check() != []


def test_attach_from_inside_a_running_loop(service: Service) -> None:
    async def main() -> None:
        tracer = Tracer().start()
        tracer.attach(service.loop)
        try:
            await service.client.write(get())
            await service.client.read_until(b"hello")
        finally:
            tracer.stop()
        traces.append(tracer.trace)

    traces: list[Trace] = []
    service.run(main)
    assert [event.name for event in traces[0].filter(kind="call", name="app")] == ["app"]
    assert traces[0].check() == []
    service.ask()


# ---- for days ----


def test_a_ring_keeps_the_last_events_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minitornado.trace.writer.RING_EVENTS", 500)
    monkeypatch.setattr("minitornado.trace.writer.RING_ENDED", 3)
    requests = [move for _ in range(20) for move in (("send", "k1", get()), ("recv", "k1"))]
    script = [("connect", "k1"), *requests, ("close", "k1")]
    for number in range(2, 30):
        name = f"k{number}"
        script += [
            ("connect", name), ("send", name, get()), ("recv", name), ("close", name)
        ]  # fmt: skip
    with tracing(ring=100) as trace:
        server = HTTPServer(app)
        drive(server, script)
        server.stop()
        assert server.io_loop is not None
        server.io_loop.close()
    assert trace.events[-1].seq > 4000
    assert len(trace) < 1000
    assert trace.connections()[-1] == "c29"
    assert "c1" not in trace.connections()
    seqs = [event.seq for event in trace]
    assert seqs == sorted(seqs)
    last = next(iter(trace.filter(kind="call", name="app", conn="c29")))
    assert next(event.kind for event in causes(trace, last)) == "schedule"


def test_a_ring_keeps_what_belongs_to_a_connection_that_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("minitornado.trace.writer.RING_EVENTS", 300)
    requests = [move for _ in range(20) for move in (("send", "k1", get()), ("recv", "k1"))]
    with tracing(ring=200) as trace:
        server = HTTPServer(app)
        drive(server, one(*requests))
        server.stop()
        assert server.io_loop is not None
        server.io_loop.close()
    assert [event.req for event in trace.filter(kind="call", name="app")][-1] == "c1r20"
    assert len(list(trace.filter(conn="c1"))) <= 200 + 300
    assert len(SCRIPTS) > 15
