"""The value against the same hour of the days before: what is missing, or comes unasked."""

from __future__ import annotations

import math
import statistics
from collections import deque
from typing import ClassVar

from anomalyd.streams.average import Average

DAY = 86400.0
SLOT = 300.0
DAYS, FEWEST = 14, 2
ROWS = 24


class Season:
    """Mean over about `ROWS` rows of what is left when the usual value of the hour is taken away.

    The usual value is the median, over the last `DAYS` days that have any, of the mean of a slot
    of `SLOT` seconds of the (UTC) day. NaN before `FEWEST` days are known. Nothing is assumed to
    repeat: a stream that does not leaves much, and is measured by that.
    """

    name: ClassVar[str] = "season"

    def __init__(self) -> None:
        self._past: dict[int, deque[float]] = {}
        self._slot = (math.nan, -1)
        self._now = Average(math.inf)
        self._usual = math.nan
        self._left = Average(ROWS)

    def follow(self, time: float, value: float) -> float:
        day, second = divmod(time, DAY)
        slot = (day, int(second // SLOT))
        if slot != self._slot:
            self._turn(slot)
        self._now.learn(value)
        if math.isnan(self._usual):
            return math.nan
        self._left.learn(value - self._usual)
        return self._left.mean

    def _turn(self, slot: tuple[float, int]) -> None:
        """A new slot begins: keep what the last one was, look up what this one used to be."""
        if self._now.count:
            self._past.setdefault(self._slot[1], deque(maxlen=DAYS)).append(self._now.mean)
        self._slot = slot
        self._now = Average(math.inf)
        past = self._past.get(slot[1], ())
        self._usual = statistics.median(past) if len(past) >= FEWEST else math.nan
