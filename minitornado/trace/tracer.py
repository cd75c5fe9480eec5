"""Tracer: puts the wrappers in, takes them out again.

`start` sets an attribute for each row of the table, `stop` sets it back.  After that every
attribute is the object that it was, and the program runs as if there had never been a tracer:
wrappers that were only switched off would still cost a third of its speed.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

from .events import CHAIN_STEPS, Event, Trace
from .loops import attach, detach
from .names import name_of, source_of
from .probes import Probe, Receives, Row, Table
from .recorder import Recorder
from .tables import MINITORNADO
from .wrappers import wrapper_of
from .writer import Site


class Tracer:
    """Records a Trace, from `start` to `stop`.

    `table`: what is traced; by default this package's server stack.  `level`: "full", or
    "chain" for what says why things ran, without the calls in between.  `heads`: record how
    bytes and texts begin, and not only how long they are.  `sink`: called with every event,
    as it happens.  `ring`: keep at most so many events a connection, for a server that runs
    for days.  One tracer can be active in a process.
    """

    active: ClassVar[Tracer | None] = None

    def __init__(
        self,
        table: Table | None = None,
        level: str = "full",
        heads: bool = False,
        sink: Callable[[Event], object] | None = None,
        ring: int | None = None,
    ) -> None:
        if level not in ("chain", "full"):
            raise ValueError(f"level is 'chain' or 'full', not {level!r}")
        self.table = MINITORNADO if table is None else table
        self.recorder = Recorder(self.table, level, heads, sink, ring)
        self.recorder.watch_class = self._watch_class
        self.trace = self.recorder.trace
        self._level = level
        self._undo = ExitStack()  # sets every attribute back
        self._watched: set[type] = set()
        self._missing: list[str] = []

    def start(self) -> Tracer:
        """Wrap what the table names, and begin to record."""
        if Tracer.active is not None:
            raise RuntimeError("another tracer is active in this process: stop it first")
        Tracer.active = self
        try:
            for row in self.table.rows:
                self._install(row)
            self.recorder.begin()
        except BaseException:
            self._restore()
            raise
        for path in self._missing:
            # The program has changed: what was there is not seen, and `check` will say so.
            self.recorder.note("missing-probe", path)
        return self

    def stop(self) -> Trace:
        """Put everything back as it was; return what was recorded."""
        self.recorder.end()
        for loop in self.recorder.loops():
            detach(self.recorder, loop)
        self._restore()
        return self.trace

    def attach(self, loop: Any) -> None:
        """Know what waits in `loop`, which was there before the trace began.

        In the loop's thread, if it runs: `loop.add_callback(tracer.attach, loop)`.
        """
        attach(self.recorder, loop)

    # ---- attributes ----

    def _install(self, row: Row) -> None:
        try:
            owner, name = row.holder()
            found = getattr(owner, name) if not isinstance(row, Receives) else None
        except (ImportError, AttributeError):
            if not row.optional:
                self._missing.append(row.path)
            return
        on_the_way = isinstance(row, Probe) and row.step not in CHAIN_STEPS
        if self._level == "chain" and on_the_way and not inspect.iscoroutinefunction(found):
            return
        site = self._site(row, owner, found)
        unknown = row.parameters() - set(site.positions)
        if unknown:
            self._missing.append(f"{row.path}({', '.join(sorted(unknown))})")
        else:
            self._replace(owner, name, site)

    def _replace(self, owner: Any, name: str, site: Site) -> None:
        row, original = site.row, site.original
        self.recorder.installed.append(site)
        wrapper = wrapper_of(self.recorder, site)
        if not isinstance(row, Receives):
            functools.update_wrapper(wrapper, original, updated=())
            self.recorder.wrappers[original] = wrapper
            is_coroutine = inspect.iscoroutinefunction(original)
            if isinstance(row, Probe) and row.opens is None and not is_coroutine:
                self.recorder.sites[original] = self.recorder.sites[wrapper] = site
        if isinstance(vars(owner).get(name), staticmethod):
            wrapper = staticmethod(wrapper)
        self._set(owner, name, wrapper)
        if inspect.ismodule(owner):
            # `from module import function` has made copies of the reference: replace them as well.
            for module in [sys.modules.get(name) for name in self.table.layers]:
                if module is not None and vars(module).get(name) is original:
                    self._set(module, name, wrapper)

    def _set(self, owner: Any, name: str, value: Any) -> None:
        if name in vars(owner):
            self._undo.callback(setattr, owner, name, vars(owner)[name])
        else:  # it comes down from a base class, or is an instance's
            self._undo.callback(delattr, owner, name)
        setattr(owner, name, value)

    def _restore(self) -> None:
        self._undo.close()
        self._watched.clear()
        Tracer.active = None

    def _site(self, row: Row, owner: Any, original: Any) -> Site:
        mod = row.module
        layer = row.layer or self.table.layers.get(mod, "app")
        name = row.attribute if original is None else name_of(original)
        site = Site(name, mod, layer, row.step, row=row, original=original)
        if original is None:
            return site
        code = getattr(original, "__code__", None)
        if code is not None and (mod in self.table.layers or row.layer == "app"):
            site.src = source_of(code)  # lines of the standard library differ by version
        raw = inspect.getattr_static(owner, row.attribute.rpartition(".")[2])
        site.method = inspect.isclass(owner) and not isinstance(raw, staticmethod)
        try:
            parameters = inspect.signature(original).parameters
        except ValueError:  # written in C, and silent about it
            return site
        site.positions = {parameter: at for at, parameter in enumerate(parameters)}
        return site

    def _watch_class(
        self, cls: type, methods: tuple[str, ...], returns: tuple[str, ...] = ()
    ) -> None:
        """Probe `methods` of an application's class; `returns` of what the first one returns."""
        if cls in self._watched or cls.__module__.partition(".")[0] == self.table.package:
            return
        self._watched.add(cls)
        for name in methods:
            original = getattr(cls, name, None)
            if original is None or hasattr(original, "__wrapped__"):
                continue
            row = Probe(
                f"{cls.__module__}:{cls.__qualname__}.{name}", layer="app", step="app",
                returns=returns if name == methods[0] else (),
            )  # fmt: skip
            self._replace(cls, name, self._site(row, cls, original))


@contextmanager
def tracing(**options: Any) -> Iterator[Trace]:
    """Record while the block runs; yields the Trace, which grows.  Options are Tracer's."""
    tracer = Tracer(**options).start()
    try:
        yield tracer.trace
    finally:
        tracer.stop()
