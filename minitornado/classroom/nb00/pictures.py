"""The two pictures to look at before anything runs: the porter's board, and the house.

Drawn here, and not loaded from a file: as an image with its own text, each reads on a light and
on a dark page, and has a twin in plain text that says the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..palette import PALETTE
from ..show import picture
from ..svg import MONO, box, document, path, text

GREY, BLUE, GREEN = PALETTE["kernel"], PALETTE["IOLoop"], PALETTE["IOStream"]
LAMP = PALETTE["TCPServer"]
ARROWS = {"blue": BLUE, "green": GREEN, "grey": GREY, "lit": LAMP}

#: Name of the fd, what its lamp may be lit for, the note beside it, whether it is lit.
LAMPS = (
    ("listen1", "READ", "somebody knocks: open", False),
    ("c1", "READ", "it has written: read", True),
    ("c2", "READ", "it has written: read", False),
)

#: Who lives in the house, from the top down, and what they do.
FLOORS = (
    ("app", "your function: decides what to say"),
    ("_ServerRequestAdapter", "gathers one request, piece by piece, then calls your function"),
    ("HTTP1Connection", "speaks HTTP: makes a request of bytes, and bytes of an answer"),
    ("HTTPServer", "begins the conversation on every new connection"),
    ("TCPServer", "opens the door: makes a stream of every new connection"),
    ("IOStream", "one socket that never blocks, and a buffer for each direction"),
    ("IOLoop", "the porter: sleeps for everybody, and calls everybody else"),
    ("kernel", "the operating system: has the sockets, and the board"),
)


# ---- the board ----


def board() -> None:
    """Show a turn of the loop, beside the board in front of which it sleeps."""
    picture(
        _board_svg(),
        "A turn of the loop is a ring of three: sleep in epoll_wait until a lamp is lit, follow "
        "the notes of the lit lamps, run what was put on the list meanwhile. Beside it the board "
        "of lamps, which is the kernel's; one of its three is lit.",
        _board_text(),
    )


def _board_svg() -> str:
    parts = [
        *_ring(),
        *_lamps(),
        # From the board to the porter, and back.
        path("M 468 98 L 322 98", LAMP, 'stroke-width="2.5" marker-end="url(#lit)"'),
        text(395, 88, "a lamp is lit", LAMP, 'text-anchor="middle" font-style="italic"'),
        path("M 372 238 C 420 238 420 238 466 214", GREY,
              'stroke-width="2" stroke-dasharray="6 5" marker-end="url(#grey)"'),
        text(398, 262, "epoll_ctl: put a lamp up,", GREY, f'font-family="{MONO}" font-size="13"'),
        text(398, 280, "change it, take it down", GREY, f'font-family="{MONO}" font-size="13"'),
    ]  # fmt: skip
    return document(900, 320, "A turn of the loop, and the board", parts, ARROWS)


def _ring() -> Iterator[str]:
    yield text(20, 34, "A turn of the loop", GREY, 'font-size="17" font-weight="bold"')
    # The ring, drawn as arcs from box to box.
    yield path("M 262 128 C 300 150 310 170 306 204", BLUE,
                'stroke-width="3" marker-end="url(#blue)"')  # fmt: skip
    yield path("M 290 276 C 280 316 120 316 104 284", BLUE,
                'stroke-width="3" marker-end="url(#blue)"')  # fmt: skip
    yield path("M 92 206 C 88 170 100 150 132 128", BLUE,
                'stroke-width="3" marker-end="url(#blue)"')  # fmt: skip
    for x, y, width, lines in (
        (82, 70, 238, ("1  sleep in epoll_wait",)),
        (224, 208, 148, ("2  follow the", "notes of the", "lit lamps")),
        (20, 208, 148, ("3  run what", "was put on the", "list meanwhile")),
    ):
        height = 24 + 17 * len(lines) + (14 if len(lines) == 1 else 0)
        yield box(x, y, width, height, BLUE)
        for at, line in enumerate(lines):
            down = y + height / 2 + 5 + 18 * (at - (len(lines) - 1) / 2)
            yield text(x + width / 2, down, line, "#ffffff",
                        'text-anchor="middle" font-weight="bold"')  # fmt: skip


def _lamps() -> Iterator[str]:
    left, top, width = 470, 56, 412
    yield text(left, 34, "The board: epoll, in the kernel", GREY,
                'font-size="17" font-weight="bold"')  # fmt: skip
    yield (
        f'<rect x="{left}" y="{top}" width="{width}" height="158" rx="8" fill="{GREY}" '
        f'fill-opacity="0.10" stroke="{GREY}" stroke-width="1.5"/>'
    )
    for at, (name, events, note, lit) in enumerate(LAMPS):
        y = top + 32 + 47 * at
        x = left + 30
        if lit:
            for dx, dy in ((0, -1), (0.87, -0.5), (0.87, 0.5), (0, 1), (-0.87, 0.5), (-0.87, -0.5)):
                yield path(
                    f"M {x + 13 * dx:g} {y + 13 * dy:g} L {x + 18 * dx:g} {y + 18 * dy:g}", LAMP,
                    'stroke-width="2.5" stroke-linecap="round"',
                )  # fmt: skip
        yield (
            f'<circle cx="{x}" cy="{y}" r="9" fill="{LAMP}" fill-opacity="{1 if lit else 0}" '
            f'stroke="{LAMP if lit else GREY}" stroke-width="2"/>'
        )
        bold = 'font-weight="bold"' if lit else ""
        yield text(left + 58, y + 5, name, LAMP if lit else GREY,
                    f'font-family="{MONO}" {bold}')  # fmt: skip
        yield text(left + 132, y + 5, events, LAMP if lit else GREY,
                    f'font-family="{MONO}" {bold}')  # fmt: skip
        yield text(left + 184, y + 5, f"“{note}”", GREY, 'font-style="italic"')


def _board_text() -> str:
    lines = [
        "A turn of the loop                    The board: epoll, in the kernel",
        "  1  sleep in epoll_wait  <-------------  a lamp is lit",
        *(
            f"  {step:36}  {'(*)' if lit else '( )'} {name:8} {events:5} {note}"
            for step, (name, events, note, lit) in zip(
                ("2  follow the notes of the lit lamps", "3  run what was put on the list",
                 "   meanwhile; then 1 again"), LAMPS, strict=True)
        ),
        "     epoll_ctl  ----------------------->  put a lamp up, change it, take it down",
    ]  # fmt: skip
    return "\n".join(line.rstrip() for line in lines)


# ---- the house ----


def house() -> None:
    """Show the eight layers that a request goes through, and what each is for."""
    named = ", ".join(name for name, _role in reversed(FLOORS))
    picture(
        _house_svg(),
        f"A house of {len(FLOORS)} floors, from the ground up: {named}. Bytes come in at the "
        "bottom and go up, the answer goes down.",
        _house_text(),
    )


def _house_svg() -> str:
    width, floor, left = 900, 44, 70
    height = floor * len(FLOORS) + 20
    parts = []
    for at, (name, role) in enumerate(FLOORS):
        y = 10 + floor * at
        parts += [
            f'<rect x="{left}" y="{y}" width="{width - 2 * left}" height="{floor - 6}" rx="6" '
            f'fill="{PALETTE[name]}" fill-opacity="0.09"/>',
            box(left, y, 214, floor - 6, PALETTE[name]),
            text(left + 107, y + 24, name, "#ffffff",
                  f'text-anchor="middle" font-weight="bold" font-family="{MONO}" font-size="14"'),
            text(left + 232, y + 24, role, GREY),
        ]  # fmt: skip
    low, high = height - 30, 30
    middle = (low + high) / 2
    for x, start, end, said, name, tone in (
        (38, low, high, "bytes come in", "blue", BLUE),
        (width - 38, high, low, "the answer", "green", GREEN),
    ):
        arrow = f'stroke-width="3" marker-end="url(#{name})"'
        parts.append(path(f"M {x} {start} L {x} {end}", tone, arrow))
        across = x - 14 if x < left else x + 24
        along = f'text-anchor="middle" transform="rotate(-90 {across} {middle:g})"'
        parts.append(text(across, middle, said, tone, along))
    return document(width, height, "Who is who", parts, ARROWS)


def _house_text() -> str:
    return "\n".join(f"{name:22} {role}" for name, role in FLOORS)
