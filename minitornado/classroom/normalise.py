"""Turns executed cells into the text of a notebook: same cells, same bytes. Pure.

What remains of a run is what the code said. Left out: times, Python's version, random ids,
which kernel ran it. Refused, because it differs from machine to machine and no rule can mend
it: stderr (warnings carry the kernel's process id), addresses of objects, paths.
"""

from __future__ import annotations

import json
import re
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minitornado.classroom.percent import Cell

CHECK = "check"  # a cell with this tag tests the prose
HIDDEN = {CHECK, "watch"}  # readers see none of these

_ADDRESS = re.compile(r"\b0x[0-9a-f]{8,}")

_BASE64 = re.compile(r"base64,[A-Za-z0-9+/=]+")  # among 50,000 such letters, /tmp/ is just chance

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}


class NotRepeatable(ValueError):
    """An output which another machine would not give; `cell` is its index."""

    def __init__(self, cell: int, reason: str) -> None:
        super().__init__(reason)
        self.cell = cell
        self.reason = reason


def notebook_text(cells: Sequence[Cell], outputs: Sequence[list[dict[str, Any]]]) -> str:
    """The notebook as the text of an .ipynb file, nbformat 4.5; `outputs` are those of `cells`.

    Cells with a tag of `HIDDEN` are left out. Raises NotRepeatable.
    """
    shown: list[dict[str, Any]] = []
    count = 0
    for index, (cell, said) in enumerate(zip(cells, outputs, strict=True)):
        refuse_unrepeatable(index, said)
        if HIDDEN & {*cell.tags}:
            continue
        node: dict[str, Any] = {
            "cell_type": cell.kind,
            # By index: nbformat's own ids are random.
            "id": f"cell-{len(shown):02}",
            "metadata": cell.metadata,
            "source": _split(cell.text),
        }
        if cell.kind == "code":
            count += 1
            node["execution_count"] = count
            node["outputs"] = [_normalise_output(output, count) for output in said]
        shown.append(node)
    notebook = {"cells": shown, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    # As nbformat writes it, so that saving it unchanged from Jupyter is a small diff.
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def refuse_unrepeatable(index: int, outputs: Sequence[dict[str, Any]]) -> None:
    """Raise NotRepeatable if an output of cell `index` depends on the machine that ran it."""
    for output in outputs:
        if output.get("name") == "stderr":
            said = output["text"].strip()
            raise NotRepeatable(index, f"wrote to stderr, which is for warnings and logs: {said}")
        # As JSON: so the search reaches every MIME type, however deep. Quotes are escaped
        # there, but neither an address nor a path holds one.
        text = _BASE64.sub("", json.dumps(output, ensure_ascii=False))
        if match := _ADDRESS.search(text):
            raise NotRepeatable(index, f"shows the address of an object: {match[0]}")
        for place in _places_of_this_machine():
            if place in text:
                raise NotRepeatable(index, f"shows a path of this machine: {place}")


def _places_of_this_machine() -> list[str]:
    paths = sysconfig.get_paths()
    places = {str(Path(__file__).parents[2]), str(Path.home()), tempfile.gettempdir()}
    places |= {paths["stdlib"], paths["purelib"]}
    # With the slash: /root or /tmp may well be named by a demo, /tmp/x was made here. And a
    # home of "/" would refuse every path there is.
    return sorted(f"{place}/" for place in places if len(place) > 1)


def _normalise_output(output: dict[str, Any], count: int) -> dict[str, Any]:
    output = dict(output)
    if "text" in output:
        output["text"] = _split(output["text"])
    if "data" in output:
        output["data"] = {
            mime: _split(data) if isinstance(data, str) and _is_text(mime) else data
            for mime, data in output["data"].items()
        }
    if "execution_count" in output:
        output["execution_count"] = count
    return output


def _is_text(mime: str) -> bool:
    return mime.startswith("text/") or mime == "image/svg+xml"


def _split(text: str) -> list[str]:
    """nbformat stores text as its lines, so that a diff is one of lines."""
    return text.splitlines(keepends=True)
