"""The load that signals are looked up at: without the jitter of a window's own count."""

from __future__ import annotations

import math
from collections.abc import Sequence

LOOK_BACK = 3
"""Windows before the latest that its load may be averaged with."""


def steady(loads: Sequence[float], requests: float) -> float:
    """The latest of `loads` averaged with those before it, `LOOK_BACK` at most, that are the same
    but for chance; requests: how many make a load of 1 in one window.

    What is looked up at a load that jitters would jitter with it, and a slope in it be learned
    from the jitter. NaN, 0 and less are handed on as they are.
    """
    load = loads[-1]
    if not load > 0:
        return load
    alike = 3 * math.sqrt(2 / max(load * requests, 1.0))
    same = [load]
    for before in reversed(loads[-1 - LOOK_BACK : -1]):
        if not before > 0 or abs(math.log(before / load)) > alike:
            break
        same.append(before)
    return sum(same) / len(same)
