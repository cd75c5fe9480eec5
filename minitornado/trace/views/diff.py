"""The difference of two traces: their stories side by side, aligned on what each step is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import zip_longest

from rich.console import RenderableType

from .story import Step, Story
from .view import GREY, WHY, View, line

Pair = tuple[Step | None, Step | None]


class Diff(View):
    """Two stories: steps that are the same side by side, a gap where one has a step more.

    Steps are the same if their keys are, which all tables share: so the stories of two servers
    that do the same thing line up, whatever their functions are called.
    """

    def __init__(self, one: Story, other: Story, names: tuple[str, str] = ("one", "other")) -> None:
        self.names = names
        self.pairs = list(_align(one.steps, other.steps))

    def same(self) -> bool:
        """Tell whether neither has a step that the other lacks."""
        return all(one is not None and other is not None for one, other in self.pairs)

    def __len__(self) -> int:
        """Return the number of steps that only one of them has."""
        return sum(one is None or other is None for one, other in self.pairs)

    def body(self, width: int) -> Iterable[RenderableType]:
        column = (min(width, 160) - 3) // 2
        yield line((f"{self.names[0]:{column}}   {self.names[1]}", "bold"))
        for one, other in self.pairs:
            # In words too, since = and < are all that a reader without colours has.
            mark = "=" if one and other else "<" if one else ">"
            lines = zip_longest(_lines(one, column), _lines(other, column), fillvalue="")
            for at, (left, right) in enumerate(lines):
                style = f"bold {GREY if mark == '=' else WHY}"
                yield line(f"{left:{column}}", (f" {mark if at == 0 else ' '} ", style), right)
        if self.same():
            yield line(("The same steps in the same order.", "bold"))
        else:
            yield line(f"{len(self)} of {len(self.pairs)} steps are in one of them only.")


def _align(one: list[Step], other: list[Step]) -> Iterator[Pair]:
    matcher = SequenceMatcher(
        None, [step.key for step in one], [step.key for step in other], autojunk=False
    )
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        if what == "equal":
            yield from zip(one[i1:i2], other[j1:j2], strict=True)
        else:
            yield from ((step, None) for step in one[i1:i2])
            yield from ((None, step) for step in other[j1:j2])


def _lines(step: Step | None, width: int) -> list[str]:
    if step is None:
        return []
    said = f"{step.number:3} {step.event.layer or '':9} {step.key}"
    return textwrap.wrap(said, width, initial_indent="", subsequent_indent=" " * 14) or [""]
