"""trace --audit: does the trace of a request miss anything?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minitornado.trace import tracing
from minitornado.trace.audit import auditing

from .trace import a_server, ask

if TYPE_CHECKING:
    from rich.console import Console


def run_audit(request: bytes, screen: Console) -> int:
    """Hold a request's trace to its laws, and to what Python counts; 0 if nothing is missed."""
    with a_server() as server, tracing() as trace, auditing() as auditor:
        client = ask(server, request)
    broken = trace.check(sent=client.sent, received=client.received)
    missed = auditor.unexplained(trace)
    sent, received = sum(client.sent.values()), sum(client.received.values())
    for line in (
        f"{len(trace):,} events in {trace.events[-1].turn:,} turns of the loop",
        f"the client sent {sent:,} bytes and received {received:,}",
        f"Python counted {auditor.calls.total():,} calls of {len(auditor.calls):,} functions",
        *broken,
        *missed,
    ):
        screen.print(line, markup=False, soft_wrap=True)
    wrong = len(broken) + len(missed)
    verdict = "Nothing is missed." if not wrong else f"{wrong:,} things are missed or wrong."
    screen.print(verdict, style="bold")
    return int(wrong > 0)
