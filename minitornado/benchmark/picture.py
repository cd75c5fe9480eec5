"""The ratios as a picture: a row a workload, a mark a peer, on a logarithmic scale. Pure.

Readable on a light and on a dark page.  A peer is told by the form of its mark; its colour only
helps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from minitornado.classroom import svg
from minitornado.classroom.palette import PALETTE

from .bench import Figure, Workload
from .peers import OURS, PEERS
from .report import goals, number
from .results import Results, Spread, ratio

WIDTH, LEFT, RIGHT = 900, 270, 60  # pixels; left of the scale stand the workloads, right ours
TOP, ROW, LEGEND = 56, 24, 60
TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200)
GREY = PALETTE["kernel"]


@dataclass(frozen=True)
class Mark:
    """The form of a peer's mark: a path around (0, 0), filled or not, and its colour."""

    path: str
    colour: str
    filled: bool = False


MARKS = {
    OURS: Mark("M-6,0 a6,6 0 1,0 12,0 a6,6 0 1,0 -12,0 z", PALETTE["HTTPServer"], filled=True),
    "uvicorn-h11": Mark("M-5,-4 L5,-4 L0,5 z", PALETTE["app"]),
    "aiohttp": Mark("M-4,-4 h8 v8 h-8 z", PALETTE["IOLoop"]),
    "uvicorn-c": Mark("M0,-6 L6,0 L0,6 L-6,0 z", PALETTE["_ServerRequestAdapter"]),
    "asyncio": Mark("M-5,0 H5 M0,-5 V5", PALETTE["IOStream"]),
    "epoll": Mark("M-4,-4 L4,4 M-4,4 L4,-4", PALETTE["HTTP1Connection"]),
    "uvloop": Mark("M-5,4 L5,4 L0,-5 z", PALETTE["TCPServer"]),
}


def draw(results: Results) -> str:
    """Return the picture as the text of an SVG."""
    rows = _rows(results)
    found = [
        {name: told for name in MARKS if (told := ratio(results, work.name, name, figure.key))}
        for work, figure in rows
    ]
    place = _scale([told for row in found for told in row.values()])
    bottom = TOP + ROW * len(rows)
    parts = _axis(place, bottom)
    for at, ((work, figure), row) in enumerate(zip(rows, found, strict=True)):
        y = TOP + ROW * at + ROW / 2
        # Of a workload with one ratio the title says all; of the others, which of its figures.
        single = sum(work is other for other, _figure in rows) == 1
        parts.append(_text(LEFT - 14, y + 4, work.title if single else
                           f"{work.title.partition(',')[0]}: {figure.label}", "end"))  # fmt: skip
        parts.append(_goal(place(figure.ratio or 1), y))
        # Ours last, above the others.
        parts += [_mark(name, row[name], place, y) for name in reversed(MARKS) if name in row]
        if OURS in row:
            parts.append(_text(WIDTH - 8, y + 4, number(row[OURS].median), "end", bold=True))
    parts += _legend(bottom + 20)
    return svg.document(WIDTH, bottom + LEGEND, "CPU time as a ratio to Tornado's", parts, {})


def alt(results: Results) -> str:
    """The picture in a sentence."""
    found = [
        told.median for work, figure in _rows(results)
        if (told := ratio(results, work.name, OURS, figure.key))
    ]  # fmt: skip
    return (
        f"CPU time as a ratio to Tornado's, {len(found)} figures: minitornado needs "
        f"{number(min(found))} to {number(max(found))} times less"
    )


def _rows(results: Results) -> list[tuple[Workload, Figure]]:
    """The figures of CPU time with a goal against Tornado."""
    return [
        (work, figure) for work, figure in goals(results)
        if figure.ratio is not None and figure.unit == "µs"
    ]  # fmt: skip


def _scale(told: list[Spread]) -> Callable[[float], float]:
    low = min([0.7, *(spread.least for spread in told)]) / 1.1
    high = max([3.0, *(spread.most for spread in told)]) * 1.1
    width = WIDTH - LEFT - RIGHT

    def place(value: float) -> float:
        return LEFT + width * math.log(value / low) / math.log(high / low)

    return place


def _axis(place: Callable[[float], float], bottom: float) -> list[str]:
    parts = [
        _text(LEFT, 18, "times less CPU than Tornado, in the same run →", "start"),
        _text(WIDTH - 8, 18, "minitornado", "end", bold=True),
    ]
    for tick in TICKS:
        x = place(tick)
        if LEFT <= x <= WIDTH - RIGHT:
            wide = 2 if tick == 1 else 1
            look = f'stroke-width="{wide}" stroke-opacity="{0.3 * wide:g}"'
            parts.append(svg.path(f"M{x:.1f},{TOP - 6} V{bottom}", GREY, look))
            parts.append(_text(x, TOP - 12, "Tornado: 1" if tick == 1 else f"{tick:g}", "middle"))
    return parts


def _goal(x: float, y: float) -> str:
    return svg.path(f"M{x:.1f},{y - 9:.1f} v18", GREY, 'stroke-width="3"')


def _mark(name: str, told: Spread, place: Callable[[float], float], y: float) -> str:
    label = f"{PEERS[name].label}: {number(told.median)} [{number(told.least)}-{number(told.most)}]"
    line = f"M{place(told.least):.1f},{y:.1f} H{place(told.most):.1f}"
    return (
        f"<g><title>{escape(label)}</title>{svg.path(line, MARKS[name].colour)}"
        f"{_form(MARKS[name], place(told.median), y)}</g>"
    )


def _form(mark: Mark, x: float, y: float) -> str:
    look = f'transform="translate({x:.1f} {y:.1f})" stroke-width="1.8"'
    form = svg.path(mark.path, mark.colour, look)
    return form.replace('fill="none"', f'fill="{mark.colour}"') if mark.filled else form


def _legend(top: float) -> list[str]:
    parts = []
    for at, name in enumerate([*MARKS, "goal"]):
        x, y = 20 + 220 * (at % 4), top + 20 * (at // 4)
        parts.append(_form(MARKS[name], x, y) if name in MARKS else _goal(x, y))
        parts.append(_text(x + 14, y + 4, PEERS[name].label if name in MARKS else name, "start"))
    return parts


def _text(x: float, y: float, text: str, anchor: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return svg.text(x, y, text, GREY, f'text-anchor="{anchor}" font-size="13"{weight}')
