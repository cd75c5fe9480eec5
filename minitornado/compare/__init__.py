"""Compare: the same bytes through ours and through the real Tornado, step by step.

    compare(["get"])      side by side, with the reason for every difference
    compare()             all scenarios, a row each

    scenarios ──> child, in a process for each server ──> Runs, of Steps ──┐
                    servers: how each is driven and traced                 ▼
                    tables: the tracer's, for Tornado          differences <── explanations
                                                                           │
                                                                           ▼
                                                                         views

A conformance test that can be read: what ours does otherwise is in the table of explanations,
with its reason and the place in Tornado's source, or it is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .views import Comparisons


def compare(names: Iterable[str] = (), tornados: Iterable[str | Path] = ()) -> Comparisons:
    """Run scenarios (by default all) in ours and in Tornado; return what was the same, and not.

    `tornados`: others beside the installed one: a Python, a virtual environment, or a directory
    that pip has installed one into.  Raises ask.NotAsked for a server that can't be had, and
    ValueError for a scenario that there isn't.
    """
    # Not before it is needed: where another Tornado runs, there is no rich to show things with.
    from .ask import ask_all

    return ask_all(names, tornados)
