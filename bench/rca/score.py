"""How often the answer is the first, or among the first three, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NORMAL = 1.959964
"""Of the standard normal distribution's middle 95%."""


@dataclass(frozen=True)
class Answered:
    """What one ranking said of one case. place: of the right answer, from 1; 0: not named."""

    set: str
    name: str
    kind: str
    answer: str
    ranking: tuple[str, ...]
    held_out: bool
    abstained: str = ""

    @property
    def place(self) -> int:
        return self.ranking.index(self.answer) + 1 if self.answer in self.ranking else 0


@dataclass(frozen=True)
class Share:
    """hits of n, with Wilson's 95% interval (Journal of the American Statistical Association 22,
    1927)."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        return self.hits / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        if not self.n:
            return math.nan, math.nan
        z, p, n = NORMAL, self.value, self.n
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(middle - half, 0.0), min(middle + half, 1.0)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.2f} ({low:.2f} to {high:.2f})"

    def as_dict(self) -> dict[str, Any]:
        low, high = self.interval
        return {"value": self.value, "low": low, "high": high, "hits": self.hits, "n": self.n}


def top(answered: Sequence[Answered], most: int) -> Share:
    """Of how many the right answer is among the first `most`."""
    return Share(sum(0 < one.place <= most for one in answered), len(answered))
