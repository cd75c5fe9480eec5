"""Checks an exercise again whenever the learner saves her copy; one key a command.

Plain lines, one below the other: no full-screen terminal is needed.  In a terminal a key works
at once; elsewhere, from a pipe say, a line's first letter counts when the line is complete.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from rich.console import Console, RenderableType

from . import commands, story, workspace
from .catalog import Course, Exercise, ExerciseError
from .source import SourceError

SECONDS_BETWEEN_LOOKS = 0.2

KEYS = "keys: h hint · n next · l list · t trace · d diff · r reset · q quit"


class Watch:
    """One exercise at a time: `check` when a copy was saved, a command when a key comes."""

    def __init__(self, console: Console, course: Course, exercise: Exercise) -> None:
        self.console, self.course = console, course
        self.exercise = exercise
        self._seen: dict[Path, int] = {}
        self._asked_to_reset = False

    def run(self, keys: Callable[[float], str | None]) -> None:
        """Watch until `q`, or the end of the keys; `keys(seconds)` is the next one, "" at the end,
        None if none has come in time."""
        self._begin()
        while True:
            key = keys(SECONDS_BETWEEN_LOOKS)
            if key in ("q", ""):
                return
            if key is not None:
                self._guarded(lambda key=key: self.press(key))  # type: ignore[misc]
            elif self._saved():
                self._check()

    def press(self, key: str) -> None:
        """Do what a key stands for."""
        if key == "r" and not self._asked_to_reset:
            self._asked_to_reset = True
            return self.console.print(f"r again: your {self.exercise.id} becomes a stub again "
                                      "(a backup is kept)")
        self._asked_to_reset = False
        name = self.exercise.id
        answers: dict[str, Callable[[], RenderableType]] = {
            "h": lambda: commands.hint(name, course=self.course),
            "l": lambda: commands.listing(self.course),
            "t": lambda: commands.trace(name, course=self.course),
            "d": lambda: commands.diff(name, self.course),
            "r": lambda: commands.reset(name, self.course),
        }
        if key == "n":
            return self._next()
        if key in answers:
            self.console.print(answers[key]())
            if key == "r":
                self._saved()  # our own write is no reason to check
        self.console.print(KEYS)

    def _begin(self) -> None:
        self._guarded(self._start_and_check)

    def _start_and_check(self) -> None:
        if not workspace.begun(self.course, self.exercise):
            self.console.print(commands.start(self.exercise.id, self.course))
        self._saved()
        self._check()

    def _check(self) -> None:
        self.console.rule(f"{self.exercise.id} {self.exercise.title}", characters="-")
        self._guarded(lambda: self.console.print(commands.check(self.exercise.id, self.course)))
        self.console.print(commands.progress(self.course))
        self.console.print(KEYS)

    def _next(self) -> None:
        """The next exercise that is not solved, in the order of their numbers, round and round."""
        exercises = self.course.exercises()
        at = [exercise.id for exercise in exercises].index(self.exercise.id)
        for exercise in exercises[at + 1:] + exercises[:at]:
            if not workspace.solved(self.course, exercise):
                self.exercise = exercise
                return self._start_and_check()
        self.console.print("No other exercise is left. " + commands.progress(self.course))

    def _saved(self) -> bool:
        """Whether a copy has changed since we looked last."""
        now = {}
        for module in self.exercise.modules:
            with contextlib.suppress(FileNotFoundError):  # an editor may be about to replace it
                path = self.course.copy(module)
                now[path] = path.stat().st_mtime_ns
        changed, self._seen = now != self._seen, now
        return changed

    def _guarded(self, action: Callable[[], object]) -> None:
        """Say what the learner can put right, and go on watching."""
        try:
            action()
        except (ExerciseError, SourceError) as error:
            self.console.print(f"learn: {error}")


def watch(console: Console, name: str | None = None, course: Course | None = None) -> int:
    """Watch an exercise, by default the first that is not solved; returns the exit code."""
    course = course or Course()
    exercise = course.exercise(name) if name else commands.current(course)
    if exercise is None:
        console.print("All exercises are solved. " + commands.progress(course))
        console.print(f"next: {story.COMMAND} serve")
        return 0
    with single_keys(sys.stdin) as keys:
        Watch(console, course, exercise).run(keys)
    return 0


@contextlib.contextmanager
def single_keys(stdin: TextIO) -> Iterator[Callable[[float], str | None]]:
    """A function that waits for a key, so many seconds at most: `Watch.run` says what it returns.

    Read from the fd, by whoever asks: a thread that sat in stdin.read() would still sit there
    when Python ends, and spoil the end.
    """
    if sys.platform == "win32":
        raise ExerciseError(f"watching needs another terminal than Windows'; use "
                            f"{story.COMMAND} check")
    fd, pressed = stdin.fileno(), deque[str]()
    with _without_return(fd) as at_once:
        received = b""

        def key(seconds: float) -> str | None:
            nonlocal received
            if not pressed and select.select([fd], [], [], seconds)[0]:
                data = os.read(fd, 1024)
                received += data
                if at_once:
                    pressed.extend(received.decode("utf-8", "replace").lower())
                    received = b""
                else:
                    *lines, received = received.split(b"\n")
                    pressed.extend(line.strip()[:1].decode("ascii", "replace").lower()
                                   for line in lines if line.strip())
                if not data:
                    pressed.append("")
            return pressed.popleft() if pressed else None

        yield key


@contextlib.contextmanager
def _without_return(fd: int) -> Iterator[bool]:
    """Have a terminal hand over every key at once; False where there is no terminal."""
    if not os.isatty(fd):
        yield False
        return
    import termios
    import tty

    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield True
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
