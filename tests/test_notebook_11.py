"""Notebook 11 keeps what it says: its form and its minutes, its runs, its answers, its commands.

That its outputs are fresh is tests/test_notebooks.py's to say; that what its prose claims of a
trace is so, is asserted in the notebook's own cells tagged "check", at each build.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import re
import subprocess
import sys

import pytest
from doubles import open_fds

from minitornado import httpserver
from minitornado.classroom import explain as explaining
from minitornado.classroom import nb11, predict
from minitornado.classroom.build import FOLDER
from minitornado.classroom.execute import execute
from minitornado.classroom.exercises.catalog import Course
from minitornado.classroom.explain import read_module
from minitornado.classroom.nb11 import pictures, questions, real, scenarios
from minitornado.classroom.percent import read_source
from minitornado.classroom.predict import QuestionError
from minitornado.ioloop import IOLoop

NAME = "11_the_adapter"
ROOT = FOLDER.parent
MINUTES = 25
IDS = [f"P11.{number}" for number in range(1, 7)]
CELLS = read_source(FOLDER / "src" / f"{NAME}.py")
SHOWN = [cell for cell in CELLS if "check" not in cell.tags]
PROSE = "\n".join(cell.text for cell in CELLS if cell.kind == "markdown")


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
    wanted = ["Predict", "Run", "Compare", "Read: the server's part", "Read: the adapter",
              "Read: who is there?", "Poke it: answer by `return`", "Poke it: nobody cleans up",
              "The real one", "Build", "Exit quiz", "Words", "Next"]
    assert [title for title in titles if title in wanted] == wanted
    assert PROSE.startswith("# 11 · HTTPServer and `_ServerRequestAdapter`\n\n**Why an adapter")
    assert f"**You need** Python, and {MINUTES} minutes" in PROSE


def test_it_can_be_read_and_done_in_the_minutes_that_it_says():
    # 200 words a minute for all there is to read, the drawings' twins included, though not
    # their bars and arrows; then the time to make up one's mind, and to put eight in order.
    texts = [PROSE, *map(plain, outputs())]
    words = sum(bool(re.search(r"\w", word)) for text in texts for word in text.split())
    prompts = sum(cell.text.count('predict("') for cell in SHOWN if cell.kind == "code")
    assert prompts == len(IDS)
    assert words / 200 + prompts / 3 + 2 <= MINUTES


def test_the_inner_names_of_the_prose_are_those_that_it_explains():
    inner = set(re.findall(r"(?<![\w`/])`?(_[a-zA-Z]\w+)", PROSE))
    explained = {part for margin in owned() for part in margin.name.split(".")}
    # The two of Tornado 6 stand in the table beside.
    assert inner - {"_CallableAdapter", "_ProxyAdapter"} <= explained


def test_every_output_reads_without_colour_pictures_scripts_and_network():
    assert len(outputs()) > 25
    for output in outputs():
        assert plain(output).strip()
        html = page(output)
        assert not re.search(r'<(script|iframe|svg|link)|\b(src|href)="(?!data:)', html)
        for image in re.findall(r"<img [^>]*>", html):
            assert re.search(r'alt="[^"]{40,}"', image)


def test_before_the_reader_has_chosen_the_answer_is_folded_and_not_in_the_text():
    asked = [output for output in outputs() if "<summary>The answer" in page(output)]
    assert len(asked) == len(IDS)
    for output in asked:
        shown = re.sub(r"<details>.*</details>", "", page(output), flags=re.DOTALL)
        for text in (shown, plain(output)):
            assert "Right is" not in text and not re.search(r"\bM\d\d\b", text)


# ---- what it owns ----


def owned():
    # What nb11 has said at its import; what other notebooks say is no matter here.
    return [margin for margin in explaining._owned.values() if margin.notebook == "11"]


def test_it_explains_all_that_it_owns_and_shows_it():
    shown = "\n".join(cell.text for cell in SHOWN if cell.kind == "code")
    assert [margin.name for margin in owned()] == re.findall(r'explain\("(.+?)"\)', shown)
    adapter = {name for name in read_module("httpserver").definitions
               if name.startswith("httpserver._ServerRequestAdapter")}
    assert adapter <= {margin.name for margin in owned()}
    for margin in owned():
        list(margin.rows())  # stale, doubled or missing ones raise


# ---- the kernel ----


def run(cells):
    return asyncio.run(execute(cells, source=NAME, folder=FOLDER))


@pytest.mark.deadline(60)
def test_it_runs_twice_in_one_kernel_and_says_the_same():
    said = run([*SHOWN, *SHOWN])
    texts = [[plain(output) for output in cell] for cell in said]
    assert texts[: len(SHOWN)] == texts[len(SHOWN) :]


@pytest.mark.deadline(60)
@pytest.mark.parametrize("letter", "abc")
def test_a_reader_who_chose_sees_the_choice_and_its_own_message(letter):
    cells = []
    for cell in SHOWN:
        text = re.sub(r'predict\("(P11\.\d)"\)', rf'predict("\1", "{letter}")', cell.text)
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


def test_the_runs_leave_no_fd_no_current_loop_and_the_log_as_it_was():
    channel = logging.getLogger("tornado")
    handlers, propagate = list(channel.handlers), channel.propagate
    scenarios.answered_by_return()
    gc.collect()
    before = open_fds()
    for _ in range(5):
        scenarios.in_two_pieces()
        scenarios.half_a_request()
        scenarios.answered_by_return()
        scenarios.second_client(undone=False)
    gc.collect()
    assert open_fds().keys() == before.keys()
    assert IOLoop.current(instance=False) is None
    assert (channel.handlers, channel.propagate) == (handlers, propagate)
    assert httpserver._HTTPRequestContext._unapply_xheaders.__name__ == "_unapply_xheaders"


# ---- the questions ----


def test_the_questions_betray_what_this_notebook_is_about():
    betrayed = set()
    for id in IDS:
        question = predict._find(id)
        assert question.right(question.answer) is not None
        betrayed |= {option.betrays for option in question.options.values()}
    assert {"M19", "M25"} <= betrayed


def test_the_measures_tell_runs_apart():
    """A measure that gave the same for every run would prove nothing."""
    whole, half = scenarios.in_two_pieces(), scenarios.half_a_request()
    assert scenarios.order(whole) == questions.IN_ORDER
    assert scenarios.order(scenarios.two_requests()) == questions.IN_ONE
    assert scenarios.when_it_leaves(whole) == "your function is called"
    assert scenarios.when_it_leaves(half) == "the adapter is told"
    silent, _ = scenarios.serve(scenarios.echo, [("connect", "k"), ("close", "k")])
    assert scenarios.when_it_leaves(silent) == "nothing"
    assert scenarios.request_made(silent) == "never"
    assert scenarios.request_made(whole) == "headers_received"
    assert [scenarios.adapters(trace) for trace in (silent, half, whole)] == [1, 1, 2]
    assert scenarios.second_client() == "127.0.0.1" != scenarios.second_client(undone=False)
    assert scenarios.client_got(b"") == "nothing"
    assert scenarios.client_got(b"HTTP/1.1 200 OK\r\n\r\n") == "200 OK"


def test_the_table_tells_who_was_told_and_whom_they_called(capsys):
    nb11.conversation(scenarios.serve(scenarios.echo, scenarios.TWO_CLIENTS, xheaders=True)[0])
    rows = capsys.readouterr().out.splitlines()
    [first] = [at for at, row in enumerate(rows) if "c1r1" in row and "headers_received" in row]
    assert rows[first].endswith("_apply_xheaders")
    assert rows[first + 1].split() == ["HTTPServerRequest"]
    assert rows[first + 2].split() == ["2", "c1r1", "_ServerRequestAdapter", "finish", "echo"]
    assert rows[first + 3].split() == ["_unapply_xheaders"]


# ---- the quiz ----


@pytest.fixture(scope="module")
def trace():
    head = scenarios.PROXIED.replace(b"GET", b"POST")
    head = head.replace(b"Host", b"Content-Length: 5\r\nHost")
    moves = [("connect", "k"), ("send", "k", head + b"hello"), ("recv", "k"), ("close", "k")]
    return scenarios.serve(scenarios.echo, moves, xheaders=True)[0]


def right_order(trace):
    items = sorted(questions.EVENTS, key=lambda item: item.text)
    by_seq = sorted(items, key=lambda item: item.seq(trace))
    return "".join("ABCDEFGH"[items.index(item)] for item in by_seq)


def test_the_quiz_is_out_of_order_and_its_solution_comes_from_the_trace(trace, capsys):
    assert len({item.seq(trace) for item in questions.EVENTS}) == 8
    assert right_order(trace) != "ABCDEFGH"
    nb11.put_in_order(trace)
    asked = capsys.readouterr().out
    assert all(item.text in asked for item in questions.EVENTS)
    assert right_order(trace) not in asked
    nb11.put_in_order(trace, right_order(trace))
    assert "All 8 in order" in capsys.readouterr().out


def test_without_a_proxy_the_quiz_has_no_order():
    with pytest.raises(QuestionError, match="never happens: A header of the proxy"):
        nb11.put_in_order(scenarios.in_two_pieces())


# ---- the picture ----


def test_the_picture_says_in_its_twin_what_it_says(monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "picture", lambda *parts: drawn.append(parts))
    nb11.adapter()
    [(svg, alt, text)] = drawn
    assert len(alt) > 60
    said = set(re.findall(r"\w+", text))
    for part in re.findall(r"<text[^>]*>([^<]+)</text>", svg):
        assert set(re.findall(r"\w+", part)) <= said


# ---- the real one ----


def test_the_real_tornado_is_as_the_prose_says():
    ours, theirs = real.find(), real.ask_tornado()
    assert ours.keys() == theirs.keys()
    differ = {name: theirs[name] for name in ours if ours[name] != theirs[name]}
    assert differ == {
        "who receives the events": "_CallableAdapter",
        "answered by return": "nothing",
        "an async def answers": "nothing",
    }
    assert ours["answered by return"].startswith("500")
    assert ours["an async def answers"] == "200 OK"


# The prose names a third class, and what stands in front of what.
PROXY = """
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerConnectionDelegate

class Delegate(HTTPServerConnectionDelegate):
    def start_request(self, server_conn, request_conn):
        return HTTPMessageDelegate()

for application in (print, Delegate()):
    for xheaders in (False, True):
        server = HTTPServer(application, xheaders=xheaders)
        print(type(server.start_request(None, None)).__name__)
"""


def test_in_tornado_three_classes_share_the_work():
    done = subprocess.run([sys.executable, "-c", PROXY], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [
        "_CallableAdapter", "_ProxyAdapter", "HTTPMessageDelegate", "_ProxyAdapter"], done.stderr


def test_a_tornado_that_cannot_be_asked_is_an_error_with_a_reason(tmp_path, monkeypatch):
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_that_name")
    monkeypatch.setattr(real, "PROGRAM", broken)
    with pytest.raises(RuntimeError, match=r"(?s)could not be asked.*nothing_of_that_name"):
        real.ask_tornado()


# ---- commands ----


@pytest.mark.deadline(60)
def test_every_command_of_the_prose_works(tmp_path):
    blocks = re.findall(r"```sh\n(.*?)```", PROSE, re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    assert [command.rpartition(" ")[2] for command in commands] == ["ex25", "ex26", "ex27"]
    env = {**os.environ, "MY_MINITORNADO": str(tmp_path / "mine"), "PYTHONPATH": str(ROOT)}
    for command in commands:
        done = subprocess.run([sys.executable, *command.split()[1:]], cwd=tmp_path, env=env,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert list((tmp_path / "mine").iterdir())


def test_the_exercises_take_the_minutes_that_are_said():
    said = dict(re.findall(r"\*\*(ex\d\d)\*\*[^\n]*(?:\n[^-\n][^\n]*)*?About (\d+)", PROSE))
    assert {name: int(minutes) for name, minutes in said.items()} == {
        name: Course().exercise(name).minutes for name in ("ex25", "ex26", "ex27")}
