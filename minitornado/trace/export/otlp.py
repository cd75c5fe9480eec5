"""OTLP/JSON: an OpenTelemetry span for every event that is no closer, its edges as links.

A bracket is a span from its opener to its closer, a point one that takes no time.  `parent` is
the parent span; `cause` and `link` are span links, told apart by an attribute.

opentelemetry-proto: ExportTraceServiceRequest in its JSON mapping: ids are hexadecimal, 64 bit
integers are strings.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ..events import Event, Trace
from .edges import edges

SCOPE = "minitornado.trace"
INTERNAL = 1  # SpanKind
ERROR = 2  # StatusCode


def otlp(trace: Trace, epoch: int = 0) -> dict[str, Any]:
    """Return a trace as an ExportTraceServiceRequest; it began `epoch` ns after 1970."""
    trace_id = hashlib.sha256(trace.canonical().encode()).hexdigest()[:32]
    spans = [_span(event, trace, trace_id, epoch) for event in trace if event.of is None]
    resource = {"attributes": [_attribute("service.name", "minitornado")]}
    scope = {"scope": {"name": SCOPE}, "spans": spans}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


def _span(event: Event, trace: Trace, trace_id: str, epoch: int) -> dict[str, Any]:
    closer = trace.closer(event)
    span: dict[str, Any] = {
        "traceId": trace_id,
        "spanId": _span_id(event),
        "name": event.name,
        "kind": INTERNAL,
        "startTimeUnixNano": str(epoch + event.t),
        "endTimeUnixNano": str(epoch + (event if closer is None else closer).t),
        "attributes": [
            _attribute(f"minitornado.{name}", value)
            for name in ("seq", "kind", "layer", "lane", "turn", "conn", "req", "fd", "step", "src")
            if (value := getattr(event, name)) is not None
        ],
    }
    parent = trace.get(event.parent)
    if parent is not None:
        span["parentSpanId"] = _span_id(parent)
    span["links"] = [
        {
            "traceId": trace_id,
            "spanId": _span_id(source),
            "attributes": [_attribute("minitornado.edge", edge)],
        }
        for edge, source in edges(event, trace)
    ]
    if closer is not None and closer.kind == "raise":
        span["status"] = {"code": ERROR, "message": str(closer.data.get("error"))}
    return span


def _span_id(event: Event) -> str:
    return f"{event.seq:016x}"


def _attribute(key: str, value: str | int) -> dict[str, Any]:
    said = {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}
    return {"key": key, "value": said}
