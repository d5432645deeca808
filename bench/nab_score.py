"""The score of the Numenta Anomaly Benchmark for detections on labelled streams.

Reference: Lavin, Ahmad, "Evaluating real-time anomaly detection algorithms", 2015, section III.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PROBATION_SHARE, PROBATION_ROWS = 0.15, 750
FAR = 3.0
"""Widths of a window behind it: a detection farther off costs all of its weight."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a false detection costs and what a missed window costs."""

    false_positive: float
    false_negative: float


PROFILES = {
    "standard": Profile(0.11, 1.0),
    "low FP": Profile(0.22, 1.0),
    "low FN": Profile(0.11, 2.0),
}


@dataclass(frozen=True)
class Labels:
    """Windows of a stream of `rows` rows: (first, last) row of each, both within it, in order."""

    rows: int
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """The first rows are not scored."""
        return int(min(PROBATION_SHARE * self.rows, PROBATION_ROWS))


def sigmoid(y: float) -> float:
    """S(y) = 2 / (1 + exp(5y)) - 1: 0 at the end of a window, nearly 1 at its start (y = -1)."""
    return 2.0 / (1.0 + math.exp(5.0 * y)) - 1.0


def worth(row: int, window: tuple[int, int]) -> float:
    """What a detection at `row` inside the window is worth: 1 at its first row, towards 0."""
    left, right = window
    return sigmoid(-(right - row + 1) / (right - left + 1)) / sigmoid(-1.0)


def cost(row: int, labels: Labels) -> float:
    """What a detection at `row` outside all windows costs: 1, less just behind a window."""
    before = [window for window in labels.windows if window[1] < row]
    if not before:
        return 1.0
    left, right = before[-1]
    y = (row - right) / max(right - left, 1)
    return 1.0 if y > FAR else -sigmoid(y)


def raw(labels: Labels, detected: Sequence[int], profile: Profile) -> float:
    """The sum over windows and false detections; `detected` are rows."""
    rows = [row for row in detected if row >= labels.probation]
    total = 0.0
    for window in labels.windows:
        inside = [worth(row, window) for row in rows if window[0] <= row <= window[1]]
        rows = [row for row in rows if not window[0] <= row <= window[1]]
        total += max(inside, default=-profile.false_negative)
    return total - profile.false_positive * sum(cost(row, labels) for row in rows)


def normalised(raw_sum: float, windows: float, profile: Profile) -> float:
    """0 for silence, 100 for every window found at its start and nothing else."""
    silent = -profile.false_negative * windows
    return 100.0 * (raw_sum - silent) / (windows - silent)


def curve(labels: Labels, scores: Floats, thresholds: Floats, profile: Profile) -> Floats:
    """float64[thresholds]: `raw` of the rows that score at least each threshold."""
    where = np.arange(labels.probation, labels.rows)
    owner = np.full(labels.rows, -1)
    for number, (left, right) in enumerate(labels.windows):
        owner[left : right + 1] = number
    outside = where[owner[where] < 0]
    costs = np.array([cost(int(row), labels) for row in outside])
    total = -profile.false_positive * _at(scores[outside], np.cumsum, costs, thresholds, 0.0)
    for number, window in enumerate(labels.windows):
        rows = where[owner[where] == number]
        gains = np.array([worth(int(row), window) for row in rows])
        best = np.maximum.accumulate
        total += _at(scores[rows], best, gains, thresholds, -profile.false_negative)
    return total


def _at(
    scores: Floats, gathered: np.ufunc, amounts: Floats, thresholds: Floats, none: float
) -> Floats:
    """What is gathered of `amounts` in falling order of score, down to each threshold."""
    order = np.argsort(-scores, kind="stable")
    so_far = np.concatenate(([none], gathered(amounts[order])))
    return so_far[np.searchsorted(-scores[order], -thresholds, side="right")]
