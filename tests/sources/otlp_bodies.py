"""Bodies of OTLP traces, and what a slow reading by the official classes makes of them."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from anomalyd.spans import Spans

NOW = 1_800_000_000.0
AHEAD = 600

PEERS = ["peer.service", "service.peer.name", "db.system.name", "db.system", "messaging.system"]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"]


def trace_id(n: int) -> bytes:
    return n.to_bytes(16, "big")


def span_id(n: int) -> bytes:
    return n.to_bytes(8, "big")


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def span(n: int = 1, **fields: Any) -> Span:
    """A good span; `fields` override."""
    start = int(NOW * 1e9) - n * 1_000_000_000
    given: dict[str, Any] = {
        "trace_id": trace_id(n),
        "span_id": span_id(n),
        "name": "GET /cart/{id}",
        "kind": Span.SPAN_KIND_SERVER,
        "start_time_unix_nano": start,
        "end_time_unix_nano": start + 1_500_000,
    }
    return Span(**given | fields)


def request(*spans: Span, **resource: str) -> ExportTraceServiceRequest:
    """All spans of one service."""
    made = ExportTraceServiceRequest()
    one = made.resource_spans.add()
    for key, value in (resource or {"service.name": "cart"}).items():
        one.resource.attributes.append(text(key, value))
    one.scope_spans.add().spans.extend(spans)
    return made


def body(*spans: Span, **resource: str) -> bytes:
    return request(*spans, **resource).SerializeToString()


def as_json(message: ExportTraceServiceRequest) -> bytes:
    """As OTLP has it: ids in hexadecimal, enums as integers."""

    def hexed(found: Any) -> Any:
        if isinstance(found, list):
            return [hexed(one) for one in found]
        if not isinstance(found, dict):
            return found
        return {
            key: base64.b64decode(value).hex()
            if key in ("traceId", "spanId", "parentSpanId")
            else hexed(value)
            for key, value in found.items()
        }

    return json.dumps(hexed(MessageToDict(message, use_integers_for_enums=True))).encode()


def records(spans: Spans) -> list[tuple[object, ...]]:
    """Columns as one tuple per span."""
    return [
        (
            int(spans.trace[i, 0]).to_bytes(8, "big") + int(spans.trace[i, 1]).to_bytes(8, "big"),
            int(spans.span[i]),
            int(spans.parent[i]),
            int(spans.start[i]),
            int(spans.duration[i]),
            int(spans.kind[i]),
            bool(spans.failed[i]),
            dict(spans.resources[spans.resource[i]]),
            spans.operations[spans.operation[i]],
            spans.peers[spans.peer[i]],
        )
        for i in range(len(spans))
    ]


def naive(message: ExportTraceServiceRequest) -> tuple[list[tuple[object, ...]], int]:
    """Records of the good spans and the number of the others, one at a time, as the spec says."""
    found, refused = [], 0
    for resource in message.resource_spans:
        labels = {
            "".join(c if c.isascii() and c.isalnum() else "_" for c in pair.key): scalar(pair.value)
            for pair in resource.resource.attributes
        }
        labels = {key: value for key, value in labels.items() if key and value}
        for scope in resource.scope_spans:
            for one in scope.spans:
                if good(one):
                    found.append(record(one, labels))
                else:
                    refused += 1
    return found, refused


def good(one: Span) -> bool:
    return (
        len(one.trace_id) == 16
        and any(one.trace_id)
        and len(one.span_id) == 8
        and any(one.span_id)
        and len(one.parent_span_id) in (0, 8)
        and one.parent_span_id != one.span_id
        and 0 < one.start_time_unix_nano <= one.end_time_unix_nano <= (NOW + AHEAD) * 1e9
    )


def record(one: Span, labels: dict[str, str]) -> tuple[object, ...]:
    said = {pair.key: scalar(pair.value) for pair in one.attributes}
    calls = one.kind in (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_PRODUCER)
    peers = [said[key] for key in PEERS if said.get(key)] if calls else []
    return (
        one.trace_id,
        int.from_bytes(one.span_id, "big"),
        int.from_bytes(one.parent_span_id, "big"),
        one.start_time_unix_nano,
        one.end_time_unix_nano - one.start_time_unix_nano,
        one.kind if 0 <= one.kind <= 5 else 0,
        one.status.code == Status.STATUS_CODE_ERROR,
        labels,
        operation(one.name, said.get("http.route") or said.get("rpc.method") or ""),
        peers[0] if peers else "",
    )


def operation(name: str, route: str) -> str:
    if not route or route in name:
        return name
    method = [word for word in name.split(" ", 2)[:2] if word in METHODS]
    return f"{method[0]} {route}" if method and route[0] == "/" else route


def scalar(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind in ("string_value", "int_value"):
        return str(getattr(value, kind))
    return repr(value.double_value) if kind == "double_value" else ""


_texts = st.text(max_size=6)
_values = st.one_of(
    st.builds(AnyValue, string_value=_texts),
    st.builds(AnyValue, string_value=st.sampled_from(["/cart/{id}", "pricing", "x" * 200])),
    st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, double_value=st.floats(allow_nan=False)),
    st.just(AnyValue()),
)
_keys = st.one_of(
    st.sampled_from([*PEERS, "http.route", "rpc.method", "http.request.method"]), _texts
)
_attributes = st.lists(
    st.builds(KeyValue, key=_keys, value=_values), max_size=3, unique_by=lambda p: p.key
)


def _ids(size: int) -> st.SearchStrategy[bytes]:
    right = st.binary(min_size=size, max_size=size)
    return st.one_of(right, right, right, st.sampled_from([b"", b"short", bytes(20), bytes(size)]))


_times = st.one_of(
    st.integers(int(1e9), int((NOW + 700) * 1e9)),
    st.integers(0, 2**64 - 1),
)
_events = st.lists(st.builds(Span.Event, name=_texts, time_unix_nano=_times), max_size=1)
_spans = st.builds(
    Span,
    trace_id=_ids(16),
    span_id=_ids(8),
    parent_span_id=st.one_of(st.just(b""), _ids(8)),
    name=st.one_of(_texts, st.sampled_from(["GET", "HTTP GET", "GET /cart/{id}", "y" * 150])),
    kind=st.integers(0, 7),
    start_time_unix_nano=_times,
    end_time_unix_nano=_times,
    attributes=_attributes,
    events=_events,
    dropped_attributes_count=st.integers(0, 2),
    flags=st.sampled_from([0, 1, 257]),
    status=st.one_of(
        st.none(),
        st.builds(Status, code=st.integers(0, 2), message=st.sampled_from(["", "boom", "é" * 70])),
    ),
)


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        one = made.resource_spans.add()
        one.resource.attributes.extend(draw(_attributes))
        for _ in range(draw(st.integers(0, 2))):
            one.scope_spans.add().spans.extend(draw(st.lists(_spans, max_size=4)))
    return made
