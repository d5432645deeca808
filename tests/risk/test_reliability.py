"""The reliability diagram shows what the number keeps, on outcomes that it was not fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from anomalyd.risk.calibration import Enough, fitted, shares
from anomalyd.risk.intervals import wilson
from anomalyd.risk.reliability import FOLDS, curve, left_out, reliability
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


def test_each_outcome_is_judged_by_the_others():
    scores = np.array([10.0, 20.0, 30.0, 90.0])
    incidents = np.array([0.0, 0.0, 1.0, 1.0])
    naive = [
        shares(fitted(np.delete(scores, i), np.delete(incidents, i)), scores[i : i + 1])[0]
        for i in range(4)
    ]
    assert left_out(scores, incidents).tolist() == naive


def test_chance_alone_is_not_made_to_look_like_skill():
    random = np.random.default_rng(5)
    noise = outcomes([(float(s), bool(h)) for s, h in zip(
        random.uniform(0, 100, 200), random.random(200) < 0.3, strict=True)])  # fmt: skip
    assert reliability(noise, Enough()).recalibrated.skill < 0.05


def test_of_very_many_a_twentieth_is_left_out_at_a_time():
    many = overstated(301)
    scores = np.array([one.score for one in many])
    incidents = np.array([one.became == "incident" for one in many], dtype=float)
    known = np.arange(301) % FOLDS != 3
    wanted = shares(fitted(scores[known], incidents[known]), scores[~known])
    assert left_out(scores, incidents)[~known].tolist() == wanted.tolist()


def test_the_brier_score_is_the_mean_squared_error():
    found = curve(np.array([0.9, 0.2, 0.6]), np.array([1.0, 0.0, 0.0]))
    assert found.brier == pytest.approx((0.01 + 0.04 + 0.36) / 3)
    assert found.skill == pytest.approx(1 - found.brier / ((1.0 + 0.25 + 0.25) / 3))
    assert [(one.count, one.incidents) for one in found.bins] == [(1, 0), (1, 0), (1, 1)]
