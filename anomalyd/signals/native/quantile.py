"""Quantiles of native histograms, to the rounding of Prometheus 3."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anomalyd.model import Floats, Rows
from anomalyd.signals.native.cells import Sums
from anomalyd.signals.native.samples import Bounds, index_of
from anomalyd.signals.window import Mask

_CELLS_AT_ONCE = 2**20


def quantile(
    sums: Sums, counts: Floats, totals: Floats, quantiles: Floats, bounds: Sequence[Bounds]
) -> Floats:
    """PromQL's histogram_quantile of n histograms: float64[n], NaN without observations.

    counts, totals: float64[n], of observations and of their values. quantiles: float64[n] in
    (0, 1). bounds: by id, of those with boundaries of their own. Within a bucket observations are
    taken to lie evenly on a logarithmic scale, in the zero bucket and between custom boundaries on
    a linear one. Method: `HistogramQuantile` of Prometheus 3 (promql/quantile.go).
    """
    table, known = _Table.of(sums), (counts != 0) & sums.valid
    if not len(table.codes):
        return np.where(known, 0.0, np.nan)
    forward = np.isnan(totals) | (quantiles < 0.5)
    rank = np.where(forward, quantiles, 1 - quantiles) * counts
    place, reached = _find(table, rank, forward)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        inside = table.buckets[place]
        reached = np.minimum(reached, counts)
        left = np.where(forward, rank - (reached - inside), reached - rank)
        value = _interpolated(table, sums, place, left / inside, reached < rank, bounds)
    value = np.where(table.sizes > 0, value, 0.0)
    return np.where(known, value, np.nan)


class _Table:
    """The buckets of every histogram with the zero bucket among them, ascending: `starts` intp[n],
    `sizes` intp[n] of `codes` and `buckets`."""

    def __init__(self, owner: Rows, codes: Rows, buckets: Floats, n: int) -> None:
        self.codes, self.buckets = codes, buckets
        self.sizes = np.bincount(owner, minlength=n)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.positive = np.bincount(owner, codes > 0, n) > 0
        self.negative = np.bincount(owner, codes < 0, n) > 0

    @classmethod
    def of(cls, sums: Sums) -> _Table:
        zeros = np.flatnonzero(sums.zeros > 0)
        owner = np.concatenate([sums.owner, zeros])
        codes = np.concatenate([sums.codes, np.zeros(len(zeros), dtype=np.int64)])
        buckets = np.concatenate([sums.buckets, sums.zeros[zeros]])
        order = np.lexsort((codes, owner))
        return cls(owner[order], codes[order], buckets[order], len(sums.zeros))


def _find(table: _Table, rank: Floats, forward: Mask) -> tuple[Rows, Floats]:
    """(intp[n] the bucket that a rank falls into, from the side that it is counted from, else the
    last one seen; float64[n] observations up to its end)."""
    place, reached = np.zeros(len(rank), dtype=np.intp), np.zeros(len(rank))
    begin = 0
    while begin < len(rank):
        widest = np.maximum.accumulate(table.sizes[begin:])
        fits = int(np.count_nonzero(widest * np.arange(1, len(widest) + 1) <= _CELLS_AT_ONCE))
        part = slice(begin, begin + max(fits, 1))
        place[part], reached[part] = _find_some(table, rank[part], forward[part], part)
        begin = part.stop
    return np.minimum(place, max(len(table.codes) - 1, 0)), reached


def _find_some(table: _Table, rank: Floats, forward: Mask, part: slice) -> tuple[Rows, Floats]:
    starts, sizes = table.starts[part], table.sizes[part]
    nth = np.arange(max(int(sizes.max(initial=0)), 1))
    ends = starts + sizes - 1
    cells = np.where(forward[:, None], starts[:, None] + nth, ends[:, None] - nth)
    there = nth < sizes[:, None]
    buckets = np.where(there, table.buckets[np.where(there, cells, 0)], 0.0)
    upto = np.cumsum(buckets, axis=1)
    found = (upto >= rank[:, None]) & there
    last = np.where(found.any(axis=1), found.argmax(axis=1), np.maximum(sizes - 1, 0))
    rows = np.arange(len(rank))
    return np.where(sizes > 0, cells[rows, last], 0), upto[rows, last]


def _interpolated(
    table: _Table,
    sums: Sums,
    place: Rows,
    fraction: Floats,
    beyond: Mask,
    bounds: Sequence[Bounds],
) -> Floats:
    """The value at `fraction` of a bucket; its upper end where the rank is `beyond` all."""
    codes = table.codes[place]
    fraction = np.where(beyond, 1.0, fraction)
    value = _exponential(codes, sums, fraction)
    zero = codes == 0
    low = np.where(table.positive & ~table.negative, 0.0, -sums.thresholds)
    high = np.where(table.negative & ~table.positive, 0.0, sums.thresholds)
    value = np.where(zero, low + (high - low) * fraction, value)
    for nth in np.flatnonzero(sums.valid & (sums.customs >= 0) & (table.sizes > 0)).tolist():
        own, at = bounds[sums.customs[nth]], int(index_of(codes[nth : nth + 1])[0])
        value[nth] = _between(own, at, float(fraction[nth]))
    return value


def _exponential(codes: Rows, sums: Sums, fraction: Floats) -> Floats:
    per_doubling, index = 2.0**sums.schemas, index_of(codes)
    with np.errstate(divide="ignore"):
        zero = np.log2(sums.thresholds)
    far = index / per_doubling
    near = np.maximum((index - 1) / per_doubling, zero)
    near = np.where(zero >= far, (index - 1) / per_doubling, near)
    along = np.where(codes > 0, fraction, 1 - fraction)
    return np.sign(codes) * np.exp2(near + (far - near) * along)


def _between(own: Bounds, at: int, fraction: float) -> float:
    if at >= len(own):
        return own[-1] if own else np.nan
    if at == 0 and own[0] <= 0:
        return own[0]
    low = own[at - 1] if at else 0.0
    return low + (own[at] - low) * fraction
