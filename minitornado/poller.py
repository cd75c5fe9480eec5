"""Pollers: ask the kernel which fds are ready.

One question, "whom of these can I read from or write to without waiting?", and three
kernels' ways to ask it.  All have the same four methods (and `close`, `fileno`):

    register(fd, events)     watch fd
    modify(fd, events)       watch it for something else
    unregister(fd)           forget it
    poll(seconds)            sleep until one is ready -> [(fd, events), ...]

`events` is a bit mask of READ, WRITE and ERROR.  All three are *level-triggered*: they say
what is so now, every time they are asked, not what has changed since the last time.
A fourth poller, scripted, is in tests/doubles.py: no kernel, no time, every race on demand.

Tornado 4.4: tornado/platform/epoll.py, kqueue.py, select.py, chosen by `Configurable`.
"""

from __future__ import annotations

import select
import sys
from typing import Protocol

# The numbers are epoll's own, so that EpollPoller hands masks through untranslated.
NONE = 0
READ = 0x001  # EPOLLIN
WRITE = 0x004  # EPOLLOUT
ERROR = 0x008 | 0x010  # EPOLLERR | EPOLLHUP; epoll reports these whether asked or not

# A kernel counts in milliseconds, in 31 bits: a timeout 25 days ahead is more than it can sleep.
# It may be asked again: a poll that returns early finds nothing due, and the loop turns once more.
MAX_SECONDS = 24 * 3600.0


class Poller(Protocol):
    """What IOLoop asks of a poller."""

    def register(self, fd: int, events: int) -> None:
        """Watch `fd`; raises FileExistsError if it is watched already."""

    def modify(self, fd: int, events: int) -> None:
        """Watch `fd` for other events; raises OSError (or KeyError) if it is not watched."""

    def unregister(self, fd: int) -> None:
        """Forget `fd`; raises OSError (or KeyError) if it is not watched."""

    def poll(self, seconds: float | None) -> list[tuple[int, int]]:
        """Sleep until an fd is ready; at most `seconds`, which are at most MAX_SECONDS, or for ever
        (None).  Say which are ready: none, if it returns early.
        """

    def close(self) -> None:
        """Give the kernel's object back."""

    def fileno(self) -> int:
        """The poller's own fd, or -1 where it has none."""


if sys.platform == "linux":

    class EpollPoller:
        """Linux.  The kernel keeps the set of fds: asking costs the same for 10 and for 10,000."""

        def __init__(self) -> None:
            self._epoll = select.epoll()

        def register(self, fd: int, events: int) -> None:
            self._epoll.register(fd, events)

        def modify(self, fd: int, events: int) -> None:
            self._epoll.modify(fd, events)

        def unregister(self, fd: int) -> None:
            self._epoll.unregister(fd)

        def poll(self, seconds: float | None) -> list[tuple[int, int]]:
            return self._epoll.poll(seconds)

        def close(self) -> None:
            self._epoll.close()

        def fileno(self) -> int:
            return self._epoll.fileno()


if sys.platform not in ("linux", "win32"):  # pragma: no cover  (BSD and macOS only)

    class KqueuePoller:
        """BSD and macOS.  Reading and writing are two filters, each added and deleted by itself."""

        def __init__(self) -> None:
            self._kqueue = select.kqueue()
            self._watched: dict[int, int] = {}

        def register(self, fd: int, events: int) -> None:
            if fd in self._watched:
                raise FileExistsError(f"fd {fd} is watched already")
            self._control(fd, events, select.KQ_EV_ADD)
            self._watched[fd] = events

        def modify(self, fd: int, events: int) -> None:
            self.unregister(fd)
            self.register(fd, events)

        def unregister(self, fd: int) -> None:
            self._control(fd, self._watched.pop(fd), select.KQ_EV_DELETE)

        def _control(self, fd: int, events: int, flags: int) -> None:
            changes = []
            if events & WRITE:
                changes.append(select.kevent(fd, select.KQ_FILTER_WRITE, flags))
            # An fd watched for errors alone still needs a filter to report them through.
            if events & READ or not events & WRITE:
                changes.append(select.kevent(fd, select.KQ_FILTER_READ, flags))
            for change in changes:
                self._kqueue.control([change], 0)

        def poll(self, seconds: float | None) -> list[tuple[int, int]]:
            ready: dict[int, int] = {}
            for event in self._kqueue.control(None, 1000, seconds):
                fd = event.ident
                if event.filter == select.KQ_FILTER_READ:
                    ready[fd] = ready.get(fd, 0) | READ
                elif event.flags & select.KQ_EV_EOF:  # refused, or closed by the peer
                    ready[fd] = ready.get(fd, 0) | ERROR
                else:
                    ready[fd] = ready.get(fd, 0) | WRITE
            return list(ready.items())

        def close(self) -> None:
            self._kqueue.close()

        def fileno(self) -> int:
            return self._kqueue.fileno()


class SelectPoller:
    """Everywhere else.  The whole set is handed to the kernel at every call: slow beyond a few
    hundred fds, and fds above 1,023 can't be asked about at all."""

    def __init__(self) -> None:
        self._watched: dict[int, int] = {}

    def register(self, fd: int, events: int) -> None:
        if fd in self._watched:
            raise FileExistsError(f"fd {fd} is watched already")
        self._watched[fd] = events

    def modify(self, fd: int, events: int) -> None:
        self.unregister(fd)
        self.register(fd, events)

    def unregister(self, fd: int) -> None:
        del self._watched[fd]

    def poll(self, seconds: float | None) -> list[tuple[int, int]]:
        readers = [fd for fd, events in self._watched.items() if events & READ]
        writers = [fd for fd, events in self._watched.items() if events & WRITE]
        # A failed connect is an "exceptional condition" on Windows, plain writability elsewhere.
        watched = list(self._watched)
        readable, writable, failed = select.select(readers, writers, watched, seconds)
        ready: dict[int, int] = {}
        for fds, event in ((readable, READ), (writable, WRITE), (failed, ERROR)):
            for fd in fds:
                ready[fd] = ready.get(fd, 0) | event
        return list(ready.items())

    def close(self) -> None:
        self._watched.clear()

    def fileno(self) -> int:
        return -1


def best_poller() -> Poller:
    """Make the best poller that this kernel has."""
    if sys.platform == "linux":
        return EpollPoller()
    elif sys.platform != "win32":  # pragma: no cover  (BSD and macOS only)
        return KqueuePoller()
    else:  # pragma: no cover  (neither Linux nor BSD)
        return SelectPoller()
