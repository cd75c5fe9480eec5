"""start, check, hint, reset, solution, listing: what the command line and a notebook call.

Each returns something to print: `print(...)` gives plain text of 80 columns, rich adds colour.
Each takes the exercise as `"ex13"`, `"13"` or `"ex13_read_until"`, and raises ExerciseError or
SourceError with a sentence for the learner.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from . import engine, source, story, workspace
from .catalog import HINTS, Course, Exercise, ExerciseError


@dataclass(frozen=True)
class Checked:
    """A check that was made: `passed`, the `report`, and the lines that tell it."""

    report: engine.Report
    lines: list[str]

    @property
    def passed(self) -> bool:
        return self.report.passed

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def __rich__(self) -> Text:
        return story.styled(self.lines)


def start(name: str, course: Course | None = None) -> Text:
    """Write the learner's copies; say what was written, what was kept, and what to do."""
    course = course or Course()
    exercise = course.exercise(name)
    lines = [f"{exercise.id} {exercise.title} ({exercise.minutes} minutes)",
             *workspace.start(course, exercise), "", "yours to write:"]
    for blank in exercise.blanks:
        line = workspace.definition(course, blank).lineno
        lines.append(f"  {course.shown(course.copy(blank.module))}:{line} {blank.qualname}")
        lines.append(f"      {blank.question}")
    lines += ["", f"next: {story.COMMAND} check {exercise.id}"]
    return story.styled(lines)


def check(name: str, course: Course | None = None) -> Checked:
    """Run the scenarios on the learner's copies."""
    course = course or Course()
    exercise = course.exercise(name)
    report = engine.check(course, exercise)
    lines = story.told(course, report)
    if report.passed:
        workspace.note_solved(course, exercise)
        lines += _check_again(course, exercise)
    return Checked(report, lines)


def _check_again(course: Course, exercise: Exercise) -> list[str]:
    """Check what was solved before and asks about a definition that has changed since."""
    lines = []
    for other in course.exercises():
        shared = exercise.shares_with(other)
        if shared and workspace.was_solved(course, other) and not workspace.solved(course, other):
            told = f"{other.id} asks about {shared[0]}, too, and was checked again: "
            if engine.check(course, other).passed:
                workspace.note_solved(course, other)
                lines += ["", told + "passed"]
            else:
                lines += ["", told + "not passed", f"next: {story.COMMAND} check {other.id}"]
    return lines


def hint(name: str, tier: int | None = None, course: Course | None = None) -> Text:
    """The hint of that tier, 1 to 3; without one, the next that was not seen yet."""
    course = course or Course()
    exercise = course.exercise(name)
    seen = workspace.hints_seen(course, exercise)
    tier = tier or min(seen + 1, HINTS)
    if not 1 <= tier <= HINTS:
        raise ExerciseError(f"hints are numbered 1 to {HINTS}, not {tier}")
    workspace.note(course, exercise, hints=max(seen, tier))
    more = (f"next: {story.COMMAND} hint {exercise.id}" if tier < HINTS
            else f"next: {story.COMMAND} solution {exercise.id}")
    return story.styled([f"hint {tier} of {HINTS} for {exercise.id}", "",
                         *exercise.hints[tier - 1].splitlines(), "", more])


def reset(name: str, course: Course | None = None) -> Text:
    """Make the exercise's definitions stubs again; what was there is in a backup."""
    course = course or Course()
    exercise = course.exercise(name)
    return story.styled(workspace.reset(course, exercise))


def solution(name: str, anyway: bool = False, course: Course | None = None) -> Text:
    """The reference's definitions; before the last hint was seen only if asked for `anyway`."""
    course = course or Course()
    exercise = course.exercise(name)
    seen = workspace.hints_seen(course, exercise)
    if not (anyway or workspace.solved(course, exercise) or seen >= HINTS):
        raise ExerciseError(f"{exercise.id} has {HINTS} hints, and you have seen {seen}: "
                            f"{story.COMMAND} hint {exercise.id}; or: solution --anyway")
    lines = []
    for blank in exercise.blanks:
        path = course.reference(blank.module)
        found = source.excerpt(path.read_text("utf-8"), blank.qualname)
        lines += [f"{course.shown(path)}:{found.line}", "", found.text.rstrip("\n"), ""]
    return Text("\n".join(lines).rstrip())


def listing(course: Course | None = None) -> Table:
    """All exercises and how far the learner is with each."""
    course = course or Course()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("exercise", "state", "min", "points", "about"):
        table.add_column(column, no_wrap=column != "about",
                         justify="right" if column in ("min", "points") else "left")
    for exercise in course.exercises():
        table.add_row(exercise.id, state(course, exercise), str(exercise.minutes),
                      str(exercise.points), exercise.title)
    return table


def state(course: Course, exercise: Exercise) -> str:
    """`todo`, `begun` or `solved`; solved means by the definitions that are there now."""
    if workspace.solved(course, exercise):
        return "solved"
    return "begun" if workspace.begun(course, exercise) else "todo"
