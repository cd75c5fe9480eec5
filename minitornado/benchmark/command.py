"""python -m minitornado benchmark: measures, prints, writes the results."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitornado.cli.output import PROGRAM, Complaint, console, reason_of

from . import growth, reasons, report, results, tricks
from .bench import Workload
from .load import NO_WRK, find_wrk
from .measure import Cores, machine, many_fds
from .peers import OURS, PEERS, REFERENCE, default_folder, python_for, versions
from .session import Session, takers
from .workloads import WORKLOADS

if TYPE_CHECKING:
    from rich.console import Console

IDLE, IDLE_QUICK = 10_000, 1000
SPARE_FDS = 500  # beside the idle connections: the load's, the interpreter's

# Beside the workloads: each an option, a method of Session and a key of the results; how it is
# shown, and what must be possible.
PAGES = {
    "reasons": (reasons.table, [reasons.LADDER]),
    "tricks": (tricks.table, [tricks.WORKLOAD]),
    "growth": (growth.table, []),
}

EXAMPLES = """\
examples:
  python -m minitornado benchmark                     all of it, in 5 rounds
  python -m minitornado benchmark --quick             beside Tornado alone, in 2 rounds
  python -m minitornado benchmark --workloads hello,close --peers minitornado,tornado,aiohttp
  python -m minitornado benchmark --reasons           where the microseconds go
  python -m minitornado benchmark --tricks            what was left out, and what it would buy
  python -m minitornado benchmark --show              what the README's figures are made of"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status. Raises Complaint."""
    options = _parse(arguments)
    screen = console()
    if options.list:
        for workload in WORKLOADS.values():
            screen.print(f"{workload.name:18}{workload.title}", markup=False, soft_wrap=True)
        screen.print(f"peers: {', '.join(PEERS)}", markup=False, soft_wrap=True)
        left_out = ", ".join(trick.name for trick in tricks.TRICKS)
        screen.print(f"tricks: {left_out}", markup=False, soft_wrap=True)
        return 0
    if options.show:
        for table in report.tables(_loaded(options.show)):
            screen.print(table)
        return 0
    if not sys.platform.startswith("linux"):
        raise Complaint("the benchmark needs Linux: it asks /proc and epoll")
    with many_fds(IDLE + SPARE_FDS) as fds:
        idle = max(1, min(fds - SPARE_FDS, IDLE_QUICK if options.quick else IDLE))
        if fds < IDLE + SPARE_FDS:
            _warn(f"this machine allows {fds:,} open files: {idle:,} idle connections at most")
        _measure(options, screen, idle)
    if options.output:
        screen.print(f"written to {options.output}", markup=False, soft_wrap=True)
    return 0


def _measure(options: argparse.Namespace, screen: Console, idle: int) -> None:
    """Measure what was chosen, and print each table as soon as it stands."""
    wrk, cores = find_wrk(), Cores()
    peers = [PEERS[name] for name in options.peers]
    chosen = _possible([WORKLOADS[name] for name in options.workloads], wrk)
    used = {peer.name: peer for workload in chosen for peer in takers(workload, peers)}.values()
    python = python_for(used, options.peers_dir)
    session = Session(python, cores, wrk, options.rounds, idle)
    found: results.Results = {
        "machine": machine(cores),
        "versions": versions(python, used),
        "settings": {"rounds": options.rounds, "idle": idle},
        "load_averages": [round(os.getloadavg()[0], 2)],
        "workloads": {},
    }
    turns = sum(len(takers(workload, peers)) * min(session.rounds, workload.most_rounds)
                for workload in chosen)  # fmt: skip
    turns += session.rounds * len(reasons.STEPS) * options.reasons
    turns += session.rounds * len(tricks.peers()) * options.tricks
    turns += session.growth_rounds() * 4 * len(growth.GROWTHS) * options.growth
    with cores.load_here(), _progress(screen, turns) as session.step:
        for workload in chosen:
            found["workloads"][workload.name] = session.workload(workload, peers)
            _keep(found, options)
            screen.print(report.workload_table(found, workload))
        for name, (table, needed) in PAGES.items():
            if getattr(options, name) and _possible(needed, wrk) == needed:
                found[name] = getattr(session, name)()
                _keep(found, options)
                screen.print(table(found))
    if chosen:
        screen.print(report.goals_table(found))


def _keep(found: results.Results, options: argparse.Namespace) -> None:
    """Write what there is: what comes later may be ended by Ctrl-C, or fail."""
    found["load_averages"].append(round(os.getloadavg()[0], 2))
    if options.output:
        try:
            results.save(found, options.output)
        except OSError as error:
            raise Complaint(f"can't write {options.output}: {reason_of(error)}") from None


def _possible(chosen: list[Workload], wrk: str | None) -> list[Workload]:
    """Those of `chosen` that can be measured here; the others are named."""
    missing = [workload for workload in chosen if workload.needs_wrk and wrk is None]
    if missing:
        _warn(f"{NO_WRK}; left out: {', '.join(workload.name for workload in missing)}")
    return [workload for workload in chosen if workload not in missing]


def _loaded(path: Path) -> results.Results:
    try:
        return results.load(path)
    except OSError as error:
        raise Complaint(f"can't read {path}: {reason_of(error)}", 2) from None
    except ValueError:
        sentence = f"{path} holds no results: `benchmark --output FILE` writes them"
        raise Complaint(sentence, 2) from None


def _warn(sentence: str) -> None:
    print(f"minitornado: {sentence}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _progress(screen: Console, total: int) -> Iterator[Callable[[str], None]]:
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


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = _make_parser().parse_args(arguments)
    if not (options.workloads or any(getattr(options, name) for name in PAGES)):  # everything
        options.workloads = list(WORKLOADS)
        options.reasons = options.tricks = options.growth = not options.quick
    options.workloads = options.workloads or []
    options.peers = options.peers or ([OURS, REFERENCE] if options.quick else list(PEERS))
    options.rounds = options.rounds or (2 if options.quick else 5)
    return options


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} benchmark", allow_abbrev=False, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure minitornado beside Tornado and others: CPU time a request, in rounds.",
    )  # fmt: skip
    add = parser.add_argument
    add("--workloads", type=_names(WORKLOADS, "workload"), metavar="A,B",
        help="only these (--list names them)")  # fmt: skip
    add("--peers", type=_names(PEERS, "peer"), metavar="A,B", help="only these")
    add("--rounds", type=_count, metavar="N", help="how often each is measured (default: 5)")
    add("--quick", action="store_true",
        help="beside Tornado alone, in two rounds, among 1,000 idle connections")  # fmt: skip
    add("--reasons", action="store_true", help="where a request's microseconds go, layer by layer")
    add("--tricks", action="store_true", help="what the tricks that were left out would buy")
    add("--growth", action="store_true", help="what one more costs when there are many")
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
