"""Does the number keep what it says: reliability by bins, and the Brier score.

What is fitted to outcomes is shown as it does on outcomes that it was not fitted to, by stratified
cross-validation, so that the diagram does not flatter itself. Leaving out one at a time would do it
an injustice: without an incident fewer are expected, without a clean release more (Kohavi, 1995).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomalyd.model import Became, Floats, RecordedOutcome, Rows
from anomalyd.risk.calibration import Enough, enough, fitted, shares
from anomalyd.risk.intervals import wilson

BINS = 5
"""Of equal width."""
FOLDS = 10
"""At most: each has its share of the incidents, of low and high scores."""


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
    """outcomes, incidents: recorded so far. raw: of the score as it is; recalibrated: of what was
    made of it. Both None while outcomes do not suffice."""

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
    raw, again = scores / 100, cross_validated(scores, incidents)
    return Reliability(*counted, True, curve(raw, incidents), curve(again, incidents))


def folds_of(scores: Floats, incidents: Floats) -> Rows:
    """The fold of each outcome: intp[n]. Of one kind, neighbours by score are in different ones."""
    fewest = int(min(incidents.sum(), (1 - incidents).sum()))
    folds = np.zeros(len(scores), dtype=np.intp)
    for kind in (0.0, 1.0):
        rows = np.flatnonzero(incidents == kind)
        order = rows[np.argsort(scores[rows], kind="stable")]
        folds[order] = np.arange(len(order)) % max(2, min(FOLDS, fewest))
    return folds


def cross_validated(scores: Floats, incidents: Floats) -> Floats:
    """What each outcome is given by a calibration that does not know it: float64[n], n > 2."""
    folds, given = folds_of(scores, incidents), np.empty(len(scores))
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
