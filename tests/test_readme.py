"""The README tells the truth: its commands run, what it shows is what a run shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from minitornado import httputil
from minitornado.http1connection import PIECES_A_TURN, REQUESTS_A_TURN

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
SETUP = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && "


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


COMMANDS = [
    line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines() if line
]


def run(command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command of the README with the Python of this test in the place of .venv's."""
    words = [sys.executable, *command.split()[1:]]
    return subprocess.run(
        words, cwd=ROOT, timeout=seconds, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip


def test_two_commands_do_all_their_set_up_by_themselves() -> None:
    """.ci/run takes them from the README by this very pattern, and runs them in a fresh clone."""
    full = [command for command in COMMANDS if command.startswith("python3 -m venv")]
    assert full == [SETUP + ".venv/bin/python -m minitornado", SETUP + ".venv/bin/python -m pytest"]
    assert "grep -E '^python3 -m venv '" in (ROOT / ".ci" / "run").read_text()


def test_the_main_command_shows_a_real_request() -> None:
    done = run(COMMANDS[0].removeprefix(SETUP), seconds=20)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "hello world" in done.stdout
    # The README's story is part of what it prints, wrapped for another width.
    shown = blocks("text")[0]
    words = re.sub(r"\s+", " ", re.sub(r"\b\d+\b", "", done.stdout))
    assert "The application runs: application." in words and "The application runs" in shown


BRIEF = ("trace", "learn", "predict", "progress")  # commands that end by themselves
TRIED = [command for command in COMMANDS if command.split()[3:] and command.split()[3] in BRIEF]


@pytest.mark.parametrize("command", TRIED)
def test_commands_that_end_by_themselves_end_well(command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() and "Traceback" not in done.stderr


def test_every_command_is_run_by_some_test() -> None:
    """Whoever adds one to the README adds its test here, or names the test that runs it."""
    elsewhere = {
        ".venv/bin/python -m minitornado serve": "tests/test_main.py",
        ".venv/bin/jupyter lab notebooks": "tests/test_notebooks_browser.py",
        ".venv/bin/python -m minitornado book": "tests/test_book.py",
        ".venv/bin/python -m minitornado compare": "tests/test_compare.py",
        ".venv/bin/python -m minitornado benchmark --quick": "tests/test_benchmark.py",
    }
    for command in COMMANDS[2:]:
        assert command in TRIED or command in elsewhere, f"nobody runs {command!r}"
    assert '"serve"' in (ROOT / elsewhere[COMMANDS[2]]).read_text()
    assert '"book"' in (ROOT / elsewhere[".venv/bin/python -m minitornado book"]).read_text()
    quick = ".venv/bin/python -m minitornado benchmark --quick"
    assert '"--quick"' in (ROOT / elsewhere[quick]).read_text()
    assert "lab" in (ROOT / elsewhere[".venv/bin/jupyter lab notebooks"]).read_text()


def test_what_it_shows_of_a_trace_is_fresh() -> None:
    done = run(".venv/bin/python -m minitornado.classroom.readme --check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def server() -> Iterator[str]:
    """The README's server, on a free port; yields its address."""
    (program,) = blocks("python")
    assert 'listen(8888, "127.0.0.1")' in program
    program = program.replace("8888", "0") + "\n"
    told = "print(next(iter(server._sockets.values())).getsockname()[1], flush=True)\n"
    program = program.replace("IOLoop.current().start()", told + "IOLoop.current().start()")
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True,
        cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
    finally:
        process.kill()
        process.communicate()


def test_its_server_serves(server: str) -> None:
    for _ in range(2):
        with urllib.request.urlopen(server, timeout=60) as answer:
            assert answer.read() == b"hello world"


def test_it_names_every_notebook_and_counts_them_and_the_exercises_right() -> None:
    notebooks = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert re.findall(r"\(notebooks/([0-9]\w+\.ipynb)\)", TEXT) == notebooks
    exercises = [path for path in (ROOT / "tests" / "exercises").glob("ex*") if path.is_dir()]
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    assert f"has {words[len(notebooks)]} notebooks" in TEXT
    assert f"{words[len(exercises)].capitalize()} exercises go with them" in TEXT


def test_the_map_leads_somewhere() -> None:
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", TEXT)
    assert len(links) > 15
    for link in links:
        assert (ROOT / link).exists(), f"the README links to {link}, which does not exist"


def test_every_module_of_the_stack_is_on_the_map() -> None:
    ours = {p.stem for p in (ROOT / "minitornado").glob("*.py")} - {"__init__", "__main__"}
    assert {name for name in ours if f"(minitornado/{name}.py)" not in TEXT} <= {"log", "util"}


def test_the_requests_a_turn_that_it_names_are_the_connections_own() -> None:
    assert f"a turn for others after every {REQUESTS_A_TURN}th request" in TEXT
    assert (
        f"likewise after every {PIECES_A_TURN}th piece of a body, and every {PIECES_A_TURN}th write"
    ) in TEXT
    assert (
        f"more than {httputil.MAX_FORM_FIELDS} fields, {httputil.MAX_MULTIPART_PARTS} parts or "
        f"{httputil.MAX_FORM_BYTES >> 20} MiB of an urlencoded body"
    ) in TEXT
