"""Slow, obvious twins of the parts: everything from the whole past at every row."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from anomalyd.streams import drift, refractory, season, spread, tails

Rows = Sequence[tuple[float, float]]
"""Times and values."""


def weighted(values: Sequence[float], rows: float) -> tuple[float, float]:
    """Mean and variance with the weights written out: each step keeps 1 - w of what was."""
    weights: list[float] = []
    for count in range(1, len(values) + 1):
        new = max(2.0 / (rows + 1.0), 1.0 / count)
        weights = [one * (1.0 - new) for one in weights] + [new]
    mean = math.fsum(w * x for w, x in zip(weights, values, strict=True))
    variance = math.fsum(w * (x - mean) ** 2 for w, x in zip(weights, values, strict=True))
    return mean, variance


def level(rows: Rows) -> float:
    return rows[-1][1]


def change(rows: Rows) -> float:
    return rows[-1][1] - rows[-2][1] if len(rows) > 1 else math.nan


def spread_of(rows: Rows) -> float:
    values = [value for _, value in rows]
    if len(values) < spread.ROWS:
        return math.nan
    recent = statistics.pvariance(values[-spread.ROWS :])
    variance = max(recent, spread.FLOOR * statistics.pvariance(values))
    return 0.5 * math.log(variance) if variance else math.nan


def drift_of(rows: Rows) -> float:
    values = [value for _, value in rows]
    if len(values) <= drift.SHORT:
        return math.nan
    return weighted(values, drift.SHORT)[0] - weighted(values, drift.LONG)[0]


def slot(time: float) -> tuple[int, int]:
    """(day, slot of the day)."""
    return int(time // season.DAY), int(time % season.DAY // season.SLOT)


def usual(rows: Rows, row: int) -> float:
    """The median over days before of the mean of the same slot; rows in order of time."""
    day, of_day = slot(rows[row][0])
    days: dict[int, list[float]] = {}
    for time, value in rows[:row]:
        if slot(time)[1] == of_day and slot(time)[0] < day:
            days.setdefault(slot(time)[0], []).append(value)
    means = [statistics.fmean(days[one]) for one in sorted(days)][-season.DAYS :]
    return statistics.median(means) if len(means) >= season.FEWEST else math.nan


def season_of(rows: Rows) -> float:
    left = [value - usual(rows, row) for row, (_, value) in enumerate(rows)]
    if math.isnan(left[-1]):
        return math.nan
    return weighted([one for one in left if not math.isnan(one)], season.ROWS)[0]


def surprise(past: Sequence[float], x: float) -> float:
    """-log10 P(X >= x) as `tails` has it."""
    past = list(past)[-tails.HORIZON :]
    n = len(past)
    if n < tails.READY:
        return 0.0
    x -= tails.ROUNDING * max(abs(one) for one in past)
    size = min(max(tails.FEWEST, int(tails.SHARE * n)), tails.MOST)
    tail = sorted(past)[-size:]
    if x <= tail[0]:
        return math.log10((n + 1) / (sum(one >= x for one in past) + 1))
    body = tail[0] - sorted(past)[n // 2]
    blur = tails.ROUNDING * max(abs(one) for one in past)
    excess = statistics.fmean(tail) - tail[0]
    scale = max(excess, tails.LEAST_TAIL * body, blur, tails.TINY)
    p_of_tail = (size + 1) / (n + 1)
    return min((x - tail[0]) / scale / math.log(10) - math.log10(p_of_tail), tails.CAP)


def news(evidence: Sequence[float]) -> float:
    row = len(evidence) - 1
    span = min(max(refractory.FEWEST, refractory.SHARE * row), refractory.MOST)
    before = [one for at, one in enumerate(evidence[:-1]) if at >= row - span]
    return 0.0 if any(refractory.LOUDER * one >= evidence[-1] for one in before) else evidence[-1]
