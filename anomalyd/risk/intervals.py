"""Intervals of shares."""

from __future__ import annotations

import math

Z = 1.959963984540054
"""Standard normal quantile of 0.975."""


def wilson(successes: int, of: int) -> tuple[float, float]:
    """95% score interval of a binomial share (Wilson, 1927); 0 to 1 of nothing."""
    if not of:
        return 0.0, 1.0
    share, square = successes / of, Z**2 / of
    centre = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / of + square / (4 * of)) / (1 + square)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
