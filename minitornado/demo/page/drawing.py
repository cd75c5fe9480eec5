"""One request as the page shows it: its lanes, its steps, and which of them belong together.  Pure.

The views are those of the command line and of the notebooks.  They are given the turns that
are kept of this request, and not the whole trace: drawing takes as long as the request is.
"""

from __future__ import annotations

from typing import Any

from minitornado.trace.events import Trace
from minitornado.trace.views import Lanes, Stepper
from minitornado.trace.views.lanes_svg import ROW, TOP

from .history import Window


class Steps(Stepper):
    """The steps of a request, with the loop's state as the history knows it.

    The trace that the stepper sees begins in the middle; so the state worked out from it
    would lack what was there before.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        super().__init__(window.trace, req=window.request.name)

    def _lines_at(self, moments: set[int]) -> dict[int, list[tuple[str, str]]]:
        return self._window.states(moments)


def draw(window: Window) -> dict[str, Any]:
    """Return a request's picture and its steps, ready for JSON.

    `rows`: for each step, where in the picture its event is drawn, or what stands for it: the
    number of a row, from 0; None if nothing does.  A row is `row` high, the first `top` down.
    """
    request = window.request
    lanes = Lanes(window.trace, req=request.name, title=f"{request.name}: {request.line}")
    steps = Steps(window)
    drawn = Trace((row.event for row in lanes.rows), whole=window.trace)
    at = {row.event.seq: number for number, row in enumerate(lanes.rows)}
    rows = []
    for step in steps.steps:
        event = drawn.visible(step.event.seq)
        rows.append(None if event is None else at[event.seq])
    return {
        "request": request.summary(), "svg": lanes.svg(), "steps": steps.html(), "rows": rows,
        "top": TOP, "row": ROW, "left_out": max(0, request.left_out),
    }  # fmt: skip
