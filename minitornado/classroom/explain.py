"""Nothing hidden: a definition of the stack, whole, with a margin that explains every line.

In nbNN/margins.py a notebook says what it owns, and what it says of each line:

    own("03", "ioloop.IOLoop._run", (
        ("try:", "From here on, whatever goes wrong is ours to see to."),
        ("result = function(*args)", "**Here** it runs."),
        ("if result is not None:\nself._watch_result(result)", "One note for two lines."),
        ...
    ))

In the notebook, after `from minitornado.classroom import nb03`:

    explain("ioloop.IOLoop._run")

A note is about *text*, and never about a number: whole lines, one or several that follow each
other, without their indentation and comments.  Comments and docstrings explain themselves: they
are shown, and need no note.  In a note, `x` is code and **x** is bold.  Every other line needs
one, in the order of the source.  A note whose line is gone, a line with two notes or with none:
each is a MarginError, which names the line, and the notebook does not build.

    python -m minitornado.classroom.explain                   how much the course explains
    python -m minitornado.classroom.explain iostream.py:214   the line in its definition, explained
"""

from __future__ import annotations

import argparse
import contextlib
import html
import importlib
import importlib.util
import io
import keyword
import pkgutil
import re
import sys
import textwrap
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .palette import PALETTE
from .predict import html_of
from .show import WIDTH, present
from .stack import Line, MarginError, find_place, read_module, stack

Notes = Sequence[tuple[str, str]]

_MONO = "font-family:Menlo,'DejaVu Sans Mono',Consolas,'Courier New',monospace"
_PRE = f"{_MONO}; font-size:12px; line-height:1.45; margin:0; background-color:transparent"
_CELL = "text-align:left; vertical-align:top"
_COLUMNS = 70  # of code beside a margin, on a page of JupyterLab's or a code host's width
_GREY = f'<span style="color:{PALETTE["kernel"]}; font-style:italic">{{}}</span>'
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_NOTEBOOK = re.compile(r"nb\d\d")


# ---- the margin ----


@dataclass(frozen=True)
class Margin:
    """What a notebook says of a definition that it owns."""

    notebook: str
    name: str
    notes: Notes

    @property
    def lines(self) -> list[Line]:
        return read_module(self.name.partition(".")[0]).of(self.name)

    def rows(self, lines: Sequence[Line] | None = None) -> Iterator[tuple[list[Line], str]]:
        """Lines that belong together, and what is said of them; raises MarginError first."""
        lines = self.lines if lines is None else lines
        if complaints := complain(self.notes, lines):
            raise MarginError("\n".join([f"{self.name}, notebook {self.notebook}:", *complaints]))
        notes = iter(self.notes)
        left = 0  # lines of the current note that are still to come
        group: list[Line] = []
        said = ""
        for line in lines:
            if line.code and not left:
                if group:
                    yield group, said
                text, said = next(notes)
                group, left = [], len(text.split("\n"))
            elif not line.code and not left and said:
                yield group, said
                group, said = [], ""
            group.append(line)
            left -= bool(line.code)
        yield group, said


_owned: dict[str, Margin] = {}


def own(notebook: str, name: str, notes: Notes) -> None:
    """Say that `notebook` (``03``) explains the definition `name`, and what it says of its lines.

    Nothing is checked before it is shown, but that no other notebook owns it: MarginError.
    """
    if name in _owned and _owned[name].notebook != notebook:
        raise MarginError(f"{name} is explained twice: {_owned[name].notebook} and {notebook}")
    _owned[name] = Margin(notebook, name, tuple(notes))


def complain(notes: Notes, lines: Sequence[Line]) -> list[str]:
    """One sentence for each thing that is wrong between `notes` and `lines`."""
    there = [line.code for line in lines if line.code]
    noted = [code for text, _ in notes for code in text.split("\n")]
    had, has = Counter(there), Counter(noted)
    found = [f"the note is empty: {text}" for text, said in notes if not said.strip()]
    found += [f"stale, no such line: {code}" for code in has if not had[code]]
    found += [f"doubled, {has[code]} notes for {had[code]}: {code}" for code in has
              if 0 < had[code] < has[code]]
    found += [f"missing, no note: {code}" for code in had if has[code] < had[code]]
    if not found and there != noted:
        at = next(at for at, pair in enumerate(zip(there, noted, strict=True)) if len({*pair}) > 1)
        found.append(f"out of order: the source goes on with {there[at]}, the notes {noted[at]}")
    return found


def explain(name: str) -> None:
    """Show a definition that some notebook owns, line by line. Raises MarginError."""
    if name not in _owned:
        raise MarginError(f"nobody explains {name}; import the notebook's package first")
    margin = _owned[name]
    rows = list(margin.rows())
    present(_html(name, rows), _text(name, rows))


def _place(name: str) -> tuple[str, str]:
    module, _, inner = name.partition(".")
    return f"minitornado/{module}.py", inner or "the module itself"


def _dedent(rows: Sequence[tuple[list[Line], str]]) -> list[tuple[list[str], str]]:
    texts = [line.text for group, _ in rows for line in group]
    straight = iter(textwrap.dedent("\n".join(texts)).split("\n"))
    return [([next(straight) for _ in group], said) for group, said in rows]


def _text(name: str, rows: Sequence[tuple[list[Line], str]]) -> str:
    path, inner = _place(name)
    lines = [f"{inner}  ({path})", ""]
    for texts, said in _dedent(rows):
        lines += [f"    {text}".rstrip() for text in texts]
        if said:
            indent = len(texts[0]) - len(texts[0].lstrip()) + 8
            plain = _BOLD.sub(r"\1", said)
            lines += textwrap.wrap(plain, WIDTH, initial_indent=" " * indent + "| ",
                                   subsequent_indent=" " * indent + "| ",
                                   break_on_hyphens=False)
    return "\n".join(lines).rstrip()


def _html(name: str, rows: Sequence[tuple[list[Line], str]]) -> str:
    path, inner = _place(name)
    body = []
    for texts, said in _dedent(rows):
        # Spaces, not padding: an untrusted notebook drops that, and Python without indentation
        # is none.
        code = "\n".join(_code_html(text, prose=not said) for text in texts)
        code = f'<pre style="{_PRE}">{code}</pre>'
        if said:
            note = _BOLD.sub(r"<strong>\1</strong>", html_of(said))
            body.append(f'<tr><td style="{_CELL}; width:58%">{code}</td>'
                        f'<td style="{_CELL}; line-height:1.35">{note}</td></tr>')
        elif any(text.strip() for text in texts):
            body.append(f'<tr><td colspan="2" style="{_CELL}">{code}</td></tr>')
    return (
        f'<p style="margin-top:1.2em"><strong><code>{html.escape(inner)}</code></strong> '
        f"in <code>{html.escape(path)}</code></p>\n"
        f'<table style="width:100%; border-collapse:collapse">\n{chr(10).join(body)}\n</table>'
    )


def _code_html(text: str, prose: bool) -> str:
    """A line as HTML: keywords bold, comments and docstrings in italics, cut at `_COLUMNS`.

    A comment behind code that makes it too long goes below, where the line ends.
    """
    if prose:
        return _GREY.format(html.escape(text, quote=False)) if text.strip() else ""
    own = " " * (len(text) - len(text.lstrip()))
    code, comment, indent = text, "", own + " " * 4
    for token in _tokens(text.strip()):
        if token.type == tokenize.COMMENT and len(text) > _COLUMNS:
            code, comment = text[:text.rindex(token.string)].rstrip(), token.string
    lines = textwrap.wrap(code, _COLUMNS, subsequent_indent=indent, break_long_words=False,
                          break_on_hyphens=False)
    indent = indent if code else own  # a comment between two lines of the same note
    lines += textwrap.wrap(comment, _COLUMNS, initial_indent=indent,
                           subsequent_indent=indent + "# ", break_on_hyphens=False)
    return "\n".join(map(_coloured, lines))


def _coloured(text: str) -> str:
    pieces: list[str] = []
    at = len(text) - len(text.lstrip())
    pieces.append(text[:at])
    start_of_text = at
    for token in _tokens(text.strip()):
        start, end = start_of_text + token.start[1], start_of_text + token.end[1]
        piece = html.escape(text[start:end], quote=False)
        if token.type == tokenize.COMMENT:
            piece = _GREY.format(piece)
        elif keyword.iskeyword(token.string):
            piece = f'<strong style="color:{PALETTE["IOLoop"]}">{piece}</strong>'
        pieces += [html.escape(text[at:start], quote=False), piece]
        at = end
    return "".join(pieces) + html.escape(text[at:], quote=False)


def _tokens(line: str) -> Iterator[tokenize.TokenInfo]:
    """The tokens of a line that may be half of a statement: as many as there are."""
    with contextlib.suppress(tokenize.TokenError, IndentationError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            if token.start[0] == 1 and token.end[0] == 1 and token.string.strip():
                yield token


# ---- how much of it ----


def load_all() -> list[Margin]:
    """All that the course's notebooks own, after importing the margins of each of them."""
    package = importlib.import_module(__package__)
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
        if _NOTEBOOK.fullmatch(found.name):
            margins = f"{__package__}.{found.name}.margins"
            if importlib.util.find_spec(margins) is not None:
                importlib.import_module(margins)
    return list(_owned.values())


def report() -> str:
    """How many of the stack's code lines are explained; for each module, which are not."""
    owned = {margin.name for margin in load_all()}
    lines, all_explained, all_lines = [], 0, 0
    for module in stack():
        sizes = {name: sum(bool(line.code) for line in module.of(name))
                 for name in module.definitions}
        explained = sum(size for name, size in sizes.items() if name in owned)
        total = sum(bool(line.code) for line in module.lines)
        all_explained, all_lines = all_explained + explained, all_lines + total
        lines.append(f"{module.name + '.py':20} {explained:4} of {total:4} code lines explained")
        todo = ", ".join(f"{name.partition('.')[2] or '(module)'} {size}"
                         for name, size in sizes.items() if size and name not in owned)
        lines += textwrap.wrap(f"not yet: {todo}", 96, initial_indent="    ",
                               subsequent_indent="    ") if todo else []
    lines.append(f"{'in all':20} {all_explained:4} of {all_lines:4} code lines explained")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0 fine, 1 stale notes, 2 no such place."""
    parser = argparse.ArgumentParser(
        prog="python -m minitornado explain",
        description="Print how many of the stack's code lines the notebooks explain, and which "
        "they do not; or the definition at a place, with its explanations.",
    )
    parser.add_argument("place", nargs="?", help="as iostream.py:214")
    options = parser.parse_args(arguments)
    margins = load_all()
    try:
        if options.place is not None:
            return _print_place(find_place(options.place))
    except MarginError as error:
        print(error, file=sys.stderr)
        return 2
    complaints = []
    for margin in margins:
        try:
            list(margin.rows())
        except MarginError as error:
            complaints.append(str(error))
    print("\n".join([report(), *complaints]))
    return int(bool(complaints))


def _print_place(name: str) -> int:
    if name not in _owned:
        print(f"{name}: no notebook explains it yet")
        return 0
    print(f"Notebook {_owned[name].notebook} explains it.")
    print(_text(name, list(_owned[name].rows())))
    return 0


if __name__ == "__main__":
    # Not this module, which has been loaded under another name: the one that notebooks know.
    sys.exit(importlib.import_module("minitornado.classroom.explain").main())
