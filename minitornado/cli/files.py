"""Files that a trace is written to, for a browser or for another tool."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from .output import Complaint, reason_of

if TYPE_CHECKING:
    from minitornado.trace import Trace


def write(trace: Trace, options: argparse.Namespace) -> None:
    """Write what --html and --export ask for; raise a Complaint if that can't be done."""
    if options.html is not None:
        write_text(options.html, trace.page())
    if options.export is not None:
        from minitornado.trace.export import FORMATS

        name, path = options.export
        write_text(path, json.dumps(FORMATS[name](trace)) + "\n")


def write_text(path: str, text: str) -> None:
    """Write a file; raise a Complaint if that can't be done."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Complaint(f"can't write {path}: {reason_of(error)}") from None
