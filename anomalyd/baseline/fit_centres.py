"""The centre of every series along the load, without incidents and without what hours add."""

from __future__ import annotations

import numpy as np

from anomalyd.baseline import noise as scatter
from anomalyd.baseline.curves import LoadAxis, along, centre_curves
from anomalyd.baseline.fit_recurring import recurring
from anomalyd.baseline.fit_seasons import Days, hour_table
from anomalyd.baseline.seasons import HOURS, SLOTS, HourTable
from anomalyd.model import Floats, Kind

RISING = frozenset({Kind.LATENCY, Kind.SATURATION, Kind.TRAFFIC})

ROUNDS = 2
"""In which the curve over the load and the table of hours are fitted by turns."""


def trimmed_fit(
    y: Floats, axis: LoadAxis, days: Days | None, kind: Kind, floor: Floats, size: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Centres float64[s, b], residuals float64[s, t] with NaN in incidents, what hours add,
    float64[SLOTS, s], and what recurs in them, float64[HOURS, s]; 0 where `days` is None. Centres
    are fitted twice. size: see `hour_table`."""
    curves = centre_curves(y, axis, rising=kind in RISING)
    hours = np.zeros((SLOTS, len(y)))
    if days is not None and days.usable:
        y, curves, hours = _seasons(y, curves, axis, days, kind, size)
    trimmed = scatter.incidents(y - along(curves, axis), floor)
    hit = trimmed.any(axis=1)
    whole, y = y, np.where(trimmed, np.nan, y)
    if hit.any():
        curves[hit] = centre_curves(y[hit], axis, rising=kind in RISING)
    level, recurs = along(curves, axis), np.zeros((HOURS, len(y)))
    if days is not None:
        recurs = recurring(trimmed, whole - level, days)
    return curves, y - level, hours, recurs


def _seasons(
    y: Floats, curves: Floats, axis: LoadAxis, days: Days, kind: Kind, size: Floats
) -> tuple[Floats, Floats, Floats]:
    """(y without what hours add, its centres, what they add), by turns: where the load goes with
    the hour, the first centre has taken a part of what is the hour's."""
    hours = hour_table(y - along(curves, axis), days, size, draft=True)
    hit = np.flatnonzero(hours.any(axis=0))
    if not hit.size:
        return y, curves, hours
    y, curves = y.copy(), curves.copy()
    raw = y[hit]
    for left in reversed(range(ROUNDS)):
        y[hit] = raw - HourTable(hours[:, hit]).at_times(days.times)
        curves[hit] = centre_curves(y[hit], axis, rising=kind in RISING)
        without = raw - along(curves[hit], axis)
        hours[:, hit] = hour_table(without, days, size[hit], draft=left > 0)
    y[hit] = raw - HourTable(hours[:, hit]).at_times(days.times)
    return y, curves, hours
