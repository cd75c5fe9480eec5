"""python -m minitornado benchmark: measures, prints, writes the results."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitornado.cli.output import PROGRAM, Complaint, console

from . import report, results
from .bench import Bench, Workload
from .load import NO_WRK, WrongAnswer, find_wrk
from .measure import Cores, machine, many_fds
from .peers import OURS, PEERS, REFERENCE, Peer, default_folder, python_for, versions
from .workloads import WORKLOADS

if TYPE_CHECKING:
    from rich.console import Console

IDLE = 10_000
SPARE_FDS = 500  # beside the idle connections: the load's, the interpreter's

EXAMPLES = """\
examples:
  python -m minitornado benchmark                     all of it: ten minutes
  python -m minitornado benchmark --quick             beside Tornado alone: one minute
  python -m minitornado benchmark --workloads hello,close --peers minitornado,tornado,aiohttp
  python -m minitornado benchmark --show              what the README's figures are made of"""

Step = Callable[[str], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status. Raises Complaint."""
    options = _make_parser().parse_args(arguments)
    options.peers = options.peers or ([OURS, REFERENCE] if options.quick else list(PEERS))
    options.rounds = options.rounds or (2 if options.quick else 5)
    screen = console()
    if options.list:
        for workload in WORKLOADS.values():
            screen.print(f"{workload.name:18}{workload.title}", markup=False, soft_wrap=True)
        screen.print(f"peers: {', '.join(PEERS)}", markup=False, soft_wrap=True)
        return 0
    if options.show:
        for table in report.tables(results.load(options.show)):
            screen.print(table)
        return 0
    if not sys.platform.startswith("linux"):
        raise Complaint("the benchmark needs Linux: it asks /proc and epoll")
    found = _measure(options, screen)
    screen.print(report.goals_table(found))
    if options.output:
        results.save(found, options.output)
        print(f"written to {options.output}")
    return 0


def _measure(options: argparse.Namespace, screen: Console) -> results.Results:
    peers = [PEERS[name] for name in options.peers]
    wrk = find_wrk()
    chosen = _possible([WORKLOADS[name] for name in options.workloads], wrk)
    cores = Cores()
    python = python_for(peers, options.peers_dir)
    with many_fds(IDLE + SPARE_FDS) as fds, cores.load_here():
        idle = 1000 if options.quick else IDLE
        if fds < idle + SPARE_FDS:
            idle = fds - SPARE_FDS
            print(f"minitornado: this machine allows {fds} open files: {idle} idle connections "
                  f"instead of {IDLE} (ulimit -n raises it)", file=sys.stderr)
        found: results.Results = {
            "machine": machine(cores),
            "versions": versions(python, peers),
            "settings": {"rounds": options.rounds, "idle": idle},
            "workloads": {},
        }
        turns = sum(len(_takers(workload, peers)) for workload in chosen) * options.rounds
        with _progress(screen, turns) as step:
            for workload in chosen:
                benches = [
                    Bench(peer, python, cores, wrk, idle=idle) for peer in _takers(workload, peers)
                ]
                found["workloads"][workload.name] = _rounds(workload, benches, options.rounds, step)
                screen.print(report.workload_table(found, workload))
    return found


def _possible(chosen: list[Workload], wrk: str | None) -> list[Workload]:
    if wrk is None and any(workload.needs_wrk for workload in chosen):
        print(f"minitornado: {NO_WRK}; without it, this is left out: "
              + ", ".join(workload.name for workload in chosen if workload.needs_wrk),
              file=sys.stderr)  # fmt: skip
        return [workload for workload in chosen if not workload.needs_wrk]
    return chosen


def _takers(workload: Workload, peers: list[Peer]) -> list[Peer]:
    return [peer for peer in peers if peer.name in workload.peers]


def _rounds(
    workload: Workload, benches: list[Bench], rounds: int, step: Step
) -> dict[str, dict[str, list[float]]]:
    """Measure A B C, A B C, …: what disturbs the machine for a while disturbs all of them."""
    figures: dict[str, dict[str, list[float]]] = {bench.peer.name: {} for bench in benches}
    for number in range(rounds):
        for bench in benches:
            step(f"{workload.name} {number + 1}/{rounds} {bench.peer.label}")
            try:
                measured = workload.measure(bench)
            except WrongAnswer as wrong:
                raise Complaint(f"{bench.peer.label}, {workload.title}: {wrong}") from None
            for key, value in measured.items():
                figures[bench.peer.name].setdefault(key, []).append(round(value, 4))
    return figures


@contextlib.contextmanager
def _progress(screen: Console, total: int) -> Iterator[Step]:
    """A bar on a terminal; nothing in a pipe, where the tables come one by one."""
    if not screen.is_terminal:
        yield lambda what: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (BarColumn(30), MofNCompleteColumn(), Remaining(), TextColumn("{task.description}"))
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task("", total=total)
        done = -1

        def step(what: str) -> None:
            nonlocal done
            done += 1
            progress.update(task, completed=done, description=what)

        yield step


# ---- options ----


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} benchmark", allow_abbrev=False, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure minitornado beside Tornado and others: CPU time a request, in rounds.",
    )  # fmt: skip
    add = parser.add_argument
    add("--workloads", type=_names(WORKLOADS, "workload"), metavar="A,B", default=list(WORKLOADS),
        help="only these (--list names them)")  # fmt: skip
    add("--peers", type=_names(PEERS, "peer"), metavar="A,B", help="only these")
    add("--rounds", type=_count, metavar="N", help="how often each is measured (default: 5)")
    add("--quick", action="store_true",
        help="beside Tornado alone, in two rounds, among 1,000 idle connections")  # fmt: skip
    add("--output", type=Path, metavar="FILE", help="write the results to FILE, as JSON")
    add("--show", type=Path, metavar="FILE", nargs="?", const=results.COMMITTED,
        help="measure nothing; show these results (default: those of the README)")  # fmt: skip
    add("--list", action="store_true", help="name the workloads and the peers")
    add("--peers-dir", type=Path, metavar="DIR", default=default_folder(),
        help="where the peers are installed (default: %(default)s)")  # fmt: skip
    return parser


def _names(table: dict[str, Any], what: str) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in table:
                known = ", ".join(table)
                raise argparse.ArgumentTypeError(f"no {what} is called {name!r}; there are {known}")
        return names

    return parse


def _count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,2}", text):
        raise argparse.ArgumentTypeError(f"rounds are a number from 1 to 999, not {text!r}")
    return int(text)
