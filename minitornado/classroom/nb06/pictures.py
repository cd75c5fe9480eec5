"""Two pictures: the way of a read through its functions, and the bytes of a buffer over time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minitornado.trace import Trace
from minitornado.trace.views import Picture

from ..palette import PALETTE
from ..show import picture
from ..svg import MONO, box, document, path, text
from . import runs

GREY, BLUE, GREEN = PALETTE["kernel"], PALETTE["IOLoop"], PALETTE["IOStream"]
RED, WHITE = PALETTE["app"], "#ffffff"
ARROWS = {"blue": BLUE, "green": GREEN, "grey": GREY, "red": RED}

_MIDDLE = 'text-anchor="middle"'
_BOLD = f'{_MIDDLE} font-weight="bold"'
_CODE = f'{_BOLD} font-family="{MONO}"'


# ---- the way ----


def way() -> None:
    """Show the three places where a read looks, in their order, and the functions between."""
    picture(
        _way_svg(),
        "The way of a read. start_read calls _handle_read, which looks in the buffer first "
        "(find_end), then in the kernel (_read_to_buffer), then waits (_add_io_state). When the "
        "bytes are there, the loop calls _handle_events, and it goes round again. Once the answer "
        "is in the buffer, _finish_read cuts it off and resolves the Future.",
        _way_text(),
    )


def _way_svg() -> str:
    solid = 'stroke-width="2.5" marker-end="url(#{})"'
    parts = [
        box(20, 76, 130, 44, RED), text(85, 103, "start_read", WHITE, _CODE),
        path("M 150 98 L 196 98", RED, solid.format("red")),
        f'<rect x="200" y="40" width="460" height="116" rx="8" fill="{GREEN}" '
        f'fill-opacity="0.08" stroke="{GREEN}" stroke-width="1.5"/>',
        text(430, 62, "_handle_read", GREEN, _CODE),
    ]  # fmt: skip
    for at, (place, function, colour) in enumerate((
        ("1  the buffer", "find_end", GREEN),
        ("2  the kernel", "_read_to_buffer", GREY),
        ("3  wait", "_add_io_state", BLUE),
    )):  # fmt: skip
        x = 212 + 150 * at
        parts += [
            box(x, 76, 136, 66, colour),
            text(x + 68, 102, place, WHITE, _BOLD),
            text(x + 68, 128, function, WHITE, f'{_MIDDLE} font-family="{MONO}" font-size="12.5"'),
        ]
        if at < 2:
            parts.append(path(f"M {x + 136} 96 L {x + 149} 96", GREEN,
                              'stroke-width="2.5" marker-end="url(#green)"'))  # fmt: skip
    parts += [
        # Bytes have come from the kernel: back to the buffer.
        path("M 362 126 L 350 126", GREY, solid.format("grey")),
        # Found.
        path("M 280 142 L 280 212", GREEN, solid.format("green")),
        text(292, 188, "found", GREEN, 'font-style="italic"'),
        box(200, 216, 160, 44, GREEN), text(280, 243, "_finish_read", WHITE, _CODE),
        path("M 200 238 L 150 238", RED, solid.format("red")),
        text(85, 234, "your Future", RED, _BOLD), text(85, 254, "is done", RED, _BOLD),
        # Asleep, and back.
        path("M 660 108 L 756 108", BLUE, f'{solid.format("blue")} stroke-dasharray="6 5"'),
        text(820, 104, "the loop", BLUE, _BOLD), text(820, 124, "sleeps", BLUE, _BOLD),
        path("M 820 136 L 820 238 L 614 238", BLUE,
             f'{solid.format("blue")} stroke-dasharray="6 5"'),
        text(730, 230, "bytes have come", BLUE, f'{_MIDDLE} font-style="italic"'),
        box(440, 216, 170, 44, GREEN), text(525, 243, "_handle_events", WHITE, _CODE),
        path("M 430 216 L 430 160", GREEN, solid.format("green")),
        path("M 440 238 L 430 238 L 430 214", GREEN, 'stroke-width="2.5"'),
    ]  # fmt: skip
    return document(900, 284, "The way of a read", parts, ARROWS)


def _way_text() -> str:
    return "\n".join([
        "start_read --> _handle_read   1  the buffer  find_end",
        "                              2  the kernel  _read_to_buffer, then 1 again",
        "                              3  wait        _add_io_state",
        "found in the buffer:          _finish_read --> your Future is done",
        "the loop sleeps; bytes have come: _handle_events --> _handle_read",
    ])  # fmt: skip


# ---- the bytes ----

_CELL = 30
_LEFT = 250


class Bytes(Picture):
    """The read buffer, byte by byte, each time that bytes come in or a line is cut off."""

    def __init__(self, trace: Trace, sent: bytes) -> None:
        self.rows = runs.rows(trace, sent)

    def alt(self) -> str:
        said = []
        for turn, what, cut, left in self.rows:
            event = f"a line of {len(cut)} bytes is cut off" if what == "line" else "bytes come"
            said.append(f"turn {turn}, {event}, {len(left)} are left")
        return f"The read buffer over time: {'; '.join(said)}."

    def body(self, width: int) -> Iterator[Any]:
        from rich.text import Text

        yield Text(f"{'turn':4}  {'':20} the buffer after it (in brackets: cut off)")
        for turn, what, cut, left in self.rows:
            shown = f"[{_spelt(cut)}] " if cut else ""
            yield Text(f"{turn:4}  {_event(what, cut):20} {shown}{_spelt(left)}".rstrip())

    def svg(self) -> str:
        height = 44
        parts = [
            text(20, 24, "turn", GREY, 'font-size="13"'),
            text(_LEFT, 24, "the read buffer; filled: what is cut off its front", GREY,
                 'font-size="13"'),
        ]  # fmt: skip
        for at, (turn, what, cut, left) in enumerate(self.rows):
            y = 38 + height * at
            colour = GREEN if what == "line" else GREY
            parts += [
                text(34, y + 21, str(turn), GREY, _BOLD),
                text(74, y + 21, _event(what, cut), colour, f'font-family="{MONO}"'),
                *_cells(y, cut, left),
            ]
            if not cut + left:
                parts.append(text(_LEFT, y + 21, "empty", GREY, 'font-style="italic"'))
        return document(900, 38 + height * len(self.rows), "The read buffer", parts, ARROWS)


def _cells(y: float, cut: bytes, left: bytes) -> Iterator[str]:
    for at, byte in enumerate(cut + left):
        x = _LEFT + _CELL * at
        gone = at < len(cut)
        yield (
            f'<rect x="{x + 1}" y="{y}" width="{_CELL - 2}" height="32" rx="4" '
            f'fill="{GREEN if gone else "none"}" stroke="{GREEN}" stroke-width="1.5"/>'
        )
        yield text(x + _CELL / 2, y + 21, _spelt(bytes([byte])), WHITE if gone else GREEN,
                   f'{_CODE} font-size="15"')  # fmt: skip


def _event(what: str, cut: bytes) -> str:
    return f"a line, {len(cut)} bytes" if what == "line" else "recv"


def _spelt(data: bytes) -> str:
    return data.decode().replace("\r", "\\r").replace("\n", "\\n")
