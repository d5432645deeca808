"""Counters over a window, to the rounding of Prometheus."""

from __future__ import annotations

import numpy as np

from anomalyd.model import Floats
from anomalyd.signals.window import BLOCK, Mask, Ring, Within

_THRESHOLD = 1.1
"""A gap to the boundary below this many average intervals is bridged (promql/functions.go)."""

_NEVER = -1
"""No block has changed so often."""


def increase(ring: Ring, end: int, window: int) -> tuple[Floats, Mask]:
    """PromQL's increase over (end - window, end] in ms: (float64[rows], bool[rows] present).

    `extrapolatedRate` of Prometheus 3 (promql/functions.go): resets are added back; the result is
    extrapolated to a boundary closer than 1.1 average intervals, else by half an interval, and
    never to before the counter's zero. Fewer than two samples yield nothing, which is shown as 0;
    `rate` is this divided by the window in seconds.
    """
    return Growth(ring).over(end, window)


class Growth:
    """`increase` of a ring, which may be begun before its window is over: blocks of rows that
    change after they were worked out are worked out anew."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._of = (0, 0)
        self._known = np.empty(0, dtype=np.int64)
        self._grown = np.empty(0)
        self._present = np.empty(0, dtype=bool)

    def over(self, end: int, window: int) -> tuple[Floats, Mask]:
        """See `increase`. Both arrays are good until this is asked again."""
        nth = 0
        while self.ahead(end, window, nth):
            nth += 1
        return self._grown, self._present

    def ahead(self, end: int, window: int, nth: int) -> bool:
        """Work the nth block of rows out, if it changed since; whether there is one."""
        self._begin(end, window)
        if nth >= len(self._known):
            return False
        if self._known[nth] != self._ring.changes[nth]:
            rows = slice(nth * BLOCK, min((nth + 1) * BLOCK, self._ring.rows))
            seen = self._ring.within(end - window, end, rows)
            self._grown[rows], self._present[rows] = _increase(seen, end, window)
            self._known[nth] = self._ring.changes[nth]
        return True

    def _begin(self, end: int, window: int) -> None:
        rows, blocks = self._ring.rows, -(-self._ring.rows // BLOCK)
        if (have := len(self._grown)) != rows:
            self._grown = np.append(self._grown, np.zeros(rows - have))
            self._present = np.append(self._present, np.zeros(rows - have, dtype=bool))
            self._known = np.append(
                self._known, np.zeros(blocks - len(self._known), dtype=np.int64)
            )
            self._known[have // BLOCK :] = _NEVER
        if self._of != (end, window):
            self._of = end, window
            self._known[:] = _NEVER


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
    return np.where(present, grown, 0.0), present
