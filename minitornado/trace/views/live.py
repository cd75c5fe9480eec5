"""The live log: one line an event, as it happens.

    live = Live()
    with tracing(sink=live): ...        # or Tracer(sink=live)

     seq turn who  layer
      73    2 c1   kernel    c1 is readable  < 72
      74    2 c1   stream    > IOStream._handle_events  < 73, asked 45
      75    2 c1   kernel    | recv c1 38 B

`< 73` is why now, `asked 45` who wanted it, both by seq.  A call in which nothing happened is
one line, with what it returned; to know that, the line of a call waits for the next event.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import IO, Any

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from rich.style import Style

from ..events import CLOSERS, OPENERS, Event
from . import words
from .view import ASKED, GREY, LAYER_COLOURS, WHY, in_ascii

_MAX_INDENT = 12  # columns; a fast GET is answered nineteen calls deep
_LEFT = 25  # columns before that

_MAX_TOLD = 1_000  # objects; of one that was not heard of for so long, all is told again

_PIPE_WIDTH = 80  # columns of a file or pipe, which has no width of its own

_GREY, _BOLD = Style(color=GREY), Style(bold=True)
_WHY, _ASKED = Style(color=WHY), Style(color=ASKED)
_STYLES = {layer: Style(color=colour) for layer, colour in LAYER_COLOURS.items()}
_LOUD = {"run", "resume", "poll"}

Line = list[tuple[str, Style | None]]


class Live:
    """A sink that prints events: to `console`, or to `file` (standard output), `width` columns.

    `level` "full" is every event, "chain" leaves out the calls on the way to server and
    application.
    """

    def __init__(
        self,
        console: Console | None = None,
        file: IO[str] | None = None,
        width: int | None = None,
        level: str = "full",
    ) -> None:
        if level not in ("chain", "full"):
            raise ValueError(f"a live log's level is chain or full, not {level!r}")
        self._console = console or _make_console(file or sys.stdout, width)
        self._width = width or self._console.width
        # Not console.print: it takes 0.2 ms a line, and a request is a hundred lines.
        self._file = self._console.file
        self._colours = _colours(self._console)
        self._unicode = not self._console.options.ascii_only
        self._level = level
        self._open: dict[int, tuple[Event, int]] = {}  # with the depth of what is inside
        self._held: tuple[Event, int] | None = None
        self._turn = ""
        self._told: dict[str, dict[str, object]] = {}  # object -> what was last said of its state
        self._value: object = None  # what the last bracket returned

    def __call__(self, event: Event) -> None:
        """Print an event, or keep it until the next one if it may be one line with it."""
        opener = event if event.of is None else self._open.pop(event.of, (event, 0))[0]
        depth = self._open.get(event.parent or 0, (None, 0))[1]
        shown = self._level == "full" or _in_chain(opener)
        if event.kind in OPENERS:
            self._open[event.seq] = event, depth + shown
        if not shown:
            return
        held = self._held
        if held is not None and event.of == held[0].seq:
            self._held = None
            return self._print(*held, event)
        self.flush()
        # The application is not kept waiting: what it is doing may take long, and that is
        # just what the reader wants to see.
        if event.kind in OPENERS and event.layer != "app":
            self._held = event, depth
        elif event.kind not in CLOSERS or self._tells(event):
            self._print(event, depth)

    def flush(self) -> None:
        """Print the line that waits for the next event.  At the end of the trace."""
        held, self._held = self._held, None
        if held is not None:
            self._print(*held)

    def _print(self, event: Event, depth: int, closer: Event | None = None) -> None:
        if event.turn and words.when(event) != self._turn:
            self._turn = words.when(event)
            self._emit(_turn_line(self._turn, self._width))
        news = self._news(closer or event)
        self._emit(line(event, depth, self._width, closer, news))

    def _tells(self, closer: Event) -> bool:
        """Tell whether the end of a bracket is worth a line: not what the one inside has said."""
        value, self._value = self._value, closer.data.get("value")
        if closer.kind in ("yield", "raise"):
            return True
        return self._value not in (None, value) or bool(self._changed(closer))

    def _changed(self, event: Event) -> dict[str, Any]:
        told = self._told.get(event.obj or "", {})
        delta = event.data.get("delta") or {}
        return {name: pair for name, pair in delta.items() if told.get(name, ...) != pair[1]}

    def _news(self, event: Event) -> str:
        """Return what has changed in the receiver, if no line has said so yet."""
        changed = self._changed(event)
        if event.obj is not None and changed:
            told = self._told.pop(event.obj, {})
            self._told[event.obj] = told | {name: pair[1] for name, pair in changed.items()}
            if len(self._told) > _MAX_TOLD:
                del self._told[next(iter(self._told))]
        return changes(changed)

    def _emit(self, pieces: Line) -> None:
        text = "".join(
            style.render(text, color_system=self._colours) if style else text
            for text, style in pieces
        )
        self._file.write((text if self._unicode else in_ascii(text)) + "\n")


def line(event: Event, depth: int, width: int, closer: Event | None, news: str) -> Line:
    """Return an event as one line of at most `width` columns; with its closer, if it is a leaf.

    `depth` is the number of brackets around it, `news` what is to be said of its receiver.
    """
    layer = event.layer or ""
    edges = _edges(event)
    left = " " * min(depth, _MAX_INDENT)
    room = width - _LEFT - len(left) - len(edges)
    style = _BOLD if event.kind in _LOUD else None
    return [
        (f"{event.seq:5} ", _GREY),
        (f"{event.req or event.conn or '':7} ", None),
        (f"{layer:10} ", _STYLES.get(layer)),
        (left + words.cut(_what(event, closer) + news, room), style),
        (edges, _WHY if event.cause is not None else _ASKED),
    ]


def _in_chain(opener: Event) -> bool:
    """Tell whether an event, or its bracket, is more than a call on the way."""
    return (
        opener.kind != "call" or "segment" in opener.data or opener.layer in ("server", "app")
    )


def _turn_line(turn: str, width: int) -> Line:
    title = f"─── {turn} "
    return [(title + "─" * (min(width, _PIPE_WIDTH) - len(title)), _GREY)]


def _edges(event: Event) -> str:
    parts = []
    if event.cause is not None:
        parts.append(f"← {event.cause}")
    if event.link is not None and event.link != event.cause:
        parts.append(f"asked {event.link}")
    return "  " + ", ".join(parts) if parts else ""


def _what(event: Event, closer: Event | None) -> str:
    marks = {"run": "▶ ", "resume": "▶ ", "schedule": "○ ", "resolve": "● "}
    said = marks.get(event.kind, "└ " if event.kind in CLOSERS else "") + words.label(event)
    if not event.turn and event.lane not in ("loop", "main"):
        said = f"{event.lane}: {said}"
    if closer is None:
        return said + words.result(" → ", event.data) if event.kind in CLOSERS else said
    if closer.kind == "raise":
        return f"{said}, raises {closer.data.get('error')}"
    if closer.kind == "yield":
        return f"{said}, waits for {closer.data.get('target')}"
    return said + words.result(" → ", closer.data)


def changes(delta: Mapping[str, Any]) -> str:
    """Return what changed in a receiver: ` [rbuf 0→28]`."""
    pairs = [f"{name} {before}→{after}" for name, (before, after) in delta.items()]
    return f" [{', '.join(pairs)}]" if pairs else ""


def _make_console(file: IO[str], width: int | None) -> Console:
    console = Console(file=file, width=width, highlight=False)
    if width is None and not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def _colours(console: Console) -> ColorSystem | None:
    return None if console.no_color else COLOR_SYSTEMS.get(console.color_system or "")
