"""IOLoop: the one thread that waits for everybody.

    add_callback ──> callbacks ─┐
    call_later ────> timeouts ──┤   work: run what is waiting and what is due
                                ▼
                    ┌──────── a turn ────────┐
                    ▼                        │
    add_handler ──> poll: sleep until an fd is ready, a timeout is due, or somebody wakes us
                    │                        │
                    └─> handlers of the ready fds ──> (they queue callbacks for the next turn)

All code of a program that serves with this loop is called from here: a *callback* once, on
a later turn; a *timeout* is a callback with a deadline; a *handler* is called every time its
fd is ready.  One thing runs at a time, to its end.  What runs long keeps everybody waiting.

Tornado 4.4: tornado/ioloop.py, where IOLoop and PollIOLoop are one class here.  Left out:
`Configurable`, stack contexts, `set_blocking_signal_threshold` and the other SIGALRM helpers.
The clock is monotonic by default; Tornado 4's was `time.time`, whose jumps moved every timeout.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import heapq
import itertools
import math
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Protocol, TypeVar

from . import poller
from .concurrent import Future, is_future
from .log import app_log, gen_log
from .util import timedelta_to_seconds
from .waker import Waker

T = TypeVar("T")

# Dead entries stay in the heap until this many are there and they are more than half of it.
# Taking one out at once would mean searching for it: with 100,000 pending, 100,000 looks.
MAX_CANCELLED_TIMEOUTS = 512

# A deadline so far ahead was not read off a monotonic clock, but off time.time().
FAR_FUTURE_SECONDS = 10 * 365 * 24 * 3600


class TimeoutError(Exception):
    """An operation took longer than it was given.  Tornado 4.4: ioloop.TimeoutError."""


class HasFileno(Protocol):
    """A socket, a file: what owns an fd."""

    def fileno(self) -> int: ...
    def close(self) -> None: ...


Handler = Callable[[Any, int], object]


class IOLoop:
    """A loop of turns: run callbacks and due timeouts, sleep in poll, run ready fds' handlers.

    One a thread.  `add_callback` is the one method that other threads and signal handlers
    may call.  `poller` and `time_func` are handed in by tests, which script both.
    """

    NONE = poller.NONE
    READ = poller.READ
    WRITE = poller.WRITE
    ERROR = poller.ERROR

    _instance: ClassVar[IOLoop | None] = None
    _instance_lock: ClassVar[threading.Lock] = threading.Lock()
    _current: ClassVar[threading.local] = threading.local()

    # What makes a Future of an awaitable: `gen.convert_yielded`.  `gen` stands above this
    # module, since it asks for the current loop; so it hands its function down to us.
    convert_yielded: ClassVar[Callable[[Any], Future[Any]]]

    # ---- which loop ----

    @staticmethod
    def instance() -> IOLoop:
        """Return the process's loop, made when first asked for.  See `current`."""
        if IOLoop._instance is None:
            with IOLoop._instance_lock:  # two threads may ask first at the same time
                if IOLoop._instance is None:
                    IOLoop._instance = IOLoop()
        return IOLoop._instance

    @staticmethod
    def initialized() -> bool:
        """Tell whether the process's loop has been made."""
        return IOLoop._instance is not None

    def install(self) -> None:
        """Make this the process's loop, in place of one made by `instance`."""
        assert not IOLoop.initialized(), "IOLoop.instance() has already made another loop"
        IOLoop._instance = self

    @staticmethod
    def clear_instance() -> None:
        """Forget the process's loop."""
        IOLoop._instance = None

    @staticmethod
    def current(instance: bool = True) -> Any:
        """Return this thread's loop: the one that runs in it, or was made current in it.

        Without one: the process's loop (`instance`), or None if `instance` is False.
        """
        current = getattr(IOLoop._current, "instance", None)
        return IOLoop.instance() if current is None and instance else current

    def make_current(self) -> None:
        """Make this the loop of the calling thread."""
        IOLoop._current.instance = self

    @staticmethod
    def clear_current() -> None:
        """Leave the calling thread without a loop."""
        IOLoop._current.instance = None

    def __init__(
        self, make_current: bool | None = None, poller: poller.Poller | None = None,
        time_func: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        """Make a loop, and make it current: always (True: there must be no other), never (False),
        or if the thread has no other (None).
        """
        current = IOLoop.current(instance=False)
        if make_current and current is not None:
            raise RuntimeError("this thread has a current IOLoop already: clear_current() first")
        self._poller = _best_poller() if poller is None else poller
        self._time_func = time_func or time.monotonic
        self._handlers: dict[int, tuple[Any, Handler]] = {}
        self._events: dict[int, int] = {}  # reported by the last poll, not handled yet
        self._unknown: set[int] = set()  # fds reported that have no handler
        self._callbacks: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._timeouts: list[tuple[float, int, _Timeout]] = []  # a heap
        self._due: deque[_Timeout] = deque()  # taken off it, to be run in this turn
        self._far_future = self.time() + FAR_FUTURE_SECONDS
        self._timeout_counter = itertools.count()
        self._cancelled_timeouts = 0
        self._running = False
        self._stopped = False
        self._closing = False
        self._asleep = False  # in poll, or so near to it that only the waker helps
        self._pid = os.getpid()
        self._waker = Waker()
        self.add_handler(self._waker.fileno(), self._handle_wake, self.READ)
        if make_current or (make_current is None and current is None):
            self.make_current()

    # ---- the ring ----

    def start(self) -> None:
        """Turn until `stop`; all code of the program runs inside this call.

        Returns at once if `stop` was called before.  Tornado 4.4: PollIOLoop.start.
        """
        self._check_startable()
        if self._stopped:
            self._stopped = False
            return
        previous = IOLoop.current(instance=False)
        self.make_current()
        self._running = True
        # A signal that comes just before poll interrupts nothing; a byte in the waker does.
        wakeup_fd = _set_wakeup_fd(self._waker.write_fileno())
        try:
            while True:
                self._work()
                if not self._running:  # asked to stop: what was waiting has run, so don't sleep
                    break
                self._wait()
        finally:
            # Also on Ctrl-C, so that a loop in a notebook cell can be started again.
            self._running = self._stopped = self._asleep = False
            _set_wakeup_fd(wakeup_fd)
            IOLoop._current.instance = previous

    def _work(self) -> None:
        """Run the callbacks that wait now and the timeouts that are due now."""
        # Both are counted before either runs.  What runs here may schedule more; that is for
        # the next turn, or a callback that adds itself again would keep us from the sockets.
        if self._timeouts:
            self._due += self._pop_due_timeouts()
        for _ in range(len(self._callbacks)):
            callback, args = self._callbacks.popleft()
            self._run(callback, args)
        while self._due:  # taken one by one: what Ctrl-C leaves is run when we are started again
            timeout = self._due.popleft()
            if timeout.callback is not None:  # asked only now: a callback may have removed it
                self._run(timeout.callback)
                timeout.callback = None  # let go of it, and make removing it later do nothing

    def _wait(self) -> None:
        """Sleep until there is something to do, then run the handlers of the ready fds."""
        # Raise the flag first, look for work second.  add_callback does the reverse: append
        # first, look at the flag second.  Whoever comes second sees the other, so no callback
        # of another thread is left behind by a loop that goes to sleep.
        self._asleep = True
        ready = self._poller.poll(0.0 if self._callbacks else self._seconds_to_sleep())
        self._asleep = False

        # One fd at a time, off a dict that remove_handler edits too: an earlier handler may
        # close a later fd, whose number may belong to a new connection by the time we get
        # there.  popitem takes the last, so reversed() keeps the kernel's order.
        if ready:
            self._events.update(reversed(ready))
        while self._events:
            fd, events = self._events.popitem()
            fileobj, handler = self._handlers.get(fd) or (fd, self._handle_unknown)
            self._run(handler, (fileobj, events))

    def _seconds_to_sleep(self) -> float | None:
        """How long poll may sleep, in seconds; None means until some fd is ready."""
        while self._timeouts and self._timeouts[0][2].callback is None:
            heapq.heappop(self._timeouts)  # removed: not worth waking for
            self._cancelled_timeouts -= 1
        if self._timeouts:
            return min(max(0.0, self._timeouts[0][0] - self.time()), poller.MAX_SECONDS)
        return None

    def _run(self, function: Callable[..., object], args: tuple[Any, ...] = ()) -> None:
        """Call into the program, and see to what it raises."""
        try:
            result = function(*args)
            if result is not None:
                self._watch_result(result)
        except Exception:
            # One broken callback must not take a thousand healthy connections with it.
            # KeyboardInterrupt is no Exception, and does stop us.
            self.handle_callback_exception(function)

    def _watch_result(self, result: object) -> None:
        """See to it that what an `async def` or a thread raises is logged, as any callback's is."""
        if isinstance(result, Awaitable) or is_future(result):
            future = IOLoop.convert_yielded(result)
            self.add_future(future, type(future).result)

    def handle_callback_exception(self, callback: Callable[..., object]) -> None:
        """Log the exception that `callback` raised; subclasses may do more.  Called in `except`."""
        app_log.error("Exception in callback %r", callback, exc_info=True)

    def stop(self) -> None:
        """Let `start` return, once the callbacks that wait now have run.

        Before `start`: the next `start` returns at once.  From another thread, use
        `add_callback(io_loop.stop)`.
        """
        self._running = False
        self._stopped = True
        self._waker.wake()

    def close(self, all_fds: bool = False) -> None:
        """Give the loop's own fds back; with `all_fds`, close those of all handlers as well.

        The loop must be stopped, and can't be used afterwards.
        """
        assert not self._running, "stop() the loop, and let start() return, before close()"
        self._closing = True
        self.remove_handler(self._waker.fileno())
        if all_fds:
            for fileobj, _handler in list(self._handlers.values()):
                self.close_fd(fileobj)
        self._waker.close()
        self._poller.close()
        self._handlers.clear()
        self._callbacks = deque(maxlen=0)  # other threads may go on adding: to nothing
        self._timeouts.clear()
        self._due.clear()
        if IOLoop.current(instance=False) is self:
            IOLoop.clear_current()

    def _check_startable(self) -> None:
        if self._running:
            raise RuntimeError("this IOLoop is running already")
        if self._closing:
            raise RuntimeError("this IOLoop is closed: make a new one")
        if self._pid != os.getpid():
            # epoll's set belongs to the open file, which parent and child share: each would
            # be woken for, and change, the other's connections.
            raise RuntimeError("this IOLoop was made before fork(): make one in each child")

    # ---- callbacks ----

    def add_callback(self, callback: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Call `callback(*args, **kwargs)` on the next turn; never before this call returns.

        Safe from any thread, and from a signal handler.  `callback` may be an `async def`.
        """
        if kwargs:
            callback = functools.partial(callback, **kwargs)
        # No lock: append and popleft of a deque are atomic, and a signal handler that met a
        # lock held by the code it interrupted would wait for ever.
        self._callbacks.append((callback, args))
        if self._asleep:
            self._waker.wake()

    # The same from a signal handler, under Tornado's name; there, locks made the difference.
    add_callback_from_signal = add_callback

    # And for "fire and forget"; there, stack contexts made the difference.
    spawn_callback = add_callback

    def add_future(self, future: Any, callback: Callable[[Any], object]) -> None:
        """Call `callback(future)` on a turn of its own, once `future` is done.

        A Future calls back at once, on the stack of whoever resolves it.  This is the bounce
        that makes it "later": an empty stack, and a place where exceptions are logged.
        """
        future.add_done_callback(_Later((self, callback)))

    def run_sync(self, func: Callable[[], Any], timeout: float | None = None) -> Any:
        """Start the loop, run `func()`, wait for what it returns, stop; return or raise its result.

        `func` may be an `async def`.  `timeout`, in seconds, raises TimeoutError.
        """
        self._check_startable()  # before anything is queued, which a loop that runs would run
        outcome: list[Future[Any]] = []

        def run() -> None:
            future: Any = Future()
            try:
                result = func()
                if is_future(result) or isinstance(result, (Awaitable, list, dict)):
                    future = IOLoop.convert_yielded(result)
                else:
                    future.set_result(result)
            except Exception as error:
                future.set_exception(error)
            outcome.append(future)
            self.add_future(future, done)

        def done(future: Future[Any]) -> None:
            if waiting:  # what is done after its time must not stop a later run
                self.stop()

        waiting = True
        self.add_callback(run)
        handle = None if timeout is None else self.call_later(timeout, self.stop)
        try:
            self.start()
        finally:
            waiting = False
            if handle is not None:
                self.remove_timeout(handle)
        if not outcome or not outcome[0].done():
            raise TimeoutError(f"Operation timed out after {timeout} seconds")
        return outcome[0].result()

    # ---- timeouts ----

    def time(self) -> float:
        """Return the loop's time, in seconds: deadlines are on this clock, which never jumps."""
        return self._time_func()

    def add_timeout(
        self, deadline: float | datetime.timedelta, callback: Callable[..., object],
        *args: Any, **kwargs: Any,
    ) -> object:  # fmt: skip
        """Call back at `deadline` (a number, on the loop's clock) or after it (a timedelta)."""
        if isinstance(deadline, datetime.timedelta):
            return self.call_later(timedelta_to_seconds(deadline), callback, *args, **kwargs)
        if not isinstance(deadline, (int, float)):
            raise TypeError(f"a deadline is a number or a timedelta, not {deadline!r}")
        return self.call_at(deadline, callback, *args, **kwargs)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, **kwargs: Any
    ) -> object:
        """Call back after `delay` seconds, never earlier; return a handle for `remove_timeout`."""
        return self.call_at(self.time() + delay, callback, *args, **kwargs)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, **kwargs: Any
    ) -> object:
        """Call back at `when`, seconds on the loop's clock; return a handle for `remove_timeout`.

        Timeouts with the same deadline run in the order in which they were added.
        """
        # Nor is NaN before anything: at the head of the heap, it would let nobody else run.
        if not when <= self._far_future and when != math.inf:
            raise ValueError(
                "this deadline is years ahead, or not a number; deadlines are on the loop's clock: "
                "count from io_loop.time(), not from time.time()"
            )
        if args or kwargs:
            callback = functools.partial(callback, *args, **kwargs)
        timeout = _Timeout(callback)
        # The counter settles ties, and keeps heapq from comparing two _Timeouts.
        heapq.heappush(self._timeouts, (when, next(self._timeout_counter), timeout))
        return timeout

    def remove_timeout(self, timeout: object) -> None:
        """Forget a timeout; one that has run or was removed before is ignored."""
        assert isinstance(timeout, _Timeout), "remove_timeout() takes what call_later() returned"
        if timeout.callback is None:
            return
        # Marked, and left where it is: see MAX_CANCELLED_TIMEOUTS.
        timeout.callback = None
        self._cancelled_timeouts += 1
        if (
            self._cancelled_timeouts > MAX_CANCELLED_TIMEOUTS
            and self._cancelled_timeouts > len(self._timeouts) // 2
        ):
            self._timeouts = [entry for entry in self._timeouts if entry[2].callback is not None]
            heapq.heapify(self._timeouts)
            self._cancelled_timeouts = 0

    def _pop_due_timeouts(self) -> list[_Timeout]:
        """Take the timeouts off the heap whose time has come."""
        now = self.time()
        due = []
        while self._timeouts and self._timeouts[0][0] <= now:
            timeout = heapq.heappop(self._timeouts)[2]
            if timeout.callback is None:
                self._cancelled_timeouts -= 1
            else:
                due.append(timeout)
        return due

    # ---- handlers ----

    def add_handler(self, fd: int | HasFileno, handler: Handler, events: int) -> None:
        """Call `handler(fd, events)` every time that `fd` is ready for one of `events`.

        `fd` is a number or an object with `fileno()`; the handler gets what was given.
        ERROR is watched for in any case.
        """
        number, fileobj = self.split_fd(fd)
        self._poller.register(number, events | self.ERROR)
        self._handlers[number] = (fileobj, handler)

    def update_handler(self, fd: int | HasFileno, events: int) -> None:
        """Watch `fd` for other events from now on."""
        self._poller.modify(self.split_fd(fd)[0], events | self.ERROR)

    def remove_handler(self, fd: int | HasFileno) -> None:
        """Forget `fd`; what the last poll reported of it is not delivered any more."""
        number, _fileobj = self.split_fd(fd)
        self._handlers.pop(number, None)
        self._events.pop(number, None)
        try:
            self._poller.unregister(number)
        except (OSError, KeyError, ValueError):
            # Closed by somebody else before: the kernel has forgotten it by itself.
            gen_log.debug("Error deleting fd from IOLoop", exc_info=True)

    def split_fd(self, fd: int | HasFileno) -> tuple[int, Any]:
        """Return the number of `fd`, and `fd` as it was given."""
        return (fd, fd) if isinstance(fd, int) else (fd.fileno(), fd)

    def close_fd(self, fd: int | HasFileno) -> None:
        """Close `fd`, a number or an object; one that is closed already is ignored."""
        with contextlib.suppress(OSError):
            if isinstance(fd, int):
                os.close(fd)
            else:
                fd.close()

    def _handle_wake(self, fd: int, events: int) -> None:
        self._waker.consume()

    def _handle_unknown(self, fd: int, events: int) -> None:
        # A child process keeps a copy of an fd that was closed before it was removed: the
        # kernel goes on telling, at every turn, and nobody can make it stop.  One line will do.
        if fd not in self._unknown:
            self._unknown.add(fd)
            gen_log.error("fd %d is ready, and nobody handles it any more", fd)


def _set_wakeup_fd(fd: int) -> int:
    """Have signals write a byte to `fd`; return where they did before.  -1 is nowhere."""
    try:
        return signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    except OSError:
        return signal.set_wakeup_fd(-1)  # whose it was has closed it
    except ValueError:
        return -1  # not the main thread, which alone gets signals


def _best_poller() -> poller.Poller:
    return poller.best_poller()  # IOLoop.__init__ has a parameter of the module's name


class _Later(tuple[Any, ...]):
    """(io_loop, callback): a callable that puts `callback` off to a turn of its own.

    A partial would do.  But every connection that waits keeps one, and a tuple is far smaller.
    """

    __slots__ = ()

    def __call__(self, future: Any) -> None:
        io_loop, callback = self
        io_loop.add_callback(callback, future)


class _Timeout:
    """A callback with a deadline, as `call_at` returns it; `callback` is None once it is over."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[..., object]) -> None:
        self.callback: Callable[..., object] | None = callback


class PeriodicCallback:
    """Calls `callback` every `callback_time` *milliseconds* (Tornado's unit), once started.

    A call that would come while the previous one still holds the loop is skipped, not made
    up for.  Tornado 4.4: ioloop.PeriodicCallback.
    """

    def __init__(
        self, callback: Callable[[], object], callback_time: float, io_loop: IOLoop | None = None
    ) -> None:
        if callback_time <= 0:
            raise ValueError("Periodic callback must have a positive callback_time")
        self.callback = callback
        self.callback_time = callback_time
        self.io_loop: IOLoop = io_loop or IOLoop.current()
        self._next_timeout = 0.0
        self._timeout: object = None
        self._running = False

    def start(self) -> None:
        """Begin, or begin anew: the first call is one period from now."""
        self.stop()
        self._running = True
        self._next_timeout = self.io_loop.time()
        self._schedule_next()

    def stop(self) -> None:
        """Stop calling; `start` begins anew."""
        self._running = False
        if self._timeout is not None:
            self.io_loop.remove_timeout(self._timeout)
            self._timeout = None

    def is_running(self) -> bool:
        """Tell whether it has been started and not stopped."""
        return self._running

    def _run(self) -> None:
        self._timeout = None
        try:
            return self.callback()  # type: ignore[return-value]  # the loop minds an awaitable
        except Exception:
            self.io_loop.handle_callback_exception(self.callback)
        finally:
            if self._running and self._timeout is None:  # it may have stopped or started us
                self._schedule_next()

    def _schedule_next(self) -> None:
        # The next whole period after now, counted from the first: a late call makes no later
        # one late, and a clock that stood still doesn't cause a burst.
        period = self.callback_time / 1000.0
        now = self.io_loop.time()
        if self._next_timeout <= now:
            self._next_timeout += (math.floor((now - self._next_timeout) / period) + 1) * period
            if self._next_timeout <= now:  # by rounding
                self._next_timeout += period
        self._timeout = self.io_loop.call_at(self._next_timeout, self._run)
