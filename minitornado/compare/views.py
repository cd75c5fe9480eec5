"""How comparisons are shown: two stories side by side, only what differs, or a row a scenario.

     2  c1 is readable                 =      3  c1 is readable
     2  handler of c1                  =      3  handler of c1
                                       >2     4  a callback of c1 (copy)

In the middle stands which side has the step, and the number of the reason, told below; "!" is a
difference that the table does not explain.
"""

from __future__ import annotations

import html
import itertools
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

from rich.console import RenderableType

from minitornado.classroom.show import render
from minitornado.trace.views import Turns, Why
from minitornado.trace.views.page import document
from minitornado.trace.views.view import ASKED, GREY, WHY, View, line
from minitornado.trace.views.words import plural

from .differences import Comparison, Pair
from .explanations import EXPLANATIONS, TESTED, Explanation
from .steps import FACETS, Step

_MIDDLE = 7  # columns between the two
_WIDEST = 160
PAGE_WIDTH = 120


class Comparisons(View):
    """Scenarios in several servers.  One of them is shown side by side, several as a summary."""

    def __init__(self, comparisons: Iterable[Comparison], view: str | None = None) -> None:
        self.all = list(comparisons)
        self._view = view

    def __iter__(self) -> Iterator[Comparison]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    @property
    def unexplained(self) -> list[Pair]:
        """All differences that the table does not explain."""
        return [pair for comparison in self.all for pair in comparison.unexplained]

    def view(self, name: str | None) -> Comparisons:
        """Return the same, shown in another way: beside, differences, reasons, summary, turns, why.

        None is what fits: beside for one scenario, a summary of several.
        """
        return Comparisons(self.all, name)

    def body(self, width: int) -> Iterable[RenderableType]:
        names = {comparison.scenario.name for comparison in self.all}
        view = self._view or ("beside" if len(names) == 1 else "summary")
        if view in ("beside", "differences"):
            for comparison in self.all:
                yield from _beside(comparison, width, only_differences=view == "differences")
                yield line()
        elif view in ("turns", "why"):
            for comparison in self.all:
                yield from _each(comparison, view, width)
        else:
            if view == "summary":
                yield from _summary(self.all)
                yield line()
            reasons = sum((comparison.reasons for comparison in self.all), Counter[str]())
            yield from _reasons(reasons, width)
        for part in textwrap.wrap(self.verdict(), width):
            yield line((part, "bold"))

    def verdict(self) -> str:
        """Say in a sentence or two how much there was, and whether all of it is explained."""
        servers = list(dict.fromkeys(str(comparison.server) for comparison in self.all))
        steps = plural(sum(len(comparison.pairs) for comparison in self.all), "step")
        differences = sum(len(comparison.differences) for comparison in self.all)
        left = len(self.unexplained)
        known = f"{left:,} of them not explained" if left else "all of them explained"
        said = f"{steps} beside {', '.join(servers)}: {plural(differences, 'difference')}, {known}."
        new = [name for name in servers if not name.rpartition(" ")[2].startswith(TESTED)]
        if new:
            said += f" The explanations were written for {', '.join(TESTED)}, not for {new[0]}."
        return said

    def page(self) -> str:
        """Return an HTML document with all of it, that needs no network."""
        parts = [f"<section>{_html(self.view('summary'))}</section>"]
        for comparison in self.all:
            name = f"{comparison.scenario.name}: {comparison.scenario.title}, {comparison.server}"
            shown = _html(Comparisons([comparison], "beside"))
            parts.append(
                f"<details><summary>{html.escape(name)}, "
                f"{plural(len(comparison.differences), 'difference')}</summary>{shown}</details>"
            )
        return document("minitornado beside the real Tornado", "\n".join(parts))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        return {
            "format": "minitornado-compare",
            "version": 1,
            "comparisons": [_told(comparison) for comparison in self.all],
        }


def _html(view: View) -> str:
    return render(view, PAGE_WIDTH)[0]


def _told(comparison: Comparison) -> dict[str, Any]:
    def told(step: Step | None) -> dict[str, Any] | None:
        if step is None:
            return None
        return {"turn": step.turn, "step": step.key, "function": step.told}

    return {
        "scenario": comparison.scenario.name,
        "tornado": comparison.server.version,
        "python": comparison.server.python,
        "unexplained": len(comparison.unexplained),
        "steps": [
            {
                "facet": pair.step.facet, "side": pair.side, "why": pair.why and pair.why.name,
                "ours": told(pair.ours), "theirs": told(pair.theirs),
            }
            for pair in comparison.pairs
        ],
    }  # fmt: skip


# ---- side by side ----


def _beside(
    comparison: Comparison, width: int, only_differences: bool
) -> Iterator[RenderableType]:
    column = max(12, (min(width, _WIDEST) - _MIDDLE) // 2)
    scenario = comparison.scenario
    yield line((f"{scenario.name}: {scenario.title}", f"bold {WHY}"))
    ours = f"minitornado{'' if column < 30 else ' (turn, step)'}"
    yield line((f"{ours:{column + _MIDDLE}}{comparison.server}", "bold"))
    numbers = {name: number for number, name in enumerate(comparison.reasons, 1)}
    shown = [pair for pair in comparison.pairs if pair.side != "=" or not only_differences]
    for wire, pairs in itertools.groupby(shown, lambda pair: pair.step.facet == "wire"):
        if wire:
            yield line(("what the client received", f"bold {GREY}"))
        for pair in pairs:
            yield from _row(pair, column, numbers)
    yield from _reasons(comparison.reasons, width)


def _each(comparison: Comparison, view: str, width: int) -> Iterator[RenderableType]:
    """Yield a view of ours, and the same view of theirs."""
    runs = (("minitornado", comparison.ours), (str(comparison.server), comparison.theirs))
    for name, run in runs:
        yield line((f"{comparison.scenario.name}: {name}", f"bold {WHY}"))
        sent = [event.seq for event in run.trace.filter(kind="syscall", name="send")]
        if view == "turns":
            yield from Turns(run.trace).body(width)
        elif sent:
            yield from Why(run.trace, sent[-1]).body(width)
        else:
            yield line("Nothing was sent.")
        yield line()


def _row(pair: Pair, column: int, numbers: dict[str, int]) -> Iterator[RenderableType]:
    mark = pair.side
    if pair.side != "=":
        mark += "!" if pair.why is None else str(numbers[pair.why.name])
    style = GREY if pair.side == "=" else "bold" if pair.why is None else f"bold {WHY}"
    sides = zip_longest(_lines(pair.ours, column), _lines(pair.theirs, column), fillvalue="")
    for at, (left, right) in enumerate(sides):
        middle = f"{mark if at == 0 else '':^{_MIDDLE}}"
        text = line(f"{left:{column}}", (middle, style), right)
        text.rstrip()
        yield text


def _lines(step: Step | None, width: int) -> list[str]:
    if step is None:
        return []
    turn = f"{step.turn:2} " if step.facet != "wire" else "   "
    said = f"{step.key} ({step.told})" if step.told else step.key
    lines = textwrap.wrap(said, width - 3, subsequent_indent="  ") or [""]
    return [f"{turn if at == 0 else '   '}{part}" for at, part in enumerate(lines)]


# ---- summaries ----


def _summary(comparisons: list[Comparison]) -> Iterator[RenderableType]:
    yield line((f"{'':28}steps of ours / of theirs, by facet", GREY))
    heads = "".join(f"{facet:>7}" for facet in FACETS)
    yield line((f"{'scenario':18}{'Tornado':7}{heads} differ", "bold"))
    for comparison in comparisons:
        counts = comparison.counts()
        cells = "".join(f"{f'{ours}/{theirs}':>7}" for ours, theirs in counts.values())
        name = f"{comparison.scenario.name:18}{comparison.server.version:7}"
        unknown = len(comparison.unexplained)
        differ = f"{len(comparison.differences):7}"
        yield line(name, (cells, GREY), differ, (f" {unknown}!" if unknown else "", "bold"))


def _reasons(reasons: Counter[str], width: int) -> Iterator[RenderableType]:
    entries: dict[str, Explanation] = {entry.name: entry for entry in EXPLANATIONS}
    order = [name for name in entries if reasons[name]]
    wide = min(width, 110)
    for number, name in enumerate(order, 1):
        entry = entries[name]
        times = plural(reasons[name], "difference")
        yield line((f"{number:3} {name}", f"bold {WHY}"), (f", {times}", GREY))
        for text, style in (
            (entry.what, ""), (entry.why, ""), ("Source: " + ", ".join(entry.where), ASKED),
        ):  # fmt: skip
            for part in textwrap.wrap(text, wide - 4):
                yield line("    ", (part, style))
