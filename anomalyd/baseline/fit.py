"""From production's history to a baseline: every series' distribution conditional on load."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline import drift
from anomalyd.baseline import noise as scatter
from anomalyd.baseline.bands import (
    SPREAD_LIMITS,
    linear_scale,
    relative_spread,
    residual_quantiles,
    support,
)
from anomalyd.baseline.curves import (
    LoadAxis,
    along,
    centre_curves,
    load_axis,
    row_medians,
)
from anomalyd.baseline.fit_centres import RISING, trimmed_fit
from anomalyd.baseline.fit_seasons import Days
from anomalyd.baseline.persistence import persistence
from anomalyd.baseline.presence import presence
from anomalyd.baseline.profile import FORMAT, LOAD_BINS, QUANTILES, Baseline, Profiles
from anomalyd.baseline.rates import MOST_BURST, bad_rates, burstiness
from anomalyd.baseline.scales import noise_floor, transform
from anomalyd.baseline.seasons import HOURS, SLOTS
from anomalyd.model import Floats, Kind, Rows, Signal

BLOCK = 64
LEAST_VALUES = 8
ABSURD = 1e30
"""Values beyond it, which float32 could not hold the difference of, count as absent."""


@dataclass(frozen=True, slots=True)
class FitInput:
    """One signal's history. keys: `signal{labels}`, one per series. values, counts: float[S, T],
    NaN where absent; counts are the events behind a value, NaN where not known. answered: bool[T],
    times at which production was asked and answered; None: all of them."""

    signal: Signal
    keys: Sequence[str]
    values: NDArray[np.floating[Any]]
    counts: NDArray[np.floating[Any]]
    answered: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class _Grid:
    """The regular grid that a history lies on: `index` intp[T] into `size` steps."""

    index: Rows
    size: int
    axis: LoadAxis
    days: Days
    lag: int
    stretch: float
    start: float
    step: float

    def place(self, rows: NDArray[np.floating[Any]]) -> Floats:
        placed = np.full((len(rows), self.size), np.nan)
        placed[:, self.index] = rows
        return placed


def fit(
    times: Floats,
    load: Floats,
    signals: Sequence[FitInput],
    *,
    step: float,
    window: float,
    meta: Mapping[str, Any],
    progress: Callable[[int, int], None] | None = None,
) -> Baseline:
    """The baseline of a history.

    times: float64[T], unix seconds, `step` apart with gaps; values are over (time - window, time].
    load: float64[T], offered load per unit of capacity, 1/s, NaN where not known. `progress` is
    called with series done and in all. Series of fewer than 8 values are left out and listed in
    meta["thin"]. What came before a lasting change of level, listed in meta["drifts"], is moved to
    the level after it. Raises ValueError for shapes that do not agree.
    """
    grid = _grid(np.asarray(times, dtype=np.float64), np.asarray(load, np.float64), step, window)
    seen: set[str] = set()
    twice: list[str] = []
    thin: list[str] = []
    parts: list[dict[str, Any]] = []
    drifts: list[dict[str, Any]] = []
    total, done = sum(len(each.keys) for each in signals), 0
    for each in signals:
        _check(each, len(times))
        fresh = _first_ones(each.keys, seen, twice)
        for start in range(0, len(fresh), BLOCK):
            rows = fresh[start : start + BLOCK]
            parts.append(_fit_block(each, rows, grid, thin, drifts))
            done += len(rows)
            if progress is not None:
                progress(done, total)
    described = {**_described(times, grid, meta), "step": step, "window": window, "thin": thin}
    described["drifts"] = drifts
    described["duplicates"] = [*meta.get("duplicates", ()), *twice]
    return Baseline(_join(parts, grid.axis.centres), described)


def _described(times: Floats, grid: _Grid, meta: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the history as a whole; `meta` knows better of its range and gaps."""
    axis, some = grid.axis, len(times) > 0
    return {
        "start": float(np.min(times)) if some else None,
        "end": float(np.max(times)) if some else None,
        "gaps": 1.0 - len(grid.index) / grid.size if some else 0.0,
        **meta,
        "version": FORMAT,
        "windows": len(times),
        "conditioned": axis.conditioned,
        "load_range": [math.exp(axis.low), math.exp(axis.high)] if axis.known.any() else None,
    }


def _check(each: FitInput, windows: int) -> None:
    shape = (len(each.keys), windows)
    if each.values.shape != shape or each.counts.shape != shape:
        raise ValueError(
            f"{each.signal.name}: values {each.values.shape} and counts {each.counts.shape} "
            f"must both be {shape}"
        )


def _first_ones(keys: Sequence[str], seen: set[str], twice: list[str]) -> Rows:
    fresh = []
    for row, key in enumerate(keys):
        if key in seen:
            twice.append(key)
        else:
            seen.add(key)
            fresh.append(row)
    return np.array(fresh, dtype=np.intp)


def _grid(times: Floats, load: Floats, step: float, window: float) -> _Grid:
    if load.shape != times.shape or step <= 0 or window <= 0:
        raise ValueError("times and load must be equally long, step and window above 0")
    start = times.min() if len(times) else 0.0
    index = np.round((times - start) / step).astype(np.intp)
    if len(np.unique(index)) != len(index):
        raise ValueError("times must be unique and at least `step` apart")
    size = int(index.max()) + 1 if len(index) else 0
    lag = max(1, math.ceil(window / step - 1e-6))
    placed = np.full(size, np.nan)
    placed[index] = load
    days = Days(float(start), step, size)
    lagged = window / (lag * step)
    return _Grid(index, size, load_axis(placed), days, lag, lagged, float(start), step)


def _fit_block(
    each: FitInput, rows: Rows, grid: _Grid, thin: list[str], drifts: list[dict[str, Any]]
) -> dict[str, Any]:
    """Profile arrays of some series of one signal; those with too few values go to `thin`."""
    raw = np.asarray(each.values[rows], dtype=np.float64)
    raw[~(np.abs(raw) < ABSURD)] = np.nan
    enough = np.isfinite(raw).sum(axis=1) >= LEAST_VALUES
    thin += [each.keys[row] for row in rows[~enough]]
    rows, kind, axis = rows[enough], each.signal.kind, grid.axis
    values, counts = grid.place(raw[enough]), grid.place(_counts(each.counts[rows]))
    y, logarithmic, floor = transform(values, kind)
    least_noise = noise_floor(y, logarithmic, kind)
    binomial = kind is Kind.ERRORS or each.signal.is_ratio
    keys = [each.keys[row] for row in rows]
    rough = y - along(centre_curves(y, axis, rising=kind in RISING), axis)
    drifts += drift.settle(keys, y, rough, grid.start, grid.step, logarithmic, binomial)
    middle = row_medians(y)
    size = np.where(logarithmic, 1.0, np.maximum(np.abs(middle), least_noise))
    centred = trimmed_fit(y, axis, None if binomial else grid.days, kind, least_noise, size)
    curves, residual, hours, recurs = centred
    sampling = np.zeros(len(rows)) if binomial else scatter.sampling(residual, counts)
    offsets = residual_quantiles(residual, axis)
    relative = relative_spread(offsets, axis)
    phi, noise = _noise(residual, counts, sampling, relative, grid)
    least = np.maximum(scatter.coarseness(y), least_noise)
    phi, noise = _floored(phi, noise, least)
    noise_at = np.maximum(noise * relative, least)
    noisiest = noise_at.max(axis=0)
    scale = np.where(logarithmic, 1.0, linear_scale(curves, offsets, middle, least_noise))
    bands = (curves.T[np.newaxis] + offsets - middle) / scale
    trimmed = np.where(np.isfinite(residual), values, np.nan)
    rate, events = bad_rates(trimmed, counts, axis) if binomial else _no_rates(len(rows))
    burst = burstiness(trimmed * counts, counts) if binomial else np.full(len(rows), MOST_BURST)
    return {
        "keys": keys,
        "logarithmic": logarithmic,
        "median": np.where(logarithmic, np.exp(np.where(logarithmic, middle, 0.0)), middle),
        "scale": scale,
        "quantiles": np.clip(bands, -6e4, 6e4),
        "sampling": sampling,
        "noise": noisiest,
        "spread": np.maximum(noise_at / noisiest, 1e-3),
        "phi": phi,
        "support": support(residual, axis),
        **presence(raw[enough], each.answered, grid.stretch * grid.lag),
        "floor": floor,
        "rate": rate,
        "events": events,
        "burst": burst,
        "hours": hours / scale,
        "recurs": recurs / scale,
    }


def _counts(raw: NDArray[np.floating[Any]]) -> Floats:
    return np.where((raw >= 0) & (raw < 1e12), raw, np.nan).astype(np.float64)


def _noise(
    residual: Floats, counts: Floats, sampling: Floats, relative: Floats, grid: _Grid
) -> tuple[Floats, Floats]:
    """(phi, scale of innovations beyond sampling where `relative` is 1) of windows one `window`
    apart. relative: float64[b, s], how noise goes with load."""
    added = np.where(counts > 0, sampling[:, np.newaxis] / np.where(counts > 0, counts, 1.0), 0.0)
    sampled = row_medians(added)
    memory = persistence(residual, grid.lag, grid.stretch, sampled, len(grid.axis.knots))
    width = along(relative.T, grid.axis)[:, grid.lag :].clip(*SPREAD_LIMITS)
    width = width if width.shape[1] else np.ones((len(residual), 1))
    surprise = scatter.innovations(residual, memory.phi, grid.lag) / width
    total = scatter.t4_scale(surprise)
    counted = sampling > 0
    if counted.any():
        both = scatter.innovations(added[counted], -(memory.phi[counted] ** 2), grid.lag)
        both = both / width[counted] ** 2
        total[counted] = scatter.scale_beyond(surprise[counted], both)
    total *= memory.shorten
    pairs = np.isfinite(surprise).sum(axis=1)
    spent = len(grid.axis.knots) + 1
    total *= np.sqrt(pairs / np.maximum(pairs - spent, 0.25 * pairs + 1)).clip(1.0)
    total *= 1.0 + 1.0 / np.sqrt(2.0 * np.maximum(pairs, 2))
    return memory.phi, total


def _floored(phi: Floats, noise: Floats, least: Floats) -> tuple[Floats, Floats]:
    """(phi, noise) once innovations have at least that scale, the rest of it being white.

    A floor is what nobody should rely on from one window to the next, not a walk that lasts: with
    phi kept, a deviation of least / sqrt(1 - phi²), many times the floor, would be ordinary.
    """
    slow = noise**2 / (1.0 - phi**2)
    white = np.maximum(least**2 - noise**2, 0.0)
    shared = np.where(white > 0, phi * slow / np.maximum(slow + white, 1e-300), phi)
    return shared, np.sqrt((slow + white) * (1.0 - shared**2))


def _no_rates(n: int) -> tuple[Floats, Floats]:
    return np.full((LOAD_BINS, n), np.nan), np.zeros((LOAD_BINS, n))


def _join(parts: Sequence[Mapping[str, Any]], centres: Floats) -> Profiles:
    def joined(name: str, dtype: Any, *lead: int) -> Any:
        blocks = [np.asarray(part[name]) for part in parts]
        return np.concatenate([np.zeros((*lead, 0)), *blocks], axis=-1).astype(dtype)

    single = np.float32
    return Profiles(
        keys=tuple(key for part in parts for key in part["keys"]),
        logarithmic=joined("logarithmic", np.bool_),
        median=joined("median", single),
        scale=joined("scale", single),
        load_bins=centres,
        quantiles=joined("quantiles", np.float16, len(QUANTILES), LOAD_BINS),
        sampling=joined("sampling", single),
        noise=joined("noise", single),
        phi=joined("phi", single),
        support=joined("support", single, LOAD_BINS),
        present=joined("present", single),
        longest_gap=joined("longest_gap", single),
        floor=joined("floor", single),
        rate=joined("rate", single, LOAD_BINS),
        events=joined("events", single, LOAD_BINS),
        spread=joined("spread", np.float16, LOAD_BINS),
        burst=joined("burst", single),
        hours=_seldom(joined("hours", np.float16, SLOTS)),
        recurs=_seldom(joined("recurs", np.float16, HOURS)),
    )


def _seldom(hours: NDArray[np.float16]) -> NDArray[np.float16]:
    """Nothing at all where no series has a table."""
    return hours if hours.any() else hours[:, :0]
