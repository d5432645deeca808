"""Samples of native histograms as flat arrays: what sources hand over and windows keep."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows
from anomalyd.signals.window import STALE_BITS, Mask, Milliseconds

CUSTOM_SCHEMA = -53
"""Boundaries of its own, and none below zero (a classic histogram in native form)."""
LEAST_SCHEMA, FINEST_SCHEMA = -4, 8
RESERVED_SCHEMA = 52
"""Finer schemas up to this one are read as the finest there is."""

Codes = NDArray[np.int64]
Bounds = tuple[float, ...]

INDEXES = 2**19
"""More than any bucket's index: 2^±1074 at schema 8 is ±274,944."""


@dataclass(frozen=True, slots=True)
class Histograms:
    """n samples, any order; buckets of the i-th are [starts[i], starts[i + 1]) of b.

    rows: intp[n] of raw series. times: int64[n], ms. counts, sums, zeros (in the zero bucket),
    thresholds (its width): float64[n]. schemas: int64[n]. resets: bool[n], whether the sender says
    that it began anew. bounds: of those with custom boundaries, None of the others. codes:
    int64[b], ascending within a sample; see `code`. buckets: float64[b], counts that are not 0.
    """

    rows: Rows
    times: Milliseconds
    counts: Floats
    sums: Floats
    zeros: Floats
    thresholds: Floats
    schemas: NDArray[np.int64]
    resets: Mask
    bounds: list[Bounds | None]
    starts: Rows
    codes: Codes
    buckets: Floats

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def stale(self) -> Mask:
        """bool[n]: markers of a series' end."""
        found: Mask = np.ascontiguousarray(self.sums).view(np.uint64) == STALE_BITS
        return found

    def of(self, rows: Rows) -> Histograms:
        """The same samples of series that are known as `rows`."""
        return replace(self, rows=rows)

    def at(self, places: Rows) -> Histograms:
        """Some of the samples, in this order."""
        cells, starts = spread(self.starts[places], self.starts[places + 1])
        return Histograms(
            self.rows[places],
            self.times[places],
            self.counts[places],
            self.sums[places],
            self.zeros[places],
            self.thresholds[places],
            self.schemas[places],
            self.resets[places],
            [self.bounds[place] for place in places.tolist()],
            starts,
            self.codes[cells],
            self.buckets[cells],
        )


def spread(begins: Rows, ends: Rows) -> tuple[Rows, Rows]:
    """(intp[b] all places of the ranges [begin, end) one after another, intp[n + 1] starts)."""
    starts = np.append(0, np.cumsum(ends - begins)).astype(np.intp)
    places = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], ends - begins)
    return places, starts


def owners(starts: Rows) -> Rows:
    """intp[b]: whose each bucket is."""
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))


def code(index: NDArray[np.int64], positive: Mask | bool = True) -> Codes:
    """One number for a bucket's index and side, so that codes ascend with the values in them.

    The zero bucket is 0; a negative bucket's index counts away from zero. index: below `INDEXES`.
    """
    return np.where(positive, index + INDEXES, -(index + INDEXES))


def index_of(codes: Codes) -> NDArray[np.int64]:
    return np.abs(codes) - INDEXES


def coarser(codes: Codes, by: NDArray[np.int64]) -> Codes:
    """The codes at a schema that is smaller by `by` (int64[b] or scalar, 0 or more)."""
    return code(coarser_index(index_of(codes), by), codes > 0)


def coarser_index(index: NDArray[np.int64], by: NDArray[np.int64]) -> NDArray[np.int64]:
    return ((index - 1) >> by) + 1


def edges(codes: Codes, schemas: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """(lower, upper): float64[b], absolute, of buckets with exponential boundaries."""
    index, per_doubling = index_of(codes).astype(np.float64), 2.0**schemas
    with np.errstate(over="ignore"):
        return np.exp2((index - 1) / per_doubling), np.exp2(index / per_doubling)
