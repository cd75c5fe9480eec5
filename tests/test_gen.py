"""Coroutines: they start when called, wait without blocking, and go on with an empty stack."""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import datetime
import gc
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from doubles import ExpectLog, FakePoller, deadline, needs_no_collector, run, turns

from minitornado import gen
from minitornado.concurrent import Future
from minitornado.gen import BadYieldError, Return, Runner, TimeoutError, moment, multi, sleep
from minitornado.ioloop import IOLoop
from minitornado.log import app_log

pytestmark = [pytest.mark.deadline(120), pytest.mark.usefixtures("quiet_log")]


def start(coroutine: Any, loop: IOLoop | None = None) -> Future[Any]:
    future: Future[Any] = Future()
    Runner(coroutine, future, loop)
    return future


def resolved(result: Any = None) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(result)
    return future


def failed(error: BaseException) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def settle(loop: IOLoop, future: Future[Any]) -> Any:
    """Let the loop turn until `future` is done; return its result."""
    return loop.run_sync(lambda: future, timeout=5)


# ---- Runner ----


def test_a_coroutine_starts_at_once_up_to_the_first_wait(io_loop: IOLoop):
    steps = []
    gate: Future[int] = Future()

    async def walk() -> str:
        steps.append("started")
        steps.append(await gate)
        return "done"

    future = start(walk())
    assert steps == ["started"]
    assert not future.done()
    gate.set_result(1)
    assert steps == ["started"]  # not inside set_result, on somebody else's stack
    assert settle(io_loop, future) == "done"
    assert steps == ["started", 1]


def test_one_that_never_waits_is_done_when_the_call_returns(io_loop: IOLoop):
    async def quick() -> int:
        return await resolved(3) + 1

    assert start(quick()).result() == 4


def test_five_thousand_futures_that_are_done_need_no_stack(io_loop: IOLoop):
    async def greedy() -> int:
        return sum([await resolved(1) for _ in range(5000)])

    assert start(greedy()).result() == 5000


def depth() -> int:
    """How many frames stand on the stack."""
    count, frame = 0, sys._getframe()
    while frame is not None:
        count, frame = count + 1, frame.f_back  # type: ignore[assignment]
    return count


def test_five_thousand_waits_need_no_stack_either(io_loop: IOLoop):
    depths = set()

    async def patient() -> None:
        for _ in range(5000):
            future: Future[None] = Future()
            io_loop.add_callback(future.set_result, None)
            await future
            depths.add(depth())

    settle(io_loop, start(patient()))
    assert len(depths) == 1


def test_an_exception_is_raised_where_the_coroutine_waits(io_loop: IOLoop):
    gate: Future[int] = Future()

    async def careful() -> str:
        try:
            await gate
        except ValueError as error:
            return f"caught {error}"
        return "missed"

    future = start(careful())
    gate.set_exception(ValueError("it"))
    assert settle(io_loop, future) == "caught it"


def test_what_it_raises_is_its_futures_exception(io_loop: IOLoop):
    async def broken() -> None:
        raise KeyError("mine")

    future = start(broken())
    assert repr(future.exception()) == "KeyError('mine')"


def test_the_traceback_names_the_coroutine_and_not_its_runner(io_loop: IOLoop):
    gate: Future[int] = Future()

    async def inner() -> None:
        await gate
        raise KeyError

    async def outer() -> None:
        await inner()

    future = start(outer())
    gate.set_result(1)
    turns(io_loop)
    frames = traceback.extract_tb(future.exception().__traceback__)
    assert [frame.name for frame in frames] == ["outer", "inner"]


def test_what_happens_after_an_exception_was_dealt_with_is_not_blamed_on_it(io_loop: IOLoop):
    gate: Future[int] = Future()

    async def careful() -> None:
        with contextlib.suppress(ValueError):
            await gate
        assert sys.exc_info() == (None, None, None)
        raise KeyError

    future = start(careful())
    gate.set_exception(ValueError())
    turns(io_loop)
    assert type(future.exception()) is KeyError
    assert future.exception().__context__ is None


def test_ctrl_c_in_a_coroutine_stops_the_loop(io_loop: IOLoop):
    async def interrupted() -> None:
        await moment
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(interrupted())
        io_loop.start()


def test_all_coroutines_of_a_loop_share_its_context_variables(io_loop: IOLoop):
    # As the README says: no place for what belongs to one request.
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def handle(request: str) -> str:
        variable.set(request)
        await moment
        return variable.get()

    seen = settle(io_loop, multi([handle("first"), handle("second")]))
    assert seen == ["second", "second"]


def test_it_waits_on_the_loop_it_was_given(io_loop: IOLoop, fake: tuple[IOLoop, FakePoller]):
    gate: Future[int] = Future()

    async def wait() -> int:
        return await gate

    io_loop.make_current()
    future = start(wait(), fake[0])
    gate.set_result(1)
    turns(io_loop, 3)
    assert not future.done()
    fake[0].add_callback(fake[0].stop)
    fake[0].start()
    assert future.result() == 1


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@needs_no_collector
@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("waits", [False, True])
def test_a_coroutine_that_failed_leaves_no_circle_behind(io_loop: IOLoop, waits: bool):
    class Held: ...

    async def broken(held: Held) -> None:
        if waits:
            await moment
        raise KeyError

    def fail() -> weakref.ref[Held]:
        held = Held()
        future = start(broken(held))
        turns(io_loop)
        assert type(future.exception()) is KeyError
        return weakref.ref(held)

    assert fail()() is None


# ---- what can be waited for ----


def test_waiting_for_what_nobody_can_resolve_is_an_error_at_the_line_that_waits(io_loop: IOLoop):
    @gen.coroutine
    def wait(what: Any) -> Any:
        try:
            yield what
        except BadYieldError as error:
            return str(error)

    for what in (17, "text", object(), [Future(), 17]):
        assert "can't wait for" in settle(io_loop, wait(what))


def test_a_future_of_asyncio_belongs_to_another_loop_and_is_refused(io_loop: IOLoop):
    import asyncio

    async def wait() -> None:
        await other

    theirs = asyncio.new_event_loop()
    other = theirs.create_future()
    theirs.close()
    with pytest.raises(BadYieldError, match="asyncio"):
        settle(io_loop, start(wait()))


def test_an_awaitable_of_another_kind_is_driven(io_loop: IOLoop):
    class Twice:
        def __await__(self) -> Any:
            first = yield from sleep(0)
            assert first is None
            return (yield from resolved(2)) * 2

    async def wait() -> int:
        return await Twice()

    assert settle(io_loop, start(wait())) == 4
    assert settle(io_loop, gen.convert_yielded(Twice())) == 4


def test_a_future_of_another_thread_is_waited_for(io_loop: IOLoop):
    @gen.coroutine
    def wait(pool: concurrent.futures.Executor) -> Any:
        thread = yield pool.submit(threading.get_ident)
        assert thread != threading.get_ident()
        try:
            yield pool.submit(divmod, 1, 0)
        except ZeroDivisionError:
            return threading.get_ident()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert settle(io_loop, wait(pool)) == threading.get_ident()


def test_one_that_was_called_off_is_told_to_the_coroutine(io_loop: IOLoop):
    @gen.coroutine
    def wait() -> Any:
        theirs: Any = concurrent.futures.Future()
        theirs.cancel()
        try:
            yield theirs
        except concurrent.futures.CancelledError:
            return "told"

    assert settle(io_loop, wait()) == "told"


def test_convert_yielded_gives_a_future_back_as_it_is():
    future: Future[int] = Future()
    assert gen.convert_yielded(future) is future
    assert gen.convert_yielded(None) is moment
    with pytest.raises(BadYieldError):
        gen.convert_yielded(17)


def test_maybe_future_makes_a_future_of_what_is_none(io_loop: IOLoop):
    future: Future[int] = Future()
    assert gen.maybe_future(future) is future
    assert gen.maybe_future(17).result() == 17
    assert gen.maybe_future(None).result() is None


# ---- @coroutine ----


def test_a_generator_yields_futures_and_gets_their_results(io_loop: IOLoop):
    @gen.coroutine
    def add(a: int, *, b: int) -> Any:
        """Adds."""
        return (yield resolved(a)) + (yield resolved(b))

    assert add(1, b=2).result() == 3
    assert (add.__name__, add.__doc__) == ("add", "Adds.")


def test_return_ends_a_generator_with_a_value(io_loop: IOLoop):
    @gen.coroutine
    def old() -> Any:
        yield resolved()
        raise Return(5)

    @gen.coroutine
    def plain() -> Any:
        raise Return(6)

    assert old().result() == 5
    assert plain().result() == 6
    assert Return(7).args == (7,)


def test_a_plain_function_or_an_async_def_becomes_one_that_returns_a_future(io_loop: IOLoop):
    @gen.coroutine
    def plain(x: int) -> int:
        return 10 // x

    @gen.coroutine
    async def native(x: int) -> int:
        return 10 // await resolved(x)

    for function in (plain, native):
        assert function(5).result() == 2
        assert type(function(0).exception()) is ZeroDivisionError


def test_it_starts_when_called(io_loop: IOLoop):
    called = []

    @gen.coroutine
    def work() -> Any:
        called.append(1)
        yield sleep(0)
        called.append(2)

    future = work()
    assert called == [1]
    settle(io_loop, future)
    assert called == [1, 2]


# ---- multi ----


def test_children_run_side_by_side_and_results_keep_their_order(io_loop: IOLoop):
    log = []

    async def child(name: str, gate: Future[str]) -> str:
        log.append(name)
        return name + await gate

    gates: list[Future[str]] = [Future(), Future()]
    future = multi([child("a", gates[0]), child("b", gates[1])])
    assert log == ["a", "b"]
    gates[1].set_result("2")
    turns(io_loop)
    assert not future.done()
    gates[0].set_result("1")
    assert settle(io_loop, future) == ["a1", "b2"]


def test_a_dict_gives_a_dict_and_a_list_a_list_in_a_yield_too(io_loop: IOLoop):
    @gen.coroutine
    def both() -> Any:
        one = yield {"a": resolved(1), "b": sleep(0)}
        two = yield [resolved(1), sleep(0)]
        return one, two

    assert settle(io_loop, both()) == ({"a": 1, "b": None}, [1, None])


def test_no_children_are_done_at_once_and_one_may_stand_in_two_places(io_loop: IOLoop):
    assert multi([]).result() == []
    assert multi({}).result() == {}
    future: Future[int] = Future()
    twice = multi([future, future])
    future.set_result(1)
    assert twice.result() == [1, 1]


def test_the_first_exception_is_the_results_and_the_others_are_logged(io_loop: IOLoop):
    with ExpectLog(app_log, "Multiple exceptions in yield list") as log:
        future = multi([resolved(1), failed(KeyError()), failed(ValueError())])
        assert type(future.exception()) is KeyError
    assert log.matched == log.tracebacks == 1
    quiet = multi([failed(KeyError()), failed(ValueError())], quiet_exceptions=ValueError)
    assert type(quiet.exception()) is KeyError


def test_all_children_are_waited_for_even_after_an_exception(io_loop: IOLoop):
    late: Future[int] = Future()
    future = multi([failed(KeyError()), late])
    assert not future.done()
    late.set_result(1)
    assert type(future.exception()) is KeyError


# ---- moment, sleep ----


def test_a_moment_gives_everybody_else_a_turn(io_loop: IOLoop):
    log = []

    async def polite() -> None:
        for _ in range(2):
            log.append("me")
            await moment

    @gen.coroutine
    def old() -> Any:
        log.append("old")
        yield
        log.append("old")

    io_loop.add_callback(log.append, "other")
    settle(io_loop, start(polite()))
    assert log == ["me", "other", "me"]
    del log[:]
    io_loop.add_callback(log.append, "other")
    settle(io_loop, old())
    assert log == ["old", "other", "old"]


def test_a_moment_can_be_awaited_in_an_awaitable_of_generators(io_loop: IOLoop):
    class Twice:
        def __await__(self) -> Any:
            yield from moment
            yield from moment
            return 2

    async def wait() -> int:
        return await Twice()

    assert settle(io_loop, start(wait())) == 2


def test_sleep_is_done_after_so_many_seconds_and_not_before(fake: tuple[IOLoop, FakePoller]):
    loop, poller = fake
    began = poller.clock()

    async def nap() -> float:
        await sleep(60)
        return poller.clock() - began

    assert run(loop, nap(), seconds=1000) == 60
    assert poller.sleeps.count(60.0) == 1  # one sleep of a minute, not a minute of looking


# ---- with_timeout ----


def test_who_is_in_time_has_his_result_and_the_timeout_is_forgotten(
    fake: tuple[IOLoop, FakePoller],
):
    loop, poller = fake
    span = datetime.timedelta(seconds=10)
    assert run(loop, _await(gen.with_timeout(span, sleep(3)))) is None
    assert poller.clock() == 1003
    with pytest.raises(KeyError):
        run(loop, _await(gen.with_timeout(span, failed(KeyError()))))
    assert loop._seconds_to_sleep() is None


def test_who_is_late_gets_a_timeout_error(fake: tuple[IOLoop, FakePoller]):
    loop, poller = fake
    never: Future[int] = Future()
    with pytest.raises(TimeoutError, match="Timeout"):
        run(loop, _await(gen.with_timeout(loop.time() + 7, never)), seconds=100)
    assert poller.clock() == 1007
    never.set_result(1)  # goes on unwatched, and that is no error


def test_a_coroutine_is_started_and_may_be_timed_too(fake: tuple[IOLoop, FakePoller]):
    loop, _poller = fake

    async def work() -> int:
        await sleep(1)
        return 5

    assert run(loop, _await(gen.with_timeout(datetime.timedelta(seconds=2), work()))) == 5


def test_what_it_raises_after_the_timeout_is_logged_unless_it_is_quiet(
    fake: tuple[IOLoop, FakePoller],
):
    loop, _poller = fake
    for quiet, required in (((), True), (KeyError, False), ((KeyError, OSError), False)):
        late: Future[int] = Future()
        with pytest.raises(TimeoutError):
            run(
                loop,
                _await(gen.with_timeout(loop.time() + 1, late, quiet_exceptions=quiet)),
                seconds=100,
            )
        with ExpectLog(app_log, "Exception in Future .* after timeout", required) as log:
            late.set_exception(KeyError())
        assert log.matched == required




@pytest.mark.parametrize("wait", ["with_timeout", "multi"])
def test_nothing_of_ours_is_touched_in_the_thread_that_resolves(io_loop: IOLoop, wait: str):
    threads = []

    def note(future: Future[Any]) -> None:
        threads.append(threading.get_ident())

    theirs: Any = concurrent.futures.Future()
    if wait == "multi":
        ours = multi([theirs])
    else:
        ours = gen.with_timeout(datetime.timedelta(seconds=5), theirs)
    ours.add_done_callback(note)
    thread = threading.Thread(target=theirs.set_result, args=(1,))
    thread.start()
    thread.join()
    assert not ours.done()  # not before the loop has turned
    assert settle(io_loop, ours) in (1, [1])
    assert threads == [threading.get_ident()]


async def _await(future: Future[Any]) -> Any:
    return await future


def test_the_deadline_of_a_test_is_kept(io_loop: IOLoop):
    # The helper itself: a loop that hangs is a failure with a name, and not an Exception that
    # the loop would log.
    hangs = pytest.raises(pytest.fail.Exception, match=r"the loop hangs: not done after 0\.05 s")
    with hangs, deadline(0.05, "the loop"):
        io_loop.start()
