"""Notebook 06 keeps what it alone promises: its runs, its pictures, its snippets.

The rest is in test_notebook_form.py; and what its prose claims of a trace is asserted in the
notebook's own cells tagged "check", at each build.
"""

from __future__ import annotations

import functools
import gc
import re
import subprocess
import sys
import time

import pytest
from doubles import open_fds
from notebook_form import ROOT, Book, check_picture

from minitornado.classroom import nb06
from minitornado.classroom.exercises.catalog import Course
from minitornado.classroom.nb06 import pictures, rare, real, runs
from minitornado.classroom.real import ask
from minitornado.ioloop import IOLoop
from minitornado.iostream import BaseIOStream, IOStream
from minitornado.pending_read import ReadUntil

BOOK = Book("06")
OWNED = [
    "pending_read.ReadUntil.find_end",
    *(f"iostream.BaseIOStream.{name}" for name in (
        "start_read", "_handle_read", "_read_to_buffer", "_finish_read", "_add_io_state",
        "_handle_events",
    )),
]  # fmt: skip
SENT = b"".join(runs.PACKETS)
[READ] = [cell.text for cell in BOOK.shown if "def read(packets" in cell.text]


@pytest.fixture(scope="module")
def trace():
    return runs.read_lines()[0]


# ---- the form ----


def test_the_program_fits_in_forty_lines():
    assert 20 < len(READ.splitlines()) <= 40


# ---- the kernel ----


INTERRUPTED = f"""
import os, threading, time
{READ}

stuck = threading.Event()

def interrupt():
    stuck.wait()
    os.kill(os.getpid(), 2)

class Stuck(Lines):
    async def handle_stream(self, stream, address):
        stuck.set()
        while True:
            pass

lines_of, Lines = Lines, Stuck
threading.Thread(target=interrupt).start()
began = time.monotonic()
try:
    read(PACKETS)
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - began < 10)
Lines = lines_of
print(len(read(PACKETS)[1]))
"""


def test_interrupt_ends_a_stuck_run_and_the_next_one_works():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-2:] == ["interrupted True", "4"], done.stderr


def test_a_run_that_never_ends_is_ended(monkeypatch):
    # By its name in sys.modules: the package has a function of the same name.
    monkeypatch.setattr(sys.modules["minitornado.trace.drive"], "MAX_SECONDS", 0.2)

    def again(self):
        IOLoop.add_callback(self.io_loop, again, self)

    def _handle_connection(self, connection, address):
        connection.close()
        again(self)

    monkeypatch.setattr(runs.Lines, "_handle_connection", _handle_connection)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="takes longer than"):
        runs.read_lines()
    assert time.monotonic() - began < 20  # and not the thirty seconds that a script has


def test_the_runs_leave_no_fd_and_no_current_loop():
    runs.read_lines()
    gc.collect()
    before = open_fds()
    for _ in range(3):
        runs.read_lines(read_chunk_size=4)
        runs.two_reads()
        for case in rare.CASES.values():
            case()
    gc.collect()
    assert open_fds().keys() == before.keys()
    assert IOLoop.current(instance=False) is None


# ---- the questions ----


def test_the_packets_are_the_same_wherever_they_are_written():
    space = {}
    exec(READ, space)
    assert tuple(space["PACKETS"]) == runs.PACKETS == tornado6_packets()
    table = re.findall(r"^\| \d \| `(.*)` \|$", BOOK.prose, re.MULTILINE)
    assert table == [pictures._spelt(packet) for packet in runs.PACKETS]
    theirs, ours = space["read"](runs.PACKETS)[0], runs.read_lines()[0]
    assert [(e.kind, e.name, e.data) for e in theirs] == [(e.kind, e.name, e.data) for e in ours]


def tornado6_packets():
    source = (ROOT / "minitornado/classroom/nb06/tornado6.py").read_text()
    [line] = re.findall(r"^PACKETS = (.*)$", source, re.MULTILINE)
    return eval(line)


def test_the_measures_tell_runs_apart(trace):
    """A measure that gave the same for every run would prove nothing."""
    all_at_once = runs.read_lines([SENT])[0]
    drip = runs.read_lines([SENT[at:at + 1] for at in range(len(SENT))])[0]
    assert runs.receives(all_at_once) < runs.receives(trace) < runs.receives(drip)
    assert runs.stops(all_at_once) < runs.stops(trace) < runs.stops(drip)
    assert runs.receives_for(drip, 2, 3) > runs.receives_for(trace, 2, 3)
    assert real.empty_receives(trace) == 1


def test_going_on_inside_and_after_a_poll_would_be_seen(monkeypatch):
    """Loops that call back elsewhere, so that the coroutine goes on elsewhere."""
    assert runs.goes_on(runs.read_lines()[0]) == "from the list"
    with monkeypatch.context() as patched:
        patched.setattr(IOLoop, "add_future", lambda loop, future, callback: (
            future.add_done_callback(callback)))  # fmt: skip
        assert runs.goes_on(runs.read_lines()[0]) == "inside"
    with monkeypatch.context() as patched:
        patched.setattr(IOLoop, "add_future", lambda loop, future, callback: (
            future.add_done_callback(lambda done: loop.call_later(0, loop.add_callback,
                                                                  callback, done))))  # fmt: skip
        assert runs.goes_on(runs.read_lines()[0]) == "after a poll"


def test_the_bytes_are_those_of_the_streams_own_buffer(monkeypatch):
    """The picture works them out from the trace; here the stream itself is asked."""
    found = []
    real_receive, real_finish = BaseIOStream._read_to_buffer, BaseIOStream._finish_read

    @functools.wraps(real_receive)
    def receive(self):
        before = len(self._read_buffer)
        got = real_receive(self)
        if len(self._read_buffer) > before:
            found.append(("recv", bytes(self._read_buffer)))
        return got

    @functools.wraps(real_finish)
    def finish(self, end):
        found.append(("line", bytes(self._read_buffer[end:])))
        return real_finish(self, end)

    monkeypatch.setattr(BaseIOStream, "_read_to_buffer", receive)
    monkeypatch.setattr(BaseIOStream, "_finish_read", finish)
    spied, lines = runs.read_lines()
    rows = runs.rows(spied, SENT)
    assert [(what, left) for _, what, _, left in rows] == found
    assert [cut for _, what, cut, _ in rows if what == "line"] == lines


def test_a_search_one_byte_further_would_miss_the_delimiter():
    assert "One byte further, and it would be missed" in BOOK.prose
    read, buffer = ReadUntil(b"\r\n"), bytearray(b"HELLO\r")
    assert read.find_end(buffer, False) is None
    read._searched += 1
    assert read.find_end(buffer + b"\n", False) is None


# ---- the pictures ----


def test_the_way_says_in_its_twin_what_it_says(monkeypatch):
    check_picture(pictures, nb06.way, monkeypatch)


def test_the_way_shows_functions_that_the_stream_has():
    names = set(re.findall(r"\b(_\w+|start_read|find_end)\b", pictures._way_text()))
    assert names == {name.rpartition(".")[2] for name in OWNED}
    assert all(hasattr(IOStream, name) or hasattr(ReadUntil, name) for name in names)


def test_the_bytes_say_in_their_twin_what_they_say(trace):
    shown = nb06.Bytes(trace, SENT)
    text = shown.text()
    cells = re.findall(r"<text[^>]*font-size=\"15\"[^>]*>([^<]+)</text>", shown.svg())
    spelt = "".join(re.sub(r"[\[\] ]", "", line[27:]) for line in text.splitlines()[1:])
    assert "".join(cells) == spelt
    assert [line[6:26].strip() for line in text.splitlines()[1:]] == [
        pictures._event(what, cut) for _, what, cut, _ in shown.rows
    ]


# ---- the real one ----


def test_the_real_tornado_is_as_the_prose_says():
    ours, theirs = real.count(), ask(real.PROGRAM)
    assert ours.keys() == theirs.keys()
    differ = [name for name in ours if ours[name] != theirs[name]]
    assert differ == ["recvs that brought EAGAIN", "polls until your code runs"]
    assert theirs[differ[0]] > ours[differ[0]]
    assert (ours[differ[1]], theirs[differ[1]]) == (0, 1)


def test_nothing_of_the_table_is_cut_off(capsys):
    nb06.beside_tornado()
    assert "…" not in capsys.readouterr().out


# ---- commands ----


def test_the_exercises_take_the_minutes_that_are_said():
    assert "About 30 minutes the first, 25 the second." in BOOK.prose
    assert [Course().exercise(id).minutes for id in ("ex13", "ex15")] == [30, 25]
