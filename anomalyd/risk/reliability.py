"""Does the number keep what it says: reliability by bins, and the Brier score.

What is fitted to outcomes is shown as it does on outcomes that it was not fitted to: each is left
out in turn (of very many, a twentieth at a time), so that the diagram does not flatter itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomalyd.model import Became, Floats, RecordedOutcome
from anomalyd.risk.calibration import Enough, enough, fitted, shares
from anomalyd.risk.intervals import wilson

BINS = 5
"""Of equal width."""
LEFT_OUT_ALONE = 300
"""Outcomes up to which each is left out by itself."""
FOLDS = 20


@dataclass(frozen=True, slots=True)
class Bin:
    """Releases that were given from `low` to `high` of 100: said, the mean of what they were given;
    observed, how many of 100 had an incident, with its 95% interval."""

    low: float
    high: float
    count: int
    incidents: int
    said: float
    observed: float
    observed_low: float
    observed_high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """brier: mean squared error of the chance (Brier, 1950), 0 is best. skill: the share of the
    Brier score of one constant chance that it does away with; below 0 it is worse than that."""

    bins: tuple[Bin, ...]
    brier: float
    skill: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """outcomes, incidents: recorded so far. raw: of the score as it is, calibrated: of what was made
    of it, both None while outcomes do not suffice."""

    outcomes: int
    incidents: int
    needed: int
    needed_of_each: int
    calibrated: bool = False
    raw: Curve | None = None
    recalibrated: Curve | None = None


def reliability(outcomes: Sequence[RecordedOutcome], needed: Enough) -> Reliability:
    incidents = np.array([one.became is Became.INCIDENT for one in outcomes], dtype=np.float64)
    counted = (len(outcomes), int(incidents.sum()), needed.outcomes, needed.of_each)
    if not enough(outcomes, needed):
        return Reliability(*counted)
    scores = np.array([one.score for one in outcomes])
    raw, again = scores / 100, left_out(scores, incidents)
    return Reliability(*counted, True, curve(raw, incidents), curve(again, incidents))


def left_out(scores: Floats, incidents: Floats) -> Floats:
    """What each outcome is given by a calibration that does not know it: float64[n], n > 1."""
    n = len(scores)
    folds = np.arange(n) % (n if n <= LEFT_OUT_ALONE else FOLDS)
    given = np.empty(n)
    for fold in range(int(folds.max()) + 1):
        known = folds != fold
        given[~known] = shares(fitted(scores[known], incidents[known]), scores[~known])
    return given


def curve(chances: Floats, incidents: Floats) -> Curve:
    """Of chances and what became of them (0 or 1), float64[n] each; n > 1."""
    place = np.minimum((chances * BINS).astype(np.intp), BINS - 1)
    bins = [_bin(i, chances[place == i], incidents[place == i]) for i in np.unique(place)]
    brier = float(np.mean((chances - incidents) ** 2))
    others = (incidents.sum() - incidents) / (len(incidents) - 1)
    constant = float(np.mean((others - incidents) ** 2))
    return Curve(tuple(bins), brier, 1 - brier / constant if constant else 0.0)


def _bin(place: int, chances: Floats, incidents: Floats) -> Bin:
    count, had = len(incidents), int(incidents.sum())
    low, high = wilson(had, count)
    return Bin(
        100.0 * place / BINS,
        100.0 * (place + 1) / BINS,
        count,
        had,
        100 * float(chances.mean()),
        100 * had / count,
        100 * low,
        100 * high,
    )
