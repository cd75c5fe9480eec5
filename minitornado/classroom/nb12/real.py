"""What the real Tornado does in the same scenarios, beside what ours did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from ..logs import logged
from ..show import show
from . import scenarios

SECONDS = 60.0
PROGRAM = Path(__file__).with_name("tornado6.py")


def beside_tornado() -> None:
    """Show what ours gave beside what the real Tornado gives."""
    ours, real = find(), ask_tornado()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("", "here", "in Tornado"):
        table.add_column(name)
    for name, value in ours.items():
        table.add_row(name, value, "the same" if real[name] == value else real[name])
    show(table)


def find() -> dict[str, str]:
    """What the table tells, of ours."""
    with logged() as log:
        scenarios.serve(scenarios.fails, scenarios.BAD_THEN_GOOD)
    return {
        "who is answered first": scenarios.answered_first(scenarios.interleaved()),
        "b's request, while a blocks": scenarios.where_is_the_other(
            scenarios.serve_at_once(scenarios.hello)
        ),
        "a function that raises": scenarios.failed(),
        "and the log": str(log.lines[0][1]),
        "a client that leaves": scenarios.life(),
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
