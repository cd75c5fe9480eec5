"""Output that reads everywhere: in a trusted and an untrusted notebook, on a code host, as text.

    rich renderable ──show──┐
    SVG, alt, text ─picture─┴─> text/html (inline styles, no script) + text/plain (no ANSI)

An untrusted JupyterLab strips scripts, frames and style sheets and hides image/svg+xml; a code
host does much the same. What is left is HTML with inline styles, and images as data. Every
output has a twin in plain text, for terminals, screen readers and diffs.

Importing this is cheap: rich is imported at the first `show`, IPython only if it is running.
"""

from __future__ import annotations

import base64
import html as html_text
import io
import re
import sys
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from minitornado.classroom.palette import PALETTE

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.style import Style

WIDTH = 88  # columns: fits a code host's page and a projector

_SVG = "{http://www.w3.org/2000/svg}svg"
_FETCHES = re.compile(r"@import|url\(\s*['\"]?(?!['\"]?(#|data:))")
# Box-drawing characters join only if lines touch (line-height) and all have the same width.
_PRE = (
    # The padding keeps the underscores of the last line, which a scrolling box cuts off.
    "white-space:pre; overflow-x:auto; line-height:normal; padding-bottom:3px; "
    "font-family:Menlo,'DejaVu Sans Mono',Consolas,'Courier New',monospace"
)


def show(renderable: RenderableType, width: int = WIDTH) -> None:
    """Show something of rich's, or a str with its markup, `width` columns wide.

    Raises ValueError for what cannot be read on both a light and a dark page, or changes from
    build to build: colours that are not in the palette, backgrounds, dim, links.
    """
    present(*render(renderable, width))


def picture(svg: str, alt: str, text: str) -> None:
    """Show an SVG: `alt` says in a sentence what it shows, `text` is the same as plain text.

    Raises ValueError for an SVG that would not show as an image, or fetches something, and
    for an empty `alt` or `text`.
    """
    if not alt.strip():
        raise ValueError("a picture needs alt: one sentence that says what it shows")
    if not text.strip():
        raise ValueError("a picture needs text: what it shows, as plain text")
    _check_svg(svg)
    present(image(svg, alt), text)


def image(svg: str, alt: str) -> str:
    """Return an SVG as an HTML element that needs nothing else."""
    # Not inline: an untrusted notebook strips an SVG, and its ids are those of the page.
    data = base64.b64encode(svg.encode()).decode()
    return (
        f'<img alt="{html_text.escape(alt)}" style="max-width:100%" '
        f'src="data:image/svg+xml;base64,{data}">'
    )


def present(html: str, text: str) -> None:
    """Display `html` with its twin `text` in a notebook; print `text` anywhere else."""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        print(text)
        return
    import IPython.display as displaying

    untyped: Any = displaying
    untyped.display({"text/html": html, "text/plain": text}, raw=True)


def render(renderable: RenderableType, width: int = WIDTH) -> tuple[str, str]:
    """`renderable` as HTML and as plain text; see `show`."""
    from rich.segment import Segment
    from rich.terminal_theme import DEFAULT_TERMINAL_THEME

    html, text = [], []
    segments = Segment.filter_control(_make_console(width).render(renderable))
    for segment in Segment.simplify(segments):
        text.append(segment.text)
        piece = html_text.escape(segment.text, quote=False)
        if segment.style is not None:
            _check_style(segment.style, segment.text)
            if css := segment.style.get_html_style(DEFAULT_TERMINAL_THEME):
                piece = f'<span style="{css}">{piece}</span>'
        html.append(piece)
    plain = "\n".join(line.rstrip() for line in "".join(text).rstrip().split("\n"))
    return f'<pre style="{_PRE}">{"".join(html).rstrip()}</pre>', plain


def _make_console(width: int) -> Console:
    """A console that knows nothing of this terminal: what it is not told, it would look up."""
    from rich.console import Console
    from rich.theme import Theme

    return Console(
        file=io.StringIO(),
        width=width,
        height=40,
        highlight=False,  # rich would colour numbers and strings as it thinks fit
        emoji=False,
        # Rich's own are dim and green, which `_check_style` refuses.
        theme=Theme({"table.caption": "italic", "rule.line": "none"}),
    )


def _check_style(style: Style, text: str) -> None:
    shown = text.strip()[:40]
    if style.link:
        raise ValueError(f"a link, on {shown!r}: rich gives it a random id; write the address")
    if style.dim or style.blink or style.reverse or (style.bgcolor and style.bgcolor.name):
        raise ValueError(
            f"style {str(style)!r}, on {shown!r}, reads badly on a light or a dark page: no dim, "
            "blink, reverse, backgrounds; bold, italic, underline and the palette are fine"
        )
    if style.color is not None and style.color.name not in {"default", *PALETTE.values()}:
        raise ValueError(
            f"colour {style.color.name!r}, on {shown!r}, is not in the palette (palette.py), "
            "whose colours read on light and dark pages"
        )


def _check_svg(svg: str) -> None:
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise ValueError(f"the SVG is not well-formed XML: {error}") from None
    if root.tag != _SVG:
        # In a page a browser guesses; in an <img> it shows nothing at all.
        raise ValueError(f'the root is {root.tag}, not svg with xmlns="http://www.w3.org/2000/svg"')
    if "viewBox" not in root.attrib:
        raise ValueError("the SVG has no viewBox: it would be cut off, not scaled, on a small page")
    for element in root.iter():
        if str(element.tag).endswith("}script"):
            raise ValueError("the SVG has a script, which does not run in an image")
        for name, value in element.attrib.items():
            if name.rpartition("}")[2] == "href" and not value.startswith(("#", "data:")):
                raise ValueError(f"the SVG refers to {value!r}: an image can fetch nothing")
    if _FETCHES.search(svg):
        raise ValueError("the SVG's styles fetch something: an image can fetch nothing")
