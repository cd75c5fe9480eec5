"""The main part of the subprocess: run scenario after scenario, and report as it goes.

Events, one a line: `origins` (whose code is in place), then for each scenario `begin` and
`end`.  What comes after a `begin` without an `end` is for the parent to name: a hang, a crash.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import importlib.util
import inspect
import io
import logging
import sys
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TextIO

from .lab import Diagnosis, Lab, Unexpected

Send = Callable[..., None]

MAX_PRINTED_LINES = 20
TESTS = "exercise_tests"  # the name of the module of scenarios


def run(job: dict[str, Any], not_yours: Any, send: Send, dump: TextIO) -> None:
    """Run the scenarios `job["names"]` of `job["tests"]`, all if None, in the order of the file.

    The stack of one that does not end is written to `dump`.
    """
    tests = _load(job["tests"])
    copies = {path for path, _code in job["codes"].values()}
    runner = _Runner(tests, copies, not_yours.raised, job["explains"])
    send(kind="origins", origins=[[slot, _files(slot)] for slot in job["slots"]])
    scenarios = [function for name, function in vars(tests).items()
                 if name.startswith("test_") and inspect.isfunction(function)]
    for scenario in scenarios:
        if job["names"] is not None and scenario.__name__ not in job["names"]:
            continue
        send(kind="begin", name=scenario.__name__)
        # Whatever we are in: it is written, and that is our end.
        faulthandler.dump_traceback_later(job["seconds"], file=dump, exit=True)
        outcome = runner.run(scenario)
        faulthandler.cancel_dump_traceback_later()
        send(kind="end", name=scenario.__name__, **outcome)


@dataclass
class _Runner:
    tests: ModuleType
    copies: Collection[str]  # the learner's files
    stubs: list[str]         # what was reached that is not written yet; stubs add to it
    explains: dict[str, list[str]]  # the scenarios in which a diagnosis may speak, by its id

    def run(self, scenario: Callable[[Lab], None]) -> dict[str, Any]:
        """Run one; returns the event that tells how it ended."""
        lab, printed, log = Lab(), io.StringIO(), _Log()
        self.stubs.clear()
        with contextlib.redirect_stdout(printed), log:
            try:
                scenario(lab)
            # A learner's sys.exit() ends a scenario, not the check.  Ctrl-C still ends us.
            except (Exception, SystemExit) as error:
                lab.error = error
        outcome: dict[str, Any] = {
            "steps": lab.steps, "events": lab.events, "todo": list(self.stubs),
            "printed": printed.getvalue().splitlines()[-MAX_PRINTED_LINES:],
        }
        if lab.error is not None:
            # What the loop has caught and logged is the cause of what was missed later.
            cause = log.errors[0] if log.errors else lab.error
            if not isinstance(cause, Unexpected):
                lab.error = cause
            outcome |= self._failure(scenario, lab, lab.error)
        return outcome

    def _failure(
        self, scenario: Callable[[Lab], None], lab: Lab, error: BaseException
    ) -> dict[str, Any]:
        title, _, idea = (inspect.getdoc(scenario) or scenario.__name__).partition("\n")
        expected = isinstance(error, Unexpected)
        failure: dict[str, Any] = {
            "title": title.rstrip("."), "idea": " ".join(idea.split()), "misconception": "",
            "diagnosis": "", "blank": "", "expected": expected,
            "error": str(error) if expected else _named(error),
            "frames": [[frame.filename, frame.lineno or 0, frame.name]
                       for frame in traceback.extract_tb(error.__traceback__)],
            "traceback": "" if expected else _traceback(error, self.copies),
        }
        for known in list(vars(self.tests).values()):  # a warning adds a name to its module
            if (isinstance(known, Diagnosis) and (expected or type(error) in known.raises)
                    and scenario.__name__ in self.explains.get(known.id, [scenario.__name__])
                    and (sentence := self._sentence(known, lab)) is not None):
                return failure | {"diagnosis": known.id, "misconception": known.misconception,
                                  "blank": known.blank, "idea": sentence}
        return failure

    def _sentence(self, known: Diagnosis, lab: Lab) -> str | None:
        self.stubs.clear()
        try:
            sentence = known.diagnose(lab)
        except Exception:
            # It tries the learner's code in its turn, which may fail in ways that no author
            # foresaw.
            return None
        return None if self.stubs else sentence  # it came to what is not written: it can't know


def _traceback(error: BaseException, copies: Collection[str]) -> str:
    """From the learner's first line on: what calls it is the machinery, and nothing to look at."""
    told = traceback.TracebackException.from_exception(error)
    hers = [at for at, frame in enumerate(told.stack) if frame.filename in copies]
    told.stack = traceback.StackSummary.from_list(told.stack[hers[0] if hers else 0:])
    return "".join(told.format())


def _named(error: BaseException) -> str:
    name = type(error).__name__
    if str(error):
        return f"{name}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{name}, by `{frames[-1].line}`" if frames else name


def _load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(TESTS, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[TESTS] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def _files(slot: str) -> list[str]:
    """The files that the code of `module:name` comes from: a function's, or all of a class's."""
    module, _, qualname = slot.partition(":")
    found: Any = importlib.import_module(module)
    for name in qualname.split("."):
        found = inspect.getattr_static(found, name)
    members = list(vars(found).values()) if inspect.isclass(found) else [found]
    codes = [_function(member) for member in members]
    return sorted({code.co_filename for code in codes if code is not None})


def _function(member: Any) -> Any:
    """The code object behind a function, method, property or wrapper; None for anything else."""
    for attribute in ("fget", "__func__"):
        member = getattr(member, attribute, member)
    return getattr(inspect.unwrap(member) if callable(member) else member, "__code__", None)


class _Log(logging.Handler):
    """Keeps the exceptions that were logged, and the log off the terminal.

    But for those that a scenario has raised itself, to see what becomes of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and type(error).__module__ != TESTS:
            self.errors.append(error)

    def __enter__(self) -> _Log:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
