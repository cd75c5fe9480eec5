"""The causal tree: what followed from what, broken at each readiness of an fd."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from ..events import Event, Trace
from . import select, words
from .facts import Facts
from .story import lifted
from .view import GREY, View, layer_cell, line

_LEFT = 17  # columns: number and layer


class Tree(View):
    """What followed from what: a branch is a call from, or was made to run by, what it hangs on.

    Of a trace, a connection or a request.  A new tree begins where the kernel reports an fd,
    since what happened before is not why.  `level` as in `Trace.filter`.
    """

    def __init__(
        self,
        trace: Trace,
        conn: str | None = None,
        req: str | None = None,
        level: str = "chain",
    ) -> None:
        events = [
            event
            for event in select.about(trace, conn, req)
            if event.of is None
            and event.kind not in ("poll", "begin", "end")
            and (level != "chain" or trace.level(event) == "chain" or event.layer == "app")
        ]
        chosen = trace.only(events)
        facts = Facts(trace)
        self.roots: list[Event] = []
        self.branches: dict[int, list[Event]] = {}
        for event in events:
            where, why, _who = lifted(event, chosen, facts)
            under = None if event.kind == "ready" else where or why
            if under is None:
                self.roots.append(event)
            else:
                self.branches.setdefault(under, []).append(event)

    def body(self, width: int) -> Iterable[RenderableType]:
        # A stack of our own: a chain of causes may be longer than Python's stack is deep.
        waiting = [(root, "", "") for root in reversed(self.roots)]
        while waiting:
            event, first, rest = waiting.pop()
            yield _line(event, first, width)
            branches = self.branches.get(event.seq, [])
            below = [(branch, rest + "├ ", rest + "│ ") for branch in branches]
            if below:
                below[-1] = (branches[-1], rest + "└ ", rest + "  ")
            waiting += reversed(below)


def _line(event: Event, first: str, width: int) -> Text:
    guide = words.cut(first, width // 2)
    label = words.cut(words.label(event), width - _LEFT - len(guide))
    return line((f"{event.seq:5} ", GREY), layer_cell(event.layer), (guide, GREY), label)
