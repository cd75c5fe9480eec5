"""The notebooks of the course, by their numbers: which there are, and what they are called."""

from __future__ import annotations

import importlib
import pkgutil
import re

from .build import find_notebooks
from .percent import read_source


def find_numbers() -> list[str]:
    """The notebooks that may have questions: those with a package nbNN, and a source.

    The sources come with a clone; where there is none of them, the packages have to do.
    """
    package = importlib.import_module("minitornado.classroom")
    names = [found.name for found in pkgutil.iter_modules(package.__path__)]
    packages = {name[2:] for name in names if re.fullmatch(r"nb\d\d", name)}
    sources = {notebook.name[:2] for notebook in find_notebooks()}
    return sorted(packages & sources if sources else packages)


def load(number: str) -> None:
    """Import the package of a notebook, which makes known what it asks."""
    importlib.import_module(f"minitornado.classroom.nb{number}")


def heading(number: str) -> tuple[str, str]:
    """A notebook's title and its question, as its first cell says them; ("", "") without it."""
    for notebook in find_notebooks():
        if notebook.name.startswith(number):
            first = read_source(notebook.source, notebook.shown_source)[0].text
            title = re.search(r"^# (?:\d\d · )?(.+)$", first, re.MULTILINE)
            question = re.search(r"^\*\*(.+\?)\*\*$", first, re.MULTILINE)
            return title[1] if title else "", question[1] if question else ""
    return "", ""
