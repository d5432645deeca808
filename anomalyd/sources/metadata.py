"""What senders say of their metrics: type, unit and help, and what follows for signals of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from anomalyd.model import Gauge, HistogramQuantile, Rate, Ratio, Signal
from anomalyd.signals.native.names import SUFFIXES

TYPES = (
    "unknown",
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
)
"""By their number, in both versions of remote_write."""
_HELP, _UNIT = 200, 32
_UNITS = {
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "us",
    "nanoseconds": "ns",
    "bytes": "By",
    "ratio": "ratio",
    "percent": "%",
    "celsius": "Cel",
}
"""Units as OpenMetrics has them, to signals' own."""


class Metadata(msgspec.Struct, frozen=True):
    """Of one metric; '' where it was not said."""

    type: str = ""
    unit: str = ""
    help: str = ""


Described = Mapping[str, Metadata]
"""By the name of a metric."""


def made(kind: int, unit: str, told: str) -> Metadata:
    """As it came, at a length that can be kept."""
    name = TYPES[kind] if 0 < kind < len(TYPES) else ""
    return Metadata(name, unit[:_UNIT], told[:_HELP])


def of_family(message: Any) -> tuple[str, Metadata]:
    """Of a MetricMetadata of 1.0."""
    return message.metric_family_name, made(message.type, message.unit, message.help)


def names(family: str) -> Iterator[str]:
    """The metrics that a family may have."""
    yield family
    yield f"{family}_total"
    for suffix in SUFFIXES:
        yield family + suffix


def with_units(signal: Signal, described: Described) -> str:
    """The unit of a signal that says none: its metric's, where its values have that."""
    match signal.definition:
        case Gauge(selector):
            unit = _told(described, selector.metric).unit
        case HistogramQuantile(selector, _):
            unit = _told(described, selector.metric, *(selector.metric + s for s in SUFFIXES)).unit
        case _:
            unit = ""
    return signal.unit or _UNITS.get(unit, unit)


def misfit(signal: Signal, described: Described) -> str:
    """One sentence where a signal reads a metric as what it is not; '' where it fits."""
    match signal.definition:
        case Gauge(selector) if _told(described, selector.metric).type == "counter":
            return f"{selector.metric} is a counter, which only grows; read it by rate:"
        case Rate(selector) if _told(described, selector.metric).type == "gauge":
            return f"{selector.metric} is a gauge, which has no rate; read it by gauge:"
        case Ratio(bad, total):
            for selector in (bad, total):
                if _told(described, selector.metric).type == "gauge":
                    return f"{selector.metric} is a gauge; the parts of a ratio are counters"
        case HistogramQuantile(selector, _):
            known = _told(described, *(selector.metric + suffix for suffix in SUFFIXES))
            if known.type == "summary":
                return f"{selector.metric} is a summary, which has no buckets to take quantiles of"
    return ""


def _told(described: Described, *metrics: str) -> Metadata:
    return next((described[name] for name in metrics if name in described), Metadata())
