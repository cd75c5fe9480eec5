"""Finds out which scenarios each known mistake makes fail, and writes it to explains.toml.

    python tests/exercises/explains.py ex05      after a change of its scenarios; all if none

A diagnosis speaks in these scenarios alone.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from test_exercises import learner  # noqa: E402

from minitornado.classroom.exercises import engine  # noqa: E402
from minitornado.classroom.exercises.catalog import Course, Exercise  # noqa: E402

HEAD = """\
# Which scenarios each mistake makes fail: its diagnosis speaks in no others, since whoever has
# made two is not to hear of one where the other shows.  Written by tests/exercises/explains.py.
"""


def explained(exercise: Exercise) -> str:
    """The text of the exercise's explains.toml."""
    lines = [HEAD]
    for pieces in sorted((exercise.folder / "wrong").glob("*.py")):
        with tempfile.TemporaryDirectory() as folder:
            course = learner(exercise, pieces, Path(folder))
            run = engine._Run(course, exercise, engine.compiled(course, exercise.blanks))
            run.play(None)
        names = [name for name, _ in engine.scenario_names(exercise)
                 if run.results[name].status != engine.PASSED]
        lines += [f"{pieces.stem} = [", *(f'    "{name}",' for name in names), "]"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for exercise in Course().exercises():
        if len(sys.argv) == 1 or exercise.id in sys.argv[1:]:
            (exercise.folder / "explains.toml").write_text(explained(exercise), "utf-8")
