"""The benchmark: minitornado beside Tornado and others, on one machine, in one run.

    command.py ──> session.py ── rounds A B C, A B C, … ──> a Bench: one peer, one round
                                                              │
        peers.py, programs/   who is measured <───────────────┤ starts
        load.py               wrk, and a client <─────────────┤ has it asked
        measure.py            what /proc tells <──────────────┘ measures
                                                              │
        workloads.py          what is measured, and the goals ┤
        reasons.py            where the microseconds go       ├──> {figure: values}
        tricks.py             what was left out, and why      │        │
        growth.py             what one more costs             ┘        │
                                                                       ▼
        report.py (tables)  picture.py (SVG)  readme.py <──────── results.py (JSON)

    python -m minitornado benchmark --help

Ratios to Tornado are taken round by round, in one run: the absolute figures are this machine's,
and this hour's.
"""

from .command import main

__all__ = ["main"]
