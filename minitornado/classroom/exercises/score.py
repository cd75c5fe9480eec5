"""What a learner has reached, as data: for a teacher, or for another program.

    learn check ex13 --json        one exercise
    learn score --json             all of them
    learn class submissions        a table of learners; --json or --csv for programs

Everything is run anew: nothing that a folder says of itself is believed but which hints were
seen.  An exercise gives all of its points or none.

    submissions/
        ada/my_minitornado/ioloop.py        a folder a learner, with her copies somewhere in it
        ben/ex13/my_minitornado/ioloop.py   as nbgrader collects them, say

To run a learner's code is to trust her as far as a colleague: it has a time limit and a memory
limit, and otherwise all the rights of whoever runs it.

The JSON (FORMAT, VERSION; a version adds fields, a new number changes them):

    {"format": "minitornado-score", "version": 1, "learner": "ada",
     "folder": "submissions/ada/my_minitornado", "answers": 1, "points": 20, "of": 250,
     "exercises": [{"id": "ex05", "title": "…", "status": "passed", "points": 20, "of": 20,
                    "hints": 0, "whose": "IOLoop: YOURS (…)", "todo": [],
                    "scenarios": [{"name": "test_once", "status": "passed",
                                   "diagnosis": "", "misconception": "", "error": ""}]}]}

`answers` is how many folders with copies there are; the first counts.  `learner` is "" for
oneself.  `status`: passed, failed, todo (something is not written yet), hang, crash, or unreadable.
A class is {"format": "minitornado-class", "version": 1, "learners": [one of these each],
"misconceptions": {"M07": 3}}: how many learners' answers show which.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from . import engine, source, workspace
from .catalog import Course, Exercise, ExerciseError

FORMAT, CLASS_FORMAT, VERSION = "minitornado-score", "minitornado-class", 1
UNREADABLE = "unreadable"
MARKS = {engine.PASSED: "+", engine.TODO: "."}  # in a table; whatever else there is, "x"

Score = dict[str, Any]


def of_exercise(course: Course, exercise: Exercise) -> Score:
    """One exercise, run on the learner's copies, with the reference in all other places."""
    told: Score = {"id": exercise.id, "title": exercise.title, "status": UNREADABLE,
                   "points": 0, "of": exercise.points, "hints": 0, "whose": "", "todo": [],
                   "scenarios": []}
    try:
        told["hints"] = workspace.hints_seen(course, exercise)
    except (ExerciseError, ValueError, TypeError, OSError):
        told["hints"] = None  # her notes can't be read, which costs her nothing
    try:
        report = engine.check(course, exercise, swapped=())
    except (source.SourceError, ExerciseError, UnicodeError, OSError) as error:
        return told | {"todo": [str(error)]}
    return told | {
        "status": report.status, "points": exercise.points if report.passed else 0,
        "whose": report.origins, "todo": list(report.todo),
        "scenarios": [{"name": result.name, "status": result.status, "error": result.error,
                       "diagnosis": result.diagnosis, "misconception": result.misconception}
                      for result in report.results]}


def of_learner(course: Course, learner: str = "") -> Score:
    """All exercises of one learner."""
    return _of_learners([(learner, course, 1)], course.exercises())[0]


def of_class(folder: Path, course: Course | None = None) -> Score:
    """All learners whose folders are in `folder`; raises ExerciseError if there are none."""
    course = course or Course()
    if not folder.is_dir():
        raise ExerciseError(f"{folder} is no folder")
    folders = [path for path in sorted(folder.iterdir())
               if path.is_dir() and not path.name.startswith(".")]
    people = [(path.name, replace(course, learner_dir=answers[0]), len(answers))
              for path in folders for answers in [answers_in(path, course)]]
    if not people:
        raise ExerciseError(f"no folders in {folder}: one a learner is expected")
    learners = _of_learners(people, course.exercises())
    shown = Counter(id for learner in learners for id in misconceptions(learner))
    return {"format": CLASS_FORMAT, "version": VERSION, "learners": learners,
            "misconceptions": dict(sorted(shown.items()))}


def _of_learners(
    people: Sequence[tuple[str, Course, int]], exercises: Sequence[Exercise]
) -> list[Score]:
    jobs = [(course, exercise) for _, course, _ in people for exercise in exercises]
    # Threads that wait for subprocesses: as many as can run at once.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(lambda job: of_exercise(*job), jobs))
    scores = []
    for at, (name, course, answers) in enumerate(people):
        mine = done[at * len(exercises):(at + 1) * len(exercises)]
        scores.append({
            "format": FORMAT, "version": VERSION, "learner": name,
            "folder": str(course.learner_dir), "answers": answers,
            "points": sum(one["points"] for one in mine), "of": sum(one["of"] for one in mine),
            "exercises": mine})
    return scores


def answers_in(folder: Path, course: Course) -> list[Path]:
    """The folders with a learner's copies, at any depth of what was handed in; else `folder`."""
    names = {course.copy(blank.module).name for blank in course.blanks()}
    found = sorted({path.parent for path in folder.rglob("*.py")
                    if path.name in names and path.parent.name != "backups"})
    return found or [folder]


def misconceptions(learner: Score) -> list[str]:
    """What a learner's answers show, each once."""
    return sorted({scenario["misconception"] for exercise in learner["exercises"]
                   for scenario in exercise["scenarios"] if scenario["misconception"]})


def table(score: Score) -> Table:
    """A score, or that of a class, for a person: a row a learner, a column an exercise."""
    learners = score.get("learners", [score])
    ids = [exercise["id"] for exercise in learners[0]["exercises"]]
    shown = Table(box=None, pad_edge=False, header_style="bold", caption_style="",
                  caption_justify="left", caption=Text(_caption(score)))
    for column in ("learner", *(id.removeprefix("ex") for id in ids), "points", "shows"):
        shown.add_column(column, no_wrap=column != "shows",
                         justify="right" if column == "points" else "left")
    for learner in learners:
        marks = (MARKS.get(one["status"], "x") for one in learner["exercises"])
        shows = misconceptions(learner)
        if learner["answers"] > 1:
            shows.append(f"({learner['answers']} folders with answers; the first counts)")
        shown.add_row(learner["learner"] or "you", *marks, f"{learner['points']}/{learner['of']}",
                      " ".join(shows))
    return shown


def _caption(score: Score) -> str:
    lines = ["+ passed · x not yet right · . not written yet"]
    if "learners" in score:
        passed = Counter(one["id"] for learner in score["learners"]
                         for one in learner["exercises"] if one["status"] == engine.PASSED)
        lines.append(f"{len(score['learners'])} learners; passed by: " + (" · ".join(
            f"{id} {count}" for id, count in sorted(passed.items())) or "nobody yet"))
    return "\n".join(lines)


def as_csv(score: Score) -> str:
    """The points of a class, for a spreadsheet or a book of marks."""
    file = io.StringIO()
    writer = csv.writer(file)
    learners = score["learners"]
    writer.writerow(["learner", *(one["id"] for one in learners[0]["exercises"]), "points", "of"])
    for learner in learners:
        writer.writerow([learner["learner"], *(one["points"] for one in learner["exercises"]),
                         learner["points"], learner["of"]])
    return file.getvalue()
