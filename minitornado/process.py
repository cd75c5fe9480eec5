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

import os
import signal
import sys

from .ioloop import IOLoop
from .log import gen_log

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}  # sent to the parent, they are meant for all

_task_id: int | None = None


def cpu_count() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
    global _task_id
    assert _task_id is None, "fork_processes() was called before, in this process or its parent"
    if num_processes is None or num_processes <= 0:
        num_processes = cpu_count()
    if IOLoop.initialized() or IOLoop.current(instance=False) is not None:
        raise RuntimeError(
            "Cannot run in multiple processes: IOLoop instance has already been initialized. "
            "You cannot call IOLoop.instance() or IOLoop.current() before calling fork_processes()"
        )
    gen_log.info("Starting %d processes", num_processes)
    # A script in the background is to ignore SIGINT, say.  Blocked, it would wait all the same.
    stop_signals = {each for each in STOP_SIGNALS if signal.getsignal(each) != signal.SIG_IGN}
    # Blocked, a signal waits: in the parent until it asks for it, in a child until the child is
    # out of here.  So none can strike between a fork and the moment when both know of it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*stop_signals, signal.SIGCHLD})
    # Who ignores SIGCHLD is not told, and some systems take the default for that.
    on_child = signal.signal(signal.SIGCHLD, lambda signum, frame: None)
    try:
        _task_id = number = _Family(num_processes, max_restarts, stop_signals).run()
        return number
    finally:
        signal.signal(signal.SIGCHLD, on_child or signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _Family:
    """The parent's view of its children: who they are, and what to do when one is gone."""

    def __init__(
        self, num_processes: int, max_restarts: int, stop_signals: set[signal.Signals]
    ) -> None:
        self._missing = list(range(num_processes))  # the numbers that nobody has
        self._restarts_left = max_restarts
        self._stop_signals = stop_signals
        self._children: dict[int, int] = {}  # pid -> number
        self._stopping: int | None = None  # the signal that told us to
        self._failure: Exception | None = None

    def run(self) -> int:
        """Fork all; return in a child.  The parent watches, and exits."""
        while self._missing or self._children:
            if not self._missing or self._told_to_stop():
                self._handle_signal(signal.sigwait({*self._stop_signals, signal.SIGCHLD}))
                continue
            number = self._missing.pop(0)
            try:
                pid = os.fork()
            except OSError as error:  # no more processes: no half a family
                self._failure = error
                self._stop(signal.SIGTERM)
            else:
                if pid == 0:
                    return number
                self._children[pid] = number
        if self._failure is not None:
            raise self._failure
        if self._stopping is not None:
            # Die of the same signal, once it is not blocked any more, so that a shell or
            # supervisor sees what happened.
            signal.signal(self._stopping, signal.SIG_DFL)
            os.kill(os.getpid(), self._stopping)
        # Everybody has ended well.  What follows fork_processes() is the children's to run.
        sys.exit(0)

    def _told_to_stop(self) -> bool:
        return self._stopping is not None or bool(signal.sigpending() & self._stop_signals)

    def _stop(self, signum: int) -> None:
        """Pass a signal on to all, and fork nobody any more."""
        self._stopping = signum
        self._missing.clear()
        for pid in self._children:  # dead or alive: until we have waited for it, the pid is its own
            os.kill(pid, signum)

    def _handle_signal(self, signum: int) -> None:
        if signum != signal.SIGCHLD:
            return self._stop(signum)
        # One signal may stand for several children, or for one of somebody else's making.
        for pid in list(self._children):
            gone, status = os.waitpid(pid, os.WNOHANG)
            if gone:
                self._bury(pid, os.waitstatus_to_exitcode(status))

    def _bury(self, pid: int, code: int) -> None:
        """Report a child that is gone; unless it has ended well, its number is missing again."""
        number = self._children.pop(pid)
        if code == 0:
            return gen_log.info("child %d (pid %d) exited normally", number, pid)
        how = f"killed by signal {-code}" if code < 0 else f"exited with status {code}"
        restarting = "" if self._told_to_stop() else ", restarting"
        gen_log.warning("child %d (pid %d) %s%s", number, pid, how, restarting)
        if restarting and self._restarts_left == 0:
            self._failure = RuntimeError("Too many child restarts, giving up")
            self._stop(signal.SIGTERM)
        elif restarting:
            self._restarts_left -= 1
            self._missing.append(number)
