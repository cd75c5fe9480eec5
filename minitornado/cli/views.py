"""The views of a trace by the names that --view and --level give them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from minitornado.trace import Trace

NAMES = ("story", "log", "lanes", "counts")
DEFAULT = {"story": "story", "chain": "log", "full": "log"}  # by level


def name_of(options: argparse.Namespace) -> str:
    """Return the view that the options ask for."""
    return str(options.view or DEFAULT[options.level])


def show(trace: Trace, options: argparse.Namespace, console: Console) -> None:
    """Print a trace as the options ask for it."""
    from minitornado.trace import views

    name = name_of(options)
    if name == "log":
        log = views.Live(console, level=log_level(options))
        for event in trace:
            log(event)
        log.flush()
    else:
        view = {"story": views.Story, "lanes": views.Lanes, "counts": views.Counts}[name]
        console.print(view(trace))


def log_level(options: argparse.Namespace) -> str:
    """Return the level of a log: that of the callbacks, unless every call is asked for."""
    return "full" if options.level == "full" else "chain"
