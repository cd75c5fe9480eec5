"""The predictions in a terminal: one question at a time, the answer after the choice.

    python -m minitornado predict 00        those of notebook 00 that are still open
    python -m minitornado predict P00.3     one of them
    python -m minitornado predict --list    how many there are, and how many you have made

It reads letters line by line, so a pipe can answer as well. The answer is computed when the
choice is made, and not before; choices are kept on this machine, where the notebooks find them.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minitornado.classroom import progress, shelf, terminal
from minitornado.classroom.predict import Question, questions
from minitornado.classroom.terminal import say
from minitornado.cli.output import PROGRAM, Complaint, console

if TYPE_CHECKING:
    from rich.console import Console

_NAME = re.compile(r"(?P<notebook>\d\d)|P(?P<of>\d\d)\.\d+", re.ASCII)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status. Raises Complaint."""
    options = _make_parser().parse_args(arguments)
    screen = console()
    try:
        if options.list or options.name is None:
            _list(screen)
        else:
            _predict(screen, options.name, options.again)
    except progress.ProgressError as error:
        raise Complaint(str(error)) from None
    return 0


def load(number: str) -> list[Question]:
    """The predictions of a notebook."""
    shelf.load(number)
    return questions(number)


# ---- what the command shows ----


def _list(screen: Console) -> None:
    choices = progress.choices()
    for number in shelf.find_numbers():
        asked = load(number)
        made = sum(question.id in choices for question in asked)
        screen.print(f"{number}  {made} of {len(asked)} made   {shelf.heading(number)[0]}".rstrip(),
                     soft_wrap=True, markup=False)
    screen.print(f"\nTo make them: {PROGRAM} predict {shelf.find_numbers()[0]}", soft_wrap=True)


def _predict(screen: Console, name: str, again: bool) -> None:
    number, chosen = _find(name)
    choices = progress.choices()
    for question in chosen:
        if again and question.id in choices:
            terminal.keep(screen, question.id, None)
        choice = None if again else choices.get(question.id)
        question.choice = choice if choice in question.options else None
    if name == number:
        _introduce(screen, number, chosen)
    elif chosen[0].choice is not None:  # asked for by its name: shown, though made already
        terminal.show(screen, chosen[0])
        _answer(screen, chosen[0])
    for question in [question for question in chosen if question.choice is None]:
        terminal.show(screen, question)
        choice = terminal.read_answer(screen, question)
        if choice is None:
            say(screen, f"Stopped at {question.id}. To go on: {PROGRAM} predict {name}")
            return
        question.choice = choice
        terminal.keep(screen, question.id, choice)
        _answer(screen, question)
    if name == number:
        _sum_up(screen, number, chosen)


def _find(name: str) -> tuple[str, list[Question]]:
    """The notebook that `name` means, and its questions, or the one that is meant."""
    match = _NAME.fullmatch(name.upper())
    number = match and (match["notebook"] or match["of"])
    known = shelf.find_numbers()
    if not number or number not in known:
        raise Complaint(f"no predictions {name!r}: there are those of notebook "
                        f"{', '.join(known)}; one of them is named like P{known[0]}.1", 2)
    asked = load(number)
    chosen = [question for question in asked if name.upper() in (number, question.id)]
    if not chosen:
        raise Complaint(f"no prediction {name!r}: notebook {number} has "
                        f"{', '.join(question.id for question in asked) or 'none'}", 2)
    return number, chosen


def _introduce(screen: Console, number: str, asked: list[Question]) -> None:
    title, question = shelf.heading(number)
    say(screen, f"Notebook {number}" + (f" · {title}" if title else ""), style="bold")
    if question:
        say(screen, question)
    made = sum(question.choice is not None for question in asked)
    todo = "" if made == len(asked) else "Type a letter, then Enter; q stops."
    say(screen, f"{len(asked)} predictions, {made} made. {todo}".rstrip())


def _answer(screen: Console, question: Question) -> None:
    """The computed answer, and to a wrong choice what it betrays and what is wrong with it."""
    value = question.answer
    right = question.right(value)
    assert question.choice is not None and right is not None  # `answer` has checked that
    say(screen, f"You chose {question.named(question.choice)}", indent=len("You chose x) "))
    say(screen, f"The run: {question.told(value)}", indent=len("The run: "))
    if question.choice == right:
        say(screen, f"Well predicted. {question.options[right].because}", style="bold green")
        return
    say(screen, f"So right is {question.named(right)}", indent=len("So right is x) "))
    say(screen, question.options[question.choice].comment)
    say(screen, question.options[right].because)


def _sum_up(screen: Console, number: str, asked: list[Question]) -> None:
    screen.print()
    well = [question.id for question in asked if question.choice == question.right(question.answer)]
    others = [question.id for question in asked if question.id not in well]
    say(screen, f"All {len(asked)} made, {len(well)} well predicted.", style="bold")
    if others:
        say(screen, f"To look at again: {', '.join(others)}, as in {PROGRAM} predict {others[0]}")
    say(screen, f"Why it is so: notebook {number}. To predict afresh: "
                 f"{PROGRAM} predict {number} --again")


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} predict", allow_abbrev=False,
        description="The predictions of a notebook, one at a time. Which option is right is "
        "computed by running it, after you have chosen. A pipe can answer as well: a letter a "
        "line.",
    )
    parser.add_argument("name", nargs="?", metavar="NN",
                        help="a notebook, as 00, or one prediction, as P00.3 (default: --list)")
    parser.add_argument("--list", action="store_true",
                        help="the notebooks, and how many of their predictions you have made")
    parser.add_argument("--again", action="store_true", help="forget your choices, and ask afresh")
    return parser
