"""Builds the notebooks: notebooks/src/NN_name.py in, executed notebooks/NN_name.ipynb out.

    python -m minitornado.classroom.build            build every notebook
    python -m minitornado.classroom.build 00 03      build these
    python -m minitornado.classroom.build --check    build in memory, compare with what is there

After all of them it says how many of the stack's code lines the course explains, and which not.

One way only. What somebody changes in the .ipynb is lost at the next build, and --check says
so before; two-way pairing would have to guess which of the two is newer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from minitornado.classroom.difference import describe_difference
from minitornado.classroom.execute import BuildError, execute
from minitornado.classroom.explain import report
from minitornado.classroom.normalise import NotRepeatable, notebook_text
from minitornado.classroom.percent import Cell, PercentError, read_source

if TYPE_CHECKING:
    from rich.console import Console

FOLDER = Path(__file__).parents[2] / "notebooks"
JOBS = 2  # kernels at a time: each keeps one core busy

_SOURCE_NAME = re.compile(r"\d\d_[a-z0-9_]+\.py")


@dataclass(frozen=True)
class Notebook:
    """One notebook of `folder`, by name: ``00_one_request``."""

    name: str
    folder: Path = FOLDER

    @property
    def source(self) -> Path:
        return self.folder / "src" / f"{self.name}.py"

    @property
    def target(self) -> Path:
        return self.folder / f"{self.name}.ipynb"

    @property
    def shown_source(self) -> str:
        """The source's path as messages name it, from the folder that holds the notebooks."""
        return f"{self.folder.name}/src/{self.name}.py"

    @property
    def shown_target(self) -> str:
        return f"{self.folder.name}/{self.name}.ipynb"


@dataclass(frozen=True)
class Built:
    """What became of one notebook: its text, or the error why there is none."""

    notebook: Notebook
    text: str
    seconds: float
    error: str = ""


def find_notebooks(folder: Path = FOLDER, names: Sequence[str] = ()) -> list[Notebook]:
    """The notebooks of `folder` that `names` ask for, all if empty, in order.

    A name is the number (``00``), the whole name or a path to the source or the notebook.
    Raises BuildError for a name nobody has, and for a source with a name no notebook has.
    """
    found = []
    for path in sorted((folder / "src").glob("*.py")):
        if not _SOURCE_NAME.fullmatch(path.name):
            raise BuildError(f"{path}: a notebook's source is named NN_name.py, as 00_one_request")
        found.append(Notebook(path.stem, folder))
    if not names:
        return found
    wanted: set[Notebook] = set()
    for name in names:
        stem = Path(name).stem
        matches = {book for book in found if stem in (book.name, book.name[:2])}
        if not matches:
            known = ", ".join(book.name for book in found) or "none"
            raise BuildError(f"no notebook {name!r} in {folder / 'src'}: there is {known}")
        wanted |= matches
    return [book for book in found if book in wanted]


def find_orphans(folder: Path = FOLDER) -> list[Path]:
    """Built notebooks whose source is gone: nothing keeps them fresh any more."""
    return [
        path
        for path in sorted(folder.glob("*.ipynb"))
        if not Notebook(path.stem, folder).source.exists()
    ]


def build_all(
    notebooks: Sequence[Notebook],
    *,
    jobs: int = JOBS,
    overrides: Mapping[str, str] = {},
    on_cell: Callable[[Notebook, int, int], object] = lambda notebook, done, total: None,
) -> list[Built]:
    """Build `notebooks` in memory, up to `jobs` at a time; one result each, in order.

    `overrides` change the kernels' environment: a build that depends on it is a wrong one.
    `on_cell(notebook, done, total)` is called as each is begun and after each cell.
    """

    async def build_them() -> list[Built]:
        slots = asyncio.Semaphore(jobs)

        async def build_one(notebook: Notebook) -> Built:
            async with slots:
                start = time.monotonic()
                text, error = "", ""
                try:
                    text = await _build(notebook, overrides, on_cell)
                except (BuildError, PercentError) as failure:
                    error = str(failure)
                return Built(notebook, text, time.monotonic() - start, error)

        return list(await asyncio.gather(*map(build_one, notebooks)))

    return asyncio.run(build_them())


async def _build(
    notebook: Notebook,
    overrides: Mapping[str, str],
    on_cell: Callable[[Notebook, int, int], object],
) -> str:
    source = notebook.shown_source
    cells = read_source(notebook.source, source)
    if notebook.folder == FOLDER:
        cells = _watched(cells, notebook.name[:2])
    done = 0

    def count_cell() -> None:
        nonlocal done
        done += 1
        on_cell(notebook, done, len(cells))

    on_cell(notebook, 0, len(cells))
    outputs = await execute(
        cells, source=source, folder=notebook.folder, overrides=overrides, on_cell=count_cell
    )
    try:
        return notebook_text(cells, outputs)
    except NotRepeatable as error:
        place = f"{source}:{cells[error.cell].line}: cell {error.cell + 1}"
        raise BuildError(f"{place}: its output {error.reason}") from None


def _watched(cells: list[Cell], number: str) -> list[Cell]:
    """The same cells, between two that watch whether each line runs that the notebook explains."""
    begin = f"__import__('minitornado.classroom.ran').classroom.ran.begin({number!r})"
    end = "__import__('minitornado.classroom.ran').classroom.ran.end()"
    tags = {"tags": ["watch"]}
    return [Cell("code", begin, 1, tags), *cells, Cell("code", end, cells[-1].line, tags)]


def complain(built: Built) -> str:
    """Why the notebook on disk is not `built`, in words; empty if it is, byte for byte."""
    book = built.notebook
    elsewhere = "" if book.folder == FOLDER else f" --folder {book.folder}"
    command = f"python -m minitornado.classroom.build {book.name}{elsewhere}"
    if built.error:
        return f"{book.shown_target} cannot be built.\n{built.error}"
    if not book.target.exists():
        return f"{book.shown_target} is missing; build it with: {command}"
    # Bytes: read as text, a file with other line ends would look the same.
    committed = book.target.read_bytes().decode("utf-8", errors="replace")
    difference = describe_difference(committed, built.text)
    if not difference:
        return ""
    return f"{book.shown_target} is stale; rebuild it with: {command}\n{difference}"


def write(built: Built) -> bool:
    """Put the built notebook in its place; False if it was there already."""
    target = built.notebook.target
    data = built.text.encode()
    if target.exists() and target.read_bytes() == data:
        return False
    # In two steps: whoever interrupts the build must not find half a notebook.
    beside = target.with_suffix(".ipynb.new")
    beside.write_bytes(data)
    os.replace(beside, target)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0 fine, 1 stale or broken, 2 a wrong option."""
    from rich.console import Console

    options = _make_parser().parse_args(arguments)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        notebooks = find_notebooks(options.folder, options.names)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 2
    if not notebooks and not find_orphans(options.folder):
        print(f"There are no notebooks in {options.folder / 'src'}.", file=sys.stderr)
        return 2
    try:
        results = _build_with_progress(notebooks, options.jobs, console)
    except KeyboardInterrupt:
        print("Interrupted; no notebook was changed.", file=sys.stderr)
        return 130
    failed = [_report(built, check=options.check) for built in results]
    if options.folder == FOLDER and not options.names:
        print(f"\n{report()}")
    for orphan in [] if options.names else find_orphans(options.folder):
        failed.append(True)
        print(f"{orphan} has no source in {options.folder / 'src'}: delete it, or bring it back.")
    return int(any(failed))


def _report(built: Built, *, check: bool) -> bool:
    """Write or compare one notebook and say so in a line; True if something is wrong with it."""
    name, took = built.notebook.shown_target, f"{built.seconds:.1f} s"
    if built.error or check:
        complaint = complain(built)
        print(complaint or f"{name} is fresh ({took})")
        return bool(complaint)
    print(f"{name} {'built' if write(built) else 'unchanged'} ({took})")
    return False


def _build_with_progress(
    notebooks: Sequence[Notebook], jobs: int, console: Console
) -> list[Built]:
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("cell {task.completed} of {task.total}"),
        TimeElapsedColumn(),
    )
    tasks: dict[Notebook, TaskID] = {}
    # In a pipe or a CI log a bar is noise; the lines that follow say it all.
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:

        def on_cell(notebook: Notebook, done: int, total: int) -> None:
            if notebook not in tasks:
                tasks[notebook] = progress.add_task(notebook.name, total=total)
            progress.update(tasks[notebook], completed=done)

        return build_all(notebooks, jobs=jobs, on_cell=on_cell)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m minitornado.classroom.build",
        description="Build the notebooks: execute notebooks/src/NN_name.py, write "
        "notebooks/NN_name.ipynb. The same source always gives the same bytes.",
        epilog="Exit status: 0 all well; 1 a notebook is stale (with --check) or cannot be "
        "built; 2 there is no such notebook. See percent.py beside this module for the format.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="number or name, as 00 or 00_name (default: all)"
    )
    parser.add_argument(
        "--check", action="store_true",
        help="write nothing; say which notebooks differ from a fresh build, where, and how",
    )
    parser.add_argument(
        "--jobs", type=_positive, default=JOBS, metavar="N",
        help="how many notebooks to execute at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, metavar="DIR",
        help="where the notebooks are, their sources in DIR/src (default: those of the project)",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"a number from 1 on, not {text!r}")
    return number


if __name__ == "__main__":
    from minitornado.cli.output import guard_output

    sys.exit(guard_output(main))
