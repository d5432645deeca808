"""What production does at this load: read off the profiles once per window, numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.lines import GoesOn, Lines
from anomalyd.baseline.profile import LOAD_BINS, QUANTILES, Baseline, Single
from anomalyd.baseline.rates import MOST_BURST, pooled_rates, upper_rate
from anomalyd.baseline.seasons import HourTable, Recurring
from anomalyd.model import Floats, Rows

BAND = (0.05, 0.95)
STRETCH = 1.1
"""Load beyond what production saw by more than this factor is extrapolation, and marked so."""

AHEAD = 0.25
"""Log load over which steepness is taken: a queue's is felt before its load is reached."""

USUAL = 0.95
"""A series is usually there if it was in this share of production's windows."""


@dataclass(frozen=True, slots=True)
class Expected:
    """At one load, float64[n] each. center, low, high: the median and the band that holds nine of
    ten of production's windows, in the unit of the values. location: the centre in the residual's
    scale; steepness: by how much that rises when load does, per unit of log load. extrapolated:
    bool[n], the load is beyond what production, or this series, saw. season: by how much the
    location is above what production does besides, in the residual's scale: at other hours or,
    where the hour adds nothing, while what recurs in it is under way, which the band holds too."""

    center: Floats
    low: Floats
    high: Floats
    location: Floats
    steepness: Floats
    extrapolated: NDArray[np.bool_]
    season: Floats


class Lookup:
    """Centres and bands of all profiles, decoded once: 96 bytes per series.

    Between bin centres everything is linear in log load. Beyond the outer centres the centre goes
    on with the slope of the outer two bins (never falling where the fit made it rise), the band
    keeps its width. Without a load, or without profiles conditioned on one, it is the mean over
    bins by support.
    """

    def __init__(self, baseline: Baseline, *, stretch: float = STRETCH) -> None:
        self.baseline = baseline
        p = baseline.profiles
        self._profiles = p
        self._rows = {key: row for row, key in enumerate(p.keys)}
        self._logarithmic = p.logarithmic
        n = len(p.keys)
        self._floor = p.floor if len(p.floor) == n else np.zeros(n, np.float32)
        shape = (LOAD_BINS, n)
        self._rate = p.rate if p.rate.shape == shape else np.full(shape, np.nan, np.float32)
        self._events = p.events if p.events.shape == shape else np.zeros(shape, np.float32)
        self._spread = (
            p.spread.astype(np.float32) if p.spread.shape == shape else np.ones(shape, np.float32)
        )
        base = np.where(p.logarithmic, np.log(np.where(p.logarithmic, p.median, 1.0)), p.median)
        decoded = [self._decode(level, base) for level in (BAND[0], 0.50, BAND[1])]
        self._below, self._centre, self._above = (
            decoded[0] - decoded[1],
            decoded[1],
            decoded[2] - decoded[1],
        )
        scale = p.scale[: p.hours.shape[1]]
        self._hours = HourTable(p.hours.astype(np.float32) * scale)
        self._recurs = Recurring(p.recurs.astype(np.float32) * p.scale[: p.recurs.shape[1]])
        self.burst = p.burst if len(p.burst) == n else np.full(n, MOST_BURST, np.float32)
        self._lines = Lines(p.load_bins, self._centre, p.logarithmic)
        self._least = np.where(decoded[0].min(axis=0, initial=np.inf) >= 0, 0.0, -np.inf)
        self._pool = self._pooling(p.support)
        seen = p.support > 0
        self._first = np.where(seen.any(axis=0), seen.argmax(axis=0), 0)
        last = LOAD_BINS - 1 - seen[::-1].argmax(axis=0)
        self._last = np.where(seen.any(axis=0), last, LOAD_BINS - 1)
        self.conditioned = bool(baseline.meta.get("conditioned", True))
        self._range = self._seen_range(baseline, stretch)

    @property
    def most_load(self) -> float:
        """The largest load per unit of capacity that production was seen at; inf if unknown."""
        known = self.baseline.meta.get("load_range")
        return float(known[1]) if known is not None else math.inf

    def match(self, keys: Sequence[str]) -> Rows:
        """Row of the profile of each key, -1 where production has no such series: intp[n]."""
        found = [self._rows.get(key, -1) for key in keys]
        return np.array(found, dtype=np.intp)

    def at(
        self,
        load: float,
        rows: Rows,
        time: float = math.nan,
        beyond: Sequence[GoesOn] | Rows | None = None,
    ) -> Expected:
        """What production does at `load` (1/s per unit of capacity; NaN: not known) and at `time`
        (unix seconds; NaN: at any hour); rows >= 0. beyond: how each of them goes on beyond the
        outer centres, `GoesOn.AS_THERE` if not given."""
        if not self.conditioned or not (math.isfinite(load) and load > 0):
            pool = self._pool[:, rows]
            centre = (pool * self._centre[:, rows]).sum(axis=0)
            below = (pool * self._below[:, rows]).sum(axis=0)
            above = (pool * self._above[:, rows]).sum(axis=0)
            unknown = np.full(len(rows), self.conditioned or self._outside(load))
            flat = np.zeros(len(rows), dtype=np.float32)
            return self._expected(rows, centre, below, above, flat, unknown, time)
        left, share = self._place(load)
        inside = np.float32(min(max(share, 0.0), 1.0))
        centre = _between(self._centre, left, np.float32(share), rows)
        if beyond is not None and not 0.0 <= share <= 1.0:
            edge = math.exp(float(self._profiles.load_bins[left + int(inside)]))
            at_edge = _between(self._centre, left, inside, rows)
            linear = at_edge + self._lines.further(rows, beyond, edge, load)
            centre = np.where(np.isfinite(linear), linear, centre)
        below = _between(self._below, left, inside, rows)
        above = _between(self._above, left, inside, rows)
        further = _between(self._centre, *self._place(load * math.exp(AHEAD)), rows)
        steepness = (further - centre) / np.float32(AHEAD)
        unseen = (left + 1 < self._first[rows]) | (left > self._last[rows])
        unknown = unseen | self._outside(load)
        return self._expected(rows, centre, below, above, steepness, unknown, time)

    def transform(self, values: Floats, rows: Rows) -> Floats:
        """Values in the residual's scale: log (not below the floor) where the profile is, NaN and
        infinities as NaN."""
        values = np.asarray(values, dtype=np.float64)
        log = self._logarithmic[rows]
        safe = np.where(log, np.maximum(values, np.maximum(self._floor[rows], 1e-30)), 1.0)
        y = np.where(log, np.log(safe), values)
        return np.where(np.isfinite(values), y, np.nan)

    def residual(self, values: Floats, expected: Expected, rows: Rows) -> Floats:
        """float64[n]: positive is above production's centre; NaN where the value is."""
        return np.asarray(self.transform(values, rows) - expected.location)

    def value(self, location: Floats, rows: Rows) -> Floats:
        """From the residual's scale back to the unit of the values."""
        log = self._logarithmic[rows]
        return np.where(log, np.exp(np.where(log, location, 0.0)), location)

    def shifted(self, values: Floats, shift: Floats, rows: Rows) -> Floats:
        """Values in their unit moved by `shift` in the residual's scale."""
        log = self._logarithmic[rows]
        return np.where(log, values * np.exp(np.where(log, shift, 0.0)), values + shift)

    def noise(self, load: float, rows: Rows) -> Floats:
        """Scale of one-step innovations at this load: float64[n]; that of the noisiest bin where
        the load is not known, and that of the outer bin beyond what was seen."""
        scale = self._profiles.noise[rows].astype(np.float64)
        if not self.conditioned or not (math.isfinite(load) and load > 0):
            return scale
        left, share = self._place(load)
        inside = np.float32(min(max(share, 0.0), 1.0))
        return np.asarray(scale * _between(self._spread, left, inside, rows))

    def ratio(self, rows: Rows, load: float = math.nan) -> Floats:
        """Upper 95% bound of production's rate of ratios of counts, at a load or over all of it:
        float64[n], NaN for other signals. None bad of m gives about 2.7 / (m + 2.7), never 0."""
        return self.rates(load, rows)[1]

    def rates(self, load: float, rows: Rows) -> tuple[Floats, Floats]:
        """(rate, its upper 95% bound) of ratios of counts at this load; NaN for other signals."""
        if not self.conditioned or not (math.isfinite(load) and load > 0):
            chosen = (
                self._rate[:, rows].astype(np.float64),
                self._events[:, rows].astype(np.float64),
            )
            rate, events = pooled_rates(*chosen)
        else:
            left, share = self._place(load)
            inside = np.float32(min(max(share, 0.0), 1.0))
            rate = _between(self._rate, left, inside, rows).astype(np.float64)
            events = _between(self._events, left, inside, rows).astype(np.float64)
        return rate, upper_rate(rate, events)

    def expected_present(self, rows: Rows) -> tuple[NDArray[np.bool_], Floats]:
        """(usually there: bool[n], longest gap in production in windows: float64[n])."""
        usual = self._profiles.present[rows] >= USUAL
        return usual, self._profiles.longest_gap[rows].astype(np.float64)

    def _decode(self, level: float, base: NDArray[np.floating]) -> Single:
        p = self._profiles
        stored = p.quantiles[QUANTILES.index(level)].astype(np.float32)
        return np.asarray(stored * p.scale + base, dtype=np.float32)

    def _pooling(self, support: Single) -> Single:
        total = support.sum(axis=0)
        even = np.full_like(support, 1.0 / LOAD_BINS)
        return np.where(total > 0, support / np.where(total > 0, total, 1.0), even)

    def _seen_range(self, baseline: Baseline, stretch: float) -> tuple[float, float]:
        known = baseline.meta.get("load_range")
        if known is None:
            if not self.conditioned:
                return 0.0, math.inf
            known = np.exp(baseline.profiles.load_bins[[0, -1]])
        return float(known[0]) / stretch, float(known[1]) * stretch

    def _outside(self, load: float) -> bool:
        return math.isfinite(load) and not self._range[0] <= load <= self._range[1]

    def _place(self, load: float) -> tuple[int, float]:
        bins, x = self._profiles.load_bins, math.log(load)
        left = min(max(int(np.searchsorted(bins, x)) - 1, 0), LOAD_BINS - 2)
        return left, float((x - bins[left]) / (bins[left + 1] - bins[left]))

    def _expected(
        self,
        rows: Rows,
        centre: Single,
        below: Single,
        above: Single,
        steepness: Single,
        extrapolated: NDArray[np.bool_],
        time: float,
    ) -> Expected:
        log, least = self._logarithmic[rows], self._least[rows]
        season = self._hours.at(time, rows)
        recurs = np.where(season == 0, self._recurs.at(time, rows), 0.0).astype(np.float32)
        middle: Single = np.asarray(centre + season, dtype=np.float32)

        def unit(location: Single) -> Floats:
            power = np.exp(np.where(log, location, np.float32(0.0)))
            return np.where(log, power, np.maximum(location, least)).astype(np.float64)

        location = middle.astype(np.float64)
        return Expected(
            unit(middle),
            unit(middle + below + np.minimum(recurs, 0.0)),
            unit(middle + above + np.maximum(recurs, 0.0)),
            location,
            steepness.astype(np.float64),
            extrapolated,
            season - recurs,
        )


def _between(curves: Single, left: int, share: float | np.float32, rows: Rows) -> Single:
    low = curves[left][rows]
    return np.asarray(low + np.float32(share) * (curves[left + 1][rows] - low))
