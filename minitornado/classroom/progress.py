"""How far the learner is: kept on her machine, beside her exercises.

    my_minitornado/predictions.json    {"P00.1": "b", "Q00.1": "a", "Q00": "5 of 5", ...}

    python -m minitornado progress     shows it

Predictions, answers of the quizzes and ticked notebooks; the exercises keep their own. Both the
terminal and the notebooks read and write it. A build does neither: a committed notebook would
else depend on who built it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .exercises.catalog import Course

TICKED, OPEN = "✓", "·"


class ProgressError(Exception):
    """The file is there, and cannot be read; says what to do."""


def in_use() -> bool:
    """Whether a notebook's `predict` uses it: only in somebody's kernel, not in a build."""
    ipython = sys.modules.get("IPython")
    in_kernel = ipython is not None and ipython.get_ipython() is not None
    return in_kernel and not os.environ.get("MINITORNADO_BUILD")


def path() -> Path:
    """The file, which may not exist."""
    return Course().learner_dir / "predictions.json"


def shown_path() -> str:
    return Course().shown(path())


def choices() -> dict[str, str]:
    """The letters chosen so far, by question. Raises ProgressError."""
    try:
        kept = json.loads(path().read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ProgressError(f"can't read {shown_path()}: {error.strerror}") from None
    except ValueError as error:
        kept = error
    if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
        raise ProgressError(
            f"{shown_path()} is not what was written there; delete it to predict afresh"
        )
    return kept


def keep(id: str, choice: str | None) -> None:
    """Keep the choice for a question; None forgets it. Raises ProgressError, OSError."""
    kept = choices()
    kept.pop(id, None)
    if choice is not None:
        kept[id] = choice
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    # In two steps: whoever interrupts it must not lose all choices.
    new = file.with_name(file.name + ".new")
    new.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", "utf-8")
    new.replace(file)


def keep_quietly(id: str, choice: str | None) -> str:
    """The same, for who can do without; return why it failed, or ""."""
    try:
        keep(id, choice)
    except OSError as error:  # a read-only folder is no reason not to answer
        return str(error.strerror)
    return ""


def tick_of(notebook: str) -> str:
    """The key of a ticked notebook; its value says how many of its quiz were right."""
    return f"Q{notebook}"


def line() -> str:
    """The notebooks, and which of them are ticked: "00 ✓  03 ·  06 ·"."""
    from .shelf import find_numbers

    kept = choices()
    return "  ".join(f"{number} {TICKED if tick_of(number) in kept else OPEN}"
                     for number in find_numbers())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status. Raises Complaint."""
    from minitornado.cli.output import PROGRAM, Complaint, console

    from .exercises.commands import progress as exercises_done
    from .shelf import find_numbers, heading

    argparse.ArgumentParser(
        prog=f"{PROGRAM} progress", allow_abbrev=False,
        description="How far you are: predictions made, notebooks ticked by their quiz, exercises "
        "solved. It is kept in my_minitornado/, and nowhere else.",
    ).parse_args(arguments)
    try:
        kept = choices()
    except ProgressError as error:
        raise Complaint(str(error)) from None
    screen = console()
    for number in find_numbers():
        made = sum(id.startswith(f"P{number}.") for id in kept)
        tick = kept.get(tick_of(number), "open")
        mark = TICKED if tick_of(number) in kept else OPEN
        screen.print(f"{mark} {number}  quiz {tick:6}  {made} predictions  {heading(number)[0]}",
                     markup=False, soft_wrap=True)
    screen.print(exercises_done(), markup=False, soft_wrap=True)
    return 0
