"""Two pictures: the ring of a loop with the names of its functions, and a run as a strip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from minitornado.trace import Trace
from minitornado.trace.views import Picture

from ..palette import PALETTE
from ..show import picture
from ..svg import MONO, box, document, path, text
from . import runs

GREY, BLUE, GREEN = PALETTE["kernel"], PALETTE["IOLoop"], PALETTE["IOStream"]
AMBER, WHITE = PALETTE["TCPServer"], "#ffffff"
ARROWS = {"blue": BLUE, "green": GREEN, "grey": GREY, "amber": AMBER}
COLOURS = {"callback": BLUE, "timeout": AMBER, "handler": GREEN, "glance": GREY, "sleep": GREY}

_MIDDLE = 'text-anchor="middle"'
_BOLD = f'{_MIDDLE} font-weight="bold"'


# ---- the ring ----

#: What is asked for, the method that asks, the function that sees to it, and when that is.
WAYS = (
    ("add_callback", "the list", "_work", "first", BLUE),
    ("call_later", "the timeouts", "_work", "then those that are due", AMBER),
    ("add_handler", "the handlers", "_wait", "when the kernel says so", GREEN),
)


def ring() -> None:
    """Show the loop's two functions, and which of three ways to wait each of them serves."""
    picture(
        _ring_svg(),
        "The loop goes round between two functions. _work runs the list, then the timeouts that "
        "are due. _wait asks the kernel (poll), then runs the handlers of what is ready. All of "
        "them are called through _run.",
        _ring_text(),
    )


def _ring_svg() -> str:
    parts = []
    for x, name, first, second in (
        (70, "_work", ("the list", BLUE), ("timeouts that are due", AMBER)),
        (490, "_wait", ("poll: ask the kernel", GREY), ("handlers of who is ready", GREEN)),
    ):
        parts += [
            f'<rect x="{x}" y="96" width="340" height="148" rx="8" fill="{BLUE}" '
            f'fill-opacity="0.08" stroke="{BLUE}" stroke-width="1.5"/>',
            text(x + 170, 122, name, BLUE, f'{_BOLD} font-family="{MONO}" font-size="17"'),
        ]
        for at, (said, colour) in enumerate((first, second)):
            parts += [
                box(x + 50, 138 + 52 * at, 240, 34, colour),
                text(x + 170, 160 + 52 * at, said, WHITE, _BOLD),
            ]
        parts.append(path(f"M {x + 170} 173 L {x + 170} 187", BLUE, 'stroke-width="2.5"'))
    round_ = 'stroke-width="3" marker-end="url(#blue)"'
    parts += [
        path("M 410 150 L 486 150", BLUE, round_),
        path("M 490 200 L 414 200", BLUE, round_),
        text(450, 138, "stop?", BLUE, f'{_MIDDLE} font-style="italic"'),
        path("M 20 170 L 66 170", BLUE, round_),
        text(20, 156, "start", BLUE, f'font-family="{MONO}" font-size="14"'),
    ]
    for x, said, to, colour, name in (
        (150, "add_callback", 150, BLUE, "blue"), (330, "call_later", 330, AMBER, "amber"),
        (660, "add_handler", 660, GREEN, "green"),
    ):  # fmt: skip
        parts += [
            text(x, 40, said, colour, f'{_BOLD} font-family="{MONO}"'),
            path(f"M {x} 52 L {to} 90", colour,
                 f'stroke-width="2" stroke-dasharray="6 5" marker-end="url(#{name})"'),
        ]  # fmt: skip
    parts.append(text(450, 284, "what a handler asks for is next; what a callback asks for has to "
                      "wait until the kernel has been asked", GREY, _MIDDLE))  # fmt: skip
    return document(900, 306, "The ring", parts, ARROWS)


def _ring_text() -> str:
    return "\n".join([
        "start -->  _work   the list                  <-- add_callback",
        "   ^               timeouts that are due     <-- call_later",
        "   |       stop?",
        "   |       _wait   poll: ask the kernel",
        "   |               handlers of who is ready  <-- add_handler",
        "   +------- and round again",
        "what a handler asks for is next; what a callback asks for has to wait until the kernel",
        "has been asked",
    ])  # fmt: skip


# ---- the strip ----


class Strip(Picture):
    """A run from left to right: who ran, when the kernel was asked, who was on the list then."""

    def __init__(self, trace: Trace) -> None:
        self.moments = runs.moments(trace)

    def alt(self) -> str:
        ran = ", ".join("the kernel is asked" if kind in ("glance", "sleep") else f"{kind} {name}"
                        for kind, name, _ in self.moments)  # fmt: skip
        return f"A run of the loop, in its order: {ran}."

    def body(self, width: int) -> Iterator[Any]:
        from rich.text import Text

        yield Text(f"{'in':9} {'what':10} {'who':6} on the list after it")
        for kind, name, waiting in self.moments:
            called = "poll" if kind in ("glance", "sleep") else name
            said = {"glance": "no wait", "sleep": "sleeps"}.get(kind, kind)
            yield Text(f"{_function(kind):9} {said:10} {called:6} {' '.join(waiting) or '-'}")

    def svg(self) -> str:
        step = 112
        left = (900 - step * len(self.moments)) / 2
        parts = [path(f"M {left} 96 L {left + step * len(self.moments)} 96", GREY,
                      'stroke-width="2" marker-end="url(#grey)"')]  # fmt: skip
        for at, (kind, name, waiting) in enumerate(self.moments):
            x = left + step * at
            parts += _moment(x, step, kind, name, waiting)
        for function, first, last in _spans([kind for kind, _, _ in self.moments]):
            x, end = left + step * first + 4, left + step * (last + 1) - 4
            parts += [
                path(f"M {x} 44 L {x} 36 L {end} 36 L {end} 44", BLUE, 'stroke-width="2"'),
                text((x + end) / 2, 26, function, BLUE, f'{_BOLD} font-family="{MONO}"'),
            ]
        parts.append(text(450, 226, "on the list after it, the oldest on the left", GREY,
                          f'{_MIDDLE} font-style="italic"'))  # fmt: skip
        return document(900, 240, "A run, from left to right", parts, ARROWS)


def _moment(x: float, step: int, kind: str, name: str, waiting: list[str]) -> Iterator[str]:
    yield box(x + 10, 58, step - 20, 76, COLOURS[kind])
    yield text(x + step / 2, 94, name, WHITE, f'{_BOLD} font-size="24"')
    said = {"glance": "no wait", "sleep": "sleeps"}.get(kind, kind)
    yield text(x + step / 2, 120, said, WHITE, f'{_MIDDLE} font-size="13"')
    yield path(f"M {x + step / 2} 138 L {x + step / 2} 158", GREY, 'stroke-dasharray="3 3"')
    if not waiting:
        yield text(x + step / 2, 186, "nobody", GREY, f'{_MIDDLE} font-style="italic"')
    start = x + step / 2 - 15 * len(waiting)
    for at, who in enumerate(waiting):
        yield (
            f'<rect x="{start + 30 * at + 2:g}" y="166" width="26" height="30" rx="4" '
            f'fill="none" stroke="{BLUE}" stroke-width="2"/>'
        )
        yield text(start + 30 * at + 15, 187, who, BLUE, _BOLD)


def _function(kind: str) -> str:
    return "_work" if kind in ("callback", "timeout") else "_wait"


def _spans(kinds: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Runs of the same function of the loop: its name, and the first and last moment."""
    first = 0
    for at, kind in enumerate(kinds):
        ends = at + 1 == len(kinds) or _function(kinds[at + 1]) != _function(kind)
        # Two polls in a row are two calls of it.
        if ends or kinds[at + 1] in ("glance", "sleep"):
            yield _function(kind), first, at
            first = at + 1
