"""The few shapes that the classroom draws with, as text of an SVG. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

FONT = "ui-sans-serif,-apple-system,'Segoe UI','DejaVu Sans',Helvetica,Arial,sans-serif"
MONO = "ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono',Consolas,monospace"


def document(
    width: float, height: float, title: str, parts: Sequence[str], arrows: Mapping[str, str]
) -> str:
    """An SVG of `parts`; `arrows` are heads by name and colour: ``marker-end="url(#name)"``."""
    head = "M0,0 L9,4.5 L0,9 z"
    markers = "".join(
        f'<marker id="{name}" markerWidth="9" markerHeight="9" refX="8" refY="4.5" orient="auto">'
        f'<path d="{head}" fill="{colour}"/></marker>'
        for name, colour in arrows.items()
    ).replace("<marker ", '<marker markerUnits="userSpaceOnUse" ')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" font-family="{FONT}" font-size="14.5">',
        f"<title>{escape(title)}</title>",
        f"<defs>{markers}</defs>",
        *parts,
        "</svg>\n",
    ])  # fmt: skip


def box(x: float, y: float, width: float, height: float, colour: str) -> str:
    """A filled box with round corners."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{colour}"/>'
    )


def path(path: str, colour: str, more: str = "") -> str:
    """A line; `more` are further attributes."""
    return f'<path d="{path}" fill="none" stroke="{colour}" {more}/>'


def text(x: float, y: float, text: str, colour: str, more: str = "") -> str:
    """A text whose line is at `y`; `more` are further attributes."""
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" {more}>{escape(text)}</text>'
