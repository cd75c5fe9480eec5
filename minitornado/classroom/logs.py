"""What the server wrote into its log during a run, kept apart from what a cell shows.

A log line has a traceback, with paths and lines of the reader's machine: read by the one whose
error it is, it helps; in a notebook that is the same everywhere, its last line says enough.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Logged:
    """The lines: channel, message, and the class of the exception that came with it, or ""."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        """The classes of the exceptions alone."""
        return [error for _, _, error in self.lines]

    def __str__(self) -> str:
        return "\n".join(
            f"{channel}: {message}" + (f" ({error})" if error else "")
            for channel, message, error in self.lines
        )


class _Keeps(logging.Handler):
    def __init__(self, kept: Logged) -> None:
        super().__init__()
        self.kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0] if record.exc_info else None
        said = error.__name__ if error else ""
        self.kept.lines.append((record.name, record.getMessage(), said))


@contextmanager
def logged() -> Iterator[Logged]:
    """Keep what is logged on Tornado's channels, and show it nowhere else."""
    channel = logging.getLogger("tornado")
    kept = Logged()
    before, passed_on = channel.handlers, channel.propagate
    # In place of the others: the kernel of a notebook has put one there that prints.
    channel.handlers, channel.propagate = [_Keeps(kept)], False
    try:
        yield kept
    finally:
        channel.handlers, channel.propagate = before, passed_on
