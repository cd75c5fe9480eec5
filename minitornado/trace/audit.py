"""Audit: does the trace miss a function?  Python itself is asked.

`sys.monitoring`, or before Python 3.12 `sys.setprofile`, tells of every call that the
interpreter makes.  It could be no tracer: it sees no result of a call into C, and knows no
cause.  But it forgets nothing.  So while a trace is recorded, an Auditor counts, and
afterwards the two are compared:

    a probed function      was called as often as the trace says
    a callable that ran    likewise: closures, through their Handles
    a coroutine            has had as many segments
    a system call          was made as often
    any other function     is on the table's list of exemptions, with a reason

What the tracer itself calls, on the way to a name or a summary, is not the program's doing
and is not counted.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import BuiltinMethodType, CodeType, FrameType, MethodDescriptorType
from typing import Any

from .events import Trace
from .names import readable
from .probes import Syscall
from .tracer import Tracer

HERE = os.path.dirname(__file__)

# Modules of the tracer through which the program runs; all others only watch.
ON_THE_WAY = frozenset(
    os.path.join(HERE, f"{name}.py")
    for name in ("wrappers", "coroutines", "handles", "loops", "drive")
)

# Methods of sockets that are written in C: they are no calls of Python, but calls from it.
C_SYSCALLS = frozenset({"recv", "send", "setsockopt", "shutdown", "connect"})

# Outside of the package, these are what the trace must tell of.  Not read off the table of probes:
# who audits a table with itself misses what is missing there.
OUTSIDE = frozenset(
    {*(("socket", f"socket.{name}") for name in (*C_SYSCALLS, "accept", "close"))}
    | {("ssl", f"SSLSocket.{name}") for name in ("recv", "send", "do_handshake", "unwrap")}
    | {("threading", "Thread.start"), ("concurrent.futures.thread", "ThreadPoolExecutor.submit")}
    | {
        ("concurrent.futures._base", f"Future.{name}")
        for name in ("add_done_callback", "set_result", "set_exception", "cancel")
    }
)

Key = tuple[str, str]  # module, qualified name


_monitoring: Any = getattr(sys, "monitoring", None)  # since Python 3.12

# What is told of by which events; those of the last two rows are told of by setprofile as one.
_EVENTS = {
    "CALL": "c_call", "PY_START": "call", "PY_RESUME": "call", "PY_THROW": "call",
    "PY_RETURN": "return", "PY_YIELD": "return", "PY_UNWIND": "return",
}  # fmt: skip

# These can't be switched off for one place in the code.
_EVERYWHERE = ("PY_THROW", "PY_UNWIND")


class Auditor:
    """Counts what is called while a trace is recorded."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        names = {*tracer.table.layers, *(module for module, _name in OUTSIDE)}
        self.modules = {*map(_file_of, names), *ON_THE_WAY}
        self._threads: dict[int, _Count] = {}

    def count(self) -> _Count:
        """Return the counter of the calling thread."""
        return self._threads.setdefault(threading.get_ident(), _Count(self))

    def profile(self, *call: object) -> None:
        """Let `sys.setprofile` tell of the calling thread."""
        sys.setprofile(self.count())

    def monitor(self) -> None:
        """Let `sys.monitoring` tell of all threads."""
        _monitoring.use_tool_id(_monitoring.PROFILER_ID, __name__)
        _monitoring.restart_events()  # what another audit has switched off
        wanted = 0
        for name, kind in _EVENTS.items():
            event = getattr(_monitoring.events, name)
            wanted |= event
            elsewhere = None if name in _EVERYWHERE else _monitoring.DISABLE
            tell = partial(self._tell, kind, elsewhere)
            _monitoring.register_callback(_monitoring.PROFILER_ID, event, tell)
        _monitoring.set_events(_monitoring.PROFILER_ID, wanted)

    def _tell(self, kind: str, elsewhere: Any, code: CodeType, _offset: int, *args: Any) -> Any:
        """Count an event of a kind, that of a call with whom it calls.

        Returns `elsewhere` in code that is nobody's business here.
        """
        file = code.co_filename
        if file not in self.modules and not file.startswith(HERE):
            return elsewhere
        return self.count()(sys._getframe(1), kind, *args[: 2 if kind == "c_call" else 1])

    @property
    def calls(self) -> Counter[Key]:
        """How often each function was called."""
        return sum((count.calls for count in self._threads.values()), Counter())

    def unexplained(self, trace: Trace) -> list[str]:
        """Return what was called more or less often than the trace tells, in sentences."""
        told, calls = _told(self.tracer, trace), self.calls
        rows = {(row.module, row.attribute) for row in self.tracer.table.rows}
        methods = {key for count in self._threads.values() for key in count.methods}
        exempt, layers = self.tracer.table.exempt, self.tracer.table.layers
        found = []
        for key, count in sorted(calls.items()):
            name = ":".join(key)
            # A closure has no name to put into a table: its Handle, or its Runner, tells of it.
            if key in rows or (key in told and key not in methods):
                if told[key] != count:
                    found.append(f"{name} was called {count} times, traced {told[key]}")
            elif key[0] not in layers and key not in OUTSIDE:
                continue
            elif _around(name) not in exempt and (key[0], _around(key[1])) not in rows:
                found.append(f"{name} was called {count} times, and has no probe")
        for key in sorted(set(told) - set(calls)):
            if told[key] and key[0] in layers:
                found.append(f"{key[0]}:{key[1]} is traced {told[key]} times, and was never called")
        return found


class _Count:
    """The profile function of one thread."""

    def __init__(self, auditor: Auditor) -> None:
        self.calls: Counter[Key] = Counter()
        self.methods: set[Key] = set()  # of these, those that stand in a class or a module
        self._modules = auditor.modules
        self._recorder = auditor.tracer.recorder
        self._watching: FrameType | None = None  # the tracer's own frame that is at work

    def __call__(
        self, frame: FrameType, event: str, arg: Any = None, receiver: Any = None
    ) -> None:
        if self._watching is not None:
            if event == "return" and frame is self._watching:
                self._watching = None
            return
        code = frame.f_code
        file = code.co_filename
        if event == "call":
            if file.startswith(HERE) and file not in ON_THE_WAY:
                self._watching = frame
        elif event == "return":
            # Not "call": a coroutine that an exception is thrown into returns without one.
            if file in self._modules and self._is_the_programs(code):
                key = frame.f_globals["__name__"], readable(code.co_qualname)
                self.calls[key] += 1
                if "<locals>" not in code.co_qualname:
                    self.methods.add(key)
        elif event == "c_call" and file in self._modules:
            self._count_c_call(arg, receiver)

    def _count_c_call(self, function: Any, receiver: Any) -> None:
        """Count a call of a function in C; sys.monitoring tells of those in Python as well."""
        if isinstance(function, BuiltinMethodType):  # a bound method; its receiver is known
            receiver = function.__self__
        elif not isinstance(function, MethodDescriptorType):
            return
        called = isinstance(receiver, socket.socket) and function.__name__ in C_SYSCALLS
        if called and not self._recorder.lanes.lane.muted:
            self.calls["socket", f"socket.{function.__name__}"] += 1

    def _is_the_programs(self, code: CodeType) -> bool:
        lane = self._recorder.lanes.lane
        return not lane.muted or (
            lane.polling is not None and getattr(lane.polling, "__code__", None) is code
        )


def _told(tracer: Tracer, trace: Trace) -> Counter[Key]:
    """Count what the trace tells of, by function."""
    recorder = tracer.recorder
    told: Counter[Key] = Counter(recorder.unwritten)
    probed = {(site.mod, site.name) for site in recorder.installed}
    syscalls = {
        (site.row.name, site.row.op, site.src): (site.row.module, site.row.attribute)
        for site in recorder.installed
        if isinstance(site.row, Syscall)
    }
    for event in trace:
        key = str(event.mod), event.name
        if event.kind == "syscall":
            told[syscalls[event.name, event.data.get("op"), event.src]] += 1
        elif event.kind in ("call", "resume", "schedule", "cancel", "resolve"):
            told[key] += 1
        elif event.kind == "run" and (event.step != "run" or key not in probed):
            told[key] += 1  # else the function's own bracket stands inside that of the run
    return told


@contextmanager
def auditing(monitoring: bool = _monitoring is not None) -> Iterator[Auditor]:
    """Audit the active tracer while the block runs: in this thread, and those it starts.

    `monitoring`: by `sys.monitoring`, and not by `sys.setprofile`; both count the same.
    """
    if Tracer.active is None:
        raise RuntimeError("there is no trace to audit: start one first")
    auditor = Auditor(Tracer.active)
    try:
        if monitoring:
            auditor.monitor()
        else:
            threading.setprofile(auditor.profile)
            auditor.profile()
        yield auditor
    finally:
        if monitoring:
            _monitoring.set_events(_monitoring.PROFILER_ID, 0)
            _monitoring.free_tool_id(_monitoring.PROFILER_ID)
        else:
            sys.setprofile(None)
            threading.setprofile(None)


def _around(name: str) -> str:
    """Return the function that a comprehension is a part of; until Python 3.12 it is a call.

    >>> _around("multi.<listcomp>"), _around("multi")
    ('multi', 'multi')
    """
    return name.partition(".<")[0]


def _file_of(module: str) -> str | None:
    return getattr(sys.modules.get(module), "__file__", None)

