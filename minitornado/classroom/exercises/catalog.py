"""What exercises there are: the metadata beside their tests, read and checked.

    tests/exercises/ex13_read_until/
        exercise.toml        this module reads it
        test_read_until.py   the scenarios and the diagnoses (lab.py says what they are)
        wrong/ID.py          a typical wrong answer; diagnosis ID must be its message
        alt/NAME.py          another right answer
        explains.toml        which scenarios each of these mistakes makes fail; see explains.py
        survivors.toml       small changes of the right answer that are as right; see mutants.py

To add one: make such a folder.  Its blanks may be in any modules of the package; a wrong or
other right answer is a file with whole definitions, which replace the reference's of the same
name.  tests/test_exercises.py then holds it to the rules that hold for all.

Two exercises may ask about the same definition: the later one for more of it.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = "minitornado"
ROOT = Path(__file__).resolve().parents[3]
HINTS = 3


class ExerciseError(Exception):
    """Something the learner, or the author of an exercise, can put right; says what."""


@dataclass(frozen=True)
class Blank:
    """A definition that the learner writes, and the question that stands in its place till then.

    Its first `keep` statements are given, docstring apart: checks of arguments, say, that are
    not what the exercise is about.
    """

    module: str
    qualname: str
    question: str
    keep: int = 0

    @property
    def slot(self) -> str:
        """The class it belongs to, or the function itself: whose code ran is told by slot."""
        return self.qualname.split(".")[0]

    @property
    def name(self) -> str:
        """`module:qualname`, as in exercise.toml."""
        return f"{self.module}:{self.qualname}"


@dataclass(frozen=True)
class Exercise:
    """One folder of tests/exercises; the meaning of the fields is in its exercise.toml."""

    id: str                            # "ex13"
    folder: Path
    title: str
    notebook: str                      # "06", the one to read before; "" if there is none yet
    misconceptions: tuple[str, ...]    # "M17"
    minutes: int
    points: int
    blanks: tuple[Blank, ...]
    uses: tuple[str, ...]              # "module:Class": runs too, always the reference's
    hints: tuple[str, ...]             # question, mechanism, pseudo-code
    success: str

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that have blanks; the learner gets a copy of each."""
        return tuple(dict.fromkeys(blank.module for blank in self.blanks))

    @property
    def test_file(self) -> Path:
        """The scenarios: the one test_*.py of the folder."""
        (path,) = self.folder.glob("test_*.py")
        return path

    @property
    def explains(self) -> dict[str, list[str]]:
        """The scenarios in which a diagnosis may speak, by its id; in all, if it is not in here.

        Whoever has made two mistakes is not to hear of the first where the second one shows.
        """
        path = self.folder / "explains.toml"
        return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}

    def shares_with(self, other: Exercise) -> list[str]:
        """The names of the definitions that both ask about."""
        theirs = {(blank.module, blank.qualname) for blank in other.blanks}
        return [blank.qualname for blank in self.blanks
                if self.id != other.id and (blank.module, blank.qualname) in theirs]

    def blanks_in(self, module: str) -> tuple[Blank, ...]:
        return tuple(blank for blank in self.blanks if blank.module == module)


@dataclass(frozen=True)
class Course:
    """Where everything is: the package, its exercises, the learner's copies.

    `MY_MINITORNADO` in the environment moves the learner's folder, so that two people, or a
    test, can share one clone.
    """

    root: Path = ROOT
    package: str = PACKAGE
    learner_dir: Path = field(
        default_factory=lambda: Path(os.environ.get("MY_MINITORNADO") or ROOT / "my_minitornado"))

    @property
    def exercises_dir(self) -> Path:
        return self.root / "tests" / "exercises"

    def reference(self, module: str) -> Path:
        """The file of a module of the package."""
        path = self.root.joinpath(*module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def copy(self, module: str) -> Path:
        """The learner's file for it, which may not exist: my_minitornado/pending_read.py."""
        inner = module.removeprefix(self.package + ".")
        return self.learner_dir.joinpath(*inner.split(".")).with_suffix(".py")

    def notebook(self, exercise: Exercise) -> str:
        """The file of the notebook to read before, as it is shown; "" if there is none yet."""
        found = sorted((self.root / "notebooks").glob(f"{exercise.notebook or None}_*.ipynb"))
        return self.shown(found[0]) if found else ""

    def shown(self, path: Path) -> str:
        """A path as a person reads it: relative to the project, never absolute."""
        for base in (self.root, self.learner_dir.parent):
            if path.is_relative_to(base):
                return str(path.relative_to(base))
        return path.name

    def exercises(self) -> list[Exercise]:
        """All exercises, by number."""
        files = sorted(self.exercises_dir.glob("ex*/exercise.toml"))
        if not files:
            raise ExerciseError(f"no exercises in {self.exercises_dir}: they come with a clone of "
                                f"the project, not with an installed package")
        return [load(path) for path in files]

    def blanks(self) -> list[Blank]:
        """The blanks of all exercises, each definition once."""
        found: dict[str, Blank] = {}
        for exercise in self.exercises():
            for blank in exercise.blanks:
                found.setdefault(blank.name, blank)
        return list(found.values())

    def exercise(self, name: str) -> Exercise:
        """The exercise called `ex13`, `13` or `ex13_read_until`."""
        everything = self.exercises()
        for exercise in everything:
            if name in (exercise.id, exercise.id.removeprefix("ex"), exercise.folder.name):
                return exercise
        known = ", ".join(exercise.id for exercise in everything)
        raise ExerciseError(f"no exercise {name!r}; there are: {known}")


def load(path: Path) -> Exercise:
    """Read one exercise.toml; raises ExerciseError with the file and the field that is wrong."""
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        exercise = Exercise(
            id=path.parent.name.split("_")[0], folder=path.parent,
            title=data["title"], notebook=_existing(path, data["notebooks"]),
            misconceptions=tuple(data["misconceptions"]), minutes=data["minutes"],
            points=data.get("points", data["minutes"]),
            blanks=tuple(_blank(name, value) for name, value in data["blanks"].items()),
            uses=tuple(data.get("uses", ())),
            hints=tuple(hint.strip() for hint in data["hints"]), success=data["success"].strip())
    except tomllib.TOMLDecodeError as error:
        raise ExerciseError(f"{path}: {error}") from error
    except KeyError as error:
        raise ExerciseError(f"{path}: the field {error} is missing") from error
    if len(exercise.hints) != HINTS:
        raise ExerciseError(f"{path}: {HINTS} hints are needed, not {len(exercise.hints)}")
    if not exercise.blanks:
        raise ExerciseError(f"{path}: an exercise needs at least one blank")
    return exercise


def _existing(path: Path, notebooks: list[str]) -> str:
    """The first of these notebooks, by number, that is there to be read."""
    folder = path.parents[3] / "notebooks"
    return next((number for number in notebooks if any(folder.glob(f"{number}_*.ipynb"))), "")


def _blank(name: str, value: str | dict[str, Any]) -> Blank:
    module, colon, qualname = name.partition(":")
    if not (module and colon and qualname):
        raise ExerciseError(f"a blank is named 'module:Class.method', not {name!r}")
    if isinstance(value, str):
        return Blank(module, qualname, value)
    return Blank(module, qualname, value["question"], value["keep"])
