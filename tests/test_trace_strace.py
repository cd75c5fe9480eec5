"""The kernel's own word: what strace sees of accept, recv and send is what the trace tells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minitornado.trace import Trace, load

pytestmark = pytest.mark.deadline(120)

STRACE = shutil.which("strace")

NAMES = {"accept4": "accept", "accept": "accept", "recvfrom": "recv", "sendto": "send"}
LINE = re.compile(r"\d+ +(\w+)\((\d+), .*\) = (-?\d+)(?: (E\w+))?")

Calls = list[tuple[str, int | str]]


def straced(scenario: str, folder: Path) -> tuple[Calls, Trace]:
    """Run a scenario in a process of its own; return the server's calls, and the trace."""
    assert STRACE is not None
    log, dump = folder / "strace", folder / "trace.jsonl"
    code = (
        "import logging; logging.disable(); from trace_scenarios import traced;"
        f"traced({scenario!r})[0].dump({str(dump)!r})"
    )
    strace = [STRACE, "-f", "-e", f"trace={','.join(NAMES)}", "-o", str(log)]
    result = subprocess.run(
        [*strace, sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, timeout=60,
        capture_output=True, text=True,
    )  # fmt: skip
    if "Operation not permitted" in result.stderr:
        pytest.skip("strace is not permitted to trace here")
    assert result.returncode == 0, result.stderr
    return calls_of(log.read_text()), load(dump)


def calls_of(log: str) -> Calls:
    """Return the calls on listening and accepted sockets; the client has the others."""
    calls: Calls = []
    accepted = set()
    for line in log.splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        name, fd, value, error = match.groups()
        if name.startswith("accept"):
            if error is None:
                accepted.add(value)
            calls.append(("accept", error or "ok"))
        elif fd in accepted:
            calls.append((NAMES[name], error or int(value)))
    return calls


def told(trace: Trace) -> Calls:
    calls: Calls = []
    for event in trace.filter(kind="syscall", name={"accept", "recv", "send"}):
        if event.fd is not None and not event.fd.startswith("waker"):
            outcome = event.data.get("error", event.data.get("bytes", "ok"))
            calls.append((event.name, outcome))
    return calls


@pytest.mark.skipif(STRACE is None, reason="no strace on this machine")
@pytest.mark.parametrize(
    "scenario",
    ["get", "post in parts", "pipelined", "big", "bad request", "gone before the answer"],
)
def test_the_trace_tells_what_the_kernel_did(scenario: str, tmp_path: Path) -> None:
    calls, trace = straced(scenario, tmp_path)
    assert calls == told(trace)
    assert ("accept", "ok") in calls
    assert any(name == "recv" for name, _outcome in calls)
