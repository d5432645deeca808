from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.detectors.mixture import CAP, RICH, TILTS, OnsetMixture, bets_on_p
from tests.detectors.naive import Onsets, tilted


@given(st.integers(0, 2**32 - 1))
def test_it_is_the_sum_over_onsets(seed):
    rng = np.random.default_rng(seed)
    n, bets = 4, 3
    mixture, slow = OnsetMixture(bets), [Onsets() for _ in range(n)]
    mixture.resize(n)
    for _ in range(25):
        going_on, beginning = np.exp(rng.normal(-0.3, 2.5, (2, bets, n)))
        mask = rng.random(n) < 0.7
        windows = list(zip(going_on.T.tolist(), beginning.T.tolist(), strict=True))
        after = mixture.after((going_on, beginning))
        expected = [s.value(windows[i] if mask[i] else None) for i, s in enumerate(slow)]
        np.testing.assert_allclose(mixture.log_value_after(after, mask), expected, atol=1e-9)
        mixture.commit(after, mask)
        for i in np.flatnonzero(mask):
            slow[i].windows.append(windows[i])
        np.testing.assert_allclose(mixture.log_value(), expected, atol=1e-9)


def test_prior_mass_is_conserved_when_bets_bring_nothing():
    mixture = OnsetMixture(2)
    mixture.resize(1)
    for _ in range(500):
        mixture.commit(mixture.after((np.ones((2, 1)), np.ones((2, 1)))), np.ones(1, dtype=bool))
        assert mixture.log_value() == pytest.approx(0.0, abs=1e-12)


def test_no_single_window_brings_more_than_the_cap():
    mixture = OnsetMixture(1)
    mixture.resize(1)
    mixture.commit(mixture.after((np.array([[1e200]]),) * 2), np.ones(1, dtype=bool))
    assert np.exp(mixture.log_value()[0]) == pytest.approx(0.3 * CAP + 0.7)


def test_wealth_never_overflows():
    mixture = OnsetMixture(1)
    mixture.resize(1)
    for _ in range(1000):
        mixture.commit(mixture.after((np.array([[1e200]]),) * 2), np.ones(1, dtype=bool))
    assert mixture.log_value()[0] == pytest.approx(np.log(RICH))


def test_bets_are_the_tilted_normal_densities():
    p = np.array([1e-12, 0.003, 0.5, 0.97, 1.0])
    expected = np.array([tilted(x) for x in p]).T
    np.testing.assert_allclose(bets_on_p(p), expected, rtol=1e-9)
    assert bets_on_p(p).shape == (len(TILTS), 5)


def test_a_bet_on_a_uniform_p_value_expects_no_gain():
    p = (np.arange(1_000_000) + 0.5) / 1_000_000
    assert (bets_on_p(p).mean(axis=1) <= 1.0).all()
