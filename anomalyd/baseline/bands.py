"""Quantiles about the centre per load bin, and how many windows they rest on."""

from __future__ import annotations

import numpy as np

from anomalyd.baseline.curves import LoadAxis, sorted_quantiles
from anomalyd.baseline.noise import thinned
from anomalyd.baseline.profile import LOAD_BINS, QUANTILES
from anomalyd.model import Floats

ENOUGH_FOR_SPREAD = 300
SPREAD_LIMITS = (1 / 3, 3.0)

SHRINK = 25.0
"""Windows that the pooled quantiles weigh against a bin's own."""


def residual_quantiles(residual: Floats, axis: LoadAxis) -> Floats:
    """float64[q, b, s]: quantiles about the centre per bin, drawn to the pooled ones where a bin
    is thin; the median is 0 and the others keep to their side of it."""
    pooled = sorted_quantiles(np.sort(thinned(residual), axis=-1), QUANTILES)
    found = np.empty((len(QUANTILES), LOAD_BINS, len(residual)))
    for b in range(LOAD_BINS):
        own = np.sort(residual[:, axis.nearest == b], axis=-1)
        n = np.isfinite(own).sum(axis=-1)
        if own.shape[1] == 0:
            found[:, b] = pooled
            continue
        quantiles = np.where(n > 0, sorted_quantiles(own, QUANTILES), 0.0)
        found[:, b] = (n * quantiles + SHRINK * pooled) / (n + SHRINK)
    middle = QUANTILES.index(0.50)
    found[middle] = 0.0
    found[: middle + 1] = np.minimum.accumulate(found[middle::-1], axis=0)[::-1]
    found[middle:] = np.maximum.accumulate(found[middle:], axis=0)
    return np.nan_to_num(found)


def linear_scale(curves: Floats, offsets: Floats, middle: Floats, floor: Floats) -> Floats:
    """Such that the stored deviations from the median are of the order of 1 in float16."""
    widest = np.abs(curves.T[np.newaxis] + offsets - middle).max(axis=(0, 1))
    return np.asarray(np.maximum(widest / 4.0, floor))


def relative_spread(offsets: Floats, axis: LoadAxis) -> Floats:
    """Width of the middle 80% per bin over its mean, smoothed over neighbours: float64[b, s].

    1 where the history is too short to tell, or has no width.
    """
    width = offsets[QUANTILES.index(0.90)] - offsets[QUANTILES.index(0.10)]
    typical = width.mean(axis=0)
    if not axis.conditioned or axis.known.sum() < ENOUGH_FOR_SPREAD:
        return np.ones_like(width)
    padded = np.pad(width, ((1, 1), (0, 0)), mode="edge")
    smooth = (padded[:-2] + 2.0 * width + padded[2:]) / 4.0
    ratio = np.where(typical > 0, smooth / np.where(typical > 0, typical, 1.0), 1.0)
    return np.clip(ratio, *SPREAD_LIMITS)


def support(residual: Floats, axis: LoadAxis) -> Floats:
    known = np.isfinite(residual)
    if not axis.conditioned:
        return np.repeat(known.sum(axis=1)[np.newaxis] / LOAD_BINS, LOAD_BINS, axis=0)
    return np.stack([known[:, axis.nearest == b].sum(axis=1) for b in range(LOAD_BINS)])
