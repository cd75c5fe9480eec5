"""The exit quizzes in a terminal.

    python -m minitornado quiz 06       what you have not had right yet, one at a time
    python -m minitornado quiz --list   the notebooks, and which of them you have ticked
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minitornado.classroom import progress, shelf, terminal
from minitornado.classroom.quiz import ENOUGH, Asked, close, items_of
from minitornado.cli.output import PROGRAM, Complaint, console

if TYPE_CHECKING:
    from rich.console import Console


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status. Raises Complaint."""
    options = _make_parser().parse_args(arguments)
    screen = console()
    try:
        if options.list or options.number is None:
            screen.print(progress.line(), markup=False)
        else:
            _ask(screen, options.number, options.again)
    except progress.ProgressError as error:
        raise Complaint(str(error)) from None
    return 0


def _ask(screen: Console, number: str, again: bool) -> None:
    if number not in shelf.find_numbers():
        raise Complaint(f"no quiz {number!r}: there are those of notebook "
                        f"{', '.join(shelf.find_numbers())}", 2)
    shelf.load(number)
    items = items_of(number)
    if again:
        for item in items:
            terminal.keep(screen, item.id, None)
    right = {item.id for item in items if _is_right(item, progress.choices().get(item.id))}
    terminal.say(screen, f"Notebook {number} · {shelf.heading(number)[0]}", style="bold")
    terminal.say(screen, f"{len(items)} questions, {len(right)} right so far; {ENOUGH} tick the "
                         "notebook. Type your answer, then Enter; q stops.")
    for item in items:
        if item.id in right:
            continue
        terminal.show(screen, item)
        answer = terminal.read_answer(screen, item)
        if answer is None:
            break
        terminal.keep(screen, item.id, answer)
        judged = item.judge(answer)
        if judged.right:
            right.add(item.id)
            terminal.say(screen, f"Right. {judged.said}", style="bold green")
        else:
            terminal.say(screen, f"No. {judged.comment}")
    screen.print()
    terminal.say(screen, close(number, len(right), len(items)), style="bold")
    if len(right) < len(items):
        terminal.say(screen, f"What is not right yet comes again with: {PROGRAM} quiz {number}")


def _is_right(item: Asked, kept: str | None) -> bool:
    answer = item.read(kept) if kept is not None else None
    return answer is not None and item.judge(answer).right


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} quiz", allow_abbrev=False,
        description="The exit quiz of a notebook, one question at a time. What is right is "
        "computed by running it. A pipe can answer as well: an answer a line.",
    )
    parser.add_argument("number", nargs="?", metavar="NN",
                        help="a notebook, as 00 (default: --list)")
    parser.add_argument("--list", action="store_true",
                        help="the notebooks, and which of them you have ticked")
    parser.add_argument("--again", action="store_true", help="forget your answers, and ask afresh")
    return parser
