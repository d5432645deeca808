"""By how much runs of one staging differ from one another when nothing is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from anomalyd.model import Floats, Kind, Rows

BETWEEN: Mapping[Kind, float] = {k: 0.025 if k is Kind.TRAFFIC else 0.05 for k in Kind}
"""What runs of one staging are taken to differ by before any was seen."""

OF_BEFORE, OF_KIND = 2.0, 6.0
"""Degrees of freedom that `BETWEEN`, and the kind's common sd, count for."""

WIDEN = 1.2
"""Sds estimated from few runs are too small as often as too large: cautious."""


def next_run(offsets: Floats, kinds: Sequence[Kind], sizes: Floats) -> tuple[Floats, Floats]:
    """(mean of the next run, its sd) per series: float64[n] each, NaN without any run. sizes:
    float64[n], what 100% is in the residual's scale."""
    known = np.isfinite(offsets)
    seen = known.sum(axis=1)
    mean = np.where(seen > 0, np.nansum(offsets, axis=1) / np.maximum(seen, 1), np.nan)
    square = np.where(known, ((offsets - mean[:, np.newaxis]) / sizes[:, np.newaxis]) ** 2, 0.0)
    variance = pooled(square.sum(axis=1), np.maximum(seen - 1, 0), kinds)
    more = 1 + 1 / np.maximum(seen, 1)
    return mean, np.where(seen > 0, WIDEN * sizes * np.sqrt(variance * more), np.nan)


def pooled(square: Floats, free: Rows, kinds: Sequence[Kind]) -> Floats:
    """Variance between runs, float64[n], of sums of squares with `free` degrees of freedom, shrunk
    towards that of the kind, and that towards `BETWEEN`."""
    variance = np.full(len(square), np.nan)
    for kind in set(kinds):
        at = np.array([k is kind for k in kinds])
        before = BETWEEN[kind] ** 2
        common = (square[at].sum() + OF_BEFORE * before) / (free[at].sum() + OF_BEFORE)
        variance[at] = (square[at] + OF_KIND * common) / (free[at] + OF_KIND)
    return variance


def successive(offsets: Floats, kinds: Sequence[Kind], sizes: Floats) -> Floats:
    """Sd of runs, float64[n] of their offsets float64[n, runs] in order, by how far each is from
    the one before it: a slow move in one direction hardly counts (von Neumann, "Distribution of the
    ratio of the mean square successive difference to the variance", 1941)."""
    steps = np.diff(offsets, axis=1) / sizes[:, np.newaxis]
    there = np.isfinite(steps)
    square = np.where(there, steps**2 / 2, 0.0).sum(axis=1)
    return np.asarray(sizes * np.sqrt(pooled(square, there.sum(axis=1), kinds)))
