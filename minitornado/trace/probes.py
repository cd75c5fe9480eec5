"""Probes: the rows a table of traced functions is made of.

A row names a function as "module:Class.name" and says what the tracer is to make of it.  It
relies on names of functions and of their parameters, and on nothing inside them.

    Probe      brackets a function: call ... return
    Schedule   a function that is given a callable for later: it gets a Handle in its place
    Cancel     a function that takes such a callable back
    Resolve    a function that gives a Future its result
    Syscall    a function that stands for a system call
    Poll       the one that waits
    Segments   what takes a coroutine one step further
    Receives   an attribute through which somebody calls the application
    Custom     whatever fits none of these
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Row:
    """What all rows have.

    `layer`: if it is not that of the module.  `step`: key of the concept, shared by tables.
    `optional`: it is no error if this program has no such module or attribute.
    """

    path: str = field(kw_only=False)
    layer: str | None = None
    step: str | None = None
    optional: bool = False

    def parameters(self) -> set[str]:
        """Return the names of the parameters that the row relies on."""
        names = {
            value
            for name in ("arg", "fd", "events", "when", "future", "socket", "seconds", "keeps")
            if (value := getattr(self, name, None)) is not None
        }
        return names | set(getattr(self, "args", ()))

    @property
    def module(self) -> str:
        """The module's name."""
        return self.path.partition(":")[0]

    @property
    def attribute(self) -> str:
        """What stands behind the colon."""
        return self.path.partition(":")[2]

    def holder(self) -> tuple[Any, str]:
        """Return the class or module that has the attribute, and the attribute's own name."""
        outer, _, name = self.attribute.rpartition(".")
        return pkgutil.resolve_name(f"{self.module}:{outer}"), name


@dataclass(frozen=True, kw_only=True)
class Probe(Row):
    """Bracket a function; of an `async def`, every segment, and not the call that makes it.

    `args`: parameters whose summary is recorded.  `opens`: "conn" or "req", if a connection
    or a request begins with this call; `closes`: "req", if it ends with it.  `socket`: the
    parameter that is the connection's socket.  `returns`: methods to be probed of the class of
    what it returns.  `keeps`: the parameter that is a callable to be called later, by whoever
    keeps it; the link of that call is this one.  `scope`: what changes the flow inside does not
    change it for the caller.
    """

    args: tuple[str, ...] = ()
    opens: str | None = None
    closes: str | None = None
    socket: str | None = None
    returns: tuple[str, ...] = ()
    keeps: str | None = None
    scope: bool = False


def probes_of(package: str, text: str) -> Iterator[Probe]:
    r"""Yield the Probes of a list: below the class, `step: function(args) ...` line by line.

    Functions on a line without a step have one that is called as they are.

    >>> [probe] = probes_of("tornado.", "iostream:BaseIOStream.\n    _handle_events(events)")
    >>> probe.path, probe.args, probe.step
    ('tornado.iostream:BaseIOStream._handle_events', ('events',), 'handle-events')
    """
    owner = ""
    for line in text.strip().splitlines():
        step, _, functions = line.rpartition(": ")
        if not line.startswith(" "):
            owner = line
            continue
        for name, args in re.findall(r"(\w+)(?:\((.*?)\))?", functions):
            concept = step.strip() or name.strip("_").replace("_", "-")
            yield Probe(package + owner + name, args=tuple(re.findall(r"\w+", args)), step=concept)


@dataclass(frozen=True, kw_only=True)
class Schedule(Row):
    """Put a Handle in the place of the callable `arg`, or of what it has as `held_as`.

    `how` it will be called: "callback", "timer", "fd", "future", "thread".  `fd`: the
    parameter that is the fd; `events`: the one that says for what.  `when`: the one that is a
    deadline.  `future`: the one that is waited for.  `inside`: only where the traced program
    calls, and not somebody else in the same process.
    """

    how: str
    arg: str
    fd: str | None = None
    events: str | None = None
    when: str | None = None
    future: str | None = None
    held_as: str | None = None
    inside: bool = False


@dataclass(frozen=True, kw_only=True)
class Cancel(Row):
    """Take a callable back: that of the fd `arg`, or the one that `find` finds in `arg`."""

    arg: str
    find: Callable[[Any], Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Resolve(Row):
    """Give a Future its result: the parameter `arg`, an exception if `error`.

    Without `arg` it is cancelled, unless it is too late for that.  `inside`: as for Schedule.
    """

    arg: str | None = None
    error: bool = False
    inside: bool = False


@dataclass(frozen=True, kw_only=True)
class Syscall(Row):
    """Record a system call by `name`; `op` tells those of one name apart.

    `asked`: position of the argument whose value, or whose length, is what was asked for.
    `counts`: the result is bytes, or a number of bytes.  `events`: parameter that is a mask.
    `accepts`: the result is (socket, address).  `closes`: the fd is nobody's afterwards.
    `known`: only of an fd that has a part in the trace already.  `fd`: the parameter that is
    the fd, if the receiver has none.
    """

    name: str
    op: str | None = None
    asked: int | None = None
    counts: bool = False
    events: str | None = None
    accepts: bool = False
    closes: bool = False
    known: bool = False
    fd: str | None = None


@dataclass(frozen=True, kw_only=True)
class Poll(Row):
    """Wait for fds: `seconds` is the parameter that says how long; returns [(fd, events), ...]."""

    seconds: str = "seconds"


@dataclass(frozen=True, kw_only=True)
class Segments(Row):
    """Take the coroutine that the receiver has as `held_as` one segment further."""

    held_as: str


@dataclass(frozen=True, kw_only=True)
class Receives(Row):
    """An attribute of instances that holds the application: a callable, or an object.

    The callable is bracketed.  Of an object that has the first of `methods`, these methods of
    its class are; and of what that first one returns, the methods `returns`.
    """

    methods: tuple[str, ...] = ()
    returns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Custom(Row):
    """Whatever fits nothing else: `factory(recorder, site)` returns what takes its place."""

    factory: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Place:
    """A place in a loop where a callable waits: `how` for what, and how to `put` another there."""

    how: str
    function: Any
    put: Callable[[Any], object]
    fd: int | None = None


@dataclass(frozen=True)
class Watch:
    """What is watched of a class's objects: `state(object)` returns the values of `names`.

    `shown`: name -> function of a value that returns what is written of it.
    """

    names: tuple[str, ...]
    state: Callable[[Any], tuple[Any, ...]]
    shown: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def delta(self, before: tuple[Any, ...], after: tuple[Any, ...]) -> dict[str, list[Any]]:
        """Return what has changed from one state to the other: {name: [was, is now]}."""
        delta = {}
        for name, was, now in zip(self.names, before, after, strict=True):
            if was != now:
                show = self.shown.get(name, lambda value: value)
                delta[name] = [show(was), show(now)]
        return delta


@dataclass(frozen=True, kw_only=True)
class Table:
    """What is traced of a program.

    name      of the table
    package   whose modules are traced
    rows      the probes
    layers    module -> layer; any other module is the application's
    watch     class name -> what is watched of its objects
    describe  class name -> function of an object that returns its summary, a string
    masks     function that writes an event mask in words
    fd_role   function (loop, fd, callable) -> "waker", "listen", ... of an fd that is watched
    coroutine_of  function of a callable -> the coroutine that it takes further, or None
    places    function of a loop -> the places where callables wait in it
    socket_of  function (loop, callable) -> the socket of the connection that it serves, or None
    exempt    function -> the reason why it has no probe
    """

    name: str
    package: str
    rows: tuple[Row, ...]
    layers: Mapping[str, str]
    watch: Mapping[str, Watch] = field(default_factory=dict)
    describe: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    masks: Callable[[int], str] = str
    fd_role: Callable[[Any, int, Any], str] = lambda loop, fd, function: "fd"
    coroutine_of: Callable[[Any], Any] = lambda function: None
    places: Callable[[Any], Iterable[Place]] = lambda loop: []
    socket_of: Callable[[Any, Any], Any] = lambda loop, function: None
    exempt: Mapping[str, str] = field(default_factory=dict)
