"""The modules of the stack as pages: every line has its number and an anchor, ``#L214``."""

from __future__ import annotations

import ast
import html
import importlib
from dataclasses import dataclass

from minitornado.classroom.stack import STACK, Module, stack


@dataclass(frozen=True)
class Definition:
    """A class or function of the stack: ``iostream.BaseIOStream.read_until``, its first line."""

    name: str
    line: int
    about: str  # its docstring's first line

    @property
    def module(self) -> str:
        return self.name.partition(".")[0]

    @property
    def inner(self) -> str:
        return self.name.partition(".")[2]

    @property
    def link(self) -> str:
        return f"source_{self.module}.html#L{self.line}"


@dataclass(frozen=True)
class Source:
    """A module: what it says of itself, its definitions in order, and its lines as HTML."""

    name: str
    about: str
    definitions: tuple[Definition, ...]
    lines: tuple[str, ...]

    @property
    def page(self) -> str:
        return f"source_{self.name}.html"


def read_sources() -> list[Source]:
    """All modules of the stack, by name."""
    return [_read(module) for module in stack()]


def definitions_of(sources: list[Source]) -> dict[str, Definition]:
    return {it.name: it for source in sources for it in source.definitions}


def _read(module: Module) -> Source:
    text = (STACK / f"{module.name}.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    found: list[Definition] = []
    _collect(tree, module.name, found)
    return Source(module.name, _first_line(tree), tuple(found), tuple(_highlight(text)))


def _collect(node: ast.Module | ast.ClassDef, name: str, found: list[Definition]) -> None:
    """Classes, and the functions of module and classes; those within functions are their own."""
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = f"{name}.{child.name}"
            # A property and its setter have one name: the first is the one that is meant.
            if inner not in {it.name for it in found}:
                found.append(Definition(inner, child.lineno, _first_line(child)))
            if isinstance(child, ast.ClassDef):
                _collect(child, inner, found)


def _first_line(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _highlight(text: str) -> list[str]:
    """Its lines as HTML, coloured by Pygments, each with its own tags closed."""
    pygments = importlib.import_module("pygments")
    lexer = importlib.import_module("pygments.lexers.python").PythonLexer(stripnl=False)
    formatter = importlib.import_module("pygments.formatters.html").HtmlFormatter(nowrap=True)
    lines = str(pygments.highlight(text, lexer, formatter)).rstrip("\n").split("\n")
    assert len(lines) == len(text.rstrip("\n").split("\n")), html.escape(text[:80])
    return lines


