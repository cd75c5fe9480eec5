"""What the real Tornado does in the same scenarios, beside what ours did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minitornado import gen

from .. import real
from ..served import answer
from . import scenarios

PROGRAM = Path(__file__).with_name("tornado6.py")


def beside_tornado() -> None:
    """Show what ours gave beside what the real Tornado gives, where two words say it."""
    ours, theirs = find(), real.ask(PROGRAM)
    events, order = "the events, and their order", ours["order"]
    theirs[events] = "the same" if theirs["order"] == order else theirs["order"]
    real.show_beside({events if name == "order" else name: "as above" if name == "order" else value
                      for name, value in ours.items()}, theirs)


async def waits(request: Any) -> None:
    await gen.moment
    answer(request, b"hello")


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
