"""The scale that a series is judged in, log or linear, and the least noise that is believed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.curves import row_medians
from anomalyd.model import Floats, Kind

POSITIVE = 0.95

NOISE_FLOOR: Mapping[Kind, float] = {
    Kind.LATENCY: 0.03,
    Kind.TRAFFIC: 0.02,
    Kind.SATURATION: 0.04,
    Kind.RESOURCE: 0.01,
    Kind.ERRORS: 0.001,
    Kind.OTHER: 0.02,
}
"""Least noise: of the log, absolute for error ratios, of |median| for others that are linear."""

VALUE_FLOOR: Mapping[Kind, float] = {Kind.SATURATION: 1e-3, Kind.TRAFFIC: 1e-3}
RATIO_FLOOR = 1e-3
"""Of the median: smaller values count as this, or one idle window would be a log of -inf."""


def transform(values: Floats, kind: Kind) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """(log values or values, which rows are log, the floor below which values count as it)."""
    known = np.isfinite(values)
    positive = ((values > 0) & known).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    signed = (known & (values < 0)).any(axis=1) & (kind is Kind.OTHER)
    logarithmic = (positive >= POSITIVE) & ~signed & (kind is not Kind.ERRORS)
    median = np.where(logarithmic, row_medians(values), 0.0)
    floor = np.maximum(RATIO_FLOOR * np.maximum(median, 0.0), VALUE_FLOOR.get(kind, 0.0))
    floor = np.where(logarithmic, np.maximum(floor, 1e-30), 0.0)
    safe = np.where(logarithmic[:, np.newaxis], np.maximum(values, floor[:, np.newaxis]), 1.0)
    return np.where(logarithmic[:, np.newaxis], np.log(safe), values), logarithmic, floor


def noise_floor(y: Floats, logarithmic: NDArray[np.bool_], kind: Kind) -> Floats:
    floor = np.full(len(y), NOISE_FLOOR[kind])
    if kind is not Kind.ERRORS:
        size = np.abs(row_medians(np.abs(y)))
        floor = np.where(logarithmic, floor, np.maximum(floor * size, 1e-9))
    return floor
