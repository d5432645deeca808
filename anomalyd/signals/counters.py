"""Counters over a window, to the rounding of Prometheus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats
from anomalyd.signals.window import Mask, Milliseconds, Ring

_THRESHOLD = 1.1
"""A gap to the boundary below this many average intervals is bridged (promql/functions.go)."""


@dataclass(slots=True)
class _Seen:
    """What one pass over the samples in range leaves per row; times in ms."""

    count: NDArray[np.int64]
    first_time: Milliseconds
    first: Floats
    last_time: Milliseconds
    last: Floats
    lost: Floats


def increase(ring: Ring, end: int, window: int) -> tuple[Floats, Mask]:
    """PromQL's increase over (end - window, end] in ms: (float64[rows], bool[rows] present).

    `extrapolatedRate` of Prometheus 3 (promql/functions.go): resets are added back; the result is
    extrapolated to a boundary closer than 1.1 average intervals, else by half an interval, and
    never to before the counter's zero. Fewer than two samples yield nothing; `rate` is this
    divided by the window in seconds.
    """
    seen = _pass(ring, end - window, end)
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


def _pass(ring: Ring, start: int, end: int) -> _Seen:
    rows = ring.rows
    seen = _Seen(
        count=np.zeros(rows, dtype=np.int64),
        first_time=np.zeros(rows, dtype=np.int64),
        first=np.zeros(rows),
        last_time=np.zeros(rows, dtype=np.int64),
        last=np.zeros(rows),
        lost=np.zeros(rows),
    )
    for inside, times, values in ring.samples(start, end):
        opening = inside & (seen.count == 0)
        np.copyto(seen.first_time, times, where=opening)
        np.copyto(seen.first, values, where=opening)
        reset = inside & ~opening & (values < seen.last)
        np.add(seen.lost, seen.last, out=seen.lost, where=reset)
        np.copyto(seen.last_time, times, where=inside)
        np.copyto(seen.last, values, where=inside)
        seen.count += inside
    return seen
