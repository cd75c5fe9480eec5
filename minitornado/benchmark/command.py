"""python -m minitornado benchmark: measures, prints, writes the results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minitornado.cli.output import PROGRAM, Complaint, console

from . import report, results
from .load import NO_WRK, WrongAnswer, find_wrk
from .measure import Cores, machine
from .peers import PEERS, PINS, default_folder, python_for
from .workloads import WORKLOADS, Bench, Workload


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status. Raises Complaint."""
    options = _make_parser().parse_args(arguments)
    if not sys.platform.startswith("linux"):
        raise Complaint("the benchmark needs Linux: it asks /proc and epoll")
    screen = console()
    wrk = find_wrk()
    chosen = [WORKLOADS[name] for name in options.workloads]
    peers = [PEERS[name] for name in options.peers]
    cores = Cores()
    found: results.Results = {
        "machine": machine(cores),
        "versions": PINS,
        "settings": {"rounds": options.rounds, "seconds": options.seconds},
        "workloads": {},
    }
    if wrk is None and any(workload.needs_wrk for workload in chosen):
        print(f"minitornado: {NO_WRK}; what needs it is left out", file=sys.stderr)
        chosen = [workload for workload in chosen if not workload.needs_wrk]
    python = python_for(peers, options.peers_dir)
    with cores.load_here(), _progress(screen) as step:
        for workload in chosen:
            table: dict[str, Any] = {}
            found["workloads"][workload.name] = table
            for number in range(options.rounds):
                for peer in peers:
                    if peer.name not in workload.peers:
                        continue
                    step(f"{workload.title}, round {number + 1}: {peer.label}")
                    bench = Bench(peer, python, cores, wrk, options.seconds, options.quick)
                    _add(table.setdefault(peer.name, {}), _measured(workload, bench))
            screen.print(report.workload_table(found, workload))
    if options.output:
        results.save(found, options.output)
    return 0


def _measured(workload: Workload, bench: Bench) -> dict[str, float]:
    try:
        return workload.measure(bench)
    except WrongAnswer as wrong:
        raise Complaint(f"{bench.peer.label}, {workload.title}: {wrong}") from None


def _add(figures: dict[str, list[float]], measured: dict[str, float]) -> None:
    for key, value in measured.items():
        figures.setdefault(key, []).append(round(value, 4))


@contextmanager
def _progress(screen: Any) -> Iterator[Any]:
    if not screen.is_terminal:
        yield lambda what: None
        return
    with screen.status("") as status:
        yield status.update


def _names(table: dict[str, Any], what: str) -> Any:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in table:
                raise argparse.ArgumentTypeError(
                    f"there is no {what} {name!r}; there are {', '.join(table)}"
                )
        return names

    return parse


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} benchmark", allow_abbrev=False)
    parser.add_argument("--workloads", type=_names(WORKLOADS, "workload"), default=list(WORKLOADS))
    parser.add_argument("--peers", type=_names(PEERS, "peer"), default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--peers-dir", type=Path, default=default_folder())
    return parser
