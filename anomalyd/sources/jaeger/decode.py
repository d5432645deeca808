"""Jaeger's answers as OTLP requests, so that its spans go the way of those that are sent to us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from anomalyd.sources.otlp.attributes import SLOTS

_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_ERROR = {"code": 2}
_STATE = "w3c.tracestate"


class _Wrapped(msgspec.Struct, rename="camel"):
    """The first servers of `/api/v3` did not wrap what they found in `result`."""

    result: msgspec.Raw = msgspec.Raw(b"null")
    resource_spans: msgspec.Raw = msgspec.Raw(b"null")


class _Tag(msgspec.Struct):
    key: str = ""
    value: Any = None


class _Reference(msgspec.Struct):
    kind: str = msgspec.field(default="", name="refType")
    trace: str = msgspec.field(default="", name="traceID")
    span: str = msgspec.field(default="", name="spanID")


class _Process(msgspec.Struct):
    service: str = msgspec.field(default="", name="serviceName")
    tags: list[_Tag] | None = None


class _Span(msgspec.Struct):
    """Times are microseconds; ids have no leading zeros."""

    trace: str = msgspec.field(default="", name="traceID")
    span: str = msgspec.field(default="", name="spanID")
    name: str = msgspec.field(default="", name="operationName")
    references: list[_Reference] | None = None
    start: int = msgspec.field(default=0, name="startTime")
    duration: int = 0
    tags: list[_Tag] | None = None
    process: str = msgspec.field(default="", name="processID")


class _Trace(msgspec.Struct):
    spans: list[_Span] | None = None
    processes: dict[str, _Process] | None = None


class _Found(msgspec.Struct):
    data: list[_Trace] | None = None


_WRAPPED = msgspec.json.Decoder(_Wrapped)
_FOUND = msgspec.json.Decoder(_Found, strict=False)


def of_v3(body: bytes) -> bytes:
    """Of `/api/v3/traces`: an ExportTraceServiceRequest in JSON. Raises msgspec.MsgspecError."""
    found = _WRAPPED.decode(body)
    if bytes(found.result) != b"null":
        return bytes(found.result)
    return body if bytes(found.resource_spans) != b"null" else b"{}"


def of_v1(body: bytes) -> bytes:
    """Of `/api/traces`, the same. Raises msgspec.MsgspecError."""
    traces = _FOUND.decode(body).data or []
    return msgspec.json.encode(
        {"resourceSpans": [r for trace in traces for r in _resources(trace)]}
    )


def _resources(trace: _Trace) -> Iterable[dict[str, Any]]:
    by_process: dict[str, list[_Span]] = {}
    for span in trace.spans or ():
        by_process.setdefault(span.process, []).append(span)
    for name, spans in by_process.items():
        process = (trace.processes or {}).get(name, _Process())
        tags = {tag.key: tag.value for tag in process.tags or ()}
        attributes = _attributes({**tags, "service.name": process.service})
        yield {
            "resource": {"attributes": attributes},
            "scopeSpans": [{"spans": [_span(span) for span in spans]}],
        }


def _span(span: _Span) -> dict[str, Any]:
    tags = {tag.key: tag.value for tag in span.tags or ()}
    failed = tags.get("error") in (True, "true") or tags.get("otel.status_code") == "ERROR"
    found = {
        "traceId": span.trace.rjust(32, "0"),
        "spanId": span.span.rjust(16, "0"),
        "name": span.name,
        "kind": _KINDS.get(str(tags.get("span.kind", "")), 0),
        "startTimeUnixNano": span.start * 1000,
        "endTimeUnixNano": (span.start + span.duration) * 1000,
        "attributes": _attributes({key: tags[key] for key in SLOTS if key in tags}),
    }
    parent = _parent(span)
    if parent:
        found["parentSpanId"] = parent.rjust(16, "0")
    if failed:
        found["status"] = _ERROR
    if tags.get(_STATE):
        found["traceState"] = str(tags[_STATE])
    return found


def _parent(span: _Span) -> str:
    """The span that it is a child of; one that it follows from, where it is nobody's child."""
    own = [one for one in span.references or () if one.trace == span.trace]
    return next(
        (r.span for kind in ("CHILD_OF", "FOLLOWS_FROM") for r in own if r.kind == kind), ""
    )


def _attributes(tags: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"stringValue": _text(value)}}
        for key, value in tags.items()
        if value is not None
    ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
