"""Plain pytest on the exercises: each scenario is a test, run by the engine on the learner's copy.

The test files are not imported here: what would they import, the learner's code or the
reference?  Their names are read off the text, and one subprocess an exercise runs them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minitornado.classroom.exercises import engine, story, workspace
from minitornado.classroom.exercises.catalog import Course, Exercise


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.File | None:
    if (module_path.parent / "exercise.toml").exists():
        return ExerciseFile.from_parent(parent, path=module_path)
    return None


class ExerciseFile(pytest.File):
    """An exercise's test file; checks once, when the first of its scenarios is asked for."""

    _report: engine.Report | None = None

    def collect(self) -> Iterator[pytest.Item]:
        self.course = Course()
        self.exercise: Exercise = self.course.exercise(self.path.parent.name)
        for name, line in engine.scenario_names(self.exercise):
            yield Scenario.from_parent(self, name=name, line=line)

    def report(self) -> engine.Report:
        if self._report is None:
            self._report = engine.check(self.course, self.exercise)
            if self._report.passed:
                workspace.note_solved(self.course, self.exercise)
        return self._report


class Scenario(pytest.Item):
    """One scenario: passed, todo (skipped with that word), or a story."""

    parent: ExerciseFile

    def __init__(self, *, line: int, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.line = line

    def runtest(self) -> None:
        report = self.parent.report()
        self.user_properties.append(("whose code", f"{report.exercise.id} · {report.origins}"))
        result = next(result for result in report.results if result.name == self.name)
        if result.status == engine.TODO:
            why = report.todo[0] if report.todo else "a stub was reached"
            pytest.skip(f"todo {report.exercise.id}: {why}")
        if result.status == engine.NOT_RUN:
            pytest.skip(f"not run: {report.exercise.id} ended before this scenario")
        if result.status != engine.PASSED:
            raise Told([*story.story(report, result), *story.details(result)])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException],  # type: ignore[override]
                     style: object = None) -> object:
        if isinstance(excinfo.value, Told):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.line - 1, self.name


class Told(Exception):
    """A failure whose text is the story."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Whose code ran, also where everything passed."""
    told = {value for reports in terminalreporter.stats.values() for report in reports
            for name, value in getattr(report, "user_properties", ()) if name == "whose code"
            if "not begun" not in value}
    for line in sorted(told):
        terminalreporter.write_line(line)
