"""The messages of OTLP, as far as they are read (opentelemetry-proto 1.x, field numbers as there).

Strings are `bytes`, so that one that is not UTF-8 spoils its span and not the body.
"""

from __future__ import annotations

from anomalyd.protobuf import Fields, message_classes

_COMMON: dict[str, Fields] = {
    "KeyValue": {"key": (1, "bytes"), "value": (2, "AnyValue")},
    "AnyValue": {
        "string_value": (1, "?bytes"),
        "bool_value": (2, "?bool"),
        "int_value": (3, "?int64"),
        "double_value": (4, "?double"),
    },
    "Resource": {"attributes": (1, "KeyValue*")},
}

_TRACES = message_classes(
    "anomalyd.otlp.traces",
    {
        "Traces": {"resource_spans": (1, "ResourceSpans*")},
        "ResourceSpans": {"resource": (1, "bytes"), "scope_spans": (2, "ScopeSpans*")},
        "ScopeSpans": {"spans": (2, "bytes*")},
        "Span": {
            "trace_id": (1, "bytes"),
            "span_id": (2, "bytes"),
            "trace_state": (3, "bytes"),
            "parent_span_id": (4, "bytes"),
            "name": (5, "bytes"),
            "kind": (6, "int32"),
            "start_time_unix_nano": (7, "fixed64"),
            "end_time_unix_nano": (8, "fixed64"),
            "attributes": (9, "bytes*"),
            "status": (15, "Status"),
        },
        "Status": {"code": (3, "int32")},
        **_COMMON,
    },
)

Traces, Span = _TRACES["Traces"], _TRACES["Span"]
KeyValue, Resource = _TRACES["KeyValue"], _TRACES["Resource"]
