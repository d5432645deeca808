"""One stream, one score per row, from this row and the rows before it alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from anomalyd.model import Floats
from anomalyd.streams import PARTS
from anomalyd.streams.part import Part
from anomalyd.streams.refractory import Refractory
from anomalyd.streams.tails import HORIZON, Tails

THRESHOLD = 0.75
"""Recommended: a row that scores at least this is an anomaly. docs/score.md says where from."""

PATIENCE = 0.25
HEAD_START = 100
WIDEST = 1e100
"""In units of the first value: its square is still a number."""


class Stream:
    """Scores a stream row by row; nothing to configure, nothing to train but its own past.

    Every part's number is measured against that part's past, above and below (`Tails`). The
    evidence is the mean, over all parts and both sides, of -log10 p less `PATIENCE`·log10 of the
    rows so far, where that is above 0: who looks more often must ask for more, or false alarms
    grow with the rows. What a burst repeats is no news (`Refractory`). The score is
    1 - 10^-evidence.
    """

    def __init__(self, parts: Sequence[type[Part]] = PARTS) -> None:
        self._parts = [(part(), Tails()) for part in parts]
        self._refractory = Refractory()
        self._rows = 0
        self._unit = 0.0

    def score(self, time: float, value: float) -> float:
        """Score in [0, 1] of the next row.

        time: unix seconds, finite, not before the row's before; value: NaN or infinite where it
        is missing, which scores 0 and teaches nothing.
        """
        if not math.isfinite(value):
            return 0.0
        evidence = self.evidence(time, value)
        return 1.0 - 10.0 ** -self._refractory.news(evidence)

    def evidence(self, time: float, value: float) -> float:
        """What the next row brings, at least 0; the value is finite. Call this or `score`."""
        scaled, asked, total = self._scaled(value), self.asked(), 0.0
        for part, tails in self._parts:
            number = part.follow(time, scaled)
            if math.isnan(number):
                continue
            high, low = tails.surprise(number)
            tails.learn(number)
            total += max(high - asked, 0.0) + max(low - asked, 0.0)
        self._rows += 1
        return total / (2 * len(self._parts))

    def asked(self) -> float:
        """-log10 p below which a side says nothing, after the rows so far."""
        return PATIENCE * math.log10(min(self._rows, HORIZON) + HEAD_START)

    def _scaled(self, value: float) -> float:
        """In units of about the first value that is not 0, a power of two: no digit is lost."""
        if not self._unit and value:
            self._unit = math.ldexp(1.0, min(max(math.frexp(value)[1], -1021), 1023))
        scaled = value / self._unit if self._unit else value
        return min(max(scaled, -WIDEST), WIDEST)


def scores(
    times: Iterable[float], values: Iterable[float], parts: Sequence[type[Part]] = PARTS
) -> Floats:
    """float64[n]: the score of each row of a whole stream, in order, as `Stream.score` gives it."""
    stream = Stream(parts)
    pairs = zip(times, values, strict=True)
    return np.array([stream.score(float(time), float(value)) for time, value in pairs])
