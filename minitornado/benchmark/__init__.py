"""The benchmark: minitornado beside Tornado and others, on one machine, in one run.

    command.py ── rounds: A B C, A B C, … ──> workloads.py ── a peer ──> peers.py, programs/
        │                                         │ asks it       ──> load.py (wrk, a client)
        │                                         │ measures it   ──> measure.py (/proc)
        ▼                                         ▼
    results.py <── {figure: values} ──────────────┘
        └──> report.py (tables)   picture.py (SVG)   the README's figures

    python -m minitornado benchmark --help

Ratios to Tornado are taken round by round, in one run: the absolute figures are this machine's,
and this hour's.
"""

from .command import main

__all__ = ["main"]
