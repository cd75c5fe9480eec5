"""What the real Tornado does with the same functions, beside what ours did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from ..show import show
from . import runs

SECONDS = 60.0
PROGRAM = Path(__file__).with_name("tornado6.py")


def beside_tornado() -> None:
    """Show what our loop does beside what the real Tornado's does."""
    theirs = ask_tornado()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("", "here", "in Tornado"):
        table.add_column(name, no_wrap=True)
    for name, value in count().items():
        table.add_row(name, str(value), str(theirs[name]))
    show(table)


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


def ask_tornado() -> dict[str, Any]:
    """The same, of the real Tornado. Raises RuntimeError if it could not be had."""
    # -P: the program's folder is no place to import from.
    command = [sys.executable, "-P", str(PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"the real Tornado could not be asked:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
