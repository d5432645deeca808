"""Chances: of causes that have nothing to do with one another, and of what was not seen."""

from __future__ import annotations

import math
from collections.abc import Iterable

from anomalyd.model import RiskTerm

ASSUMED = 0.25
"""The value of a term of which nothing could be seen."""


def any_of(chances: Iterable[float]) -> float:
    """Of independent causes, that at least one is there."""
    return 1 - math.prod(1 - chance for chance in chances)


def unknown(name: str, weight: float, reason: str, mend: str) -> RiskTerm:
    """A term of which nothing could be seen: missing data is never for a release."""
    return RiskTerm(name, ASSUMED, weight, reason, False, mend)
