"""The reliability diagram shows what the number keeps, on outcomes that it was not fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from anomalyd.risk.calibration import Enough, fitted, shares
from anomalyd.risk.intervals import wilson
from anomalyd.risk.reliability import FOLDS, cross_validated, curve, folds_of, reliability
from tests.risk.outcomes import outcomes, overstated


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_interval_is_wilson_s(had, clean):
    of = had + clean
    if not of:
        assert wilson(0, 0) == (0.0, 1.0)
        return
    assert wilson(had, of) == pytest.approx(proportion_confint(had, of, method="wilson"), abs=1e-9)


def test_nothing_is_drawn_until_there_is_enough():
    found = reliability(overstated(20), Enough())
    assert (found.calibrated, found.raw, found.recalibrated) == (False, None, None)
    assert (found.outcomes, found.needed) == (20, 30)


def test_a_number_that_overstates_is_seen_to_and_its_calibration_is_not():
    found = reliability(overstated(400), Enough())
    assert found.calibrated
    top = found.raw.bins[-1]
    assert (top.low, top.high) == (80.0, 100.0)
    assert top.said == pytest.approx(90, abs=2)
    assert top.observed_high < 45
    assert found.recalibrated.brier < found.raw.brier
    assert found.recalibrated.skill > found.raw.skill
    for one in found.recalibrated.bins:
        assert one.observed_low - 5 <= one.said <= one.observed_high + 5
    assert sum(one.count for one in found.raw.bins) == 400


def columns(n: int) -> tuple[np.ndarray, np.ndarray]:
    found = overstated(n)
    had = [one.became == "incident" for one in found]
    return np.array([one.score for one in found]), np.array(had, dtype=float)


def test_no_outcome_is_judged_by_itself():
    scores, incidents = columns(60)
    folds, given = folds_of(scores, incidents), cross_validated(scores, incidents)
    for i in range(60):
        others = folds != folds[i]
        blocks = fitted(scores[others], incidents[others])
        assert given[i] == shares(blocks, scores[i : i + 1])[0]


def test_every_fold_has_its_share_of_incidents():
    _, incidents = columns(400)
    folds = folds_of(*columns(400))
    had = np.bincount(folds, weights=incidents)
    assert len(had) == FOLDS
    assert had.max() - had.min() <= 1


def test_chance_alone_is_not_made_to_look_like_skill():
    random = np.random.default_rng(5)
    noise = outcomes([(float(s), bool(h)) for s, h in zip(
        random.uniform(0, 100, 200), random.random(200) < 0.3, strict=True)])  # fmt: skip
    assert reliability(noise, Enough()).recalibrated.skill < 0.05


def test_the_brier_score_is_the_mean_squared_error():
    found = curve(np.array([0.9, 0.2, 0.6]), np.array([1.0, 0.0, 0.0]))
    assert found.brier == pytest.approx((0.01 + 0.04 + 0.36) / 3)
    assert found.skill == pytest.approx(1 - found.brier / ((1.0 + 0.25 + 0.25) / 3))
    assert [(one.count, one.incidents) for one in found.bins] == [(1, 0), (1, 0), (1, 1)]
