"""How much the stream moves of late: a flat line, or a noise that grew."""

from __future__ import annotations

import math
from typing import ClassVar

from anomalyd.streams.average import Average

ROWS = 24
FLOOR = 1e-6
"""Of the variance since the start: a stream that stands still is as still as it can be."""


class Spread:
    """Half the log of the moving variance. NaN for the first `ROWS` rows, and before any change."""

    name: ClassVar[str] = "spread"

    def __init__(self) -> None:
        self._recent = Average(ROWS)
        self._all = Average(math.inf)

    def follow(self, time: float, value: float) -> float:
        self._recent.learn(value)
        self._all.learn(value)
        variance = self._recent.variance + FLOOR * self._all.variance
        if self._recent.count <= ROWS or variance <= 0.0:
            return math.nan
        return 0.5 * math.log(variance)
