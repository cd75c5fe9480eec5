"""show: a trace that `trace --json` wrote."""

from __future__ import annotations

import argparse

from minitornado.trace import Trace, load

from . import files, views
from .output import Complaint, console, reason_of


def run(options: argparse.Namespace) -> int:
    """Print the trace of a file."""
    trace = read(options.file)
    views.show(trace, options, console())
    files.write(trace, options)
    return 0


def read(path: str) -> Trace:
    """Return the trace in a file; raise a Complaint if there is none."""
    try:
        return load(path)
    except OSError as error:
        raise Complaint(f"can't read {path}: {reason_of(error)}", status=2) from None
    except (ValueError, TypeError, AttributeError) as error:
        said = str(error) if str(error).startswith(f"{path} has version") else (
            f"{path} is no trace: `trace --json FILE` writes them")
        raise Complaint(said, status=2) from None
