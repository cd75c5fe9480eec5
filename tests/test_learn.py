"""The command line of the exercises: what a learner types, from the first start to the solution."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minitornado.classroom import learn
from minitornado.classroom.exercises import source
from minitornado.classroom.exercises.catalog import ROOT, Course


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the learner's copies."""
    folder = tmp_path / "my_minitornado"
    monkeypatch.setenv("MY_MINITORNADO", str(folder))
    return folder


def run(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    code = learn.main(line.split())
    out, err = capsys.readouterr()
    return code, out, err


def test_a_learner_goes_from_start_to_solved(mine: Path, capsys: pytest.CaptureFixture[str]):
    assert "ex13      todo" in run(capsys, "list")[1]
    code, out, _ = run(capsys, "check ex13")
    assert code == 1
    assert out.splitlines()[-1] == "next: python -m minitornado learn start ex13"

    code, out, _ = run(capsys, "start ex13")
    assert code == 0
    assert "written: my_minitornado/pending_read.py" in out
    assert "ex13      begun" in run(capsys, "list")[1]
    code, out, _ = run(capsys, "check 13")
    assert code == 1
    assert "todo ReadUntil.find_end is still a stub (my_minitornado/pending_read.py:" in out

    course = Course()
    for blank in course.exercise("ex13").blanks:
        reference = course.reference(blank.module).read_text()
        text = source.excerpt(reference, blank.qualname).text
        copy = course.copy(blank.module)
        copy.write_text(source.replace(copy.read_text(), blank.qualname, text))
    code, out, _ = run(capsys, "check ex13")
    assert code == 0
    assert "passed ex13" in out
    assert "Yours is the reference, letter by letter." in out
    assert "ex13      solved" in run(capsys, "list")[1]
    assert run(capsys, "solution ex13")[0] == 0

    code, out, _ = run(capsys, "reset ex13")
    assert "backup: my_minitornado/backups/pending_read.1.py" in out
    assert "ex13      begun" in run(capsys, "list")[1]


def test_everything_fits_80_columns_without_colour(mine: Path, capsys: pytest.CaptureFixture[str]):
    lines = ["list", "check ex13", "start ex13", "check ex13", "hint ex13", "hint ex13",
             "hint ex13", "reset ex13"]
    for line in lines:
        out = run(capsys, line)[1]
        assert max(len(text) for text in out.splitlines()) <= 80, line
        assert "\x1b" not in out


def test_misuse_is_one_clear_sentence(mine: Path, capsys: pytest.CaptureFixture[str]):
    code, out, err = run(capsys, "start ex99")
    assert (code, out) == (2, "")
    assert err.startswith("learn: no exercise 'ex99'; there are: ")
    code, _, err = run(capsys, "solution ex13")
    assert code == 2
    assert "3 hints, and you have seen 0" in err
    mine.write_text("a file where the folder should be")
    code, _, err = run(capsys, "start ex13")
    assert code == 2
    assert err.startswith("learn: ")
    assert "Traceback" not in err


@pytest.mark.skipif(not (ROOT / "minitornado" / "__main__.py").exists(),
                    reason="there is no command line to mount it in")
def test_the_commands_that_it_tells_to_type_exist(
        mine: Path, capsys: pytest.CaptureFixture[str]):
    told = set()
    for line in ("check ex13", "start ex13", "hint ex13", "hint ex13", "hint ex13"):
        told |= {text.removeprefix("next: ") for text in run(capsys, line)[1].splitlines()
                 if text.startswith("next: ")}
    assert len(told) == 4  # start, check, hint, solution
    for command in sorted(told):
        python, *arguments = command.split()
        assert python == "python"
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=os.environ,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1), command
        assert done.stderr == "", command


def test_it_runs_as_a_module(mine: Path):
    done = subprocess.run([sys.executable, "-m", "minitornado.classroom.learn", "list"], cwd=ROOT,
                          env=os.environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ex13" in done.stdout
