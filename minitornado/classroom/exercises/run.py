"""Runs a command of minitornado on the learner's own pieces, in a subprocess: serve, trace.

What is hers is what `learn swap` has chosen; if it has chosen nothing, all that she has written.
"""

from __future__ import annotations

import marshal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import commands, engine, whose, workspace
from .catalog import ROOT, Blank, Course, ExerciseError


def run(command: Sequence[str], course: Course | None = None) -> int:
    """Run `python -m minitornado COMMAND …`; returns its exit code.  Says first whose code runs."""
    course = course or Course()
    hers = pieces(course)
    told = whose.origins(course, hers, {
        blank.name: [str(course.copy(blank.module))] for blank in hers})
    for slot, mine in told.items():
        print(f"{slot}: {mine}", flush=True)
    job = {"package": course.package, "codes": engine.compiled(course, hers),
           "path": list(dict.fromkeys([str(course.root), str(ROOT)])), "command": list(command)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "job")
        path.write_bytes(marshal.dumps(job))
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("mount.py")), str(path)])
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                pass  # the command has had it as well, and ends in order


def pieces(course: Course) -> list[Blank]:
    """The definitions that run as the learner's; raises ExerciseError if there are none."""
    chosen = workspace.swapped(course) or [
        blank for blank in course.blanks()
        if commands.written(course, f"{blank.module}:{blank.slot}")]
    if not chosen:
        raise ExerciseError("nothing of yours can run yet: no class is written to its end")
    return chosen
