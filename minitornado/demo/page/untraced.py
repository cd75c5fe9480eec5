"""The page of a server that is not traced: it says so, and how to change it."""

from __future__ import annotations

from typing import Any

from minitornado.httputil import HTTPServerRequest

from .. import application as demo
from . import document
from .answers import answer

_DOCUMENT = document.untraced()


def application(request: HTTPServerRequest) -> Any:
    """Answer for the page; hand all other requests to the demo application."""
    if request.path != "/":
        return demo.application(request)
    if request.method not in ("GET", "HEAD"):
        return answer(request, 405, "/ takes GET, HEAD.\n", Allow="GET, HEAD")
    return document.send(request, _DOCUMENT)
