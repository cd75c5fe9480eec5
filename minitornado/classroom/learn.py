"""The command line of the exercises.

    python -m minitornado learn                 watch: checks again whenever you save
    python -m minitornado learn start ex13      a copy with blanks, in my_minitornado/
    python -m minitornado learn check ex13      exit code 0: passed; 1: not yet; 2: misused
    python -m minitornado learn class FOLDER    for teachers: what was handed in, checked

Everything it says comes from `exercises.commands`; pytest tells the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, RenderableType

from .exercises import commands, run, score, watch
from .exercises.catalog import Course, ExerciseError
from .exercises.source import SourceError

COMMANDS = {
    "watch": "check an exercise again whenever you save it; what `learn` alone does",
    "list": "all exercises, and how far you are",
    "start": "write your copy, with the definitions to fill in left blank",
    "check": "run the scenarios on your copy; exit code 0 if all pass",
    "hint": "the next hint, of three",
    "trace": "what happened in a scenario, yours beside the reference's",
    "diff": "what you have written; once it passes, against the reference",
    "reset": "blank your definitions again, after a backup",
    "solution": "the reference's definitions, after the hints",
    "swap": "have classes of yours run in every check, in the place of the reference's",
    "update": "bring copies up to date that were made of an older version",
    "score": "check all exercises, and count the points; the form of --json is in score.py",
    "class": "for teachers: the scores of all who have a folder in this one",
    "serve": "the demo server on your own pieces; further options are those of `serve`",
    "run": "another command on your own pieces: run trace /hello --view lanes",
}
WITHOUT_EXERCISE = ("watch", "list", "swap", "update", "score", "class", "serve", "run")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv) or ["watch"]
    # What follows is for the command that is run, its options and --help included.
    handed_on = {"serve": words, "run": words[1:]}.get(words[0])
    options = parser().parse_args(words[:1] if handed_on is not None else words)
    # Lines are 80 columns as they come; what is in brackets is no markup.
    console = Console(highlight=False, soft_wrap=True, markup=False)
    try:
        if options.command == "check":
            return _check(console, options.exercise, options.json)
        if options.command in ("score", "class"):
            return _score(console, options)
        if options.command == "watch":
            return watch.watch(console, options.exercise)
        if handed_on is not None:
            return run.run(handed_on)
        console.print(_answer(options))
    except (ExerciseError, SourceError) as error:
        print(f"learn: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a read-only folder, a full disk
        if error.filename is None:
            raise
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
    order = {name: orders.add_parser(name, help=text, description=text, allow_abbrev=False)
             for name, text in COMMANDS.items()}
    for name in COMMANDS:
        if name not in WITHOUT_EXERCISE:
            order[name].add_argument("exercise", help="ex13, or 13")
    for name in ("check", "score", "class"):
        order[name].add_argument("--json", action="store_true", help="for another program")
    order["class"].add_argument("folder", type=Path, help="one folder in it for each learner")
    order["class"].add_argument("--csv", action="store_true", help="the points, for a spreadsheet")
    order["watch"].add_argument("exercise", nargs="?", help="by default the first not solved")
    order["hint"].add_argument("--tier", type=int, choices=(1, 2, 3), help="this one, not the next")
    order["trace"].add_argument("scenario", nargs="?", help="by default the first that fails")
    order["solution"].add_argument("--anyway", action="store_true", help="without the hints")
    order["swap"].add_argument("classes", nargs="*", metavar="class", help="turn this one over")
    order["swap"].add_argument("--all", action="store_true", help="all that you have written")
    order["swap"].add_argument("--none", action="store_true", help="the reference's everywhere")
    return top


def _check(console: Console, exercise: str, as_json: bool) -> int:
    if as_json:
        course = Course()
        told = score.of_exercise(course, course.exercise(exercise))
        print(json.dumps({"format": score.FORMAT, "version": score.VERSION} | told, indent=2))
        return 0 if told["status"] == "passed" else 1
    checked = commands.check(exercise)
    console.print(checked)
    return 0 if checked.passed else 1


def _score(console: Console, options: argparse.Namespace) -> int:
    told = (score.of_class(options.folder) if options.command == "class"
            else score.of_learner(Course()))
    if options.json:
        print(json.dumps(told, indent=2))
    elif options.command == "class" and options.csv:
        print(score.as_csv(told), end="")
    else:
        console.print(score.table(told))
    return 0


def _answer(options: argparse.Namespace) -> RenderableType:
    if options.command == "list":
        return commands.listing()
    if options.command == "start":
        return commands.start(options.exercise)
    if options.command == "hint":
        return commands.hint(options.exercise, options.tier)
    if options.command == "trace":
        return commands.trace(options.exercise, options.scenario)
    if options.command == "diff":
        return commands.diff(options.exercise)
    if options.command == "reset":
        return commands.reset(options.exercise)
    if options.command == "swap":
        return commands.swap(options.classes, options.all, options.none)
    if options.command == "update":
        return commands.update()
    return commands.solution(options.exercise, options.anyway)


if __name__ == "__main__":
    sys.exit(main())
