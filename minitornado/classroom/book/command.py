"""python -m minitornado book: writes the book into a folder."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from minitornado.classroom.build import FOLDER
from minitornado.cli.output import PROGRAM, Complaint, reason_of

LIST = "assets/files.json"  # what the last run has written: that, and only that, may go


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status. Raises Complaint."""
    options = _make_parser().parse_args(arguments)
    # Here, since it loads nbconvert: --help need not wait for that.
    from .pages import Book

    try:
        book = Book(options.folder)
        files = book.files()
        write(files, options.output)
    except OSError as error:
        raise Complaint(f"can't write the book: {error.filename}: {reason_of(error)}") from None
    count = len(book.chapters)
    print(f"{count} notebook{'s' * (count != 1)} in {len(files)} files, "
          f"{sum(map(len, files.values())) / 1e6:.1f} MB. Open {options.output / 'index.html'}")
    return 0


def write(files: Mapping[str, bytes], output: Path) -> None:
    """Write `files` into the folder `output`; what an earlier book had besides goes.

    Raises Complaint for a folder that holds anything else: it may be somebody's work.
    """
    earlier = _files_of(output)
    if earlier is None and output.is_dir() and any(output.iterdir()):
        raise Complaint(f"{output} is not empty, and no book: choose a folder of its own", 2)
    for name in sorted(set(earlier or ()) - set(files)):
        (output / name).unlink(missing_ok=True)
    listed = json.dumps(sorted(files), indent=1) + "\n"
    (output / LIST).parent.mkdir(parents=True, exist_ok=True)
    (output / LIST).write_text(listed, encoding="utf-8")
    for name, data in files.items():
        (output / name).write_bytes(data)


def _files_of(output: Path) -> list[str] | None:
    """The files of the book that is in `output`; None if there is none."""
    try:
        names = json.loads((output / LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(names, list):
        return None
    # Whatever somebody has made of the list, nothing outside of the folder goes.
    return [name for name in names if isinstance(name, str)
            and name.removeprefix("assets/").replace("/", "") == name.removeprefix("assets/")
            and ".." not in name]


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} book", allow_abbrev=False,
        description="Write the notebooks as a book of static pages: contents, search, glossary, "
        "an index from concept to code to exercise. It needs no server and no network: open its "
        "index.html from the disk, or put the folder on any web server.",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path("build/book"), metavar="DIR",
                        help="a folder of its own (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, metavar="DIR",
                        help="where the notebooks are (default: those of the project)")
    return parser
