"""Native histograms of remote_write as flat arrays; both versions write them alike.

What is checked is what Prometheus checks (model/histogram/generic.go, `Validate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows
from anomalyd.signals.native.cells import merged
from anomalyd.signals.native.samples import (
    CUSTOM_SCHEMA,
    FINEST_SCHEMA,
    INDEXES,
    LEAST_SCHEMA,
    RESERVED_SCHEMA,
    Bounds,
    Codes,
    Histograms,
    coarser_index,
    code,
    owners,
    spread,
)
from anomalyd.signals.window import Mask

MAX_BOUNDARIES = 1000
"""Of its own that a histogram may have; a classic one has some tens."""
RESET = 1
"""ResetHint. What it says else is found in the counts."""


@dataclass(slots=True)
class _Side:
    """Buckets of one sign: spans of all samples, and how many there are of each."""

    positive: bool
    spans: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    deltas: list[int] = field(default_factory=list)
    floats: list[float] = field(default_factory=list)
    is_float: list[bool] = field(default_factory=list)

    def take(self, spans: Any, deltas: Any, counts: Any, is_float: bool) -> None:
        self.spans.append(len(spans))
        for span in spans:
            self.offsets.append(span.offset)
            self.lengths.append(span.length)
        values = counts if is_float else deltas
        self.sizes.append(len(values))
        self.is_float.append(is_float)
        (self.floats if is_float else self.deltas).extend(values)


def read(pairs: Sequence[tuple[int, Any]]) -> tuple[Histograms, Mask]:
    """(the histograms of (row, message) pairs that are sound, bool[n] which of them are)."""
    messages = [message for _, message in pairs]
    is_float = [message.HasField("count_float") for message in messages]
    sides = _Side(True), _Side(False)
    for one, floats in zip(messages, is_float, strict=True):
        sides[0].take(one.positive_spans, one.positive_deltas, one.positive_counts, floats)
        sides[1].take(one.negative_spans, one.negative_deltas, one.negative_counts, floats)
    bounds: list[Bounds | None] = [
        tuple(one.custom_values) if one.schema == CUSTOM_SCHEMA else None for one in messages
    ]
    schemas = np.array([one.schema for one in messages], dtype=np.int64)
    found, sound = _together(sides, schemas)
    whole = Histograms(
        rows=np.array([row for row, _ in pairs], dtype=np.intp),
        times=np.array([one.timestamp for one in messages], dtype=np.int64),
        counts=_chosen(messages, is_float, "count"),
        sums=np.array([one.sum for one in messages]),
        zeros=_chosen(messages, is_float, "zero_count"),
        thresholds=np.array([one.zero_threshold for one in messages]),
        schemas=found.schemas,
        resets=np.array([one.reset_hint == RESET for one in messages], dtype=np.bool_),
        bounds=bounds,
        starts=found.starts,
        codes=found.codes,
        buckets=found.buckets,
    )
    custom = schemas == CUSTOM_SCHEMA
    known = custom | ((schemas >= LEAST_SCHEMA) & (schemas <= RESERVED_SCHEMA))
    counted = _counted(whole, np.array(is_float, dtype=np.bool_), found)
    for place in np.flatnonzero(custom & sound).tolist():
        counted[place] &= _custom(whole, found, place)
    sound &= known & (counted | whole.stale)
    return (whole if sound.all() else whole.at(np.flatnonzero(sound))), sound


def _chosen(messages: list[Any], is_float: list[bool], name: str) -> Floats:
    pairs = zip(messages, is_float, strict=True)
    return np.array(
        [getattr(one, f"{name}_float" if floats else f"{name}_int") for one, floats in pairs],
        dtype=np.float64,
    )


@dataclass(slots=True)
class _Buckets:
    """total: float64[n] of all buckets of a sample. lowest, highest: int64[n] of indexes."""

    schemas: NDArray[np.int64]
    starts: Rows
    codes: Codes
    buckets: Floats
    total: Floats
    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]


def _together(sides: tuple[_Side, _Side], schemas: NDArray[np.int64]) -> tuple[_Buckets, Mask]:
    """Buckets of both signs, and bool[n] of the samples whose spans and counts go together."""
    n = len(schemas)
    sound = np.ones(n, dtype=np.bool_)
    finest = np.minimum(schemas, FINEST_SCHEMA)
    finer = schemas - finest
    owner, codes, buckets = [], [], []
    lowest, highest = np.zeros(n, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    for side in sides:
        fits, own, index, counts = _side(side)
        sound &= fits
        np.minimum.at(lowest, own, index)
        np.maximum.at(highest, own, index)
        coarse = np.where(finer[own] > 0, coarser_index(index, np.clip(finer[own], 0, 62)), index)
        beyond = np.abs(coarse) >= INDEXES
        sound[own[beyond]] = False
        owner.append(own)
        codes.append(code(np.where(beyond, 0, coarse), side.positive))
        buckets.append(counts)
    of, all_codes, values = (
        np.concatenate(owner),
        np.concatenate(codes),
        np.concatenate(buckets),
    )
    sound[of[~(values >= 0)]] = False
    total = np.bincount(of, values, n).astype(np.float64, copy=False)
    kept = np.flatnonzero(values)
    of, all_codes, values = of[kept], all_codes[kept], values[kept]
    if finer.any():
        of, all_codes, values = merged(of, all_codes, values)
    order = np.lexsort((all_codes, of))
    starts = np.append(0, np.cumsum(np.bincount(of, minlength=n))).astype(np.intp)
    made = _Buckets(finest, starts, all_codes[order], values[order], total, lowest, highest)
    return made, sound


def _side(side: _Side) -> tuple[Mask, Rows, NDArray[np.int64], Floats]:
    """(bool[n] whether spans say as many buckets as there are; of those samples' buckets: whose
    each is, its index, its count)."""
    offsets, lengths = np.array(side.offsets, np.int64), np.array(side.lengths, np.int64)
    span_starts = np.append(0, np.cumsum(side.spans)).astype(np.intp)
    ends = np.append(0, np.cumsum(lengths))
    fits = ends[span_starts[1:]] - ends[span_starts[:-1]] == np.array(side.sizes)
    later = np.ones(len(offsets), dtype=np.bool_)
    later[span_starts[:-1][np.diff(span_starts) > 0]] = False
    of_span = owners(span_starts)
    fits[of_span[later & (offsets < 0)]] = False
    good = fits[of_span]
    begins = np.cumsum(offsets) + ends[:-1]  # of spans as if all were one sample's
    base = np.append(0, begins)[span_starts[:-1]]
    base = np.where(np.diff(span_starts) > 0, _before(offsets, ends, span_starts), base)
    first = begins - base[of_span]
    places, starts = spread(first[good].astype(np.intp), (first + lengths)[good].astype(np.intp))
    owner = np.repeat(of_span[good], np.diff(starts))
    counts = _counts(side)
    return fits, owner, places.astype(np.int64), counts[fits[_of_counts(side)]]


def _before(
    offsets: NDArray[np.int64], ends: NDArray[np.int64], span_starts: Rows
) -> NDArray[np.int64]:
    """int64[n]: offsets and lengths of all spans of the samples before."""
    upto = np.append(0, np.cumsum(offsets)) + ends
    found: NDArray[np.int64] = upto[span_starts[:-1]]
    return found


def _of_counts(side: _Side) -> Rows:
    return np.repeat(np.arange(len(side.sizes)), side.sizes)


def _counts(side: _Side) -> Floats:
    """Of all samples in their order: integers are differences to the bucket before."""
    sizes, is_float = np.array(side.sizes, np.intp), np.array(side.is_float, np.bool_)
    counts = np.empty(int(sizes.sum()))
    of_float = np.repeat(is_float, sizes)
    counts[of_float] = side.floats
    upto = np.cumsum(np.array(side.deltas, dtype=np.int64))
    starts = np.append(0, np.cumsum(sizes[~is_float])).astype(np.intp)[:-1]
    base = np.append(0, upto)[starts]
    counts[~of_float] = upto - np.repeat(base, sizes[~is_float])
    return counts


def _counted(whole: Histograms, is_float: Mask, found: _Buckets) -> Mask:
    """bool[n]: whether a sample's buckets hold what it counts; NaN is counted and in none."""
    inside = found.total + whole.zeros
    nan = np.isnan(whole.sums)
    exact = np.where(nan, inside <= whole.counts, inside == whole.counts)
    counted: Mask = np.where(is_float, True, exact)
    return counted & (whole.counts >= 0) & (whole.zeros >= 0) & (whole.thresholds >= 0)


def _custom(whole: Histograms, found: _Buckets, place: int) -> bool:
    """Boundaries ascend and are not too many; buckets lie between them, and none below zero."""
    bounds = whole.bounds[place] or ()
    ascending = len(bounds) <= MAX_BOUNDARIES and all(a < b for a, b in pairwise(bounds))
    cells = whole.codes[whole.starts[place] : whole.starts[place + 1]]
    return (
        ascending
        and all(map(np.isfinite, bounds))
        and not (whole.zeros[place] or whole.thresholds[place])
        and not (cells < 0).any()
        and found.lowest[place] >= 0
        and found.highest[place] <= len(bounds)
    )
