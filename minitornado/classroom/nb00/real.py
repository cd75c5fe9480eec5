"""What the real Tornado does with the same browser, beside what ours did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from minitornado.trace import Trace
from minitornado.trace.views import Turns

from ..show import show
from . import scenarios

SECONDS = 60.0
PROGRAM = Path(__file__).with_name("tornado6.py")


def beside_tornado(trace: Trace) -> None:
    """Show what `trace` gave beside what the real Tornado gives for the same browser."""
    real = ask_tornado()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("until the answer is out", "here", "in Tornado"):
        table.add_column(name)
    for name, value in count(trace).items():
        table.add_row(name, str(value), told(name, value, real[name]))
    show(table)


def count(trace: Trace) -> dict[str, Any]:
    """What is counted, of a trace of ours, under the words of the table."""
    turns = list(Turns(trace, 1, scenarios.turns(trace)).turns)
    asleep = sum(turn.slept for turn in turns)
    return {
        "turns that began asleep": asleep,
        "turns with a mere glance": len(turns) - asleep,
        "calls of epoll_ctl": scenarios.epoll_ctls(trace),
        "WRITE was asked for": scenarios.write_interest(trace),
        "the kernel got the answer": scenarios.when_sent(trace),
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


def told(name: str, ours: object, real: object) -> str:
    """What the table says of the real one."""
    # How many more glances there are depends on Tornado's version; that there are more does not.
    if "glance" in name and isinstance(ours, int) and isinstance(real, int) and real > ours:
        return f"more than {ours}"
    return str(real)
