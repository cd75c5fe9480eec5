"""The first lines of the subprocess: the learner's code in the place of the package's own.

Run by its path, so that nothing of the package is imported when `main` begins.  From then on
`import minitornado.pending_read` gives the learner's copy to whoever asks, `iostream` among
them.  Reads the job from standard input, writes events to standard output, one JSON object
a line; what the learner prints goes elsewhere.  With the name of a file, the job is in that
file, and is a command line: then that runs on the learner's code instead.

Needs the standard library alone, and nothing from the files beside it.
"""

from __future__ import annotations

import faulthandler
import importlib.machinery
import importlib.util
import json
import marshal
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from types import CodeType, ModuleType
from typing import Any, ClassVar

# A list that grows in an endless loop would otherwise take the whole machine's memory before
# the time limit ends it.
MAX_MEMORY_BYTES = 2 * 1024**3
MAX_FILE_BYTES = 64 * 1024**2


class NotYours(NotImplementedError):
    """Raised by a stub: this is for you to write.

    Every one is remembered, since the loop logs what a callback raises and goes on.
    """

    raised: ClassVar[list[str]] = []

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.raised.append(message)


class LearnersModules(MetaPathFinder, Loader):
    """Answers imports of the modules that the learner has a copy of, before all other finders."""

    def __init__(self, codes: dict[str, tuple[str, CodeType]]) -> None:
        self._codes = codes  # module -> (path of the copy, its code)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._codes:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=self._codes[fullname][0])

    def get_code(self, fullname: str) -> CodeType:
        """Return what a module consists of, for those who look into it: the tracer does."""
        return self._codes[fullname][1]

    def exec_module(self, module: ModuleType) -> None:
        path, code = self._codes[module.__name__]
        module.__file__ = path
        # Here and not as an import in the file: the stub is the reference, byte for byte,
        # outside of the blank bodies.
        module.__dict__["NotYours"] = NotYours
        exec(code, module.__dict__)


def main() -> None:
    if len(sys.argv) > 1:  # from a file, since the command has standard input to itself
        with open(sys.argv[1], "rb") as file:
            sys.exit(_run_command(marshal.load(file)))
    job: dict[str, Any] = marshal.load(sys.stdin.buffer)
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # the learner's print() must not end up between the events

    def send(**event: object) -> None:
        events.write(json.dumps(event) + "\n")

    _put_in_place(job)
    _limit()
    send(kind="started")
    with open(job["stack_dump"], "w") as dump:
        # An import may not end either.  Each scenario sets this anew.
        faulthandler.dump_traceback_later(job["import_seconds"], file=dump, exit=True)
        try:
            from minitornado.classroom.exercises import child

            child.run(job, NotYours, send, dump)
        except Exception as error:
            send(kind="broken", todo=NotYours.raised, traceback=traceback.format_exc(),
                 error=f"{type(error).__name__}: {error}", frames=_frames(error))


def _frames(error: Exception) -> list[list[str | int]]:
    frames: list[list[str | int]] = [
        [frame.filename, frame.lineno or 0, frame.name]
        for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append([str(error.filename), error.lineno or 0, "<syntax>"])
    return frames


def _put_in_place(job: dict[str, Any]) -> None:
    early = [name for name in sys.modules if name.split(".")[0] == job["package"]]
    assert not early, f"imported before the learner's modules were in place: {early}"
    sys.meta_path.insert(0, LearnersModules(job["codes"]))
    sys.path[:0] = job["path"]


def _run_command(job: dict[str, Any]) -> int:
    """Run `python -m minitornado …` with the learner's modules; returns the exit code."""
    _put_in_place(job)
    from minitornado.cli import main as command_line

    return command_line(job["command"])


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > MAX_MEMORY_BYTES:
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, hard))
    # What is printed without an end goes to a file.
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))


if __name__ == "__main__":
    main()
