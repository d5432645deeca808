"""Two-sided intervals of a binomial share: k of n, each trial independent of the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

STEPS = 60
"""Halvings: to the last digits of a float."""


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval: it holds the true share at least so often (Clopper and Pearson, "The use
    of confidence or fiducial limits illustrated in the case of the binomial", 1934)."""
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else _root(lambda share: _at_most(n - k, n, 1 - share) - tail)
    high = 1.0 if k == n else _root(lambda share: tail - _at_most(k, n, share))
    return low, high


def wilson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (Wilson, "Probable inference", 1927), its mean coverage nominal."""
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _at_most(k: int, n: int, share: float) -> float:
    """The chance of k or fewer of n."""
    return math.fsum(math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(k + 1))


def _root(rising: Callable[[float], float]) -> float:
    """Where a function that rises over [0, 1] crosses 0."""
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
