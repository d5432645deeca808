"""The value itself: larger or smaller than ever?"""

from __future__ import annotations

from typing import ClassVar


class Level:
    """The value as it is. Its records are what people see first on a plot."""

    name: ClassVar[str] = "level"

    def follow(self, time: float, value: float) -> float:
        return value
