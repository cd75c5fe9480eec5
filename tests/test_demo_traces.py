"""What a trace of each route obeys.

A module of its own: the server that the other tests of the demo share would be traced, too.
"""

from __future__ import annotations

import pytest
from test_demo import GOOD

from minitornado.cli import trace as command
from minitornado.trace import tracing

TRACED = [row[:3] for row in GOOD if row[2] is None or len(row[2]) < 10]


@pytest.mark.parametrize(
    ("method", "path", "body"), TRACED, ids=[f"{row[0]} {row[1]}" for row in TRACED]
)
def test_the_trace_of_every_route_obeys_its_laws(method: str, path: str, body: bytes | None):
    data = None if body is None else body.decode()
    with command.a_server() as server, tracing() as trace:
        client = command.ask(server, command.request_bytes(method, path, [], data))
    assert trace.check(sent=client.sent, received=client.received) == []
    assert client.answers["c1"].startswith(b"HTTP/1.1 ")
