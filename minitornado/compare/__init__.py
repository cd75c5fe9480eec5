"""Compare: the same bytes through ours and through the real Tornado, step by step.

    compare(["get"])      side by side, with the reason for every difference
    compare()             all scenarios, a row each

    scenarios ──> child, in a process for each server ──> Runs, of Steps ──┐
                    servers: how each is driven and traced                 ▼
                    tables: the tracer's, for Tornado          differences <── explanations
                                                                   ▼
                                                                 views

A conformance test that can be read: what ours does otherwise is in the table of explanations,
with its reason and the place in Tornado's source, or it is a finding.
"""

from .ask import NotAsked, compare
from .differences import Comparison
from .views import Comparisons

__all__ = ["Comparison", "Comparisons", "NotAsked", "compare"]
