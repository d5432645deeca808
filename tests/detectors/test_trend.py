"""Blocks in a list, and when a leak is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from anomalyd.detectors.trend import Trend
from tests.detectors.naive import TrendTwin, compare
from tests.detectors.windows import first_above, noisy, streams, window


@settings(max_examples=40)
@given(steps=streams(windows=36))
def test_it_is_its_slow_twin(steps):
    compare(Trend(), TrendTwin, steps)


def leaking(per_window, windows=120, sign=1.0):
    flat = noisy(0.0, windows, sign=sign)
    return [
        window(1, t, residual=c.residual + sign * per_window * max(0, t - 20), sign=sign)
        for t, c in enumerate(flat)
    ]


@pytest.mark.parametrize(
    ("per_window", "expected"), [(0.0, None), (0.01, None), (0.08, 55), (0.2, 35)]
)
def test_a_leak_from_window_20_on_is_found_at(per_window, expected):
    assert first_above(Trend(), leaking(per_window)) == expected


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_growth_is_towards_worse(sign):
    assert first_above(Trend(), leaking(0.2, sign=sign)) is not None
    assert first_above(Trend(), leaking(-0.2, sign=sign), np.log(10)) is None


def test_a_quantity_that_is_worse_both_ways_has_no_trend():
    assert first_above(Trend(), leaking(0.2, sign=0.0), 0.0) is None


@pytest.mark.parametrize("size", [3.0, -3.0, -100.0])
def test_a_blip_is_no_trend(size):
    assert first_above(Trend(), noisy(0.0, 80, spike=(30, size)), np.log(1000)) is None


def test_a_step_is_no_trend():
    assert first_above(Trend(), noisy(0.0, 120, step=(40, 2.0)), np.log(1000)) is None


def test_it_says_when_the_limit_is_reached():
    detector = Trend()
    detector.resize(3)
    for t in range(200):
        value = np.array([100.0 + 2.0 * t, 100.0, 100.0 - t])
        detector.learn(window(3, t, value=value), np.ones(3, dtype=bool))
    left = detector.time_to(np.array([600.0, 600.0, 600.0]), 30.0)
    assert left[0] == pytest.approx((600 - 498) / 2 * 30, rel=0.01)
    assert np.isinf(left[1:]).all()
    assert np.isinf(detector.time_to(np.array([np.nan] * 3), 30.0)).all()
