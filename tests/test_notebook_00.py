"""Notebook 00 keeps what it says: its form and its minutes, its runs, its answers, its commands.

That its outputs are fresh is tests/test_notebooks.py's to say; that what its prose claims of a
trace is so, is asserted in the notebook's own cells tagged "check", at each build.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import subprocess
import sys
import time

import pytest
from doubles import open_fds

from minitornado import gen
from minitornado.classroom import nb00, predict, quiz
from minitornado.classroom.build import FOLDER
from minitornado.classroom.execute import execute
from minitornado.classroom.exercises.catalog import Course
from minitornado.classroom.nb00 import pictures, questions, real, scenarios
from minitornado.classroom.percent import read_source
from minitornado.classroom.predict import QuestionError
from minitornado.classroom.quiz import Item
from minitornado.ioloop import IOLoop
from minitornado.trace import tracing
from minitornado.trace.views.lanes import LANES

NAME = "00_one_request"
ROOT = FOLDER.parent
MINUTES = 25
CELLS = read_source(FOLDER / "src" / f"{NAME}.py")
SHOWN = [cell for cell in CELLS if "check" not in cell.tags]
PROSE = "\n".join(cell.text for cell in CELLS if cell.kind == "markdown")
[SERVER] = [cell.text for cell in SHOWN if "def hello(request)" in cell.text]


def built():
    return json.loads((FOLDER / f"{NAME}.ipynb").read_text())


def outputs():
    return [output for cell in built()["cells"] for output in cell.get("outputs", [])]


def plain(output):
    return "".join(output["text"] if "text" in output else output["data"]["text/plain"])


def page(output):
    return "".join(output.get("data", {}).get("text/html", ""))


# ---- the form ----


def test_it_has_the_form_that_all_notebooks_have():
    titles = re.findall(r"^## (.+)$", PROSE, re.MULTILINE)
    wanted = ["Predict", "Run", "Compare", "Poke it: a large answer", "The real one", "Exit quiz",
              "Words", "Build", "Next"]
    assert [title for title in titles if title in wanted] == wanted
    assert PROSE.startswith("# 00 · One request in forty lines\n\n**What happens between")
    assert f"**You need** Python, and {MINUTES} minutes" in PROSE


def test_the_server_the_browser_and_who_watches_fit_in_forty_lines():
    assert 20 < len(SERVER.splitlines()) <= 40


def test_it_can_be_read_and_done_in_the_minutes_that_it_says():
    # 200 words a minute for all there is to read, the drawings' twins included; then the time
    # to make up one's mind, and to put eight events in order.
    words = len(PROSE.split()) + sum(len(plain(output).split()) for output in outputs())
    prompts = sum(cell.text.count('predict("') for cell in SHOWN if cell.kind == "code")
    assert prompts >= 6
    assert words / 200 + prompts / 3 + 2 <= MINUTES


def test_no_name_of_an_inner_function_is_in_the_prose():
    # They move; what moves is shown by a cell. (The adapter's name is Tornado's, and public.)
    inner = set(re.findall(r"\b_[a-z]\w+", PROSE, re.IGNORECASE)) - {"_ServerRequestAdapter"}
    assert inner == set()


def test_every_output_reads_without_colour_pictures_scripts_and_network():
    assert len(outputs()) > 15
    for output in outputs():
        assert plain(output).strip()
        html = page(output)
        assert not re.search(r'<(script|iframe|svg|link)|\b(src|href)="(?!data:)', html)
        for image in re.findall(r"<img [^>]*>", html):
            assert re.search(r'alt="[^"]{40,}"', image)


def test_before_the_reader_has_chosen_the_answer_is_folded_and_not_in_the_text():
    asked = [output for output in outputs() if "<summary>The answer" in page(output)]
    assert len(asked) == 6
    for output in asked:
        shown = re.sub(r"<details>.*</details>", "", page(output), flags=re.DOTALL)
        for text in (shown, plain(output)):
            assert "Right is" not in text and not re.search(r"\bM\d\d\b", text)


# ---- the kernel ----


def run(cells):
    return asyncio.run(execute(cells, source=NAME, folder=FOLDER))


def test_it_runs_twice_in_one_kernel_and_says_the_same():
    said = run([*SHOWN, *SHOWN])
    texts = [[plain(output) for output in cell] for cell in said]
    assert texts[: len(SHOWN)] == texts[len(SHOWN) :]


def test_a_reader_who_chose_sees_the_choice_and_its_own_message():
    chosen = {"P00.1": "c", "P00.2": "b", "P00.3": "a", "P00.4": "b", "P00.5": "b", "P00.6": "a"}
    cells = []
    for cell in SHOWN:
        text = re.sub(r'predict\("(P00\.\d)"\)',
                      lambda match: f'predict("{match[1]}", "{chosen[match[1]]}")', cell.text)
        cells.append(type(cell)(cell.kind, text, cell.line))
    text = "\n".join(plain(output) for cell in run(cells) for output in cell)
    compared = text.split("You predicted")[1:]
    assert len(compared) == 6
    for id, said in zip(chosen, compared, strict=True):
        option = predict._find(id).options[chosen[id]]
        words = " ".join(said.split())
        assert words.startswith(f"{chosen[id]}) {option.text}")
        assert option.comment in words
        assert ("Well predicted." in words) == (not option.betrays)


INTERRUPTED = f"""
import os, threading, time
from minitornado.classroom import nb00
{SERVER}

def interrupt():
    time.sleep(0.5)
    os.kill(os.getpid(), 2)

def works_for_ever(request):
    while True:
        pass

def never_answers(request):
    pass

for stuck in (lambda: serve(works_for_ever), lambda: nb00.two_browsers(never_answers)):
    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    try:
        stuck()
    except KeyboardInterrupt:
        print("interrupted", time.monotonic() - began < 2)
    print(serve(hello)[1].endswith(b"hello"))
"""


def test_interrupt_ends_a_stuck_run_and_the_next_one_works():
    # What the notebook's button does: SIGINT to the kernel, which runs the cell in this thread.
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.splitlines()[-4:] == ["interrupted True", "True"] * 2, done.stderr
    assert done.stderr == ""


def test_a_browser_that_is_never_answered_ends_the_run_in_time(monkeypatch):
    monkeypatch.setattr(scenarios, "DEADLINE_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no answer for 0\.2 seconds"):
        nb00.two_browsers(lambda request: None)
    assert 0.2 <= time.monotonic() - began < 2


def test_the_runs_leave_no_fd_and_no_current_loop():
    nb00.two_browsers(lambda request: scenarios._answer(request, b"x"))
    gc.collect()
    before = open_fds()
    for _ in range(10):
        scenarios.one_request()
        nb00.two_browsers(lambda request: scenarios._answer(request, b"x"))
    scenarios.large_answer()
    gc.collect()
    assert open_fds().keys() == before.keys()
    assert IOLoop.current(instance=False) is None


# ---- the questions ----


def test_the_questions_betray_what_this_notebook_is_about():
    ids = [f"P00.{number}" for number in range(1, 7)]
    betrayed = set()
    for id in ids:
        question = predict._find(id)
        assert question.right(question.answer) is not None
        betrayed |= {option.betrays for option in question.options.values()}
    assert {"M02", "M05"} <= betrayed


def later(request):
    IOLoop.current().add_callback(scenarios._answer, request, b"later")


def in_one_piece(request):
    scenarios._answer(request, b"hello")


def test_the_measures_tell_runs_apart():
    """A measure that gave the same for every run would prove nothing."""
    small, large = scenarios.one_request(in_one_piece), scenarios.large_answer()
    assert nb00.epoll_ctls(small) < nb00.epoll_ctls(large)
    assert nb00.write_interest(small) == "never"
    assert nb00.write_interest(large) == "after the first `send`"
    assert nb00.when_sent(small) == "while your function ran"
    assert nb00.when_sent(scenarios.one_request(later)) == "a turn later"
    assert nb00.turns(small) < nb00.turns(scenarios.one_request(waits))


async def waits(request):
    await gen.sleep(0.01)
    scenarios._answer(request, b"waited")


def test_what_works_is_done_in_a_row_and_what_waits_overlaps():
    assert scenarios.order_of_work() == questions.IN_A_ROW
    order = []

    async def overlap(request):
        order.append(f"{request.path[1:]} begins")
        await gen.sleep(0.02)
        order.append(f"{request.path[1:]} ends")
        scenarios._answer(request, b"x")

    nb00.two_browsers(overlap)
    assert ", ".join(order) == questions.MIXED


def test_what_is_there_already_is_read_and_answered_before_any_lamp_is_put_up():
    with tracing() as trace:
        nb00.two_browsers(in_one_piece)
    names = [event.name for event in trace.filter(kind="syscall", conn="c1")]
    assert names.index("recv") < names.index("send") < names.index("epoll_ctl")


def test_calls_are_shown_from_the_answer_on_and_runs_of_equal_ones_as_one(capsys):
    nb00.calls(scenarios.large_answer())
    lines = [re.split(r" {2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2:] == [
        ["send", "take this, as much as fits", "once"],
        ["epoll_ctl", "watch this socket for READ and WRITE", "once"],
        ["send", "take this, as much as fits", "again and again"],
        ["send", "take this: and all of it fitted", "once"],
        ["epoll_ctl", "watch this socket for READ", "once"],
    ]


# ---- the quiz ----


@pytest.fixture(scope="module")
def trace():
    return scenarios.one_request()


def right_order(trace):
    items = sorted(questions.EVENTS, key=lambda item: item.text)
    by_seq = sorted(items, key=lambda item: item.seq(trace))
    return "".join("ABCDEFGH"[items.index(item)] for item in by_seq)


def test_the_quiz_is_out_of_order_and_its_solution_comes_from_the_trace(trace, capsys):
    assert len({item.seq(trace) for item in questions.EVENTS}) == 8
    assert right_order(trace) != "ABCDEFGH"
    nb00.put_in_order(trace)
    asked = capsys.readouterr().out
    assert all(item.text in asked for item in questions.EVENTS)
    assert right_order(trace) not in asked
    assert not any(item.because in " ".join(asked.split()) for item in questions.EVENTS)


def test_the_right_order_is_praised_however_it_is_written(trace, capsys):
    right = right_order(trace)
    nb00.put_in_order(trace, " ".join(right.lower()))
    assert "All 8 in order" in capsys.readouterr().out


def test_a_wrong_order_hears_where_it_leaves_the_trace_and_why(trace, capsys):
    right = right_order(trace)
    wrong = right[:3] + right[4] + right[3] + right[5:]
    nb00.put_in_order(trace, wrong)
    said = " ".join(capsys.readouterr().out.split())
    named = dict(zip("ABCDEFGH", sorted(questions.EVENTS, key=lambda item: item.text), strict=True))
    assert f"Right so far: {' '.join(right[:3])}. Then you say: {right[4]})" in said
    assert f"In the trace comes first: {right[3]}) {named[right[3]].text}" in said
    assert said.endswith(named[right[3]].because)
    nb00.put_in_order(trace, right[::-1])
    assert "Not yet." in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["", "ABC", "ABCDEFGG", "ABCDEFGHI", "12345678"])
def test_an_answer_that_is_not_each_letter_once_is_told_so(trace, answer):
    with pytest.raises(QuestionError, match="each of the letters ABCDEFGH once"):
        nb00.put_in_order(trace, answer)


def test_an_event_that_the_trace_has_not_is_an_error(trace):
    item = Item("Pigs fly.", lambda event: False, "They do not.")
    with pytest.raises(QuestionError, match=r"never happens: Pigs fly\."):
        quiz.put_in_order("?", [item], trace)


# ---- the pictures ----


def test_the_house_has_the_floors_that_the_lanes_have():
    assert [name for name, _role in reversed(pictures.FLOORS)] == list(LANES)


@pytest.mark.parametrize("draw", [nb00.board, nb00.house])
def test_a_picture_says_in_its_twin_what_it_says(draw, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(pictures, "picture", lambda *parts: drawn.append(parts))
    draw()
    [(svg, alt, text)] = drawn
    assert len(alt) > 60
    said = set(re.findall(r"\w+", text))
    for part in re.findall(r"<text[^>]*>([^<]+)</text>", svg):
        assert set(re.findall(r"\w+", part)) <= said | {"bytes", "come", "in", "the", "answer"}


# ---- the real one ----


def test_the_real_tornado_is_as_the_prose_says(trace):
    ours, theirs = real.count(trace), real.ask_tornado()
    assert theirs.pop("the body") == "hello"
    assert ours.keys() == theirs.keys()
    glances = "turns with a mere glance"
    assert theirs.pop(glances) > ours.pop(glances) == 0
    assert ours == theirs


def test_what_depends_on_tornados_version_is_not_shown():
    assert real.told("turns with a mere glance", 0, 3) == "more than 0"
    assert real.told("turns with a mere glance", 0, 0) == "0"
    assert real.told("calls of epoll_ctl", 1, 2) == "2"


def test_a_tornado_that_cannot_be_asked_is_an_error_with_a_reason(tmp_path, monkeypatch):
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_that_name")
    monkeypatch.setattr(real, "PROGRAM", broken)
    with pytest.raises(RuntimeError, match=r"(?s)could not be asked.*nothing_of_that_name"):
        real.ask_tornado()


# ---- commands and snippets ----


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PROSE, re.DOTALL)


@pytest.mark.deadline(60)
def test_every_command_of_the_prose_works(tmp_path):
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert "python -m minitornado learn start ex13" in commands
    env = {**os.environ, "MY_MINITORNADO": str(tmp_path / "mine"), "PYTHONPATH": str(ROOT)}
    for command in commands:
        words = [sys.executable, *command.split()[1:]]
        if words[-1] == "serve":
            check_that_it_serves([*words, "--port", "0"], env)
            continue
        done = subprocess.run(words, cwd=tmp_path, env=env, input="q\n", capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert list((tmp_path / "mine").iterdir())


def check_that_it_serves(words, env):
    server = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        # The log comes first.  If the address never does, the test's deadline ends this.
        assert any(b"http://127.0.0.1:" in line for line in server.stdout)
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


def test_the_exercise_takes_about_the_half_hour_that_is_said():
    assert "about half an hour" in PROSE
    assert 25 <= Course().exercise("ex13").minutes <= 35


def test_the_three_lines_make_a_server():
    [lines] = blocks("python")
    assert "three lines more" in PROSE and len(lines.splitlines()) == 3
    # The port is the system's to choose; and a client in a thread, who ends it.
    program = "\n".join([
        "import http.client, threading",
        "from minitornado.ioloop import IOLoop",
        SERVER.partition("BROWSER = ")[0],
        lines.replace("8888", "0, '127.0.0.1'").partition("IOLoop")[0],
        "loop = IOLoop.current()",
        "[listener] = server._sockets.values()",
        "def ask():",
        "    client = http.client.HTTPConnection(*listener.getsockname(), timeout=10)",
        "    client.request('GET', '/hello')",
        "    print(client.getresponse().read().decode())",
        "    loop.add_callback(loop.stop)",
        "threading.Thread(target=ask).start()",
        lines.splitlines()[-1],
    ])
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True,
                          text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("hello\n", "")
