"""Future: a value to come, and who wants to know.

    the one who promises                  the one who waits
        future = Future()         ->          future.add_done_callback(callback)
        ...                                   ... or, in an `async def`: await future
        future.set_result(17)     ->          callback(future) runs, now, inside set_result

A Future here knows no loop.  It calls whoever waits at once, on the stack of the one who
resolves it.  What makes waiting asynchronous is `IOLoop.add_future`, which turns that call
into a callback on a later turn; so a coroutine is never resumed in the middle of somebody
else's function.

Tornado 4.4: tornado/concurrent.py, without executors (`run_on_executor`) and
`return_future`, which turned callback-taking functions into these.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Generic, TypeVar

from .log import app_log

T = TypeVar("T")

Callback = Callable[[Any], object]
ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


RESOLVED_TWICE = "this Future has a result or an exception already"


class InvalidStateError(Exception):
    """A Future was asked for its result before it had one, or was given a second one."""


class Future(Generic[T]):
    """A value to come: pending, then resolved by a result or an exception, once.

    Not thread-safe: resolve it in the thread of the loop whose coroutines wait for it
    (from elsewhere: `io_loop.add_callback(future.set_result, value)`).
    Tornado 4.4: concurrent.Future.
    """

    # Several are made for every request, and with slots they are smaller.
    __slots__ = ("__weakref__", "_callbacks", "_done", "_exception", "_result", "_unretrieved")

    def __init__(self) -> None:
        self._done = False
        self._result: T | None = None
        self._exception: BaseException | None = None
        # One, or a list of several.  There is mostly one, and a list of it would be kept for every
        # connection that waits.
        self._callbacks: Callback | list[Callback] | None = None
        self._unretrieved: _UnretrievedException | None = None

    def done(self) -> bool:
        """Tell whether there is a result or an exception."""
        return self._done

    def running(self) -> bool:
        """Tell the opposite of `done`."""
        return not self._done

    def cancel(self) -> bool:
        """Return False: a Future of this kind can't be cancelled.  As in Tornado."""
        return False

    def cancelled(self) -> bool:
        """Return False, see `cancel`."""
        return False

    def result(self, timeout: float | None = None) -> T:
        """Return the result, or raise the exception.

        Raises InvalidStateError while the Future is pending: waiting here would block the
        loop which is to bring the result.  `timeout` is accepted and ignored, as in Tornado.
        """
        if not self._done:
            raise InvalidStateError("this Future has no result yet: await it, or ask in a callback")
        if self._exception is not None:
            self._retrieve()
            try:
                raise self._exception
            finally:
                # The traceback, which the exception keeps, keeps this frame.  If that kept the
                # Future, which keeps the exception, then all that the coroutine holds would
                # stay until the garbage collector comes: stream, buffers and socket.
                del self
        return self._result  # type: ignore[return-value]  # None only where T allows it

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the exception, or None if there is a result.  Raises as `result` if pending."""
        if not self._done:
            raise InvalidStateError("this Future is not done yet: await it, or ask in a callback")
        if self._unretrieved is not None:
            self._retrieve()
        return self._exception

    def exc_info(self) -> ExcInfo | None:
        """Return the exception as `sys.exc_info` would, or None."""
        error = self.exception()
        return None if error is None else (type(error), error, error.__traceback__)

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Call `fn(future)` when the Future is done: inside `set_result`, or now if it is."""
        if self._done:
            fn(self)
        elif self._callbacks is None:
            self._callbacks = fn
        elif isinstance(self._callbacks, list):
            self._callbacks.append(fn)
        else:
            self._callbacks = [self._callbacks, fn]

    def set_result(self, result: T) -> None:
        """Resolve with `result`, and call everybody who waits before returning."""
        if self._done:
            raise InvalidStateError(RESOLVED_TWICE)
        self._result = result
        self._done = True
        if self._callbacks is not None:
            self._run_callbacks()

    def set_exception(self, exception: BaseException) -> None:
        """Resolve with `exception`, and call everybody who waits before returning.

        If nobody ever asks for it, it is logged when the Future goes away.
        """
        if self._done:
            raise InvalidStateError(RESOLVED_TWICE)
        self._exception = exception
        self._done = True
        self._unretrieved = _UnretrievedException(exception)
        if self._callbacks is not None:
            self._run_callbacks()

    def set_exc_info(self, exc_info: ExcInfo) -> None:
        """Resolve with the exception of `exc_info`, a triple as from `sys.exc_info`."""
        error = exc_info[1]
        assert error is not None, "set_exc_info() outside of an except block"
        self.set_exception(error.with_traceback(exc_info[2]))

    def __await__(self) -> Generator[Future[T], Any, T]:
        # A Future that is done is not waited for: the coroutine goes on at once, on the same
        # stack.  One that is pending is handed to the Runner, which comes back when it is done.
        try:
            if not self._done:
                yield self
            return self.result()
        finally:
            del self  # as in `result`

    __iter__ = __await__  # for generators: `result = yield from future`

    def _retrieve(self) -> None:
        """Somebody has asked: the exception is his now, and not to be logged."""
        if self._unretrieved is not None:
            self._unretrieved.exception = None
            self._unretrieved = None

    def _run_callbacks(self) -> None:
        callbacks: Any = self._callbacks
        self._callbacks = None
        # Not isinstance(), which is one more call for every request.
        for callback in callbacks if callbacks.__class__ is list else (callbacks,):
            try:
                callback(self)
            except Exception:  # one who waits must not keep the next one from being told
                app_log.exception("Exception in callback %r for %r", callback, self)

    def __repr__(self) -> str:
        if not self._done:
            state = "pending"
        elif self._exception is not None:
            state = f"exception={self._exception!r}"
        else:
            state = f"result={self._result!r:.60}"
        return f"<Future {state}>"


#: Another name in Tornado 4.4, for a Future that keeps a traceback; since exceptions do, each does.
TracebackFuture = Future


class _UnretrievedException:
    """Logs an exception that nobody asked for, when the Future that held it goes away.

    A `__del__` on Future itself would do the same, and every Future would pay for it; this
    object exists only where something failed.
    """

    def __init__(self, exception: BaseException) -> None:
        self.exception: BaseException | None = exception

    def __del__(self) -> None:
        if self.exception is not None and not sys.is_finalizing():
            text = "".join(traceback.format_exception(self.exception)).rstrip()
            app_log.error("Future exception was never retrieved: %s", text)


def is_future(x: object) -> bool:
    """Tell whether `x` is a Future, ours or one of `concurrent.futures`.

    The latter is told by its module, so that nobody pays for importing it.
    """
    return isinstance(x, Future) or any(
        base.__module__ == "concurrent.futures._base" and base.__name__ == "Future"
        for base in type(x).__mro__
    )


def chain_future(a: Future[T], b: Future[T]) -> None:
    """Resolve `b` as `a` is resolved, unless `b` is done by then.  Tornado 4.4: chain_future."""

    def copy(a: Future[T]) -> None:
        if b.done():
            return
        error = a.exception()
        if error is not None:
            b.set_exception(error)
        else:
            b.set_result(a.result())

    a.add_done_callback(copy)
