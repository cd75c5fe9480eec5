"""What the real Tornado does with the same packets, beside what ours did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minitornado.trace import Trace

from .. import real
from . import runs

PROGRAM = Path(__file__).with_name("tornado6.py")


def beside_tornado() -> None:
    """Show what our stream does beside what the real Tornado's does."""
    ours, theirs = ({name: str(value).removeprefix("AssertionError: ")
                     for name, value in found.items()} for found in (count(), real.ask(PROGRAM)))
    real.show_beside(ours, theirs)


def count() -> dict[str, Any]:
    """What is compared, of ours, under the words of the table."""
    trace, lines = runs.read_lines()
    return {
        "the lines": " ".join(line.decode().strip() for line in lines),
        "recvs that brought bytes": runs.receives(trace),
        "recvs that brought EAGAIN": empty_receives(trace),
        "recvs for ONE and TWO": runs.receives_for(trace, 2, 3),
        "polls until your code runs": 0 if runs.goes_on(trace) != "after a poll" else 1,
        "a second read": runs.two_reads(),
    }


def empty_receives(trace: Trace) -> int:
    """How often the kernel was asked for bytes, and said: not now."""
    return sum(event.name == "recv" and event.data.get("error") == "EAGAIN" for event in trace)
