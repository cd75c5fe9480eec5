"""The results: raw figures of every round, kept as JSON; medians and ratios are made of them.

    {"machine": {…}, "versions": {…}, "settings": {…}, "load_averages": [before, …, after],
     "workloads": {name: {peer: {figure: [value, one a round]}}},
     "reasons": …, "tricks": …, "growth": …}
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .peers import REFERENCE

Results = dict[str, Any]

COMMITTED = Path(__file__).parent / "results.json"  # what the README tells


@dataclass(frozen=True)
class Spread:
    """A median, and what it lies between."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def spread(results: Results, workload: str, peer: str, figure: str) -> Spread | None:
    """The figure over all rounds; None if it was not measured."""
    values = _values(results, workload, peer, figure)
    return Spread.of(values) if values else None


def ratio(
    results: Results, workload: str, peer: str, figure: str, to: str = REFERENCE
) -> Spread | None:
    """How many times less than Tornado's the figure is, round by round; None if not measured.

    Round by round, since what disturbs the machine for a while disturbs both.
    """
    ours = _values(results, workload, peer, figure)
    theirs = _values(results, workload, to, figure)
    ratios = [other / own for own, other in zip(ours, theirs, strict=False) if own]
    return Spread.of(ratios) if ratios else None


def _values(results: Results, workload: str, peer: str, figure: str) -> list[float]:
    found = results["workloads"].get(workload, {}).get(peer, {}).get(figure, [])
    return [value for value in found if value is not None]


def load(path: Path = COMMITTED) -> Results:
    loaded: Results = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def save(results: Results, path: Path) -> None:
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
