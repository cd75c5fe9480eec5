"""Which lines of the stack a run executes: what Python itself reports, line by line.

    with Watch(["ioloop.IOLoop._run"]) as watch:
        ...
    watch.ran                     {"ioloop.IOLoop._run": {230, 231, ...}}

A definition that a notebook explains is seen at work there, down to the last line: at each build
the notebook's kernel is watched, from `begin` to `end`, and a line that has not run is an error.
Lines for the rare cases get a table, which says what it takes for them to run:

    show_cases("06", usual, {"the client leaves": leave, ...})
"""

from __future__ import annotations

import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType, FrameType
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from .explain import load_all
from .show import WIDTH, show
from .stack import MarginError, read_module

_CASE = 22  # columns of a case, and of what comes of it


class Watch:
    """While entered, keeps the numbers of the lines that run, for each definition in `names`.

    first_call: of each, only the first call counts; of a coroutine, all that happens to it

    Watches may be inside each other. It sees the thread that it was entered in, and threads
    that are started meanwhile.
    """

    def __init__(self, names: Iterable[str], *, first_call: bool = False) -> None:
        self.ran: dict[str, set[int]] = {name: set() for name in names}
        self._names = {code: name for name in self.ran for code in code_of(name)}
        self._first_call = first_call
        self._first: dict[CodeType, FrameType] = {}
        self._before: tuple[Any, Any] = (None, None)

    def __enter__(self) -> Watch:
        self._before = sys.gettrace(), threading.gettrace()
        threading.settrace(self._on_call)
        sys.settrace(self._on_call)
        return self

    def __exit__(self, *_raised: object) -> None:
        here, threads = self._before
        sys.settrace(here)
        threading.settrace(threads)
        # Whoever watched before us has seen nothing meanwhile.
        around = getattr(here, "__self__", None)
        if isinstance(around, Watch):
            for name in self.ran.keys() & around.ran.keys():
                around.ran[name] |= self.ran[name]

    def _on_call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        if frame.f_code not in self._names:
            return None
        if self._first_call and self._first.setdefault(frame.f_code, frame) is not frame:
            return None
        return self._on_line

    def _on_line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            self.ran[self._names[frame.f_code]].add(frame.f_lineno)
        return self._on_line


def code_of(name: str) -> list[CodeType]:
    """The code of the function `name`, and of the functions inside it; a class has none."""
    module, *inner = name.split(".")
    found: Any = importlib.import_module(f"{__package__.partition('.')[0]}.{module}")
    for part in inner:
        found = getattr(found, part)
    code = getattr(inspect.unwrap(found), "__code__", None)
    return [] if code is None else [code, *_inside(code)]


def _inside(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inside(constant)


def runnable(name: str) -> set[int]:
    """The numbers of the lines of `name` that Python reports when it runs all of them."""
    return {line for code in code_of(name) for _, _, line in code.co_lines()
            if line and line > code.co_firstlineno}


# ---- what a notebook owns ----


def owned_by(notebook: str) -> list[str]:
    """The names of the definitions that a notebook, such as "06", explains."""
    return [margin.name for margin in load_all() if margin.notebook == notebook]


_watching: Watch | None = None


def begin(notebook: str) -> None:
    """Watch what the notebook owns from here on, in this kernel."""
    global _watching
    _watching = Watch(owned_by(notebook))
    _watching.__enter__()


def end() -> None:
    """End what `begin` began. Raises MarginError for the lines that have not run meanwhile."""
    assert _watching is not None, "end() before begin()"
    _watching.__exit__()
    missing = [
        f"{name}: never runs on this page: {line.code}"
        for name, ran in _watching.ran.items()
        for line in read_module(name.partition(".")[0]).of(name)
        if line.number in runnable(name) - ran
    ]
    if missing:
        raise MarginError("\n".join(missing))


def show_cases(
    notebook: str, usual: Callable[[], object], cases: Mapping[str, Callable[[], str]]
) -> None:
    """Show for each case the lines of the notebook's own that run in it and did not before.

    `usual` is the run that everything is compared with; a case says what came of it.
    """
    names = owned_by(notebook)
    with Watch(names) as watch:
        usual()
    seen = {name: set(ran) for name, ran in watch.ran.items()}
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("what happens", width=_CASE)
    table.add_column("lines that run only then", overflow="fold", width=WIDTH - 2 * _CASE - 6)
    table.add_column("what comes of it", width=_CASE)
    for title, run in cases.items():
        with Watch(names) as watch:
            outcome = run()
        table.add_row(title, Text("\n".join(_new_lines(watch, seen))), outcome)
        table.add_row()
        for name in names:
            seen[name] |= watch.ran[name]
    show(table)


def _new_lines(watch: Watch, seen: Mapping[str, set[int]]) -> Iterator[str]:
    """The first line of each group that ran and had not been `seen`, and how many follow it."""
    for name, ran in watch.ran.items():
        first, more = "", 0
        for line in read_module(name.partition(".")[0]).of(name):
            if line.code and line.number in ran - seen[name]:
                first, more = (first, more + 1) if first else (line.code, 0)
            elif line.code and first:
                yield _group(first, more)
                first = ""
        if first:
            yield _group(first, more)


def _group(first: str, more: int) -> str:
    return f"{first} (+ {more})" if more else first
