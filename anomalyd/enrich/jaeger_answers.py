"""Spans in Jaeger's answers: its own JSON, and OTLP as its third API has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from anomalyd.clients.asking import Asker

SERVED = frozenset({"server", "consumer", "SPAN_KIND_SERVER", "SPAN_KIND_CONSUMER", 2, 5})
FAILED = frozenset({2, "STATUS_CODE_ERROR", "ERROR"})


@dataclass(frozen=True, slots=True)
class Span:
    """started_at: unix seconds; duration: seconds. is_served: of kind server or consumer."""

    trace_id: str
    service: str
    operation: str
    started_at: float
    duration: float
    failed: bool
    is_served: bool

    def is_of(self, operation: str) -> bool:
        return not operation or self.operation == operation


class _Tag(msgspec.Struct):
    key: str = ""
    value: Any = None


class _Process(msgspec.Struct):
    service: str = msgspec.field(default="", name="serviceName")


class _Span(msgspec.Struct):
    trace: str = msgspec.field(default="", name="traceID")
    name: str = msgspec.field(default="", name="operationName")
    start: float = msgspec.field(default=0, name="startTime")
    duration: float = 0
    tags: list[_Tag] | None = None
    process: str = msgspec.field(default="", name="processID")


class _Trace(msgspec.Struct):
    trace: str = msgspec.field(default="", name="traceID")
    spans: list[_Span] | None = None
    processes: dict[str, _Process] | None = None


class _Found(msgspec.Struct):
    data: list[_Trace] | None = None


def of_v1(asker: Asker, body: bytes) -> list[Span]:
    """Of `/api/traces`; times there are microseconds. Raises QueryError."""
    found = asker.read(body, _Found).data or []
    return [span for trace in found for span in _of_trace(trace)]


def _of_trace(trace: _Trace) -> Iterator[Span]:
    processes = trace.processes or {}
    for span in trace.spans or ():
        tags = {tag.key: tag.value for tag in span.tags or ()}
        yield Span(
            trace_id=span.trace or trace.trace,
            service=processes.get(span.process, _Process()).service,
            operation=span.name,
            started_at=span.start / 1e6,
            duration=span.duration / 1e6,
            failed=tags.get("error") in (True, "true") or tags.get("otel.status_code") == "ERROR",
            is_served=tags.get("span.kind") in ("server", "consumer"),
        )


class _Value(msgspec.Struct):
    text: str = msgspec.field(default="", name="stringValue")


class _Attribute(msgspec.Struct):
    key: str = ""
    value: _Value | None = None


class _Resource(msgspec.Struct):
    attributes: list[_Attribute] | None = None

    def service(self) -> str:
        named = {a.key: a.value.text for a in self.attributes or () if a.value is not None}
        return named.get("service.name", "")


class _Status(msgspec.Struct):
    code: int | str = 0


class _OtlpSpan(msgspec.Struct):
    trace: str = msgspec.field(default="", name="traceId")
    name: str = ""
    kind: int | str = 0
    start: int | str = msgspec.field(default=0, name="startTimeUnixNano")
    end: int | str = msgspec.field(default=0, name="endTimeUnixNano")
    status: _Status | None = None


class _Scope(msgspec.Struct):
    spans: list[_OtlpSpan] | None = None


class _ResourceSpans(msgspec.Struct):
    resource: _Resource | None = None
    scopes: list[_Scope] | None = msgspec.field(default=None, name="scopeSpans")


class _Traces(msgspec.Struct):
    spans: list[_ResourceSpans] | None = msgspec.field(default=None, name="resourceSpans")


class _Wrapped(msgspec.Struct):
    """The first servers of the third API did not wrap it."""

    result: _Traces | None = None
    spans: list[_ResourceSpans] | None = msgspec.field(default=None, name="resourceSpans")


def of_v3(asker: Asker, body: bytes) -> list[Span]:
    """Of `/api/v3/traces`: all traces' spans together. Raises QueryError."""
    found = asker.read(body, _Wrapped)
    resources = (found.result.spans if found.result is not None else found.spans) or []
    return [span for resource in resources for span in _of_resource(resource)]


def _of_resource(found: _ResourceSpans) -> Iterator[Span]:
    service = found.resource.service() if found.resource is not None else ""
    for scope in found.scopes or ():
        for span in scope.spans or ():
            start, end = _nanoseconds(span.start), _nanoseconds(span.end)
            yield Span(
                trace_id=span.trace,
                service=service,
                operation=span.name,
                started_at=start / 1e9,
                duration=max(0, end - start) / 1e9,
                failed=span.status is not None and span.status.code in FAILED,
                is_served=span.kind in SERVED,
            )


def _nanoseconds(value: int | str) -> int:
    return int(value) if isinstance(value, int) or value.isdecimal() else 0
