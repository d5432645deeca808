"""The Kalman filter against explicit matrices, and what it finds when."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from anomalyd.detectors.baseline_deviation import BaselineDeviation
from tests.detectors.naive import KalmanTwin, compare
from tests.detectors.windows import first_above, noisy, streams, window


@settings(max_examples=40)
@given(steps=streams(windows=36))
def test_it_is_its_slow_twin(steps):
    compare(BaselineDeviation(), KalmanTwin, steps)


@pytest.mark.parametrize(
    ("phi", "size", "expected"),
    [(0.0, 0.0, None), (0.0, 0.6, 24), (0.0, 1.2, 22), (0.5, 0.6, 34), (0.8, 0.6, None)],
)
def test_a_step_at_window_20_is_found_at(phi, size, expected):
    assert first_above(BaselineDeviation(), noisy(phi, 60, step=(20, size))) == expected


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


def test_after_a_gap_the_level_is_still_known_and_the_noise_is_not():
    detector = BaselineDeviation()
    detector.resize(1)
    everyone = np.ones(1, dtype=bool)
    for t in range(30):
        detector.learn(window(1, t, residual=0.3, phi=0.9, noise=0.1), everyone)
    state = detector.dump()
    for t in range(30, 50):
        detector.learn(window(1, t, residual=np.nan, phi=0.9, noise=0.1), everyone)
    later = detector.dump()
    assert later["o"] == state["o"]
    assert abs(later["a"][0]) < 0.2 * abs(state["a"][0])
    assert later["aa"][0] == pytest.approx(0.1**2 / (1 - 0.9**2), rel=0.05)


def test_forgetting_evidence_keeps_what_was_learned_of_the_run():
    detector = BaselineDeviation()
    first_above(detector, noisy(0.0, 40, step=(0, 0.4)))
    before = detector.dump()
    detector.forget_evidence(np.array([0]))
    after = detector.dump()
    assert after["o"] == before["o"]
    assert (after["unspent"] == 1).all()
    assert (after["wealth"] == 0).all()
