"""Many clients at once: every request is attributed to the client that sent it, and to no other."""

from __future__ import annotations

import random

import pytest
from trace_scenarios import Script, answer, get, traced

from minitornado.httputil import HTTPServerRequest
from minitornado.ioloop import IOLoop

pytestmark = pytest.mark.deadline(120)

CLIENTS, REQUESTS = 25, 6


def application(request: HTTPServerRequest) -> None:
    """Answer later: the shorter the path's number, the later."""
    delay = 0.1 / int(request.path.rpartition("/")[2])
    IOLoop.current().call_later(delay, answer, request.connection, request.path.encode())


def interleaved() -> Script:
    """All clients at once, each request in three pieces, in an order that nobody would choose."""
    order = random.Random(7)
    names = [f"k{number}" for number in range(1, CLIENTS + 1)]
    script: Script = [("connect", name) for name in names]
    for number in range(1, REQUESTS + 1):
        pieces = {}
        for name in names:
            data = get(f"/{name}/{number}")
            pieces[name] = [data[:9], data[9:30], data[30:]]
        while pieces:
            name = order.choice(sorted(pieces))
            script.append(("send", name, pieces[name].pop(0)))
            if not pieces[name]:
                del pieces[name]
        script += [("recv", name) for name in order.sample(names, CLIENTS)]
    return script + [("close", name) for name in names]


def test_every_request_belongs_to_one_client() -> None:
    trace, driven = traced(application=application, script=interleaved())
    assert trace.check(driven.sent, driven.received, ended=True) == []
    found = {}
    for event in trace.filter(kind="call", name="_ServerRequestAdapter.headers_received"):
        path = event.data["args"]["start_line"].split()[1]
        found[path] = event.req
    expected = {
        f"/k{client}/{number}": f"c{client}r{number}"
        for client in range(1, CLIENTS + 1)
        for number in range(1, REQUESTS + 1)
    }
    assert found == expected
    # The answers were given by timers; each still knows for whom.
    answers = trace.filter(kind="run", name="answer")
    assert sorted(str(run.req) for run in answers) == sorted(expected.values())
    for run in answers:
        sent = [event for event in trace.children(run) if event.name.endswith("write_headers")]
        assert {event.req for event in sent} == {run.req}
    assert len(trace) > 10_000
