"""The numbers of a finding: what a run showed of a series, and what that makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from anomalyd.detectors.base import Mask
from anomalyd.judgement.band import Band
from anomalyd.model import Anomaly, Floats, Rows, Signal
from anomalyd.units import format_effect

ROUNDING = 1e-9

MOSTLY = 0.5
"""Of the windows: in more of them is what counts for the whole run."""

STRETCHES, FEWEST = 4, 3
"""Of a run, and the windows that each must have."""

TOO_FEW = "too few requests for the size of its values to mean anything"
MAY_BE_OFFSET = "staging's own difference may explain it: too little to fail on, too much to pass"


def effect_of(signal: Signal, observed: float, expected: float) -> float:
    """Observed against expected on the scale people use: relative, or absolute for ratios."""
    if signal.tolerate.absolute:
        return observed - expected
    return observed / expected - 1 if expected else math.nan


def asked_of(signal: Signal) -> float:
    """The change that a pass must have been able to show, on the same scale."""
    return signal.detect.absolute or signal.detect.relative


class Numbers(NamedTuple):
    """Of one series, in its signal's unit."""

    observed: float
    expected: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Seen:
    """Of n rows in the w judged windows of a run.

    values: float64[w, n], NaN where absent. bands: w, of n rows each. shift: float64[n], what 80%
    power could show, in units of the reference's scale. usual: float64[n], what a good run may
    differ by, in the same. share: float64[n], of its effect at which a
    row that fired would pass, NaN for others. sparse: bool[n], too few requests in most windows.
    """

    values: Floats
    bands: Sequence[Band]
    shift: Floats
    usual: Floats
    share: Floats
    sparse: Mask

    def typical(self, i: int) -> Numbers | None:
        """Medians over the windows in which the row had a value, None if it had none."""
        return self._medians(i, np.flatnonzero(np.isfinite(self.values[:, i])))

    def worst_stretch(self, i: int) -> Numbers | None:
        """Medians over the quarter of the run in which the row was highest above what was expected,
        over all of a short run: what began in the midst of it shows there."""
        there = np.flatnonzero(np.isfinite(self.values[:, i]))
        parts = STRETCHES if len(there) >= STRETCHES * FEWEST else 1
        found = (self._medians(i, part) for part in np.array_split(there, parts))
        known = [one for one in found if one is not None and one.expected > 0]
        return max(known, key=lambda one: one.observed / one.expected, default=None)

    def _medians(self, i: int, windows: Rows) -> Numbers | None:
        if not len(windows):
            return None
        bands = [self.bands[at] for at in windows]
        return Numbers(
            float(np.median(self.values[windows, i])),
            float(np.median([band.expected[i] for band in bands])),
            float(np.median([band.low[i] for band in bands])),
            float(np.median([band.high[i] for band in bands])),
        )

    def by_the_hour(self, i: int) -> list[bool]:
        """In which windows the hour moved what was expected."""
        return [bool(band.season[i]) for band in self.bands]

    def extrapolated(self, i: int) -> bool:
        return sum(bool(band.extrapolated[i]) for band in self.bands) > MOSTLY * len(self.bands)


def of_anomaly(anomaly: Anomaly) -> Numbers:
    return Numbers(anomaly.observed, anomaly.expected, anomaly.low, anomaly.high)


def state_of(
    signal: Signal, effect: float, mde: float, usual: float, sparse: bool
) -> tuple[str, str]:
    """State and note of a series that did not fire; usual: what a good run may differ by."""
    detect = asked_of(signal)
    if sparse and not mde <= detect:
        return "sparse", TOO_FEW
    if _worse(signal, effect) >= max(detect, usual):
        size = format_effect(effect, bool(signal.tolerate.absolute))
        return "weak", f"{size} against production over the whole run; {MAY_BE_OFFSET}"
    return "ok" if mde <= detect * (1 + ROUNDING) else "weak", ""


def _worse(signal: Signal, effect: float) -> float:
    if math.isnan(effect):
        return 0.0
    return {"up": effect, "down": -effect, "both": abs(effect)}[signal.worse]
