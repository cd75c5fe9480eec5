"""Runs an exercise's scenarios in a subprocess with a time limit, and says how each one ended.

    check(course, exercise)
        └─ Python, by path: mount.py   the learner's code, grafted, in the package's place
             └─ child.py               origins; begin, end, begin, end …
        reads these events against a clock; after a failure, runs the scenarios on the
        reference, too, to see where the two part

Pytest and the command line both call `check`, so they can't tell different stories.
"""

from __future__ import annotations

import ast
import functools
import json
import marshal
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from . import graft, source, whose, workspace
from .catalog import ROOT, Blank, Course, Exercise

# A scenario takes milliseconds, and so does an import; Python's start on a busy machine seconds.
SCENARIO_SECONDS = 5.0
IMPORT_SECONDS = 5.0
STARTING_SECONDS = 60.0
GRACE_SECONDS = 20.0  # for a process that is over its limit to write its stacks and end itself

PASSED, FAILED, TODO, HANG, CRASH, NOT_RUN = "passed", "failed", "todo", "hang", "crash", "not run"

Event = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """How one scenario ended, and all that the story of it needs."""

    name: str
    status: str
    title: str = ""
    steps: Sequence[str] = ()
    events: Sequence[str] = ()
    error: str = ""           # what was expected and what came, or the exception
    idea: str = ""
    misconception: str = ""
    diagnosis: str = ""       # the id; "" if the mistake is not a known one
    where: str = ""           # my_minitornado/pending_read.py:61 (ReadUntil.find_end)
    traceback: str = ""
    printed: Sequence[str] = ()
    parting: tuple[int, str, str] | None = None  # event number, the reference's, the learner's


@dataclass(frozen=True)
class Report:
    """A whole check."""

    exercise: Exercise
    origins: str              # the first line: whose code ran
    results: Sequence[Result] = ()
    todo: Sequence[str] = ()  # what is not written yet

    @property
    def status(self) -> str:
        """`passed` only if every scenario passed on the learner's code with no stub left."""
        bad = [result.status for result in self.results if result.status not in (PASSED, TODO)]
        if bad:
            return bad[0]
        unwritten = self.todo or any(result.status == TODO for result in self.results)
        return TODO if unwritten or not self.results else PASSED

    @property
    def passed(self) -> bool:
        return self.status == PASSED


def scenario_names(exercise: Exercise) -> list[tuple[str, int]]:
    """Names and lines of the exercise's scenarios, without importing anything."""
    tree = source.parse(exercise.test_file.read_text("utf-8"), str(exercise.test_file))
    return [(name, node.lineno) for name, node in source.definitions(tree)
            if name.startswith("test_")]


def title(exercise: Exercise, name: str) -> str:
    """What a scenario says of itself in one line."""
    tree = source.parse(exercise.test_file.read_text("utf-8"), str(exercise.test_file))
    return (ast.get_docstring(source.find(tree, name)) or name).splitlines()[0].rstrip(".")


def check(
    course: Course, exercise: Exercise, swapped: Sequence[Blank] | None = None
) -> Report:
    """Run the exercise on the learner's copies, and on what she has swapped in, or `swapped`."""
    names = [name for name, _ in scenario_names(exercise)]
    try:
        if swapped is None:
            swapped = workspace.swapped(course)
        swapped = [blank for blank in swapped if blank not in exercise.blanks]
        todo = workspace.stubs_left(course, exercise)
        codes = compiled(course, [*exercise.blanks, *swapped])
    except source.SourceError as error:  # does not parse, or a definition is gone: nothing can run
        return Report(exercise, whose.not_run(course, exercise),
                      [Result(name, FAILED if name == names[0] else NOT_RUN, error=str(error),
                              title="your copy can't be run", where=_path_in(str(error)),
                              idea="Mend this first; the scenarios run after that.")
                       for name in names])
    if len(todo) == len(exercise.blanks):  # nothing is written: nothing to run
        return Report(exercise, whose.not_run(course, exercise),
                      [Result(name, TODO) for name in names], todo)
    run = _Run(course, exercise, codes, swapped)
    run.play(None)
    results = [run.results.get(name, Result(name, NOT_RUN)) for name in names]
    # Passing counts only for code that is hers by its own testimony.
    todo += [f"the {blank.qualname} that ran is not yours" for blank in exercise.blanks
             if run.origins and not whose.is_hers(course, blank, run.origins)]
    return Report(exercise, run.told_origins(),
                  _with_partings(course, exercise, results), todo)


def compiled(course: Course, hers: Sequence[Blank]) -> dict[str, tuple[str, Any]]:
    """The learner's modules as they run where these definitions are hers: for mount.py."""
    return {module: (str(course.copy(module)), graft.compile_copy(course, module, hers))
            for module in dict.fromkeys(blank.module for blank in hers)}


def check_reference(course: Course, exercise: Exercise) -> Report:
    """Run the exercise on the reference: an exercise that the project itself fails is wrong."""
    run = _Run(course, exercise, {})
    run.play(None)
    return Report(exercise, run.told_origins(),
                  [run.results.get(name, Result(name, NOT_RUN))
                   for name, _ in scenario_names(exercise)])


def _with_partings(course: Course, exercise: Exercise, results: Sequence[Result]) -> list[Result]:
    """Add to what failed the first event where the learner's run leaves the reference's."""
    failed = [result.name for result in results if result.status == FAILED and result.events]
    if not failed:
        return list(results)
    # Whoever the learner is: it is the reference that runs.
    anybody = replace(course, learner_dir=course.root / "nobody's")
    theirs = _reference_events(anybody, exercise, exercise.test_file.stat().st_mtime_ns)
    return [replace(result, parting=_parting(theirs[result.name], result.events))
            if result.name in failed and result.name in theirs else result
            for result in results]


@functools.cache
def _reference_events(course: Course, exercise: Exercise, _version: int) -> dict[str, Any]:
    """What happens in each scenario on the reference: the same every time."""
    return {result.name: result.events for result in check_reference(course, exercise).results}


def _parting(theirs: Sequence[str], hers: Sequence[str]) -> tuple[int, str, str] | None:
    pairs = zip([*theirs, "nothing more"], [*hers, "nothing more"], strict=False)
    return next(((number, *pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1]),
                None)


@dataclass
class _Run:
    """One subprocess: the job that is sent, the events that come back."""

    course: Course
    exercise: Exercise
    codes: dict[str, tuple[str, Any]]  # module -> (path, code)
    swapped: Sequence[Blank] = ()      # hers as well, beside the exercise's blanks
    origins: dict[str, list[str]] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    def play(self, names: Sequence[str] | None) -> None:
        """Run the scenarios, all if None, until the end or the first hang or crash."""
        with tempfile.TemporaryDirectory() as folder:
            dump, errors = Path(folder, "stack"), Path(folder, "stderr")
            job = {
                "package": self.course.package, "codes": self.codes,
                "path": list(dict.fromkeys([str(self.course.root), str(ROOT)])),
                "tests": str(self.exercise.test_file),
                "slots": [*(blank.name for blank in self._blanks()), *self.exercise.uses],
                "explains": self.exercise.explains,
                "names": names if names is None else list(names),
                "seconds": SCENARIO_SECONDS, "import_seconds": IMPORT_SECONDS,
                "stack_dump": str(dump),
            }
            with errors.open("wb") as stderr:
                process = subprocess.Popen(
                    # -P: the files beside mount.py are no top-level modules.
                    [sys.executable, "-P", str(Path(__file__).with_name("mount.py"))],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                    env=os.environ | {"PYTHONHASHSEED": "0"}, start_new_session=True)
                try:
                    self._follow(process, job, dump, errors)
                finally:
                    _end(process)

    def _follow(self, process: subprocess.Popen[bytes], job: Event, dump: Path,
                errors: Path) -> None:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(marshal.dumps(job))
        process.stdin.close()
        lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
        running, seconds = "", STARTING_SECONDS
        while True:
            try:
                line = lines.get(timeout=seconds + GRACE_SECONDS)
            except queue.Empty:
                self._add_hang(running or self._first(), seconds, dump)
                return
            if not line:
                break
            event = json.loads(line)
            running = event["name"] if event["kind"] == "begin" else ""
            seconds = IMPORT_SECONDS if event["kind"] == "started" else SCENARIO_SECONDS
            self._add(event)
        code = process.wait()
        if dump.exists() and dump.stat().st_size:  # it has ended itself
            self._add_hang(running or self._first(), seconds, dump)
            return
        if running or code != 0 or not self.results:
            self._add_crash(running or self._first(), code, errors.read_text("utf-8", "replace"))

    def _add(self, event: Event) -> None:
        if event["kind"] == "origins":
            self.origins = dict(event["origins"])
        elif event["kind"] == "end":
            # A stub that was reached is the reason, whatever came of it.
            status = TODO if event["todo"] else FAILED if "error" in event else PASSED
            self._put(event["name"], status, event)
        elif event["kind"] == "broken":  # an import failed
            status = TODO if event["todo"] else FAILED
            self._put(self._first(), status, event | {
                "title": "your copy can't be imported",
                "idea": "Python runs a module from top to bottom when it is imported."})

    def _put(self, name: str, status: str, event: Event) -> None:
        self.results[name] = Result(
            name, status, event.get("title", ""), event.get("steps", ()), event.get("events", ()),
            event.get("error", ""), event.get("idea", ""), event.get("misconception", ""),
            event.get("diagnosis", ""),
            "" if status == PASSED else whose.where(self.course, self.exercise, event),
            event.get("traceback", ""), event.get("printed", ()))

    def _add_hang(self, name: str, seconds: float, dump: Path) -> None:
        text = dump.read_text("utf-8", "replace") if dump.exists() else ""
        frames = [[path, int(line), name] for path, line, name in reversed(
            re.findall(r'File "(.*)", line (\d+) in (.*)', text.partition("\n\n")[0]))]
        self._put(name, HANG, {
            "title": title(self.exercise, name),
            "error": f"it does not end: still running after {seconds:g} seconds",
            "idea": "One thread serves everybody: a loop that does not end here stops the server.",
            "misconception": "M02", "frames": frames})

    def _add_crash(self, name: str, code: int, errors: str) -> None:
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        self._put(name, CRASH, {
            "title": title(self.exercise, name),
            "error": f"the interpreter died: the process ended with {how}",
            "idea": "A server that exits takes every connection with it.", "frames": [],
            "traceback": errors[-2000:]})

    def told_origins(self) -> str:
        """Whose code ran, by class: from the files that the running code itself names."""
        told = whose.origins(self.course, self._blanks(), self.origins)
        for used in self.exercise.uses:
            told.setdefault(used.partition(":")[2],
                            whose.used(self.course, used, self.origins.get(used, ())))
        return whose.line(told)

    def _blanks(self) -> list[Blank]:
        return [*self.exercise.blanks, *self.swapped]

    def _first(self) -> str:
        return scenario_names(self.exercise)[0][0]


def _path_in(error: str) -> str:
    match = re.match(r"\S+\.py:\d+", error)
    return match.group() if match else ""


def _pump(file: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """Move lines from the subprocess to a queue, where they can be waited for with a limit."""
    for line in file:
        lines.put(line)
    lines.put(b"")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the subprocess, and what it may have started, for good."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
