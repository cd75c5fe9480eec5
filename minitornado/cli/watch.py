"""The main job, without a command: one real request, its chain as it happens, its story."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from minitornado.trace import views

from .output import PROGRAM, console
from .trace import describe, quiet_log, record_live, request_bytes
from .views import story_of

if TYPE_CHECKING:
    from rich.console import Console

NEXT = (
    ("trace /stream --view lanes", "an answer in five pieces"),
    ("trace /echo --data hello", "a request with a body"),
    ("serve", "for curl, until Ctrl-C"),
    ("learn list", "write parts of it yourself"),
)


def run(options: argparse.Namespace) -> int:
    """Serve one request to itself, and show it."""
    quiet_log()
    screen = console()
    _title(screen, "One request, GET /hello, over a real socket: its callbacks as they run")
    trace, answer = record_live(request_bytes(None, "/hello", [], None), screen, "chain")
    _title(screen, "\nThe same as a story, from the connection to the answer")
    screen.print(views.Story(trace, **story_of(trace)))
    _title(screen, "\nWhat that took")
    screen.print(views.Counts(trace, **story_of(trace)))
    screen.print(f"\n{describe(answer)}", soft_wrap=True, markup=False)
    _title(screen, "\nTry next")
    for words, what in NEXT:
        screen.print(f"  {PROGRAM} {words:28}{what}", soft_wrap=True, markup=False)
    return 0


def _title(screen: Console, text: str) -> None:
    screen.print(text, style="bold", markup=False)
