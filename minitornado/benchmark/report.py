"""The results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .peers import PEERS
from .results import Results, Spread, ratio, spread
from .workloads import WORKLOADS, Workload


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


def workload_table(results: Results, workload: Workload) -> Table:
    """One workload: a line a peer; the figures, and the ratios to Tornado of those with a goal."""
    table = Table(title=workload.title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    compared = [figure for figure in workload.figures if figure.ratio is not None]
    for figure in workload.figures:
        table.add_column(f"{figure.label}{figure.unit and ', '}{figure.unit}", justify="right")
        if figure in compared:
            table.add_column(f"times Tornado, goal {figure.ratio:g}", justify="right")
    for name in results["workloads"].get(workload.name, {}):
        row = [PEERS[name].label]
        for figure in workload.figures:
            found = spread(results, workload.name, name, figure.key)
            row.append(told(found) if figure in compared or not found else number(found.median))
            if figure in compared:
                row.append(told(ratio(results, workload.name, name, figure.key)))
        table.add_row(*(Text(cell) for cell in row))
    return table


def tables(results: Results) -> Iterator[RenderableType]:
    for name in results["workloads"]:
        yield workload_table(results, WORKLOADS[name])
