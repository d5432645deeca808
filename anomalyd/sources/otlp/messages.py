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

_POINT: dict[str, tuple[int, str]] = {
    "start_time_unix_nano": (2, "fixed64"),
    "time_unix_nano": (3, "fixed64"),
}
_METRICS = message_classes(
    "anomalyd.otlp.metrics",
    {
        "Metrics": {"resource_metrics": (1, "ResourceMetrics*")},
        "ResourceMetrics": {"resource": (1, "bytes"), "scope_metrics": (2, "ScopeMetrics*")},
        "ScopeMetrics": {"metrics": (2, "Metric*")},
        "Metric": {
            "name": (1, "bytes"),
            "unit": (3, "bytes"),
            "gauge": (5, "Gauge"),
            "sum": (7, "Sum"),
            "histogram": (9, "Histogram"),
            "exponential_histogram": (10, "ExponentialHistogram"),
        },
        "Gauge": {"data_points": (1, "Number*")},
        "Sum": {
            "data_points": (1, "Number*"),
            "aggregation_temporality": (2, "int32"),
            "is_monotonic": (3, "bool"),
        },
        "Histogram": {
            "data_points": (1, "Buckets*"),
            "aggregation_temporality": (2, "int32"),
        },
        "ExponentialHistogram": {
            "data_points": (1, "Exponential*"),
            "aggregation_temporality": (2, "int32"),
        },
        "Exemplar": {
            "time_unix_nano": (2, "fixed64"),
            "as_double": (3, "double"),
            "trace_id": (5, "bytes"),
            "as_int": (6, "sfixed64"),
        },
        "Number": {
            **_POINT,
            "exemplars": (5, "Exemplar*"),
            "as_double": (4, "?double"),
            "as_int": (6, "?sfixed64"),
            "attributes": (7, "bytes*"),
            "flags": (8, "uint32"),
        },
        "Buckets": {
            **_POINT,
            "count": (4, "fixed64"),
            "sum": (5, "?double"),
            "bucket_counts": (6, "fixed64*"),
            "explicit_bounds": (7, "double*"),
            "exemplars": (8, "Exemplar*"),
            "attributes": (9, "bytes*"),
            "flags": (10, "uint32"),
        },
        "Exponential": {
            **_POINT,
            "attributes": (1, "bytes*"),
            "count": (4, "fixed64"),
            "sum": (5, "?double"),
            "scale": (6, "sint32"),
            "zero_count": (7, "fixed64"),
            "positive": (8, "Counts"),
            "negative": (9, "Counts"),
            "flags": (10, "uint32"),
            "exemplars": (11, "Exemplar*"),
        },
        "Counts": {"offset": (1, "sint32"), "bucket_counts": (2, "uint64*")},
    },
)

Traces, Span = _TRACES["Traces"], _TRACES["Span"]
KeyValue, Resource = _TRACES["KeyValue"], _TRACES["Resource"]
Metrics = _METRICS["Metrics"]
