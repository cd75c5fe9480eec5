"""What a workload is made of: figures with goals, and a bench that starts one peer."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from minitornado.cli.output import Complaint

from .load import Ask, run_wrk
from .measure import Cores, Server, last_line, serving, started
from .peers import PROGRAMS, Peer

SETTLE_SECONDS = 0.02  # for a server to end what it was doing when the load stopped


@dataclass(frozen=True)
class Figure:
    """One number of a workload; less is better.

    The goals: `ratio` is how many times less than Tornado's it is to be, in the same run; `most`
    and `least` hold for the number itself.  Without a `ratio` it is compared all the same if
    `compared` is set.
    """

    key: str
    label: str
    unit: str = ""
    ratio: float | None = None
    most: float | None = None
    least: float | None = None
    compared: bool = False

    def has_ratio(self) -> bool:
        return self.compared or self.ratio is not None

    def goal(self) -> str:
        """The goal in words; empty if there is none."""
        if self.ratio is not None:
            return f"≥ {self.ratio:g}"
        if self.most is not None:
            return f"≤ {self.most:g} {self.unit}".rstrip()
        return f"≥ {self.least:g} {self.unit}".rstrip() if self.least is not None else ""


@dataclass
class Bench:
    """One peer, for one round.

    `seconds` is how long wrk asks; `idle` how many idle connections there are to be.
    """

    peer: Peer
    python: str
    cores: Cores
    wrk: str | None
    seconds: int = 1
    idle: int = 10_000

    @contextlib.contextmanager
    def server(self, *arguments: str) -> Iterator[Server]:
        """Start the peer; `arguments` take the place of its program's last ones."""
        peer = self.peer.with_arguments(*arguments) if arguments else self.peer
        with serving(peer.command(self.python), self.cores.server) as server:
            yield server

    def hammer(self, server: Server, ask: Ask, connections: int = 64) -> dict[str, float]:
        """Ask with wrk; return CPU a request, requests a second, and the slowest percent."""
        assert self.wrk is not None, "workloads that need wrk are left out without it"
        before = server.cpu()
        told = run_wrk(self.wrk, server.port, ask, self.seconds, connections)
        time.sleep(SETTLE_SECONDS)
        cpu = server.cpu() - before
        return {"cpu": cpu / told.requests * 1e6, "rate": told.rate, "p99": told.p99_ms}

    def run(self, program: str, *arguments: str) -> dict[str, Any]:
        """Run a program that measures itself, on the server's core; return what it prints."""
        command = [self.python, str(PROGRAMS / program), *arguments]
        with (
            tempfile.TemporaryFile("w+") as said,
            started(command, self.cores.server, said) as (process, printed),
        ):
            text = printed.read()
            if process.wait():
                raise Complaint(f"{program} fails: {last_line(said)}")
        found: dict[str, Any] = json.loads(text)
        return found


Measure = Callable[[Bench], dict[str, float]]


@dataclass(frozen=True)
class Workload:
    """`measure` starts the peer afresh, checks its answers, and returns {figure: value}.

    What takes long is not measured in more than `most_rounds`.
    """

    name: str
    title: str
    figures: tuple[Figure, ...]
    measure: Measure
    peers: tuple[str, ...]
    needs_wrk: bool = False
    most_rounds: int = 999
