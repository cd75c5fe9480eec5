"""What a scenario holds in its hands: steps, events, expectations; and diagnoses of failures.

A scenario is a function `test_…(lab)` in an exercise's test file.  Its docstring is its title
in one line, then the idea behind it.  It says what it does (`lab.step`), and checks
(`lab.check`); a scripted kernel notes what happened (`lab.event`).  Scenarios are run by
child.py, on the learner's code and, after a failure, on the reference: the first event where
the two part is part of the story.

A diagnosis is a function of the same file that looks at a failed lab and says what went wrong,
or None.  The first that speaks is the message; so each mistake has one.  Asked are those whose
mistake makes this scenario fail: explains.toml knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Diagnose = Callable[["Lab"], str | None]


class Unexpected(AssertionError):
    """A check of a scenario that did not hold; the text says what was expected, and what came."""


class Lab:
    """The record of one run of one scenario."""

    def __init__(self) -> None:
        self.steps: list[str] = []          # what the scenario did, in sentences without a stop
        self.events: list[str] = []         # what happened, comparable with another run's
        # What the diagnoses want to know; None where a scenario did not come so far.
        self.facts: defaultdict[str, Any] = defaultdict(lambda: None)
        self.error: BaseException | None = None  # how it ended, if not well

    def step(self, text: str) -> None:
        """Say what is done next."""
        self.steps.append(text)

    def event(self, text: str) -> None:
        """Note what happened."""
        self.events.append(text)

    def check(self, ok: bool, otherwise: str) -> None:
        """End the scenario here unless `ok`; `otherwise` says what was expected and what came."""
        if not ok:
            raise Unexpected(otherwise)


@dataclass(frozen=True)
class Diagnosis:
    """One known mistake: how to tell it, what to say, where to look."""

    id: str             # the name of the function, and of the wrong answer in wrong/
    misconception: str  # "M17"
    blank: str          # the definition to look at, by qualified name
    diagnose: Diagnose
    raises: tuple[type[BaseException], ...] = ()  # exceptions that it may speak of, too


def diagnosis(
    misconception: str, blank: str, *raises: type[BaseException]
) -> Callable[[Diagnose], Diagnosis]:
    """Make a diagnosis of the function beneath; its name is the id.

    The function returns one sentence that is true of this run, or None if it is not this mistake.
    Where an exception ended the scenario, only those are asked that know such ones, `raises`: a
    mistake of typing is found by its line, and a sentence about something else would mislead.
    """
    def make(function: Diagnose) -> Diagnosis:
        name = getattr(function, "__name__", "?")
        return Diagnosis(name, misconception, blank, function, raises)
    return make


def shown(data: bytes | bytearray, most: int = 20) -> str:
    """Bytes for a sentence: all of a few; of many, the count and the last ones.

    >>> shown(b"GET / HTTP/1.1")
    "b'GET / HTTP/1.1'"
    >>> shown(b"x" * 1000 + b"\\r\\n\\r\\n")
    "1,004 bytes ending in b'xxxxxx\\\\r\\\\n\\\\r\\\\n'"
    """
    if len(data) <= most:
        return repr(bytes(data))
    return f"{len(data):,} bytes ending in {bytes(data[-most // 2:])!r}"
