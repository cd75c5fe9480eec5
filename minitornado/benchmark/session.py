"""One run of the benchmark: who is measured in which order, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from minitornado.cli.output import Complaint

from . import counts, growth, reasons, tricks
from .bench import Bench, Workload
from .load import WrongAnswer, get
from .measure import Cores
from .peers import OURS, PEERS, Peer

GROWTH_ROUNDS = 3  # at most: sizes are compared with each other, and not peers

Figures = dict[str, dict[str, list[float]]]  # {peer: {figure: [value, one a round]}}


@dataclass
class Session:
    """What all of a run have in common.  `step` is told of each measurement before it begins."""

    python: str
    cores: Cores
    wrk: str | None
    rounds: int
    idle: int
    step: Callable[[str], None] = lambda what: None

    def workload(self, workload: Workload, peers: Iterable[Peer]) -> Figures:
        """Measure A B C, A B C, …: what disturbs the machine for a while disturbs all of them."""
        benches = [self.bench(peer) for peer in takers(workload, peers)]
        figures: Figures = {bench.peer.name: {} for bench in benches}
        rounds = min(self.rounds, workload.most_rounds)
        for number in range(rounds):
            for bench in benches:
                self.step(f"{workload.name} {number + 1}/{rounds} {bench.peer.label}")
                for key, value in _measured(workload, bench).items():
                    figures[bench.peer.name].setdefault(key, []).append(round(value, 4))
        return figures

    def reasons(self) -> dict[str, Any]:
        """Measure the ladder, and count the calls."""
        ours = self.bench(PEERS[OURS])
        return {
            "ladder": self.workload(reasons.LADDER, reasons.peers()),
            "calls": reasons.counted(ours),
            "syscalls": counts.syscalls(ours.peer.command(self.python), get()),
        }

    def tricks(self) -> dict[str, Any]:
        """Measure what the tricks that were left out would buy, and count the calls."""
        return {
            "peers": self.workload(tricks.WORKLOAD, tricks.peers()),
            "calls": tricks.counted(self.bench(PEERS[OURS])),
        }

    def growth(self) -> dict[str, Any]:
        """Measure each of the growths at its four sizes."""
        found: dict[str, Any] = {}
        for name, row in growth.GROWTHS.items():
            costs: list[list[float]] = [[] for _ in row.sizes]
            for number in range(self.growth_rounds()):
                for kept, size in zip(costs, row.sizes, strict=True):
                    self.step(f"growth: {name} {size:,}, {number + 1}/{self.growth_rounds()}")
                    kept.append(round(row.measure(self.bench(PEERS[OURS]), size), 5))
            found[name] = {"sizes": list(row.sizes), "costs": costs}
        return found

    def growth_rounds(self) -> int:
        return min(self.rounds, GROWTH_ROUNDS)

    def bench(self, peer: Peer) -> Bench:
        return Bench(peer, self.python, self.cores, self.wrk, idle=self.idle)


def takers(workload: Workload, peers: Iterable[Peer]) -> list[Peer]:
    """Those of `peers` that can do a workload."""
    return [peer for peer in peers if peer.name in workload.peers]


def _measured(workload: Workload, bench: Bench) -> dict[str, float]:
    try:
        return workload.measure(bench)
    except WrongAnswer as wrong:
        raise Complaint(f"{bench.peer.label}, {workload.title}: {wrong}") from None
