"""Which series go with the hour besides the load, and by how much: robust STL, checked on days that
it has not seen."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.curves import row_medians, sorted_quantiles
from anomalyd.baseline.noise import MAD
from anomalyd.baseline.seasons import CLOCK, DAY, HOURS, SLOTS, WEEK, slots
from anomalyd.model import Floats, Rows

QUARTER = 900.0
PER_HOUR, PER_DAY = 4, 96

LEAST_DAYS = 5
"""Days of history; with fewer an hour is not told from an incident."""

LEAST_WEEKS = 3
"""For a table of weekends of its own."""

LEAST_SEEN = 3
"""Days on which an hour must have been seen to have a factor."""

FOLDS = 7

GAIN = 0.05
"""Share by which the absolute error of days left out must become less."""

SURE = 3.0
"""Standard errors, over days, that this must be above 0."""

LEAST = 0.02
"""Log ratio (share of the median, where a profile is linear) not worth telling an hour for."""

MOST = 2.5
"""Log ratio beyond which it is no season but another service."""

Hit = NDArray[np.bool_]


class Days:
    """Residuals of s series brought to quarters of an hour, in whole days of UTC.

    usable: there is history enough, fine enough, by a clock; without it, nothing else is there.
    times: float64[t], unix seconds. weekend: bool[d].
    """

    def __init__(self, start: float, step: float, size: int) -> None:
        self.usable = start >= CLOCK and step <= QUARTER and size * step >= LEAST_DAYS * DAY
        if not self.usable:
            return
        self.times: Floats = start + step * np.arange(size, dtype=np.float64)
        first = np.floor(start / DAY)
        quarter = np.floor(self.times / QUARTER - first * PER_DAY).astype(np.intp)
        self.days = int(quarter[-1]) // PER_DAY + 1
        begins = np.searchsorted(quarter, np.arange(self.days * PER_DAY + 1))
        width = int(np.diff(begins).max())
        self._groups = begins[:-1, np.newaxis] + np.arange(width)
        self._groups[self._groups >= begins[1:, np.newaxis]] = size
        noon = DAY * (first + 0.5 + np.arange(self.days))
        self.weekend = slots(noon) >= HOURS

    @property
    def weekly(self) -> bool:
        return self.days >= LEAST_WEEKS * WEEK / DAY

    def of(self, residual: Floats) -> Floats:
        """float64[s, d, 96] of float64[s, t]: medians of quarters, NaN where nothing was seen."""
        padded = np.concatenate([residual, np.full((len(residual), 1), np.nan)], axis=1)
        grouped = np.sort(padded[:, self._groups], axis=-1)
        return sorted_quantiles(grouped, (0.5,))[0].reshape(len(residual), self.days, PER_DAY)


def hour_table(residual: Floats, days: Days, size: Floats, *, draft: bool = False) -> Floats:
    """What each hour adds: float64[SLOTS, s] of residuals float64[s, t]; 0 where history does not
    show that it does.

    size: float64[s], what 100% is in the residual's scale. A series has a table if medians by hour
    foretell days left out better than none, in seven folds. The table is the seasonal part of STL
    (Cleveland et al. 1990, robust, nearly periodic; MSTL with a week as well from three weeks on),
    each hour of it drawn to 0 by how it scatters over days; of a `draft`, the medians themselves.
    """
    table = np.zeros((SLOTS, len(residual)))
    if not days.usable or not len(residual):
        return table
    quarters = days.of(residual)
    hours = _medians(quarters.reshape(len(residual), days.days, HOURS, PER_HOUR))
    daily = hours - _medians(hours)[..., np.newaxis]
    kinds = np.zeros(days.days, dtype=np.intp)
    plain, loss = _foretold(daily, kinds)
    chosen = _better(np.abs(daily), loss)
    weekly = np.zeros(len(residual), dtype=bool)
    if days.weekly:
        level = _weeks_level(_medians(hours))
        about = hours - level[..., np.newaxis]
        by_kind = _foretold(about, days.weekend.astype(np.intp))[1]
        weekly = _better(np.abs(about), by_kind) & _better(_foretold(about, kinds)[1], by_kind)
        daily[weekly] = about[weekly]
    for row in np.flatnonzero(chosen | weekly):
        by_hour, both = daily[row], bool(weekly[row])
        if not draft:
            by_hour = _seasonal(quarters[row], plain[:, row], both)
        table[:, row] = _of_hours(by_hour, daily[row], days, both)
    small = np.abs(table) < LEAST * size
    return np.where(small, 0.0, np.clip(table, -MOST * size, MOST * size))


def _medians(values: Floats) -> Floats:
    """Along the last axis, NaN left out; NaN where there is none."""
    flat = values.reshape(-1, values.shape[-1])
    return row_medians(flat).reshape(values.shape[:-1])


def _weeks_level(daily: Floats) -> Floats:
    """Median of the seven days about each: float64[s, d]; a deploy is a step of it, and a weekend
    is below or above it."""
    padded = np.pad(daily, ((0, 0), (3, 3)), constant_values=np.nan)
    return _medians(np.lib.stride_tricks.sliding_window_view(padded, 7, axis=1))


def _foretold(hours: Floats, kinds: Rows) -> tuple[Floats, Floats]:
    """(medians by kind of day and hour float64[24, s] of kind 0, absolute error of each day and
    hour by those of the other folds float64[s, d, 24])."""
    s, d, _ = hours.shape
    error = np.full(hours.shape, np.nan)
    folds = np.arange(d) * min(FOLDS, d) // d if d < FOLDS else np.arange(d) % FOLDS
    for kind in np.unique(kinds):
        for fold in np.unique(folds):
            out = np.flatnonzero((kinds == kind) & (folds == fold))
            rest = np.flatnonzero((kinds == kind) & (folds != fold))
            if out.size:
                known = hours[:, rest].transpose(0, 2, 1)
                usual = np.nan_to_num(_medians(known)) if rest.size else np.zeros((s, HOURS))
                error[:, out] = np.abs(hours[:, out] - usual[:, np.newaxis])
    whole = _medians(hours[:, kinds == 0].transpose(0, 2, 1))
    return np.nan_to_num(whole).T, error


def _better(before: Floats, after: Floats) -> Hit:
    """bool[s]: whether errors float64[s, d, 24] became less, by enough and surely."""
    was, now = (np.nansum(each, axis=2) for each in (before, after))
    seen = was > 0
    gain = np.where(seen, was - now, np.nan)
    n = np.maximum(seen.sum(axis=1), 2)
    mean = np.nansum(gain, axis=1) / n
    off = np.where(seen, gain - mean[:, np.newaxis], 0.0)
    error = np.sqrt((off**2).sum(axis=1) / (n - 1) / n)
    enough = mean * n > GAIN * was.sum(axis=1)
    return np.asarray(enough & (mean > SURE * error) & (n >= LEAST_DAYS))


def _seasonal(quarters: Floats, usual: Floats, weekly: bool) -> Floats:
    """The seasonal part of one series by hour: float64[d, 24] of float64[d, 96]; gaps are filled
    with its median by hour about the level of the day. usual: float64[24]."""
    from statsmodels.tsa.seasonal import MSTL, STL

    filled = _filled(quarters, usual).ravel()
    days = len(quarters)
    smooth = {"seasonal_deg": 0, "trend_jump": 24, "low_pass_jump": 24, "robust": True}
    steps = {"inner_iter": 1, "outer_iter": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        if weekly:
            options = {**smooth, **steps, "seasonal_jump": days}
            found = MSTL(filled, periods=(PER_DAY, 7 * PER_DAY), windows=(35, 35), iterate=1,
                         stl_kwargs=options).fit().seasonal.sum(axis=1)  # fmt: skip
        else:
            stl = STL(filled, period=PER_DAY, seasonal=35, seasonal_jump=days, **smooth)
            found = stl.fit(**steps).seasonal
    found = np.nan_to_num(np.asarray(found, dtype=np.float64))
    return np.asarray(found.reshape(days, HOURS, PER_HOUR).mean(axis=2))


def _filled(quarters: Floats, usual: Floats) -> Floats:
    known = np.isfinite(quarters)
    slot = np.repeat(usual, PER_HOUR)
    level = row_medians(quarters - slot)
    at = np.flatnonzero(np.isfinite(level))
    level = np.interp(np.arange(len(level)), at, level[at])
    return np.where(known, quarters, slot + level[:, np.newaxis])


def _of_hours(by_hour: Floats, hours: Floats, days: Days, weekly: bool) -> Floats:
    """float64[SLOTS]: medians over days of float64[d, 24], about that over time, drawn to 0 by how
    uncertain `hours`, float64[d, 24], leave them."""
    table, middle = np.zeros(SLOTS), np.nanmedian(by_hour)
    for kind in (False, True):
        at = days.weekend == kind if weekly else np.ones(days.days, dtype=bool)
        usual = np.nan_to_num(row_medians(by_hour[at].T) - middle)
        own = hours[at].T
        n = np.isfinite(own).sum(axis=1)
        scatter = MAD * row_medians(np.abs(own - row_medians(own)[:, np.newaxis]))
        variance = 1.57 * np.nan_to_num(scatter) ** 2 / np.maximum(n, 1)
        kept = np.maximum(1 - variance / np.maximum(usual**2, 1e-300), 0.0) * n / (n + 1)
        table[HOURS * kind : HOURS * (kind + 1)] = np.where(n >= LEAST_SEEN, usual * kept, 0.0)
    return table
