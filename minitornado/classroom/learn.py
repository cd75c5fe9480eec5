"""The command line of the exercises: start, check, hint, reset, solution, list.

    python -m minitornado learn start ex13      a copy with blanks, in my_minitornado/
    python -m minitornado learn check ex13      exit code 0: passed; 1: not yet; 2: misused

Everything it says comes from `exercises.commands`; pytest tells the same.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console, RenderableType

from .exercises import commands
from .exercises.catalog import ExerciseError
from .exercises.source import SourceError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(argv)
    console = Console(highlight=False, soft_wrap=True)  # lines are 80 columns as they come
    try:
        if options.command == "check":
            return _check(console, options.exercise)
        console.print(_answer(options))
    except (ExerciseError, SourceError) as error:
        print(f"learn: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a read-only folder, a full disk
        print(f"learn: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """The arguments; also for who mounts this below another command."""
    top = argparse.ArgumentParser(
        prog="python -m minitornado learn",
        description="Exercises: write parts of the server stack yourself, and see them run.",
        epilog="Your copies live in my_minitornado/; none is overwritten without a backup.")
    orders = top.add_subparsers(dest="command", required=True, metavar="command")
    orders.add_parser("list", help="all exercises, and how far you are")
    for name, text in (
            ("start", "write your copy, with the definitions to fill in left blank"),
            ("check", "run the scenarios on your copy; exit code 0 if all pass"),
            ("hint", "the next hint, of three"),
            ("reset", "blank your definitions again, after a backup"),
            ("solution", "the reference's definitions, after the hints")):
        order = orders.add_parser(name, help=text, description=text)
        order.add_argument("exercise", help="ex13, or 13")
        if name == "hint":
            order.add_argument("--tier", type=int, choices=(1, 2, 3), help="this one, not the next")
        if name == "solution":
            order.add_argument("--anyway", action="store_true", help="without the hints")
    return top


def _check(console: Console, exercise: str) -> int:
    checked = commands.check(exercise)
    console.print(checked)
    return 0 if checked.passed else 1


def _answer(options: argparse.Namespace) -> RenderableType:
    if options.command == "list":
        return commands.listing()
    if options.command == "start":
        return commands.start(options.exercise)
    if options.command == "hint":
        return commands.hint(options.exercise, options.tier)
    if options.command == "reset":
        return commands.reset(options.exercise)
    return commands.solution(options.exercise, options.anyway)


if __name__ == "__main__":
    sys.exit(main())
