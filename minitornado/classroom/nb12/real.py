"""What the real Tornado does in the same scenarios, beside what ours did."""

from __future__ import annotations

from pathlib import Path

from .. import real
from ..logs import logged
from . import scenarios

PROGRAM = Path(__file__).with_name("tornado6.py")


def beside_tornado() -> None:
    """Show what ours gave beside what the real Tornado gives."""
    ours, theirs = find(), real.ask(PROGRAM)
    real.show_beside(ours, {name: "the same" if theirs[name] == value else theirs[name]
                            for name, value in ours.items()})


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
