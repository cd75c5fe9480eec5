"""What all views share: one picture in rich's words, and its plain twin, at any width.

    a view ──rich──> the terminal      colours, or none; Unicode, or ASCII where that is all
           ──text──> str               for a pipe, a test, a screen reader
           ──_repr_mimebundle_──> a notebook: HTML with inline styles, and the twin

A view prints the same bytes for the same trace: it shows no time, no fd's number, no address.
The layer's name is always written; its colour says the same once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

from minitornado.classroom import show
from minitornado.classroom.palette import PALETTE
from minitornado.classroom.show import WIDTH, render

# The class that stands for a layer of the trace, and lends it its colour.  Futures and coroutines
# are how the loop lets others wait, so they share the loop's.
LAYERS = {
    "kernel": "kernel", "loop": "IOLoop", "future": "IOLoop", "coroutine": "IOLoop",
    "stream": "IOStream", "tcp": "TCPServer", "http1": "HTTP1Connection", "server": "HTTPServer",
    "app": "app",
}  # fmt: skip
LAYER_COLOURS = {layer: PALETTE[name] for layer, name in LAYERS.items()}

GREY = PALETTE["kernel"]
WHY = PALETTE["app"]  # "because": why now
ASKED = PALETTE["TCPServer"]  # "asked": who wanted it

# A terminal in a C locale takes no other characters.  One for one, so that no line grows.
_ASCII = str.maketrans(
    {
        "─": "-", "│": "|", "┆": ":", "├": "|", "┤": "|", "┼": "+", "└": "`", "┌": ".", "╰": "`",
        "╭": ".", "╮": ".", "╯": "'", "▶": ">", "◀": "<", "●": "*", "○": "o", "←": "<", "→": ">",
        "…": "~", "·": "-", "█": "#", "═": "=", "≠": "!",
    }
)  # fmt: skip


class View:
    """Something to look at.  A subclass says what, in `body`."""

    def body(self, width: int) -> Iterable[RenderableType]:
        """Yield what is shown, for a page of `width` columns."""
        raise NotImplementedError

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in self.body(options.max_width):
            for segments in Segment.split_lines(console.render(part, options)):
                for text, style, control in _without_blanks_at_the_end(segments):
                    yield Segment(in_ascii(text) if options.ascii_only else text, style, control)
                yield Segment.line()

    def text(self, width: int = WIDTH) -> str:
        """Return it as plain text, `width` columns wide, without a space at a line's end."""
        return render(self, width)[1]

    def show(self, width: int = WIDTH) -> None:
        """Display it in a notebook; print it anywhere else."""
        show.show(self, width)

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_wanted: Any) -> dict[str, str]:
        page, text = render(self, WIDTH)
        return {"text/html": page, "text/plain": text}


class Picture(View):
    """A view that is also an SVG: in a notebook the picture, in a terminal its twin."""

    def svg(self) -> str:
        """Return the picture: well-formed, self-contained, readable on light and on dark."""
        raise NotImplementedError

    def alt(self) -> str:
        """Say in a sentence what the picture shows."""
        raise NotImplementedError

    def show(self, width: int = WIDTH) -> None:
        show.picture(self.svg(), self.alt(), self.text(width))

    def image(self) -> str:
        """Return the picture as an HTML element that needs nothing else."""
        return show.image(self.svg(), self.alt())

    def _repr_mimebundle_(self, **_wanted: Any) -> dict[str, str]:
        return {"text/html": self.image(), "text/plain": self.text()}


def _without_blanks_at_the_end(line: list[Segment]) -> Iterator[Segment]:
    left = len("".join(segment.text for segment in line).rstrip())
    for text, style, control in line:
        yield Segment(text[: max(0, left)], style, control)
        left -= len(text)


def in_ascii(text: str) -> str:
    """Return `text` in the characters that every terminal has, as many of them."""
    return text.translate(_ASCII).encode("ascii", "replace").decode()


def colour_of(layer: str | None) -> str:
    """Return the colour of a layer; grey for one that we don't know."""
    return LAYER_COLOURS.get(layer or "", GREY)


def layer_cell(layer: str | None) -> tuple[str, str]:
    """Return a layer's name, eleven columns wide, and its colour."""
    return f"{layer or '':10} ", colour_of(layer)


def line(*pieces: str | tuple[str, str]) -> Text:
    """Return pieces, each a text or a (text, style), as one line that is never wrapped.

    No style is "dim": that vanishes on a projector.
    """
    return Text.assemble(*pieces, no_wrap=True, overflow="ignore")
