"""Spans of the demo's services, as OpenTelemetry's own instrumentation would make them.

Without `start` they cost next to nothing and go nowhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

_tracer = trace.get_tracer("anomalyd.demo")

_FLUSH_MILLISECONDS = 200


def start(service: str, endpoint: str) -> Callable[[], None]:
    """Send spans from here on by OTLP/HTTP; call what is returned at the end."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # A receiver that is away for a while is no matter of the service's own log.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    provider = TracerProvider(resource=Resource({"service.name": service}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    provider.add_span_processor(
        BatchSpanProcessor(exporter, schedule_delay_millis=_FLUSH_MILLISECONDS)
    )
    trace.set_tracer_provider(provider)
    return provider.shutdown


def serving(headers: Mapping[str, str], route: str) -> AbstractContextManager[Span]:
    """A server's span, of the trace that the request's headers name."""
    return _tracer.start_as_current_span(
        f"GET {route}",
        propagate.extract(headers),
        SpanKind.SERVER,
        {"http.request.method": "GET", "http.route": route},
    )


def calling(callee: str) -> AbstractContextManager[Span]:
    """A client's span; the request within carries `headers`."""
    return _tracer.start_as_current_span(
        "GET",
        kind=SpanKind.CLIENT,
        attributes={"http.request.method": "GET", "peer.service": callee},
    )


def ended(span: Span, status: int) -> None:
    """status: of HTTP, 0 without an answer."""
    span.set_attribute("http.response.status_code", status)
    if not 200 <= status < 500:
        span.set_status(Status(StatusCode.ERROR))


def headers() -> dict[str, str]:
    """What tells the callee which span is at work here."""
    found: dict[str, str] = {}
    propagate.inject(found)
    return found
