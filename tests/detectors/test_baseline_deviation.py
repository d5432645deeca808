"""Steps at every moment against one object per onset, and what is found when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from anomalyd.detectors.baseline_deviation import (
    LEAST_PAST,
    MOST_PAST,
    ONSETS,
    OWN_PAST,
    BaselineDeviation,
    _least,
)
from tests.detectors.naive import StepsTwin, compare
from tests.detectors.windows import first_above, noisy, streams, window

FLOAT32 = 2e-4
"""Wealth and responses are float32, some forty products long."""


@settings(max_examples=40)
@given(steps=streams(windows=36))
def test_it_is_its_slow_twin(steps):
    compare(BaselineDeviation(), StepsTwin, steps, rtol=FLOAT32, atol=FLOAT32)


@pytest.mark.parametrize(
    ("phi", "size", "latest"), [(0.0, 0.6, 26), (0.0, 1.2, 22), (0.5, 0.6, 36), (0.5, 1.2, 24)]
)
def test_a_step_at_window_20_is_found_by(phi, size, latest):
    found = first_above(BaselineDeviation(), noisy(phi, 60, step=(20, size)))
    assert 20 <= found <= latest


@pytest.mark.parametrize(("phi", "size"), [(0.0, 0.0), (0.5, 0.0), (0.8, 0.0), (0.8, 0.3)])
def test_what_noise_alone_makes_as_likely_is_not_found(phi, size):
    assert first_above(BaselineDeviation(), noisy(phi, 60, step=(20, size))) is None


@pytest.mark.parametrize(("sign", "found"), [(1.0, False), (-1.0, True), (0.0, True)])
def test_only_the_way_that_is_worse_counts(sign, found):
    windows = noisy(0.0, 60, step=(20, -1.0), sign=sign)
    assert (first_above(BaselineDeviation(), windows) is not None) is found


def test_a_constant_difference_from_production_is_no_evidence():
    windows = noisy(0.3, 120, step=(0, 0.4))
    assert first_above(BaselineDeviation(), windows, np.log(10)) is None


@pytest.mark.parametrize("size", [-3.0, 3.0, -100.0])
def test_one_absurd_window_does_not_make_the_next_ones_surprising(size):
    for at in (3, 10, 30):
        windows = noisy(0.0, 60, spike=(at, size))
        assert first_above(BaselineDeviation(), windows, np.log(1000)) is None


def test_a_value_beyond_single_precision_does_not_end_what_is_known_of_its_row():
    windows = noisy(0.0, 60, step=(40, 1.2), spike=(20, 1e25))
    assert first_above(BaselineDeviation(), windows[:40], np.log(1000)) is None
    assert first_above(BaselineDeviation(), windows, np.log(1000)) in range(40, 44)


def test_the_onset_that_holds_least_is_the_first_of_them():
    held = np.random.default_rng(1).integers(0, 4, (ONSETS, 300)).astype(np.float32)
    assert _least(held).tolist() == held.argmin(axis=0).tolist()


@pytest.mark.parametrize(
    ("width", "past"), [(1.0, MOST_PAST), (OWN_PAST / 3, 3), (600.0, LEAST_PAST)]
)
def test_nothing_is_bet_on_before_a_minute_of_the_run_was_seen_in_windows_within_bounds(
    width, past
):
    detector, everyone, bet = BaselineDeviation(), np.ones(1, dtype=bool), []
    detector.resize(1)
    for t in range(30):
        detector.learn(replace(window(1, t), window=width), everyone)
        bet.append(detector.dump()["unspent"][0] < 1)
    assert bet.index(True) == min(max(2, np.ceil(OWN_PAST / width)), 4)


def test_what_a_later_onset_displaced_is_cashed_in_and_no_stake_is_lost():
    """Were every factor 1, wealth would stay what it was at first."""
    detector, everyone = BaselineDeviation(), np.ones(1, dtype=bool)
    detector.resize(1)
    for t in range(4 * ONSETS):
        flat = window(1, t, noise=1e6, tolerate=0.0, size=1e-3)
        assert detector.score(flat)[0] == pytest.approx(0.0, abs=1e-4)
        detector.learn(flat, everyone)
    state = detector.dump()
    assert state["cash"][0] > 0.1
    assert state["cash"] + state["unspent"] + state["wealth"].sum() == pytest.approx(1.0, abs=1e-4)


def test_forgetting_evidence_keeps_what_was_learned_of_the_run():
    detector = BaselineDeviation()
    first_above(detector, noisy(0.0, 40, step=(0, 0.4)))
    before = detector.dump()
    detector.forget_evidence(np.array([0]))
    after = detector.dump()
    for name in ("mean", "cov", "count", "scale"):
        np.testing.assert_array_equal(after[name], before[name])
    assert before["unspent"] < 1
    assert after["unspent"] == 1
    assert not any(after[name].any() for name in ("wealth", "response", "cash"))
