"""Quantiles of classic histograms, to the rounding of Prometheus."""

from __future__ import annotations

import numpy as np

from anomalyd.model import Floats, Rows
from anomalyd.signals.window import Mask

_SMALL = 1e-12
"""Relative difference of buckets taken for rounding (smallDeltaTolerance, promql/quantile.go)."""


def quantile(starts: Rows, bounds: Floats, counts: Floats, quantiles: Floats) -> Floats:
    """PromQL's histogram_quantile, for many histograms at once.

    starts: intp[n + 1], where each histogram's buckets begin in `bounds` and `counts`, with the end
    last; none is empty. bounds: float64[b], upper bounds, ascending within a histogram, equal ones
    merged. counts: float64[b], cumulative. quantiles: float64[n] in (0, 1). Returns float64[n], NaN
    without observations, with fewer than two buckets or where the last bound is not +Inf.
    Method: `bucketQuantile` of Prometheus 3 (promql/quantile.go).
    """
    sizes = np.diff(starts)
    first, last = starts[:-1], starts[1:] - 1
    counts = _monotonic(first, sizes, counts)
    rank = quantiles * counts[last]
    below = counts < np.repeat(rank, sizes)
    below[last] = False
    at = first + np.add.reduceat(below, first, dtype=np.intp)
    previous = np.maximum(at - 1, first)
    opening = at == first
    with np.errstate(invalid="ignore", divide="ignore"):
        low = np.where(opening, 0.0, bounds[previous])
        under = np.where(opening, 0.0, counts[previous])
        value = low + (bounds[at] - low) * ((rank - under) / (counts[at] - under))
    value = np.where(opening & (bounds[at] <= 0), bounds[at], value)
    value = np.where(at == last, bounds[np.maximum(last - 1, first)], value)
    valid = np.isposinf(bounds[last]) & (sizes >= 2) & (counts[last] != 0)
    return np.where(valid, value, np.nan)


def _monotonic(first: Rows, sizes: Rows, counts: Floats) -> Floats:
    """Counts with decreases and differences of rounding levelled to the bucket before."""
    levelled = _level(counts[:-1], counts[1:])
    levelled[first[1:] - 1] = False
    if not levelled.any():
        return counts
    counts = counts.copy()
    for nth in range(1, int(sizes.max(initial=0))):
        here = first[sizes > nth] + nth
        before, now = counts[here - 1], counts[here]
        counts[here] = np.where(_level(before, now), before, now)
    return counts


def _level(before: Floats, now: Floats) -> Mask:
    """Whether a count is not what it seems: less than the one before, or but for rounding it."""
    total = np.abs(before) + np.abs(now)
    return (now < before) | ((now != before) & (np.abs(now - before) < _SMALL * total))
