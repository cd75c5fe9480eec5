"""Watcher: a browser that watches, and the little that is kept for it.

A browser may be slower than the requests that it is told of, or be gone without a word.  So
news of a request takes the place of older news of it that has not been sent, and beyond
QUEUE of them the oldest are dropped: the browser is told how many, and what is kept never
grows.  The stream's own buffer holds one batch of them: the next is taken when it has left.

    event: request
    data: {"name": "c3r1", ...}

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json

from minitornado.concurrent import Future

QUEUE = 100  # messages, of some hundred bytes each


def message(event: str, data: object) -> bytes:
    r"""Return an event of a text/event-stream.  JSON has no newline, which would end the field.

    >>> message("skipped", 3)
    b'event: skipped\ndata: 3\n\n'
    """
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


class Watcher:
    """What one browser is still to be told.  `own`: also of the page's own requests."""

    def __init__(self, own: bool = False) -> None:
        self.own = own
        self.over = False
        self._queue: dict[str, bytes] = {}
        self._pressing = False
        self._skipped = 0
        self._waiting: Future[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for news, and not for its browser."""
        return self._waiting is not None

    def __len__(self) -> int:
        return len(self._queue)

    def tell(self, key: str, news: bytes, pressing: bool = True) -> None:
        """Keep a message for it; one that was kept with the same key is not needed any more.

        What is not `pressing` waits for news that is: to tell a watcher of its own stream
        makes news of that stream.
        """
        self._pressing |= pressing
        self._queue.pop(key, None)
        self._queue[key] = news
        if len(self._queue) > QUEUE:
            del self._queue[next(iter(self._queue))]
            self.skip(1)

    def skip(self, count: int) -> None:
        """There were so many messages that it will not be told."""
        self._skipped += count

    def wake(self) -> None:
        """Let it go on, if it waits and there is something to tell."""
        if self._waiting is not None and (self._pressing or self.over):
            waiting, self._waiting = self._waiting, None
            waiting.set_result(None)

    def leave(self) -> None:
        """No more news: the browser is gone, or the server."""
        self.over = True
        self.wake()

    def news(self) -> Future[None]:
        """Return a Future that is done when there is something to tell, or no more will come."""
        waiting: Future[None] = Future()
        self._waiting = waiting
        self.wake()
        return waiting

    def take(self) -> bytes:
        """Return all that is to be told, and forget it."""
        told = list(self._queue.values())
        if self._skipped:
            told.insert(0, message("skipped", self._skipped))
        self._queue.clear()
        self._pressing = False
        self._skipped = 0
        return b"".join(told)
