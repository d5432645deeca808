"""Bets on whitened residuals against a list of them, and what they find when."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from anomalyd.detectors.cusum import Cusum
from tests.detectors.naive import CusumTwin, compare
from tests.detectors.windows import first_above, noisy, streams


@settings(max_examples=40)
@given(steps=streams(windows=36))
def test_it_is_its_slow_twin(steps):
    compare(Cusum(), CusumTwin, steps)


@pytest.mark.parametrize(
    ("phi", "size", "expected"),
    [(0.0, 0.0, None), (0.0, 0.6, 24), (0.0, 1.2, 22), (0.5, 0.6, 35), (0.8, 1.5, 28)],
)
def test_a_step_at_window_20_is_found_at(phi, size, expected):
    assert first_above(Cusum(), noisy(phi, 60, step=(20, size))) == expected


@pytest.mark.parametrize("size", [-3.0, 3.0, -100.0])
@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_one_shock_is_one_window_however_slowly_it_decays(phi, size):
    decay = [size * phi**k for k in range(60)]
    for at in (1, 4, 12):
        windows = noisy(phi, 60, spike=(at, decay[: 60 - at]))
        assert first_above(Cusum(), windows, np.log(1000)) is None


def test_a_change_that_was_there_from_the_start_is_not_seen():
    assert first_above(Cusum(), noisy(0.0, 80, step=(0, 2.0)), np.log(10)) is None
