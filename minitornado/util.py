"""What two modules share and neither should own.

Tornado 4.4: tornado/util.py, of which `timedelta_to_seconds` is all that the server stack needs.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Cache(dict[K, V]):
    """{argument: function(argument)}, worked out when an argument is first asked for.

    Strangers choose the arguments.  So what is longer than `max_size`, by `size`, is not kept;
    and when `maxlen` others are, all of them are forgotten.

    >>> squares = Cache(lambda word: word * 2, max_size=3, maxlen=2)
    >>> squares["ab"], squares["long"], list(squares)
    ('abab', 'longlong', ['ab'])
    >>> squares["c"], squares["d"], list(squares)
    ('cc', 'dd', ['d'])
    """

    __slots__ = ("_function", "_max_size", "_maxlen", "_size")

    def __init__(
        self, function: Callable[[K], V], max_size: int, maxlen: int = 1000,
        size: Callable[[Any], int] = len,
    ) -> None:  # fmt: skip
        self._function = function
        self._max_size = max_size
        self._maxlen = maxlen
        self._size = size

    def __missing__(self, argument: K) -> V:
        value = self._function(argument)
        if self._size(argument) <= self._max_size:
            if len(self) >= self._maxlen:
                self.clear()
            self[argument] = value
        return value


def timedelta_to_seconds(span: float | datetime.timedelta) -> float:
    """Return `span` in seconds; a number passes through.

    >>> timedelta_to_seconds(datetime.timedelta(minutes=1.5))
    90.0
    """
    return span.total_seconds() if isinstance(span, datetime.timedelta) else span
