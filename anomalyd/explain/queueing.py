"""How long a request is at a service's processors, and what that does to a tail of latencies."""

from __future__ import annotations

import math
from dataclasses import dataclass

BUSIEST = 0.92
"""Of its capacity: what is said of a service that is busier is said as if it were so busy."""

UNSURE = 0.08
"""Share by which the use of processors may be more or less than is said."""

TAIL = (1.5, 3.6)
"""By how much more than the mean the 95th percentile may move. At one shared processor it is 2.4 to
3.8 means in simulations (bench/drift), and moves less where other waits are spread as much."""


@dataclass(frozen=True, slots=True)
class Processors:
    """What a service may use: `pods` of them, each up to `cores` processors."""

    cores: float
    pods: float

    @property
    def all(self) -> float:
        return self.cores * self.pods


def residence(work: float, used: float, processors: Processors) -> float:
    """Mean seconds at the processors of a request that needs `work` seconds of one.

    used: processors in use at this load, in all pods. Below one core a request is slowed by the
    limit itself; beyond it one runs on a processor of its own until all are busy. Waiting is that
    of several servers, by Sakasegawa's approximation ("An approximation formula L_q = αρ^β/(1-ρ)",
    Annals of the Institute of Statistical Mathematics 29, 1977).
    """
    servers, speed = max(1.0, processors.cores), min(1.0, processors.cores)
    busy = min(used / processors.all, BUSIEST)
    waiting = busy ** (math.sqrt(2 * (servers + 1)) - 1) / (servers * (1 - busy))
    return work / speed * (1 + waiting)


def slower_by(
    work: float, used: float, before: Processors, now: Processors
) -> tuple[float, float, float]:
    """Seconds by which a request takes longer at `now` than at `before`: in the mean, and the least
    and most that a quantile of latencies moves. Negative where it is faster."""
    moved = [
        residence(work, used * share, now) - residence(work, used * share, before)
        for share in (1 - UNSURE, 1.0, 1 + UNSURE)
    ]
    least, mean, most = moved
    return mean, min(moved) * TAIL[0], max(least, most) * TAIL[1]
