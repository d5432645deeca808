"""Times at shared processors, simulated request by request.

Every request runs on at most one processor; those that are there at once share what there is. No
formula of `anomalyd.explain` is used here.
"""

from __future__ import annotations

import heapq
from functools import cache

import numpy as np

from anomalyd.model import Floats

REQUESTS = 8000
WARM = 500
WORKS = ("exponential", "gamma", "lognormal")
"""How much CPU requests need, as a multiple of their mean."""


@cache
def sojourns(work: str, cores: float, busy: float) -> Floats:
    """Seconds at the processors of requests that need 1 s of CPU on average, sorted.

    busy: share of `cores` in use, in steps of 0.05 up to 0.95.
    """
    rng = np.random.default_rng([WORKS.index(work), round(100 * cores), round(100 * busy)])
    needs = _needs(work, rng)
    arrivals = np.cumsum(rng.exponential(1 / (busy * cores), REQUESTS))
    return np.sort(_shared(arrivals, needs, cores)[WARM:])


def _needs(work: str, rng: np.random.Generator) -> Floats:
    if work == "exponential":
        return rng.exponential(1.0, REQUESTS)
    if work == "gamma":
        return rng.gamma(4.0, 0.25, REQUESTS)
    return rng.lognormal(-0.5 * 0.5**2, 0.5, REQUESTS)


def _shared(arrivals: Floats, needs: Floats, cores: float) -> Floats:
    """By virtual time, which passes for all at the speed that each has: a request leaves when as
    much of it has passed as the request needs."""
    leaving: list[tuple[float, int]] = []
    now = virtual = 0.0
    done = np.zeros(len(arrivals))
    for request in range(len(arrivals)):
        at = arrivals[request]
        while leaving:
            speed = min(1.0, cores / len(leaving))
            due = now + (leaving[0][0] - virtual) / speed
            if due > at:
                virtual += (at - now) * speed
                break
            virtual, leaver = heapq.heappop(leaving)
            now = due
            done[leaver] = now
        now = at
        heapq.heappush(leaving, (virtual + needs[request], request))
    while leaving:
        speed = min(1.0, cores / len(leaving))
        now += (leaving[0][0] - virtual) / speed
        virtual, leaver = heapq.heappop(leaving)
        done[leaver] = now
    return done - arrivals


def drawn(rng: np.random.Generator, count: int, work: str, cores: float, busy: float) -> Floats:
    """That many of `sojourns`, between the two nearest shares in use."""
    busy = min(max(busy, 0.05), 0.95)
    low = int(busy * 20) / 20
    share = (busy - low) * 20
    below, above = (sojourns(work, cores, round(min(one, 0.95), 2)) for one in (low, low + 0.05))
    at = rng.integers(0, len(below), count)
    return below[at] * (1 - share) + above[at] * share
