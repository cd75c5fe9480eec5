"""What all commands share about talking to a terminal, a pipe, a file, or nobody."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

PROGRAM = "python -m minitornado"


class Complaint(Exception):
    """One sentence for the user about why it can't be done; `status` is the exit status."""

    def __init__(self, sentence: str, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status


def guard_output(command: Callable[[], int]) -> int:
    """Run a command; turn what ends it into an exit status, with a sentence or without a word."""
    _open_closed_streams()
    try:
        status = _status_of(command)
        sys.stdout.flush()  # here, where a closed pipe is still ours to catch
        return status
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            raise
        # Python flushes once more at its end, and would complain; so let it flush into nothing.
        _point_at_nothing(sys.stdout)
        if error.errno == errno.EPIPE:
            _point_at_nothing(sys.stderr)
            return 141  # as a shell reports a program that SIGPIPE has ended
        print(f"minitornado: can't write the output: {reason_of(error)}", file=sys.stderr)
        return 1


def _status_of(command: Callable[[], int]) -> int:
    try:
        return command()
    except Complaint as complaint:
        sys.stdout.flush()
        print(f"minitornado: {complaint}", file=sys.stderr)
        return complaint.status
    except SystemExit as stop:  # argparse's, after --help or a wrong option
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)


def _open_closed_streams() -> None:
    """Make sure of two streams that take every character; `>&-` leaves None, C locales ASCII."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # open to the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _point_at_nothing(stream: TextIO) -> None:
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), stream.fileno())


def console() -> Console:
    """A console on stdout; colours, width and NO_COLOR are rich's to find out."""
    from rich.console import Console

    class OurConsole(Console):
        def on_broken_pipe(self) -> None:
            raise  # to guard_output; rich's own would exit, with status 1

    return OurConsole(highlight=False)


def reason_of(error: OSError) -> str:
    """Return what the system says about an error, in its words, as the end of a sentence."""
    return (error.strerror or str(error)).lower()
