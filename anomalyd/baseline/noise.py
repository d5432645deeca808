"""How a good window scatters about its centre: incidents trimmed, scale, sampling, coarseness."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.curves import sorted_quantiles
from anomalyd.model import Floats

MAD = 1.4826
INCIDENT = 4.0
"""A stretch whose median is this many robust sds off is an incident or a deploy, not noise."""

LEAST_EXCURSION = 1.5
"""And at least this many robust sds of single windows."""

MOST_TRIMMED = 0.25
SAMPLE = 2048
TAIL_SAMPLE = 6000

BODY = ((0.75, 0.7407), (0.875, 1.3444), (0.95, 2.1318), (0.975, 2.7764), (0.9875, 3.4954))
TAIL = ((0.995, 4.6041), (0.999, 7.1732))
"""One-sided levels and quantiles there of Student's t with 4 degrees of freedom."""

TAIL_ROOM = 1.5
"""The far tail may widen the scale by at most this: a few short incidents must not own it."""

BEYOND = 5
"""A level counts only if so many values are expected beyond it."""


def spread(residual: Floats) -> Floats:
    """Robust sd of each row about its median: float64[s] of float64[s, t], NaN left out."""
    sample = thinned(residual)
    centre = sorted_quantiles(np.sort(sample, axis=-1), (0.5,))[0]
    away = np.sort(np.abs(sample - centre[:, np.newaxis]), axis=-1)
    return np.asarray(np.nan_to_num(MAD * sorted_quantiles(away, (0.5,))[0]))


def thinned(values: Floats, sample: int = SAMPLE) -> Floats:
    """Every k-th column, so that `sample` to twice as many remain."""
    return values[:, :: max(1, values.shape[1] // sample)]


def incidents(residual: Floats, floor: Floats) -> NDArray[np.bool_]:
    """Windows of multi-window excursions: bool[s, t] of float64[s, t] on a regular grid.

    Medians of stretches of 15 windows (5 where the history is short), overlapping by half, are
    unmoved by single outliers. A stretch goes, and half its length on either side, if its median
    is INCIDENT robust sds of such medians off, which stationary noise of any persistence hardly
    reaches, and matters beside the noise of single windows. A row of which more than MOST_TRIMMED
    would go has no normal to return to and is kept whole.
    """
    length = 15 if residual.shape[1] >= 300 else 5
    half = length // 2
    least = LEAST_EXCURSION * np.maximum(spread(residual), floor)
    off = _far_stretches(residual, length, 0, least) | _far_stretches(residual, length, half, least)
    sums = np.cumsum(np.pad(off, ((0, 0), (half + 1, half))), axis=1)
    wide = sums[:, 2 * half + 1 :] > sums[:, : -2 * half - 1]
    wide[wide.mean(axis=1) > MOST_TRIMMED] = False
    return np.asarray(wide)


def _far_stretches(residual: Floats, length: int, start: int, least: Floats) -> NDArray[np.bool_]:
    """Windows in stretches, the first one shortened to end at `start`, with a median far off."""
    s, t = residual.shape
    lead = (length - start) % length
    stretches = -(-(lead + t) // length)
    padded = np.full((s, stretches * length), np.nan)
    padded[:, lead : lead + t] = residual
    grouped = np.sort(padded.reshape(s, stretches, length), axis=-1)
    away = np.abs(np.nan_to_num(sorted_quantiles(grouped, (0.5,))[0]))
    usual = MAD * sorted_quantiles(np.sort(away, axis=-1), (0.5,))[0]
    off = away > np.maximum(INCIDENT * usual, least)[:, np.newaxis]
    return np.repeat(off, length, axis=1)[:, lead : lead + t]


def innovations(residual: Floats, phi: Floats, lag: int) -> Floats:
    """What the value `lag` windows before does not foretell: float64[s, t - lag]."""
    if residual.shape[1] <= lag:
        return np.full((len(residual), 1), np.nan)
    return np.asarray(residual[:, lag:] - phi[:, np.newaxis] * residual[:, :-lag])


def t4_scale(values: Floats) -> Floats:
    """Least scale of a Student t (4 d.o.f.) whose tails cover each row's on either side.

    Quantiles from .75 to .9875 on both sides decide; .995 and .999 may widen by TAIL_ROOM where
    there are values enough. values: float64[s, n] about 0, NaN left out; 0 for a row of none.
    """
    ordered = np.sort(values, axis=-1)
    counts = np.isfinite(ordered).sum(axis=-1)
    levels, student = np.array(BODY + TAIL).T
    upper = sorted_quantiles(ordered, tuple(levels))
    lower = -sorted_quantiles(ordered, tuple(1.0 - levels))
    scales = np.maximum(upper, lower) / student[:, np.newaxis]
    enough = counts[np.newaxis, :] * (1.0 - levels[:, np.newaxis]) >= BEYOND
    enough[:2, :] = True
    scales = np.nan_to_num(np.where(enough, scales, 0.0))
    body = scales[: len(BODY)].max(axis=0)
    tail = scales[len(BODY) :].max(axis=0)
    return np.asarray(np.maximum(np.maximum(body, 0.0), np.minimum(tail, TAIL_ROOM * body)))


def scale_beyond(surprise: Floats, variance: Floats) -> Floats:
    """Least scale σ such that Student t at sqrt(σ² + variance) covers each row's tails: float64[s].

    surprise, variance: float64[s, n]; variance is what sampling adds to each. Halved eight times
    from the scale that covers without it, on a sample; never below a twentieth of that.
    """
    e, v = thinned(surprise, TAIL_SAMPLE), thinned(variance, TAIL_SAMPLE)
    high = t4_scale(e)
    low = 0.05 * high
    for _ in range(8):
        middle = (low + high) / 2
        spread_of = np.sqrt(np.maximum(middle[:, np.newaxis] ** 2 + v, 1e-300))
        covers = t4_scale(e / spread_of) <= 1.0
        low, high = np.where(covers, low, middle), np.where(covers, middle, high)
    return high


def sampling(residual: Floats, counts: Floats) -> Floats:
    """c² of var(residual) = a² + c² / count, both at least 0: float64[s]; 0 where not known.

    Robust variances of six groups of windows by count, then weighted least squares in two
    variables (White's form: the sd of a variance is in proportion to it).
    """
    groups = 6
    r, m = thinned(residual), thinned(counts)
    known = np.isfinite(r) & (m > 0)
    m = np.where(known, m, np.inf)
    order = np.argsort(m, axis=-1, kind="stable")
    r = np.take_along_axis(np.where(known, r, np.nan), order, -1)
    inverse = np.take_along_axis(1.0 / m, order, -1)
    ready = known.sum(axis=-1) >= 10 * groups
    found = np.zeros(len(r))
    for row in np.flatnonzero(ready):
        n = int(known[row].sum())
        edges = np.linspace(0, n, groups + 1).astype(int)
        parts = [slice(a, b) for a, b in pairwise(edges)]
        x = np.array([inverse[row, part].mean() for part in parts])
        v = np.array([(MAD * np.median(np.abs(r[row, part]))) ** 2 for part in parts])
        found[row] = _slope(x, v) if v.any() and x.max() > 1.5 * x.min() else 0.0
    return found


def _slope(x: Floats, v: Floats) -> float:
    """b of v = a + b·x with a, b >= 0, weights 1 / v²."""
    w = 1.0 / np.maximum(v, 1e-3 * v.max() + 1e-300) ** 2
    mean_x, mean_v = np.average(x, weights=w), np.average(v, weights=w)
    b = float(np.sum(w * (x - mean_x) * (v - mean_v)) / np.sum(w * (x - mean_x) ** 2))
    if mean_v - b * mean_x < 0:
        b = float(np.sum(w * x * v) / np.sum(w * x * x))
    return max(b, 0.0)


def coarseness(values: Floats) -> Floats:
    """Sd of rounding where values take few levels: the common step over sqrt(12), else 0.

    values: float64[s, t] in the residual's scale. A row is coarse if a sample of it has less than
    an eighth as many levels as values; its step is the median distance between those levels.
    """
    sample = np.sort(values[:, :: max(1, values.shape[1] // 512)], axis=-1)
    counts = np.isfinite(sample).sum(axis=-1)
    gaps = np.diff(sample, axis=-1)
    tiny = 1e-6 * np.maximum(np.abs(np.nan_to_num(sample)).max(axis=-1, initial=0.0), 1e-6)
    gaps = np.where(gaps > tiny[:, np.newaxis], gaps, np.nan)
    levels = 1 + np.isfinite(gaps).sum(axis=-1)
    step = sorted_quantiles(np.sort(gaps, axis=-1), (0.5,))[0]
    coarse = (levels > 1) & (levels * 8 < counts)
    return np.where(coarse, np.nan_to_num(step) / np.sqrt(12.0), 0.0)
