"""Notebook 12 keeps what it says: its form and its minutes, its runs, its answers, its commands.

That its outputs are fresh is tests/test_notebooks.py's to say; that what its prose claims of a
trace is so, is asserted in the notebook's own cells tagged "check", at each build.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading

import pytest
from doubles import open_fds

from minitornado import gen
from minitornado.classroom import nb12, predict, ran
from minitornado.classroom.browser import _find_browser, what_is_missing
from minitornado.classroom.build import FOLDER
from minitornado.classroom.execute import execute
from minitornado.classroom.nb12 import pictures, questions, real, scenarios
from minitornado.classroom.percent import read_source
from minitornado.classroom.predict import QuestionError
from minitornado.httpserver import HTTPServer
from minitornado.ioloop import IOLoop
from minitornado.netutil import bind_sockets

NAME = "12_the_whole_chain"
ROOT = FOLDER.parent
MINUTES = 25
IDS = [f"P12.{number}" for number in range(1, 7)]
CELLS = read_source(FOLDER / "src" / f"{NAME}.py")
SHOWN = [cell for cell in CELLS if "check" not in cell.tags]
PROSE = "\n".join(cell.text for cell in CELLS if cell.kind == "markdown")
READ = "http1connection.HTTP1Connection.read_response"


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
    assert titles == [
        "The way up, and down again", "Predict", "Run: two clients, interleaved", "Slow motion",
        "Run: a function that does not come back", "Run: a function that raises",
        "Run: a client that leaves", "Compare", "Read: one function, four fates",
        "Poke it: an error, a second later", "Poke it: two tabs", "The real one", "Build",
        "Exit quiz", "Words", "Next"]
    assert PROSE.startswith("# 12 · The whole chain, slow motion\n\n**Follow one request, and")
    assert f"**You need** Python, and {MINUTES} minutes" in PROSE


def test_it_can_be_read_and_done_in_the_minutes_that_it_says():
    # 200 words a minute for all there is to read, the drawings' twins included, though not
    # their bars and arrows; then the time to make up one's mind, and to put ten in order.
    texts = [PROSE, *map(plain, outputs())]
    words = sum(bool(re.search(r"\w", word)) for text in texts for word in text.split())
    prompts = sum(cell.text.count('predict("') for cell in SHOWN if cell.kind == "code")
    assert prompts == len(IDS)
    assert words / 200 + prompts / 3 + 2 <= MINUTES


def test_it_owns_no_line_and_the_inner_names_of_its_prose_are_shown_by_a_cell():
    assert importlib.util.find_spec("minitornado.classroom.nb12.margins") is None
    shown = "\n".join(map(plain, outputs()))
    inner = set(re.findall(r"`(_[a-z]\w+)", PROSE))
    assert inner == {"_application_failed", "_end_exchange"}
    assert all(name in shown for name in inner)


def test_every_output_reads_without_colour_pictures_scripts_and_network():
    assert len(outputs()) > 20
    players = 0
    for output in outputs():
        assert plain(output).strip()
        html = page(output)
        if 'class="mt-steps"' in html:
            # The player has a script; without it, its steps are a list to be unfolded.
            html, _, script = html.partition("<script>")
            steps = re.findall(r"^ *\d+ [a-z]", plain(output), re.MULTILINE)
            assert html.count("<details ") == len(steps) > 20
            assert "http://" not in script and "https://" not in script
            players += 1
        assert not re.search(r'<(script|iframe|svg|link)|\b(src|href)="(?!data:)', html)
        for image in re.findall(r"<img [^>]*>", html):
            assert re.search(r'alt="[^"]{40,}"', image)
    assert players == 1


def test_before_the_reader_has_chosen_the_answer_is_folded_and_not_in_the_text():
    asked = [output for output in outputs() if "<summary>The answer" in page(output)]
    assert len(asked) == len(IDS)
    for output in asked:
        shown = re.sub(r"<details>.*</details>", "", page(output), flags=re.DOTALL)
        for text in (shown, plain(output)):
            assert "Right is" not in text and not re.search(r"\bM\d\d\b", text)


# ---- the kernel ----


def run(cells):
    return asyncio.run(execute(cells, source=NAME, folder=FOLDER))


@pytest.mark.deadline(60)
def test_it_runs_twice_in_one_kernel_and_says_the_same():
    said = run([*SHOWN, *SHOWN])
    texts = [[plain(output) for output in cell] for cell in said]
    assert texts[: len(SHOWN)] == texts[len(SHOWN) :]


@pytest.mark.deadline(60)
@pytest.mark.parametrize("letter", "ab")
def test_a_reader_who_chose_sees_the_choice_and_its_own_message(letter):
    cells = []
    for cell in SHOWN:
        text = re.sub(r'predict\("(P12\.\d)"\)', rf'predict("\1", "{letter}")', cell.text)
        cells.append(type(cell)(cell.kind, text, cell.line))
    text = "\n".join(plain(output) for cell in run(cells) for output in cell)
    compared = text.split("You predicted")[1:]
    assert len(compared) == len(IDS)
    for id, said in zip(IDS, compared, strict=True):
        option = predict._find(id).options[letter]
        words = " ".join(said.split())
        assert words.startswith(" ".join(f"{letter}) {option.text}".split()))
        assert option.comment in words
        assert ("Well predicted." in words) == (not option.betrays)


def test_the_runs_leave_no_fd_no_current_loop_and_no_line_trace():
    scenarios.failed()
    gc.collect()
    before, watched = open_fds(), sys.gettrace()
    for _ in range(3):
        scenarios.interleaved()
        scenarios.serve_at_once(scenarios.hello)
        scenarios.failed(scenarios.fails_later)
        scenarios.life()
        for once in scenarios.fates().values():
            nb12.lines_executed(READ, once)
    gc.collect()
    assert open_fds().keys() == before.keys()
    assert IOLoop.current(instance=False) is None
    assert sys.gettrace() is watched


# ---- the questions ----


def test_the_questions_betray_what_this_notebook_is_about():
    betrayed = set()
    for id in IDS:
        question = predict._find(id)
        assert question.right(question.answer) is not None
        betrayed |= {option.betrays for option in question.options.values()}
    assert {"M02", "M03", "M13", "M19"} <= betrayed


def test_the_measures_tell_runs_apart():
    """A measure that gave the same for every run would prove nothing."""
    two, in_order = scenarios.interleaved(), scenarios.tabs(("/a", "/a"))
    assert scenarios.answered_first(two) == "client b"
    assert scenarios.answered_first(in_order) == "client a"
    assert scenarios.where_is(two) == "nowhere on the stack"
    assert scenarios.where_is_the_other(scenarios.serve_at_once(scenarios.hello)) == (
        "read, and on the list")
    assert scenarios.where_is_the_other(in_order) == "in the kernel"
    assert scenarios.where_is_the_other(two) == "answered"
    assert scenarios.failed() == scenarios.failed(scenarios.fails_later) == "500, 200"
    assert scenarios.statuses(b"") == "nothing"
    assert scenarios.life() == "begins, told, goes on, ends"
    stays = [("connect", "a"), ("send", "a", scenarios.ASK), ("recv", "a"), ("close", "a")]
    assert scenarios.life(stays) == "begins, goes on, ends"
    assert scenarios.second_arrives(in_order) == "after the first answer"
    assert scenarios.second_arrives(scenarios.tabs(("/a", "/b"))) == "before the first answer"


def test_the_clients_stand_side_by_side(capsys):
    nb12.side_by_side(scenarios.interleaved())
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["turn", "client", "a", "client", "b"]
    right = rows[0].index("client b")
    begins = [row.index("hello begins") for row in rows if "hello begins" in row]
    assert begins == [right, rows[0].index("client a")]
    assert [row.split()[0] for row in rows if row[:1].isdigit()] == ["1", "2", "3", "4", "5", "6",
                                                                    "8"]


# ---- the lines that ran ----


def two_branches(high):
    if high:
        return "high"
    return "low"


async def awaits():
    await gen.moment
    two_branches(True)


def test_the_lines_that_ran_are_those_that_ran(monkeypatch):
    monkeypatch.setattr(ran, "code_of", lambda name: [two_branches.__code__])
    first = two_branches.__code__.co_firstlineno
    assert nb12.lines_executed("", lambda: two_branches(True)) == {first + 1, first + 2}
    assert nb12.lines_executed("", lambda: two_branches(False)) == {first + 1, first + 3}
    both = lambda: (two_branches(True), two_branches(False))  # noqa: E731
    assert nb12.lines_executed("", both) == {first + 1, first + 2}, "the first call alone"
    assert nb12.lines_executed("", lambda: None) == set()


def test_of_a_coroutine_all_its_segments_are_seen(monkeypatch):
    monkeypatch.setattr(ran, "code_of", lambda name: [awaits.__code__])
    loop = IOLoop(make_current=False)
    first = awaits.__code__.co_firstlineno
    numbers = nb12.lines_executed("", lambda: loop.run_sync(awaits, timeout=10))
    loop.close()
    assert numbers == {first + 1, first + 2}


# ---- the quiz ----


@pytest.fixture(scope="module")
def trace():
    moves = [("connect", "a"), ("send", "a", scenarios.ASK), ("recv", "a"), ("close", "a")]
    return scenarios.serve(scenarios.hello, moves)[0]


def test_the_quiz_is_out_of_order_and_its_solution_comes_from_the_trace(trace, capsys):
    letters = "ABCDEFGHIJ"
    items = sorted(questions.EVENTS, key=lambda item: item.text)
    by_seq = sorted(items, key=lambda item: item.seq(trace))
    right = "".join(letters[items.index(item)] for item in by_seq)
    assert len({item.seq(trace) for item in items}) == len(letters)
    assert right != letters
    nb12.put_in_order(trace)
    asked = capsys.readouterr().out
    assert right not in asked
    nb12.put_in_order(trace, right)
    assert "All 10 in order" in capsys.readouterr().out
    nb12.put_in_order(trace, right[::-1])
    assert "Not yet." in capsys.readouterr().out
    with pytest.raises(QuestionError, match="each of the letters ABCDEFGHIJ once"):
        nb12.put_in_order(trace, "ABC")


# ---- the picture ----


def test_the_picture_shows_the_way_that_a_request_takes(trace):
    called = [event.name.rpartition(".")[2] for event in trace
              if event.kind in ("poll", "run", "syscall", "call", "resume") and event.turn == 2]
    called = ["your function" if name == "hello" else name for name in called]
    at = -1
    for _floor, name in pictures.STATIONS:
        at = called.index(name, at + 1)


def test_the_picture_says_in_its_twin_what_it_says_and_fits(monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "picture", lambda *parts: drawn.append(parts))
    nb12.way()
    [(svg, alt, text)] = drawn
    assert len(alt) > 60
    said = set(re.findall(r"\w+", text))
    for x, part in re.findall(r'<text x="([\d.]+)"[^>]*>([^<]+)</text>', svg):
        assert set(re.findall(r"\w+", part)) <= said
        assert float(x) < 860


# ---- the real one, and a real browser ----


def test_the_real_tornado_is_as_the_prose_says():
    ours, theirs = real.find(), real.ask_tornado()
    assert ours.keys() == theirs.keys()
    assert {name: theirs[name] for name in ours if ours[name] != theirs[name]} == {
        "a function that raises": "nothing, and hangs up"}


def test_a_tornado_that_cannot_be_asked_is_an_error_with_a_reason(tmp_path, monkeypatch):
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_that_name")
    monkeypatch.setattr(real, "PROGRAM", broken)
    with pytest.raises(RuntimeError, match=r"(?s)could not be asked.*nothing_of_that_name"):
        real.ask_tornado()


async def open_tabs(port, paths):
    """Open each path in a tab of one Chromium, all at once."""
    playwright = importlib.import_module("playwright.async_api")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=_find_browser(),
                                               args=["--no-sandbox"])
        context = await browser.new_context()
        pages = [await context.new_page() for _ in paths]
        await asyncio.gather(*(
            page.goto(f"http://127.0.0.1:{port}{path}")
            for page, path in zip(pages, paths, strict=True)
        ))
        await browser.close()


@pytest.mark.deadline(90)
@pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing() or "nothing is missing")
@pytest.mark.parametrize(("paths", "order"), [
    (("/same", "/same"), ["comes", "answered", "comes", "answered"]),
    (("/one", "/two"), ["comes", "comes", "answered", "answered"]),
])
def test_a_real_browser_keeps_back_the_second_of_two_equal_tabs(paths, order):
    seen = []

    async def waits(request):
        counts = request.path in paths  # and is not the icon that a browser asks for by itself
        seen.extend(["comes"] * counts)
        await gen.sleep(1)
        seen.extend(["answered"] * counts)
        scenarios.answer(request, b"x")

    loop = IOLoop(make_current=False)
    server = HTTPServer(waits, io_loop=loop)
    listeners = bind_sockets(0, "127.0.0.1")
    server.add_sockets(listeners)
    thread = threading.Thread(target=loop.start)
    thread.start()
    try:
        asyncio.run(open_tabs(listeners[0].getsockname()[1], paths))
    finally:
        loop.add_callback(loop.stop)
        thread.join(10)
        loop.close(all_fds=True)
    assert seen == order


# ---- commands ----


@pytest.mark.deadline(90)
def test_every_command_of_the_prose_works(tmp_path):
    blocks = re.findall(r"```sh\n(.*?)```", PROSE, re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    assert len(commands) == 5
    env = {**os.environ, "MY_MINITORNADO": str(tmp_path / "mine"), "PYTHONPATH": str(ROOT)}
    for command in commands:
        words = [sys.executable, *command.split()[1:]]
        if words[-1] == "serve":
            check_that_it_serves([*words, "--port", "0"], env)
            continue
        done = subprocess.run(words, cwd=tmp_path, env=env, input="q\n", capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}"


def check_that_it_serves(words, env):
    server = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        # The log comes first.  If the address never does, the test's deadline ends this.
        assert any(b"http://127.0.0.1:" in line for line in server.stdout)
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()
