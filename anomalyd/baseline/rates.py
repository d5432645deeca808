"""Error ratios as counts: what production's rate is at each load, and how surely."""

from __future__ import annotations

import numpy as np

from anomalyd.baseline.curves import LoadAxis, hats
from anomalyd.model import Floats

POOLED_WEIGHT = 0.02
"""Share of all events that the pooled rate weighs against a bin's own."""

LEAST_BURST, MOST_BURST = 0.01, 0.2
"""Bounds of 1/r: errors are never quite independent, and beyond r = 5 they are incidents."""

ONE_SIDED = 1.645
"""Normal quantile of the upper bound: 95% one-sided."""


def bad_rates(ratios: Floats, counts: Floats, axis: LoadAxis) -> tuple[Floats, Floats]:
    """(rate, events): float64[b, s] each, of float64[s, t] ratios with their totals.

    Bursts make windows differ by more than binomially: events are divided by that dispersion, so
    that a bound on the rate widens with it. NaN where no count is known.
    """
    known = np.isfinite(ratios) & (counts > 0)
    total = np.where(known, counts, 0.0)
    bad = total * np.where(known, np.clip(ratios, 0.0, 1.0), 0.0)
    share = np.clip(hats(axis.log_load, axis.centres), 0.0, 1.0)
    in_bin, bad_in_bin = total @ share, bad @ share
    everything = np.maximum(total.sum(axis=1, keepdims=True), 1e-12)
    pooled = bad.sum(axis=1, keepdims=True) / everything
    extra = POOLED_WEIGHT * everything
    rate = (bad_in_bin + pooled * extra) / (in_bin + extra)
    effective = (in_bin + extra) / dispersion(bad, total)[:, np.newaxis]
    none = ~known.any(axis=1)
    rate[none] = np.nan
    effective[none] = 0.0
    return rate.T, effective.T


def pooled_rates(rate: Floats, events: Floats) -> tuple[Floats, Floats]:
    """(rate, events) float64[s] over all loads: each event once, whichever bins it was lent to."""
    total = events.sum(axis=0)
    bad = (np.nan_to_num(rate) * events).sum(axis=0)
    pooled = np.where(total > 0, bad / np.where(total > 0, total, 1.0), np.nan)
    return pooled, total / (1.0 + POOLED_WEIGHT * len(events))


def burstiness(bad: Floats, total: Floats) -> Floats:
    """Relative variance of the mean that `bad` has from window to window, with its upper
    uncertainty: 1/r of a negative binomial, float64[s] of float64[s, t] counts.

    Pearson's X² over its degrees of freedom is 1 + mean / r; one standard error is added, so that
    a few bad requests are not taken for none but chance.
    """
    seen = (total > 0) & np.isfinite(bad)
    bad, total = np.where(seen, bad, 0.0), np.where(seen, total, 0.0)
    free = np.maximum(seen.sum(axis=1) - 1, 1)
    mean = np.where(seen, bad, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    extra = dispersion(bad, total) - 1 + np.sqrt(2 / free)
    return np.clip(extra / np.maximum(mean, 1e-9), LEAST_BURST, MOST_BURST)


def dispersion(bad: Floats, total: Floats) -> Floats:
    """Pearson's X² over its degrees of freedom, at least 1: float64[s] of float64[s, t]."""
    everything = np.maximum(total.sum(axis=1, keepdims=True), 1e-12)
    rate = (bad.sum(axis=1, keepdims=True) + 0.5) / (everything + 1.0)
    seen = total > 0
    expected = np.where(seen, total * rate, 1.0)
    square = np.where(seen, (bad - expected) ** 2 / (expected * np.maximum(1.0 - rate, 1e-9)), 0.0)
    return np.asarray(np.maximum(square.sum(axis=1) / np.maximum(seen.sum(axis=1) - 1, 1), 1.0))


def upper_rate(rate: Floats, events: Floats) -> Floats:
    """Upper 95% bound of a rate seen over `events` (Wilson's score interval); NaN stays NaN.

    Of none bad in m events it says about 2.7 / (m + 2.7).
    """
    z2 = ONE_SIDED**2
    m = np.maximum(events, 1e-9)
    root = np.sqrt(rate * (1.0 - rate) / m + z2 / (4.0 * m * m))
    return np.minimum((rate + z2 / (2.0 * m) + ONE_SIDED * root) / (1.0 + z2 / m), 1.0)
