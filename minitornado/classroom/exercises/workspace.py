"""The learner's folder: copies with blanks, backups, and what is solved.

    my_minitornado/
        pending_read.py        the learner's copy: hers, once it is there
        backups/
            pending_read.1.py  what it was before we wrote to it
        exercises.json         which exercises were begun, hints seen, solved

Nothing in it is overwritten without a numbered backup, and each write is said aloud: the
functions that write return the sentences to say.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import source
from .catalog import Blank, Course, Exercise, ExerciseError


def start(course: Course, exercise: Exercise) -> list[str]:
    """Give the learner a copy, with blanks, of each module the exercise asks about.

    What she has stays: a copy that exists is only written to where the exercise's bodies are
    still the reference's own, which is so when the exercise is younger than the copy.
    """
    said = []
    first_time = "begun" not in _progress(course, exercise)
    for module in exercise.modules:
        copy = course.copy(module)
        if not copy.exists():
            _write(copy, fresh(course, module))
            _note_copy(course, module)
            said.append(f"written: {course.shown(copy)}")
            continue
        shipped = [blank for blank in _own_blanks(course, exercise, module)
                   if first_time and _is_reference(course, blank)]
        if shipped:
            said.append(_back_up(course, copy))
            _write(copy, _blanked(_read(copy), [(exercise, blank) for blank in shipped]))
            said += [f"blanked: {blank.qualname}" for blank in shipped]
        else:
            said.append(f"kept: {course.shown(copy)} is yours already; nothing was changed")
    note(course, exercise, begun=True)
    return said


def reset(course: Course, exercise: Exercise) -> list[str]:
    """Make the exercise's definitions stubs again, after a backup; the rest of the copy stays.

    So does what an earlier exercise asks about, too: what was solved there is not thrown away.
    """
    said = []
    for module in exercise.modules:
        copy = course.copy(module)
        if not copy.exists():
            continue
        said.append(_back_up(course, copy))
        blanks = _own_blanks(course, exercise, module)
        blanked = _blanked(_read(course.reference(module)), [(exercise, it) for it in blanks])
        try:
            text = _read(copy)
            for blank in blanks:
                text = source.replace(
                    text, blank.qualname, source.excerpt(blanked, blank.qualname).text)
            said += [f"blank again: {blank.qualname}" for blank in blanks]
        except source.SourceError as error:
            text = fresh(course, module)
            _note_copy(course, module)
            said += [str(error), f"so it is written afresh: {course.shown(copy)}"]
        _write(copy, text)
    note(course, exercise, solved=None)
    return said or start(course, exercise)


def fresh(course: Course, module: str) -> str:
    """The reference's text with the blanks of *all* exercises blank.

    Also of those to come: nothing solved is handed out.  What is still a stub is filled in
    from the reference when another exercise is checked (see graft.py).
    """
    blanks = [(exercise, blank) for exercise in course.exercises()
              for blank in _own_blanks(course, exercise, module)]
    try:
        return _blanked(_read(course.reference(module)), blanks)
    except source.SourceError as error:
        raise ExerciseError(f"the exercises do not fit {module}: {error}") from error


def stubs_left(course: Course, exercise: Exercise) -> list[str]:
    """Which blanks are not written yet, in a sentence each; [] once all are the learner's own.

    Raises SourceError where a copy does not parse, or a definition is gone or there twice.
    """
    left = []
    for module in exercise.modules:
        copy = course.copy(module)
        for blank in exercise.blanks_in(module):
            if not copy.exists():
                left.append(f"{blank.qualname} is not begun")
                continue
            node = definition(course, blank)
            if source.is_stub(node, blank.keep):
                place = f"{course.shown(copy)}:{node.lineno}"
                left.append(f"{blank.qualname} is still a stub ({place})")
    return left


def definition(course: Course, blank: Blank) -> source.Definition:
    """The learner's definition of a blank; raises SourceError that names her file."""
    copy = course.copy(blank.module)
    tree = source.parse(_read(copy), course.shown(copy))
    try:
        return source.find(tree, blank.qualname)
    except source.SourceError as error:
        raise source.SourceError(f"{course.shown(copy)}: {error}") from error


def fingerprint(path: Path) -> str:
    """Six hex digits that change when the file does."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:6]


def swapped(course: Course) -> list[Blank]:
    """The definitions of the classes that the learner has swapped in: hers run everywhere."""
    slots = _all_progress(course).get("swapped", [])
    return [blank for blank in course.blanks() if f"{blank.module}:{blank.slot}" in slots]


def swap(course: Course, slots: Iterable[str]) -> None:
    """Have these classes, `module:Class`, and no others run as the learner's."""
    everything = _all_progress(course)
    everything["swapped"] = sorted(slots)
    _write_progress(course, everything)


def outdated(course: Course, module: str) -> bool:
    """Whether the learner's copy was made of a reference that has changed since.

    In what is given, that is: the reference's own answers and comments don't matter.
    """
    made_of = _all_progress(course).get("copies", {}).get(module)
    return course.copy(module).exists() and made_of not in (None, _given(course, module))


def update(course: Course, module: str) -> list[str]:
    """Make the copy anew, with the learner's answers and her own helpers, after a backup."""
    copy = course.copy(module)
    tree = source.parse(_read(copy), course.shown(copy))
    old, text = _read(copy), fresh(course, module)
    reference = {name for name, _ in source.definitions(source.parse(text))}
    asked = {blank.qualname: blank.keep for blank in course.blanks() if blank.module == module}
    kept = [name for name, node in source.definitions(tree)
            if name not in reference
            or (name in asked and not source.is_stub(node, asked[name]))]
    for name in kept:
        text = source.put_one(text, name, source.excerpt(old, name).text)
    said = [_back_up(course, copy)]
    _write(copy, text)
    _note_copy(course, module)
    return [*said, f"written anew: {course.shown(copy)}", *(f"kept: your {name}" for name in kept)]


def solved(course: Course, exercise: Exercise) -> bool:
    """Whether the check passed, and the learner's definitions are still the ones that did."""
    return _progress(course, exercise).get("solved") == _digest(course, exercise) is not None


def was_solved(course: Course, exercise: Exercise) -> bool:
    """Whether the check has passed at some time, whatever has become of the definitions since."""
    return "solved" in _progress(course, exercise)


def note_solved(course: Course, exercise: Exercise) -> None:
    """Remember that the definitions as they are now have passed."""
    note(course, exercise, solved=_digest(course, exercise))


def begun(course: Course, exercise: Exercise) -> bool:
    """Whether the learner has started it, or written something of it.

    A copy that is there says nothing: another exercise may ask about the same module.
    """
    if not all(course.copy(module).exists() for module in exercise.modules):
        return False
    try:
        return ("begun" in _progress(course, exercise)
                or len(stubs_left(course, exercise)) < len(exercise.blanks))
    except source.SourceError:
        return True


def hints_seen(course: Course, exercise: Exercise) -> int:
    """How many hints the learner has asked for, 0 to 3."""
    return int(_progress(course, exercise).get("hints", 0))


def note(course: Course, exercise: Exercise, **facts: object) -> None:
    """Remember facts about an exercise in exercises.json; None forgets one."""
    everything = _all_progress(course)
    mine = everything.setdefault(exercise.id, {})
    mine.update(facts)
    everything[exercise.id] = {key: value for key, value in mine.items() if value is not None}
    _write_progress(course, everything)


def _is_reference(course: Course, blank: Blank) -> bool:
    reference = source.parse(_read(course.reference(blank.module)))
    return source.same_code(definition(course, blank), source.find(reference, blank.qualname))


def _own_blanks(course: Course, exercise: Exercise, module: str) -> list[Blank]:
    """The exercise's blanks that no earlier exercise has."""
    earlier = {name for other in course.exercises() if other.id < exercise.id
               for name in exercise.shares_with(other)}
    return [blank for blank in exercise.blanks_in(module) if blank.qualname not in earlier]


def _blanked(text: str, blanks: Iterable[tuple[Exercise, Blank]]) -> str:
    blanks = list(blanks)
    return source.blank_out(
        text, {blank.qualname: _message(exercise, blank) for exercise, blank in blanks},
        {blank.qualname: blank.keep for _, blank in blanks})


def _message(exercise: Exercise, blank: Blank) -> str:
    return f"{exercise.id}: {blank.question}"


def _digest(course: Course, exercise: Exercise) -> str | None:
    try:
        dumps = [ast.dump(definition(course, blank)) for blank in exercise.blanks]
    except (source.SourceError, OSError):
        return None
    return hashlib.sha256("\n".join(dumps).encode()).hexdigest()[:16]


def _back_up(course: Course, copy: Path) -> str:
    folder = course.learner_dir / "backups"
    folder.mkdir(exist_ok=True)
    number = 1
    while (backup := folder / f"{copy.stem}.{number}{copy.suffix}").exists():
        number += 1
    shutil.copy2(copy, backup)
    return f"backup: {course.shown(backup)}"


def _read(path: Path) -> str:
    # newline="": a learner's file with Windows line ends keeps them.
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _write(path: Path, text: str) -> None:
    """Write the whole text or nothing: a full disk must not cost the learner her file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with new.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    new.replace(path)


def _note_copy(course: Course, module: str) -> None:
    """Remember what the copy is made of."""
    everything = _all_progress(course)
    everything.setdefault("copies", {})[module] = _given(course, module)
    _write_progress(course, everything)


def _given(course: Course, module: str) -> str:
    """A fingerprint of what the reference gives away: all but comments and the blank bodies."""
    return hashlib.sha256(ast.dump(source.parse(fresh(course, module))).encode()).hexdigest()[:16]


def _write_progress(course: Course, everything: dict[str, Any]) -> None:
    _write(_progress_file(course), json.dumps(everything, indent=2, sort_keys=True) + "\n")


def _progress_file(course: Course) -> Path:
    return course.learner_dir / "exercises.json"


def _all_progress(course: Course) -> dict[str, Any]:
    try:
        return dict(json.loads(_progress_file(course).read_text("utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ExerciseError(f"{course.shown(_progress_file(course))} is not JSON any more "
                            f"({error}); delete it to start counting afresh") from error


def _progress(course: Course, exercise: Exercise) -> dict[str, Any]:
    return dict(_all_progress(course).get(exercise.id, {}))
