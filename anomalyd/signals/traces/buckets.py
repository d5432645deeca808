"""Durations as counts per bucket: mergeable, and exact at the boundaries that are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from anomalyd.model import Floats, Rows
from anomalyd.spans import Nanoseconds

SCALE = 16
"""Buckets per doubling, each 4.4% wide (OpenTelemetry's exponential histogram of scale 4)."""

LEAST_SECONDS, DOUBLINGS = 1e-5, 27
"""From 10 µs to 22 min; what is outside falls into the first or the last bucket."""

_CELLS = 4 * SCALE
"""Cells per doubling of the table that leads to a bucket."""


class Buckets:
    """Upper bounds as of `le`, in seconds, ascending, the last +Inf.

    also: boundaries at which counts are exact, such as those of production's histograms; at others
    `at` interpolates. Two histograms over equal bounds are merged by adding their counts.
    """

    def __init__(self, also: Iterable[float] = ()) -> None:
        grid = LEAST_SECONDS * 2.0 ** (np.arange(DOUBLINGS * SCALE + 1) / SCALE)
        exact = [bound for bound in also if 0 < bound < np.inf]
        self.bounds: Floats = np.append(np.unique(np.append(grid, exact)), np.inf)
        whole = [int(Fraction(bound) * 10**9) for bound in self.bounds[:-1].tolist()]
        self._nanoseconds: Nanoseconds = np.array([*whole, np.iinfo(np.int64).max])
        self._low = float(np.log2(max(whole[0], 1)))
        cells = int((np.log2(whole[-1]) - self._low) * _CELLS) + 2
        # An ulp below each cell's start: a logarithm that was rounded up must not skip a bucket.
        starts = 2.0 ** (self._low + np.arange(cells) / _CELLS) * (1 - 1e-9)
        self._first = np.searchsorted(self._nanoseconds, starts)
        self._most = int(np.diff(self._first, append=len(self.bounds) - 1).max(initial=0)) + 1

    def __len__(self) -> int:
        return len(self.bounds)

    def of(self, durations: Nanoseconds) -> Rows:
        """intp[n]: the bucket of each duration (ns), the first whose bound is not below it."""
        scale = np.log2(np.maximum(durations, 1))
        scale -= self._low
        scale *= _CELLS
        np.clip(scale, 0, len(self._first) - 1, out=scale)
        bucket = self._first[scale.astype(np.intp)]
        for _ in range(self._most):
            above = durations > self._nanoseconds[bucket]
            if not above.any():
                break
            bucket += above
        return bucket

    def quantile(self, counts: Floats, wanted: float) -> Floats:
        """float64[n] of float64[n, buckets], not cumulative: `histogram_quantile`, in seconds.

        NaN without counts; the last bound but one where the quantile lies past it.
        """
        whole = np.cumsum(counts, axis=1)
        rank = wanted * whole[:, -1:]
        at = np.minimum((whole < rank).sum(axis=1), len(self) - 1)
        row = np.arange(len(counts))
        inside, low = counts[row, at], np.append(0.0, self.bounds[:-1])[at]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = 1 - (whole[row, at] - rank[:, 0]) / inside
            value = low + (self.bounds[at] - low) * share
        value = np.where(at == len(self) - 1, low, value)
        return np.where(whole[:, -1] > 0, value, np.nan)

    def at(self, counts: Floats, bounds: Floats) -> Floats:
        """Cumulative counts at other `bounds` (seconds, ascending): float64[..., len(bounds)].

        counts: float64[..., buckets], not cumulative. Exact at bounds of ours; between two of ours
        a bucket's durations are taken to be spread evenly.
        """
        ours = np.append(0.0, self.bounds[:-1])
        whole = np.cumsum(counts, axis=-1)
        below = np.insert(whole, 0, 0.0, axis=-1)
        at = np.clip(np.searchsorted(ours, bounds, side="right") - 1, 0, len(ours) - 1)
        upper = np.minimum(at + 1, len(ours) - 1)
        width = np.where(upper > at, ours[upper] - ours[at], 1.0)
        with np.errstate(invalid="ignore"):
            share = np.where(upper > at, (bounds - ours[at]) / width, 0.0)
        inside = below[..., at] + share * (below[..., at + 1] - below[..., at])
        return np.where(np.isposinf(bounds), whole[..., -1:], inside)
