"""The distribution of every signal series in production at a load: arrays over series."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.seasons import HOURS, SLOTS

QUANTILES = (0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)
LOAD_BINS = 8
FORMAT = 1
"""Version of the baseline's format; a file of another is refused."""

Half = NDArray[np.float16]
Single = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles of a baseline; n series, b = LOAD_BINS, q = len(QUANTILES).

    keys: `signal{labels}` after `match` and identity, unique. logarithmic: bool[n]; the residual
    is taken of log(value) there, of value elsewhere. median: float32[n], the unit of the values.
    load_bins: float64[b], log load per unit of capacity at bin centres, ascending, shared by all
    series. quantiles: float16[q, b, n], quantile-major: log(value / median) where logarithmic,
    else (value - median) / scale. scale: float32[n], 1 where logarithmic. sampling: float32[n],
    c² such that a window of m events adds variance c² / m to the residual. noise: float32[n],
    scale of the one-step innovations (residual less phi times the one before) beyond sampling,
    such that Student t with 4 degrees of freedom at that scale covers production's. phi:
    float32[n], lag-one autocorrelation of disjoint windows, 0 <= phi < 1. support: float32[b, n],
    windows seen per bin. present: float32[n], share of production's windows that had a value.
    longest_gap: float32[n], in windows.

    floor: float32[n], what smaller values count as where logarithmic. rate: float32[b, n], bad
    per total over all of a bin's events, NaN where the signal is not a ratio of counts. events:
    float32[b, n], how many independent events that rate rests on. spread: float16[b, n],
    noise in each bin over `noise`, which is that of the noisiest bin: in (0, 1]. burst: float32[n],
    relative variance of the mean of a ratio's bad count from window to window. Without these
    five (empty) nothing is floored, no rate is known, noise is the same at every load and
    errors are as bursty as they may be. hours: float16[SLOTS, n], what the hour of the day adds to
    the centre, in units of `scale`, see `seasons`; 0 where history does not show that it does,
    empty where it shows it of no series. recurs: float16[HOURS, n], how far beyond the centre
    excursions go that come back in that hour, in the same units; 0 and empty as hours are.
    """

    keys: tuple[str, ...]
    logarithmic: NDArray[np.bool_]
    median: Single
    scale: Single
    load_bins: NDArray[np.float64]
    quantiles: Half
    sampling: Single
    noise: Single
    phi: Single
    support: Single
    present: Single
    longest_gap: Single
    floor: Single = field(default_factory=lambda: np.zeros(0, np.float32))
    rate: Single = field(default_factory=lambda: np.zeros((LOAD_BINS, 0), np.float32))
    events: Single = field(default_factory=lambda: np.zeros((LOAD_BINS, 0), np.float32))
    spread: Half = field(default_factory=lambda: np.zeros((LOAD_BINS, 0), np.float16))
    burst: Single = field(default_factory=lambda: np.zeros(0, np.float32))
    hours: Half = field(default_factory=lambda: np.zeros((SLOTS, 0), np.float16))
    recurs: Half = field(default_factory=lambda: np.zeros((HOURS, 0), np.float16))


@dataclass(frozen=True, slots=True)
class Baseline:
    """Profiles with where they came from.

    meta: version (of this format), created_at, start, end, step, window (seconds), conditioned
    (bool: False = production's load was not known and all bins are equal), queries (signal →
    resolved query), source (versions of the servers asked), windows (int), gaps (share of the
    range without data). The fit adds load_range ([least, most], 1/s, None if never known), thin
    (keys left out for want of values) and duplicates (keys that came twice; the first counts).
    """

    profiles: Profiles
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def peak_load(self) -> float:
        """The largest load per unit of capacity that production was seen at (1/s); infinite where
        that is not known, or the profiles are not conditioned on it."""
        known = self.meta.get("load_range")
        return float(known[1]) if known and self.meta.get("conditioned", True) else math.inf
