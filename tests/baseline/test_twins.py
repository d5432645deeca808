"""Everything that is batched over series agrees with a slow and obvious twin."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from anomalyd.baseline import curves, noise, persistence, rates
from tests.baseline.worlds import autoregressive, daily_load


@pytest.fixture
def acf():
    """What takes a second to import, only where it is compared with."""
    from statsmodels.tsa.stattools import acf

    return acf


@pytest.fixture
def quantile_regression():
    from statsmodels.regression.quantile_regression import QuantReg

    return QuantReg


def with_gaps(values, rng, share=0.2):
    return np.where(rng.random(values.shape) < share, np.nan, values)


def test_quantiles_are_those_of_numpy():
    rng = np.random.default_rng(0)
    values = with_gaps(rng.normal(size=(4, 5, 30)), rng, 0.4)
    levels = (0.0, 0.01, 0.5, 0.9, 1.0)
    found = curves.sorted_quantiles(np.sort(values, axis=-1), levels)
    np.testing.assert_allclose(found, np.nanquantile(values, levels, axis=-1))


@pytest.mark.parametrize("lag", [1, 2, 7])
def test_autocorrelation_is_that_of_statsmodels_gaps_included(acf, lag):
    rng = np.random.default_rng(1)
    x = with_gaps(autoregressive((6, 400), 0.7, rng), rng)
    slow = [acf(row, nlags=lag, missing="conservative", adjusted=True, fft=False)[lag] for row in x]
    np.testing.assert_allclose(persistence.autocorrelation(x, lag), slow, atol=1e-9)


def test_the_centre_is_as_good_as_median_regression_on_the_same_hinges(quantile_regression):
    rng = np.random.default_rng(2)
    load = daily_load(1500, rng)
    axis = curves.load_axis(load)
    truth = np.log(0.02 / (1 - load / 200))
    y = truth + 0.2 * rng.standard_t(4, size=(20, 1500))
    fast = curves.centre_curves(y, axis, rising=False)
    medians = curves.fine_medians(y, axis)[0]
    basis, out = curves.hats(axis.fine, axis.knots), curves.hats(axis.centres, axis.knots)
    slow = np.stack(
        [out @ quantile_regression(m, basis).fit(q=0.5, max_iter=5000).params for m in medians]
    )
    exact = np.interp(np.exp(axis.centres), np.sort(load), truth[np.argsort(load)])
    assert np.abs(fast - exact).mean() <= np.abs(slow - exact).mean() * 1.05
    assert np.abs(fast - slow).mean() < 0.03


def pooled_neighbours(values, weights):
    blocks = [[v, w, 1] for v, w in zip(values, weights, strict=True)]
    i = 0
    while i + 1 < len(blocks):
        (v, w, n), (next_v, next_w, next_n) = blocks[i], blocks[i + 1]
        if v <= next_v:
            i += 1
            continue
        blocks[i : i + 2] = [[(v * w + next_v * next_w) / (w + next_w), w + next_w, n + next_n]]
        i = max(i - 1, 0)
    return list(itertools.chain.from_iterable([v] * n for v, _, n in blocks))


def test_isotonic_is_that_of_pooling_neighbours():
    rng = np.random.default_rng(3)
    values, weights = rng.normal(size=(50, 8)), rng.uniform(0.1, 5, size=(50, 8))
    slow = [pooled_neighbours(v, w) for v, w in zip(values, weights, strict=True)]
    np.testing.assert_allclose(curves.isotonic(values, weights), slow, atol=1e-6)


def test_the_scale_of_a_student_covers_every_level_on_both_sides():
    rng = np.random.default_rng(4)
    values = with_gaps(rng.standard_t(3, size=(10, 3000)), rng)
    slow = []
    for row in values:
        known = row[np.isfinite(row)]
        body = max(
            max(np.quantile(known, level), -np.quantile(known, 1 - level)) / student
            for level, student in noise.BODY
        )
        tail = max(
            (
                max(np.quantile(known, level), -np.quantile(known, 1 - level)) / student
                for level, student in noise.TAIL
                if len(known) * (1 - level) >= noise.BEYOND
            ),
            default=0.0,
        )
        slow.append(max(body, min(tail, noise.TAIL_ROOM * body)))
    np.testing.assert_allclose(noise.t4_scale(values), slow)


def test_known_sampling_variance_is_taken_off_the_scale():
    rng = np.random.default_rng(5)
    variance = rng.choice([0.01, 1.0], size=(8, 4000))
    values = rng.standard_t(4, size=variance.shape) * np.sqrt(0.09 + variance)
    found = noise.scale_beyond(values, variance)
    assert (np.abs(found - 0.3) < 0.09).all()
    assert noise.t4_scale(values).min() > 0.7


def test_incidents_are_the_stretches_a_person_would_mark():
    rng = np.random.default_rng(6)
    residual = 0.1 * rng.normal(size=(3, 600))
    residual[0, 200:240] += 1.0
    residual[1, [50, 51, 300]] += 5.0
    found = noise.incidents(residual, np.full(3, 0.01))
    assert found[0, 200:240].all()
    assert found[0].sum() < 40 + 4 * 15
    assert not found[1:].any()


@pytest.mark.parametrize("phi", [0.0, 0.9, 0.97])
def test_persistent_noise_is_not_taken_for_incidents(phi):
    x = autoregressive((20, 5000), phi, np.random.default_rng(7))
    assert noise.incidents(x, np.full(20, 0.01)).mean() < 0.01


def test_a_series_that_is_off_half_the_time_has_no_incident():
    residual = 0.1 * np.random.default_rng(8).normal(size=(1, 600))
    residual[0, :280] += 3.0
    assert not noise.incidents(residual, np.array([0.01])).any()


@pytest.mark.parametrize("bad", [0, 1, 30])
def test_the_upper_rate_is_exceeded_by_few(bad):
    """At the upper bound, seeing so few or fewer has a probability of about 5%."""
    upper = float(rates.upper_rate(np.array([bad / 1000]), np.array([1000.0]))[0])
    seen = np.random.default_rng(9).binomial(1000, upper, size=200_000)
    assert 0.02 < (seen <= bad).mean() < 0.08
