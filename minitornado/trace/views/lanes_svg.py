"""Lanes as SVG: self-contained, without fonts to fetch, readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from minitornado.classroom.palette import PALETTE

from .lanes import ADAPTER, LANES, LOOP, Band, Bar, Lanes, Row
from .view import ASKED, GREY

FONT = "ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono',Consolas,monospace"

LEFT = 168  # up to the kernel's lane: turn, number, half a box
TOP = 92
ROW = 24
PITCH = 128
LOOP_GAP = 190  # between kernel and loop, where the dashed arrows run
CHAR = 7.3  # width of a character of 12 px
RIGHT = 64

_DASHED = 'stroke-dasharray="5 4"'


def draw(lanes: Lanes) -> str:
    """Return the picture as an SVG document."""
    width = _x(len(LANES) - 1) + RIGHT
    height = TOP + ROW * len(lanes.rows) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-labelledby="title desc" '
        f'font-family="{FONT}" font-size="12">',
        f'<title id="title">{escape(lanes.title)}</title>',
        f'<desc id="desc">{escape(lanes.alt())}</desc>',
        *_head(lanes, width, height),
        *(part for at, band in enumerate(lanes.bands) for part in _band(band, at, width)),
        *_lifelines(height),
        *(_bar(bar) for bar in lanes.bars),
        *_arcs(lanes),
        *(part for at, row in enumerate(lanes.rows) for part in _row(row, at)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(lane: int) -> float:
    return LEFT + (0 if lane == 0 else LOOP_GAP + (lane - 1) * PITCH)


def _y(row: float) -> float:
    return TOP + ROW * row + ROW / 2


def _head(lanes: Lanes, width: float, height: float) -> Iterator[str]:
    arrow = "M0,0 L9,4.5 L0,9 z"
    for name, colour in (("call", GREY), ("asked", ASKED)):
        yield (
            f'<defs><marker id="{name}" markerWidth="9" markerHeight="9" refX="8.5" refY="4.5" '
            f'orient="auto" markerUnits="userSpaceOnUse"><path d="{arrow}" fill="{colour}"/>'
            "</marker></defs>"
        )
    yield _text(16, 28, lanes.title, GREY, 'font-size="16" font-weight="bold"')
    at = width - 400
    yield _line(at, 23, at + 40, 23, GREY, 'marker-end="url(#call)"')
    yield _text(at + 48, 27, "calls", GREY)
    yield _line(at + 110, 23, at + 150, 23, ASKED, f'{_DASHED} marker-end="url(#asked)"')
    yield _text(at + 158, 27, "asked for here, runs there", GREY)
    for lane, name in enumerate(LANES):
        lines = ["_ServerRequest", "Adapter"] if lane == ADAPTER else [name]
        for up, part in enumerate(reversed(lines)):
            y = TOP - 14 - 15 * up
            yield _text(_x(lane), y, part, PALETTE[name], 'font-weight="bold" text-anchor="middle"')


def _band(band: Band, at: int, width: float) -> Iterator[str]:
    top, bottom = _y(band.first) - ROW / 2, _y(band.last) + ROW / 2
    if at % 2 == 0:
        yield _rect(0, top, width, bottom, f'fill="{GREY}" fill-opacity="0.10"')
    title, _, loop = band.when.replace(" the first poll", "").partition(" of ")
    if loop:
        title = f"{loop.removesuffix('.loop')} {title}"
    small = ' font-size="10.5"' if len(title) > 7 else ""  # "turn 100": the numbers come soon
    yield _text(10, top + 16, title, GREY, 'font-weight="bold"' + small)
    if band.how and band.last > band.first:
        yield _text(10, top + 16 + ROW, band.how, GREY, 'font-size="10.5"')


def _lifelines(height: float) -> Iterator[str]:
    for lane, name in enumerate(LANES):
        x = _x(lane)
        yield _line(x, TOP - 6, x, height - 10, PALETTE[name], 'stroke-opacity="0.35"')


def _bar(bar: Bar) -> str:
    x, fill = _x(bar.lane) - 4 + 5 * bar.inset, PALETTE[LANES[bar.lane]]
    look = f'rx="2" fill="{fill}" fill-opacity="0.45"'
    return _rect(x, _y(bar.first), 8, _y(bar.last) + 8, look)


def _half(row: Row) -> float:
    """Half of the width of a row's box."""
    return len(row.label) * CHAR / 2 + 7


def _row(row: Row, at: int) -> Iterator[str]:
    y, half = _y(at), _half(row)
    x = max(_x(row.lane), LEFT - 60 + half)  # right of the number, however long the label is
    if row.caller is not None:
        start = _x(row.caller)
        side = 1 if x > start else -1
        yield _line(start + 4 * side, y, x - side * (half + 1), y, GREY, 'marker-end="url(#call)"')
    look = f'rx="4" fill="{PALETTE[LANES[row.lane]]}"'
    yield _rect(x - half, y - 9, 2 * half, y + 9, look)
    yield _text(x, y + 4.2, row.label, "#ffffff", 'text-anchor="middle"')
    if row.note:
        yield _text(_x(LOOP) + 10, y + 4.2, row.note, GREY, 'font-style="italic"')
    number = str(row.event.seq)
    yield _text(LEFT - 64, y + 4, number, GREY, 'font-size="10.5" text-anchor="end"')


def _arcs(lanes: Lanes) -> Iterator[str]:
    """Draw the dashed arrows left of the loop's lane, the longer the further out."""
    arcs = sorted(
        ((row.asked, at) for at, row in enumerate(lanes.rows) if row.asked is not None),
        key=lambda arc: (arc[1] - arc[0], arc),
    )
    taken: list[list[tuple[int, int]]] = []
    for start, end in arcs:
        track = 0
        while track < len(taken) and any(start < b and a < end for a, b in taken[track]):
            track += 1
        if track == len(taken):
            taken.append([])
        taken[track].append((start, end))
        yield _arc(lanes, start, end, track)


def _arc(lanes: Lanes, start: int, end: int, track: int) -> str:
    asking, asked = lanes.rows[start], lanes.rows[end]
    x0 = _x(asking.lane) - _half(asking)
    x1 = _x(LOOP) - (_half(asked) if asked.lane == LOOP else 4)
    y0, y1 = _y(start), _y(end)
    out = min(x0, x1, _x(LOOP) - 58) - 14 - 9 * min(track, 6)
    bend = min(16, (y1 - y0) / 2)
    path = (
        f"M{x0:g},{y0:g} C{out:g},{y0:g} {out:g},{y0:g} {out:g},{y0 + bend:g} "
        f"L{out:g},{y1 - bend:g} C{out:g},{y1:g} {out:g},{y1:g} {x1 - 1:g},{y1:g}"
    )
    return (
        f'<path d="{path}" fill="none" stroke="{ASKED}" stroke-width="1.5" '
        f'{_DASHED} marker-end="url(#asked)"/>'
    )


def _rect(x: float, top: float, width: float, bottom: float, look: str) -> str:
    height = bottom - top
    return f'<rect x="{x:g}" y="{top:g}" width="{width:g}" height="{height:g}" {look}/>'


def _line(x0: float, y0: float, x1: float, y1: float, colour: str, more: str = "") -> str:
    return (
        f'<line x1="{x0:g}" y1="{y0:g}" x2="{x1:g}" y2="{y1:g}" stroke="{colour}" '
        f'stroke-width="1.5" {more}/>'
    )


def _text(x: float, y: float, text: str, colour: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" {more}>{escape(text)}</text>'
