"""Future: resolved once; calls back at once, in order, whatever the others do; forgets no error."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gc
import subprocess
import sys
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from doubles import ExpectLog

from minitornado.concurrent import (
    Future,
    InvalidStateError,
    TracebackFuture,
    chain_future,
    is_future,
)
from minitornado.log import app_log

pytestmark = [pytest.mark.deadline(120), pytest.mark.usefixtures("quiet_log")]


def failed(error: BaseException) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def resolved(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(result)
    return future


# ---- a value to come ----


def test_a_new_future_is_pending_and_has_neither_result_nor_exception():
    future: Future[int] = Future()
    assert future.running()
    assert not future.done()
    for ask in (future.result, future.exception, future.exc_info):
        with pytest.raises(InvalidStateError, match="await it"):
            ask()


def test_a_result_is_kept_and_no_exception_with_it():
    future = resolved(17)
    assert future.done()
    assert not future.running()
    assert future.result() == 17
    assert future.result(timeout=60) == 17
    assert future.exception() is None
    assert future.exc_info() is None


def test_none_is_a_result_like_any_other():
    assert resolved(None).result() is None
    assert resolved(None).done()


def test_an_exception_is_raised_by_result_and_returned_by_exception():
    error = ValueError("no")
    future = failed(error)
    with pytest.raises(ValueError, match="no") as caught:
        future.result()
    assert caught.value is error
    assert future.exception(timeout=60) is error
    assert future.exc_info() == (ValueError, error, error.__traceback__)


def test_set_exc_info_keeps_the_place_where_it_was_raised():
    future: Future[None] = Future()
    try:
        raise KeyError("here")
    except KeyError:
        future.set_exc_info(sys.exc_info())
    traceback = future.exc_info()[2]
    assert traceback.tb_frame.f_code.co_name.startswith("test_set_exc_info")


def test_set_exc_info_outside_of_an_except_block_is_a_bug_of_the_caller():
    with pytest.raises(AssertionError, match="outside of an except block"):
        Future().set_exc_info((None, None, None))


@pytest.mark.parametrize("first", [resolved, lambda _: failed(ValueError("first"))])
def test_it_is_resolved_once(first: Any):
    future = first(1)
    for again in (lambda: future.set_result(2), lambda: future.set_exception(KeyError())):
        with pytest.raises(InvalidStateError, match="already"):
            again()
    error = future.exception()
    assert future.result() == 1 if error is None else error.args == ("first",)


def test_it_can_not_be_cancelled():
    future: Future[int] = Future()
    assert future.cancel() is False
    assert future.cancelled() is False
    future.set_result(1)
    assert future.result() == 1


def test_it_says_what_it_holds():
    assert repr(Future()) == "<Future pending>"
    assert repr(resolved("x")) == "<Future result='x'>"
    error = failed(KeyError("k"))
    assert repr(error) == "<Future exception=KeyError('k')>"
    error.exception()
    assert len(repr(resolved("x" * 10_000_000))) < 100


# ---- who wants to know ----


def test_callbacks_run_inside_set_result_in_the_order_they_were_added():
    future: Future[int] = Future()
    calls: list[Any] = []
    for number in range(3):
        future.add_done_callback(lambda f, number=number: calls.append((number, f.result())))
    assert calls == []
    future.set_result(5)
    assert calls == [(0, 5), (1, 5), (2, 5)]


def test_callbacks_run_inside_set_exception_too():
    future: Future[int] = Future()
    calls: list[Any] = []
    future.add_done_callback(lambda f: calls.append(f.exception()))
    error = ValueError()
    future.set_exception(error)
    assert calls == [error]


def test_a_callback_added_late_runs_at_once():
    calls: list[Any] = []
    future = resolved(5)
    future.add_done_callback(calls.append)
    assert calls == [future]


def test_a_callback_sees_the_future_done_and_may_add_another():
    future: Future[int] = Future()
    calls: list[Any] = []

    def first(f: Future[int]) -> None:
        calls.append(("first", f.done()))
        f.add_done_callback(lambda f: calls.append(("nested", f.done())))

    future.add_done_callback(first)
    future.add_done_callback(lambda f: calls.append(("second", f.done())))
    future.set_result(1)
    assert calls == [("first", True), ("nested", True), ("second", True)]


def test_one_who_waits_and_fails_does_not_keep_the_next_from_being_told():
    future: Future[int] = Future()
    calls: list[Any] = []
    future.add_done_callback(lambda f: 1 / 0)
    future.add_done_callback(calls.append)
    with ExpectLog(app_log, "Exception in callback .*<lambda>") as log:
        future.set_result(1)
    assert calls == [future]
    assert log.tracebacks == 1


def test_ctrl_c_in_a_callback_is_not_swallowed():
    future: Future[int] = Future()

    def interrupt(f: Future[int]) -> None:
        raise KeyboardInterrupt

    future.add_done_callback(interrupt)
    with pytest.raises(KeyboardInterrupt):
        future.set_result(1)


def test_callbacks_are_let_go_of_once_they_have_run():
    class Waiter:
        def __call__(self, future: Future[int]) -> None: ...

    waiter = Waiter()
    gone = weakref.ref(waiter)
    future: Future[int] = Future()
    future.add_done_callback(waiter)
    future.set_result(1)
    del waiter
    assert gone() is None


# ---- errors that nobody asks for ----


def test_an_exception_that_nobody_asks_for_is_logged_when_the_future_goes_away():
    with ExpectLog(app_log, "Future exception was never retrieved: .*") as log:
        failed(ValueError("unheard"))
        gc.collect()
    assert "ValueError: unheard" in log.records[0].getMessage()


@pytest.mark.parametrize("ask", ["result", "exception", "exc_info"])
def test_one_that_somebody_asks_for_is_not(ask: str):
    future = failed(ValueError("heard"))
    with contextlib.suppress(ValueError):
        getattr(future, ask)()
    del future
    gc.collect()  # quiet_log fails the test if there is a record


def test_what_is_unheard_when_the_interpreter_ends_is_not_logged():
    # By then half of logging is gone, and nobody can do anything about it.
    code = (
        "from minitornado.concurrent import Future\n"
        "keep = Future(); keep.set_exception(ValueError('at the end'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""


# ---- waiting ----


def test_a_pending_future_is_yielded_to_whoever_drives_the_coroutine():
    future: Future[int] = Future()

    async def wait() -> int:
        return await future

    coroutine = wait()
    assert coroutine.send(None) is future
    future.set_result(3)
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value == 3


def test_a_future_that_is_done_is_not_waited_for():
    async def wait() -> int:
        return await resolved(3) + await resolved(4)

    with pytest.raises(StopIteration) as stop:
        wait().send(None)
    assert stop.value.value == 7


def test_a_generator_waits_with_yield_from():
    future: Future[int] = Future()

    def wait() -> Any:
        return (yield from future)

    generator = wait()
    assert next(generator) is future
    future.set_result(3)
    with pytest.raises(StopIteration) as stop:
        generator.send(None)
    assert stop.value.value == 3


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What goes away in the test goes away without the garbage collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Buffer(bytearray):
    """Something large that a coroutine holds; it can be weakly referenced."""


@pytest.mark.usefixtures("no_collector")
def test_asking_a_failed_future_for_its_result_leaves_no_circle_behind():
    def ask() -> weakref.ref[Future[Any]]:
        futures = [failed(ValueError())]
        with contextlib.suppress(ValueError):
            futures[0].result()
        return weakref.ref(futures.pop())

    assert ask()() is None


@pytest.mark.parametrize("how", ["done before", "done later", "thrown in"])
@pytest.mark.usefixtures("no_collector")
def test_what_a_coroutine_holds_goes_away_with_it_although_its_future_failed(how: str):
    futures: list[Future[Any]] = [Future()]

    async def wait(buffer: Buffer) -> None:
        with contextlib.suppress(ValueError):
            await futures[0]

    def drive() -> weakref.ref[Buffer]:
        buffer = Buffer(b"x" * 1000)
        coroutine = wait(buffer)
        if how != "done before":
            coroutine.send(None)
        futures[0].set_exception(ValueError())
        with contextlib.suppress(StopIteration):
            if how == "thrown in":
                coroutine.throw(futures[0].exception())
            else:
                coroutine.send(None)
        futures.clear()
        return weakref.ref(buffer)

    assert drive()() is None


# ---- cost ----


def test_with_slots_a_future_is_smaller():
    # The same attributes in an object that has a __dict__.
    class WithDict:
        def __init__(self) -> None:
            self._done = False
            self._result = self._exception = self._callbacks = self._unretrieved = None

    def size(kind: type) -> float:
        kept = [kind() for _ in range(100)]  # the first of a class may cost more
        tracemalloc.start()
        kept += [kind() for _ in range(1000)]
        traced = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return traced / (len(kept) - 100)

    assert size(Future) < 0.9 * size(WithDict)


def test_it_can_be_weakly_referenced_and_has_no_dict():
    future: Future[int] = Future()
    assert weakref.ref(future)() is future
    assert not hasattr(future, "__dict__")


# ---- is_future, chain_future ----


def test_is_future_knows_ours_and_those_of_threads():
    class Sub(Future[int]): ...

    assert is_future(Future())
    assert is_future(Sub())
    assert is_future(concurrent.futures.Future())
    for other in (None, 1, "Future", Future, object()):
        assert not is_future(other)


def test_importing_the_stack_does_not_import_concurrent_futures():
    code = "import sys, minitornado.concurrent; sys.exit('concurrent.futures' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_chain_future_hands_results_and_exceptions_on():
    for resolve, check in (
        (lambda f: f.set_result(1), lambda f: f.result() == 1),
        (lambda f: f.set_exception(KeyError()), lambda f: type(f.exception()) is KeyError),
    ):
        for before in (True, False):
            a: Future[int] = Future()
            b: Future[int] = Future()
            if before:
                resolve(a)
            chain_future(a, b)
            if not before:
                assert not b.done()
                resolve(a)
            assert check(b)


def test_a_future_keeps_a_traceback_under_either_name():
    future: Future[int] = TracebackFuture()
    try:
        raise ValueError("x")
    except ValueError as error:
        future.set_exception(error)
    assert future.exc_info()[2].tb_frame.f_code.co_name.startswith("test_a_future_keeps")


def test_chain_future_leaves_a_future_alone_that_is_done_already():
    a: Future[int] = Future()
    b: Future[int] = Future()
    chain_future(a, b)
    b.set_result(2)
    a.set_result(1)
    assert b.result() == 2
