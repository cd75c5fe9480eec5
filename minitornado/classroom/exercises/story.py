"""What went wrong, as a story in at most 14 lines of 80 columns; what went well, in fewer.

    ReadUntil: YOURS (my_minitornado/pending_read.py a1b2c3) · IOLoop: reference   whose code
    FAILED The delimiter arrives in two packets                                   which test
      1 read_until(b'\\r\\n\\r\\n')                                                 what was done
      2 the client sends …
      expected …, got …                                                           what came
      event 5: reference  the read resolves with …                                where the two
               yours      watch client for READ                                   runs part
      [M17] `\\r\\n\\r` came, then `\\n`: …                                            the idea
      look at my_minitornado/pending_read.py:61 (ReadUntil.find_end)
      next: notebook 06, or python -m minitornado learn hint ex13

Plain words, readable without colour.  A traceback, where there is one, comes after it.
"""

from __future__ import annotations

import difflib
import itertools
import textwrap
from collections.abc import Sequence

from rich.text import Text

from . import source, workspace
from .catalog import Course, Exercise
from .engine import NOT_RUN, PASSED, TODO, Report, Result

MAX_LINES = 14
MAX_EVENTS = 40  # of a scenario, side by side; the first that differ are what matters
WIDTH = 80
COMMAND = "python -m minitornado learn"

# Style by the first word of a line; the words alone say the same.
STYLES = {"FAILED": "bold red", "HANG": "bold red", "CRASH": "bold red", "passed": "green",
          "todo": "yellow", "next:": "cyan", "look": "cyan", "expected": "bold", "+": "green",
          "-": "red"}


def story(report: Report, result: Result) -> list[str]:
    """The story of one result that is not well, the line of origins first; 14 lines at most."""
    head = [*origins(report),
            *_wrapped(f"{result.status.upper()} {result.title or result.name}", 1)]
    tail = _wrapped(result.error, 2, "  ")
    if result.parting is not None:
        number, theirs, hers = result.parting
        start = f"  event {number}: "
        tail += _wrapped(f"reference  {theirs}", 1, start)
        tail += _wrapped(f"yours      {hers}", 1, " " * len(start))
    mark = f"[{result.misconception}] " if result.misconception else ""
    tail += _wrapped(mark + result.idea, 3, "  ")
    if result.where:
        tail += _wrapped(f"look at {result.where}", 1, "  ")
    read = f"notebook {report.exercise.notebook}, or " if report.exercise.notebook else ""
    tail += [f"  next: {read}{COMMAND} hint {report.exercise.id}"]
    return head + _steps(result.steps, MAX_LINES - len(head) - len(tail)) + tail


def origins(report: Report) -> list[str]:
    """Whose code ran: the first lines of whatever is told of a check."""
    return _wrapped(report.origins, 3, separator=" · ")


def details(result: Result) -> list[str]:
    """What follows a story: what the learner printed, and the traceback, last."""
    lines = []
    if result.printed:
        lines += ["", "printed meanwhile:", *(f"  {line}" for line in result.printed)]
    if result.traceback:
        lines += ["", *result.traceback.rstrip().splitlines()]
    return lines


def told(course: Course, report: Report) -> list[str]:
    """A whole check: the first story if something failed, what is to do, or the good news."""
    exercise = report.exercise
    bad = [result for result in report.results if result.status not in (PASSED, TODO, NOT_RUN)]
    if bad:
        failing = ", ".join(result.name for result in bad)
        return [*story(report, bad[0]), *details(bad[0]), "", _count(report),
                *textwrap.wrap(f"not passed: {failing}", WIDTH, subsequent_indent="  ")]
    if report.status == TODO:
        command = "check" if workspace.begun(course, exercise) else "start"
        return [*origins(report), *(f"todo {line}" for line in report.todo or _reached(report)),
                _count(report), f"next: {COMMAND} {command} {exercise.id}"]
    return [*origins(report),
            f"passed {exercise.id}: all {len(report.results)} scenarios, on your code",
            "", *textwrap.wrap(exercise.success, WIDTH), "", *difference(course, exercise)]


def difference(course: Course, exercise: Exercise) -> list[str]:
    """The learner's definitions against the reference's, as a unified diff."""
    lines: list[str] = []
    for blank in exercise.blanks:
        hers = source.excerpt(course.copy(blank.module).read_text("utf-8"), blank.qualname)
        his = source.excerpt(course.reference(blank.module).read_text("utf-8"), blank.qualname)
        lines += _unified(hers.text, his.text,
                          f"{course.shown(course.copy(blank.module))}:{hers.line}",
                          f"{course.shown(course.reference(blank.module))}:{his.line}")
    return lines or ["Yours is the reference, letter by letter."]


def changes(course: Course, exercise: Exercise) -> list[str]:
    """What the learner has written: her copies against how they were handed out."""
    lines: list[str] = []
    for module in exercise.modules:
        path = course.copy(module)
        if path.exists():
            lines += _unified(workspace.fresh(course, module), path.read_text("utf-8"),
                              "as it was handed out", course.shown(path))
    return lines or ["Nothing is written yet."]


def _unified(old: str, new: str, old_name: str, new_name: str) -> list[str]:
    return [line.rstrip("\n") for line in difflib.unified_diff(
        old.splitlines(), new.splitlines(), old_name, new_name, n=1, lineterm="")]


def side_by_side(result: Result, theirs: Sequence[str]) -> list[str]:
    """The events of a scenario, the reference's left and the learner's right, marked where not."""
    width = (WIDTH - 8) // 2
    lines = [f"     {'reference':{width}} yours"]
    pairs = itertools.zip_longest(theirs, result.events, fillvalue="")
    for number, (his, hers) in enumerate(pairs, 1):
        if number > MAX_EVENTS:
            most = max(len(theirs), len(result.events))
            return [*lines, f"     … {most - MAX_EVENTS} more events"]
        mark = " " if his == hers else ">"
        left, right = (_wrapped(text, 1)[0] for text in (his, hers))
        left = left if len(left) <= width else left[:width - 1] + "…"
        right = right if len(right) <= width else right[:width - 1] + "…"
        lines.append(f"{mark}{number:3} {left:{width}} {right}".rstrip())
    return lines


def bar(done: int, of: int, width: int = 20) -> str:
    """A progress bar in plain characters.

    >>> bar(3, 9)
    '[######..............] 3 of 9'
    """
    filled = width * done // of
    return f"[{'#' * filled}{'.' * (width - filled)}] {done} of {of}"


def styled(lines: Sequence[str]) -> Text:
    """The same lines for a terminal with colours."""
    text = Text()
    for line in lines:
        word = line.split(maxsplit=1)[0] if line.strip() else ""
        text.append(line + "\n", STYLES.get(word, ""))
    text.rstrip()
    return text


def _count(report: Report) -> str:
    states = [result.status for result in report.results]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return f"{report.exercise.id}: {len(states)} scenarios: {counts}"


def _reached(report: Report) -> list[str]:
    return [f"{result.name} reaches a stub" for result in report.results if result.status == TODO]


def _steps(steps: Sequence[str], room: int) -> list[str]:
    """Numbered steps in at most `room` lines; those in the middle are folded into one."""
    numbered = list(enumerate(steps, 1))
    if len(numbered) <= room:
        return [line for number, step in numbered for line in _wrapped(step, 1, f"  {number} ")]
    # The last one is where it went wrong.
    first, last = numbered[:max(room - 2, 0)], numbered[-1:] if room > 1 else []
    folded = f"  … {len(numbered) - len(first) - len(last)} more steps"
    return [*_steps([step for _, step in first], room), folded,
            *(line for number, step in last for line in _wrapped(step, 1, f"  {number} "))]


def _wrapped(text: str, most: int, indent: str = "", separator: str = " ") -> list[str]:
    """At most `most` lines of 80 columns; what does not fit is cut, and seen to be.

    The first line begins with `indent`, the others with as many blanks.
    """
    width = WIDTH - len(indent)
    lines = [""]
    for piece in text.split(separator):
        joined = lines[-1] + separator + piece if lines[-1] else piece
        if lines[-1] and len(joined) > width:
            lines.append(piece)
        else:
            lines[-1] = joined
    lines[most - 1:] = [separator.join(lines[most - 1:])] if len(lines) > most else lines[most - 1:]
    lines = [line if len(line) <= width else line[:width - 1] + "…" for line in lines]
    return [indent + lines[0], *(" " * len(indent) + line for line in lines[1:])]
