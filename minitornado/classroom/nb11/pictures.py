"""The picture to look at before anything runs: the adapter, between events and an application."""

from __future__ import annotations

from collections.abc import Iterator

from ..palette import PALETTE
from ..show import picture
from ..svg import MONO, document, path, text

GREY, PURPLE = PALETTE["kernel"], PALETTE["HTTP1Connection"]
PINK, RED = PALETTE["_ServerRequestAdapter"], PALETTE["app"]

#: The event, how often it comes, what the adapter does for a function.
EVENTS = (
    ("headers_received", "once", "makes the request"),
    ("data_received", "0, 1, 2 … times", "keeps the piece"),
    ("finish", "at the end", "joins the pieces"),
    ("on_connection_close", "or this instead", "forgets the pieces"),
)

ROW = 38
LEFT, MIDDLE, RIGHT = (14, 150), (378, 210), (756, 130)  # x and width of each column


def adapter() -> None:
    """Show what the adapter does with each event, for a function and for a delegate."""
    picture(
        _svg(),
        "On the left HTTP1Connection, which tells of four events: headers_received, "
        "data_received, finish, or on_connection_close instead. In the middle the adapter. For a "
        "function, on the right, it gathers and calls once, at finish. For a delegate it passes "
        "each event on.",
        _twin(),
    )


def _svg() -> str:
    width, tops = 900, (44, 44 + 4 * ROW + 58)
    height = tops[1] + 4 * ROW + 22
    parts = [
        *_column(LEFT, tops[0], height - 22 - tops[0], PURPLE, "HTTP1Connection", "tells"),
        *_column(MIDDLE, tops[0], 4 * ROW, PINK, "_ServerRequestAdapter", ""),
        *_column(MIDDLE, tops[1], 4 * ROW, PINK, "_ServerRequestAdapter", ""),
        *_column(RIGHT, tops[1], 4 * ROW, RED, "a delegate", "hears each"),
    ]
    for block, top in enumerate(tops):
        for at, (event, often, does) in enumerate(EVENTS):
            y = top + ROW * at + ROW / 2
            dashed = 'stroke-dasharray="6 4"' if at == 3 else ""
            parts += [
                _arrow(LEFT[0] + LEFT[1], MIDDLE[0], y, "told", dashed),
                text(LEFT[0] + LEFT[1] + 12, y - 6, event, GREY,
                      f'font-family="{MONO}" font-size="13" font-weight="bold"'),
                text(LEFT[0] + LEFT[1] + 12, y + 13, often, GREY,
                      'font-size="12" font-style="italic"'),
                text(MIDDLE[0] + MIDDLE[1] / 2, y + 5, "passes it on" if block else does, GREY,
                      'text-anchor="middle"'),
            ]  # fmt: skip
            if block:
                parts.append(_arrow(MIDDLE[0] + MIDDLE[1], RIGHT[0], y, "passed", dashed))
    y = tops[0] + 2.5 * ROW
    parts += [
        *_column(RIGHT, y - ROW / 2, ROW, RED, "your function", "", below=True),
        _arrow(MIDDLE[0] + MIDDLE[1], RIGHT[0], y, "passed", ""),
        text(MIDDLE[0] + MIDDLE[1] + 12, y - 6, "callback(request)", GREY,
              f'font-family="{MONO}" font-size="13" font-weight="bold"'),
        text(MIDDLE[0] + MIDDLE[1] + 12, y + 13, "once", GREY,
              'font-size="12" font-style="italic"'),
    ]  # fmt: skip
    arrows = {"told": PURPLE, "passed": PINK}
    return document(width, height, "The adapter", parts, arrows)


def _column(
    column: tuple[float, float], top: float, height: float, colour: str, name: str, says: str,
    below: bool = False,
) -> Iterator[str]:  # fmt: skip
    x, width = column
    yield (
        f'<rect x="{x:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="6" '
        f'fill="{colour}" fill-opacity="0.10" stroke="{colour}" stroke-width="1.5"/>'
    )
    middle = f'text-anchor="middle" font-weight="bold" font-family="{MONO}" font-size="14"'
    y = top + height / 2 + 5 if below else top - 9
    yield text(x + width / 2, y, name, colour, middle)
    if says:
        yield text(x + width / 2, top + height / 2 + 5, says, GREY,
                    'text-anchor="middle" font-style="italic"')  # fmt: skip


def _arrow(start: float, end: float, y: float, name: str, more: str) -> str:
    colour = {"told": PURPLE, "passed": PINK}[name]
    return path(f"M {start + 2:g} {y:g} L {end - 2:g} {y:g}", colour,
                f'stroke-width="2" marker-end="url(#{name})" {more}')  # fmt: skip


def _twin() -> str:
    head = ("HTTP1Connection tells", "", "_ServerRequestAdapter,", "and for a delegate:")
    under = ("", "", "for your function:", "hears each")
    lines = [head, under, *(
        (event, often, does + (" → callback(request), once" if event == "finish" else ""),
         "passes it on")
        for event, often, does in EVENTS
    )]  # fmt: skip
    widths = (24, 17, 46, 0)
    return "\n".join(
        "".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    )
