"""What the tests of a notebook share: the notebook, and how to look at what it shows."""

from __future__ import annotations

import asyncio
import json
import re
from functools import cached_property

from minitornado.classroom.build import FOLDER, find_notebooks
from minitornado.classroom.execute import execute
from minitornado.classroom.percent import read_source

ROOT = FOLDER.parent


def plain(output):
    return "".join(output["text"] if "text" in output else output["data"]["text/plain"])


def page(output):
    return "".join(output.get("data", {}).get("text/html", ""))


class Book:
    """A notebook's source and its built form."""

    def __init__(self, number):
        [found] = find_notebooks(names=[number])
        self.name, self.number = found.name, number
        self.cells = read_source(found.source)
        self.shown = [cell for cell in self.cells if "check" not in cell.tags]
        self.prose = "\n".join(cell.text for cell in self.cells if cell.kind == "markdown")
        self.code = "\n".join(cell.text for cell in self.shown if cell.kind == "code")
        self.asked = re.findall(rf'predict\("(P{number}\.\d)"\)', self.code)

    @cached_property
    def outputs(self):
        built = json.loads((FOLDER / f"{self.name}.ipynb").read_text())
        return [output for cell in built["cells"] for output in cell.get("outputs", [])]

    def cell_with(self, text):
        """The one shown cell that has `text` in it."""
        [found] = [cell.text for cell in self.shown if text in cell.text and cell.kind == "code"]
        return found

    def run(self, cells):
        """The outputs of each of `cells`, run in one fresh kernel."""
        return asyncio.run(execute(cells, source=self.name, folder=FOLDER))

    def blocks(self, language):
        return re.findall(rf"```{language}\n(.*?)```", self.prose, re.DOTALL)


def check_twin(svg, text):
    """All that a picture says in words is in its twin."""
    said = set(re.findall(r"\w+", text))
    for part in re.findall(r"<text[^>]*>([^<]+)</text>", svg):
        assert set(re.findall(r"\w+", part)) <= said, part


def check_picture(module, draw, monkeypatch, also=""):
    """The same of what `draw` shows with `picture`, which `module` has imported; its parts."""
    drawn = []
    monkeypatch.setattr(module, "picture", lambda *parts: drawn.append(parts))
    draw()
    [(svg, alt, text)] = drawn
    assert len(alt) > 60
    check_twin(svg, f"{text} {also}")
    return svg, alt, text
