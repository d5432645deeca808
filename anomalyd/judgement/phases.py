"""The phases of a run, from its load, and which windows may be judged."""

from __future__ import annotations

import math
from collections.abc import Sequence

from anomalyd.model import Phase

IDLE = 0.15
"""Below this share of the run's usual load so far nothing is judged: the test is not on."""

MOVING = 0.3
"""Log change of load between windows above which windowed rates lag what they measure."""


def may_judge(loads: Sequence[float], window: float, smear: int = 1) -> bool:
    """Whether the latest window's load lets signals be compared: known, not idle, not jumping over
    the windows that its values are spread over."""
    load = loads[-1]
    if not math.isfinite(load) or load <= 0 or load < IDLE * _usual(loads):
        return False
    before = loads[-1 - smear : -1] or [load]
    if not all(math.isfinite(one) and one > 0 for one in before):
        return False
    return all(abs(math.log(load / one)) <= _moves(load, window) for one in before)


def idle(loads: Sequence[float]) -> bool:
    """Whether the latest load is known to be next to nothing."""
    return math.isfinite(loads[-1]) and (loads[-1] <= 0 or loads[-1] < IDLE * _usual(loads))


def phases(
    times: Sequence[float], loads: Sequence[float], window: float, warmup_until: float
) -> tuple[Phase, ...]:
    """Phases in order, adjoining, each at least one window long.

    cold-start until `warmup_until`; idle (load unknown or under 15% of the usual), ramp (load
    rising or falling faster than it can be judged), spike (1.5 times the median or more), drain
    (what falls or idles at the end), else steady.
    """
    found: list[Phase] = []
    usual = sorted(load for load in loads if math.isfinite(load) and load > 0)
    median = usual[len(usual) // 2] if usual else math.nan
    kinds = [_kind(loads[: i + 1], median, window) for i in range(len(times))]
    ends = _drains_from(loads, kinds)
    for i, (time, kind) in enumerate(zip(times, kinds, strict=True)):
        if time - window < warmup_until:
            kind = "cold-start"
        elif i >= ends:
            kind = "drain"
        if found and found[-1].kind == kind:
            found[-1] = Phase(kind, found[-1].start, time)
        else:
            found.append(Phase(kind, found[-1].end if found else time - window, time))
    return tuple(found)


def _drains_from(loads: Sequence[float], kinds: Sequence[str]) -> int:
    """The window from which load only falls or idles to the end; there is something before it."""
    at = len(kinds)
    while at > 0 and kinds[at - 1] in ("ramp", "idle"):
        if kinds[at - 1] == "ramp" and not (at > 1 and loads[at - 1] < loads[at - 2]):
            break
        at -= 1
    return at if at > 0 else len(kinds)


def _kind(loads: Sequence[float], median: float, window: float) -> str:
    load = loads[-1]
    if not math.isfinite(load) or load < IDLE * _usual(loads):
        return "idle"
    if not may_judge(loads, window):
        return "ramp"
    return "spike" if load >= 1.5 * median else "steady"


def _usual(loads: Sequence[float]) -> float:
    """The median load while there was any: a spike does not make the rest of a run idle."""
    known = sorted(load for load in loads if math.isfinite(load) and load > 0)
    return known[len(known) // 2] if known else 0.0


def _moves(load: float, window: float) -> float:
    """MOVING, or four standard errors of a Poisson count where few requests make a window."""
    return max(MOVING, 4 / math.sqrt(max(load * window, 1.0)))
