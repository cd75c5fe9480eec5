"""Tricks that were left out, each with the reason, and what it would have bought.

A trick that cannot be explained in three lines of comment is not in the stack, nor one that makes
a benchmark faster and no server.  So that nobody has to guess what that costs, each is played on
the stack from outside (programs/tricks.py), and measured as a peer of the stack as it is: hello
over keep-alive, in the same rounds.  Calls are counted beside it, since the differences are small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from .bench import Bench, Figure, Workload
from .load import check, get, warm
from .peers import OURS, PEERS, Peer
from .report import explained, number, plain_table, told
from .results import Results, Spread, ratio
from .workloads import WARM_UP


@dataclass(frozen=True)
class Trick:
    """`does` is what it is, `left_out` why the stack has it not; a sentence each."""

    name: str
    title: str
    does: str
    left_out: str


TRICKS = (
    Trick("head-by-bytes", "a request's head, by its bytes",
          "A head that has come before is not parsed again.",
          "A benchmark repeats a head to the byte; where path or cookie differ, as users' do, it "
          "is one more search, for nothing."),
    Trick("answer-by-fields", "an answer's head, by its fields",
          "The head of an answer is kept, and found again by all that it depends on.",
          "It depends on status, fields, method, version, the connection's end and the second: "
          "forget one, and a client is given another's answer."),
    Trick("resumed-at-once", "a coroutine resumed at once",
          "It goes on inside set_result, and not on a turn of its own.",
          "In Tornado it has a turn and an empty stack, which is what learners are shown; and "
          "who resolves a future would run the code of all who wait."),
    Trick("exchange-reused", "one exchange object a connection",
          "An HTTP1Connection is made as new for the next request, and not thrown away.",
          "An application that keeps its request, and writes too late, would write into the "
          "next one's answer."),
    Trick("callbacks-alone", "callbacks in place of coroutines",
          "A state machine reads the requests that have no body, and no coroutine.",
          "Every wait would cut a function in two: what reads from the head of a request to its "
          "end would be in pieces, and an error each piece's to catch."),
    Trick("no-collector", "no garbage collector",
          "gc.disable(): circles of objects are never looked for.",
          "It is the program's to say, not a library's: every circle that an application makes "
          "would stay for ever."),
    Trick("no-asserts", "no asserts",
          "python -O: the asserts are not compiled.",
          "It is the user's switch, and works as it is; without asserts a bug is found later, "
          "and elsewhere."),
)  # fmt: skip

TOGETHER = Trick("together", "all of them together", "", "")
SECONDS = 2  # of wrk's asking: the differences are small


def peers() -> list[Peer]:
    """The stack as it is, with each trick, and with all of them."""
    tricks = [*TRICKS, TOGETHER]
    return [PEERS[OURS], *(Peer(it.name, it.title, ("tricks.py", played(it))) for it in tricks)]


def played(trick: Trick) -> str:
    """What programs/tricks.py is to be told."""
    if trick is not TOGETHER:
        return trick.name
    return ",".join(it.name for it in reversed(TRICKS))  # first the one that begins anew


def _measure(bench: Bench) -> dict[str, float]:
    bench.seconds = SECONDS
    with bench.server() as server:
        check(server.port, get())
        warm(server.port, get(), WARM_UP)
        return bench.hammer(server, get())


WORKLOAD = Workload(
    "tricks", "what the tricks that were left out would buy", (Figure("cpu", "CPU", "µs"),),
    _measure, (OURS, *(trick.name for trick in (*TRICKS, TOGETHER))), needs_wrk=True,
)  # fmt: skip


def counted(bench: Bench) -> dict[str, dict[str, float]]:
    """Calls a request of the stack as it is, and with each trick, {name: {"python": …, "c": …}}."""
    found = {}
    for name, tricks in [(OURS, []), *((it.name, [played(it)]) for it in (*TRICKS, TOGETHER))]:
        calls = bench.run("counted.py", "whole", *tricks)
        found[name] = {kind: round(sum(calls[kind].values()), 2) for kind in ("python", "c")}
    return found


def bought(results: Results, name: str) -> Spread | None:
    """How many times less CPU a trick takes than the stack as it is; None if not measured.

    >>> run = {"minitornado": {"cpu": [10.0, 20.0]}, "no-asserts": {"cpu": [8.0, 16.0]}}
    >>> bought({"tricks": {"peers": run}}, "no-asserts")
    Spread(median=1.25, least=1.25, most=1.25)
    """
    measured = {"workloads": {"tricks": results["tricks"]["peers"]}}
    return ratio(measured, "tricks", name, "cpu", to=OURS)


def rows(results: Results) -> Iterator[tuple[Trick, Spread, str]]:
    """Yield of each trick how many times less CPU it takes, and how many calls more or less."""
    calls = {name: sum(kinds.values()) for name, kinds in results["tricks"]["calls"].items()}
    for trick in (*TRICKS, TOGETHER):
        found = bought(results, trick.name)
        if found is not None:
            more = round(calls[trick.name] - calls[OURS])
            yield trick, found, f"{more:+}" if more else "0"


def table(results: Results) -> Table:
    """A trick a row: what it is, why it is left out, what it costs and buys."""
    shown = plain_table(WORKLOAD.title, "trick", "µs", "times less", "calls")
    measured = results["tricks"]["peers"]
    medians = {name: number(Spread.of(measured[name]["cpu"]).median) for name in measured}
    calls = number(sum(results["tricks"]["calls"][OURS].values()))
    shown.add_row(Text("minitornado as it is", "bold"), medians[OURS], "1", calls)
    for trick, found, more in rows(results):
        why_not = trick.left_out and f"Why not: {trick.left_out}"
        words = explained(trick.title, trick.does, why_not)
        shown.add_row(words, medians[trick.name], Text(told(found)), more)
    shown.caption = Text(
        "hello over keep-alive: CPU a request, and calls of Python and C functions, more or less "
        "than of minitornado as it is. Medians [least-most]; times less than minitornado as it "
        "is, round by round: what lies on both sides of 1 has bought nothing."
    )
    return shown
