"""IOLoop: the order of a turn, who may call when, what wakes it, and that it sleeps otherwise.

Most of it on a scripted kernel and clock, where nothing takes time and every race is one line;
signals, threads and forks on the real ones.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import gc
import os
import random
import select
import signal
import socket
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from doubles import (
    ExpectLog,
    FakeClock,
    FakePoller,
    SleepsForEver,
    fake_loop,
    open_fds,
    run,
    stream_pair,
    turns,
)

from minitornado import gen, ioloop, poller
from minitornado.concurrent import Future
from minitornado.ioloop import IOLoop, PeriodicCallback, TimeoutError
from minitornado.log import app_log, gen_log

pytestmark = [pytest.mark.deadline(120), pytest.mark.usefixtures("quiet_log")]

READ, WRITE, ERROR = IOLoop.READ, IOLoop.WRITE, IOLoop.ERROR

Fake = tuple[IOLoop, FakePoller]


def spin(loop: IOLoop, seconds: float = 0.0) -> None:
    """Start a fake loop, and stop it after `seconds` of its own time (0: after one turn)."""
    if seconds:
        loop.call_later(seconds, loop.stop)
    else:
        loop.add_callback(lambda: loop.add_callback(loop.stop))
    loop.start()


def woken(loop: IOLoop) -> bool:
    """Tell whether a poll that watches the waker would return now."""
    return bool(select.select([loop._waker.fileno()], [], [], 0)[0])


# ---- a turn ----


def test_a_turn_is_callbacks_then_timeouts_then_poll_then_handlers(fake: Fake):
    loop, kernel = fake
    log: list[str] = []

    def poll() -> list[tuple[int, int]]:
        log.append("poll")
        return [(7, READ)]

    kernel.script += [poll]
    loop.add_handler(7, lambda fd, events: (log.append("handler"), loop.stop()), READ)
    loop.call_later(0, log.append, "timeout")
    loop.add_callback(log.append, "callback")
    loop.start()
    assert log == ["callback", "timeout", "poll", "handler"]


def test_callbacks_run_in_the_order_they_were_added_and_with_their_arguments(fake: Fake):
    loop, _ = fake
    log: list[Any] = []
    loop.add_callback(lambda *args, **kwargs: log.append((args, kwargs)), 1, 2, key=3)
    loop.spawn_callback(log.append, 4)
    loop.add_callback_from_signal(log.append, 5)
    spin(loop)
    assert log == [((1, 2), {"key": 3}), 4, 5]


def test_a_callback_never_runs_before_add_callback_returns(fake: Fake):
    loop, _ = fake
    log: list[str] = []

    def outer() -> None:
        loop.add_callback(log.append, "inner")
        log.append("outer")

    loop.add_callback(outer)
    spin(loop)
    assert log == ["outer", "inner"]


def test_a_callback_that_adds_itself_again_does_not_keep_us_from_the_sockets(fake: Fake):
    loop, kernel = fake
    turns_taken = []

    def again() -> None:
        turns_taken.append(1)
        assert len(turns_taken) < 10, "the handler starves"
        loop.add_callback(again)

    kernel.script += [[(7, READ)]]
    loop.add_handler(7, lambda fd, events: loop.stop(), READ)
    loop.add_callback(again)
    loop.start()
    assert len(turns_taken) == 2  # before the poll, and before the loop ends
    assert kernel.sleeps == [0.0]  # with work to do it looks, and doesn't sleep


def test_a_timeout_that_adds_a_due_one_again_does_not_starve_them_either(fake: Fake):
    loop, kernel = fake
    count = []

    def again() -> None:
        count.append(1)
        assert len(count) < 10, "the handler starves"
        loop.call_later(0, again)

    kernel.script += [[(7, READ)]]
    loop.add_handler(7, lambda fd, events: loop.stop(), READ)
    loop.call_later(0, again)
    loop.start()
    assert len(count) == 2


def test_what_is_due_is_known_before_callbacks_run(fake: Fake):
    # A callback that takes long, or adds a timeout that is due, changes nothing in this turn.
    loop, kernel = fake
    log: list[str] = []

    def slow() -> None:
        log.append("slow")
        kernel.clock.advance(100)
        loop.call_at(0, log.append, "added")
        loop.add_callback(log.append, "next turn")

    loop.call_later(50, log.append, "later")
    loop.add_callback(slow)
    spin(loop)
    assert log == ["slow", "next turn", "added", "later"]


def test_handlers_run_in_the_kernels_order(fake: Fake):
    loop, kernel = fake
    log: list[int] = []
    for fd in (7, 8, 9):
        loop.add_handler(fd, lambda fd, events: log.append(fd), READ)
    kernel.script += [[(8, READ), (9, READ), (7, READ)]]
    spin(loop)
    assert log == [8, 9, 7]


def test_a_handler_gets_what_was_given_and_the_events_that_are_ready(fake: Fake):
    loop, kernel = fake
    got: list[Any] = []
    a, b = socket.socketpair()
    loop.add_handler(a, lambda *args: got.append(args), READ | WRITE)
    loop.add_handler(b.fileno(), lambda *args: got.append(args), READ)
    kernel.script += [[(a.fileno(), WRITE), (b.fileno(), READ | ERROR)]]
    spin(loop)
    assert got == [(a, WRITE), (b.fileno(), READ | ERROR)]
    a.close()
    b.close()


# ---- one bad apple ----


def broken(*args: Any) -> None:
    raise ValueError("broken")


def test_a_callback_a_timeout_and_a_handler_that_fail_cost_nobody_else(fake: Fake):
    loop, kernel = fake
    log: list[str] = []
    kernel.script += [[(7, READ), (8, READ)]]
    loop.add_handler(7, broken, READ)
    loop.add_handler(8, lambda fd, events: log.append("handler"), READ)
    loop.add_callback(broken)
    loop.add_callback(log.append, "callback")
    loop.call_later(0, broken)
    loop.call_later(0, log.append, "timeout")
    with ExpectLog(app_log, "Exception in callback .*broken") as expected:
        spin(loop)
    assert log == ["callback", "timeout", "handler"]
    assert expected.matched == expected.tracebacks == 3


@pytest.mark.parametrize("kind", ["callback", "timeout", "handler"])
def test_ctrl_c_stops_the_loop_and_it_can_be_started_again(fake: Fake, kind: str):
    loop, kernel = fake
    IOLoop.clear_current()

    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    log: list[str] = []
    if kind == "callback":
        loop.add_callback(interrupt)
    elif kind == "timeout":
        loop.call_later(0, interrupt)
    else:
        kernel.script += [[(7, READ), (8, READ)]]
        loop.add_handler(7, interrupt, READ)
        loop.add_handler(8, lambda fd, events: log.append("handler"), READ)
    loop.add_callback(log.append, "callback")
    with pytest.raises(KeyboardInterrupt):
        loop.start()
    assert IOLoop.current(instance=False) is None  # as it was before start
    spin(loop)
    assert log == (["callback", "handler"] if kind == "handler" else ["callback"])


def test_ctrl_c_while_asleep_leaves_a_loop_that_is_awake(fake: Fake):
    loop, kernel = fake

    def interrupt() -> None:
        raise KeyboardInterrupt

    kernel.script += [interrupt]
    with pytest.raises(KeyboardInterrupt):
        loop.start()
    loop.add_callback(lambda: None)
    assert not woken(loop)  # nobody sleeps: a byte would be for nothing


@pytest.mark.parametrize("strikes_in", ["callback", "timeout"])
def test_ctrl_c_does_not_lose_the_timeouts_that_were_due(fake: Fake, strikes_in: str):
    loop, _ = fake
    log: list[str] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    if strikes_in == "callback":
        loop.add_callback(interrupt)
    else:
        loop.call_later(-1, interrupt)
    loop.call_later(0, log.append, "due")
    with pytest.raises(KeyboardInterrupt):
        loop.start()
    assert log == []
    loop.call_later(0, log.append, "due by now")
    spin(loop)
    assert log == ["due", "due by now"]


def test_a_subclass_may_do_more_about_what_callbacks_raise():
    seen: list[Any] = []

    class Loop(IOLoop):
        def handle_callback_exception(self, callback: Callable[..., object]) -> None:
            seen.append((callback, sys.exc_info()[0]))

    kernel = FakePoller()
    loop = Loop(make_current=False, poller=kernel, time_func=kernel.clock)
    loop.add_callback(broken)
    spin(loop)
    loop.close()
    assert seen == [(broken, ValueError)]


@pytest.mark.parametrize("kind", ["callback", "timeout", "handler"])
def test_what_an_async_callback_raises_is_logged_as_any_callbacks_is(fake: Fake, kind: str):
    loop, kernel = fake

    async def fails_later(*args: Any) -> None:
        await gen.moment
        raise ValueError("later")

    if kind == "callback":
        loop.add_callback(fails_later)
    elif kind == "timeout":
        loop.call_later(0, fails_later)
    else:
        kernel.script += [[(7, READ)]]
        loop.add_handler(7, fails_later, READ)
    with ExpectLog(app_log, "Exception in callback") as expected:
        spin(loop, 1)
    assert expected.tracebacks == 1
    assert "later" in str(expected.records[0].exc_info)


def test_what_a_thread_raises_that_a_callback_has_started_is_logged_too(io_loop: IOLoop):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        io_loop.add_callback(pool.submit, divmod, 7, 0)
        with ExpectLog(app_log, "Exception in callback") as expected:
            turns(io_loop)
            pool.shutdown()
            turns(io_loop)
    assert "ZeroDivisionError" in str(expected.records[0].exc_info)


def test_what_other_callbacks_return_is_nobodys_business(fake: Fake):
    loop, _ = fake
    for result in (17, "text", [1, 2], object()):
        loop.add_callback(lambda result=result: result)
    spin(loop)


def test_a_callback_is_let_go_of_before_the_loop_sleeps(fake: Fake):
    loop, kernel = fake

    class Large:
        def __call__(self, *args: Any) -> None: ...

    kept = [Large() for _ in range(3)]
    gone = [weakref.ref(each) for each in kept]
    kernel.script += [[(7, READ)], lambda: checks.append([ref() is None for ref in gone])]
    checks: list[list[bool]] = []
    loop.add_callback(kept[0])
    loop.call_later(0, kept[1])
    loop.add_handler(7, kept[2], READ)
    loop.call_later(1, loop.remove_handler, 7)
    kept.clear()
    loop.call_later(2, loop.stop)
    loop.start()
    assert checks == [[True, True, False]]  # the handler is wanted again


# ---- stop, start, close ----


def test_stop_lets_what_waits_run_first_and_does_not_sleep(fake: Fake):
    loop, kernel = fake
    log: list[str] = []
    kernel.script += [[(7, READ)]]

    def handler(fd: int, events: int) -> None:
        loop.add_callback(log.append, "callback")
        loop.call_later(0, log.append, "timeout")
        loop.stop()

    loop.add_handler(7, handler, READ)
    loop.start()
    assert log == ["callback", "timeout"]
    assert kernel.calls["poll"] == 1


def test_what_the_last_callbacks_add_waits_for_the_next_start(fake: Fake):
    loop, _ = fake
    log: list[str] = []
    loop.add_callback(loop.stop)
    loop.add_callback(loop.add_callback, log.append, "next")
    loop.start()
    assert log == []
    spin(loop)
    assert log == ["next"]


def test_stop_before_start_has_the_next_start_return_at_once(fake: Fake):
    loop, kernel = fake
    log: list[str] = []
    loop.add_callback(log.append, "not yet")
    loop.stop()
    loop.start()
    assert (log, kernel.calls["poll"]) == ([], 0)
    spin(loop)
    assert log == ["not yet"]


def test_a_loop_can_be_started_again_and_again(fake: Fake):
    loop, _ = fake
    for count in range(3):
        log: list[int] = []
        loop.add_callback(log.append, count)
        loop.add_callback(loop.stop)
        loop.start()
        assert log == [count]


def test_a_running_loop_can_not_be_started(fake: Fake):
    loop, _ = fake
    loop.add_callback(loop.start)
    with ExpectLog(app_log, "Exception in callback") as expected:
        spin(loop)
    assert "running already" in str(expected.records[0].exc_info[1])


def test_a_running_loop_can_not_be_closed_and_a_closed_one_not_started(fake: Fake):
    loop, kernel = fake
    loop.add_callback(loop.close)
    with ExpectLog(app_log, "Exception in callback") as expected:
        spin(loop)
    assert isinstance(expected.records[0].exc_info[1], AssertionError)
    loop.close()
    assert kernel.closed
    with pytest.raises(RuntimeError, match="closed"):
        loop.start()


def test_close_gives_back_what_is_the_loops_and_leaves_the_rest():
    before = open_fds(collected=True)
    loop = IOLoop(make_current=False)
    a, b = socket.socketpair()
    loop.add_handler(a, broken, READ)
    loop.close()
    assert set(open_fds()) - set(before) == {a.fileno(), b.fileno()}
    a.close()
    b.close()


def test_close_with_all_fds_closes_those_of_the_handlers_too():
    before = open_fds(collected=True)
    loop = IOLoop(make_current=False)
    a, b = socket.socketpair()
    reading, writing = os.pipe()
    gone_before, other = socket.socketpair()
    for fd in (a, reading, gone_before):
        loop.add_handler(fd, broken, READ)
    gone_before.close()
    with ExpectLog(gen_log, ".*", required=False):
        loop.close(all_fds=True)
    b.close()
    other.close()
    os.close(writing)
    assert set(open_fds()) == set(before)
    assert a.fileno() == -1


def test_closing_makes_it_nobodys_current_loop():
    loop = IOLoop(make_current=True)
    other = IOLoop(make_current=False)
    other.close()
    assert IOLoop.current() is loop
    loop.close()
    assert IOLoop.current(instance=False) is None


def test_what_comes_after_close_is_ignored(fake: Fake):
    loop, _ = fake
    timeout = loop.call_later(1, broken)
    loop.close()
    loop.add_callback(broken)
    assert not loop._callbacks  # a thread may go on for ever
    loop.remove_timeout(timeout)
    loop.close()


# ---- which loop ----


@pytest.fixture
def no_loop() -> Iterator[None]:
    IOLoop.clear_current()
    IOLoop.clear_instance()
    yield
    IOLoop.clear_current()
    if IOLoop.initialized():
        IOLoop.instance().close()
    IOLoop.clear_instance()


@pytest.mark.usefixtures("no_loop")
def test_the_processes_loop_is_made_when_first_asked_for():
    assert not IOLoop.initialized()
    assert IOLoop.current(instance=False) is None
    loop = IOLoop.current()
    assert IOLoop.initialized()
    assert IOLoop.instance() is loop


@pytest.mark.usefixtures("no_loop")
def test_two_threads_that_ask_first_get_the_same_loop(monkeypatch: pytest.MonkeyPatch):
    # The second strikes while the first is making one.
    got: list[IOLoop] = []
    best = poller.best_poller

    def strike() -> Any:
        monkeypatch.setattr(poller, "best_poller", best)
        thread.start()
        thread.join(0.1)
        return best()

    thread = threading.Thread(target=lambda: got.append(IOLoop.instance()))
    monkeypatch.setattr(poller, "best_poller", strike)
    got.append(IOLoop.instance())
    thread.join()
    loops = set(got)
    for extra in loops - {IOLoop.instance()}:
        extra.close()
    assert len(loops) == 1


@pytest.mark.usefixtures("no_loop")
def test_install_puts_a_loop_of_ones_own_in_its_place():
    loop = IOLoop(make_current=False)
    loop.install()
    assert IOLoop.instance() is loop
    with pytest.raises(AssertionError, match="already"):
        loop.install()


@pytest.mark.usefixtures("no_loop")
def test_a_new_loop_becomes_current_if_there_is_no_other():
    first = IOLoop()
    second = IOLoop()
    third = IOLoop(make_current=False)
    assert IOLoop.current() is first
    second.make_current()
    assert IOLoop.current() is second
    IOLoop.clear_current()
    fourth = IOLoop(make_current=True)
    assert IOLoop.current() is fourth
    for loop in (first, second, third, fourth):
        loop.close()


@pytest.mark.usefixtures("no_loop")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_make_current_refuses_where_there_is_one_and_leaks_nothing():
    loop = IOLoop(make_current=True)
    before = open_fds(collected=True)
    gc.disable()
    try:
        with pytest.raises(RuntimeError, match="current IOLoop"):
            IOLoop(make_current=True)
        assert open_fds() == before
    finally:
        gc.enable()
        loop.close()


@pytest.mark.usefixtures("no_loop")
def test_a_loop_is_current_while_it_runs_and_the_one_before_is_afterwards():
    outer, inner = IOLoop(), IOLoop()
    seen: list[Any] = []

    def nested() -> None:
        inner.add_callback(lambda: (seen.append(IOLoop.current()), inner.stop()))
        inner.start()
        seen.append(IOLoop.current())
        outer.stop()

    outer.add_callback(nested)
    outer.start()
    assert seen == [inner, outer]
    outer.close()
    inner.close()


def test_a_loop_may_run_in_another_thread(io_loop: IOLoop):
    seen: list[Any] = []

    def work() -> None:
        loop = IOLoop()
        seen.extend([loop is IOLoop.current(), loop.run_sync(lambda: gen.sleep(0))])
        loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True, None]
    assert IOLoop.current() is io_loop


def test_each_thread_has_its_own(io_loop: IOLoop):
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(IOLoop.current(instance=False)))
    thread.start()
    thread.join()
    assert seen == [None]
    assert IOLoop.current() is io_loop


def test_a_loop_can_be_a_key_and_be_weakly_referenced(io_loop: IOLoop):
    assert weakref.WeakKeyDictionary({io_loop: 1})[io_loop] == 1


# ---- asleep and awake ----


def test_an_idle_loop_is_idle(fake: Fake):
    loop, kernel = fake
    loop.add_handler(7, broken, READ)
    with pytest.raises(SleepsForEver):
        loop.start()
    assert kernel.sleeps == [None]


def test_it_sleeps_no_longer_than_a_kernel_can_count(fake: Fake):
    loop, kernel = fake
    loop.call_later(3 * poller.MAX_SECONDS, loop.stop)
    loop.start()
    assert kernel.sleeps == [poller.MAX_SECONDS] * 3


def test_it_sleeps_until_the_first_timeout(fake: Fake):
    loop, kernel = fake
    loop.call_later(7, lambda: None)
    loop.call_later(3, lambda: None)
    spin(loop, 10)
    assert kernel.sleeps == [3.0, 4.0, 3.0]


def test_it_is_idle_on_a_real_kernel_too(io_loop: IOLoop):
    polls: list[Any] = []
    real = io_loop._poller.poll
    io_loop._poller.poll = lambda seconds: polls.append(1) or real(seconds)  # type: ignore
    with stream_pair(io_loop) as (one, two):
        one.read_until(b"\n")
        two.set_close_callback(lambda: None)
        io_loop.call_later(0.05, io_loop.stop)
        io_loop.start()
    assert len(polls) <= 3


def test_a_loop_that_is_awake_is_not_woken(fake: Fake):
    loop, kernel = fake
    kernel.script += [[(7, READ)]]
    loop.add_handler(7, lambda fd, events: loop.add_callback(loop.stop), READ)
    loop.add_callback(loop.add_callback, lambda: None)
    loop.call_later(0, loop.add_callback, lambda: None)
    checks: list[bool] = []
    real = loop._work
    loop._work = lambda: (checks.append(woken(loop)), real())  # type: ignore
    loop.start()
    assert not any(checks)  # a wake is a system call, and one more turn


def test_a_callback_that_comes_while_we_fall_asleep_wakes_us(fake: Fake):
    # The race: after the look for work, before the sleep.  The look ends with the clock.
    loop, kernel = fake

    class Striking(FakeClock):
        armed = False

        def __call__(self) -> float:
            if self.armed:
                self.armed = False
                thread = threading.Thread(target=loop.add_callback, args=(loop.stop,))
                thread.start()
                thread.join()
            return self.now

    clock = Striking()
    loop._time_func = clock
    loop.call_later(60, broken)

    def poll() -> list[tuple[int, int]]:
        assert woken(loop), "asleep on a callback that waits"
        return [(loop._waker.fileno(), READ)]

    kernel.script += [poll]
    real = loop._seconds_to_sleep

    def look() -> Any:
        clock.armed = True
        return real()

    loop._seconds_to_sleep = look  # type: ignore[method-assign]
    loop.start()
    assert kernel.calls["poll"] == 1


def test_one_who_adds_while_we_fall_asleep_sees_that_we_do(fake: Fake):
    # The other half: the loop falls asleep just before the callback is in the queue.
    loop, _ = fake

    class Striking(deque):  # type: ignore[type-arg]
        def append(self, item: Any) -> None:
            loop._asleep = True
            super().append(item)

    loop._callbacks = Striking()
    loop.add_callback(lambda: None)
    assert woken(loop)
    loop._asleep = False


def test_a_wake_is_consumed_and_the_loop_sleeps_again(fake: Fake):
    loop, kernel = fake
    waker = loop._waker.fileno()

    def wake() -> list[tuple[int, int]]:
        loop.add_callback(lambda: None)
        assert woken(loop)
        return [(waker, READ)]

    kernel.script += [wake]
    with pytest.raises(SleepsForEver):
        loop.start()
    assert not woken(loop)
    assert kernel.sleeps == [None, None]


def test_stop_wakes_a_loop_that_sleeps(fake: Fake):
    loop, kernel = fake

    def stop() -> list[tuple[int, int]]:
        loop.stop()
        assert woken(loop)
        return [(loop._waker.fileno(), READ)]

    kernel.script += [stop]
    loop.start()


def test_ten_threads_lose_no_callback(io_loop: IOLoop):
    count = [0]
    total = 10 * 200

    def one() -> None:
        count[0] += 1
        if count[0] == total:
            io_loop.stop()

    def add() -> None:
        for number in range(200):
            io_loop.add_callback(one)
            if number % 20 == 0:
                time.sleep(0.0005)  # let the loop fall asleep, now and then

    threads = [threading.Thread(target=add) for _ in range(10)]
    for thread in threads:
        thread.start()
    io_loop.start()
    for thread in threads:
        thread.join()
    assert count == [total]


class ForeignWakeupFd:
    """A wakeup fd of somebody else's, as asyncio's in a notebook."""

    def __enter__(self) -> int:
        self.reader, self.writer = socket.socketpair()
        self.writer.setblocking(False)
        self.before = signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        return self.writer.fileno()

    def __exit__(self, *exc_info: Any) -> None:
        signal.set_wakeup_fd(self.before)
        self.reader.close()
        self.writer.close()


def test_the_wakeup_fd_of_another_loop_is_put_back(io_loop: IOLoop):
    with ForeignWakeupFd() as theirs:
        turns(io_loop)
        assert signal.set_wakeup_fd(theirs, warn_on_full_buffer=False) == theirs


def test_one_that_was_closed_meanwhile_does_no_harm(io_loop: IOLoop):
    with ForeignWakeupFd() as theirs:
        io_loop.add_callback(os.close, theirs)
        try:
            turns(io_loop)
        finally:
            signal.set_wakeup_fd(-1)
            # Its number is free: give it back to its owner, who is about to close it.
            null = os.open(os.devnull, os.O_RDWR)
            if null != theirs:
                os.dup2(null, theirs)
                os.close(null)


@pytest.fixture
def sigusr1() -> Iterator[list[Any]]:
    """A list of functions to call when SIGUSR1 comes."""
    calls: list[Any] = []
    previous = signal.signal(signal.SIGUSR1, lambda signum, frame: [call() for call in calls])
    yield calls
    signal.signal(signal.SIGUSR1, previous)


def test_a_signal_handler_adds_a_callback_and_wakes_a_sleeping_loop(
    io_loop: IOLoop, sigusr1: list[Any]
):
    sigusr1.append(lambda: io_loop.add_callback_from_signal(io_loop.stop))
    sender = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    sender.start()
    io_loop.start()
    sender.join()


def test_a_signal_handler_may_stop_a_sleeping_loop(io_loop: IOLoop, sigusr1: list[Any]):
    sigusr1.append(io_loop.stop)
    sender = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    sender.start()
    io_loop.start()
    sender.join()


def test_a_signal_on_the_way_into_the_kernel_wakes_the_loop(fake: Fake, sigusr1: list[Any]):
    # Python runs signal handlers between two of its own instructions.  One that comes after the
    # last of them, and before the kernel sleeps, interrupts nothing: poll would sleep on it.
    loop, kernel = fake

    def signal_comes() -> None:
        signal.raise_signal(signal.SIGUSR1)
        wakes.append(woken(loop))
        loop.add_callback(loop.stop)

    wakes: list[bool] = []
    kernel.script += [signal_comes]
    loop.start()
    assert wakes == [True]
    assert signal.set_wakeup_fd(-1) == -1  # put back after the loop


def test_a_forked_child_can_not_start_its_parents_loop(io_loop: IOLoop):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)  # the child's own deadline
        status = 1
        with contextlib.suppress(BaseException):
            try:
                io_loop.start()
            except RuntimeError as error:
                status = 0 if "fork" in str(error) else 2
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_and_the_error_says_what_to_do(fake: Fake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(RuntimeError, match=r"before fork\(\): make one in each child"):
        fake[0].start()


# ---- handlers ----


def test_the_kernel_is_asked_for_errors_in_any_case(fake: Fake):
    loop, kernel = fake
    loop.add_handler(7, broken, READ)
    assert kernel.watched[7] == READ | ERROR
    loop.update_handler(7, WRITE)
    assert kernel.watched[7] == WRITE | ERROR
    loop.remove_handler(7)
    assert 7 not in kernel.watched


def test_a_second_handler_is_refused_and_the_first_stays(fake: Fake):
    loop, kernel = fake
    log: list[str] = []
    loop.add_handler(7, lambda fd, events: log.append("first"), READ)
    with pytest.raises(FileExistsError):
        loop.add_handler(7, broken, READ)
    kernel.script += [[(7, READ)]]
    spin(loop)
    assert log == ["first"]


def test_an_event_is_not_delivered_to_one_who_was_removed_in_the_same_turn(fake: Fake):
    loop, kernel = fake
    log: list[Any] = []

    def first(fd: int, events: int) -> None:
        loop.remove_handler(8)
        log.append(fd)

    loop.add_handler(7, first, READ)
    loop.add_handler(8, broken, READ)
    kernel.script += [[(7, READ), (8, READ)]]
    spin(loop)
    assert log == [7]


def test_a_new_connection_with_the_old_ones_number_does_not_get_its_event(fake: Fake):
    loop, kernel = fake
    log: list[str] = []

    def first(fd: int, events: int) -> None:
        loop.remove_handler(8)
        loop.add_handler(8, lambda fd, events: log.append("new"), READ)

    loop.add_handler(7, first, READ)
    loop.add_handler(8, lambda fd, events: log.append("old"), READ)
    kernel.script += [[(7, READ), (8, READ)], [(8, READ)]]
    loop.add_callback(loop.add_callback, loop.add_callback, loop.stop)
    loop.start()
    assert log == ["new"]  # from the second poll, where it is its own


def test_and_not_on_a_real_kernel_either(io_loop: IOLoop):
    # Both are ready in the same turn.  Whoever comes first closes the other, and opens a socket,
    # which gets the number that has just become free.
    pairs = [socket.socketpair() for _ in range(2)]
    log: list[str] = []

    def strike(fd: socket.socket, events: int) -> None:
        log.append("first")
        fd.recv(1)
        other = pairs[1][0] if fd is pairs[0][0] else pairs[0][0]
        number = other.fileno()
        io_loop.remove_handler(other)
        other.close()
        pairs.append(socket.socketpair())
        assert pairs[2][0].fileno() == number
        io_loop.add_handler(pairs[2][0], lambda fd, events: log.append("new"), READ)

    for a, b in pairs:
        io_loop.add_handler(a, strike, READ)
        b.send(b"x")
    turns(io_loop, 3)
    assert log == ["first"]
    io_loop.close(all_fds=True)
    for pair in pairs:
        for each in pair:
            each.close()


def test_removing_one_that_is_closed_or_was_never_there_is_a_debug_line(io_loop: IOLoop):
    a, b = socket.socketpair()
    number = a.fileno()
    io_loop.add_handler(number, broken, READ)
    a.close()  # the kernel forgets it by itself
    b.close()
    io_loop.remove_handler(number)
    io_loop.remove_handler(number)
    assert number not in io_loop._handlers


def test_an_fd_that_nobody_handles_does_not_end_the_loop(fake: Fake):
    # The kernel forgets a closed fd only when its last copy is closed; a child that has
    # inherited one keeps it alive, and remove_handler can't reach it any more.
    loop, kernel = fake
    kernel.script += [[(7, READ)]]
    with ExpectLog(gen_log, ".*", required=False), ExpectLog(app_log, ".*", required=False):
        spin(loop)


def test_split_fd_gives_the_number_and_what_was_given(io_loop: IOLoop):
    a, b = socket.socketpair()
    assert io_loop.split_fd(5) == (5, 5)
    assert io_loop.split_fd(a) == (a.fileno(), a)
    io_loop.close_fd(a)
    io_loop.close_fd(a)
    io_loop.close_fd(b.fileno())
    io_loop.close_fd(b.detach())


# ---- timeouts ----


def test_timeouts_run_in_the_order_of_their_deadlines_and_then_of_being_added(fake: Fake):
    loop, _ = fake
    log: list[Any] = []
    for when, name in ((3, "c"), (1, "a1"), (1, "a2"), (2, "b"), (1, "a3")):
        loop.call_later(when, log.append, name)
    spin(loop, 10)
    assert log == ["a1", "a2", "a3", "b", "c"]


def test_timeouts_whose_callbacks_can_not_be_compared_may_be_due_together(fake: Fake):
    loop, _ = fake
    log: list[Any] = []
    for _ in range(50):
        loop.call_at(1001, log.append, object())
    spin(loop, 10)
    assert len(log) == 50


def test_a_timeout_never_runs_early(fake: Fake):
    loop, kernel = fake
    log: list[float] = []
    kernel.script += [lambda: kernel.clock.advance(0.999)]  # a sleep that ends too soon
    loop.call_later(1, lambda: log.append(kernel.clock()))
    spin(loop, 10)
    assert log == [1001.0]


def test_deadlines_are_numbers_or_timedeltas(fake: Fake):
    loop, _ = fake
    log: list[Any] = []
    loop.add_timeout(1002, log.append, "number")
    loop.add_timeout(datetime.timedelta(seconds=1), log.append, "timedelta")
    loop.add_timeout(
        datetime.timedelta(milliseconds=500),
        lambda *args, **kwargs: log.append((args, kwargs)),
        1,
        key=2,
    )
    spin(loop, 3)
    assert log == [((1,), {"key": 2}), "timedelta", "number"]
    for deadline in ("soon", None, datetime.datetime.now()):
        with pytest.raises(TypeError):
            loop.add_timeout(deadline, broken)  # type: ignore[arg-type]


def test_a_deadline_in_the_past_is_due_now(fake: Fake):
    loop, _ = fake
    log: list[str] = []
    loop.add_timeout(0, log.append, "at")
    loop.call_later(-5, log.append, "later")
    spin(loop)
    assert log == ["at", "later"]


def test_a_deadline_off_another_clock_is_refused(io_loop: IOLoop):
    # Tornado 4's loop ran on time.time(); ours, on a clock that began when the machine did.
    with pytest.raises(ValueError, match=r"io_loop\.time"):
        io_loop.add_timeout(time.time() + 5, broken)
    io_loop.add_timeout(io_loop.time() + 86400 * 365, broken)


def test_call_at_refuses_it_too(io_loop: IOLoop):
    with pytest.raises(ValueError, match=r"io_loop\.time"):
        io_loop.call_at(time.time() + 5, broken)


def test_a_deadline_that_is_no_number_is_refused(fake: Fake):
    # It would stand at the head of the heap for ever: nobody behind it is due before it, and a
    # loop that asks how long to sleep until then is told not to.
    loop, poller = fake
    with pytest.raises(ValueError, match="not a number"):
        loop.call_later(float("nan"), broken)
    loop.call_later(1, loop.stop)
    loop.start()
    assert poller.sleeps == [1.0]


def test_a_timeout_months_ahead_does_not_disturb_the_loop(io_loop: IOLoop):
    io_loop.call_later(100 * 86400, broken)
    io_loop.call_later(float("inf"), broken)
    with stream_pair(io_loop) as (one, two):
        two.write(b"x")
        assert run(io_loop, _await(one.read_bytes(1))) == b"x"
        # Nothing else is near: the kernel is asked to sleep until then.
        threading.Timer(0.02, io_loop.add_callback, (io_loop.stop,)).start()
        io_loop.start()


def test_the_clock_is_monotonic(io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch):
    before = time.monotonic()
    assert before <= io_loop.time() <= time.monotonic()
    monkeypatch.setattr(time, "time", lambda: 0.0)  # somebody sets the clock of the machine
    assert io_loop.time() >= before


def test_a_removed_timeout_is_neither_run_nor_waited_for(fake: Fake):
    loop, kernel = fake
    timeout = loop.call_later(5, broken)
    loop.remove_timeout(timeout)
    loop.remove_timeout(timeout)
    with pytest.raises(SleepsForEver):
        loop.start()
    assert kernel.sleeps == [None]


def test_a_removed_timeout_is_taken_off_when_its_time_comes(fake: Fake):
    loop, _ = fake
    loop.remove_timeout(loop.call_later(0, broken))
    spin(loop)
    assert (loop._timeouts, loop._cancelled_timeouts) == ([], 0)


def test_a_timeout_that_is_removed_while_it_is_due_does_not_run(fake: Fake):
    loop, _ = fake
    second = loop.call_later(0, broken)
    third: list[Any] = [loop.call_later(0, broken)]
    loop.add_callback(loop.remove_timeout, second)  # by a callback of the same turn
    loop.call_at(0, lambda: loop.remove_timeout(third[0]))  # by a timeout of the same turn
    spin(loop)


def test_removing_one_that_has_run_does_nothing_and_it_lets_go_of_its_callback(fake: Fake):
    loop, _ = fake

    class Held:
        def __call__(self) -> None: ...

    held = Held()
    gone = weakref.ref(held)
    timeout = loop.call_later(0, held)
    del held
    spin(loop)
    assert gone() is None
    loop.remove_timeout(timeout)
    assert loop._cancelled_timeouts == 0


def test_remove_timeout_takes_what_call_later_returned(io_loop: IOLoop):
    with pytest.raises(AssertionError, match="call_later"):
        io_loop.remove_timeout(17)


class CountedDeadline(float):
    """A deadline that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: Any) -> bool:
        CountedDeadline.compared += 1
        return float.__lt__(self, other)

    def __eq__(self, other: object) -> bool:
        CountedDeadline.compared += 1
        return float.__eq__(self, other)

    __hash__ = float.__hash__


def test_cancelling_a_timeout_costs_no_search(fake: Fake):
    # Which is how connections use them: set, and cancelled before they are due.
    loop, _ = fake
    CountedDeadline.compared = 0
    number = 20_000
    timeouts = [loop.call_at(CountedDeadline(2000 + i), broken) for i in range(number)]
    adding = CountedDeadline.compared
    for timeout in reversed(timeouts):
        loop.remove_timeout(timeout)
    assert CountedDeadline.compared - adding <= 10 * number
    assert len(loop._timeouts) <= ioloop.MAX_CANCELLED_TIMEOUTS


def test_dead_timeouts_are_swept_when_they_are_many_and_most(fake: Fake):
    loop, _ = fake
    limit = ioloop.MAX_CANCELLED_TIMEOUTS
    alive = [loop.call_later(100 + i, lambda: None) for i in range(limit)]
    dead = [loop.call_later(50, broken) for _ in range(limit + 1)]
    for timeout in dead[:-1]:
        loop.remove_timeout(timeout)
    assert len(loop._timeouts) == 2 * limit + 1  # not worth it yet
    loop.remove_timeout(dead[-1])
    assert len(loop._timeouts) == limit
    assert len(alive) == limit
    spin(loop, 99)


def test_few_are_not_worth_a_sweep_though_they_are_most(fake: Fake):
    loop, _ = fake
    for timeout in [loop.call_later(50, broken) for _ in range(100)]:
        loop.remove_timeout(timeout)
    assert len(loop._timeouts) == 100


def test_a_sweep_keeps_the_order(fake: Fake):
    loop, _ = fake
    log: list[float] = []
    pick = random.Random(1)
    timeouts = []
    for _ in range(5000):
        delay = pick.random() * 100
        timeouts.append((delay, loop.call_later(delay, log.append, delay)))
    pick.shuffle(timeouts)
    for _, timeout in timeouts[:3000]:
        loop.remove_timeout(timeout)
    assert len(loop._timeouts) < 5000
    spin(loop, 101)
    assert log == sorted(delay for delay, _ in timeouts[3000:])


def test_few_dead_among_many_alive_are_left_where_they_are(fake: Fake):
    loop, _ = fake
    for _ in range(3000):
        loop.call_later(100, lambda: None)
    for timeout in [loop.call_later(50, broken) for _ in range(1000)]:
        loop.remove_timeout(timeout)
    assert len(loop._timeouts) == 4000
    spin(loop, 51)
    assert len(loop._timeouts) == 3000
    assert loop._cancelled_timeouts == 0


# ---- futures ----


def test_add_future_bounces_to_a_turn_of_its_own(fake: Fake):
    loop, _ = fake
    log: list[Any] = []
    done: Future[int] = Future()
    done.set_result(1)
    pending: Future[int] = Future()
    loop.add_future(done, lambda future: log.append(future.result()))
    loop.add_future(pending, lambda future: log.append(future.result()))
    pending.set_result(2)
    assert log == []
    spin(loop)
    assert log == [1, 2]


def test_run_sync_returns_what_a_function_a_future_or_a_coroutine_comes_to(fake: Fake):
    loop, _ = fake
    future: Future[int] = Future()
    future.set_result(2)

    async def slow() -> int:
        await gen.sleep(100)
        return 3

    assert loop.run_sync(lambda: None) is None
    assert loop.run_sync(lambda: 1) == 1
    assert loop.run_sync(lambda: future) == 2
    assert loop.run_sync(slow) == 3


def test_run_sync_waits_for_whatever_a_coroutine_can_yield(fake: Fake):
    loop, _ = fake
    assert loop.run_sync(lambda: [gen.sleep(1), gen.sleep(2)]) == [None, None]


def test_run_sync_waits_for_a_thread(io_loop: IOLoop):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert io_loop.run_sync(lambda: pool.submit(divmod, 7, 2)) == (3, 1)


def test_run_sync_raises_what_the_function_raises(fake: Fake):
    loop, _ = fake

    async def fails() -> None:
        await gen.sleep(1)
        raise KeyError

    for function, error in ((broken, ValueError), (fails, KeyError)):
        with pytest.raises(error):
            loop.run_sync(function)
    assert loop.run_sync(lambda: 1) == 1


def test_run_sync_gives_up_after_its_timeout(fake: Fake):
    loop, kernel = fake
    with pytest.raises(TimeoutError, match="Operation timed out after 5 seconds"):
        loop.run_sync(Future, timeout=5)
    assert kernel.clock() == 1005
    assert issubclass(TimeoutError, Exception)


def test_run_sync_leaves_no_timeout_behind(fake: Fake):
    loop, _ = fake
    assert loop.run_sync(lambda: 1, timeout=5) == 1
    with pytest.raises(SleepsForEver):
        loop.start()


def test_what_timed_out_does_not_stop_a_later_run(fake: Fake):
    loop, _ = fake
    with pytest.raises(TimeoutError):
        loop.run_sync(lambda: gen.sleep(10), timeout=5)
    assert loop.run_sync(lambda: gen.sleep(60), timeout=100) is None


def test_run_sync_inside_a_loop_that_runs_leaves_nothing_to_be_run(fake: Fake):
    loop, _poller = fake
    ran: list[int] = []

    def nested() -> None:
        with pytest.raises(RuntimeError, match="running already"):
            loop.run_sync(lambda: ran.append(1))

    loop.run_sync(nested)
    loop.run_sync(lambda: None)
    assert ran == []


def test_run_sync_forgets_its_timeout_on_ctrl_c(fake: Fake):
    loop, _ = fake

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.run_sync(interrupt, timeout=5)
    assert loop.run_sync(lambda: gen.sleep(60), timeout=100) is None


async def _await(future: Future[Any]) -> Any:
    return await future


# ---- PeriodicCallback ----


class Periodic:
    """A PeriodicCallback of 10 seconds on a fake loop that logs when it was called."""

    def __init__(self, fake: Fake, work: Callable[[], Any] = lambda: None) -> None:
        self.loop, self.kernel = fake
        self.calls: list[float] = []
        self.work = work
        self.periodic = PeriodicCallback(self.call, 10_000, io_loop=self.loop)

    def call(self) -> Any:
        self.calls.append(self.kernel.clock() - 1000)
        return self.work()


def test_it_is_called_every_period_beginning_one_period_from_now(fake: Fake):
    each = Periodic(fake)
    assert not each.periodic.is_running()
    each.periodic.start()
    assert each.periodic.is_running()
    spin(each.loop, 35)
    assert each.calls == [10, 20, 30]


def test_a_late_call_makes_no_later_one_late(fake: Fake):
    each = Periodic(fake, lambda: each.kernel.clock.advance(3))
    each.periodic.start()
    spin(each.loop, 35)
    assert each.calls == [10, 20, 30]


def test_calls_that_were_missed_are_skipped_and_not_made_up_for(fake: Fake):
    each = Periodic(fake, lambda: each.kernel.clock.advance(25 if len(each.calls) == 1 else 0))
    each.periodic.start()
    spin(each.loop, 55)
    assert each.calls == [10, 40, 50]


def test_what_it_raises_is_logged_and_it_goes_on(fake: Fake):
    each = Periodic(fake, broken)
    each.periodic.start()
    with ExpectLog(app_log, "Exception in callback .*call") as expected:
        spin(each.loop, 25)
    assert each.calls == [10, 20]
    assert expected.matched == 2


def test_its_callback_may_be_async(fake: Fake):
    async def fails() -> None:
        await gen.sleep(1)
        raise ValueError

    each = Periodic(fake, fails)
    each.periodic.start()
    with ExpectLog(app_log, "Exception in callback") as expected:
        spin(each.loop, 25)
    assert each.calls == [10, 20]
    assert expected.tracebacks == 2


def test_stopping_it_leaves_nothing_behind_and_it_can_be_started_again(fake: Fake):
    each = Periodic(fake)
    each.periodic.stop()
    each.periodic.start()
    each.periodic.stop()
    assert not each.periodic.is_running()
    with pytest.raises(SleepsForEver):
        each.loop.start()
    each.periodic.start()
    spin(each.loop, 15)
    assert each.calls == [10]


def test_it_may_stop_itself(fake: Fake):
    each = Periodic(fake, lambda: each.periodic.stop())
    each.periodic.start()
    spin(each.loop, 45)
    assert each.calls == [10]


def test_stopped_by_another_in_the_turn_in_which_it_is_due_it_is_not_called(fake: Fake):
    each = Periodic(fake)
    each.loop.call_later(10, each.periodic.stop)
    each.periodic.start()
    spin(each.loop, 45)
    assert each.calls == []


def test_starting_it_twice_does_not_call_it_twice(fake: Fake):
    each = Periodic(fake)
    each.periodic.start()
    each.periodic.start()
    spin(each.loop, 25)
    assert each.calls == [10, 20]


def test_it_may_restart_itself_with_another_period(fake: Fake):
    def restart() -> None:
        if len(each.calls) == 1:
            each.periodic.stop()
            each.periodic.callback_time = 5_000
            each.periodic.start()

    each = Periodic(fake, restart)
    each.periodic.start()
    spin(each.loop, 22)
    assert each.calls == [10, 15, 20]


def test_the_next_period_is_after_now_whatever_the_rounding(fake: Fake):
    # A multiple of the period, as a float, may be the very number that the clock shows.
    loop, kernel = fake
    start = kernel.clock.now = 67684.85398499743
    periodic = PeriodicCallback(lambda: None, 300, io_loop=loop)
    periodic.start()
    kernel.clock.now = start + 949 * 0.3
    periodic._schedule_next()
    assert periodic._next_timeout > kernel.clock()


def test_it_needs_a_period_and_takes_the_current_loop(io_loop: IOLoop):
    for nothing in (0, -1):
        with pytest.raises(ValueError, match="positive"):
            PeriodicCallback(broken, nothing)
    assert PeriodicCallback(broken, 1).io_loop is io_loop


def test_the_scripted_loop_is_itself_honest():
    loop, kernel = fake_loop()
    with pytest.raises(FileNotFoundError):
        kernel.modify(7, READ)
    with pytest.raises(FileNotFoundError):
        kernel.unregister(7)
    with pytest.raises(AssertionError):
        kernel.poll(-1)
    loop.close()


def test_turns_on_a_real_loop_do_not_sleep(io_loop: IOLoop):
    io_loop.call_later(60, broken)
    turns(io_loop, 3)
