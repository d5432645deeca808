"""Did production's level change for good within its history, and since when?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.curves import row_medians
from anomalyd.model import Floats
from anomalyd.units import format_effect, rfc3339

BLOCK_SECONDS = 3600.0
"""Medians over an hour: incidents, jobs and most of the autocorrelation are within them."""

DAY_SECONDS = 86_400.0
LEAST_BLOCKS = 12
"""Hours on either side of a change; what is shorter may be an incident."""

LEAST_DAYS = 2
LEAST_SEEN = 0.25
"""Of a block's windows, that must have a value."""

LEVEL = 1e-4
"""Chance that a series without a change shows one."""

MOST_PERSISTENT = 0.95
TINY = 1e-30


LEAST_CHANGE, LEAST_RATIO = 0.05, 0.005
"""What a signal tolerates unless it says otherwise, relative, and of ratios of counts."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The last lasting change of a series. since: unix seconds; change: of the residual's level
    against the level just before. shift: float64[t], what has to be added to each window for it to
    be as it would have been at the level of today."""

    since: float
    change: float
    shift: Floats


def settle(
    keys: Sequence[str],
    y: Floats,
    residual: Floats,
    start: float,
    step: float,
    logarithmic: NDArray[np.bool_],
    ratio: bool,
) -> list[dict[str, Any]]:
    """Move what came before a change to the level after it, in place, and say what changed.

    y, residual: float64[s, t], see `drift`; of ratios of counts nothing is moved. Returns a dict of
    JSON per series that changed by more than a signal tolerates: series (its key), since (unix
    seconds), change (relative, or the difference where `absolute`: of ratios of counts).
    """
    size = np.ones(len(y)) if ratio else np.nan_to_num(np.abs(row_medians(y)))
    size = np.where(logarithmic, 1.0, np.maximum(size, TINY))
    least = np.where(logarithmic, np.log1p(LEAST_CHANGE), LEAST_CHANGE * size)
    told = []
    for row, key in enumerate(keys):
        found = drift(residual[row], start, step, LEAST_RATIO if ratio else float(least[row]))
        if found is None:
            continue
        if not ratio:
            y[row] += found.shift
        change = np.expm1(found.change) if logarithmic[row] else found.change / size[row]
        told.append(
            {"series": key, "since": found.since, "change": float(change), "absolute": ratio}
        )
    return told


def sentences(meta: Mapping[str, Any]) -> dict[str, str]:
    """What to say of each series whose level changed, by its key, from a baseline's meta."""
    return {
        one[
            "series"
        ]: f"production itself moved by {format_effect(one['change'], one['absolute'])} "
        f"on {rfc3339(one['since'])[:10]}; "
        + (
            "the baseline holds what came before as well"
            if one["absolute"]
            else "judged by its level since then"
        )
        for one in meta.get("drifts", ())
    }


def drift(residual: Floats, start: float, step: float, least: float) -> Drift | None:
    """The lasting changes of one series, None if there is none of at least `least`.

    residual: float64[t] on a regular grid of `step` seconds from `start` (unix seconds), what is
    left of a series once load is accounted for, incidents included; NaN where absent.

    Pettitt's test ("A non-parametric approach to the change-point problem", Applied Statistics 28,
    1979) over medians of hours, less what is usual at that hour of the day, on working days alone
    where there are any (a weekend is no change); its statistic is reduced by the autocorrelation
    that is left on either side. The parts on either side of a change are searched again. It was
    measured against river's ADWIN and PageHinkley: docs/detectors.md.
    """
    length = max(1, round(BLOCK_SECONDS / step))
    blocks = _medians(residual, length)
    starts = start + step * length * np.arange(len(blocks), dtype=np.float64)
    if len(blocks) * length * step < LEAST_DAYS * DAY_SECONDS:
        return None
    a_day = round(DAY_SECONDS / (step * length))
    level = _less_the_hour(_on_working_days(blocks, starts), a_day)
    known = np.flatnonzero(np.isfinite(level))
    edges = _edges(level[known], least)
    if not edges:
        return None
    parts = np.split(level[known], edges)
    levels = [float(np.median(part)) for part in parts]
    begins = [int(known[edge]) * length for edge in edges]
    shift = np.zeros(len(residual))
    for before, after, was in zip([0, *begins[:-1]], begins, levels[:-1], strict=True):
        shift[before:after] = levels[-1] - was
    return Drift(start + step * begins[-1], levels[-1] - levels[-2], shift)


def _medians(residual: Floats, length: int) -> Floats:
    """Of blocks of `length` windows; NaN where too little was seen."""
    blocks = -(-len(residual) // length)
    padded = np.full(blocks * length, np.nan)
    padded[: len(residual)] = residual
    parts = padded.reshape(blocks, length)
    enough = np.isfinite(parts).sum(axis=1) >= max(1.0, LEAST_SEEN * length)
    return np.where(enough, row_medians(parts), np.nan)


def _on_working_days(blocks: Floats, starts: Floats) -> Floats:
    """Saturdays and Sundays (UTC) left out, unless there is nothing else."""
    weekend = (starts // DAY_SECONDS + 3) % 7 >= 5
    working = np.where(weekend, np.nan, blocks)
    return working if np.isfinite(working).any() else blocks


def _less_the_hour(blocks: Floats, a_day: int) -> Floats:
    """What is usual at an hour of the day is no change: each less the median of how far its hour is
    from the day about it, which a change spoils on one day alone."""
    days = -(-len(blocks) // a_day)
    around = np.pad(blocks, a_day // 2, constant_values=np.nan)
    about = row_medians(np.lib.stride_tricks.sliding_window_view(around, a_day // 2 * 2 + 1))
    away = np.full(days * a_day, np.nan)
    away[: len(blocks)] = blocks - about
    usual = np.tile(np.nan_to_num(row_medians(away.reshape(days, a_day).T)), days)
    return blocks - usual[: len(blocks)]


def _edges(level: Floats, least: float) -> list[int]:
    """Where changes begin, ascending, as indices into `level`; none if the last is too small."""
    edges = _splits(level)
    while edges:
        before, last = ([0, *edges])[-2:]
        if abs(np.median(level[last:]) - np.median(level[before:last])) >= least:
            return edges
        edges.pop()
    return edges


def _splits(level: Floats) -> list[int]:
    """Every change, those within a part that lies between others too."""
    at = _split(level)
    if at is None:
        return []
    return [*_splits(level[:at]), at, *(at + more for more in _splits(level[at:]))]


def _split(level: Floats) -> int | None:
    """Index at which a change begins, None if that is likely enough without one."""
    n, found = len(level), _likeliest(level)
    if found is None:
        return None
    at, statistic = found
    memory = _memory(level, at)
    exponent = 6 * statistic**2 / (n**3 + n**2) * (1 - memory) / (1 + memory)
    return at if 2 * np.exp(-exponent) < LEVEL else None


def _likeliest(level: Floats) -> tuple[int, float] | None:
    """Where a change is likeliest, and Pettitt's statistic there; None if it is too short."""
    n = len(level)
    if n < 2 * LEAST_BLOCKS:
        return None
    statistic = np.abs(2 * np.cumsum(_ranks(level)) - np.arange(1, n + 1) * (n + 1))
    at = LEAST_BLOCKS + int(statistic[LEAST_BLOCKS - 1 : n - LEAST_BLOCKS].argmax())
    return at, float(statistic[at - 1])


def _memory(level: Floats, at: int) -> float:
    """Autocorrelation of ranks from one block to the next, between changes: the likeliest, and
    the likeliest on either side of it, whether they are any. What the medians of those parts
    take of it is added (Kendall, "Note on bias in the estimation of autocorrelation", Biometrika
    41, 1954)."""
    edges = [at]
    for part, begin in ((level[:at], 0), (level[at:], at)):
        more = _likeliest(part)
        edges += [begin + more[0]] if more is not None else []
    parts = np.split(_ranks(level), sorted(edges))
    rest = np.concatenate([part - np.median(part) for part in parts])
    square = float((rest * rest).sum())
    memory = float((rest[1:] * rest[:-1]).sum()) / square if square > 0 else 0.0
    return min(max(memory + (1 + 3 * memory) * len(parts) / len(level), 0.0), MOST_PERSISTENT)


def _ranks(values: Floats) -> Floats:
    """1 to n, the mean of their ranks for equal values."""
    _, index, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray(last - (count - 1) / 2, dtype=np.float64)[index]
