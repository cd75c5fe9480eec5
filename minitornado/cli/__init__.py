"""The command line: python -m minitornado.

    main(argv) ──> arguments.parse ──> watch    one request to the demo, traced
                                       serve    the demo server, until Ctrl-C
                                       show     a trace from a file
                                       diff     two of them
                                       compare  ours with the real Tornado
               ──> those of `classroom` and `benchmark`, which have command lines of their
                   own: HANDED_OVER

A command is a function `run(options)` that returns the exit status, or raises Complaint with
the sentence for the user.  Whatever ends the program, no traceback is shown for it: those are
for bugs.

    0  done      1  could not be done      2  misused      130  Ctrl-C      141  `| head` has enough

What a command needs is imported when it is chosen, so that `--help` need not wait for the rest.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from .output import Complaint, guard_output

COMMANDS = (
    "serve", "trace", "show", "diff", "compare", "learn", "predict", "quiz", "progress", "explain",
    "notebooks", "book", "benchmark",
)  # fmt: skip
HANDED_OVER = {
    "learn": "minitornado.classroom.learn",
    "predict": "minitornado.classroom.predictions",
    "quiz": "minitornado.classroom.quizzes",
    "progress": "minitornado.classroom.progress",
    "explain": "minitornado.classroom.explain",
    "notebooks": "minitornado.classroom.build",
    "build": "minitornado.classroom.build",
    "book": "minitornado.classroom.book",
    "benchmark": "minitornado.benchmark",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    return guard_output(lambda: _run(words))


def _run(words: list[str]) -> int:
    if words and words[0] in HANDED_OVER:
        module = importlib.import_module(HANDED_OVER[words[0]])
        return int(module.main(words[1:]))
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        raise Complaint(f"there is no command {words[0]!r}; there are {', '.join(COMMANDS)}", 2)
    from .arguments import parse

    options = parse(words)
    command = importlib.import_module(f"minitornado.cli.{options.module}")
    return int(command.run(options))


__all__ = ["Complaint", "main"]
