"""What the real Tornado does with the same packets, beside what ours did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from minitornado.trace import Trace

from ..show import show
from . import runs

SECONDS = 60.0
PROGRAM = Path(__file__).with_name("tornado6.py")


def beside_tornado() -> None:
    """Show what our stream does beside what the real Tornado's does."""
    theirs = ask_tornado()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("", "here", "in Tornado"):
        table.add_column(name, no_wrap=True)
    for name, value in count().items():
        table.add_row(name, *(_short(count) for count in (value, theirs[name])))
    show(table)


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


def _short(value: object) -> str:
    return str(value).removeprefix("AssertionError: ")


def empty_receives(trace: Trace) -> int:
    """How often the kernel was asked for bytes, and said: not now."""
    return sum(event.name == "recv" and event.data.get("error") == "EAGAIN" for event in trace)


def ask_tornado() -> dict[str, Any]:
    """The same, of the real Tornado. Raises RuntimeError if it could not be had."""
    # -P: the program's folder is no place to import from.
    command = [sys.executable, "-P", str(PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"the real Tornado could not be asked:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
