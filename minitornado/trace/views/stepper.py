"""The stepper: one step of the story at a time, forward and back, with all that is known of it.

The sentence, why now, who asked, what changed, the loop's state at that moment, and the lines
of source.  In a terminal with keys, one line of input at a time where there is no terminal;
in a notebook as a player that needs no kernel, over a static list that needs no script.
"""

from __future__ import annotations

import functools
import html
import importlib.util
import linecache
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..events import Event, Trace
from . import live, words
from .state import lines_at
from .story import Step, Story
from .view import ASKED, GREY, WHY, View, colour_of, line

LINES_BEFORE, LINES_AFTER = 2, 6

KEYS = "keys: n next, p previous, b because, a asked, q quit"

ARROWS = {"\x1b[C": "n", "\x1b[D": "p"}  # as a terminal sends them

#: What is said to a key that leads nowhere.
NOWHERE = {
    "n": "This is the last step.",
    "p": "This is the first step.",
    "b": "Why this happened is no step of this story.",
    "a": "Who asked for this is no step of this story.",
}

_HERE = Path(__file__).parent


class Stepper(View):
    """The steps of a story, one at a time: of a trace, a connection or a request.

    `at` is the number of the step shown; `press` moves it; `run` reads keys from a terminal.
    """

    def __init__(self, trace: Trace, conn: str | None = None, req: str | None = None) -> None:
        self.trace = trace
        self.story = Story(trace, conn, req)
        self.steps = self.story.steps
        self.at = 1
        self._states = self._lines_at({step.event.seq for step in self.steps})

    def _lines_at(self, moments: set[int]) -> dict[int, list[tuple[str, str]]]:
        """Return the loop's state in words, right after each of these events."""
        return lines_at(self.trace, moments)

    def press(self, key: str) -> bool:
        """Do what a key says; return False if it leads nowhere from here."""
        step = self.steps[self.at - 1]
        why = step.because if step.because is not None else step.within
        to = {"n": self.at + 1, "p": self.at - 1, "b": why, "a": step.asked}.get(key)
        if to is None or not 1 <= to <= len(self.steps):
            return False
        self.at = to
        return True

    def run(self, console: Console | None = None, keys: Iterable[str] | None = None) -> None:
        """Show steps as keys are pressed, up to `q` or the end of input.

        `keys` come from the terminal; from lines of standard input, if that is none.
        """
        console = console or Console(highlight=False)
        console.print(self)
        if not self.steps:
            return
        for key in _keys() if keys is None else keys:
            if key == "q":
                return
            if self.press(key):
                console.print(self)
            else:
                console.print(line((NOWHERE.get(key, KEYS), GREY)))

    def body(self, width: int) -> Iterable[RenderableType]:
        if not self.steps:
            yield Text("This trace has no step to show.")
            return
        step = self.steps[self.at - 1]
        yield Panel(
            Group(*self._panel(step)),
            box=box.ROUNDED,
            title=Text(f" {step.key} ", "bold"),
            title_align="left",
            border_style=colour_of(step.event.layer),
            width=min(width, 110),
        )
        yield line((KEYS, GREY))

    def _panel(self, step: Step) -> Iterator[RenderableType]:
        event = step.event
        yield line(
            (f"step {step.number} of {len(self.steps)}", GREY),
            (f"   {event.layer}", f"bold {colour_of(event.layer)}"),
            (f"   {words.when(event)}   {event.req or event.conn or ''}", GREY),
        )
        yield Text(f"\n{step.sentence}\n", "bold")
        facts = Table.grid(padding=(0, 2, 0, 0))
        for name, text, colour in self._facts(step):
            facts.add_row(Text(name, f"italic {colour}"), text)
        yield facts
        place, shown = source(self.trace, event)
        if shown:
            yield Text(f"\n{place}", GREY)
        for number, code, here in shown:
            said = f"{'▶' if here else ' '} {number:4}  {code}"
            yield Text(said, "bold" if here else "", no_wrap=True, overflow="ellipsis")

    def _facts(self, step: Step) -> Iterator[tuple[str, str, str]]:
        """Yield what is known of a step: name, text, colour."""
        edges = (
            ("why now", step.because, WHY), ("inside of", step.within, GREY),
            ("asked for by", step.asked, ASKED),
        )  # fmt: skip
        for name, number, colour in edges:
            if number is not None:
                yield name, f"step {number} · {self.steps[number - 1].sentence}", colour
        closer = self.trace.closer(step.event)
        change = live.changes((closer or step.event).data.get("delta") or {}).strip(" []")
        if change:
            yield "changes" if closer is None else "by its end", change, GREY
        for name, text in self._states[step.event.seq]:
            yield name, text, GREY

    # ---- in a notebook ----

    def html(self) -> str:
        """Return the player: a list of steps, which a script turns into one step at a time."""
        css = html.escape((_HERE / "stepper.css").read_text("utf-8"))
        script = (_HERE / "stepper.js").read_text("utf-8")
        items = "\n".join(self._details(step) for step in self.steps)
        name = f"{len(self.steps)} steps, one at a time: keys n, p, b, a"
        return (
            f'<div class="mt-steps" role="region" aria-label="{name}" '
            f'data-lm-suppress-shortcuts="true" data-css="{css}">\n{items}\n</div>\n'
            f"<script>\n{script}</script>"
        )

    def _details(self, step: Step) -> str:
        why = step.because if step.because is not None else step.within
        facts = "".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>"
            for name, text, _colour in self._facts(step)
        )
        layer = step.event.layer or ""
        place, shown = source(self.trace, step.event)
        lines = "\n".join(
            f"<mark>{row}</mark>" if here else row
            for number, line, here in shown
            for row in [f"{number:4}  {html.escape(line)}"]
        )
        code = f"<div>{html.escape(place)}</div><pre>{lines}</pre>" if lines else ""
        return (
            f'<details data-because="{why or 0}" data-asked="{step.asked or 0}">'
            f'<summary>{step.number} <span style="color:{colour_of(layer)}">{layer}</span> '
            f"{html.escape(step.sentence)}</summary>"
            f"<div>{words.when(step.event)} {step.event.req or step.event.conn or ''}</div>"
            f"<dl>{facts}</dl>{code}</details>"
        )

    def _repr_mimebundle_(self, **_wanted: Any) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": self.story.text()}


# ---- source ----


def source(trace: Trace, event: Event) -> tuple[str, list[tuple[int, str, bool]]]:
    """Return an event's place in words, and the lines there: number, text, whether it is the one.

    What has no place of its own, as a system call, is at that of the function around it.  There
    are no lines where the source isn't at hand: that of a loaded trace is looked for in this
    package.
    """
    at = next((each for each in (event, *trace.ancestors(event)) if each.src), event)
    name, _, line = (at.src or "").rpartition(":")
    path = _path_of(at.mod or "")
    if path is None or Path(path).name != Path(name).name or not line.isdigit():
        return "", []
    here = int(line)
    lines = linecache.getlines(path)
    first = max(1, here - LINES_BEFORE)
    shown = [
        (number, lines[number - 1].rstrip(), number == here)
        for number in range(first, min(len(lines), here + LINES_AFTER) + 1)
    ]
    return f"{at.src}{'' if at is event else ', the function around it'}", shown


@functools.cache
def _path_of(module: str) -> str | None:
    if module.partition(".")[0] != __name__.partition(".")[0]:
        return None  # somebody else's: finding it could run its package's code
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return None if spec is None else spec.origin


# ---- keys ----


def _keys() -> Iterator[str]:
    """Yield keys: as they are pressed in a terminal, else the first of each line."""
    try:
        import termios
        import tty

        before = termios.tcgetattr(sys.stdin)
    except Exception:  # no terminal, or a system without termios: read lines
        for line in sys.stdin:
            yield line.strip()[:1] or "n"
        return
    try:
        # Ctrl-C still interrupts.  Now, and not after a flush: keys pressed early count too.
        tty.setcbreak(sys.stdin, termios.TCSANOW)
        while typed := os.read(sys.stdin.fileno(), 64).decode("utf-8", "replace"):
            # An arrow is three characters, a longer sequence some other key.
            typed = re.sub(r"\x1b[\[O]\W*\d*.?", lambda found: ARROWS.get(found[0], "?"), typed)
            yield from re.sub(r"[ \n]", "n", typed.replace("\x04", "q"))
    except KeyboardInterrupt:
        return
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
