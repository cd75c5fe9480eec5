"""compare: scenarios in ours and in the real Tornado, step by step."""

from __future__ import annotations

import argparse
import json

from . import files
from .output import Complaint, console


def run(options: argparse.Namespace) -> int:
    """Show what is the same and what is not; 1 if a difference is not explained."""
    from minitornado.compare import compare
    from minitornado.compare.ask import NotAsked
    from minitornado.compare.scenarios import SCENARIOS

    if options.list:
        for scenario in SCENARIOS.values():
            print(f"{scenario.name:18}{scenario.title}")
        return 0
    try:
        found = compare(options.scenarios, options.tornado)
    except (NotAsked, ValueError) as error:
        raise Complaint(str(error), status=2) from None
    console().print(found.view(options.view))
    if options.html is not None:
        files.write_text(options.html, found.page())
    if options.json is not None:
        files.write_text(options.json, json.dumps(found.to_dict()) + "\n")
    return int(bool(found.unexplained))
