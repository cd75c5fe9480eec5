"""Names: what things are called in a trace.

Addresses and fd numbers differ from run to run, and are used again for something else.  So
an object is named by its class and the order of first appearance ("Future#7"), an fd by the
part it plays ("listen1", "c3"), and a value by a summary that holds none of its bytes.
"""

from __future__ import annotations

import functools
import os
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

HEAD_BYTES = 60  # of bytes and texts, where their content was asked for

# Names of dead objects are swept out when there are this many, and twice as many as lived last.
SWEEP_AT = 1000

_PLAIN = frozenset({type(None), bool, int})


class Known(weakref.ref[Any]):
    """What is known of an object while it lives: its name, and for a Future how it was resolved."""

    __slots__ = ("name", "resolved")

    name: str
    resolved: int | None  # seq of the event


class Names:
    """Gives names, and remembers them.  Keeps nothing alive."""

    def __init__(
        self, package: str, describe: Mapping[str, Callable[[Any], str]], heads: bool
    ) -> None:
        self.process = ""  # put before names of roles; a child has its own
        self._package = package
        self._describe = describe
        self._heads = heads
        self._counts: Counter[str] = Counter()
        self._known: dict[int, Known] = {}
        self._sweep_at = SWEEP_AT
        self._summaries: dict[type, Callable[[Any], Any]] = {}
        self._fds: dict[int, str] = {}

    # ---- objects ----

    def of(self, obj: Any) -> Known | None:
        """Return what is known of an object, a name at least; None if it can't be remembered."""
        known = self._known.get(id(obj))
        if known is not None and known() is obj:  # else the id is another's by now
            return known
        try:
            known = Known(obj)
        except TypeError:  # slots without __weakref__
            return None
        known.name, known.resolved = self.count(type(obj).__name__), None
        self._known[id(obj)] = known
        if len(self._known) > self._sweep_at:
            # A list first, and one by one: a signal handler, or a thread, names others meanwhile.
            for key, other in list(self._known.items()):
                if other() is None:
                    gone = self._known.pop(key, None)
                    if gone is not None and gone is not other:  # the id is another's since then
                        self._known[key] = gone
            self._sweep_at = max(SWEEP_AT, 2 * len(self._known))
        return known

    def name(self, obj: Any) -> str | None:
        """Return the name of an object; None if it has none."""
        known = self.of(obj)
        return None if known is None else known.name

    def count(self, kind: str) -> str:
        """Return the next name of a kind: "Future#1", "Future#2", ..."""
        self._counts[kind] += 1
        return f"{self.process}{kind}#{self._counts[kind]}"

    def next(self, role: str) -> str:
        """Return the next name of a role: "c1", "c2", ..."""
        self._counts[role] += 1
        return f"{self.process}{role}{self._counts[role]}"

    # ---- fds ----

    def fd(self, fd: Any, role: str = "fd") -> str | None:
        """Return the name of an fd (a number, or an object that has one); a new one is a `role`."""
        number = fd if isinstance(fd, int) else fd.fileno()
        if number < 0:
            return None
        name = self._fds.get(number)
        if name is None:
            name = self._fds[number] = self.next(role)
        return name

    def has_fd(self, number: int) -> bool:
        """Tell whether an fd has a name."""
        return number in self._fds

    def set_fd(self, number: int, name: str) -> None:
        """Give an fd a name: whatever it was before has been closed."""
        self._fds[number] = name

    def forget_fd(self, number: int) -> None:
        """The fd is closed; its number will be another's."""
        self._fds.pop(number, None)

    # ---- values ----

    def summary(self, value: Any) -> Any:
        """Return a value that JSON can hold, the same in every run."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        summarise = self._summaries.get(kind)
        if summarise is None:
            summarise = self._summaries[kind] = self._summary_of(kind)
        return summarise(value)

    def _summary_of(self, kind: type) -> Callable[[Any], Any]:
        """Return the function that summarises values of a type."""
        if kind is float:
            return lambda value: round(value, 6)
        if issubclass(kind, (bytes, bytearray, memoryview)):
            return _size
        if kind is tuple:
            return lambda value: f"({', '.join(str(self.summary(part)) for part in value[:3])})"
        if issubclass(kind, BaseException):
            return self.error
        if kind.__name__ in self._describe:
            describe = self._describe[kind.__name__]
            return lambda value: printable(describe(value))
        if any("__call__" in vars(base) for base in kind.__mro__):
            return name_of
        if kind.__module__.partition(".")[0] == self._package:
            return lambda value: self.name(value) or kind.__name__
        return lambda value: kind.__name__  # its content is nobody's business

    def tell(self, data: dict[str, Any], key: str, value: Any) -> None:
        """Put the summary of a value into `data`, and how it begins, if that was asked for."""
        data[key] = self.summary(value)
        if self._heads:
            head = self.head(value)
            if head is not None:
                data["head"] = head

    def head(self, value: Any) -> str | None:
        """Return how bytes begin, if that was asked for."""
        if not self._heads or not isinstance(value, (bytes, bytearray, memoryview)):
            return None
        return bytes(value[:HEAD_BYTES]).decode("latin-1")

    def error(self, error: BaseException) -> str:
        """Return the name of an exception: of its errno, or of its class."""
        if isinstance(error, OSError) and error.errno in os_errors():
            return os_errors()[error.errno]
        return type(error).__name__


def _size(data: bytes | bytearray | memoryview) -> str:
    size = data.nbytes if isinstance(data, memoryview) else len(data)
    return "1 byte" if size == 1 else f"{size} bytes"


def name_of(function: Any) -> str:
    """Return the qualified name of a callable, without the "<locals>" of nested ones.

    >>> name_of(functools.partial(Names.count, "x"))
    'Names.count'
    """
    function = innermost(function)
    return readable(getattr(function, "__qualname__", None) or type(function).__qualname__)


def innermost(function: Any) -> Any:
    """Return the callable that a partial, or a partial of one, is of."""
    while isinstance(function, functools.partial):
        function = function.func
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


@functools.cache
def os_errors() -> dict[int, str]:
    """Return {number: name} of the system's errors; EAGAIN, not EWOULDBLOCK, where they are one."""
    import errno

    return dict(errno.errorcode)


def source_of(code: Any, line: int | None = None) -> str:
    """Return "file.py:17" of a code object, or of a line in it.

    A file that has a namesake in the stack comes with its folder: a learner's
    "my_minitornado/iostream.py:17" is not the stack's.
    """
    return _source_of(code.co_filename, code.co_firstlineno if line is None else line)


_STACK = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@functools.lru_cache(maxsize=10_000)
def _source_of(file: str, line: int) -> str:
    folder, name = os.path.split(file)
    if folder != _STACK and os.path.exists(os.path.join(_STACK, name)):
        name = f"{os.path.basename(folder)}/{name}"
    return f"{name}:{line}"
