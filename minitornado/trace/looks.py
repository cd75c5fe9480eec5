"""Looks: the views as methods of a Trace, and the trace that shows itself as its story.

    trace.story(conn="c1")     trace.lanes()      trace.turns()      trace.why(126)
    trace.stepper()            trace.tree("c1")   trace.buffers()    trace.counts()

rich is imported with the first look, and not by who only records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from . import views
    from .events import Trace


class Looks:
    """What a Trace can be looked at as; the arguments are those of the view."""

    def story(self, *args: Any, **options: Any) -> views.Story:
        """Return one plain sentence a step, each with what it is because of."""
        from .views import Story

        return Story(cast("Trace", self), *args, **options)

    def lanes(self, *args: Any, **options: Any) -> views.Lanes:
        """Return the picture: one lane a class, one band a turn."""
        from .views import Lanes

        return Lanes(cast("Trace", self), *args, **options)

    def turns(self, *args: Any, **options: Any) -> views.Turns:
        """Return one row a turn of the loop."""
        from .views import Turns

        return Turns(cast("Trace", self), *args, **options)

    def why(self, seq: int, *args: Any, **options: Any) -> views.Why:
        """Return the answer to why event `seq` happened, back to the kernel."""
        from .views import Why

        return Why(cast("Trace", self), seq, *args, **options)

    def stepper(self, *args: Any, **options: Any) -> views.Stepper:
        """Return one step at a time, forward and back."""
        from .views import Stepper

        return Stepper(cast("Trace", self), *args, **options)

    def tree(self, *args: Any, **options: Any) -> views.Tree:
        """Return what followed from what."""
        from .views import Tree

        return Tree(cast("Trace", self), *args, **options)

    def buffers(self, *args: Any, **options: Any) -> views.Buffers:
        """Return the two buffers of a stream, and its interest, over time."""
        from .views import Buffers

        return Buffers(cast("Trace", self), *args, **options)

    def counts(self, *args: Any, **options: Any) -> views.Counts:
        """Return what it took: turns, polls, system calls."""
        from .views import Counts

        return Counts(cast("Trace", self), *args, **options)

    def page(self, *args: Any, **options: Any) -> str:
        """Return an HTML document that needs no network and no server."""
        from .views import page

        return page(cast("Trace", self), *args, **options)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.story()

    def _repr_mimebundle_(self, **wanted: Any) -> dict[str, str]:
        return self.story()._repr_mimebundle_(**wanted)
