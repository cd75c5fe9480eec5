"""Coroutines on the loop: what turns `await future` into callbacks.

    async def            Runner                      Future             IOLoop
    ─────────            ──────                      ──────             ──────
    await future  ──>    add_future(future, run) ──> keeps run
       (asleep)                                      set_result(17) ──> add_callback(run)
                         run  <───────────────────────────────────────  next turn
    goes on with 17 <──  send

A coroutine runs by itself up to its first `await` of a Future that is pending.  Then a
Runner takes over: it gives the Future a callback, and the loop its thread back.

Tornado 4.4: tornado/gen.py.  Left out: `engine`, `Task`, `Callback`/`Wait`, `WaitIterator` and
the rest of the older ways to wait; `multi` takes lists and dicts of Futures, as there.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Coroutine, Generator
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

from .concurrent import Future, chain_future, is_future
from .ioloop import IOLoop
from .ioloop import TimeoutError as TimeoutError
from .log import app_log
from .util import timedelta_to_seconds

T = TypeVar("T")
P = ParamSpec("P")

Steps = Coroutine[Any, Any, T] | Generator[Any, Any, T]


class BadYieldError(Exception):
    """A coroutine waits for something that nobody can resolve."""


class Return(Exception):
    """Raised by a generator to end with a value: `return` with one does the same today."""

    def __init__(self, value: object = None) -> None:
        super().__init__()
        self.value = value
        self.args = (value,)


class Runner:
    """Drives one coroutine from Future to Future, until it returns or raises.

    Starts at once, up to the first wait.  `result_future` gets what the coroutine returns.
    Tornado 4.4: gen.Runner.
    """

    __slots__ = ("_coroutine", "_io_loop", "result_future")

    def __init__(
        self, coroutine: Steps[T], result_future: Future[T], io_loop: IOLoop | None = None
    ) -> None:
        self._coroutine = coroutine
        self._io_loop: IOLoop = io_loop or IOLoop.current()
        self.result_future = result_future
        self.run()

    def run(self, awaited: Any = None) -> None:
        """Go on with the outcome of `awaited`, up to the next Future that is pending."""
        while True:
            try:
                yielded = self._step(awaited)
            except (StopIteration, Return) as stop:
                return self.result_future.set_result(stop.value)  # type: ignore[arg-type]
            except Exception as error:
                return self.result_future.set_exception(_without_runner(error))
            awaited = yielded if isinstance(yielded, Future) else self._convert(yielded)
            if awaited is moment or not awaited.done():
                # A turn of its own: it goes on with an empty stack, and nobody who resolves
                # a Future runs the code of everybody who waits for it.
                return self._io_loop.add_future(awaited, self.run)

    def _step(self, awaited: Any) -> Any:
        """Let the coroutine run to its next wait; return what it waits for."""
        if awaited is None:
            return self._coroutine.send(None)
        try:
            error = awaited.exception()
        except Exception as cancelled:  # only a Future of another thread can be
            error = cancelled
        if error is None:
            return self._coroutine.send(awaited.result())
        # Outside of `except`: in it, whatever the coroutine raises from here on would be said
        # to have happened "during handling of" an exception that it has long dealt with.
        return self._coroutine.throw(error)

    def _convert(self, yielded: Any) -> Future[Any]:
        try:
            return convert_yielded(yielded)
        except BadYieldError as error:  # told to the coroutine, at the line that waits
            future: Future[Any] = Future()
            future.set_exception(error)
            return future


def _without_runner(error: Exception) -> Exception:
    """Take the frames of `run` and `_step` off the front of the traceback.

    They would keep the Runner, which keeps the Future, which keeps the exception, which keeps
    them: a circle that only the garbage collector ends.  (Since Python 3.12 a coroutine's frame
    keeps its callers by itself, so there the collector is needed all the same.)
    """
    run = error.__traceback__
    assert run is not None and run.tb_next is not None
    return error.with_traceback(run.tb_next.tb_next)


def coroutine(func: Callable[P, Any]) -> Callable[P, Future[Any]]:
    """Turn a function that yields Futures (or an `async def`) into one that returns a Future.

    It starts when called, not when awaited.  Tornado 4.4: gen.coroutine; new code says
    `async def`, which is awaited directly where the caller is one too.
    """

    @functools.wraps(func)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            result = func(*args, **kwargs)
        except Return as stop:  # a plain function may raise it too
            future.set_result(stop.value)
        except Exception as error:
            future.set_exception(error)
        else:
            if isinstance(result, (types.GeneratorType, types.CoroutineType)):
                Runner(result, future)
            else:
                future.set_result(result)
        return future

    return wrapper


def convert_yielded(yielded: Any) -> Future[Any]:
    """Return the Future that stands for `yielded`: itself, a started coroutine, or a `multi`.

    Raises BadYieldError for anything that can't be waited for.  Tornado 4.4: convert_yielded.
    """
    future: Future[Any] = Future()
    if isinstance(yielded, types.CoroutineType):
        Runner(yielded, future)
    elif is_future(yielded):
        return yielded  # type: ignore[no-any-return]
    elif isinstance(yielded, (list, dict)):
        return multi(yielded)
    elif hasattr(yielded, "_asyncio_future_blocking"):  # asyncio's own mark of its Futures
        raise BadYieldError(f"can't wait for {yielded!r}: it belongs to a loop of asyncio")
    elif hasattr(yielded, "__await__"):
        Runner(yielded.__await__(), future)
    elif yielded is None:
        return moment
    else:
        raise BadYieldError(f"can't wait for {yielded!r}: it is no Future and no coroutine")
    return future


# Handed down: the loop starts callbacks that are `async def` with it, and knows no coroutines.
IOLoop.convert_yielded = staticmethod(convert_yielded)


def maybe_future(x: Any) -> Future[Any]:
    """Return `x` if it is a Future, or else a Future that is done, with `x` as its result."""
    if is_future(x):
        return x  # type: ignore[no-any-return]
    future: Future[Any] = Future()
    future.set_result(x)
    return future


def multi(
    children: list[Any] | dict[Any, Any],
    quiet_exceptions: type[Exception] | tuple[type[Exception], ...] = (),
) -> Future[Any]:
    """Wait for all of `children`, which run side by side; resolve with a list, or dict, of results.

    The first exception is the result's; the others are logged, unless quiet.
    """
    keys = list(children) if isinstance(children, dict) else None
    values = list(children.values()) if isinstance(children, dict) else children
    futures = [convert_yielded(value) for value in values]
    result: Future[Any] = Future()
    waiting = set(futures)

    def finish() -> None:
        results = []
        for future in futures:
            try:
                results.append(future.result())
            except Exception as error:
                if not result.done():
                    result.set_exception(error)
                elif not isinstance(error, quiet_exceptions):
                    app_log.error("Multiple exceptions in yield list", exc_info=True)
        if not result.done():
            result.set_result(results if keys is None else dict(zip(keys, results, strict=True)))

    def child_done(future: Future[Any]) -> None:
        waiting.discard(future)
        if not waiting:
            finish()

    if not futures:
        finish()
    for future in list(waiting):
        _when_done(future, child_done)
    return result


def _when_done(future: Any, callback: Callable[[Any], object], io_loop: Any = None) -> None:
    """Call `callback(future)` when `future` is done, in this thread.

    A Future of `concurrent.futures` calls back in the thread that resolves it, where nothing
    of ours may be touched: it goes through the loop.
    """
    if isinstance(future, Future):
        future.add_done_callback(callback)
    else:
        (io_loop or IOLoop.current()).add_future(future, callback)


class _Moment(Future[None]):
    """Done, and waited for all the same: see `moment`."""

    __slots__ = ()

    def __await__(self) -> Generator[Future[None], Any, None]:
        yield self

    __iter__ = __await__


#: `await moment` gives everybody else one turn of the loop.  Tornado 4.4: gen.moment.
moment = _Moment()
moment.set_result(None)


def sleep(duration: float) -> Future[None]:
    """Return a Future that is done after `duration` seconds.  The loop goes on meanwhile."""
    future: Future[None] = Future()
    IOLoop.current().call_later(duration, future.set_result, None)
    return future


def with_timeout(
    timeout: float | timedelta,
    future: Any,
    io_loop: IOLoop | None = None,
    quiet_exceptions: type[Exception] | tuple[type[Exception], ...] = (),
) -> Future[Any]:
    """Wait for `future` until `timeout`: a deadline on the loop's clock, or a timedelta from now.

    After it the result is TimeoutError, and `future` goes on unwatched: nothing is cancelled.
    What it raises later is logged, unless it is one of `quiet_exceptions`.
    Tornado 4.4: gen.with_timeout.
    """
    loop: IOLoop = io_loop or IOLoop.current()
    waited = convert_yielded(future)
    result: Future[Any] = Future()

    def log_late_error(future: Future[Any]) -> None:
        try:
            future.result()
        except quiet_exceptions:
            pass
        except Exception:
            app_log.error("Exception in Future %r after timeout", future, exc_info=True)

    def timed_out() -> None:
        result.set_exception(TimeoutError("Timeout"))
        _when_done(waited, log_late_error, loop)

    def done(future: Any) -> None:
        loop.remove_timeout(handle)
        chain_future(future, result)

    if isinstance(timeout, timedelta):
        timeout = loop.time() + timedelta_to_seconds(timeout)
    handle = loop.add_timeout(timeout, timed_out)
    _when_done(waited, done, loop)
    return result
