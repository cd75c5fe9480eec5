"""Several processes that serve one port: `fork_processes`.

    parent ── fork ──> child 0 ─┐
           ── fork ──> child 1 ─┤  fork_processes() returns here, with the child's number;
           ── fork ──> child 2 ─┘  each makes a loop of its own, and accepts from the shared socket
       │
       └── waits for children that die, starts them again, and never returns

Fork first, make loops later: a loop's epoll set belongs to parent and child alike, and each
would be woken by the other's connections.

Tornado 4.4: tornado/process.py.  Left out: `Subprocess`, which serves no request.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Any

from .ioloop import IOLoop
from .log import gen_log

# Sent to the parent, they are meant for all.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_task_id: int | None = None


def cpu_count() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover  (macOS and Windows only)


def task_id() -> int | None:
    """Return the number of this child, 0 to n-1, or None if `fork_processes` did not make it."""
    return _task_id


def fork_processes(num_processes: int | None, max_restarts: int = 100) -> int:
    """Fork `num_processes` children (0 or None: one a core); return in each with its number.

    The parent stays here.  A child that dies of a signal or exits with a status other than
    0 is started again with the same number, `max_restarts` times in all; beyond, RuntimeError.
    When all have exited with 0, so does the parent.  SIGTERM and SIGINT to the parent are
    passed on to the children, and end it when they have ended.

    Raises RuntimeError if a loop exists already.  Tornado 4.4: process.fork_processes.
    """
    assert _task_id is None, "fork_processes() was called before, in this process or its parent"
    if num_processes is None or num_processes <= 0:
        num_processes = cpu_count()
    if IOLoop.initialized() or IOLoop.current(instance=False) is not None:
        raise RuntimeError(
            "Cannot run in multiple processes: IOLoop instance has already been initialized. "
            "You cannot call IOLoop.instance() or IOLoop.current() before calling fork_processes()"
        )
    gen_log.info("Starting %d processes", num_processes)
    return _Family(num_processes, max_restarts).start()


class _Family:
    """The parent's view of its children: who they are, and what to do when one is gone."""

    def __init__(self, num_processes: int, max_restarts: int) -> None:
        self._num_processes = num_processes
        self._restarts_left = max_restarts
        self._children: dict[int, int] = {}  # pid -> number
        self._stopping: int | None = None  # the signal that told us to
        self._handlers: dict[int, Any] = {
            signum: signal.getsignal(signum) for signum in STOP_SIGNALS
        }

    def start(self) -> int:
        """Fork all; return in a child.  The parent watches, and exits."""
        for signum in STOP_SIGNALS:
            signal.signal(signum, self._pass_on)
        try:
            for number in range(self._num_processes):
                if self._fork(number):
                    return number
            while self._children:
                again = self._wait_for_one()
                if again is not None and self._fork(again):
                    return again
        except Exception:
            if _task_id is None:  # too many restarts, or no more processes: no half a family
                self._end()
            raise
        if self._stopping is not None:
            # Die of the same signal, so that a shell or supervisor sees what happened.
            signal.signal(self._stopping, signal.SIG_DFL)
            os.kill(os.getpid(), self._stopping)
        # Everybody has ended well.  What follows fork_processes() is the children's to run.
        sys.exit(0)

    def _fork(self, number: int) -> bool:
        """Fork child `number`, unless we are told to stop; return True in it."""
        # Between fork() and the end of this function a signal would be lost: the parent does
        # not know the child's pid yet, and the child still has the parent's handler, which
        # would pass it on to others.  Blocked, it waits until both are ready for it.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            if self._stopping is not None:
                return False
            pid = os.fork()
            if pid == 0:
                self._become_child(number)
                return True
            self._children[pid] = number
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _become_child(self, number: int) -> None:
        global _task_id
        _task_id = number
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for signum, handler in self._handlers.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)

    def _end(self) -> None:
        """End all children, and wait for them."""
        self._pass_on(signal.SIGTERM, None)
        while self._children:
            self._wait_for_one()
        self._restore_handlers()

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        self._stopping = signum
        for pid in list(self._children):
            with contextlib.suppress(ProcessLookupError):  # it has just died; wait() will tell
                os.kill(pid, signum)

    def _wait_for_one(self) -> int | None:
        """Wait until a child is gone; return its number if it is to be started again."""
        pid, status = os.wait()
        number = self._children.pop(pid, None)
        if number is None:
            return None  # a child of somebody else's making
        restarting = ", restarting" if self._stopping is None else ""
        if os.WIFSIGNALED(status):
            gen_log.warning(
                "child %d (pid %d) killed by signal %d%s",
                number, pid, os.WTERMSIG(status), restarting,
            )  # fmt: skip
        elif os.WEXITSTATUS(status) != 0:
            gen_log.warning(
                "child %d (pid %d) exited with status %d%s",
                number, pid, os.WEXITSTATUS(status), restarting,
            )  # fmt: skip
        else:
            gen_log.info("child %d (pid %d) exited normally", number, pid)
            return None
        if self._stopping is not None:
            return None
        if self._restarts_left == 0:
            raise RuntimeError("Too many child restarts, giving up")
        self._restarts_left -= 1
        return number
