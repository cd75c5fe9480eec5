"""Definitions in a source text by qualified name: find them, blank them out, put others in.

    "class A:\\n    def f(self):\\n        return 1"
        blank_out(..., {"A.f": "ex01: what?"})
    "class A:\\n    def f(self):\\n        raise NotYours('ex01: what?')"

Exercises are cut from the project's own source, so there is no second copy of it that could
go stale.  All of it works on lines found by `ast`: what is not a named body stays as it is,
byte for byte.
"""

from __future__ import annotations

import ast
import io
import re
import threading
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

Definition = ast.FunctionDef | ast.AsyncFunctionDef

# Exercises are scored in threads, and Python 3.11 has one count of how deep the parser is for
# all threads: two in it at a time can end in a SystemError.
_PARSING = threading.Lock()


class SourceError(ValueError):
    """A source text that has not, or has twice, what was asked of it; says which and where."""


def definitions(tree: ast.Module) -> Iterator[tuple[str, Definition]]:
    """All functions of a module with their qualified names, in the order of the text.

    >>> tree = ast.parse("class A:\\n    def f(self): pass\\ndef g(): pass")
    >>> [name for name, _ in definitions(tree)]
    ['A.f', 'g']
    """
    yield from _definitions(tree.body, "")


def _definitions(nodes: Iterable[ast.AST], prefix: str) -> Iterator[tuple[str, Definition]]:
    for node in nodes:
        if isinstance(node, Definition):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _definitions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            # `if`, `try`, `match`: what they define has no longer name for it.
            yield from _definitions(ast.iter_child_nodes(node), prefix)


def find(tree: ast.Module, qualname: str) -> Definition:
    """The one definition of that name; raises SourceError if there is none, or a second."""
    found = [node for name, node in definitions(tree) if name == qualname]
    if not found:
        names = ", ".join(name for name, _ in definitions(tree)) or "nothing"
        raise SourceError(f"{qualname} is not defined here; defined are: {names}")
    if len(found) > 1:
        lines = " and ".join(str(node.lineno) for node in found)
        raise SourceError(f"{qualname} is defined more than once: lines {lines}")
    return found[0]


def parse(source: str, filename: str = "<source>") -> ast.Module:
    """The tree of a source text; raises SourceError with the line if it is not Python."""
    try:
        with _PARSING:
            return ast.parse(source, filename)
    except SyntaxError as error:
        raise SourceError(f"{filename}:{error.lineno}: {error.msg}") from error


def is_stub(node: Definition, keep: int = 0) -> bool:
    """Whether the body is still the `raise NotYours(...)` that `blank_out` puts there.

    `keep` is the number of statements before it that were left as they are.
    """
    body = _statements(node)[keep:]
    if len(body) != 1 or not isinstance(body[0], ast.Raise):
        return False
    call = body[0].exc
    return (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
            and call.func.id == "NotYours")


def same_code(one: Definition, other: Definition) -> bool:
    """Whether two definitions are the same to the compiler: comments and layout do not count."""
    return ast.dump(one) == ast.dump(other)


def blank_out(source: str, stubs: Mapping[str, str], keep: Mapping[str, int] | None = None) -> str:
    """Replace the bodies of the named functions by `raise NotYours(message)`.

    `stubs` maps a qualified name to its message, `keep` to how many statements of its body
    stay.  Signature, decorators and docstring stay, and so does every byte outside of the
    bodies; the comments inside of a body go with it.

    >>> print(blank_out('def f(x):\\n    "Doc."\\n    return x  # why', {"f": "ex01: and now?"}))
    def f(x):
        "Doc."
        raise NotYours("ex01: and now?")
    """
    tree = parse(source)
    lines = _lines(source)
    # From the last to the first: what is replaced below does not move the lines above.
    found = [(find(tree, name), text, (keep or {}).get(name, 0)) for name, text in stubs.items()]
    for node, message, kept in sorted(found, key=lambda found: found[0].lineno, reverse=True):
        first, last, header = _body_lines(node, lines, kept)
        text = f"raise NotYours({_quoted(message)})"
        indent = " " * (node.col_offset + 4)
        if header is not None:  # def f(): return 1
            lines[first:last] = [f"{header}\n", f"{indent}{text}{_line_end(lines[last - 1])}"]
        else:
            lines[first:last] = [f"{indent}{text}{_line_end(lines[last - 1])}"]
    return "".join(lines)


def replace(source: str, qualname: str, text: str) -> str:
    """Put `text`, a whole definition with its indentation, in the place of the one of that name."""
    node, lines = find(parse(source), qualname), _lines(source)
    lines[_first_line(node) - 1:_end_of_body(node, lines)] = [text.rstrip("\n") + "\n"]
    return "".join(lines)


def put_in(source: str, pieces: str) -> str:
    """Replace whole definitions by those of the same name in `pieces`, another source text.

    A definition that `source` does not have yet is added at the end of its class, or of the
    file.  This is how a file of wrong answers becomes a learner's copy.
    """
    for qualname, _ in definitions(parse(pieces)):
        source = put_one(source, qualname, excerpt(pieces, qualname).text)
    return source


def put_one(source: str, qualname: str, text: str) -> str:
    """The same for one definition, whose text is given."""
    tree, text = parse(source), text.rstrip("\n") + "\n"
    if any(name == qualname for name, _ in definitions(tree)):
        return replace(source, qualname, text)
    lines = _lines(source)
    at = _end_of_class(tree, qualname, len(lines))
    return "".join([*lines[:at], "\n", text, *lines[at:]])


@dataclass(frozen=True)
class Excerpt:
    """A definition as it stands in its file."""

    text: str
    line: int  # of its first line in the file, from 1


def excerpt(source: str, qualname: str) -> Excerpt:
    """The text of one definition, decorators and comments included."""
    node = find(parse(source), qualname)
    first = _first_line(node)
    lines = _lines(source)[first - 1:_end_of_body(node, _lines(source))]
    return Excerpt("".join(lines), first)


def body(source: str, qualname: str, keep: int = 0) -> str:
    """The lines of a definition that `blank_out` would replace."""
    lines = _lines(source)
    first, last, header = _body_lines(find(parse(source), qualname), lines, keep)
    return "".join(lines[first:last])[len(header or ""):]


def _body_lines(node: Definition, lines: list[str], keep: int) -> tuple[int, int, str | None]:
    """Where a body is, as a slice of lines, docstring excluded; third, the header on its line."""
    last = _end_of_body(node, lines)
    if keep:
        statements = _statements(node)
        if len(statements) <= keep:
            raise SourceError(f"line {node.lineno}: {node.name} has no more than {keep} statements")
        end = statements[keep - 1].end_lineno
        assert end is not None and end < statements[keep].lineno
        return end, last, None
    doc = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
    header_line, header_end = _end_of_header(node, lines)
    if doc is not None:
        assert doc.end_lineno is not None
        if doc.lineno == header_line or (len(node.body) > 1
                                         and node.body[1].lineno == doc.end_lineno):
            raise SourceError(f"line {doc.lineno}: {node.name} has code on its docstring's line")
        return doc.end_lineno, max(last, doc.end_lineno), None
    if node.body[0].lineno == header_line:
        return header_line - 1, last, lines[header_line - 1][:header_end]
    return header_line, last, None


def _statements(node: Definition) -> list[ast.stmt]:
    """The statements of a body, its docstring apart."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def _end_of_header(node: Definition, lines: list[str]) -> tuple[int, int]:
    """Line and column behind the colon that ends the signature."""
    depth = 0
    text = io.StringIO("".join(lines[node.lineno - 1:]))
    for token in tokenize.generate_tokens(text.readline):
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
            if token.string == ":" and depth == 0:
                return node.lineno - 1 + token.end[0], token.end[1]
    raise AssertionError("a def without a colon does not parse")


def _end_of_body(node: Definition, lines: list[str]) -> int:
    """The number of the last line of the body; comments that are indented with it belong to it."""
    assert node.end_lineno is not None
    end = node.end_lineno
    for number in range(end, len(lines)):
        line = lines[number].rstrip()
        indent = len(line) - len(line.lstrip())
        if line and (indent <= node.col_offset or line.lstrip()[0] != "#"):
            break
        if line:
            end = number + 1
    return end


def _first_line(node: Definition) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _end_of_class(tree: ast.Module, qualname: str, end_of_file: int) -> int:
    body: list[ast.stmt] = tree.body
    end = end_of_file
    for name in qualname.split(".")[:-1]:
        owners = [node for node in body if isinstance(node, ast.ClassDef) and node.name == name]
        if len(owners) != 1:
            raise SourceError(f"{qualname}: there is no class {name} to put it in")
        assert owners[0].end_lineno is not None
        body, end = owners[0].body, owners[0].end_lineno
    return end


def _lines(source: str) -> list[str]:
    # Not splitlines(): that also cuts at form feeds and other characters which Python's own
    # line numbers do not count.
    return re.findall(r"[^\n]*\n|[^\n]+", source)


def _line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")):]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
