"""Looks: the views as methods of a Trace, and the trace that shows itself as its story.

    trace.story(conn="c1")     trace.lanes()      trace.turns()      trace.why(126)
    trace.stepper()            trace.tree("c1")   trace.buffers()    trace.counts()

rich is imported with the first look, and not by who only records.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


def _look(view: str) -> Callable[..., Any]:
    def look(trace: Looks, *args: Any, **options: Any) -> Any:
        return getattr(import_module(".views", __package__), view)(trace, *args, **options)

    look.__doc__ = f"Return views.{view}, which says what it shows; the arguments are its own."
    return look


class Looks:
    """What a Trace can be looked at as."""

    story = _look("Story")
    stepper = _look("Stepper")
    lanes = _look("Lanes")
    turns = _look("Turns")
    why = _look("Why")
    tree = _look("Tree")
    buffers = _look("Buffers")
    counts = _look("Counts")
    page = _look("page")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.story()

    def _repr_mimebundle_(self, **wanted: Any) -> dict[str, str]:
        bundle: dict[str, str] = self.story()._repr_mimebundle_(**wanted)
        return bundle
