"""What a run may spend on failing when nothing is wrong, and what its series need to spend it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from anomalyd.judgement.course import Course
from anomalyd.model import Floats

BLIP_MAY_BRING = 14.8
"""Nats, about what it takes a series of a run to fire."""

MOST_PER_WINDOW = 5.5
"""No single window may bring more: one absurd sample must not decide a run."""


def log_threshold(series: int, false_fail: float) -> float:
    """Log e-value at which one series fires alone: Ville bounds each over all windows, Bonferroni
    all series of production (or of the run, where several are compared with one of production)."""
    return float(np.log(max(series, 1) / false_fail))


def together(courses: Iterable[Course], log_evidence: Floats) -> Floats:
    """Log e-value at which each row fires, beside those that go up with it: float64[n], infinite
    for rows that decide nothing.

    They do once the mean of all e-values is 1 / false_fail, which is one too, whatever the series
    have in common (Vovk and Wang, "E-values", 2021, section 3): as many of the largest as it takes
    fire, but none that is itself below that mean. e-BH (Wang and Ramdas, "False discovery rate
    control with e-values", 2022) never asks for less than that mean, and says which others are of
    it: k series, once each has 1/k of the evidence that one alone would need.
    """
    thresholds = np.full(len(log_evidence), np.inf)
    for course in courses:
        found = np.sort(log_evidence[course.deciding])[::-1]
        needed = course.log_threshold - np.log(np.arange(1, len(found) + 1))
        enough = np.flatnonzero(found >= needed)
        at = enough[-1] if enough.size else 0
        lowest = needed[at] if len(needed) else course.log_threshold
        sums = np.logaddexp.accumulate(found)
        if len(found) and sums[-1] >= course.log_threshold:
            last = found[np.searchsorted(sums, course.log_threshold)]
            lowest = min(lowest, max(last, needed[-1]))
        thresholds[course.deciding] = lowest
    return thresholds


def brief(window: float, smear: int, blip: float) -> float:
    """Nats that one window of a latency or a saturation may bring, so that what is off for `blip`
    seconds does not decide alone. smear: windows that a value is spread over."""
    windows = (blip + smear * window) / window + 0.7
    return float(min(MOST_PER_WINDOW, BLIP_MAY_BRING / windows))
