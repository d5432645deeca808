"""The recursions one series at a time, and the p-values of a step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from anomalyd.detectors.ewma import Ewma
from tests.detectors.naive import EwmaTwin, compare
from tests.detectors.windows import noisy, streams, window


@settings(max_examples=40)
@given(steps=streams(windows=36))
def test_it_is_its_slow_twin(steps):
    compare(Ewma(), EwmaTwin, steps)


def p_values(windows):
    detector, everyone = Ewma(), np.ones(1, dtype=bool)
    detector.resize(1)
    found = []
    for context in windows:
        found.append(detector.score(context)[0])
        detector.learn(context, everyone)
    return found


def test_it_waits_for_twelve_windows():
    found = p_values(noisy(0.0, 20))
    assert np.isnan(found[:12]).all()
    assert np.isfinite(found[12:]).all()


def test_a_step_is_improbable_once_and_ordinary_in_the_end():
    found = p_values(noisy(0.0, 120, step=(60, 1.5)))
    assert found[60] < 1e-3
    assert np.mean(found[100:]) > 0.3


def test_quiet_data_is_not_taken_more_seriously_than_production_is_noisy():
    quiet = [window(1, t, residual=0.001 * (t % 2)) for t in range(30)]
    assert p_values([*quiet, window(1, 30, residual=0.1)])[-1] > 0.1


@pytest.mark.parametrize(("sign", "small"), [(1.0, False), (-1.0, True), (0.0, True)])
def test_only_the_way_that_is_worse_counts(sign, small):
    assert bool(p_values(noisy(0.0, 61, step=(60, -1.5), sign=sign))[60] < 0.01) is small
