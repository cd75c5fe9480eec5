"""Whose code ran, and where in it to look.

    IOLoop: reference · ReadUntil: YOURS (my_minitornado/pending_read.py a1b2c3)

Read off the running code: the subprocess says which file each definition comes from.  A copy
of the learner's holds more than she has written; what was given, and is as it was, is called
the reference's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import source, workspace
from .catalog import Blank, Course, Exercise


def line(told: Mapping[str, str]) -> str:
    """The first line of a report."""
    return " · ".join(f"{slot}: {whose}" for slot, whose in told.items())


def origins(course: Course, blanks: Sequence[Blank], files: dict[str, list[str]]) -> dict[str, str]:
    """Whose each class is: `reference`, `STUB (…)` or `YOURS (…)`.

    `files` are those that the code of each blank names as its own.
    """
    told: dict[str, str] = {}
    for blank in blanks:
        copy = course.copy(blank.module)
        if not is_hers(course, blank, files):
            whose = "reference"
        elif not copy.exists():
            whose = "STUB (not begun)"
        elif source.is_stub(workspace.definition(course, blank), blank.keep):
            whose = f"STUB ({_file_and_hash(course, copy)})"
        else:
            whose = f"YOURS ({_file_and_hash(course, copy)})"
        # One stub makes the class a stub; one definition that is not hers, not hers.
        known = told.setdefault(blank.slot, whose)
        if known.startswith("YOURS") or whose.startswith("STUB"):
            told[blank.slot] = whose
    return told


def is_hers(course: Course, blank: Blank, files: dict[str, list[str]]) -> bool:
    """Whether the code that ran for a blank is of the learner's file."""
    return files.get(blank.name) == [str(course.copy(blank.module))]


def used(course: Course, name: str, files: Iterable[str]) -> str:
    """Whose `module:Class` is, of which the exercise asks nothing."""
    module, _, qualname = name.partition(":")
    copy = course.copy(module)
    if str(copy) not in files:
        return "reference"
    texts = (copy.read_text("utf-8"), course.reference(module).read_text("utf-8"))
    blanks = {blank.qualname for blank in course.blanks() if blank.module == module}
    hers, theirs = (_given(text, qualname, blanks) for text in texts)
    return "reference" if hers == theirs else f"YOURS ({_file_and_hash(course, copy)})"


def not_run(course: Course, exercise: Exercise) -> str:
    """The first line where nothing was run: what is there."""
    told: dict[str, str] = {}
    for blank in exercise.blanks:
        copy = course.copy(blank.module)
        state = f"STUB ({_file_and_hash(course, copy)})" if copy.exists() else "not begun"
        try:
            if copy.exists() and not source.is_stub(
                    workspace.definition(course, blank), blank.keep):
                state = f"YOURS ({_file_and_hash(course, copy)}), not run"
        except source.SourceError:
            state = f"YOURS ({_file_and_hash(course, copy)}), can't be read"
        told.setdefault(blank.slot, state)
    return line(told)


def where(course: Course, exercise: Exercise, event: Mapping[str, Any]) -> str:
    """The place to look after a failure.

    The blank that a diagnosis names; else the innermost line that the learner has written
    herself; else, for an exception, the line of what was given where it came up; else all that
    she has written.
    """
    named = [blank for blank in exercise.blanks
             if len(exercise.blanks) == 1 or blank.qualname == event.get("blank")]
    if event.get("blank"):
        return _place_of(course, named[0])
    copies = {str(course.copy(module)): module for module in exercise.modules}
    frames = [frame for frame in reversed(event.get("frames", ())) if frame[0] in copies]
    for path, number, name in frames:
        if _is_written(course, exercise, copies[path], number):
            return _place(course, Path(path), number, name)
    if frames and not event.get("expected"):
        path, number, name = frames[0]
        return _place(course, Path(path), number, f"{name}, which was given")
    if named and course.copy(named[0].module).exists():
        return _place_of(course, named[0])
    return _all_places(course, exercise)


def _place_of(course: Course, blank: Blank) -> str:
    number = workspace.definition(course, blank).lineno
    return _place(course, course.copy(blank.module), number, blank.qualname)


def _place(course: Course, path: Path, number: int, name: str) -> str:
    place = f"{course.shown(path)}:{number}"
    if len(place) + len(name) > 66:  # of 80, after "look at"
        name = name.split(".")[-1]
    return f"{place} ({name})"


def _all_places(course: Course, exercise: Exercise) -> str:
    """my_minitornado/pending_read.py:40, iostream.py:302 and 311"""
    files: list[str] = []
    for module in exercise.modules:
        copy = course.copy(module)
        if copy.exists():
            numbers = [str(workspace.definition(course, blank).lineno)
                       for blank in exercise.blanks_in(module)]
            *first, last = numbers
            listed = f"{', '.join(first)} and {last}" if first else last
            files.append(f"{copy.name if files else course.shown(copy)}:{listed}")
    return ", ".join(files)


def _is_written(course: Course, exercise: Exercise, module: str, number: int) -> bool:
    """Whether a line of a copy is the learner's: of a blank, or of what the reference has not."""
    asked = {blank.qualname for blank in exercise.blanks_in(module)}
    try:
        mine = dict(source.definitions(source.parse(course.copy(module).read_text("utf-8"))))
    except source.SourceError:
        return True
    reference = source.parse(course.reference(module).read_text("utf-8"))
    given = {name for name, _ in source.definitions(reference)} - asked
    around = {name for name, node in mine.items()
              if node.lineno <= number <= (node.end_lineno or node.lineno)}
    return not around & given


def _given(text: str, qualname: str, blanks: set[str]) -> str:
    """What a class is but for the blanks: whoever has changed nothing else has it as it was."""
    tree = source.parse(text)
    owner = next((node for node in tree.body
                  if isinstance(node, ast.ClassDef) and node.name == qualname), None)
    if owner is None:
        return "missing"
    owner.body = [node for node in owner.body if not (
        isinstance(node, source.Definition) and f"{qualname}.{node.name}" in blanks)]
    return ast.dump(owner)


def _file_and_hash(course: Course, copy: Path) -> str:
    return f"{course.shown(copy)} {workspace.fingerprint(copy)}"
