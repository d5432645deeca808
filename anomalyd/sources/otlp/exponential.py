"""Exponential histograms of OTLP as native ones, as a Prometheus takes them in.

Source: `exponentialToNativeHistogram` of Prometheus (otlptranslator/prometheusremotewrite,
histograms.go).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalyd.model import Floats, Rows
from anomalyd.signals.native.cells import merged
from anomalyd.signals.native.samples import (
    FINEST_SCHEMA,
    INDEXES,
    LEAST_SCHEMA,
    Codes,
    Histograms,
    coarser,
    code,
)

ZERO_THRESHOLD = 1e-128
"""OTLP's own is not taken over by a Prometheus."""
_MOST_SCALE = 62


@dataclass(frozen=True, slots=True)
class Exponential:
    """What one data point counts. codes, buckets: see `Histograms`."""

    schema: int
    count: float
    sum: float
    zero: float
    codes: Codes
    buckets: Floats

    def plus(self, other: Exponential) -> Exponential:
        """Both together, at the coarser resolution of the two."""
        schema = min(self.schema, other.schema)
        parts = [
            coarser(one.codes, np.array(one.schema - schema)) if one.schema > schema else one.codes
            for one in (self, other)
        ]
        codes, buckets = _each_once(
            np.concatenate(parts), np.concatenate([self.buckets, other.buckets])
        )
        return Exponential(
            schema,
            self.count + other.count,
            self.sum + other.sum,
            self.zero + other.zero,
            codes,
            buckets,
        )

    def nothing(self) -> Exponential:
        """The same without an observation."""
        return Exponential(self.schema, 0.0, 0.0, 0.0, self.codes[:0], self.buckets[:0])


def exponential(point: Any, has: Callable[[Any, str], bool]) -> Exponential | None:
    """None of a scale or buckets that no native histogram has."""
    if not LEAST_SCHEMA <= point.scale <= _MOST_SCALE:
        return None
    schema = min(point.scale, FINEST_SCHEMA)
    sides = []
    for side, positive in ((point.negative, False), (point.positive, True)):
        counts = np.array(side.bucket_counts, dtype=np.float64)
        there = np.flatnonzero(counts)
        index = ((side.offset + there) >> (point.scale - schema)) + 1
        if (np.abs(index) >= INDEXES).any():
            return None
        sides.append((code(index, positive), counts[there]))
    (below, few), (above, many) = sides
    codes, buckets = _each_once(np.append(below, above), np.append(few, many))
    total = point.sum if has(point, "sum") else 0.0
    return Exponential(schema, point.count, total, point.zero_count, codes, buckets)


def histograms(points: Sequence[tuple[int, int, Exponential]]) -> Histograms:
    """Of (row, ns, what it counts)."""
    whole = [one for _, _, one in points]
    floats = [np.array([one.count, one.sum, one.zero], dtype=np.float64) for one in whole]
    columns = np.array(floats).reshape(-1, 3)
    starts: Rows = np.append(0, np.cumsum([len(one.codes) for one in whole])).astype(np.intp)
    return Histograms(
        rows=np.array([row for row, _, _ in points], dtype=np.intp),
        times=np.array([time // 10**6 for _, time, _ in points], dtype=np.int64),
        counts=columns[:, 0],
        sums=columns[:, 1],
        zeros=columns[:, 2],
        thresholds=np.full(len(points), ZERO_THRESHOLD),
        schemas=np.array([one.schema for one in whole], dtype=np.int64),
        resets=np.zeros(len(points), dtype=np.bool_),
        bounds=[None] * len(points),
        starts=starts,
        codes=np.concatenate([np.empty(0, dtype=np.int64), *(one.codes for one in whole)]),
        buckets=np.concatenate([np.empty(0), *(one.buckets for one in whole)]),
    )


def _each_once(codes: Codes, buckets: Floats) -> tuple[Codes, Floats]:
    _, codes, buckets = merged(np.zeros(len(codes), dtype=np.intp), codes, buckets)
    return codes, buckets
