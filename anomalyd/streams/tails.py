"""How far is a number beyond its own past, on either side?"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque

HORIZON = 20_000
"""Rows that are remembered: 69 days of 5 minutes, 28 hours of 5 seconds."""

READY = 50
SHARE, FEWEST, MOST = 0.02, 5, 30
"""The tail is the outermost 2% of the past, but at least 5 and at most 30 numbers."""

CAP = 300.0
LEAST_TAIL = 1e-3
"""Of the distance from the median to the tail: what a mean excess is at least."""

TINY = 1e-300
LOG_10 = math.log(10.0)
ROUNDING = 1e-9
"""Numbers closer than this share of the largest one are equal: sums are not exact."""


class Tails:
    """Predictive p-values of a number against the numbers before it, as -log10 p for each side.

    Within the past, p is the conformal rank (k + 1) / (n + 1). Beyond the k-th largest number u,
    where ranks say no more, the excess over u is taken for exponential with the mean of those k
    excesses (peaks over threshold; Pickands 1975, with shape 0): one outlier lengthens the tail
    that the next is measured by, so that a burst soon surprises no longer. With nothing to
    measure excess by, in a constant past, any step out of it is beyond doubt.

    State: the last `HORIZON` numbers, in order of arrival and sorted. O(log n) comparisons per
    number, and one move of memory.
    """

    __slots__ = ("_arrived", "_sorted")

    def __init__(self) -> None:
        self._arrived: deque[float] = deque()
        self._sorted: list[float] = []

    def surprise(self, x: float) -> tuple[float, float]:
        """(-log10 P(X >= x), -log10 P(X <= x)), each in [0, `CAP`]; (0, 0) before `READY`."""
        past = self._sorted
        n = len(past)
        if n < READY:
            return 0.0, 0.0
        blur = ROUNDING * max(abs(past[0]), abs(past[-1]))
        size = min(max(FEWEST, int(SHARE * n)), MOST)
        return _high(past, x - blur, size, blur), _low(past, x + blur, size, blur)

    def learn(self, x: float) -> None:
        """Remember a finite number, and forget the one `HORIZON` rows ago."""
        insort(self._sorted, x)
        self._arrived.append(x)
        if len(self._arrived) > HORIZON:
            del self._sorted[bisect_left(self._sorted, self._arrived.popleft())]


def _high(past: list[float], x: float, size: int, blur: float) -> float:
    n, inner = len(past), past[-size]
    if x <= inner:
        return -math.log10((n - bisect_left(past, x) + 1) / (n + 1))
    excess = math.fsum(past[-size:]) - size * inner
    return _beyond(x - inner, excess / size, inner - past[n // 2], blur, (size + 1) / (n + 1))


def _low(past: list[float], x: float, size: int, blur: float) -> float:
    n, inner = len(past), past[size - 1]
    if x >= inner:
        return -math.log10((bisect_right(past, x) + 1) / (n + 1))
    excess = size * inner - math.fsum(past[:size])
    return _beyond(inner - x, excess / size, past[n // 2] - inner, blur, (size + 1) / (n + 1))


def _beyond(by: float, excess: float, body: float, blur: float, share: float) -> float:
    """-log10 p of a number `by` beyond the `share` of the past that lies outermost."""
    scale = max(excess, LEAST_TAIL * body, blur, TINY)
    return min(by / scale / LOG_10 - math.log10(share), CAP)
