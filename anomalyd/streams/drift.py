"""The recent level against the longer past: small shifts that no single row shows."""

from __future__ import annotations

import math
from typing import ClassVar

from anomalyd.streams.average import Average

SHORT, LONG = 30, 300


class Drift:
    """Mean of about the last `SHORT` rows less that of about `LONG`. NaN for the first `SHORT`."""

    name: ClassVar[str] = "drift"

    def __init__(self) -> None:
        self._short = Average(SHORT)
        self._long = Average(LONG)

    def follow(self, time: float, value: float) -> float:
        self._short.learn(value)
        self._long.learn(value)
        if self._short.count <= SHORT:
            return math.nan
        return self._short.mean - self._long.mean
