"""Likelihood ratios with gamma functions and all, and how many errors are too many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import nbinom

from anomalyd.detectors.count_deviation import CountDeviation
from tests.detectors.naive import CountTwin, compare
from tests.detectors.windows import counted, first_above, streams


@settings(max_examples=40)
@given(steps=streams(windows=36))
def test_it_is_its_slow_twin(steps):
    compare(CountDeviation(), CountTwin, steps)


def windows_of(bad, total, ratio=0.01):
    return [
        counted(1, t, np.array([float(b)]), np.array([float(n)]), ratio)
        for t, (b, n) in enumerate(zip(bad, total, strict=True))
    ]


@pytest.mark.parametrize(
    ("bad", "total", "expected"),
    [
        (0, 1000, None),  # none bad
        (10, 1000, None),  # as production allows
        (15, 1000, None),  # worse by exactly the tolerated half point
        (100, 1000, 22),  # ten per cent
        (1000, 1000, 22),  # everything
    ],
)
def test_from_window_20_on_so_many_bad_are_found_at(bad, total, expected):
    windows = windows_of([10] * 20 + [bad] * 40, [total] * 60)
    assert first_above(CountDeviation(), windows) == expected


def test_one_of_three_says_less_than_hundred_of_three_hundred():
    few = first_above(CountDeviation(), windows_of([1] * 60, [3] * 60))
    many = first_above(CountDeviation(), windows_of([100] * 60, [300] * 60))
    assert many < few


def test_windows_without_requests_say_nothing():
    detector = CountDeviation()
    assert first_above(detector, windows_of([0] * 50, [0] * 50), 0.1) is None
    assert detector.dump()["unspent"] == pytest.approx(1.0)


def test_no_factor_expects_a_gain_while_the_mean_is_tolerated():
    """Over the negative binomial of the null, and of anything better, by direct summation."""
    bad = np.arange(3000.0)
    for share in (1.0, 0.5, 0.0):
        mean = 400 * 0.015 * share
        chance = nbinom.pmf(bad, 5, 5 / (5 + mean))
        for excess in (0.005, 0.02, 0.08, 0.3):
            null, other = 6.0, 400 * (0.015 + excess)
            log = (bad + 5) * np.log((null + 5) / (other + 5)) + bad * np.log(other / null)
            assert (chance * np.exp(np.minimum(log, 500))).sum() <= 1 + 1e-9
