"""The results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .bench import Figure, Workload
from .peers import OURS, PEERS
from .results import Results, Spread, ratio, spread
from .workloads import WORKLOADS

IN_C = "uvicorn-c"  # the peer whose parser and loop are in C: to be ahead of it is a goal too


def number(value: float) -> str:
    """Three digits that count.

    >>> number(0.0123), number(5.678), number(96.4), number(12345.0)
    ('0.0123', '5.68', '96.4', '12,345')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def told(found: Spread | None) -> str:
    """A median with what it lies between.

    >>> told(Spread.of([2.0, 3.0, 2.5])), told(Spread.of([2.0]))
    ('2.5 [2-3]', '2')
    """
    if found is None:
        return "-"
    if found.least == found.most:
        return number(found.median)
    return f"{number(found.median)} [{number(found.least)}-{number(found.most)}]"


def reached(results: Results, workload: Workload, figure: Figure) -> bool | None:
    """Whether minitornado's figure reaches its goal; None if there is no goal, or no figure."""
    if figure.ratio is not None:
        found, least = ratio(results, workload.name, OURS, figure.key), figure.ratio
        return found.median >= least if found else None
    own = spread(results, workload.name, OURS, figure.key)
    if own is None or not figure.goal():
        return None
    if figure.most is not None:
        return own.median <= figure.most
    return own.median >= (figure.least or 0)


def workload_table(results: Results, workload: Workload) -> Table:
    """One workload: for each figure a line a peer, and how it compares with Tornado's."""
    table = plain_table(workload.title, "", "", "times Tornado")
    for figure in workload.figures:
        goal = f"goal: {figure.goal()}" if figure.goal() else ""
        title = f"{figure.label}{figure.unit and ', '}{figure.unit}"
        ours = (goal, "") if figure.ratio is None else ("", goal)
        table.add_row(Text(title, "bold"), *ours)
        for name in results["workloads"].get(workload.name, {}):
            own = spread(results, workload.name, name, figure.key)
            if own is not None:
                times = ratio(results, workload.name, name, figure.key)
                compared = told(times) if figure.has_ratio() else ""
                table.add_row(f"  {PEERS[name].label}", Text(told(own)), Text(compared))
    return table


def goals_table(results: Results) -> Table:
    """Every goal, and whether it is reached; and how ours compares with the fastest in C."""
    table = plain_table("goals", "", "minitornado", "goal", "", "C")
    table.caption = Text(
        "CPU and the like are times less than Tornado's. C: times less than those of "
        f"{PEERS[IN_C].label}, whose parser and loop are in C; above 1 is a goal too."
    )
    for workload, figure in goals(results):
        own = spread(results, workload.name, OURS, figure.key)
        against = figure.ratio is not None
        shown = ratio(results, workload.name, OURS, figure.key) if against else own
        mark = {True: "reached", False: "missed", None: ""}[reached(results, workload, figure)]
        in_c = ratio(results, workload.name, OURS, figure.key, to=IN_C) if against else None
        table.add_row(f"{workload.name}: {figure.label}", Text(told(shown)), figure.goal(), mark,
                      number(in_c.median) if in_c else "")  # fmt: skip
    return table


def goals(results: Results) -> Iterator[tuple[Workload, Figure]]:
    """The figures with a goal, of the workloads that were measured."""
    for name in results["workloads"]:
        for figure in WORKLOADS[name].figures:
            if figure.goal():
                yield WORKLOADS[name], figure


def tables(results: Results) -> Iterator[RenderableType]:
    """All that a run has found."""
    from . import growth, reasons, tricks  # they draw with this module

    for name in results["workloads"]:
        yield workload_table(results, WORKLOADS[name])
    for name, module in (("reasons", reasons), ("tricks", tricks), ("growth", growth)):
        if name in results:
            yield module.table(results)
    if results["workloads"]:
        yield goals_table(results)


def plain_table(title: str, *columns: str) -> Table:
    """A table without lines; its first column is text, the others are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD,
                  caption_justify="left")  # fmt: skip
    for at, column in enumerate(columns):
        table.add_column(column, justify="right" if at else "left", no_wrap=at > 0)
    return table


def explained(title: str, *sentences: str) -> Group:
    """What the first column says: a title, and sentences below it, indented as they are wrapped."""
    below = (Padding(Text(sentence), (0, 0, 0, 2)) for sentence in sentences if sentence)
    return Group(Text(title, "bold"), *below)
