"""Breaks each exercise's reference answer in every small way, and asks which breaks go unnoticed.

    python tests/exercises/mutants.py            all exercises
    python tests/exercises/mutants.py ex05       one of them

A mutant is the reference with one thing changed in a blank's body: a statement gone, a
comparison turned, a condition always true.  A scenario that passes all of them checks nothing.
Survivors are right answers in disguise, or holes in the scenarios; those known to be the former
are listed below, with the reason.  The exit code is 1 if there is another.
"""

from __future__ import annotations

import ast
import copy
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from minitornado.classroom.exercises import engine, source  # noqa: E402
from minitornado.classroom.exercises.catalog import Blank, Course, Exercise  # noqa: E402

TURNED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add,
}


# Where an exercise asks for less than the reference does: the other right answer that does as much.
ANSWERS = {"ex25": "callable_only"}

# Mutants that are right answers, and why.  "*" is any change that begins like this.
HARMLESS = {
    "ex05": {
        "kwargs -> if True": "a partial without keyword arguments is as good as none",
        "self._timeouts -> if True": "spares a call where there is no timeout",
    },
    "ex07": {
        "args or kwargs -> if True": "a partial without arguments is as good as none",
    },
    "ex13": {
        "return None -> pass": "a function that ends returns None",
        "self._searched - len(self.delimiter) + 1 -> self._searched - len(self.delimiter) - 1":
            "looks at two bytes more than it must",
        "start > 0 -> start >= 0": "the same number",
        "0 -> 1": "of `start > 0`: a search from 1 where the delimiter can't be at 0 any more",
        "self._read_buffer or self._maybe_readable or self._closed or *":
            "looks where there is nothing to see: costs a call, and no syscall",
    },
    "ex15": {
        "gen_log.info(*": "a line for the log",
        "self._close_callback is not None -> if True":
            "hears of the client's leaving although nobody has asked to be told",
    },
    "ex17": {
        "not self._connecting -> if True": "asks for WRITE, as whoever connects has done already",
        "self._closed -> if False": "nothing was sent of it, which ends the turn as well",
        "sent < size -> if True": "a piece an event, and a turn for the others",
        "return -> pass": "the same",
        "sent < size -> sent <= size": "the same",
    },
    "ex25": {
        "self._chunks.clear() -> pass": "the adapter goes away, and they with it",
    },
    "ex26": {
        "return None -> pass": "a function that ends returns None",
        "self._chunks.clear() -> pass": "the adapter goes away, and they with it",
        "self.server.xheaders -> if True": "what was not applied can be taken back, too",
    },
    "ex27": {
        "self.stream.pending() -> if True": "a turn for the others after every exchange",
    },
}


@dataclass(frozen=True)
class Mutant:
    """One change: in which definition, what it was and what it is, as text."""

    blank: Blank
    what: str
    text: str


def mutants(reference: str, blank: Blank) -> Iterator[Mutant]:
    """All mutants of one definition; their text replaces the definition."""
    node = source.find(ast.parse(reference), blank.qualname)
    size = sum(1 for _ in ast.walk(node))
    for place in range(size):
        for kind in range(3):
            changed = copy.deepcopy(node)
            what = _change(changed, place, kind, blank.keep)
            if what:
                yield Mutant(blank, what, ast.unparse(changed))


def _change(node: source.Definition, place: int, kind: int, keep: int) -> str:
    """Change the `place`-th node below in the `kind`-th way; say how, or "" if there is none."""
    given = {id(inner) for statement in source._statements(node)[:keep]
             for inner in ast.walk(statement)}
    target = list(ast.walk(node))[place]
    if id(target) in given or isinstance(target, ast.arguments | ast.arg):
        return ""
    was = ast.unparse(target)
    if kind == 0 and isinstance(target, ast.Compare):
        target.ops[0] = TURNED[type(target.ops[0])]()  # type: ignore[assignment]
    elif (kind == 0 and isinstance(target, ast.BoolOp | ast.BinOp | ast.AugAssign)
            and type(target.op) in TURNED):
        target.op = TURNED[type(target.op)]()  # type: ignore[assignment]
    elif kind == 0 and isinstance(target, ast.Constant) and isinstance(target.value, bool | int):
        target.value = not target.value if isinstance(target.value, bool) else target.value + 1
    elif kind in (0, 1) and isinstance(target, ast.If | ast.While | ast.IfExp) and not (
            isinstance(target, ast.While) and kind == 0):
        was = ast.unparse(target.test)
        target.test = ast.Constant(kind == 0)
    elif kind == 0 and isinstance(target, ast.Continue):
        return _swap_statement(node, target, ast.Break())
    elif kind == 2 and isinstance(target, ast.Expr | ast.Assign | ast.AugAssign | ast.Return
                                  | ast.Raise | ast.Continue) and not _is_doc(target):
        return _swap_statement(node, target, ast.Pass())
    else:
        return ""
    return f"{_short(was)} -> {_short(ast.unparse(target))}"


def _swap_statement(node: ast.AST, old: ast.stmt, new: ast.stmt) -> str:
    for parent in ast.walk(node):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(parent, name, None)
            if isinstance(block, list) and old in block:
                block[block.index(old)] = new
                return f"{_short(ast.unparse(old))} -> {ast.unparse(new)}"
    return ""


def _is_doc(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _short(text: str) -> str:
    first, *more = text.splitlines()
    return first[:60] + (" …" if more or len(first) > 60 else "")


def answer(exercise: Exercise, blank: Blank) -> str:
    """The module with the answer that is broken: the reference, or another right one."""
    text = Course().reference(blank.module).read_text()
    if exercise.id not in ANSWERS:
        return text
    return source.put_in(
        text, (exercise.folder / "alt" / f"{ANSWERS[exercise.id]}.py").read_text())


def reason(exercise: Exercise, mutant: Mutant) -> str:
    """Why a mutant may survive; "" if it may not."""
    for known, why in HARMLESS.get(exercise.id, {}).items():
        if known in (mutant.what.removesuffix(": …"), mutant.what[:len(known) - 1] + "*"):
            return why
    return ""


def survives(exercise: Exercise, mutant: Mutant) -> bool:
    """Whether a learner with this mutant for an answer would pass."""
    with tempfile.TemporaryDirectory() as folder:
        course = Course(learner_dir=Path(folder, "my_minitornado"))
        for module in exercise.modules:
            text = answer(exercise, exercise.blanks_in(module)[0])
            if module == mutant.blank.module:
                text = source.replace(text, mutant.blank.qualname, _indented(mutant, text))
            course.copy(module).parent.mkdir(exist_ok=True)
            course.copy(module).write_text(text)
        return engine.check(course, exercise).passed


def _indented(mutant: Mutant, reference: str) -> str:
    indent = " " * source.find(ast.parse(reference), mutant.blank.qualname).col_offset
    return "".join(indent + line + "\n" for line in mutant.text.splitlines())


def main() -> int:
    engine.SCENARIO_SECONDS, engine.GRACE_SECONDS = 1.5, 0.2
    holes = 0
    for exercise in Course().exercises():
        if len(sys.argv) > 1 and exercise.id not in sys.argv[1:]:
            continue
        every = [mutant for blank in exercise.blanks
                 for mutant in mutants(answer(exercise, blank), blank)]
        alive = [mutant for mutant in every if survives(exercise, mutant)]
        print(f"{exercise.id}: {len(every) - len(alive)} of {len(every)} killed", flush=True)
        for mutant in alive:
            why = reason(exercise, mutant)
            holes += not why
            print(f"    {mutant.blank.qualname}: {mutant.what}: {why or 'A HOLE'}", flush=True)
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())
