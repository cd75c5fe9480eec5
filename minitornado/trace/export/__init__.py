"""Exports: a trace in the forms that other tools read.

    chrome   trace events with flow arrows, for Perfetto and chrome://tracing
    otlp     OpenTelemetry spans with links, as OTLP/JSON

The project's own form is JSON lines, `Trace.dump`: a header {format, version, meta}, then one
object an event, whose fields the docstring of `events.Event` lists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..events import Trace
from .chrome import chrome
from .otlp import otlp

FORMATS: dict[str, Callable[[Trace], dict[str, Any]]] = {"chrome": chrome, "otlp": otlp}

__all__ = ["FORMATS", "chrome", "otlp"]
