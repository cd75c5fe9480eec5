"""Names: what things are called in a trace.

Addresses and fd numbers differ from run to run, and are used again for something else.  So
an object is named by its class and the order of first appearance ("Future#7"), an fd by the
part it plays ("listen1", "c3"), and a value by a summary that holds none of its bytes.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import CodeType
from typing import Any

HEAD_BYTES = 60  # of bytes and texts, where their content was asked for


class Known(weakref.ref[Any]):
    """What is known of an object while it lives: its name, and for a Future how it was resolved."""

    __slots__ = ("id", "name", "resolved")

    id: int
    name: str
    resolved: int | None  # seq of the event


def can_be_named(cls: type) -> bool:
    """Tell whether objects of a class can be remembered: not by slots without __weakref__."""
    return cls.__weakrefoffset__ != 0


class Names:
    """Gives names, and remembers them.  Keeps nothing alive."""

    def __init__(
        self, package: str, describe: Mapping[str, Callable[[Any], str]], heads: bool
    ) -> None:
        self.process = ""  # put before names of roles; a child has its own
        self._heads = heads
        # All in C: a signal handler can't come between the look at a number and its increase.
        self._counts: defaultdict[str, Iterator[int]] = defaultdict(partial(itertools.count, 1))
        self._known: dict[int, Known] = {}
        self._package = package
        self._describe = describe
        self._summariser: Callable[[type], Callable[[Any], Any]]
        self._summariser = functools.cache(self._choose_summariser)
        self.fds: dict[int, str] = {}  # of those that are open

    # ---- objects ----

    def of(self, obj: Any) -> Known:
        """Return what is known of an object, a name at least; TypeError if it can't be named."""
        known = self._known.get(id(obj))
        if known is None:
            known = Known(obj, self._forget)
            known.id, known.resolved = id(obj), None
            known.name = self.next(f"{type(obj).__name__}#")
            self._known[id(obj)] = known
        return known

    def _forget(self, known: Known) -> None:
        """The object is about to go; its id will be another's."""
        del self._known[known.id]

    def name(self, obj: Any) -> str:
        """Return the name of an object."""
        return self.of(obj).name

    def next(self, role: str) -> str:
        """Return the next name of a role, or of a class: "c1", "c2", "Future#1", ..."""
        return f"{self.process}{role}{next(self._counts[role])}"

    # ---- fds ----

    def fd(self, number: int, role: str = "fd") -> str | None:
        """Return the name of an fd; a new one is a `role`."""
        name = self.fds.get(number)
        if name is None and number >= 0:
            name = self.fds[number] = self.next(role)
        return name

    # ---- values ----

    def summary(self, value: Any) -> Any:
        """Return a value that JSON can hold, the same in every run."""
        return self._summariser(type(value))(value)

    def _choose_summariser(self, kind: type) -> Callable[[Any], Any]:
        if kind in (type(None), bool, int):
            return lambda value: value
        if kind is float:
            return lambda value: round(value, 6)
        if issubclass(kind, (bytes, bytearray, memoryview)):
            return lambda value: counted(size_of(value), "byte")
        if kind is tuple:
            return lambda value: f"({', '.join([str(self.summary(part)) for part in value[:3]])})"
        if issubclass(kind, BaseException):
            return self.error
        if describe := self._describe.get(kind.__name__):
            return lambda value: printable(describe(value))
        if any("__call__" in vars(base) for base in kind.__mro__):
            return name_of
        if kind.__module__.partition(".")[0] == self._package and can_be_named(kind):
            return self.name
        return lambda value: kind.__name__  # its content is nobody's business

    def tell_head(self, data: dict[str, Any], value: Any) -> None:
        """Put how bytes begin into `data`, if that was asked for."""
        if self._heads and isinstance(value, (bytes, bytearray, memoryview)):
            data["head"] = bytes(value[:HEAD_BYTES]).decode("latin-1")

    def outcome(self, value: Any, error: BaseException | None) -> dict[str, Any]:
        """Return what came of something, as an event tells it."""
        data: dict[str, Any] = {}
        if error is not None:
            data["error"] = self.error(error)
        elif value is not None:
            data["value"] = self.summary(value)
            self.tell_head(data, value)
        return data

    def error(self, error: BaseException) -> str:
        """Return the name of an exception: of its errno, or of its class."""
        # Of OpenSSL's errors, and of the resolver's, the number is none of errno's.
        plain = type(error).__module__ == "builtins"
        number = error.errno if plain and isinstance(error, OSError) else None
        return errno.errorcode.get(number or 0, type(error).__name__)


def size_of(data: bytes | bytearray | memoryview) -> int:
    """Return how many bytes these are."""
    return data.nbytes if isinstance(data, memoryview) else len(data)


def counted(number: int, noun: str) -> str:
    """Return a number of things in words: "1 byte", "28 bytes"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def name_of(function: Any) -> str:
    """Return the qualified name of a callable, without the "<locals>" of nested ones.

    >>> name_of(functools.partial(Names.next, "c"))
    'Names.next'
    """
    function = innermost(function)
    return readable(getattr(function, "__qualname__", None) or type(function).__qualname__)


def innermost(function: Any) -> Any:
    """Return the callable that a partial is of, or a partial of one, or what `add_future` makes."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif type(function).__qualname__ == "_Later":
            function = function[0].add_callback
        else:
            return function


def printable(text: str) -> str:
    r"""Return a text with everything escaped that a terminal would obey, and not show.

    A summary may hold what a stranger has sent; so may the message of an exception.

    >>> printable("GET /\x9b2J\u202e HTTP/1.1")
    'GET /\\x9b2J\\u202e HTTP/1.1'
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


@functools.lru_cache(maxsize=10_000)
def readable(qualname: str) -> str:
    """Return a qualified name without Python's marks.

    >>> readable("IOLoop.add_future.<locals>.<lambda>")
    'IOLoop.add_future.lambda'
    """
    return qualname.replace(".<locals>", "").replace("<lambda>", "lambda")


#: A place in the code: the code object, and the offset of the instruction in it.
At = tuple[CodeType, int]


@functools.lru_cache(maxsize=10_000)
def source_at(code: CodeType, offset: int) -> str:
    """Return "file.py:17", the line of an instruction."""
    lines = code.co_lines()
    line = next(line for start, end, line in lines if start <= offset < end and line is not None)
    return source_of(code, line)


_STACK = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def source_of(code: CodeType, line: int | None = None) -> str:
    """Return "file.py:17" of a code object, or of a line in it.

    A file that has a namesake in the stack comes with its folder: a learner's
    "my_minitornado/iostream.py:17" is not the stack's.
    """
    folder, name = os.path.split(code.co_filename)
    if folder != _STACK and os.path.exists(os.path.join(_STACK, name)):
        name = f"{os.path.basename(folder)}/{name}"
    return f"{name}:{code.co_firstlineno if line is None else line}"
