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

    Strangers choose the arguments.  So one that is longer than `max_length`, by `length`, is not
    kept, and when `maxsize` others are, all of them are forgotten.  (functools.lru_cache bounds
    their number alone.)

    >>> doubled = Cache(lambda word: word * 2, max_length=3, maxsize=2)
    >>> doubled["ab"], doubled["long"], list(doubled)
    ('abab', 'longlong', ['ab'])
    >>> doubled["c"], doubled["d"], list(doubled)
    ('cc', 'dd', ['d'])
    """

    __slots__ = ("_function", "_length", "_max_length", "_maxsize")

    def __init__(
        self, function: Callable[[K], V], max_length: int, maxsize: int = 1000,
        length: Callable[[Any], int] = len,
    ) -> None:  # fmt: skip
        self._function = function
        self._max_length = max_length
        self._maxsize = maxsize
        self._length = length

    def __missing__(self, argument: K) -> V:
        value = self._function(argument)
        if self._length(argument) <= self._max_length:
            if len(self) >= self._maxsize:
                self.clear()
            self[argument] = value
        return value


def timedelta_to_seconds(span: float | datetime.timedelta) -> float:
    """Return `span` in seconds; a number passes through.

    >>> timedelta_to_seconds(datetime.timedelta(minutes=1.5))
    90.0
    """
    return span.total_seconds() if isinstance(span, datetime.timedelta) else span
