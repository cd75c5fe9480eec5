"""The real one: what the Tornado that Jupyter runs on does in the same scenario, beside ours.

It runs in a process of its own: by `compare`, or, for what none of its scenarios has, by a program
`nbNN/tornado6.py` that prints what it found as JSON.  In a kernel's process Tornado serves the
kernel.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from .show import show

SECONDS = 60.0


def ask(program: Path) -> dict[str, Any]:
    """Run `program`, return what it found. Raises RuntimeError if it could not be had."""
    # -P: the program's folder is no place to import from.
    command = [sys.executable, "-P", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"the real Tornado could not be asked:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def show_beside(ours: Mapping[str, object], real: Mapping[str, object], title: str = "") -> None:
    """Show two findings side by side, a row for each name of `ours`."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in (title, "here", "in Tornado"):
        table.add_column(name)
    for name, value in ours.items():
        table.add_row(name, str(value), str(real[name]))
    show(table)
