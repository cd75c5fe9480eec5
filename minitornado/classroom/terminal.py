"""Questions in a terminal, one at a time: shown, answered by a line of input, and kept.

It reads line by line, so a pipe can answer as well.
"""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

from minitornado.classroom import progress
from minitornado.classroom.quiz import Asked

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 80  # columns at most: longer lines are hard to follow


def say(screen: Console, text: str, *, indent: int = 0, style: str = "") -> None:
    """Print `text`, wrapped; its further lines begin at column `indent`."""
    for line in textwrap.wrap(text, min(screen.width, WIDTH), subsequent_indent=" " * indent,
                              break_on_hyphens=False):
        screen.print(line, style=style, markup=False, soft_wrap=True)


def show(screen: Console, asked: Asked) -> None:
    """Print a question and what there is to choose from."""
    screen.print()
    say(screen, f"{asked.id}  {asked.text}", style="bold")
    for option in asked.listed:
        say(screen, f"  {option}", indent=5)


def read_answer(screen: Console, asked: Asked) -> str | None:
    """The reader's answer; None if she stops, or her input ends."""
    while True:
        screen.print("> ", end="")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not sys.stdin.isatty():
            screen.print(line.strip(), markup=False)  # a terminal has shown it already
        if not line or line.strip().lower() in ("q", "quit"):
            return None
        answer = asked.read(line)
        if answer is not None:
            return answer
        say(screen, f"{asked.hint}; or q, to stop.")


def keep(screen: Console, id: str, answer: str | None) -> None:
    """Keep an answer for the next time; None forgets it."""
    failure = progress.keep_quietly(id, answer)
    if failure:
        say(screen, f"(It could not be kept in {progress.shown_path()}: {failure}.)")
