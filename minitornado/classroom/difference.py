"""Says in which cell two builds of a notebook differ, and how. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import unified_diff
from typing import Any

MAX_LINES = 30  # enough to see it; the rest is in git diff
MAX_WIDTH = 120  # a picture is one line of 50,000 characters: compared in pieces


def describe_difference(committed: str, rebuilt: str) -> str:
    """The first cell that differs between two notebooks (texts of .ipynb files), and its diff.

    Empty if the texts are the same.
    """
    if committed == rebuilt:
        return ""
    try:
        old, new = json.loads(committed), json.loads(rebuilt)
    except json.JSONDecodeError as error:
        return f"the committed notebook is not JSON: {error}"
    old_cells, new_cells = old.get("cells", []), new.get("cells", [])
    for number, (before, after) in enumerate(zip(old_cells, new_cells, strict=False), 1):
        if before != after:
            lines = _diff(list(_render(before)), list(_render(after)))
            return f"cell {number} ({after['cell_type']}) differs:\n{lines}"
    if len(old_cells) != len(new_cells):
        return f"the committed notebook has {len(old_cells)} cells, the rebuilt {len(new_cells)}"
    if old != new:
        return "the cells are the same, the notebook's metadata differ"
    return "the content is the same, its spelling as JSON differs: Jupyter has saved it?"


def _diff(old: list[str], new: list[str]) -> str:
    lines = list(unified_diff(old, new, "committed", "rebuilt", lineterm="", n=1))
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], f"… and {len(lines) - MAX_LINES} lines more"]
    return "\n".join(lines)


def _render(cell: dict[str, Any]) -> Iterator[str]:
    """A cell as lines to compare: every part is named, so that a diff says what it is of."""
    yield f"[{cell['cell_type']} {cell.get('id')}] {json.dumps(cell.get('metadata'))}"
    yield from _lines(cell["source"])
    for output in cell.get("outputs", []):
        for key in sorted(output.keys() - {"data", "text"}):
            yield f"[output] {key} {json.dumps(output[key], ensure_ascii=False)}"
        yield from _lines(output.get("text", []))
        for mime, data in sorted(output.get("data", {}).items()):
            yield f"[output] {mime}"
            yield from _lines(data)


def _lines(text: Any) -> Iterator[str]:
    whole = "".join(text) if isinstance(text, list) else str(text)
    for line in whole.splitlines():
        yield from (line[at : at + MAX_WIDTH] for at in range(0, len(line), MAX_WIDTH))
