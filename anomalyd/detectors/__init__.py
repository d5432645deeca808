"""Batch -> p- or e-value per row: one algorithm per file, in this order."""

from __future__ import annotations

from collections.abc import Callable

from anomalyd.detectors.absence import Absence
from anomalyd.detectors.base import Detector
from anomalyd.detectors.baseline_deviation import BaselineDeviation
from anomalyd.detectors.count_deviation import CountDeviation
from anomalyd.detectors.run_shift import RunShift
from anomalyd.detectors.trend import Trend

DETECTORS: tuple[tuple[Callable[[], Detector], float], ...] = (
    (BaselineDeviation, 0.55),
    (CountDeviation, 0.95),
    (RunShift, 0.25),
    (Trend, 0.15),
    (Absence, 0.0),
)
"""Each with its share of a series' evidence. Rows with a residual are judged by all but
`count_deviation`, ratios of counts by `count_deviation` alone: the shares sum to at most 1."""


def share_of(detector: type[Detector]) -> float:
    return next(share for factory, share in DETECTORS if factory is detector)
