"""How a curve goes on where production was never seen, for what is known to grow with load."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.profile import Single
from anomalyd.model import Floats, Rows


class GoesOn(IntEnum):
    """With the slope of the outer two bins; in proportion to load (requests); along a line (cpu:
    what it takes when idle, and a cost per request)."""

    AS_THERE = 0
    IN_PROPORTION = 1
    ALONG_A_LINE = 2


class Lines:
    """Least-squares lines in load through the centres of each row, level and slope 0 at least.

    Load is itself measured with noise, so that a curve's ends are flatter than what it measures
    (regression dilution: the windows of least load are in part those in which it was counted too
    low). The line through all of it hardly is.

    load_bins: float64[bins], log; centre: float32[bins, n]; logarithmic: bool[n].
    """

    def __init__(self, load_bins: Floats, centre: Single, logarithmic: NDArray[np.bool_]) -> None:
        x = np.exp(np.asarray(load_bins, dtype=np.float64))
        y = np.exp(np.where(logarithmic, centre, np.float32(np.nan)).astype(np.float64))
        mean, away = x.mean(), x - x.mean()
        slope = np.maximum((away[:, np.newaxis] * y).sum(axis=0) / (away @ away), 0.0)
        level = y.mean(axis=0) - slope * mean
        slope = np.where(level < 0, y.mean(axis=0) / mean, slope)
        self._level = np.maximum(level, 0.0).astype(np.float32)
        self._slope = slope.astype(np.float32)

    def further(
        self, rows: Rows, beyond: Sequence[GoesOn] | Rows, edge: float, load: float
    ) -> Floats:
        """By how much the log rises from load `edge` to `load`: float64[len(rows)], NaN where
        `beyond` says that no line is meant, and of rows that are not logarithmic."""
        how = np.asarray(beyond, dtype=np.intp)
        level = np.where(how == GoesOn.IN_PROPORTION, 0.0, self._level[rows]).astype(np.float64)
        slope = np.where(self._slope[rows] > 0, self._slope[rows], 1e-30).astype(np.float64)
        known = np.isfinite(self._level[rows]) & (how != GoesOn.AS_THERE)
        return np.where(known, np.log((level + slope * load) / (level + slope * edge)), np.nan)
