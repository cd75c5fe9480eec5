"""Every notebook keeps the form of the course: its sections and minutes, its questions, its quiz.

A new notebook needs one line here; what it alone promises is for a test file of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from notebook_form import ROOT, Book, page, plain

from minitornado.classroom import predict, quiz, real, shelf
from minitornado.classroom.explain import load_all
from minitornado.classroom.misconceptions import MISCONCEPTIONS
from minitornado.classroom.percent import Cell
from minitornado.classroom.predict import Question
from minitornado.classroom.quiz import ENOUGH, Order, items_of

MINUTES = 25

#: By notebook: title, question, and the misconceptions that its predictions have to betray.
PROMISED = {
    "00": ("One request in forty lines", 'What happens between Enter and "hello"?', "M02 M05"),
    "03": ("IOLoop I: the turn", "What is one turn?", "M07 M08 M13"),
    "06": ("IOStream I: reading", 'How do bytes become "a message"?', "M01 M14 M15 M16 M17"),
    "11": ("HTTPServer and `_ServerRequestAdapter`", "Why an adapter at all?", "M19 M25"),
    "12": ("The whole chain, slow motion",
           "Follow one request, and its failures: what happens when it does not go well?",
           "M02 M03 M13 M19"),
}  # fmt: skip

#: The sections of every notebook, in their order; what stands behind a colon is its own.
SECTIONS = ["Predict", "Run", "Compare", "Read", "Poke it", "The real one", "Build", "Exit quiz",
            "Words", "Next"]
ENTRANCE = ["00"]  # it reads no source: that comes later

BOOKS = {number: Book(number) for number in shelf.find_numbers()}


@pytest.fixture(params=BOOKS, ids=[book.name for book in BOOKS.values()])
def book(request):
    shelf.load(request.param)
    return BOOKS[request.param]


# ---- what there is to read ----


def test_every_notebook_of_the_course_has_promised_something():
    assert list(PROMISED) == list(BOOKS)


def test_it_has_the_form_that_all_notebooks_have(book):
    title, question, _ = PROMISED[book.number]
    titles = re.findall(r"^## (\w[\w ]*?)(?::.*)?$", book.prose, re.MULTILINE)
    wanted = [it for it in SECTIONS if it != "Read" or book.number not in ENTRANCE]
    assert list(dict.fromkeys(title for title in titles if title in SECTIONS)) == wanted
    assert book.prose.startswith(f"# {book.number} · {title}\n\n**{question}**\n")
    assert re.search(rf"^\*\*You need\*\* .*, and {MINUTES} minutes", book.prose, re.MULTILINE)


def test_it_can_be_read_and_done_in_the_minutes_that_it_says(book):
    # 200 words a minute for all there is to read: the source and the drawings' twins included,
    # though not their bars and arrows, and of what unfolds one option a question. Then the time
    # to make up one's mind, and to put events in order.
    texts = [book.prose, *map(plain, book.outputs)]
    words = sum(bool(re.search(r"\w", word)) for text in texts for word in text.split())
    questions = len(book.asked) + len(items_of(book.number)) - 1
    assert len(book.asked) >= 4
    assert words / 200 + questions / 3 + 1.5 <= MINUTES


def test_every_output_reads_without_colour_pictures_scripts_and_network(book):
    assert len(book.outputs) > 15
    for output in book.outputs:
        assert plain(output).strip()
        html = page(output)
        if 'class="mt-steps"' in html:
            # The player has a script; without it, its steps are a list to be unfolded.
            html, _, script = html.partition("<script>")
            steps = re.findall(r"^ *\d+ [a-z]", plain(output), re.MULTILINE)
            assert html.count("<details ") == len(steps) > 20
            assert "http://" not in script and "https://" not in script
        assert not re.search(r'<(script|iframe|svg|link)|\b(src|href)="(?!data:)', html)
        for image in re.findall(r"<img [^>]*>", html):
            assert re.search(r'alt="[^"]{40,}"', image)


def test_the_definitions_that_it_owns_are_shown_whole_and_explained(book):
    margins = {margin.name: margin for margin in load_all() if margin.notebook == book.number}
    assert sorted(re.findall(r'\bexplain\("([^"]+)"\)', book.code)) == sorted(margins)
    text = "\n".join(map(plain, book.outputs))
    told = " ".join(re.sub(r"^ +\| ", "", text, flags=re.MULTILINE).split())
    for margin in margins.values():
        for lines, said in margin.rows():
            assert all(line.text.strip() in text for line in lines)
            assert " ".join(said.replace("**", "").split()) in told


# ---- the questions ----


def secrets(number):
    """What nobody may read who has not chosen."""
    asked = [*predict.questions(number), *items_of(number)]
    return [option.because for question in asked if isinstance(question, Question)
            for option in question.options.values()]


def test_what_is_right_is_folded_and_not_in_the_text_until_somebody_has_chosen(book):
    outputs = [output for output in book.outputs
               if re.search(r"<strong>[PQ]\d\d\.\d</strong>", page(output))]
    assert len(outputs) == 2 * len(book.asked) + 1
    for output in outputs:
        shown = re.sub(r"<details>(<summary>.*?</summary>).*?</details>", r"\1", page(output),
                       flags=re.DOTALL)
        for text in (shown, plain(output)):
            assert not re.search(r"\bM\d\d\b|Right", text)
            assert not any(secret in text for secret in secrets(book.number))


def test_one_option_is_right_and_every_other_betrays_a_misconception_of_its_own_words(book):
    asked = [it for it in [*predict.questions(book.number), *items_of(book.number)]
             if isinstance(it, Question)]
    assert [question.id for question in asked if question.id[0] == "P"] == book.asked
    for question in asked:
        judged = [question.judge(letter) for letter in question.options]
        assert [it.right for it in judged].count(True) == 1
        assert all(it.right or it.betrays in MISCONCEPTIONS for it in judged)
        assert len({it.said for it in judged}) == len(judged)
    betrayed = {option.betrays for question in asked if question.id[0] == "P"
                for option in question.options.values()}
    assert set(PROMISED[book.number][2].split()) <= betrayed


def test_the_quiz_has_four_questions_and_an_order_that_comes_from_a_trace(book):
    items = items_of(book.number)
    assert [item.id for item in items] == [f"Q{book.number}.{at}" for at in range(1, 6)]
    assert f'quiz("{book.number}")' in book.code and ENOUGH == 4
    *_, order = items
    assert isinstance(order, Order) and len(order.items) >= 8
    assert order.right != "".join(order.named)
    assert len({item.seq(order.run()) for item in order.items}) == len(order.items)
    # Whoever knows only that "b" is right nowhere passes.
    letters = [item.right(item.answer) for item in items if isinstance(item, Question)]
    assert len(set(letters)) >= 3


def test_four_right_answers_tick_it_and_three_do_not(book, monkeypatch):
    shown, kept = [], {}
    monkeypatch.delenv("MINITORNADO_BUILD", raising=False)
    monkeypatch.setattr(quiz, "present", lambda html, text: shown.append((html, text)))
    monkeypatch.setattr(quiz.progress, "keep", kept.__setitem__)
    monkeypatch.setattr(quiz.progress, "choices", lambda: kept)
    *questions, order = items_of(book.number)
    right = [it.right(it.answer) for it in questions]
    wrong = [next(letter for letter in it.options if letter != it.right(it.answer))
             for it in questions]
    quiz.quiz(book.number)
    quiz.quiz(book.number, " ".join([*right[:3], wrong[3], order.right[::-1]]))
    assert "3 of 5 right" in shown[1][1] and kept == {}
    said = " ".join(shown[1][1].split())
    told = f"{wrong[3]}: no. {questions[3].options[wrong[3]].comment}"
    assert told in said  # what it betrays, and its own words
    assert questions[3].options[right[3]].because not in said
    quiz.quiz(book.number, " ".join([*right, "-"]))
    assert f"4 of 5 right: notebook {book.number} is ticked." in " ".join(shown[2][1].split())
    assert kept == {f"Q{book.number}": "4 of 5"} and f"{book.number} ✓" in shown[2][1]
    quiz.quiz(book.number, " ".join([*wrong, order.right.lower()]))
    said = " ".join(shown[3][1].split())
    assert f"All {len(order.items)} in order." in said
    assert all(it.options[letter].comment in said for it, letter in zip(questions, wrong,
                                                                        strict=True))


# ---- the kernel ----


@pytest.mark.deadline(120)
def test_it_runs_again_in_the_same_kernel_and_who_has_chosen_hears_what_is_meant_for_them(book):
    """Both at once, since a kernel takes its time: first nobody chooses, then somebody does."""
    asked = dict(zip(book.asked, range(len(book.asked)), strict=True))
    chosen = {}
    for id, at in asked.items():  # right ones and wrong ones by turns
        question = predict.known_questions()[id]
        right = question.right(question.answer)
        chosen[id] = right if at % 2 else next(it for it in question.options if it != right)

    def choose(cell):
        text = re.sub(r'predict\("(P\d\d\.\d)"\)',
                      lambda match: f'predict("{match[1]}", "{chosen[match[1]]}")', cell.text)
        return Cell(cell.kind, text, cell.line)

    said = [[plain(output) for output in cell]
            for cell in book.run([*book.shown, *map(choose, book.shown)])]
    first, second = said[: len(book.shown)], said[len(book.shown) :]
    for cell, before, after in zip(book.shown, first, second, strict=True):
        if not re.search(r"\b(predict|compare)\(", cell.text):
            assert before == after
    # A `compare` of the first pass has nothing to tell yet.
    assert not any("You predicted" in text for cell in first for text in cell)
    compared = "\n".join(text for cell in second for text in cell).split("You predicted")[1:]
    ids = re.findall(r'compare\("(P\d\d\.\d)"', book.code)
    assert sorted(ids) == sorted(chosen)
    for id, text in zip(ids, compared, strict=True):
        option = predict.known_questions()[id].options[chosen[id]]
        words = " ".join(text.split())
        assert words.startswith(" ".join(f"{chosen[id]}) {option.text}".split()))
        assert option.comment in words
        assert ("Well predicted." in words) == (not option.betrays)


# ---- commands, and the real one ----


@pytest.mark.deadline(180)
def test_every_command_of_the_prose_works(book, tmp_path):
    commands = [line for block in book.blocks("sh") for line in block.splitlines()]
    env = {**os.environ, "MY_MINITORNADO": str(tmp_path / "mine"), "PYTHONPATH": str(ROOT)}
    for command in commands:
        words = [sys.executable, *command.split()[1:]]
        if words[-1] == "serve":
            check_that_it_serves([*words, "--port", "0"], env)
            continue
        done = subprocess.run(words, cwd=tmp_path, env=env, input="q\n", capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    started = set(re.findall(r"learn start (ex\d\d)", "\n".join(commands)))
    assert started and started == set(re.findall(r"\bex\d\d\b", book.prose))
    assert list((tmp_path / "mine").iterdir())


def check_that_it_serves(words, env):
    server = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        # The log comes first.  If the address never does, the test's deadline ends this.
        assert any(b"http://127.0.0.1:" in line for line in server.stdout)
    finally:
        server.terminate()
        server.wait(60)
        server.stdout.close()


def test_a_tornado_that_cannot_be_asked_is_an_error_with_a_reason(tmp_path):
    broken = Path(tmp_path / "broken.py")
    broken.write_text("import nothing_of_that_name")
    with pytest.raises(RuntimeError, match=r"(?s)could not be asked.*nothing_of_that_name"):
        real.ask(broken)
