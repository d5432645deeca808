"""Data points of OTLP metrics as the series of a Prometheus: which, and with which values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalyd.model import Floats
from anomalyd.sources.otlp.exponential import Exponential, exponential
from anomalyd.sources.otlp.naming import metric_name

DELTA = 1
"""AggregationTemporality; what is not delta is taken to be cumulative."""

_NO_VALUE = 1

Has = Callable[[Any, str], bool]


@dataclass(frozen=True, slots=True)
class Point:
    """One data point: `values` of the series `names`, each with a label `le` or ''.

    key: what tells its series apart within a resource. attributes: as they came. time, start: ns.
    delta: values are since `start`, to be added up. native: what it counts instead of `values`,
    where the series is a native histogram. exemplars: (trace's id in hex, value, ns).
    """

    key: tuple[object, ...]
    names: tuple[tuple[str, str], ...]
    attributes: Sequence[bytes]
    values: Floats
    time: int
    start: int
    delta: bool
    native: Exponential | None = None
    exemplars: Sequence[tuple[str, float, int]] = ()


def points(metric: Any, name: str, unit: str, has: Has) -> Iterator[Point | None]:
    """Of one Metric; None for a point that has no value to take."""
    if has(metric, "gauge"):
        named = ((metric_name(name, unit, gauge=True), ""),)
        yield from _numbers(metric.gauge.data_points, named, has, delta=False)
    elif has(metric, "sum"):
        counter, delta = metric.sum.is_monotonic, metric.sum.aggregation_temporality == DELTA
        named = ((metric_name(name, unit, counter=counter, gauge=not counter), ""),)
        yield from _numbers(metric.sum.data_points, named, has, delta=delta)
    elif has(metric, "histogram"):
        found, base = metric.histogram, metric_name(name, unit)
        delta = found.aggregation_temporality == DELTA
        for one in found.data_points:
            yield _explicit(one, base, has, delta)
    elif has(metric, "exponential_histogram"):
        found, base = metric.exponential_histogram, metric_name(name, unit)
        delta = found.aggregation_temporality == DELTA
        for one in found.data_points:
            yield _exponential(one, base, has, delta)


def _numbers(
    found: Any, names: tuple[tuple[str, str], ...], has: Has, *, delta: bool
) -> Iterator[Point | None]:
    for one in found:
        if one.flags & _NO_VALUE or not (has(one, "as_double") or has(one, "as_int")):
            yield None
            continue
        value = one.as_double if has(one, "as_double") else one.as_int
        yield _point(one, names, np.array([value], dtype=np.float64), delta)


def _explicit(one: Any, base: str, has: Has, delta: bool) -> Point | None:
    bounds, counts = tuple(one.explicit_bounds), list(one.bucket_counts)
    if one.flags & _NO_VALUE or (counts and len(counts) != len(bounds) + 1):
        return None
    cumulative = np.cumsum(np.array(counts[:-1], dtype=np.float64))
    return _histogram(one, base, bounds if counts else (), cumulative, has, delta)


def _exponential(one: Any, base: str, has: Has, delta: bool) -> Point | None:
    found = None if one.flags & _NO_VALUE else exponential(one, has)
    if found is None:
        return None
    return _point(one, ((base, ""),), np.empty(0), delta, found)


def _histogram(
    one: Any, base: str, bounds: tuple[float, ...], cumulative: Floats, has: Has, delta: bool
) -> Point:
    names = [(f"{base}_bucket", repr(float(bound))) for bound in bounds]
    names += [(f"{base}_bucket", "+Inf"), (f"{base}_count", "")]
    values = [*cumulative.tolist(), float(one.count), float(one.count)]
    if has(one, "sum"):
        names.append((f"{base}_sum", ""))
        values.append(one.sum)
    return _point(one, tuple(names), np.array(values, dtype=np.float64), delta)


def _point(
    one: Any,
    names: tuple[tuple[str, str], ...],
    values: Floats,
    delta: bool,
    native: Exponential | None = None,
) -> Point:
    attributes = [bytes(pair) for pair in one.attributes]
    key = (names, tuple(attributes))
    start, time = one.start_time_unix_nano, one.time_unix_nano
    traced = [_exemplar(each) for each in one.exemplars] if one.exemplars else ()
    return Point(key, names, attributes, values, time, start, delta, native, traced)


def _exemplar(one: Any) -> tuple[str, float, int]:
    trace = one.trace_id if isinstance(one.trace_id, str) else one.trace_id.hex()
    return trace, one.as_double or float(one.as_int or 0), one.time_unix_nano
