"""predict, quiz and progress: locked until chosen, computed, kept here, and not by a build."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from minitornado.classroom import predictions, progress, shelf
from minitornado.classroom.build import Notebook, build_all
from minitornado.classroom.misconceptions import MISCONCEPTIONS
from minitornado.classroom.predict import Question
from minitornado.classroom.quiz import Order, items_of

ROOT = Path(__file__).parents[1]
DEADLINE = 60.0
NUMBERS = shelf.find_numbers()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The learner's folder, which no test shares with a learner."""
    monkeypatch.setenv("MY_MINITORNADO", str(tmp_path / "mine"))
    return tmp_path / "mine"


def run(*words: str, says: str = "", command: str = "predict",
        **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "minitornado", command, *words], input=says, text=True,
        capture_output=True, timeout=DEADLINE, cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", **env},
    )


def kept(folder: Path) -> dict[str, str]:
    path = folder / "predictions.json"
    return json.loads(path.read_text()) if path.exists() else {}


def questions(number: str = "00") -> list[Question]:
    return predictions.load(number)


def letters(right: bool) -> list[str]:
    """One letter for each question of notebook 00: the right one, or a wrong one."""
    return [next(letter for letter in question.options
                 if (letter == question.right(question.answer)) == right)
            for question in questions()]


def test_nothing_of_an_answer_is_shown_before_the_choice():
    first, second, *_ = questions()
    done = run("00", says="")
    assert first.text in " ".join(done.stdout.split()) and second.id not in done.stdout
    assert "The run" not in done.stdout and not re.search(r"\bM\d\d\b", done.stdout)
    for option in first.options.values():
        assert option.because[:20] not in done.stdout
    assert done.returncode == 0 and "Stopped at P00.1" in done.stdout


@pytest.mark.parametrize("right", [True, False])
def test_each_choice_gets_the_run_and_its_own_text(folder: Path, right: bool):
    chosen = letters(right)
    done = run("00", says="\n".join(chosen) + "\n")
    text = " ".join(done.stdout.split())
    for letter, question in zip(chosen, questions(), strict=True):
        option = question.options[letter]
        assert f"The run: {question.told(question.answer)}" in text
        assert option.because in text
        assert (f"Well predicted. {option.because}" in text) == right
        if not right:
            assert MISCONCEPTIONS[option.betrays].topic in text
    assert "[M" not in text if right else "Well predicted" not in text
    count = len(chosen) if right else 0
    assert f"All {len(chosen)} made, {count} well predicted." in text
    assert kept(folder) == dict(zip([it.id for it in questions()], chosen, strict=True))
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_no_option_is_asked_again(folder: Path):
    done = run("00", says="x\n\nB)\nq\n")
    assert done.stdout.count("Choose one of a, b, c, d; or q, to stop.") == 2
    assert kept(folder) == {"P00.1": "b"}


def test_it_goes_on_where_one_has_stopped_and_can_begin_again(folder: Path):
    run("00", says="a\nb\n")
    done = run("00", says="q\n")
    assert "6 predictions, 2 made" in done.stdout and "P00.1  How" not in done.stdout
    assert "Stopped at P00.3. To go on: python -m minitornado predict 00\n" in done.stdout
    done = run("00", "--again", says="c\n")
    assert "0 made" in done.stdout and kept(folder) == {"P00.1": "c"}


def test_one_prediction_can_be_asked_for_by_its_name(folder: Path):
    done = run("p00.3", says="a\n")
    assert kept(folder) == {"P00.3": "a"} and "P00.4" not in done.stdout
    again = run("P00.3")
    assert "You chose a)" in again.stdout and "So right is c) no" in again.stdout
    assert "> " not in again.stdout


def test_the_list_counts_and_knows_every_notebook():
    run("00", says="a\nb\n")
    done = run("--list")
    assert re.search(r"^00  2 of 6 made   One request in forty lines$", done.stdout, re.MULTILINE)
    for number in NUMBERS:
        assert re.search(rf"^{number}  ", done.stdout, re.MULTILINE)
    assert run().stdout == done.stdout


@pytest.mark.parametrize("name", ["99", "nothing", "P00.99", "P0", "\u0660\u0660"])
def test_a_name_nobody_has_gets_one_sentence(name: str):
    done = run(name)
    assert done.returncode == 2 and done.stdout == ""
    assert re.fullmatch(r"minitornado: no predictions? .*\n", done.stderr)
    assert "P00.1" in done.stderr


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_lines_fit_and_a_pipe_gets_no_colour(columns: int):
    done = run("00", says="\n".join(letters(False)) + "\n", COLUMNS=str(columns))
    assert "\x1b" not in done.stdout
    commands = re.compile(r".*python -m .*|.*predict .*")  # lines one may copy
    lines = [line for line in done.stdout.splitlines() if not commands.fullmatch(line)]
    assert max(map(len, lines)) <= min(columns, 80)


def test_no_word_is_lost_without_colour():
    says = "\n".join(letters(False)) + "\n"
    coloured = run("00", says=says, FORCE_COLOR="1", TERM="xterm-256color").stdout
    plain = run("00", "--again", says=says, NO_COLOR="1").stdout
    assert "\x1b[" in coloured and re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_a_broken_file_is_named_and_stays(folder: Path):
    folder.mkdir()
    for text in ("{", "[]", '{"P00.1": 1}'):
        (folder / "predictions.json").write_text(text)
        done = run("00", says="a\n")
        assert done.returncode == 1 and "delete it to predict afresh" in done.stderr
        assert "mine/predictions.json" in done.stderr and str(folder) not in done.stderr
        assert (folder / "predictions.json").read_text() == text


def test_what_cannot_be_kept_is_answered_all_the_same(folder: Path):
    folder.write_text("a file in the place of the folder")
    done = run("00", says="b\n")
    assert "It could not be kept" in done.stdout and "Well predicted." in done.stdout


def test_misconceptions_read_as_parts_of_sentences():
    assert list(MISCONCEPTIONS) == [f"M{number:02}" for number in range(1, 33)]
    for it in MISCONCEPTIONS.values():
        assert not it.topic.endswith(".") and not it.belief.endswith(".")
        assert it.truth.endswith(".") and len(it.truth) < 100


# ---- quiz and progress ----


def answers(number: str = "00") -> list[str]:
    """The right ones."""
    shelf.load(number)
    return [item.right if isinstance(item, Order) else str(item.right(item.answer))
            for item in items_of(number)]


def test_a_quiz_asks_again_what_was_wrong_and_ticks_the_notebook_at_four(folder: Path):
    *right, order = answers()
    wrong = "a" if right[2] != "a" else "b"
    done = run("00", command="quiz", says="\n".join([*right[:2], wrong, "?", right[3], "q"]))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Right. ") == 3
    assert "\nNo. [M02 · One thread, one thing at a time] " in done.stdout
    assert "3 of 5 right. 4 of them tick notebook 00" in done.stdout
    assert "Q00" not in kept(folder)
    again = run("00", command="quiz", says=f"{right[2]}\n{order.lower()}\n")
    assert "5 questions, 3 right so far" in again.stdout and "Q00.1" not in again.stdout
    assert "5 of 5 right: notebook 00 is ticked." in again.stdout
    assert kept(folder) == {"Q00": "5 of 5", "Q00.5": order,
                            **{f"Q00.{at}": letter for at, letter in enumerate(right, 1)}}
    run("P00.1", says="a\n")
    told = run(command="progress").stdout.splitlines()
    assert told[0] == "✓ 00  quiz 5 of 5  1 predictions  One request in forty lines"
    assert told[1] == "· 03  quiz open    0 predictions  IOLoop I: the turn"
    assert [line.split()[1] for line in told[:-1]] == NUMBERS and "exercises" in told[-1]
    assert run(command="quiz").stdout.startswith("00 ✓  03 ·")


def test_nothing_of_a_quiz_is_answered_before_the_reader_has():
    done = run("00", command="quiz")
    assert "Q00.1" in done.stdout and "Q00.2" not in done.stdout
    assert "0 of 5 right" in done.stdout
    assert not re.search(r"\bM\d\d\b|Right", done.stdout)


def test_a_quiz_nobody_has_gets_one_sentence():
    done = run("99", command="quiz")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("minitornado: no quiz '99': there are those of notebook 00, 03")


def test_a_broken_file_stops_quiz_and_progress_too(folder: Path):
    folder.mkdir()
    (folder / "predictions.json").write_text("[]")
    for command in ("quiz", "progress"):
        done = run(command=command)
        assert done.returncode == 1 and "delete it to predict afresh" in done.stderr


# ---- the notebook's `predict` and the same file ----

SOURCE = """
# %%
from minitornado.classroom import nb00
from minitornado.classroom.predict import compare, predict

predict("P00.1")

# %%
predict("P00.2", "c")
compare("P00.2")
"""


def text_of(tmp_path: Path, **overrides: str) -> str:
    (tmp_path / "src").mkdir(exist_ok=True)
    (tmp_path / "src" / "00_x.py").write_text(SOURCE)
    [built] = build_all([Notebook("00_x", tmp_path)], overrides=overrides)
    assert not built.error
    return built.text


def test_a_notebook_shows_what_was_chosen_in_the_terminal_and_keeps_its_own(
    tmp_path: Path, folder: Path
):
    progress.keep("P00.1", "d")
    text = text_of(tmp_path, MINITORNADO_BUILD="", MY_MINITORNADO=str(folder))
    assert "You chose d) hundreds" in text
    assert kept(folder) == {"P00.1": "d", "P00.2": "c"}


def test_a_build_neither_reads_nor_writes_what_was_chosen(tmp_path: Path, folder: Path):
    without = text_of(tmp_path, MY_MINITORNADO=str(folder))
    assert kept(folder) == {}
    progress.keep("P00.1", "d")
    assert text_of(tmp_path, MY_MINITORNADO=str(folder)) == without
    assert kept(folder) == {"P00.1": "d"}
