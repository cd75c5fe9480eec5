"""The command line of the exercises: what a learner types, from the first start to the solution."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from minitornado.classroom import learn
from minitornado.classroom.exercises import engine, source, watch, workspace
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


def test_scores_are_told_as_json_for_a_program_and_as_a_table_for_a_person(
        mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(capsys, "check ex13 --json")
    told = json.loads(out)
    assert (code, told["format"], told["version"]) == (1, "minitornado-score", 1)
    assert (told["id"], told["status"], told["points"]) == ("ex13", "todo", 0)
    code, out, _ = run(capsys, "score --json")
    assert code == 0
    assert [one["id"] for one in json.loads(out)["exercises"]] == [
        exercise.id for exercise in Course().exercises()]
    assert run(capsys, "score")[1].splitlines()[1].split()[:2] == ["you", "."]
    (tmp_path / "class" / "ada").mkdir(parents=True)
    code, out, _ = run(capsys, f"class {tmp_path}/class")
    assert (code, out.splitlines()[1].split()[0]) == (0, "ada")
    assert max(map(len, out.splitlines())) <= 80
    assert run(capsys, f"class {tmp_path}/class --csv")[1].splitlines()[1].startswith("ada,0,")
    code, out, err = run(capsys, f"class {tmp_path}/none")
    assert (code, out, err) == (2, "", f"learn: {tmp_path}/none is no folder\n")


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


def test_the_list_ends_with_a_progress_bar(mine: Path, capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "list")[1].splitlines()[-1].strip().startswith(
        "[....................] 0 of 9 exercises, 0 of ")


# ---- watching ----


class Keys:
    """Keys for a Watch: a letter, or something to do while it waits."""

    def __init__(self, *script: str | Callable[[], object]) -> None:
        self.script = list(script)

    def __call__(self, seconds: float) -> str | None:
        step = self.script.pop(0) if self.script else "q"
        if callable(step):
            step()
            return None
        return step


def watched(name: str, *script: str | Callable[[], object]) -> list[str]:
    """The lines that watching an exercise prints."""
    out = io.StringIO()
    console = Console(file=out, width=80, highlight=False, soft_wrap=True, markup=False)
    course = Course()
    watch.Watch(console, course, course.exercise(name)).run(Keys(*script))
    return out.getvalue().splitlines()


def solve(name: str) -> None:
    """Write the reference's definitions into the learner's copies."""
    course = Course()
    for blank in course.exercise(name).blanks:
        reference = course.reference(blank.module).read_text()
        text = source.excerpt(reference, blank.qualname).text
        copy = course.copy(blank.module)
        copy.write_text(source.replace(copy.read_text(), blank.qualname, text))


def test_watching_starts_and_checks_and_checks_again_when_a_copy_is_saved(mine: Path):
    lines = watched("ex05", lambda: None, lambda: solve("ex05"), lambda: None)
    assert "written: my_minitornado/ioloop.py" in lines
    number = len(engine.scenario_names(Course().exercise("ex05")))
    counts = [line for line in lines if line.startswith(("ex05: ", "passed ex05"))]
    assert counts == [f"ex05: {number} scenarios: {number} todo",
                      f"passed ex05: all {number} scenarios, on your code"]
    assert lines.count(watch.KEYS) == 2
    assert any(line.startswith("[##") and "1 of 9 exercises" in line for line in lines)


def test_every_key_does_what_the_last_line_says(mine: Path):
    lines = watched("ex05", "h", "l", "t", "d", "n", "h", "x")
    for text in ("hint 1 of 3 for ex05", "Nothing is written yet.", "hint 1 of 3 for ex07"):
        assert text in lines
    assert any(line.startswith("exercise  state") for line in lines)
    assert "test_thread_wakes_sleeping_loop_real: todo" in lines
    assert any("ex07 timeouts" in line and line.startswith("-") for line in lines)
    assert max(len(line) for line in lines) <= 80


def test_a_reset_is_asked_for_twice_and_is_no_reason_to_check(mine: Path):
    solved = [lambda: solve("ex05")]
    lines = watched("ex05", *solved, "r", "h", "r", "r", lambda: None)
    assert lines.count("r again: your ex05 becomes a stub again (a backup is kept)") == 2
    assert lines.count("blank again: IOLoop._work") == 1
    assert sum(line.startswith("passed ex05") for line in lines) == 1


def test_a_copy_that_does_not_parse_does_not_end_the_watching(mine: Path):
    def spoil() -> None:
        copy = Course().copy("minitornado.ioloop")
        copy.write_text(copy.read_text() + "\n)\n")

    lines = watched("ex05", spoil, lambda: solve_anew(), lambda: None)
    assert any("unmatched ')'" in line for line in lines)
    assert any(line.startswith("passed ex05") for line in lines)


def solve_anew() -> None:
    """Mend a spoilt copy, and solve ex05 in it."""
    copy = Course().copy("minitornado.ioloop")
    copy.write_text(copy.read_text().removesuffix("\n)\n"))
    solve("ex05")


def test_keys_come_from_a_pipe_line_by_line_and_its_end_ends_it(mine: Path):
    done = subprocess.run(
        [sys.executable, "-m", "minitornado.classroom.learn"], cwd=ROOT, env=os.environ,
        input="hint, please\n\nlist\n", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "hint 1 of 3 for ex05" in done.stdout
    assert done.stdout.count(watch.KEYS) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_keys_come_from_a_terminal_one_by_one_and_it_is_left_as_it_was(mine: Path):
    import pty
    import termios

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen([sys.executable, "-m", "minitornado.classroom.learn", "watch", "05"],
                               cwd=ROOT, env=os.environ | {"COLUMNS": "80"}, stdin=theirs,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    guard = threading.Timer(60, process.kill)
    guard.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("keys:"):
                break
        os.write(ours, b"h")  # no Return
        assert any("hint 1 of 3 for ex05" in line for line in process.stdout)
        os.write(ours, b"q")
        _out, err = process.communicate(timeout=60)
    finally:
        guard.cancel()
        process.kill()
        process.communicate()
    assert (process.returncode, err) == (0, "")
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def test_who_has_solved_everything_is_told_what_comes_next(
        mine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workspace, "solved", lambda course, exercise: True)
    code, out, _ = run(capsys, "watch")
    assert code == 0
    assert "All exercises are solved. [####################] 9 of 9 exercises" in out
    assert out.splitlines()[-1] == "next: python -m minitornado learn serve"


# ---- on one's own pieces ----


@pytest.fixture
def all_mine(mine: Path) -> Path:
    """A learner's folder with a copy of every module; every answer is the reference's."""
    course = Course()
    for module in {blank.module for blank in course.blanks()}:
        course.copy(module).parent.mkdir(exist_ok=True)
        course.copy(module).write_text(course.reference(module).read_text())
    return mine


def test_swap_tells_whose_each_class_is(all_mine: Path, capsys: pytest.CaptureFixture[str]):
    assert set(run(capsys, "swap")[1].split()[1::2]) == {"reference"}
    _, out, _ = run(capsys, "swap IOLoop HTTPServer")
    assert [line.split(":")[0] for line in out.splitlines() if "YOURS" in line] == [
        "IOLoop", "HTTPServer"]
    out = run(capsys, "check 17")[1]
    assert out.startswith("BaseIOStream: YOURS (my_minitornado/iostream.py ")
    assert "IOLoop: YOURS (my_minitornado/ioloop.py " in out
    assert "passed ex17" in out
    assert "reference" not in run(capsys, "swap --all")[1]
    code, _, err = run(capsys, "swap Nobody")
    assert code == 2
    assert err.startswith("learn: no class Nobody in the exercises; there are: IOLoop, ")


def test_nothing_of_ones_own_serves_nothing(mine: Path, capsys: pytest.CaptureFixture[str]):
    code, _, err = run(capsys, "serve")
    assert (code, err) == (
        2, "learn: nothing of yours can run yet: no class is written to its end\n")


def test_a_trace_runs_on_the_learners_pieces(all_mine: Path):
    # A line more at the top of the file: where the trace says a function is, is where hers is.
    copy = Course().copy("minitornado.httpserver")
    copy.write_text("# mine\n" * 1000 + copy.read_text())
    done = subprocess.run(
        [sys.executable, "-m", "minitornado.classroom.learn", "run", "trace", "/hello", "--json",
         str(all_mine / "trace.jsonl")],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("IOLoop: YOURS (my_minitornado/ioloop.py ")
    events = [json.loads(line) for line in (all_mine / "trace.jsonl").read_text().splitlines()]
    places = [event["src"] for event in events
              if event.get("name") == "_ServerRequestAdapter.finish" and event["kind"] == "call"]
    assert len(places) == 1
    file, line = places[0].split(":")
    assert file == "my_minitornado/httpserver.py"
    assert int(line) > 1000


def test_the_demo_server_serves_on_the_learners_pieces(all_mine: Path):
    copy = Course().copy("minitornado.httpserver")
    text = copy.read_text()
    mine = text.replace('b"".join(self._chunks)', 'b"mine: " + b"".join(self._chunks)')
    assert mine != text
    copy.write_text(mine)
    process = subprocess.Popen(
        [sys.executable, "-m", "minitornado.classroom.learn", "serve", "--port", "0", "--no-trace"],
        cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True)
    guard = threading.Timer(60, os.killpg, [process.pid, signal.SIGKILL])
    guard.start()
    try:
        assert process.stdout is not None
        port = 0
        for line in process.stdout:
            if match := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                port = int(match[1])
                break
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", "/echo", body=b"hello")
            assert connection.getresponse().read() == b"mine: hello"
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C: to all that run in the terminal
        assert process.wait(timeout=60) == 0
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_runs_as_a_module(mine: Path):
    done = subprocess.run([sys.executable, "-m", "minitornado.classroom.learn", "list"], cwd=ROOT,
                          env=os.environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ex13" in done.stdout
