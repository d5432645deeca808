"""river's online detectors as further parts of a stream's score: what would they add?"""

from __future__ import annotations

import math
from typing import ClassVar

from river import anomaly, drift

SEED = 1


class Trees:
    """HalfSpaceTrees over value and step, each as its place in the range so far."""

    name: ClassVar[str] = "HalfSpaceTrees"

    def __init__(self) -> None:
        self._model = anomaly.HalfSpaceTrees(seed=SEED)
        self._low = [math.inf, math.inf]
        self._high = [-math.inf, -math.inf]
        self._last = math.nan

    def follow(self, time: float, value: float) -> float:
        step = 0.0 if math.isnan(self._last) else value - self._last
        self._last = value
        point = {i: self._place(i, number) for i, number in enumerate((value, step))}
        score = self._model.score_one(point)
        self._model.learn_one(point)
        return float(score)

    def _place(self, i: int, number: float) -> float:
        self._low[i], self._high[i] = min(self._low[i], number), max(self._high[i], number)
        width = self._high[i] - self._low[i]
        return (number - self._low[i]) / width if width else 0.5


class Adaptive:
    """The value less the mean of ADWIN's window, which is cut where the mean changed."""

    name: ClassVar[str] = "ADWIN"

    def __init__(self) -> None:
        self._model = drift.ADWIN()

    def follow(self, time: float, value: float) -> float:
        number = value - self._model.estimation
        self._model.update(value)
        return float(number)
