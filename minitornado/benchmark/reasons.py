"""The page of reasons: where the microseconds of one hello request over keep-alive go.

A ladder of servers, each of which does what the one below does, one layer of the stack higher up
(programs/ladder.py).  All of them answer the same bytes under the same load, so what a step costs
more than the step below is that layer's share, with all that it makes others do; and the shares
add up to the whole, since the last step is the real server.  What this cannot see: a layer that
makes another one cheaper or dearer is credited with the difference.

Beside each share stand the calls that the step adds, which are counted, not timed
(programs/counted.py).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from .bench import Bench, Figure, Workload
from .load import check, get, warm
from .peers import OURS, PEERS, Peer
from .report import explained, number, plain_table, told
from .results import Results, Spread
from .workloads import WARM_UP


@dataclass(frozen=True)
class Step:
    """One server of the ladder: its layer, and what it adds to the step below."""

    name: str
    layer: str
    adds: str
    program: tuple[str, ...] = ()

    def peer(self) -> Peer:
        return Peer(self.name, self.layer, self.program or ("ladder.py", self.name))


STEPS = (
    Step("kernel", "the kernel, and calling it", "epoll_wait, recv, send; nothing is parsed",
         PEERS["epoll"].program),
    Step("loop", "IOLoop", "a turn: handlers, callbacks, timeouts"),
    Step("stream", "IOStream", "buffers, the search for the empty line, a Future for it"),
    Step("coroutine", "Future and Runner", "awaiting that Future, on a turn of its own"),
    Step("parsed", "http1parser", "the head checked, and made start line, fields and framing"),
    Step("exchange", "HTTP1Connection", "one exchange after the other; the delegate's events"),
    Step("answer", "the answer", "its head made of its fields, and checked"),
    Step("server", "HTTPServer and its adapter", "an adapter and a request, made and let go"),
    Step("whole", "the application", "the fields of its answer, which it makes anew",
         PEERS[OURS].program),
)  # fmt: skip


def _measure(bench: Bench) -> dict[str, float]:
    with bench.server() as server:
        check(server.port, get())
        warm(server.port, get(), WARM_UP)
        return {**bench.hammer(server, get()), "kernel": server.kernel_share()}


LADDER = Workload(
    "reasons", "where a request's microseconds go", (Figure("cpu", "CPU a request", "µs"),),
    _measure, tuple(step.name for step in STEPS), needs_wrk=True,
)  # fmt: skip


def peers() -> list[Peer]:
    return [step.peer() for step in STEPS]


def counted(bench: Bench) -> dict[str, dict[str, float]]:
    """Calls a request of each step, {step: {"python": …, "c": …}}; a loop is needed to count."""
    found = {"kernel": {"python": 0.0, "c": 0.0}}
    for step in STEPS[1:]:
        calls = bench.run("counted.py", step.name)
        found[step.name] = {kind: round(sum(calls[kind].values()), 2) for kind in ("python", "c")}
    return found


def shares(ladder: Mapping[str, Mapping[str, list[float]]]) -> dict[str, list[float]]:
    """Return {step: µs that it adds, round by round}.

    >>> shares({"kernel": {"cpu": [6.0, 7.0]}, "loop": {"cpu": [8.0, 8.5]}})
    {'kernel': [6.0, 7.0], 'loop': [2.0, 1.5]}
    """
    found = {}
    below = [0.0] * len(next(iter(ladder.values()))["cpu"])
    for step, figures in ladder.items():
        found[step] = [now - before for now, before in zip(figures["cpu"], below, strict=True)]
        below = figures["cpu"]
    return found


def sentence(results: Results) -> str:
    """Which layer has the largest share, and where that was measured."""
    ladder = results["reasons"]["ladder"]
    medians = {name: statistics.median(own) for name, own in shares(ladder).items()}
    largest = max(STEPS, key=lambda step: medians[step.name])
    share = medians[largest.name] / statistics.median(ladder["whole"]["cpu"])
    machine = results["machine"]
    return (
        f"The largest share: {largest.layer}, {100 * share:.0f} %. "
        f"Measured with {machine['python']}, on {machine['cores']} cores of {machine['cpu']}."
    )


def table(results: Results) -> Table:
    """The page: a line a layer, from the kernel up, and their sum."""
    ladder, calls = results["reasons"]["ladder"], results["reasons"]["calls"]
    added = shares(ladder)
    whole = statistics.median(ladder["whole"]["cpu"])
    shown = plain_table("where the microseconds of a hello request go", "layer", "µs", "%", "calls")
    below = {"python": 0.0, "c": 0.0}
    for step in STEPS:
        own, now = Spread.of(added[step.name]), calls[step.name]
        shown.add_row(
            explained(step.layer, step.adds), Text(told(own)),
            f"{round(100 * own.median / whole)}",
            " + ".join(number(now[kind] - below[kind]) for kind in now if step is not STEPS[0]),
        )  # fmt: skip
        below = now
    total = sum(statistics.median(values) for values in added.values())
    shown.add_row(Text("sum of the medians", "bold"), number(total), f"{100 * total / whole:.0f}",
                  " + ".join(number(count) for count in below.values()))  # fmt: skip
    shown.add_row(Text("the real server", "bold"), Text(told(Spread.of(ladder["whole"]["cpu"]))))
    kernel = statistics.median(ladder["whole"]["kernel"])
    syscalls = results["reasons"]["syscalls"]
    listed = ", ".join(f"{number(times)} {name}" for name, times in syscalls.items())
    shown.caption = Text(
        "Medians [least-most]. calls: Python functions + C functions, a request. "
        f"Of the real server's CPU time, the kernel takes {100 * kernel:.0f} %. "
        f"System calls a request: {listed or 'not counted, for want of strace'}."
    )
    return shown
