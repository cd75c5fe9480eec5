"""Reads a notebook's source, a Python file in percent format, into cells. Pure.

    # %% [markdown]                 the marker opens a cell: prose, one '#' before each line
    # # Who wakes the loop?
    #
    # %% tags=["check"]             a code cell; key=value pairs are its metadata, in JSON
    assert trace.turns == 4

What jupytext calls the percent format, without what these sources do not need: a file header,
cell titles, raw cells, magics. A source is plain Python, so ruff and a reviewer can read it.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MARKER = re.compile(r"#\s*%%")
_HEADER = re.compile(r"# %%(?: (?P<kind>\[markdown\]))?(?P<pairs>(?: [a-z_]+=.*)?)")
_PAIR = re.compile(r" (?P<key>[a-z_]+)=")


class PercentError(ValueError):
    """A source that cannot be read; the text starts with ``file:line:``."""


@dataclass
class Cell:
    """One cell: its kind, its text, and where that text starts in the source.

    `line` is the number of the first line of `text`, counted from 1; `metadata` is what the
    marker said (``tags`` is a list of str).
    """

    kind: str  # "markdown" or "code"
    text: str
    line: int
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def tags(self) -> list[str]:
        tags: list[str] = self.metadata.get("tags", [])
        return tags


def read_source(path: Path, name: str | None = None) -> list[Cell]:
    """Read the cells of the source at `path`; errors call it `name`."""
    name = name or str(path)
    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PercentError(f"{name}:{line}: not UTF-8: {error.reason}") from None
    return parse_percent(source, name)


def parse_percent(source: str, name: str = "<source>") -> list[Cell]:
    r"""Split `source` into cells; raise PercentError with `name` and line for bad input.

    >>> for cell in parse_percent("# %% [markdown]\n# Who *calls*?\n\n# %%\nprint(1)\n"):
    ...     print(cell.line, cell.kind, repr(cell.text))
    2 markdown 'Who *calls*?'
    5 code 'print(1)'
    """
    # Not splitlines(): it also cuts at form feeds and other characters that Python and every
    # editor leave inside a line, and the line numbers of later errors would be wrong.
    lines = source.split("\n")
    starts = [number for number, line in enumerate(lines, 1) if _MARKER.match(line)]
    if not starts:
        raise PercentError(f"{name}:1: no cell: a cell starts with '# %%' or '# %% [markdown]'")
    for number, line in enumerate(lines[: starts[0] - 1], 1):
        if line.strip():
            raise PercentError(f"{name}:{number}: text before the first '# %%'")
    ends = [*starts[1:], len(lines) + 1]
    return [
        _read_cell(lines[start - 1 : end - 1], start, name)
        for start, end in zip(starts, ends, strict=True)
    ]


def _read_cell(lines: list[str], start: int, name: str) -> Cell:
    """One cell from its marker, which is line `start` of the source, and the lines after it."""
    kind, metadata = _read_header(lines[0], f"{name}:{start}")
    body = lines[1:]
    first = start + 1
    while body and not body[0].strip():
        body, first = body[1:], first + 1
    while body and not body[-1].strip():
        body = body[:-1]
    if not body:
        raise PercentError(f"{name}:{start}: an empty cell")
    if kind == "markdown":
        body = [_uncomment(line, f"{name}:{number}") for number, line in enumerate(body, first)]
    else:
        _check_syntax("\n".join(body), first, name)
    return Cell(kind, "\n".join(body), first, metadata)


def _read_header(line: str, where: str) -> tuple[str, dict[str, Any]]:
    match = _HEADER.fullmatch(line.rstrip())
    if match is None:
        # Read leniently, a misspelt '# %% [markdow]' would be a code cell full of comments:
        # a whole page of prose lost without a word.
        raise PercentError(
            f"{where}: not a cell marker: {line.strip()!r}; write '# %%' or '# %% [markdown]', "
            "then perhaps tags=[\"check\"]"
        )
    return ("markdown" if match["kind"] else "code"), _read_pairs(match["pairs"], where)


def _read_pairs(text: str, where: str) -> dict[str, Any]:
    """Read `` key=JSON key=JSON``; the JSON values may hold spaces."""
    decoder = json.JSONDecoder()
    pairs: dict[str, Any] = {}
    at = 0
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None:
            raise PercentError(f"{where}: key=value expected, got {text[at:].strip()!r}")
        key = match["key"]
        try:
            pairs[key], at = decoder.raw_decode(text, match.end())
        except json.JSONDecodeError:
            raise PercentError(f"{where}: the value of {key}= is not JSON") from None
    tags = pairs.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise PercentError(f'{where}: tags= takes a list of strings, such as ["check"]')
    return pairs


def _uncomment(line: str, where: str) -> str:
    if line.startswith("# "):
        return line[2:]
    if line.strip() in ("#", ""):
        return ""
    raise PercentError(f"{where}: a line of a markdown cell starts with '# ': {line!r}")


def _check_syntax(text: str, first: int, name: str) -> None:
    """Raise PercentError if `text`, whose first line is line `first`, is no Python."""
    try:
        with warnings.catch_warnings():
            # A doubtful escape, as in '\d', is a warning, of a kind that depends on Python.
            warnings.simplefilter("error")
            # A cell may await at its top level, where a module may not.
            flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            compile(text, name, "exec", flags)
    except (SyntaxError, Warning) as error:
        line = first + (getattr(error, "lineno", None) or 1) - 1
        raise PercentError(f"{name}:{line}: {getattr(error, 'msg', error)}") from None
