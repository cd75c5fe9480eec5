"""The doubles keep their own promises: a leak, a hang and an unexpected record fail the test."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from doubles import (
    CountingSocket,
    ExpectLog,
    FakeClock,
    FakePoller,
    LogWatch,
    RecordingDelegate,
    ScriptedStream,
    SleepsForEver,
    deadline,
    fake_loop,
)

from minitornado.ioloop import IOLoop
from minitornado.log import app_log, gen_log

pytestmark = pytest.mark.deadline(30)

FAILS = pytest.fail.Exception


# ---- the log ----


def test_a_record_that_was_expected_and_does_not_come_is_a_failure():
    fails = pytest.raises(FAILS, match=r"no record of tornado\.general matches 'hello'")
    with fails, ExpectLog(gen_log, "hello"):
        gen_log.info("good morning")


def test_a_record_that_was_expected_is_swallowed_and_others_are_not():
    with LogWatch() as watch, ExpectLog("tornado.general", "hel+o") as log:
        gen_log.error("hello")
        gen_log.info("hello again")
        gen_log.warning("other")
        app_log.error("hello on another channel")
    assert (log.matched, log.tracebacks) == (2, 0)
    assert watch.unexpected == [
        "tornado.general: other",
        "tornado.application: hello on another channel",
    ]


def test_what_fails_inside_is_not_hidden_by_the_record_that_did_not_come():
    with pytest.raises(ZeroDivisionError), ExpectLog(gen_log, "hello"):
        _ = 1 / 0


def test_channels_are_afterwards_as_they_were_before():
    logs = (gen_log, app_log, logging.getLogger("tornado"))  # the last is the parent of all
    before = [(log.level, list(log.filters), list(log.handlers)) for log in logs]
    with LogWatch(), ExpectLog(gen_log, "", required=False), ExpectLog(app_log, "", False):
        pass
    after = [(log.level, list(log.filters), list(log.handlers)) for log in logs]
    assert after == before


# ---- time ----


def test_a_hang_is_a_failure_with_a_name_and_the_stacks():
    fails = pytest.raises(FAILS, match=r"(?s)sleeping hangs: not done after 0\.02 s.*test_doubles")
    with fails, deadline(0.02, "sleeping"):
        time.sleep(5)


def test_a_hang_is_not_swallowed_by_except_exception():
    with pytest.raises(FAILS), deadline(0.02, "stubborn"):
        while True:
            try:
                time.sleep(0.001)
            except Exception:
                continue


def test_the_outer_deadline_goes_on_after_an_inner_one():
    with pytest.raises(FAILS, match="outer hangs"), deadline(0.05, "outer"):
        with deadline(5, "inner"):
            time.sleep(0.01)
        time.sleep(5)
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 1  # that of this test itself


def test_outside_of_the_main_thread_there_is_no_deadline():
    done = []

    def work() -> None:
        with deadline(0.01, "thread"):
            time.sleep(0.03)
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


def test_the_clock_moves_when_the_poller_sleeps_and_never_back():
    poller = FakePoller(FakeClock(5.0))
    assert poller.poll(2.0) == []
    assert poller.clock() == 7.0
    with pytest.raises(SleepsForEver):
        poller.poll(None)
    with pytest.raises(AssertionError, match="backwards"):
        poller.clock.advance(-1)


def test_the_script_plays_lists_and_functions():
    poller = FakePoller()
    poller.script += [[(7, IOLoop.READ)], lambda: [(8, IOLoop.WRITE)], lambda: None]
    assert [poller.poll(None) for _ in range(3)] == [[(7, 1)], [(8, 4)], []]
    assert poller.calls["poll"] == 3


# ---- streams ----


def test_a_scripted_stream_gives_and_takes_what_the_script_says():
    loop, _ = fake_loop()
    stream = ScriptedStream(loop)
    stream.reads += [b"a", None, OSError("no")]
    assert (stream.read_from_fd(), stream.read_from_fd()) == (b"a", None)
    with pytest.raises(OSError, match="no"):
        stream.read_from_fd()
    assert stream.read_from_fd() is None
    stream.writes += [2, OSError("no")]
    assert stream.write_to_fd(b"abc") == 2
    with pytest.raises(OSError, match="no"):
        stream.write_to_fd(b"abc")
    assert stream.write_to_fd(memoryview(b"c")) == 1
    assert stream.sent == b"abc"
    loop.close()


def test_a_counting_socket_counts_limits_and_fails():
    a, b = socket.socketpair()
    one = CountingSocket(a)
    one.take = 1
    assert one.send(b"abc") == 1
    one.take = 0
    with pytest.raises(BlockingIOError):
        one.send(b"abc")
    one.fail["recv"] = [ConnectionResetError()]
    with pytest.raises(ConnectionResetError):
        one.recv(1)
    assert dict(one.calls) == {"send": 2, "recv": 1}
    assert b.recv(10) == b"a"
    one.close()
    b.close()


def test_a_recording_delegate_keeps_the_events():
    delegate = RecordingDelegate()
    delegate.headers_received("start", "headers")
    delegate.data_received(b"a")
    delegate.data_received(b"b")
    delegate.finish()
    delegate.on_connection_close()
    assert delegate.names == [
        "headers_received",
        "data_received",
        "data_received",
        "finish",
        "on_connection_close",
    ]
    assert delegate.body == b"ab"


# ---- the fixtures ----

BAD_TESTS = """
import os, socket, time, pytest
from minitornado.concurrent import Future
from minitornado.ioloop import IOLoop
from minitornado.log import gen_log

def test_leak(io_loop):
    global kept
    kept = os.open("/dev/null", os.O_RDONLY)

def test_record(quiet_log):
    gen_log.warning("unexpected")

def test_unheard(quiet_log):
    Future().set_exception(ValueError("unheard"))

@pytest.mark.deadline(0.05)
def test_hang():
    time.sleep(5)

def test_good(io_loop, quiet_log):
    assert IOLoop.current() is io_loop

def test_no_loop_is_left():
    assert IOLoop.current(instance=False) is None and not IOLoop.initialized()
"""


def test_leaks_records_and_hangs_fail_the_tests_that_cause_them(tmp_path: Path):
    (tmp_path / "test_bad.py").write_text(BAD_TESTS)
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-q",
         "--rootdir", str(tmp_path), "-rA", "--tb=line", str(tmp_path)],
        capture_output=True, text=True, timeout=25, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [here, here.parent, *sys.path]))},
    )  # fmt: skip
    ends = {line.split(" - ")[0] for line in done.stdout.splitlines() if "test_bad.py::" in line}
    for end in (
        "ERROR test_bad.py::test_leak",
        "ERROR test_bad.py::test_record",
        "ERROR test_bad.py::test_unheard",
        "FAILED test_bad.py::test_hang",
        "PASSED test_bad.py::test_good",
        "PASSED test_bad.py::test_no_loop_is_left",
    ):
        assert end in ends, done.stdout
    for words in ("/dev/null", "general: unexpected", "ValueError: unheard", "test_hang hangs"):
        assert words in done.stdout
