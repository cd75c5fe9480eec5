"""start, check, hint, trace, diff, reset, solution, listing, swap, update: for all who ask.

The command line, the watch mode and a notebook call these.

Each returns something to print: `print(...)` gives plain text of 80 columns, rich adds colour.
Each takes the exercise as `"ex13"`, `"13"` or `"ex13_read_until"`, and raises ExerciseError or
SourceError with a sentence for the learner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from . import engine, source, story, whose, workspace
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
             *workspace.start(course, exercise), ""]
    if notebook := course.notebook(exercise):
        lines += [f"to read before: {notebook}", ""]
    lines += ["yours to write:"]
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
    for module in exercise.modules:
        if workspace.outdated(course, module):
            lines += ["", f"{course.shown(course.copy(module))} was made of another version of "
                          f"{course.shown(course.reference(module))};",
                      f"next: {story.COMMAND} update"]
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


def trace(name: str, scenario: str | None = None, course: Course | None = None) -> Text:
    """What happened in a scenario, by default the first that fails, beside the reference's run."""
    course = course or Course()
    exercise = course.exercise(name)
    report = engine.check(course, exercise)
    known = {result.name: result for result in report.results}
    bad = [result.name for result in report.results if result.status == engine.FAILED]
    wanted = scenario or (bad[0] if bad else report.results[-1].name)
    if wanted not in known:
        raise ExerciseError(f"{exercise.id} has no scenario {wanted!r}; it has: {', '.join(known)}")
    theirs = {result.name: result for result in engine.check_reference(course, exercise).results}
    result = known[wanted]
    lines = [f"{wanted}: {result.status}", *story.origins(report), "",
             *(f"  {number} {step}" for number, step in enumerate(theirs[wanted].steps, 1)), "",
             *story.side_by_side(result, theirs[wanted].events)]
    return story.styled([line if len(line) <= story.WIDTH else line[:story.WIDTH - 1] + "…"
                         for line in lines])


def diff(name: str, course: Course | None = None) -> Text:
    """The learner's definitions against the reference's; before they pass, what she has written."""
    course = course or Course()
    exercise = course.exercise(name)
    solved = workspace.solved(course, exercise)
    lines = story.difference(course, exercise) if solved else story.changes(course, exercise)
    return story.styled(lines)


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


def swap(names: Sequence[str] = (), every: bool = False, none: bool = False,
         course: Course | None = None) -> Text:
    """Have these classes, or functions, run as the learner's everywhere, or not any more.

    Every name is turned over; `every` takes all that she has written.  Returns whose each is.
    """
    course = course or Course()
    slots = {f"{blank.module}:{blank.slot}": blank.slot for blank in course.blanks()}
    mine = {f"{blank.module}:{blank.slot}" for blank in workspace.swapped(course)}
    unknown = set(names) - set(slots.values())
    if unknown:
        raise ExerciseError(f"no class {', '.join(sorted(unknown))} in the exercises; there are: "
                            f"{', '.join(slots.values())}")
    mine ^= {key for key, slot in slots.items() if slot in names}
    if every:
        mine = {key for key in slots if written(course, key)}
    workspace.swap(course, () if none else mine)
    chosen = workspace.swapped(course)
    told = whose.origins(course, chosen, {
        blank.name: [str(course.copy(blank.module))] for blank in chosen})
    return story.styled([f"{slot}: {told.get(slot, 'reference')}" for slot in slots.values()])


def written(course: Course, key: str) -> bool:
    """Whether no definition of a class is a stub, or missing."""
    blanks = [blank for blank in course.blanks() if f"{blank.module}:{blank.slot}" == key]
    return all(course.copy(blank.module).exists()
               and not source.is_stub(workspace.definition(course, blank), blank.keep)
               for blank in blanks)


def update(course: Course | None = None) -> Text:
    """Make copies anew whose reference has changed; the learner's answers stay."""
    course = course or Course()
    modules = dict.fromkeys(blank.module for blank in course.blanks())
    lines = [line for module in modules if workspace.outdated(course, module)
             for line in workspace.update(course, module)]
    return story.styled(lines or ["Your copies are up to date."])


def progress(course: Course | None = None) -> str:
    """How far the learner is, as a bar: exercises and points."""
    course = course or Course()
    exercises = course.exercises()
    solved = [exercise for exercise in exercises if workspace.solved(course, exercise)]
    points, of = (sum(exercise.points for exercise in some) for some in (solved, exercises))
    return f"{story.bar(len(solved), len(exercises))} exercises, {points} of {of} points"


def current(course: Course | None = None) -> Exercise | None:
    """The first exercise that is not solved, or None."""
    course = course or Course()
    left = [exercise for exercise in course.exercises()
            if not workspace.solved(course, exercise)]
    return left[0] if left else None


def listing(course: Course | None = None) -> Table:
    """All exercises and how far the learner is with each."""
    course = course or Course()
    table = Table(box=None, pad_edge=False, header_style="bold", caption=Text(progress(course)),
                  caption_justify="left", caption_style="")
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
