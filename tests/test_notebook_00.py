"""Notebook 00 keeps what it alone promises: its runs, its pictures, its snippets.

The rest is in test_notebook_form.py; and what its prose claims of a trace is asserted in the
notebook's own cells tagged "check", at each build.
"""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import time

import pytest
from doubles import open_fds
from notebook_form import ROOT, Book, check_picture

from minitornado import gen
from minitornado.classroom import nb00
from minitornado.classroom.exercises.catalog import Course
from minitornado.classroom.nb00 import pictures, questions, real, scenarios
from minitornado.classroom.served import answer
from minitornado.compare import compare
from minitornado.ioloop import IOLoop
from minitornado.trace import tracing
from minitornado.trace.views.lanes import LANES

BOOK = Book("00")
SERVER = BOOK.cell_with("def hello(request)")


# ---- the form ----


def test_the_server_the_browser_and_who_watches_fit_in_forty_lines():
    assert 20 < len(SERVER.splitlines()) <= 40


def test_no_name_of_an_inner_function_is_in_the_prose():
    # They move; what moves is shown by a cell. (The adapter's name is Tornado's, and public.)
    inner = set(re.findall(r"\b_[a-z]\w+", BOOK.prose, re.IGNORECASE)) - {"_ServerRequestAdapter"}
    assert inner == set()


# ---- the kernel ----


INTERRUPTED = f"""
import os, threading, time
from minitornado.classroom import nb00
{SERVER}

asked = threading.Event()

def interrupt():
    asked.wait()
    os.kill(os.getpid(), 2)

def works_for_ever(request):
    asked.set()
    while True:
        pass

def never_answers(request):
    asked.set()

for stuck in (lambda: serve(works_for_ever), lambda: nb00.two_browsers(never_answers)):
    asked.clear()
    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    try:
        stuck()
    except KeyboardInterrupt:
        print("interrupted", time.monotonic() - began < 10)
    print(serve(hello)[1].endswith(b"hello"))
"""


def test_interrupt_ends_a_stuck_run_and_the_next_one_works():
    # What the notebook's button does: SIGINT to the kernel, which runs the cell in this thread.
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-4:] == ["interrupted True", "True"] * 2, done.stderr
    assert done.stderr == ""


def test_a_browser_that_is_never_answered_ends_the_run_in_time(monkeypatch):
    monkeypatch.setattr(scenarios, "DEADLINE_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no answer for 0\.2 seconds"):
        nb00.two_browsers(lambda request: None)
    assert 0.2 <= time.monotonic() - began < 8  # and not the ten seconds of the notebook


def test_the_runs_leave_no_fd_and_no_current_loop():
    nb00.two_browsers(lambda request: answer(request, b"x"))
    gc.collect()
    before = open_fds()
    for _ in range(10):
        scenarios.one_request()
        nb00.two_browsers(lambda request: answer(request, b"x"))
    scenarios.large_answer()
    gc.collect()
    assert open_fds().keys() == before.keys()
    assert IOLoop.current(instance=False) is None


# ---- the questions ----


def later(request):
    IOLoop.current().add_callback(answer, request, b"later")


def in_one_piece(request):
    answer(request, b"hello")


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
    answer(request, b"waited")


def test_what_works_is_done_in_a_row_and_what_waits_overlaps():
    assert scenarios.order_of_work() == questions.IN_A_ROW
    order = []

    async def overlap(request):
        order.append(f"{request.path[1:]} begins")
        await gen.sleep(0.02)
        order.append(f"{request.path[1:]} ends")
        answer(request, b"x")

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
        ["send", "take this: and all of it fitted", "once"],  # the head
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


# ---- the pictures ----


def test_the_house_has_the_floors_that_the_lanes_have():
    assert [name for name, _role in reversed(pictures.FLOORS)] == list(LANES)


@pytest.mark.parametrize("draw", [nb00.board, nb00.house])
def test_a_picture_says_in_its_twin_what_it_says(draw, monkeypatch):
    check_picture(pictures, draw, monkeypatch, also="bytes come in the answer")


# ---- the real one ----


def test_the_real_tornado_is_as_the_prose_says(trace):
    [asked] = compare(["get"])
    ours, theirs = real.count(trace), real.count(asked.theirs.trace)
    assert asked.theirs.received["c1"].endswith("\r\n\r\nhello")
    assert ours.keys() == theirs.keys()
    glances = "turns with a mere glance"
    assert theirs.pop(glances) > ours.pop(glances) == 0
    assert ours == theirs


def test_what_depends_on_tornados_version_is_not_shown():
    assert real.told("turns with a mere glance", 0, 3) == "more than 0"
    assert real.told("turns with a mere glance", 0, 0) == "0"
    assert real.told("calls of epoll_ctl", 1, 2) == "2"


# ---- commands and snippets ----


def test_the_exercise_takes_about_the_half_hour_that_is_said():
    assert "about half an hour" in BOOK.prose
    assert 25 <= Course().exercise("ex13").minutes <= 35


def test_the_three_lines_make_a_server():
    [lines] = BOOK.blocks("python")
    assert "three lines more" in BOOK.prose and len(lines.splitlines()) == 3
    # The port is the system's to choose; and a client in a thread, who ends it.
    program = "\n".join([
        "import http.client, threading",
        "from minitornado.ioloop import IOLoop",
        SERVER.partition("BROWSER = ")[0],
        lines.replace("8888", "0, '127.0.0.1'").partition("IOLoop")[0],
        "loop = IOLoop.current()",
        "[listener] = server._sockets.values()",
        "def ask():",
        "    client = http.client.HTTPConnection(*listener.getsockname(), timeout=60)",
        "    client.request('GET', '/hello')",
        "    print(client.getresponse().read().decode())",
        "    loop.add_callback(loop.stop)",
        "threading.Thread(target=ask).start()",
        lines.splitlines()[-1],
    ])
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True,
                          text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("hello\n", "")
