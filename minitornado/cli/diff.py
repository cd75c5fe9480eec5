"""diff: two traces that `trace --json` wrote, side by side."""

from __future__ import annotations

import argparse

from .output import console
from .show import read


def run(options: argparse.Namespace) -> int:
    """Show the difference of two traces; 1 if there is one."""
    from minitornado.trace.views import Diff, Story

    one, other = read(options.one), read(options.other)
    diff = Diff(Story(one), Story(other), (options.one, options.other))
    console().print(diff)
    return int(not diff.same())
