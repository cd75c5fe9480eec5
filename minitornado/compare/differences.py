"""Lays two runs side by side, and holds every difference against the table of explanations.  Pure.

    <   only ours has this step
    >   only theirs has it
    ~   both have it, at another place in the order

A difference that no entry of the table claims is a finding: ours does something that nobody
has accounted for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .explanations import EXPLANATIONS, Explanation
from .scenarios import Scenario
from .steps import FACETS, Run, Step

#: Facets whose steps are each one of a kind: one that is missing here and superfluous there was
#: done at another time.  A turn more or less is just that.
MOVABLE = ("calls", "kernel", "log", "wire")


@dataclass(frozen=True)
class Server:
    """Who was asked: its name, its version, and the Python that it ran on."""

    name: str
    version: str
    python: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass
class Pair:
    """A step of ours, one of theirs, or both; why, if it is one of them alone."""

    ours: Step | None
    theirs: Step | None
    side: str = "="
    why: Explanation | None = None

    @property
    def step(self) -> Step:
        """The step that there is."""
        step = self.ours or self.theirs
        assert step is not None
        return step


@dataclass
class Comparison:
    """A scenario in two servers."""

    scenario: Scenario
    ours: Run
    theirs: Run
    server: Server
    table: Sequence[Explanation] = EXPLANATIONS
    pairs: list[Pair] = field(init=False)

    def __post_init__(self) -> None:
        self.pairs = [
            *self._aligned(self.ours.steps, self.theirs.steps),
            *self._aligned(self.ours.wire, self.theirs.wire),
        ]

    def _aligned(self, ours: Sequence[Step], theirs: Sequence[Step]) -> Iterator[Pair]:
        pairs = [Pair(one, other) for one, other in aligned(ours, theirs)]
        moved = _movable(pair.ours for pair in pairs if pair.theirs is None)
        moved &= _movable(pair.theirs for pair in pairs if pair.ours is None)
        left = {side: Counter(moved) for side in "<>"}
        claimed: Counter[tuple[str, str, str]] = Counter()
        for pair in pairs:
            if pair.ours is None or pair.theirs is None:
                side = "<" if pair.theirs is None else ">"
                pair.side = "~" if left[side][pair.step.key] > 0 else side
                left[side][pair.step.key] -= 1
                for entry in self.claims(pair):
                    claim = entry.name, pair.side, pair.step.key
                    if entry.may_claim(claimed[claim]):
                        claimed[claim] += 1
                        pair.why = entry
                        break
            yield pair

    def claims(self, pair: Pair) -> list[Explanation]:
        """Return the entries of the table that explain a difference."""
        name, version = self.scenario.name, self.server.version
        return [
            entry for entry in self.table if entry.explains(pair.side, pair.step, name, version)
        ]

    @property
    def differences(self) -> list[Pair]:
        """What isn't the same in both."""
        return [pair for pair in self.pairs if pair.side != "="]

    @property
    def unexplained(self) -> list[Pair]:
        """Those that no entry of the table claims."""
        return [pair for pair in self.differences if pair.why is None]

    @property
    def reasons(self) -> Counter[str]:
        """How many differences each entry explains, by its name, in the table's order."""
        found = Counter(pair.why.name for pair in self.differences if pair.why is not None)
        return Counter({entry.name: found[entry.name] for entry in self.table if found[entry.name]})

    def counts(self) -> dict[str, tuple[int, int]]:
        """How many steps of each facet ours has, and theirs."""
        ours, theirs = (
            Counter(step.facet for step in (*run.steps, *run.wire))
            for run in (self.ours, self.theirs)
        )
        return {facet: (ours[facet], theirs[facet]) for facet in FACETS}


def _movable(steps: Iterable[Step | None]) -> Counter[str]:
    return Counter(step.key for step in steps if step is not None and step.facet in MOVABLE)


#: What it is worth that two such steps stand side by side, by how they begin; others are worth 4.
#: A poll is like any other, and must not draw apart what is one of a kind.
WORTH = {"epoll_wait": 1, "epoll_ctl": 2, "a": 3, "handler": 3}


def aligned(
    ours: Sequence[Step], theirs: Sequence[Step]
) -> Iterator[tuple[Step | None, Step | None]]:
    """Yield pairs of what has the same key, in order; None beside what only one of them has.

    The common steps are those that are worth most together (a weighted longest common
    subsequence; difflib's longest block first may tear two requests apart).
    """
    rows = _worth(ours, theirs)
    at, beside = 0, 0
    while at < len(ours) and beside < len(theirs):
        one, other = ours[at], theirs[beside]
        if one.key == other.key:
            # Never worse: whatever one of them could be paired with comes later.
            yield one, other
            at, beside = at + 1, beside + 1
        elif rows[at + 1][beside] >= rows[at][beside + 1]:
            yield one, None
            at += 1
        else:
            yield None, other
            beside += 1
    yield from ((one, None) for one in ours[at:])
    yield from ((None, other) for other in theirs[beside:])


def _worth(ours: Sequence[Step], theirs: Sequence[Step]) -> list[list[int]]:
    """Return what the steps from ours[i] and theirs[j] on are worth together, as [i][j]."""
    rows = [[0] * (len(theirs) + 1)]
    for one in reversed(ours):
        below, row, worth = rows[-1], [0], WORTH.get(one.key.partition(" ")[0], 4)
        for at in range(len(theirs) - 1, -1, -1):
            best = max(row[-1], below[at])
            if one.key == theirs[at].key:
                best = max(best, below[at + 1] + worth)
            row.append(best)
        rows.append(row[::-1])
    return rows[::-1]
