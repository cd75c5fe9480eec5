"""What the real Tornado does with the same functions, beside what ours did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import real
from . import runs

PROGRAM = Path(__file__).with_name("tornado6.py")


def beside_tornado() -> None:
    """Show what our loop does beside what the real Tornado's does."""
    real.show_beside(count(), real.ask(PROGRAM))


def count() -> dict[str, Any]:
    """What is compared, of ours, under the words of the table."""
    trace, order = runs.six()
    return {
        "the six run in this order": order,
        "polls between H and D": runs.polls_between(trace, "H", "D"),
        "with call_later(0, C)": runs.six(runs.in_no_time)[1],
        "runs of who adds itself, before H": runs.spin(),
        "a callback that fails": runs.fail(),
    }
