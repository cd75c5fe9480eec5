"""The picture to look at before anything runs: the way of a request, and where it can fail."""

from __future__ import annotations

from ..palette import PALETTE
from ..show import picture
from ..svg import MONO, box, document, path, text

GREY, RED = PALETTE["kernel"], PALETTE["app"]

FLOORS = tuple(reversed(PALETTE))  # from the application down to the kernel

#: The stations, in the order of time: floor, and what is called there.
STATIONS = (
    ("kernel", "epoll_wait"), ("IOLoop", "_handle_events"), ("IOStream", "recv"),
    ("HTTP1Connection", "read_response"), ("_ServerRequestAdapter", "finish"),
    ("app", "your function"), ("HTTP1Connection", "write_headers"), ("IOStream", "write"),
    ("kernel", "send"),
)  # fmt: skip

#: Beside which station something goes wrong, and what.
FAILURES = (
    (0, "1", "two lamps are lit"), (5, "2", "does not come back"), (5, "3", "raises an error"),
    (8, "4", "nobody is there"),
)  # fmt: skip
#: How far from its station each of them is drawn: to the right, and down.
BESIDE = ((-40, 31), (72, 0), (-188, 0), (-62, 31))

LEFT, TOP, ROW, STEP = 186, 16, 42, 73


def way() -> None:
    """Show the way of a request through the house, and four places where it can fail."""
    picture(
        _svg(),
        "The way of a request, from left to right: up from the kernel through loop, stream, "
        "connection and adapter to your function, and the answer down again. Four marks show "
        "where this page lets it fail.",
        _twin(),
    )


def _y(floor: str) -> float:
    return TOP + ROW * FLOORS.index(floor) + ROW / 2


def _x(at: int) -> float:
    return LEFT + 58 + STEP * at


def _svg() -> str:
    width, height = 900, TOP + ROW * len(FLOORS) + 40
    parts = []
    for floor in FLOORS:
        y = _y(floor)
        parts += [
            f'<rect x="{LEFT - 4}" y="{y - ROW / 2 + 3:g}" width="{width - LEFT - 6}" '
            f'height="{ROW - 6}" rx="6" fill="{PALETTE[floor]}" fill-opacity="0.09"/>',
            text(LEFT - 14, y + 5, floor, PALETTE[floor],
                 f'text-anchor="end" font-weight="bold" font-family="{MONO}" font-size="13"'),
        ]  # fmt: skip
    for at in range(len(STATIONS) - 1):
        (start, _), (end, _) = STATIONS[at], STATIONS[at + 1]
        down = 1 if _y(end) > _y(start) else -1
        parts.append(path(
            f"M {_x(at):g} {_y(start) + 15 * down:g} C {_x(at):g} {_y(end):g} "
            f"{_x(at):g} {_y(end):g} {_x(at + 1) - 56:g} {_y(end):g}", GREY,
            'stroke-width="2" marker-end="url(#on)"',
        ))  # fmt: skip
    for at, (floor, name) in enumerate(STATIONS):
        parts += [
            box(_x(at) - 54, _y(floor) - 14, 108, 28, PALETTE[floor]),
            text(_x(at), _y(floor) + 5, name, "#ffffff",
                 f'text-anchor="middle" font-weight="bold" font-family="{MONO}" font-size="12"'),
        ]  # fmt: skip
    for (at, number, said), (right, down) in zip(FAILURES, BESIDE, strict=True):
        x, y = _x(at) + right, _y(STATIONS[at][0]) + down
        parts += [
            f'<circle cx="{x:g}" cy="{y:g}" r="10" fill="none" stroke="{RED}" stroke-width="2"/>',
            text(x, y + 5, number, RED, 'text-anchor="middle" font-weight="bold"'),
            text(x + 15, y + 5, said, GREY, 'font-style="italic" font-size="13"'),
        ]
    return document(width, height, "The way of a request", parts, {"on": GREY})


def _twin() -> str:
    lines = []
    for at, (floor, name) in enumerate(STATIONS):
        here = [(number, said) for where, number, said in FAILURES if where == at]
        failures = "  ".join(f"({number}) {said}" for number, said in here)
        lines.append(f"{floor:22} {name:16} {failures}".rstrip())
    return "\n".join([*lines, "", "Not on the way of every request: HTTPServer, TCPServer."])
