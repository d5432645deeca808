"""The step from one row to the next: spikes and shifts of any level."""

from __future__ import annotations

import math
from typing import ClassVar


class Change:
    """Value less the value before it, whatever the time between them. NaN for the first row."""

    name: ClassVar[str] = "change"

    def __init__(self) -> None:
        self._last = math.nan

    def follow(self, time: float, value: float) -> float:
        change = value - self._last
        self._last = value
        return change
