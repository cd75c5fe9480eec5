"""What the learner has predicted: kept on her machine, beside her exercises.

    my_minitornado/predictions.json    {"P00.1": "b", ...}

Both the terminal and the notebooks read and write it. A build does neither: a committed
notebook would else depend on who built it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from .exercises.catalog import Course


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
