"""The load axis that all series share, and the smooth centre of many series along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.profile import LOAD_BINS
from anomalyd.model import Floats, Rows

FINE_BINS = 64
PER_FINE_BIN = 3
PER_KNOT = 8
LEAST_RANGE = 0.1
"""Log load must vary by more than this (10%) to condition anything on it."""

FLATTEN, STRAIGHTEN = 0.02, 0.5
"""Weights, in windows, of the penalties on slopes and on their changes at the knots."""

IRLS_STEPS = 6


@dataclass(frozen=True, slots=True)
class LoadAxis:
    """Log load of t windows and its bins, the same for every series.

    log_load: float64[t], the middle of the axis where not known. known: bool[t]. centres:
    float64[LOAD_BINS]. knots: float64[e], 1 <= e <= LOAD_BINS, as many as the history can carry.
    groups: intp[f, m], windows of each fine bin in order of load, padded with t. fine: float64[f],
    the median log load of each. nearest: intp[t], the centre a window belongs to, -1 if unknown.
    low, high: log load, the ends of what was seen; NaN if load was never known.
    """

    conditioned: bool
    log_load: Floats
    known: NDArray[np.bool_]
    centres: Floats
    knots: Floats
    groups: Rows
    fine: Floats
    nearest: Rows
    low: float
    high: float


def load_axis(load: Floats) -> LoadAxis:
    """Bins halfway between equal mass and equal width in log load, so that the rarely seen ends,
    where a load test works, are resolved too. load: float64[t], 1/s; NaN, 0 and less: unknown."""
    known = np.isfinite(load) & (load > 0)
    log_load = np.log(np.where(known, load, 1.0))
    seen = log_load[known]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (np.nan, np.nan)
    inner = np.quantile(seen, (0.005, 0.995)) if len(seen) else np.zeros(2)
    conditioned = len(seen) >= 8 and bool(inner[1] - inner[0] > LEAST_RANGE)
    if not conditioned:
        middle = float(np.median(seen)) if len(seen) else 0.0
        centres = middle + np.linspace(-LEAST_RANGE / 2, LEAST_RANGE / 2, LOAD_BINS)
        log_load, knots = np.full(len(load), middle), np.array([middle])
        grouped, nearest = np.arange(len(load)), np.full(len(load), LOAD_BINS // 2)
    else:
        centres = _spread(seen, inner, LOAD_BINS)
        knots = _spread(seen, inner, int(np.clip(len(seen) // PER_KNOT + 1, 2, LOAD_BINS)))
        log_load[~known] = np.median(seen)
        grouped = np.flatnonzero(known)[np.argsort(seen, kind="stable")]
        nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, log_load)
        nearest[~known] = -1
    parts = np.array_split(grouped, int(np.clip(len(grouped) // PER_FINE_BIN, 1, FINE_BINS)))
    groups = np.full((len(parts), max(map(len, parts))), len(load))
    for row, part in zip(groups, parts, strict=True):
        row[: len(part)] = part
    fine = np.array([np.median(log_load[part]) if len(part) else 0.0 for part in parts])
    return LoadAxis(conditioned, log_load, known, centres, knots, groups, fine, nearest, low, high)


def _spread(seen: Floats, inner: Floats, n: int) -> Floats:
    by_mass = np.quantile(seen, (np.arange(n) + 0.5) / n)
    return np.asarray((by_mass + np.linspace(inner[0], inner[1], n)) / 2)


def hats(x: Floats, knots: Floats) -> Floats:
    """Linear interpolation between knots as a matrix float64[len(x), len(knots)]; straight on
    beyond the ends. A single knot is a constant."""
    matrix = np.zeros((len(x), len(knots)))
    if len(knots) == 1:
        matrix[:] = 1.0
        return matrix
    left = np.clip(np.searchsorted(knots, x) - 1, 0, len(knots) - 2)
    share = (x - knots[left]) / (knots[left + 1] - knots[left])
    rows = np.arange(len(x))
    matrix[rows, left] = 1.0 - share
    matrix[rows, left + 1] = share
    return matrix


def sorted_quantiles(ordered: Floats, levels: Sequence[float]) -> Floats:
    """Quantiles along the last axis of values sorted with NaN last, linear between order
    statistics: float64[len(levels), ...], NaN where there is no value (as np.nanquantile)."""
    counts = np.isfinite(ordered).sum(axis=-1)
    position = np.multiply.outer(np.asarray(levels), np.maximum(counts - 1, 0).astype(np.float64))
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(counts - 1, 0))
    stacked = np.broadcast_to(ordered, (len(levels), *ordered.shape))
    low = np.take_along_axis(stacked, below[..., np.newaxis], -1)[..., 0]
    high = np.take_along_axis(stacked, above[..., np.newaxis], -1)[..., 0]
    return np.asarray(low + (high - low) * (position - below))


def fine_medians(values: Floats, axis: LoadAxis) -> tuple[Floats, Floats]:
    """Medians and numbers of values per fine bin: float64[s, f] each; values float64[s, t]."""
    padded = np.concatenate([values, np.full((len(values), 1), np.nan)], axis=1)
    grouped = np.sort(padded[:, axis.groups], axis=-1)
    return sorted_quantiles(grouped, (0.5,))[0], np.isfinite(grouped).sum(axis=-1).astype(float)


def centre_curves(values: Floats, axis: LoadAxis, *, rising: bool) -> Floats:
    """Median of many series as a broken line in log load: float64[s, LOAD_BINS] at the centres.

    Least absolute deviations of the fine bins' medians (iteratively reweighted least squares,
    batched over series) in a hat basis with weak smoothing, which also carries the line over bins
    a series was not seen in; then, if `rising`, isotonic. It is median quantile regression
    (Koenker, Bassett 1978) on binned data. values: float64[s, t], NaN where absent; every series
    needs a value.
    """
    medians, weights = fine_medians(values, axis)
    basis = hats(axis.fine, axis.knots)
    size = len(axis.knots)
    outer = (basis[:, :, np.newaxis] * basis[:, np.newaxis, :]).reshape(len(basis), -1)
    penalty = _penalty(axis.knots)
    target = np.where(weights > 0, medians, 0.0)
    robust = weights
    line: Floats = np.zeros((len(values), size))
    for _ in range(IRLS_STEPS):
        matrix = (robust @ outer).reshape(-1, size, size) + penalty
        line[:] = np.linalg.solve(matrix, ((robust * target) @ basis)[..., np.newaxis])[..., 0]
        error = np.abs(target - line @ basis.T)
        typical = row_medians(np.where(weights > 0, error, np.nan))[:, np.newaxis]
        floor = np.maximum(0.05 * typical, 1e-12 * (1.0 + np.abs(target).max(axis=1))[:, None])
        robust = weights * np.minimum(np.maximum(typical, floor) / np.maximum(error, floor), 20.0)
    if rising:
        line = isotonic(line, np.asarray(weights @ np.abs(basis)))
    return np.asarray(line @ hats(axis.centres, axis.knots).T)


def _penalty(knots: Floats) -> Floats:
    """Squares of slopes and of their changes, for knots of any spacing, in units of the mean one:
    a line carried over knots without data is straight in log load."""
    identity = np.eye(len(knots))
    if len(knots) == 1:
        return 1e-9 * identity
    spacing = np.diff(knots)
    slopes = np.diff(identity, axis=0) * (spacing.mean() / spacing)[:, np.newaxis]
    bends = np.diff(slopes, axis=0)
    return np.asarray(FLATTEN * slopes.T @ slopes + STRAIGHTEN * bends.T @ bends + 1e-9 * identity)


def row_medians(values: Floats) -> Floats:
    """Median of each row without its NaN: float64[s]; NaN where there is none."""
    return np.asarray(sorted_quantiles(np.sort(values, axis=-1), (0.5,))[0])


def isotonic(values: Floats, weights: Floats) -> Floats:
    """Closest non-decreasing rows in weighted squares: float64[s, k], both, k small.

    The min-max formula (Robertson, Wright, Dykstra 1988, theorem 1.4.4), batched over rows.
    """
    size = values.shape[1]
    safe = weights + 1e-9
    zero = np.zeros((len(values), 1))
    mass = np.concatenate([zero, np.cumsum(safe, axis=1)], axis=1)
    moment = np.concatenate([zero, np.cumsum(safe * values, axis=1)], axis=1)
    rising = np.empty_like(values)
    for k in range(size):
        span = mass[:, np.newaxis, k + 1 :] - mass[:, : k + 1, np.newaxis]
        mean = (moment[:, np.newaxis, k + 1 :] - moment[:, : k + 1, np.newaxis]) / span
        rising[:, k] = mean.min(axis=2).max(axis=1)
    return rising


def along(curves: Floats, axis: LoadAxis) -> Floats:
    """The curves at every window's load: float64[s, t] of float64[s, LOAD_BINS]."""
    if not axis.conditioned:
        return np.repeat(curves[:, LOAD_BINS // 2 : LOAD_BINS // 2 + 1], len(axis.log_load), axis=1)
    return np.asarray(curves @ hats(axis.log_load, axis.centres).T)
