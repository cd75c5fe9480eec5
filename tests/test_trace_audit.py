"""The audit: Python itself counts every call, and the trace must have told of each.

And the test of the test: a table from which a probe was taken is found out, for every probe.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import importlib
import logging
import sys
from collections.abc import Iterator

import pytest
from tls import Certificates
from trace_programs import PROGRAMS, tls
from trace_routes import requests, with_options
from trace_scenarios import DELEGATE, SCRIPTS, Application, app, audited, play

from minitornado.demo.application import application
from minitornado.httpserver import HTTPServer
from minitornado.trace import Trace, drive, tracing
from minitornado.trace.audit import OUTSIDE, auditing
from minitornado.trace.exempt import patterns
from minitornado.trace.probes import Receives, Row, Table
from minitornado.trace.tables import MINITORNADO

EXEMPT = MINITORNADO.exempt

pytestmark = pytest.mark.deadline(120)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Programs that fail on purpose are logged by the stack; nobody wants to see it."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def audit(name: str, table: Table = MINITORNADO) -> tuple[Trace, list[str], set[tuple[str, str]]]:
    """Run a scenario or a program; return its trace, what is wrong, and what was called."""
    with tracing(table=table) as trace, auditing() as auditor:
        if name in PROGRAMS:
            PROGRAMS[name]()
        elif name == "delegate":
            play(name, Application(), DELEGATE)
        else:
            play(name, app, None)
    found = auditor.unexplained(trace) + trace.check(ended=True)
    return trace, found, set(auditor.calls)


ALL = [*SCRIPTS, "delegate", *PROGRAMS]


@pytest.mark.parametrize("name", ALL)
def test_every_call_is_traced_or_exempt(name: str) -> None:
    _trace, found, _calls = audit(name)
    assert found == []


def test_tls_is_traced_to_the_last_call(certificates: Certificates) -> None:
    with tracing() as trace, auditing() as auditor:
        tls(certificates.server_context(), certificates.client_context())
    assert auditor.unexplained(trace) == []
    assert trace.check(ended=True) == []
    assert {"ssl_do_handshake", "ssl_read", "ssl_write"} <= {event.name for event in trace}


def test_the_auditor_sees_what_it_must_see() -> None:
    # An auditor that counts nothing finds nothing.
    _trace, _driven, unexplained = audited("get")
    assert unexplained == []
    with tracing() as trace, auditing() as auditor:
        play("get", app, None)
    assert auditor.calls["minitornado.ioloop", "IOLoop.add_callback"] >= 2
    assert auditor.calls["minitornado.http1connection", "HTTP1Connection.read_response"] >= 2
    assert auditor.calls["socket", "socket.recv"] == len(list(trace.filter(name="recv")))
    assert sum(auditor.calls.values()) > 400


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring: from Python 3.12 on")
@pytest.mark.parametrize("name", ["two", "chunked", "slow", "delegate", "boom"])
def test_monitoring_and_setprofile_count_the_same(name: str) -> None:
    audit(name)  # fills the caches of parsed lines: a call that is saved is not counted
    rows = tuple(row for row in MINITORNADO.rows if not row.path.endswith("_read_to_buffer"))
    verdicts = []
    for monitoring in (False, True):
        table = dataclasses.replace(MINITORNADO, rows=rows)
        with tracing(table=table) as trace, auditing(monitoring=monitoring) as auditor:
            play(name, *((Application(), DELEGATE) if name == "delegate" else (app, None)))
        calls = {key: number for key, number in auditor.calls.items() if key[1] != "_date_line"}
        calls.pop(("minitornado.httputil", "format_timestamp"), None)  # once a second
        verdicts.append((calls, auditor.unexplained(trace)))
    assert verdicts[0] == verdicts[1]
    assert len(verdicts[0][1]) == 1 and "_read_to_buffer was called" in verdicts[0][1][0]


def test_every_exemption_is_for_a_function_that_exists_and_has_no_probe() -> None:
    unused = [
        pattern
        for pattern, reason in patterns()
        if not any(EXEMPT[path] == reason for path in fnmatch.filter(EXEMPT, pattern))
    ]
    assert unused == []
    assert not {row.path for row in MINITORNADO.rows} & set(EXEMPT)


def test_the_auditors_list_of_calls_outside_and_the_probes_agree() -> None:
    # Two lists on purpose: a probe that is taken out of the table is missed here.
    rows = {(row.module, row.attribute) for row in MINITORNADO.rows}
    assert {row for row in rows if row[0].partition(".")[0] != MINITORNADO.package} == OUTSIDE


def test_whole_modules_are_exempt_only_where_no_stream_and_no_loop_is_known() -> None:
    for module in [how.removesuffix(":*") for how, _ in patterns() if how.endswith(":*")]:
        names = set(vars(importlib.import_module(module)))
        assert not names & {"socket", "ioloop", "IOLoop", "iostream", "IOStream", "gen"}


def test_a_call_without_probe_and_exemption_is_found() -> None:
    name = "minitornado.iostream:BaseIOStream.closed"
    exempt = {path: reason for path, reason in EXEMPT.items() if path != name}
    _trace, found, _calls = audit("get", dataclasses.replace(MINITORNADO, exempt=exempt))
    assert any(text.startswith(f"{name} was called") for text in found)


# ---- the demo ----

DEMO = {name: (data, {}) for name, data in requests().items()} | with_options()


@pytest.mark.parametrize("name", DEMO)
def test_every_request_to_the_demo_is_traced_to_the_last_call(name: str) -> None:
    data, options = DEMO[name]
    server = HTTPServer(application, **options)
    with tracing() as trace, auditing() as auditor:
        client = drive(
            server, [("connect", "k1"), ("send", "k1", data), ("recv", "k1"), ("close", "k1")]
        )
    server.stop()
    assert server.io_loop is not None
    server.io_loop.close(all_fds=True)
    assert client.answers["c1"].startswith(b"HTTP/1.1 ")
    assert auditor.unexplained(trace) == []
    assert trace.check(client.sent, client.received) == []


def test_a_comprehension_is_explained_by_the_function_around_it_and_by_no_other() -> None:
    name = "minitornado.httputil:HTTPHeaders.format_lines"
    exempt = {path: reason for path, reason in EXEMPT.items() if path != name}
    _trace, found, calls = audit("get", dataclasses.replace(MINITORNADO, exempt=exempt))
    inner = [":".join(key) for key in calls if ":".join(key).startswith(name + ".<")]
    assert len(inner) == (sys.version_info < (3, 12))
    assert {text.partition(" was")[0] for text in found} == {name, *inner}


# ---- the test of the test ----


@pytest.fixture(scope="module")
def calls() -> dict[str, set[tuple[str, str]]]:
    """What each scenario calls; those that are over soonest come first."""
    logging.disable()
    runs = {name: audit(name) for name in ALL}
    logging.disable(logging.NOTSET)
    return {name: runs[name][2] for name in sorted(ALL, key=lambda name: len(runs[name][0]))}


# Rows whose function goes by another name, or is no function.
CALLED_AS = {
    "minitornado.ioloop:IOLoop.add_callback_from_signal": "callbacks",
    "minitornado.ioloop:IOLoop.spawn_callback": "callbacks",
    "minitornado.httpserver:HTTPServer.request_callback": "get",
}

# On other kernels only; and what is no function of the program's, but the scripted client's.
ELSEWHERE = {
    row.path for row in MINITORNADO.rows if "Kqueue" in row.path or "DrivenPoller" in row.path
}

TLS = {row.path for row in MINITORNADO.rows if "ssl" in row.module}


def scenario_for(row: Row, calls: dict[str, set[tuple[str, str]]]) -> str:
    if row.path in CALLED_AS:
        return CALLED_AS[row.path]
    for name, called in calls.items():
        if (row.module, row.attribute) in called:
            return name
    pytest.fail(f"no scenario calls {row.path}")


@pytest.mark.parametrize(
    "row", [row for row in MINITORNADO.rows if row.path not in ELSEWHERE | TLS],
    ids=lambda row: row.path,
)  # fmt: skip
def test_a_probe_that_is_left_out_is_missed(
    row: Row, calls: dict[str, set[tuple[str, str]]]
) -> None:
    rows = tuple(other for other in MINITORNADO.rows if other is not row)
    _trace, found, _calls = audit(
        scenario_for(row, calls), dataclasses.replace(MINITORNADO, rows=rows)
    )
    # The application's probe is missed by the law that a dispatch calls it; others by the count.
    assert found, row.path
    if not isinstance(row, Receives):
        assert any("has no probe" in text or "traced" in text for text in found)


@pytest.mark.parametrize(
    "row", [row for row in MINITORNADO.rows if row.path in TLS], ids=lambda row: row.path
)
def test_a_probe_of_tls_that_is_left_out_is_missed(row: Row, certificates: Certificates) -> None:
    rows = tuple(other for other in MINITORNADO.rows if other is not row)
    table = dataclasses.replace(MINITORNADO, rows=rows)
    with tracing(table=table) as trace, auditing() as auditor:
        tls(certificates.server_context(), certificates.client_context())
    assert auditor.unexplained(trace) + trace.check(ended=True) != []
