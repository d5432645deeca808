"""ExportMetricsServiceRequest in JSON, as objects with the names that protobuf's have."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

Unsigned = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Exemplar(Struct, rename="camel"):
    trace_id: str = ""
    time_unix_nano: Unsigned = 0
    as_double: float | None = None
    as_int: int | None = None


class _Point(Struct, rename="camel"):
    attributes: list[Raw] = []
    exemplars: list[Exemplar] = []
    start_time_unix_nano: Unsigned = 0
    time_unix_nano: Unsigned = 0
    flags: Unsigned = 0


class Number(_Point, rename="camel"):
    as_double: float | None = None
    as_int: int | None = None


class Buckets(_Point, rename="camel"):
    count: Unsigned = 0
    sum: float | None = None
    bucket_counts: list[Unsigned] = []
    explicit_bounds: list[float] = []


class Counts(Struct, rename="camel"):
    offset: int = 0
    bucket_counts: list[Unsigned] = []


class Exponential(_Point, rename="camel"):
    count: Unsigned = 0
    sum: float | None = None
    scale: int = 0
    zero_count: Unsigned = 0
    positive: Counts = msgspec.field(default_factory=Counts)
    negative: Counts = msgspec.field(default_factory=Counts)


class _Gauge(Struct, rename="camel"):
    data_points: list[Number] = []


class _Sum(_Gauge, rename="camel"):
    aggregation_temporality: int = 0
    is_monotonic: bool = False


class _Histogram(Struct, rename="camel"):
    data_points: list[Buckets] = []
    aggregation_temporality: int = 0


class _ExponentialHistogram(Struct, rename="camel"):
    data_points: list[Exponential] = []
    aggregation_temporality: int = 0


class Metric(Struct, rename="camel"):
    name: str = ""
    unit: str = ""
    gauge: _Gauge | None = None
    sum: _Sum | None = None
    histogram: _Histogram | None = None
    exponential_histogram: _ExponentialHistogram | None = None


class _ScopeMetrics(Struct, rename="camel"):
    metrics: list[Metric] = []


class _ResourceMetrics(Struct, rename="camel"):
    resource: Raw = Raw(b"{}")
    scope_metrics: list[_ScopeMetrics] = []


class Metrics(Struct, rename="camel"):
    resource_metrics: list[_ResourceMetrics] = []


_METRICS = msgspec.json.Decoder(Metrics, strict=False)


def parse(body: bytes) -> Metrics:
    """Raises what msgspec does where the body does not fit."""
    return _METRICS.decode(body)
