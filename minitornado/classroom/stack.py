"""The source of the server stack, by module, definition and line: what the course explains.

A name is module, class, function, as in "ioloop.IOLoop._run". `"ioloop.IOLoop"` is what a class
says outside of its functions, `"ioloop"` the same of a module.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: The server stack: what the course explains.
STACK = Path(__file__).parents[1]


class MarginError(ValueError):
    """Explanations that do not fit the source, or a name that the source does not have."""


@dataclass(frozen=True)
class Line:
    """A line of a definition.

    text: as it stands, without its end
    code: the same without indentation and comment; empty if that is all it is, or a docstring
    """

    number: int
    text: str
    code: str


@dataclass(frozen=True)
class Module:
    """A module of the stack, by line and by definition."""

    name: str
    lines: tuple[Line, ...]
    definitions: dict[str, tuple[int, ...]]  # by dotted name: the numbers of its lines

    def of(self, name: str) -> list[Line]:
        """The lines of a definition. Raises MarginError."""
        if name not in self.definitions:
            raise MarginError(f"{self.name}.py does not define {name}, or not once")
        return [self.lines[number - 1] for number in self.definitions[name]]


@cache
def read_module(name: str) -> Module:
    """Read minitornado/NAME.py. Raises MarginError if there is none."""
    path = STACK / f"{name}.py"
    if not path.is_file():
        raise MarginError(f"the stack has no module {name!r}")
    return parse_module(name, path.read_text(encoding="utf-8"))


def parse_module(name: str, source: str) -> Module:
    """The same for a text."""
    tree = ast.parse(source)
    code = _code_of(source, tree)
    lines = [
        Line(number, text, code.get(number, ""))
        for number, text in enumerate(source.split("\n"), 1)
    ]
    return Module(name, tuple(lines), _definitions(tree, name, len(lines)))


def _code_of(source: str, tree: ast.Module) -> dict[int, str]:
    """By number, what is on each line besides indentation, comments and docstrings."""
    prose: set[int] = set()
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            prose |= set(range(value.lineno, (value.end_lineno or 0) + 1))
    ends: dict[int, int] = {}  # of each line with code on it, where that ends
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT,
                              tokenize.DEDENT, tokenize.ENDMARKER):
            (first, _), (last, end) = token.start, token.end
            for number in range(first, last):  # a string over several lines
                ends[number] = sys.maxsize
            ends[last] = end
    texts = source.split("\n")
    return {number: texts[number - 1][:end].strip() for number, end in ends.items()
            if number not in prose}


def _definitions(tree: ast.Module, module: str, length: int) -> dict[str, tuple[int, ...]]:
    """The line numbers of each definition; those of a class or a module without its functions."""
    spans: list[tuple[str, int, int, bool]] = [(module, 1, length, True)]

    def visit(nodes: Iterable[ast.AST], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                first = min([node.lineno, *(at.lineno for at in node.decorator_list)])
                opens = isinstance(node, ast.ClassDef)
                spans.append((f"{prefix}.{node.name}", first, node.end_lineno or first, opens))
                if isinstance(node, ast.ClassDef):
                    visit(node.body, f"{prefix}.{node.name}")
            elif isinstance(node, ast.stmt):
                visit(ast.iter_child_nodes(node), prefix)

    visit(tree.body, module)
    found: dict[str, tuple[int, ...]] = {}
    times = Counter(name for name, *_ in spans)
    for name, first, last, opens in spans:
        inside: set[int] = set()
        if opens:
            for _, start, end, _ in spans:
                if first <= start and end <= last and (start, end) != (first, last):
                    inside |= set(range(start, end + 1))
        if times[name] == 1:
            found[name] = tuple(n for n in range(first, last + 1) if n not in inside)
    return found


def stack() -> list[Module]:
    """The modules of the server stack, by name."""
    return [read_module(path.stem) for path in sorted(STACK.glob("*.py"))
            if not path.stem.startswith("__")]


def find_place(place: str) -> str:
    """For ``iostream.py:214``: the name of the innermost definition there. Raises MarginError."""
    match = re.fullmatch(r"(?:.*/)?(\w+)(?:\.py)?:(\d+)", place)
    if match is None:
        raise MarginError(f"a place is written like iostream.py:214, not {place!r}")
    module, number = read_module(match[1]), int(match[2])
    for name, numbers in module.definitions.items():
        if number in numbers:
            return name
    raise MarginError(f"{module.name}.py has no line {number}")
