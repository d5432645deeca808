"""Counters over a window, to the rounding of Prometheus."""

from __future__ import annotations

import numpy as np

from anomalyd.model import Floats
from anomalyd.signals.window import Mask, Ring, Within

_THRESHOLD = 1.1
"""A gap to the boundary below this many average intervals is bridged (promql/functions.go)."""

BLOCK = 16384
"""Rows that are worked on at once, so that what comes and goes stays in the cache."""


def increase(ring: Ring, end: int, window: int) -> tuple[Floats, Mask]:
    """PromQL's increase over (end - window, end] in ms: (float64[rows], bool[rows] present).

    `extrapolatedRate` of Prometheus 3 (promql/functions.go): resets are added back; the result is
    extrapolated to a boundary closer than 1.1 average intervals, else by half an interval, and
    never to before the counter's zero. Fewer than two samples yield nothing; `rate` is this
    divided by the window in seconds.
    """
    grown = np.empty(ring.rows)
    present = np.empty(ring.rows, dtype=bool)
    for first in range(0, ring.rows, BLOCK):
        rows = slice(first, min(first + BLOCK, ring.rows))
        grown[rows], present[rows] = _increase(ring.within(end - window, end, rows), end, window)
    return grown, present


def _increase(seen: Within, end: int, window: int) -> tuple[Floats, Mask]:
    present = seen.count >= 2
    with np.errstate(invalid="ignore", divide="ignore"):
        grown = seen.last - seen.first + seen.lost
        sampled = (seen.last_time - seen.first_time) / 1000
        interval = sampled / (seen.count - 1)
        to_start = (seen.first_time - (end - window)) / 1000
        to_end = (end - seen.last_time) / 1000
        to_start = np.where(to_start >= interval * _THRESHOLD, interval / 2, to_start)
        to_end = np.where(to_end >= interval * _THRESHOLD, interval / 2, to_end)
        to_zero = sampled * (seen.first / grown)
        clamped = (grown > 0) & (seen.first >= 0) & (to_zero < to_start)
        to_start = np.where(clamped, to_zero, to_start)
        grown *= (sampled + to_start + to_end) / sampled
    return np.where(present, grown, np.nan), present
