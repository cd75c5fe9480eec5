"""Breaks each exercise's right answer in every small way, and asks which breaks go unnoticed.

    python tests/exercises/mutants.py            all exercises; exit code 1 if the lists are stale
    python tests/exercises/mutants.py ex05       one of them

A mutant is the reference with one thing changed in a blank's body (changes.py).  Scenarios that
pass all of them would check nothing.  A survivor is a right answer in disguise, or a hole in the
scenarios; those known to be the former stand in the exercise's survivors.toml, with the reason:

    answer = "callable_only"  # of alt/: break this one, and complete wrong/ with it
    ["IOLoop.add_callback"]
    "if kwargs: … -> if True" = "a partial without keyword arguments is as good as none"

Everything is imported once.  Each mutant is a fork with other code in one function, and a limit:
what the scenarios' own deadlines do not end, the kernel does.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import copy
import importlib
import inspect
import io
import os
import resource
import signal
import sys
import tomllib
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from changes import changes  # noqa: E402

from minitornado.classroom.exercises import child, source  # noqa: E402
from minitornado.classroom.exercises.catalog import Blank, Course, Exercise  # noqa: E402
from minitornado.classroom.exercises.lab import Lab  # noqa: E402

CPU_SECONDS = 0.3  # of a mutant; the answer itself takes a tenth of that
SECONDS = 10  # of one that sleeps

Survivors = dict[str, dict[str, str]]  # qualified name -> change -> reason


@dataclass(frozen=True)
class Outcome:
    """What became of the mutants of one exercise."""

    exercise: Exercise
    count: int
    survivors: list[tuple[str, str]]  # qualified name, change
    reasons: Survivors = field(default_factory=dict)

    @property
    def holes(self) -> list[tuple[str, str]]:
        """Survivors for which nobody has a reason."""
        return [(name, what) for name, what in self.survivors
                if what not in self.reasons.get(name, {})]

    @property
    def stale(self) -> list[tuple[str, str]]:
        """Reasons for what does not survive, or is no change of the answer any more."""
        return [(name, what) for name, told in self.reasons.items() for what in told
                if (name, what) not in self.survivors]

    def __str__(self) -> str:
        lines = [f"{self.exercise.id}: {self.count - len(self.survivors)} of {self.count} killed"]
        lines += [f"    {name}: {what}: {self.reasons.get(name, {}).get(what, 'A HOLE')}"
                  for name, what in self.survivors]
        lines += [f"    {name}: {what}: listed as a survivor, and is none"
                  for name, what in self.stale]
        return "\n".join(lines)


def judge(exercise: Exercise) -> Outcome:
    """Try all mutants of an exercise's answer."""
    path = exercise.folder / "survivors.toml"
    reasons: dict[str, Any] = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    alt = reasons.pop("answer", None)
    pieces = (exercise.folder / "alt" / f"{alt}.py").read_text("utf-8") if alt else ""
    tests = child._load(str(exercise.test_file))
    scenarios = [function for name, function in vars(tests).items() if name.startswith("test_")]
    answers = dict(_answers(exercise, pieces))
    assert _passes(scenarios, answers), f"{exercise.id}: the answer itself does not pass"
    count, survivors = 0, []
    for blank in exercise.blanks:
        for what, changed in changes(answers[blank], blank.keep):
            if _compiled(blank, changed) == _compiled(blank, answers[blank]):
                continue  # the same, in other words
            count += 1
            if _passes(scenarios, answers | {blank: changed}):
                survivors.append((blank.qualname, what))
    return Outcome(exercise, count, survivors, reasons)


def _answers(exercise: Exercise, pieces: str) -> Iterator[tuple[Blank, source.Definition]]:
    given = dict(source.definitions(ast.parse(pieces)))
    for blank in exercise.blanks:
        text = Course().reference(blank.module).read_text("utf-8")
        yield blank, given.get(blank.qualname) or source.find(ast.parse(text), blank.qualname)


def _passes(
    scenarios: list[Callable[[Lab], None]], answers: dict[Blank, source.Definition]
) -> bool:
    """Whether all scenarios pass on these definitions, tried in a process of their own."""
    pid = os.fork()
    if pid == 0:
        _limit()
        try:
            for blank, node in answers.items():
                _put_in_place(blank, node)
            ok = all(_passes_one(scenario) for scenario in scenarios)
        except BaseException:
            ok = False
        os._exit(0 if ok else 1)
    return os.waitpid(pid, 0)[1] == 0


def _passes_one(scenario: Callable[[Lab], None]) -> bool:
    with contextlib.redirect_stdout(io.StringIO()), child._Log():
        try:
            scenario(Lab())
        except BaseException:
            return False
    return True


def _limit() -> None:
    warnings.simplefilter("ignore")  # a coroutine that a mutant has not awaited, say
    resource.setrlimit(resource.RLIMIT_AS, (2 * 1024**3, 2 * 1024**3))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)


def _put_in_place(blank: Blank, node: source.Definition) -> None:
    """Give a function of the stack other code: whoever has imported it runs that from now on."""
    found: Any = importlib.import_module(blank.module)
    for name in blank.qualname.split("."):
        found = inspect.getattr_static(found, name)
    found.__code__ = _compiled(blank, node)


def _compiled(blank: Blank, node: source.Definition) -> types.CodeType:
    """The code of a definition, without its lines: two that do the same compare equal."""
    tree: list[ast.stmt] = [_without_lines(node)]
    for name in reversed(blank.qualname.split(".")[:-1]):
        tree = [ast.ClassDef(name, bases=[], keywords=[], body=tree, decorator_list=[])]
    module = ast.fix_missing_locations(ast.Module(tree, type_ignores=[]))
    flags = __future__.annotations.compiler_flag
    return next(_codes(compile(module, f"<{blank.name}>", "exec", flags), blank.qualname))


def _without_lines(node: source.Definition) -> source.Definition:
    bare = copy.deepcopy(node)
    for inner in ast.walk(bare):
        for name in ("lineno", "end_lineno", "col_offset", "end_col_offset"):
            if hasattr(inner, name):
                delattr(inner, name)
    return bare


def _codes(code: types.CodeType, qualname: str) -> Iterator[types.CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            if inner.co_qualname == qualname:
                yield inner
            yield from _codes(inner, qualname)


def main(names: list[str]) -> int:
    """Judge the exercises with these ids, all if none; print, and return the exit code."""
    stale = killed = count = 0
    for exercise in Course().exercises():
        if not names or exercise.id in names:
            outcome = judge(exercise)
            print(outcome, flush=True)
            stale += len(outcome.holes) + len(outcome.stale)
            count += outcome.count
            killed += outcome.count - len(outcome.survivors)
    print(f"{killed} of {count} killed: {100 * killed / max(count, 1):.1f} %")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
