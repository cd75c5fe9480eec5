"""Compiles the learner's module with the reference in the places that are not asked about.

    the learner's pending_read.py          what runs when ex13 is checked
        ReadUntil.find_end   hers     ->       hers
        ReadBytes.find_end   a stub   ->       the reference's: it belongs to another exercise
        everything else      hers     ->       hers

So a blank of another exercise, or a mistake in it, can't spoil this one.  Every function that
was put in keeps the reference's file name and lines, so that tracebacks, traces and the
report's first line tell the truth about whose code ran.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Set
from pathlib import Path
from types import CodeType

from . import source, workspace
from .catalog import Blank, Course


def compile_copy(course: Course, module: str, hers: Iterable[Blank]) -> CodeType:
    """The code of the learner's copy, as it runs where the definitions `hers` are asked about.

    Where there is no copy, stubs stand in, and never the reference: a check must not pass on
    the answer key.  Raises SourceError where the copy does not parse.
    """
    own = {blank.qualname for blank in hers if blank.module == module}
    foreign = {blank.qualname for blank in course.blanks() if blank.module == module}
    copy = course.copy(module)
    text = copy.read_text("utf-8") if copy.exists() else workspace.fresh(course, module)
    return graft(text, copy, course.reference(module), foreign - own)


def graft(text: str, copy: Path, reference: Path, names: Set[str]) -> CodeType:
    """Compile `text`, that of `copy`, with the definitions called `names` of `reference`."""
    tree = source.parse(text, str(copy))
    donors = source.parse(reference.read_text("utf-8"), str(reference))
    tree = _Graft({name: source.find(donors, name) for name in names}).visit(tree)
    code = compile(tree, str(copy), "exec", dont_inherit=True)
    return _renamed(code, names, str(reference))


class _Graft(ast.NodeTransformer):
    """Replaces functions by qualified name."""

    def __init__(self, donors: dict[str, source.Definition]) -> None:
        self._donors = donors
        self._prefix = ""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outer, self._prefix = self._prefix, f"{self._prefix}{node.name}."
        self.generic_visit(node)
        self._prefix = outer
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._donors.get(self._prefix + node.name, node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._donors.get(self._prefix + node.name, node)


def _renamed(code: CodeType, names: Set[str], filename: str) -> CodeType:
    """The same code, where the functions called `names`, and all within them, are of `filename`."""
    inside = code.co_qualname in names
    constants = tuple(
        _renamed(inner, names | {inner.co_qualname} if inside else names, filename)
        if isinstance(inner, CodeType) else inner
        for inner in code.co_consts)
    return code.replace(co_consts=constants,
                        co_filename=filename if inside else code.co_filename)
