"""Excursions that come back by the clock: no part of what is usual, and yet to be expected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.curves import row_medians
from anomalyd.baseline.fit_seasons import PER_HOUR, Days
from anomalyd.baseline.seasons import HOURS
from anomalyd.model import Floats

MOST_DAYS = 0.6
LEAST_EVENTS = 4
"""Share and number of days on which an hour saw the excursion that comes back by the day."""

EVENTS, REGULAR = 8, 0.5
"""Number of excursions that come back by another period, and autocorrelation of when they are."""

ALIKE = 0.5
"""Of the typical size that an excursion must have to be one of them."""

FULL = 0.9
"""Quantile of the quarters of excursions, some of which are filled in part, that is their size."""

LONGEST = 26 * PER_HOUR
"""Quarters of an hour of the longest period that is looked for."""


def recurring(trimmed: NDArray[np.bool_], away: Floats, days: Days) -> Floats:
    """How far beyond the centre what comes back in each hour of the day goes: float64[HOURS, s], 0
    where nothing does.

    trimmed: bool[s, t], excursions left out of the profile; away: float64[s, t], residuals with
    them. By the day: an excursion of like size and the same sign in the same hour of most days. By
    any other period up to 26 hours: the autocorrelation (statsmodels' acf) of when excursions are
    has a peak; what comes back so may come in any hour.
    """
    table = np.zeros((HOURS, len(away)))
    hit = np.flatnonzero(trimmed.any(axis=1))
    if not days.usable or not hit.size:
        return table
    quarters = days.of(np.where(trimmed[hit], away[hit], np.nan))
    for row, found in zip(hit, quarters, strict=True):
        table[:, row] = _by_the_day(found)
        if not table[:, row].any():
            table[:, row] = _by_a_period(found.ravel())
    return table


def _by_the_day(quarters: Floats) -> Floats:
    """float64[HOURS] of float64[d, 96], NaN where there is no excursion."""
    farthest = _farthest(quarters.reshape(len(quarters), HOURS, PER_HOUR))
    usual = row_medians(farthest.T)
    alike = (farthest * np.sign(usual)) >= ALIKE * np.abs(usual)
    events = alike.sum(axis=0)
    back = (events >= LEAST_EVENTS) & (events >= MOST_DAYS * len(quarters))
    size = np.where(back, usual, 0.0)
    return np.where(np.abs(size) >= ALIKE * np.abs(size).max(), size, 0.0)


def _farthest(quarters: Floats) -> Floats:
    """Of each hour the value farthest from 0, NaN where there is none."""
    known = np.isfinite(quarters)
    at = np.where(known, np.abs(quarters), -1.0).argmax(axis=-1)
    return np.take_along_axis(quarters, at[..., np.newaxis], -1)[..., 0]


def _by_a_period(quarters: Floats) -> Floats:
    known = quarters[np.isfinite(quarters)]
    if not known.size:
        return np.zeros(HOURS)
    sign = np.sign(known.sum())
    size = sign * float(np.quantile(known * sign, FULL))
    there = np.nan_to_num(quarters * sign) >= max(ALIKE * abs(size), 1e-12)
    events = int((np.diff(there.astype(np.int8), prepend=0) > 0).sum())
    if events < EVENTS or len(there) <= 2 * LONGEST:
        return np.zeros(HOURS)
    from statsmodels.tsa.stattools import acf

    regular = acf(there.astype(np.float64), nlags=LONGEST, fft=True)[PER_HOUR:].max()
    return np.full(HOURS, size if regular >= REGULAR else 0.0)
