"""Data points of OTLP metrics as the series of a Prometheus: which, and with which values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalyd.model import Floats
from anomalyd.sources.otlp.naming import metric_name

DELTA = 1
"""AggregationTemporality; what is not delta is taken to be cumulative."""

_NO_VALUE = 1
_SCALE = 2
"""Exponential histograms are read at four buckets per doubling, 19% wide: theirs are merged, since
the series of a finer scale would come and go with it."""
_LOWEST, _HIGHEST = -68, 68
"""Of their buckets: from 8e-6 to 1.5e5."""
_BOUNDS = 2.0 ** ((np.arange(_LOWEST, _HIGHEST) + 1) / 2**_SCALE)

Has = Callable[[Any, str], bool]


@dataclass(frozen=True, slots=True)
class Point:
    """One data point: `values` of the series `names`, each with a label `le` or ''.

    key: what tells its series apart within a resource. attributes: as they came. time, start: ns.
    delta: values are since `start`, to be added up.
    """

    key: tuple[object, ...]
    names: tuple[tuple[str, str], ...]
    attributes: Sequence[bytes]
    values: Floats
    time: int
    start: int
    delta: bool


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
    if one.flags & _NO_VALUE or not -10 <= one.scale <= 20:
        return None
    counts = np.array(one.positive.bucket_counts, dtype=np.float64)
    index = one.positive.offset + np.arange(len(counts))
    fine = one.scale - _SCALE
    merged = index >> fine if fine >= 0 else ((index + 1) << -fine) - 1
    place = np.clip(merged, _LOWEST, _HIGHEST) - _LOWEST
    buckets = np.bincount(place, weights=counts, minlength=len(_BOUNDS) + 1)
    below = one.zero_count + sum(one.negative.bucket_counts)
    cumulative = below + np.cumsum(buckets[: len(_BOUNDS)])
    return _histogram(one, base, tuple(_BOUNDS.tolist()), cumulative, has, delta)


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


def _point(one: Any, names: tuple[tuple[str, str], ...], values: Floats, delta: bool) -> Point:
    attributes = [bytes(pair) for pair in one.attributes]
    key = (names, tuple(attributes))
    start, time = one.start_time_unix_nano, one.time_unix_nano
    return Point(key, names, attributes, values, time, start, delta)
