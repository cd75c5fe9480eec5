"""What tracing costs: CPU time of a keep-alive GET, without a trace and with each kind of one.

    python tests/trace_cost.py            off, chain, full and live, in microseconds a request

Server and client are in this process; only the turns of the server's loop are timed.  Of many
short rounds the least is shown: what else the machine does can only add.
"""

from __future__ import annotations

import gc
import io
import select
import socket
import sys
import time
from typing import Any

from trace_scenarios import answer, get

from minitornado.httpserver import HTTPServer
from minitornado.ioloop import IOLoop
from minitornado.netutil import bind_sockets
from minitornado.trace import Tracer, views

ROUNDS, REQUESTS = 200, 25


class Client(socket.socket):
    """A socket whose methods are those of C: probes on `socket.socket` do not see it."""

    send, recv = socket.SocketType.send, socket.SocketType.recv


def seconds_of_a_request(loop: IOLoop, client: Client) -> float:
    """Ask once; return the CPU time that the loop has taken to answer."""
    client.send(get())
    spent = 0.0
    while True:
        start = time.process_time()
        loop._wait()
        loop._work()
        spent += time.process_time() - start
        if select.select([client], [], [], 0.02)[0]:  # the answer takes its time on the loopback
            client.recv(65536)
            return spent


def measure(kind: str) -> tuple[float, float]:
    """Return CPU seconds and events a request; `kind` is "off", "chain", "full" or "live"."""
    loop = IOLoop()
    (listener,) = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(lambda request: answer(request.connection, b"hello"), io_loop=loop)
    server.add_sockets([listener])
    options: dict[str, Any] = {"level": "chain" if kind == "chain" else "full"}
    if kind == "live":
        options["sink"] = views.Live(file=io.StringIO(), width=100)
    tracer = Tracer(**options)
    if kind != "off":
        tracer.start().attach(loop)
    client = Client()
    client.connect(listener.getsockname())
    best, events = float("inf"), 0
    for _ in range(ROUNDS):
        events = len(tracer.trace)
        gc.collect()
        gc.disable()
        spent = sum(seconds_of_a_request(loop, client) for _ in range(REQUESTS))
        gc.enable()
        best = min(best, spent / REQUESTS)
        events = len(tracer.trace) - events
        tracer.trace.restart()
    if kind != "off":
        tracer.stop()
    client.close()
    server.stop()
    loop.close(all_fds=True)
    return best, events / REQUESTS


if __name__ == "__main__":
    for kind in sys.argv[1:] or ["off", "chain", "full", "live"]:
        seconds, events = measure(kind)
        print(f"{kind:6} {seconds * 1e6:7.1f} us a request, {events:.0f} events")
