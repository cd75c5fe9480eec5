"""What the real Tornado does with the same browser, beside what ours did."""

from __future__ import annotations

from typing import Any

from minitornado.compare import compare
from minitornado.trace import Trace
from minitornado.trace.views import Turns

from .. import real
from . import scenarios


def beside_tornado(trace: Trace) -> None:
    """Show what `trace` gave beside what the real Tornado gives for the same browser."""
    [asked] = compare(["get"])
    ours, theirs = count(trace), count(asked.theirs.trace)
    said = {name: told(name, value, theirs[name]) for name, value in ours.items()}
    real.show_beside(ours, said, "until the answer is out")


def count(trace: Trace) -> dict[str, Any]:
    """What is counted, of a trace of either, under the words of the table."""
    turns = list(Turns(trace, 1, scenarios.turns(trace)).turns)
    asleep = sum(turn.slept for turn in turns)
    return {
        "turns that began asleep": asleep,
        "turns with a mere glance": len(turns) - asleep,
        "calls of epoll_ctl": scenarios.epoll_ctls(trace),
        "WRITE was asked for": scenarios.write_interest(trace),
        "the kernel got the answer": scenarios.when_sent(trace),
    }


def told(name: str, ours: object, real: object) -> str:
    """What the table says of the real one."""
    # How many more glances there are depends on Tornado's version; that there are more does not.
    if "glance" in name and isinstance(ours, int) and isinstance(real, int) and real > ours:
        return f"more than {ours}"
    return str(real)
