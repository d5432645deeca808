"""Requests of OTLP with spans as instrumentation makes them, and a plain reading of them."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections import Counter, defaultdict
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

START = 1_800_000_000.0
LATEST = START + 1.0
"""All spans of the first request have ended by then; each one more is a second later."""
CALLS = (("gateway", "cart"), ("cart", "pricing"), ("cart", "inventory"))
PER_TRACE = 8
"""A server's span of each of the four services, a client's of each call, one within pricing."""
SECOND = 10**9


def bodies(many: int, traces: int) -> list[bytes]:
    """Requests of `traces` whole traces each, a second of spans in each; fixed seed."""
    drawn = random.Random(3)
    return [_request(drawn, traces, number).SerializeToString() for number in range(many)]


def _request(drawn: random.Random, traces: int, number: int) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    spans = {}
    for service in ("gateway", "cart", "pricing", "inventory"):
        one = made.resource_spans.add()
        for key, value in (
            ("service.name", service),
            ("service.version", "1.4.2"),
            ("telemetry.sdk.language", "python"),
            ("k8s.pod.name", f"{service}-7d9f8b6c5-x2x9k"),
        ):
            one.resource.attributes.add(key=key).value.string_value = value
        spans[service] = one.scope_spans.add()
        spans[service].scope.name = "opentelemetry.instrumentation.aiohttp"
    for _ in range(traces):
        begin = round(START * SECOND) + number * SECOND + drawn.randrange(SECOND // 2)
        _trace(drawn, spans, begin)
    return made


def _trace(drawn: random.Random, spans: Any, begin: int) -> None:
    trace = drawn.randbytes(16)
    ids = {"gateway": drawn.randbytes(8)}
    _server(spans["gateway"], drawn, trace, ids["gateway"], b"", "gateway", begin, 90)
    for depth, (caller, callee) in enumerate(CALLS, 1):
        call, ids[callee] = drawn.randbytes(8), drawn.randbytes(8)
        client = _span(spans[caller], trace, call, ids[caller], "GET", 3, begin + depth, 40)
        _attributes(
            client,
            ("http.request.method", "GET"),
            ("url.full", f"http://{callee}:8080/{callee}/{drawn.randrange(10**6)}"),
            ("server.address", callee),
            ("server.port", 8080),
            ("http.response.status_code", 200),
        )
        _server(spans[callee], drawn, trace, ids[callee], call, callee, begin + 2 * depth, 30)
    inner = _span(
        spans["pricing"], trace, drawn.randbytes(8), ids["pricing"], "price", 1, begin + 9, 5
    )
    _attributes(inner, ("code.function.name", "price"), ("thread.id", drawn.randrange(10**6)))


def _server(
    into: Any,
    drawn: random.Random,
    trace: bytes,
    own: bytes,
    parent: bytes,
    service: str,
    begin: int,
    milliseconds: float,
) -> None:
    route = f"/{service}/{{id}}"
    span = _span(into, trace, own, parent, f"GET {route}", 2, begin, milliseconds * drawn.random())
    _attributes(
        span,
        ("http.request.method", "GET"),
        ("url.path", f"/{service}/{drawn.randrange(10**6)}"),
        ("url.scheme", "http"),
        ("server.address", service),
        ("client.address", f"10.0.0.{drawn.randrange(250)}"),
        ("http.route", route),
        ("http.response.status_code", 200),
    )
    if drawn.random() < 0.01:
        span.status.code = 2
        span.status.message = "it broke"


def _span(
    into: Any,
    trace: bytes,
    own: bytes,
    parent: bytes,
    name: str,
    kind: int,
    begin: int,
    milliseconds: float,
) -> Span:
    span: Span = into.spans.add(
        trace_id=trace,
        span_id=own,
        parent_span_id=parent,
        name=name,
        kind=kind,
        flags=257,
        start_time_unix_nano=begin,
        end_time_unix_nano=begin + round(milliseconds * 1e6),
    )
    return span


def _attributes(span: Span, *pairs: tuple[str, str | int]) -> None:
    for key, value in pairs:
        added = span.attributes.add(key=key).value
        if isinstance(value, int):
            added.int_value = value
        else:
            added.string_value = value


def as_json(body: bytes) -> bytes:
    """As OTLP has it: ids in hexadecimal, enums as integers."""

    def hexed(found: Any) -> Any:
        if isinstance(found, list):
            return [hexed(one) for one in found]
        if not isinstance(found, dict):
            return found
        ids = ("traceId", "spanId", "parentSpanId")
        return {
            key: base64.b64decode(value).hex() if key in ids else hexed(value)
            for key, value in found.items()
        }

    message = ExportTraceServiceRequest.FromString(body)
    tree = hexed(MessageToDict(message, use_integers_for_enums=True))
    return json.dumps(tree, separators=(",", ":")).encode()


def plain(given: list[bytes], form: str, packed: bool) -> int:
    """The peer: requests, failures, durations by service and operation, and calls by edge, in
    dicts. It knows no windows, own time, late spans or limits. Returns how many spans it saw."""
    counts: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    durations: dict[tuple[str, str], list[int]] = defaultdict(list)
    edges: Counter[tuple[str, str]] = Counter()
    seen = 0
    for body in given:
        whole = gzip.decompress(body) if packed else body
        found = list(_of_json(whole) if form == "json" else _of_classes(whole))
        services = {own: service for service, _, own, *_ in found}
        seen += len(found)
        for service, operation, _, parent, kind, duration, code in found:
            if kind == 2:
                key = (service, operation)
                counts[key] += 1
                failed[key] += code == 2
                durations[key].append(duration)
                edges[services.get(parent, ""), service] += 1
    return seen


def _of_classes(body: bytes) -> Any:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        named = {one.key: one.value.string_value for one in resource.resource.attributes}
        service = named.get("service.name", "")
        for scope in resource.scope_spans:
            for span in scope.spans:
                route = [a.value.string_value for a in span.attributes if a.key == "http.route"]
                duration = span.end_time_unix_nano - span.start_time_unix_nano
                operation = route[0] if route else span.name
                own, parent = span.span_id, span.parent_span_id
                yield service, operation, own, parent, span.kind, duration, span.status.code


def _of_json(body: bytes) -> Any:
    for resource in json.loads(body)["resourceSpans"]:
        attributes = resource["resource"]["attributes"]
        service = next(a["value"]["stringValue"] for a in attributes if a["key"] == "service.name")
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                pairs = span.get("attributes", [])
                route = [a["value"]["stringValue"] for a in pairs if a["key"] == "http.route"]
                duration = int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])
                operation = route[0] if route else span["name"]
                own, parent = span["spanId"], span.get("parentSpanId", "")
                code = span.get("status", {}).get("code", 0)
                yield service, operation, own, parent, span["kind"], duration, code
