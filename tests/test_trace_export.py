"""Exports: what is written is what the formats allow, and holds every event and edge.

OTLP is also read by the format's own definition, opentelemetry-proto, where that is installed:
for this Python, or for the one that the variable OTEL_PYTHON names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from typing import Any

import pytest
from trace_scenarios import SCRIPTS, traced

from minitornado.trace import Trace
from minitornado.trace.export import chrome, otlp

pytestmark = pytest.mark.deadline(120)


@pytest.fixture(scope="module", params=["get", "later", "two", "boom"])
def trace(request: pytest.FixtureRequest) -> Trace:
    assert request.param in SCRIPTS
    return traced(request.param)[0]


def opened(trace: Trace) -> list[int]:
    return [event.seq for event in trace if event.of is None]


# ---- Chrome ----


def chrome_violations(export: dict[str, Any]) -> list[str]:
    """Return which rules of the Trace Event Format an export breaks."""
    found = []
    slices: dict[int, list[tuple[float, float]]] = defaultdict(list)
    flows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for event in export["traceEvents"]:
        if event["ph"] == "X":
            if event["dur"] < 0:
                found.append(f"a negative duration: {event}")
            slices[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
        elif event["ph"] in ("s", "f"):
            flows[event["id"]].append(event)
    for tid, spans in slices.items():
        stack: list[float] = []
        for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while stack and stack[-1] <= start:
                stack.pop()
            if stack and end > stack[-1]:
                found.append(f"a slice of {tid} from {start} crosses one that ends at {stack[-1]}")
            stack.append(end)
    for number, ends in flows.items():
        if type(number) is not int:  # Perfetto drops it
            found.append(f"flow {number!r} has no number")
        if [end["ph"] for end in ends] != ["s", "f"] or ends[1].get("bp") != "e":
            found.append(f"flow {number} has not one beginning and one end")
        elif ends[0]["ts"] > ends[1]["ts"] or ends[0]["cat"] != ends[1]["cat"]:
            found.append(f"flow {number} goes back")
        for end in ends:  # later in a slice, Perfetto takes the one that has begun last
            if end["ts"] not in [start for start, _stop in slices[end["tid"]]]:
                found.append(f"flow {number} is bound to no slice at {end['ts']}")
    return found


@pytest.mark.parametrize("logical", [True, False])
def test_a_chrome_export_obeys_the_format(trace: Trace, logical: bool) -> None:
    export = json.loads(json.dumps(chrome(trace, logical=logical)))
    assert chrome_violations(export) == []
    slices = [event for event in export["traceEvents"] if event["ph"] == "X"]
    assert [event["args"]["seq"] for event in slices] == opened(trace)


def test_every_cause_is_an_arrow(trace: Trace) -> None:
    arrows = [event for event in chrome(trace)["traceEvents"] if event["ph"] == "f"]
    ends = [int(arrow["ts"]) for arrow in arrows if arrow["name"] == "cause"]
    assert ends == [event.seq for event in trace if event.cause is not None] != []


def test_the_judge_of_the_format_finds_what_is_wrong(trace: Trace) -> None:
    def broken(**changes: Any) -> list[str]:
        export = chrome(trace)
        kind = "s" if "ts" in changes else "X"
        next(event for event in export["traceEvents"] if event["ph"] == kind).update(changes)
        return chrome_violations(export)

    assert broken(dur=-1) and broken(dur=2.5) and broken(ts=-5.0) and broken(ts=1e9)
    assert broken(ts=1.0, id="cause-12")


# ---- OpenTelemetry ----


def test_an_otlp_export_has_a_span_an_event_and_its_edges_as_links(trace: Trace) -> None:
    export = json.loads(json.dumps(otlp(trace, epoch=10**18)))
    (scope,) = export["resourceSpans"][0]["scopeSpans"]
    spans = {int(span["spanId"], 16): span for span in scope["spans"]}
    assert sorted(spans) == opened(trace)
    for seq, span in spans.items():
        event = trace[seq]
        assert len(span["traceId"]) == 32 and len(span["spanId"]) == 16
        assert span["traceId"] == scope["spans"][0]["traceId"] != "0" * 32
        assert 10**18 <= int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert int(span.get("parentSpanId", "0"), 16) == (event.parent or 0)
        assert all(int(link["spanId"], 16) in spans for link in span["links"])
        edges = [link["attributes"][0]["value"]["stringValue"] for link in span["links"]]
        assert edges == [edge for edge in ("cause", "link") if getattr(event, edge) is not None]
        closer = trace.closer(event)
        assert ("status" in span) == (closer is not None and closer.kind == "raise")


OTEL_PYTHON = os.environ.get("OTEL_PYTHON", sys.executable)

# In protobuf's own JSON, ids are base64; in OTLP's they are hexadecimal, and all else is equal.
READER = """
import base64, json, sys
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

def with_base64(ids):
    for key in ("traceId", "spanId", "parentSpanId"):
        if key in ids:
            ids[key] = base64.b64encode(bytes.fromhex(ids[key])).decode()

for export in json.load(sys.stdin):
    for span in export["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for ids in (span, *span["links"]):
            with_base64(ids)
    read = json_format.Parse(json.dumps(export), ExportTraceServiceRequest())
    spans = read.resource_spans[0].scope_spans[0].spans
    assert {len(span.trace_id) for span in spans} == {16}
    assert {len(span.span_id) for span in spans} == {8}
    assert all(span.kind == span.SPAN_KIND_INTERNAL for span in spans)
    assert all(0 < span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
    failed = sum(span.status.code == span.status.STATUS_CODE_ERROR for span in spans)
    print(len(spans), sum(len(span.links) for span in spans), failed)
"""


def test_the_formats_own_definition_reads_an_otlp_export() -> None:
    probe = [OTEL_PYTHON, "-c", "import opentelemetry.proto"]
    if subprocess.run(probe, capture_output=True, timeout=60).returncode != 0:
        pytest.skip("opentelemetry-proto is not installed, and OTEL_PYTHON names no Python with it")
    traces = [traced(name)[0] for name in ("get", "later", "boom")]
    result = subprocess.run(
        [OTEL_PYTHON, "-c", READER], input=json.dumps([otlp(trace, 10**18) for trace in traces]),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    expected = [
        (len(opened(trace)), sum((e.cause is not None) + (e.link is not None) for e in trace),
         sum(e.kind == "raise" for e in trace))
        for trace in traces
    ]  # fmt: skip
    lines = [" ".join(map(str, counts)) for counts in expected]
    assert result.stdout.splitlines() == lines
    assert expected[-1][-1] > 0


def test_an_otlp_export_has_the_names_and_types_that_the_format_gives_them(trace: Trace) -> None:
    export = json.loads(json.dumps(otlp(trace, 10**18)))
    assert list(export) == ["resourceSpans"]
    (resource,) = export["resourceSpans"]
    assert set(resource) == {"resource", "scopeSpans"}
    (scope,) = resource["scopeSpans"]
    attributes = list(resource["resource"]["attributes"])
    for span in scope["spans"]:
        assert set(span) <= {
            "traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano",
            "endTimeUnixNano", "attributes", "links", "status",
        }  # fmt: skip
        assert span["kind"] == 1 and isinstance(span["name"], str) and span["name"]
        assert span["startTimeUnixNano"].isdecimal()  # 64 bits: a string in JSON
        attributes += span["attributes"]
        for link in span["links"]:
            assert set(link) == {"traceId", "spanId", "attributes"}
            attributes += link["attributes"]
        for ids in (span, *span["links"]):
            assert int(ids["traceId"], 16) and int(ids["spanId"], 16)  # all zeros are no id
    for attribute in attributes:
        assert set(attribute) == {"key", "value"}
        ((kind, value),) = attribute["value"].items()
        assert kind in ("stringValue", "intValue") and isinstance(value, str)
