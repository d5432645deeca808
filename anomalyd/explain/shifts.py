"""Signal series of a recording before and during an incident, and how far they are off.

Each series is compared with its own normal times, by robust figures: the median, and the larger of
what the median absolute deviation and the far end of normal times say of its spread, as services'
series are heavy-tailed and a series that is always noisy must not stand out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anomalyd.explain.signs import STRONGEST, Sign
from anomalyd.model import Floats, Kind, Worse

FEWEST = 10
"""Normal values without which a series says nothing."""

LEAST = 2.0
"""Nats below which a series is not off."""

FREE = 3.0
"""Spreads that are within the ordinary; each one beyond is a nat, as with tails of Laplace."""

FLOOR = 0.02
"""Of the level: no series is known better than that."""

MOST = 1e3
"""An effect beyond that is told as that: the series was as good as 0."""

TAIL = 0.95
RECENT = 10
"""Values just before the incident that say what was off already."""

PRESENT = 0.9
"""Of normal times in which a series reports, for its silence to mean something."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Series:
    """One signal series. times: float64[n], ascending unix seconds, the end of what each value is
    over; values: float64[n], NaN where missing. rates: float64[n], calls per second that a value
    is the mean of; None where it is not a mean (a quantile, a gauge). peer, own: as of `Sign`."""

    signal: str
    service: str
    kind: Kind
    worse: Worse
    times: Floats
    values: Floats
    rates: Floats | None = None
    peer: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class Spell:
    """An incident: from `since` (exclusive) to `until`, and the normal times [start, end]."""

    since: float
    until: float
    normal: tuple[tuple[float, float], ...]

    def during(self, times: Floats) -> Mask:
        return (times > self.since) & (times <= self.until)

    def ordinary(self, times: Floats) -> Mask:
        inside = np.zeros(len(times), dtype=bool)
        for start, end in self.normal:
            inside |= (times >= start) & (times <= end)
        return inside & ~self.during(times)


def signs(series: Iterable[Series], spell: Spell) -> list[Sign]:
    """What is off during the spell, by service, peer and signal."""
    every = list(series)
    found = [sign for one in every if (sign := _sign(one, spell)) is not None]
    harm = _harm(every, spell)
    found = [
        replace(sign, excess=harm.get((sign.service, sign.kind), math.nan))
        if math.isnan(sign.excess)
        else sign
        for sign in found
    ]
    return sorted(found + _gone(every, spell), key=lambda sign: sign.key)


def _harm(series: Sequence[Series], spell: Spell) -> dict[tuple[str, Kind], float]:
    """By service and kind, what its mean adds, be it significant or not: quantiles have no such
    figure of their own. 0 where only its own part is known and is not off."""
    harm: dict[tuple[str, Kind], float] = {}
    for one in series:
        if one.rates is None or one.peer:
            continue
        known = np.isfinite(one.values)
        ordinary, during = spell.ordinary(one.times) & known, spell.during(one.times) & known
        if ordinary.sum() < FEWEST or not during.any():
            continue
        level = float(np.median(one.values[ordinary]))
        added = float(np.mean((one.values[during] - level) * np.nan_to_num(one.rates[during])))
        at = one.service, one.kind
        harm[at] = max(harm.get(at, 0.0), 0.0 if one.own else added)
    return harm


def _sign(series: Series, spell: Spell) -> Sign | None:
    known = np.isfinite(series.values)
    ordinary, during = spell.ordinary(series.times) & known, spell.during(series.times) & known
    if ordinary.sum() < FEWEST or not during.any():
        return None
    if series.kind is Kind.ERRORS and series.rates is not None:
        return _failures(series, series.rates, spell, ordinary, during)
    directions = {Worse.UP: (1,), Worse.DOWN: (-1,), Worse.BOTH: (1, -1)}[series.worse]
    return max(
        (one for d in directions if (one := _shift(series, spell, ordinary, during, d))),
        key=lambda sign: sign.strength,
        default=None,
    )


def _shift(
    series: Series, spell: Spell, ordinary: Mask, during: Mask, direction: int
) -> Sign | None:
    usual = series.values[ordinary] * direction
    middle = float(np.median(usual))
    spread = max(
        1.4826 * float(np.median(np.abs(usual - middle))),
        (float(np.quantile(usual, TAIL)) - middle) / 1.645,
        FLOOR * abs(middle),
        _chance(series, abs(middle)),
        1e-12,
    )
    before = series.values[ordinary & (series.times <= spell.since)][-RECENT:] * direction
    level = middle + max(0.0, float(np.min(before - middle, initial=np.inf)) if len(before) else 0)
    off = np.sort(series.values[during] * direction - level)[::-1]
    shift = float(np.mean(off[: (len(off) + 1) // 2]))
    strength = min(shift / spread - FREE, STRONGEST)
    if strength < LEAST:
        return None
    excess = math.nan
    if series.rates is not None:
        weights = np.nan_to_num(series.rates[during])
        excess = float(np.mean((series.values[during] * direction - level) * weights))
    effect = direction * min(shift / max(abs(level), spread), MOST)
    since = _onset(series, spell, level * direction, spread, direction)
    return _made(series, since, strength, effect, excess, shift)


def _chance(series: Series, level: float) -> float:
    """What a rate of calls that come at random would scatter by; one call per value at least."""
    if series.kind is not Kind.TRAFFIC:
        return 0.0
    step = _step(series.times)
    return math.sqrt(max(level, 1.0 / step) / step)


def _step(times: Floats) -> float:
    """Seconds between values, 1 if there is but one."""
    steps = np.diff(times)
    return float(np.median(steps[steps > 0])) if np.any(steps > 0) else 1.0


def _failures(
    series: Series, rates: Floats, spell: Spell, ordinary: Mask, during: Mask
) -> Sign | None:
    """Failures are counted: Poisson's likelihood ratio against the rate of normal times, less the
    worst of these, and less what they scatter more than by chance."""
    step = _step(series.times)
    calls = np.nan_to_num(rates) * step
    share = series.values[ordinary]
    kept = share <= np.quantile(share, TAIL)
    bad, total = float(np.sum((share * calls[ordinary])[kept])), float(calls[ordinary][kept].sum())
    usual = (bad + 0.5) / (total + 1.0)
    expected = np.maximum(calls[ordinary][kept] * usual, 1e-9)
    scatter = float(np.mean(((share * calls[ordinary])[kept] - expected) ** 2 / expected))
    seen, asked = float(np.sum((series.values * calls)[during])), float(calls[during].sum())
    if seen <= asked * usual or asked <= 0:
        return None
    surprise = seen * math.log(seen / (asked * usual)) - (seen - asked * usual)
    strength = min(surprise / max(scatter, 1.0), STRONGEST)
    if strength < LEAST:
        return None
    excess = (seen - asked * usual) / (during.sum() * step)
    spread = math.sqrt(usual / max(float(np.mean(calls[during])), 1.0))
    since = _onset(series, spell, usual, spread, 1)
    return _made(series, since, strength, seen / asked - usual, excess, seen / asked - usual)


def _onset(series: Series, spell: Spell, level: float, spread: float, direction: int) -> float:
    """The end of the first value that is off, of those that lead into the incident or are in it."""
    times, values = series.times, series.values
    off = (values - level) * direction > FREE * spread
    first = int(np.searchsorted(times, spell.since, side="right"))
    if first < len(times) and not off[first]:
        inside = np.flatnonzero(off & spell.during(times))
        return float(times[inside[0]]) if len(inside) else spell.until
    return float(times[min(first, len(times) - 1)])


def _made(
    series: Series, since: float, strength: float, effect: float, excess: float, size: float
) -> Sign:
    return Sign(
        service=series.service,
        kind=series.kind,
        signal=series.signal,
        since=since,
        strength=strength,
        effect=effect,
        peer=series.peer,
        size=size,
        excess=excess,
        own=series.own,
        step=_step(series.times),
    )


def _gone(series: Sequence[Series], spell: Spell) -> list[Sign]:
    """Services of which everything that used to report is silent from the start to the end."""
    steady: dict[str, list[bool]] = defaultdict(list)
    for one in series:
        ordinary, during = spell.ordinary(one.times), spell.during(one.times)
        known = np.isfinite(one.values)
        if one.peer or ordinary.sum() < FEWEST or during.sum() < 2:
            continue
        if known[ordinary].mean() >= PRESENT:
            steady[one.service].append(bool(known[during].any()))
    silent = sorted(service for service, alive in steady.items() if not any(alive))
    return [
        Sign(service, Kind.OTHER, "everything", spell.since, STRONGEST, -1.0, gone=True)
        for service in silent
    ]
