"""How much the stream moves of late: a flat line, or a noise that grew."""

from __future__ import annotations

import math
from collections import deque
from typing import ClassVar

from anomalyd.streams.average import Average

ROWS = 30
FLOOR = 1e-6
"""Of the variance since the start: a stream that stands still is as still as it can be."""


class Spread:
    """Half the log of the variance of the last `ROWS` rows; what left the window is forgotten.

    NaN until the window is full, and before the stream's first change.
    """

    name: ClassVar[str] = "spread"

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=ROWS)
        self._all = Average(math.inf)

    def follow(self, time: float, value: float) -> float:
        self._recent.append(value)
        self._all.learn(value)
        if len(self._recent) < ROWS:
            return math.nan
        mean = math.fsum(self._recent) / ROWS
        recent = math.fsum([(one - mean) ** 2 for one in self._recent]) / ROWS
        variance = max(recent, FLOOR * self._all.variance)
        return 0.5 * math.log(variance) if variance > 0.0 else math.nan
