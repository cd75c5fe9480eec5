"""A trace as one HTML file: stepper, picture, story, turns.  It needs no network and no server."""

from __future__ import annotations

import html

from minitornado.classroom.show import render

from ..events import Trace
from . import select
from .counts import Counts
from .lanes import Lanes
from .stepper import Stepper
from .story import Story
from .turns import Turns

_WIDTH = 100  # columns of what is shown as text

# Nothing is fetched, and the browser holds us to it.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_STYLE = (
    ":root{color-scheme:light dark} body{font-family:system-ui,sans-serif;line-height:1.45;"
    "max-width:76rem;margin:1rem auto;padding:0 1rem} img{width:100%} pre{font-size:14px}"
)


def page(
    trace: Trace, conn: str | None = None, req: str | None = None, title: str = "A trace"
) -> str:
    """Return an HTML document about a trace, a connection or a request."""
    turns = [event.turn for event in select.about(trace, conn, req)]
    picture = Lanes(trace, conn, req)
    parts = [
        ("What it took", render(Counts(trace, conn, req), _WIDTH)[0]),
        ("Step by step", Stepper(trace, conn, req).html()),
        ("The picture", picture.image()),
        ("The story", render(Story(trace, conn, req), _WIDTH)[0]),
        ("The turns of the loop", render(Turns(trace, 1, max(turns, default=0)), _WIDTH)[0]),
    ]
    body = "\n".join(f"<section><h2>{name}</h2>\n{part}\n</section>" for name, part in parts)
    return document(title, body)


def document(title: str, body: str) -> str:
    """Return an HTML document that fetches nothing, and may not."""
    name = html.escape(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{name}</title><style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{name}</h1>\n{body}\n</main></body></html>\n"
    )
