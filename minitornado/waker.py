"""Waker: gets a sleeping poller to return.

A loop that sleeps in the kernel sees nothing but fds.  So whoever wants to wake it, from
another thread or a signal handler, writes a byte into a pipe whose other end the loop
watches like any connection.

    another thread:  wake()  ->  one byte in the pipe  ->  the loop's poll returns
    the loop:        consume()   empties the pipe, so that the next poll may sleep

Tornado 4.4: tornado/platform/common.py (Waker over a socket pair) and posix.py (over a pipe).
"""

import contextlib
import socket


class Waker:
    """A pipe to oneself.  Both ends are non-blocking."""

    def __init__(self) -> None:
        # A socket pair, not os.pipe(): select() on Windows takes sockets alone.
        self._reader, self._writer = socket.socketpair()
        # Without this a full pipe would block the thread that wakes, and an empty one the loop.
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """The end that the loop watches for READ."""
        return self._reader.fileno()

    def write_fileno(self) -> int:
        """The end to write to, for `signal.set_wakeup_fd`."""
        return self._writer.fileno()

    def wake(self) -> None:
        """Make the other end readable.  Safe from any thread and from a signal handler."""
        # A full pipe is readable already, and a closed one has nobody left to be woken.
        with contextlib.suppress(OSError):
            self._writer.send(b"x")

    def consume(self) -> None:
        """Empty the pipe: a byte left behind would end every later sleep at once."""
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(1024):
                pass

    def close(self) -> None:
        """Close both ends."""
        self._reader.close()
        self._writer.close()
