"""What the real Tornado does in the same scenarios, beside what ours did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from minitornado import gen

from ..show import show
from . import scenarios

SECONDS = 60.0
PROGRAM = Path(__file__).with_name("tornado6.py")


def beside_tornado() -> None:
    """Show what ours gave beside what the real Tornado gives, where two words say it."""
    ours, real = find(), ask_tornado()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("", "here", "in Tornado"):
        table.add_column(name)
    same = "the same" if ours["order"] == real["order"] else real["order"]
    for name, value in ours.items():
        if name == "order":
            table.add_row("the events, and their order", "as above", same)
        else:
            table.add_row(name, str(value), str(real[name]))
    show(table)


async def waits(request: Any) -> None:
    await gen.moment
    scenarios.answer(request, b"hello")


def find() -> dict[str, Any]:
    """What the table tells, of ours."""
    trace = scenarios.in_two_pieces()
    [receiver] = {event.name.rpartition(".")[0] for event in trace
                  if event.kind == "call" and event.step == "headers-received"}
    return {
        "who receives the events": receiver,
        "order": scenarios.order(trace),
        "receivers made for two requests": scenarios.adapters(scenarios.two_requests()),
        "half a request": scenarios.when_it_leaves(scenarios.half_a_request()),
        "the second client behind a proxy": scenarios.second_client(),
        "answered by return": scenarios.client_got(scenarios.answered_by_return()),
        "an async def answers": scenarios.client_got(scenarios.serve(waits, scenarios.IN_TWO)[1]),
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
