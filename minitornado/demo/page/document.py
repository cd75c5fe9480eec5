"""The page as one document: HTML, style and script in one answer, so that it is one request.

The stepper's style and script are those of the views.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from minitornado.httputil import HTTPServerRequest

from .answers import answer

_HERE = Path(__file__).parent
_STEPPER = Path(__file__).parents[2] / "trace" / "views" / "stepper.js"  # rich is not imported


class Document(NamedTuple):
    """`policy` is its Content-Security-Policy: nothing is fetched but from this server."""

    text: str
    policy: str


def build() -> Document:
    """Return the page that watches."""
    # The script makes every stepper that it finds into a player, and is run whenever there is
    # a new one.
    steps = f"const makeSteppers = () => {{\n{_STEPPER.read_text('utf-8')}}};\n"
    script = steps + (_HERE / "page.js").read_text("utf-8")
    # Only this script: a request's path that found its way into the page would not run.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _fill("page.html", script, f"'sha256-{digest}'")


def untraced() -> Document:
    """Return the page of a server that is not traced: it says so, and how to change it."""
    return _fill("untraced.html", "", "'none'")


def send(request: HTTPServerRequest, document: Document, name: str = "") -> None:
    """Answer with a document, which is told the name of the request that it answers."""
    text = document.text.replace("{{self}}", name)
    policy = {"Content-Security-Policy": document.policy}
    answer(request, 200, text, "text/html; charset=utf-8", **policy)


def _fill(name: str, script: str, allowed: str) -> Document:
    style = (_HERE / "page.css").read_text("utf-8")
    text = (_HERE / name).read_text("utf-8")
    parts = {"style": f"<style>{style}</style>", "script": f"<script>{script}</script>"}
    text = re.sub(r"<(style|script)></\1>", lambda found: parts[found[1]], text)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
    )
    return Document(text, policy)
