"""Pollers: ask the kernel which fds are ready.

One question, "whom of these can I read from or write to without waiting?", and several
kernels' ways to ask it.  All have the same four methods (and `close`, `fileno`):

    register(fd, events)     watch fd
    modify(fd, events)       watch it for something else
    unregister(fd)           forget it
    poll(seconds)            sleep until one is ready -> [(fd, events), ...]

`events` is a bit mask of READ, WRITE and ERROR.  All are *level-triggered*: they say what is
so now, every time they are asked, not what has changed since the last time.
Another poller, scripted, is in tests/doubles.py: no kernel, no time, every race on demand.

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


class SelectorPoller:
    """Everywhere else: kqueue on BSD and macOS, select on Windows, by the standard library's hand.

    Who watches for errors alone isn't told of them: selectors know reading and writing.
    """

    def __init__(self) -> None:
        import selectors

        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, int] = {}

    def register(self, fd: int, events: int) -> None:
        if fd in self._watched:
            raise FileExistsError(f"fd {fd} is watched already")
        if events & (READ | WRITE):
            self._selector.register(fd, events & READ | (events & WRITE) >> 1)  # theirs are 1 and 2
        self._watched[fd] = events

    def modify(self, fd: int, events: int) -> None:
        self.unregister(fd)
        self.register(fd, events)

    def unregister(self, fd: int) -> None:
        if self._watched.pop(fd) & (READ | WRITE):
            self._selector.unregister(fd)

    def poll(self, seconds: float | None) -> list[tuple[int, int]]:
        ready = self._selector.select(seconds)
        return [(key.fd, events & READ | (events & 2) << 1) for key, events in ready]

    def close(self) -> None:
        self._selector.close()

    def fileno(self) -> int:
        return -1


def best_poller() -> Poller:
    """Make the best poller that this kernel has."""
    if sys.platform == "linux":
        return EpollPoller()
    return SelectorPoller()  # pragma: no cover  (not Linux)
