"""Notebook 03 keeps what it alone promises: its runs, its pictures, its snippets.

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
from notebook_form import ROOT, Book, check_picture, check_twin

from minitornado.classroom import nb03
from minitornado.classroom.exercises.catalog import Course
from minitornado.classroom.nb03 import pictures, rare, real, runs
from minitornado.classroom.real import ask
from minitornado.ioloop import IOLoop
from minitornado.log import app_log

BOOK = Book("03")
OWNED = [f"ioloop.IOLoop.{name}" for name in ("add_callback", "start", "_work", "_wait", "_run")]
[SIX] = [cell.text for cell in BOOK.shown if "def run_six" in cell.text]


@pytest.fixture(scope="module")
def trace():
    return runs.six()[0]


# ---- the form ----


def test_the_program_fits_in_forty_lines():
    assert 20 < len(SIX[SIX.index("def run_six"):].splitlines()) <= 40


# ---- the kernel ----


INTERRUPTED = f"""
import os, threading, time
from minitornado.classroom import nb03
{SIX}

stuck = threading.Event()

def interrupt():
    stuck.wait()
    os.kill(os.getpid(), 2)

def for_ever(loop, C):
    stuck.set()
    while True:
        pass

threading.Thread(target=interrupt).start()
began = time.monotonic()
try:
    run_six(for_ever)
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - began < 10)
print(run_six(lambda loop, C: loop.add_callback(C))[1])
"""


def test_interrupt_ends_a_stuck_run_and_the_next_one_works():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-2:] == ["interrupted True", "A B T H C D"], done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("busy", [False, True])
def test_a_loop_that_nobody_stops_ends_in_time(busy, monkeypatch):
    monkeypatch.setattr(runs, "DEADLINE_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"nobody has stopped the loop for 0\.2 seconds"), \
            runs.loop_and_socket() as (loop, _near):  # fmt: skip

        def again():
            loop.add_callback(again)

        if busy:
            again()
        loop.start()
    assert 0.2 <= time.monotonic() - began < 8  # and not the ten seconds of the notebook


def test_the_runs_leave_no_fd_and_no_current_loop():
    runs.six()
    gc.collect()
    before = open_fds()
    for _ in range(5):
        runs.six()
        runs.spin()
        runs.fail()
        for case in rare.CASES.values():
            case()
    gc.collect()
    assert open_fds().keys() == before.keys()
    assert IOLoop.current(instance=False) is None


def test_the_log_is_as_before_after_a_run_that_fails(caplog):
    runs.fail()
    app_log.error("heard")
    assert [record.getMessage() for record in caplog.records] == ["heard"]


# ---- the questions ----


def test_the_notebook_runs_the_same_six_as_the_question(trace):
    space = {"nb03": nb03}
    exec(SIX, space)
    theirs, order = space["run_six"](runs.on_the_list)
    assert order == runs.six()[1]
    assert runs.moments(theirs) == runs.moments(trace)
    assert space["run_six"](runs.in_no_time)[1] == runs.six(runs.in_no_time)[1]


def test_the_measures_tell_runs_apart(trace):
    """A measure that gave the same for every run would prove nothing."""
    assert runs.polls_between(trace, "H", "D") < runs.polls_between(trace, "A", "C")
    assert runs.spin(1) < runs.spin(3)
    assert runs.six()[1] != runs.six(runs.in_no_time)[1]
    assert runs.six(lambda loop, callback: callback())[1] != runs.six()[1]


@pytest.mark.parametrize(
    ("seen", "log", "said"),
    [
        (["stumbled", "after"], ["x"], "logged, the next one ran"),
        (["stumbled", "after"], [], "not even logged, the next one ran"),
        (["stumbled"], ["x"], "logged, the next one did not run"),
        (["stumbled", "raised by start"], [], "raised by start"),
        (["stumbled", "caught where it was asked for", "after"], [],
         "caught where it was asked for"),
    ],
)  # fmt: skip
def test_what_became_of_a_failure_is_told(seen, log, said):
    assert runs.told(seen, log) == said


def test_who_is_on_the_list_is_what_the_loop_has_on_its_list(monkeypatch):
    """The strip works it out from the trace; here the loop itself is asked."""
    found = []
    real_run = IOLoop._run

    def spy(self, function, *args):
        real_run(self, function, *args)
        waiting = [callback.__name__ for callback, _ in self._callbacks]
        found.append((function.__name__, waiting))

    monkeypatch.setattr(IOLoop, "_run", spy)
    spied, _ = runs.six()
    moments = [(name, waiting) for kind, name, waiting in runs.moments(spied) if name != "poll"]
    assert moments == found


# ---- the pictures ----


def test_the_ring_says_in_its_twin_what_it_says(monkeypatch):
    check_picture(pictures, nb03.ring, monkeypatch)


def test_the_ring_shows_functions_that_the_loop_has():
    for name in re.findall(r"\b(_\w+|add_\w+|call_\w+|start)\b", pictures._ring_text()):
        assert callable(getattr(IOLoop, name))


def test_the_strip_says_in_its_twin_what_it_says(trace):
    strip = nb03.Strip(trace)
    check_twin(strip.svg(), strip.text() + " nobody the oldest left")
    lines = [line.split() for line in strip.text().splitlines()[1:]]
    assert [line[0] for line in lines] == ["_work"] * 3 + ["_wait"] * 2 + ["_work"] * 2
    spans = [name for name, _, _ in pictures._spans([kind for kind, _, _ in strip.moments])]
    assert spans == ["_work", "_wait", "_work"]


def test_two_polls_in_a_row_are_two_calls_of_wait():
    assert list(pictures._spans(["sleep", "handler", "sleep", "callback"])) == [
        ("_wait", 0, 1), ("_wait", 2, 2), ("_work", 3, 3),
    ]  # fmt: skip


# ---- the real one ----


def test_the_real_tornado_is_as_the_prose_says():
    ours, theirs = real.count(), ask(real.PROGRAM)
    assert ours.keys() == theirs.keys()
    polls = "polls between H and D"
    assert (ours[polls], theirs[polls]) == (0, 1)
    same = [name for name in ours if ours[name] == theirs[name]]
    assert same == ["runs of who adds itself, before H", "a callback that fails"]
    for name in ("the six run in this order", "with call_later(0, C)"):
        # H and T have changed places, and nothing else has.
        assert theirs[name] == ours[name].replace("T H", "H T") != ours[name]


# ---- commands ----


def test_the_exercises_take_the_minutes_that_are_said():
    assert "About 20 minutes the first, 25 the second." in BOOK.prose
    assert [Course().exercise(id).minutes for id in ("ex05", "ex07")] == [20, 25]
