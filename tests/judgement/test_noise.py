"""What good runs show of their own noise: the parameters that they were drawn with."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import laplace, norm, t

from anomalyd.baseline.noise import t4_scale
from anomalyd.detectors.baseline_deviation import SIZES
from anomalyd.detectors.level_filter import WANDER_SECONDS
from anomalyd.judgement.noise import LEAST_WINDOWS, bounded, noise_of
from anomalyd.model import Kind
from tests.detectors.streams import autoregressive, normal
from tests.detectors.windows import WINDOW, window

ROWS, TOLD = 40, 0.1
RHO = np.exp(-WINDOW / WANDER_SECONDS)


def good_run(seed, windows, phi=0.0, wander=0.0, factor=1.0, offset=0.0, slope=0.0):
    """Contexts of ROWS series that the baseline has told a noise of TOLD of."""
    rng = np.random.default_rng(seed)
    own = factor * TOLD / np.sqrt(1 - phi**2)
    fast = factor * TOLD * autoregressive(phi, normal)(rng, windows, ROWS)
    slow = np.sqrt(1 - RHO**2) * autoregressive(RHO, normal)(rng, windows, ROWS)
    loads = 0.5 * rng.standard_normal(windows)
    residuals = offset + slope * (loads[:, np.newaxis] - 0.3) + fast + wander * own * slow
    return [
        window(ROWS, i, residual=row, load=load, noise=TOLD)
        for i, (row, load) in enumerate(zip(residuals, loads, strict=True))
    ]


def learned(runs, mean=0.0, slope=0.0, kinds=None):
    def expected(context):
        return mean + slope * (context.load - 0.3)

    return noise_of(runs, expected, kinds or [Kind.LATENCY] * ROWS)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_the_autocorrelation_and_the_scale_are_found(phi):
    found = learned([good_run(seed, 120, phi) for seed in range(3)])
    assert np.median(found.phi) == pytest.approx(phi, abs=0.11)
    assert np.median(found.scale) == pytest.approx(1.0, abs=0.15)
    assert (found.windows == 360).all()


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_noise_that_is_not_production_s_is_found(factor):
    found = learned([good_run(seed, 120, 0.5, factor=factor) for seed in range(3)])
    assert np.median(found.scale) == pytest.approx(factor, rel=0.2)


def test_runs_that_wander_are_told_from_those_that_do_not():
    still, wandering = (
        learned([good_run(seed, 240, 0.0, wander) for seed in range(3)]) for wander in (0.0, 0.9)
    )
    assert np.median(still.wander) < 0.3 < np.median(wandering.wander)


def test_what_runs_usually_differ_by_is_not_their_noise():
    plain = learned([good_run(1, 200, 0.5)])
    known = learned([good_run(1, 200, 0.5, offset=0.7, slope=0.4)], mean=0.7, slope=0.4)
    np.testing.assert_allclose(known.scale, plain.scale)
    np.testing.assert_allclose(known.phi, plain.phi)


def test_series_of_a_kind_steady_one_another():
    """Taken as one kind, their estimates differ less than where each stands alone."""
    runs = [good_run(5, 40, 0.6)]
    kinds = list(Kind)
    apart = learned(runs, kinds=[kinds[i % len(kinds)] for i in range(ROWS)])
    together = learned(runs)
    assert together.phi.std() < apart.phi.std()


@pytest.mark.parametrize("windows", [LEAST_WINDOWS - 1, LEAST_WINDOWS])
def test_of_too_few_windows_nothing_is_learned(windows):
    found = learned([good_run(1, windows)])
    known = windows >= LEAST_WINDOWS
    for array in (found.scale, found.phi, found.wander, found.windows):
        assert (np.isfinite(array) == known).all()


def test_a_series_that_was_not_seen_is_not_known_and_disturbs_no_other_of_its_kind_much():
    run = good_run(1, 120, 0.5)
    for context in run:
        context.residual[0] = np.nan
    found = learned([run])
    assert np.isnan([found.scale[0], found.phi[0], found.windows[0]]).all()
    assert np.isfinite(found.scale[1:]).all()


@pytest.mark.parametrize(
    "tails", [norm(), laplace(), t(4), t(3)], ids=["normal", "laplace", "t4", "t3"]
)
def test_at_the_scale_that_covers_no_bet_on_a_shift_is_expected_to_gain(tails):
    z = tails.rvs(size=(1, 400_000), random_state=np.random.default_rng(2))
    under = z / t4_scale(z)[:, np.newaxis]
    for size in (*SIZES, 4.0):
        ratio = ((4 + under**2) / (4 + (under - size) ** 2)) ** 2.5
        assert ratio.mean() <= 1.02


def about_their_level(runs):
    values = np.stack([context.residual for run in runs for context in run], axis=1)
    return (values - np.median(values, axis=1, keepdims=True)) / TOLD


def implied(noise):
    """Variance over production's of innovations, of values that such noise would have."""
    return noise.scale**2 * (1 + noise.wander**2) / (1 - noise.phi**2)


def test_noise_of_another_kind_is_not_taken_for_far_more_than_was_seen():
    teeth = [
        [window(ROWS, t, residual=0.06 * ((t / 12 + k) % 1 - 0.5), noise=TOLD) for t in range(120)]
        for k in (0.0, 0.3, 0.7)
    ]
    found, own = learned(teeth), about_their_level(teeth)
    held = bounded(found, own, WINDOW)
    assert np.median(implied(found)) > 4 * np.var(own)
    assert np.median(implied(held)) < 3 * np.var(own)


@pytest.mark.parametrize(("phi", "wander"), [(0.0, 0.0), (0.5, 0.0), (0.8, 0.0), (0.5, 0.5)])
def test_noise_of_its_own_kind_is_left_as_it_is(phi, wander):
    runs = [good_run(seed, 160, phi, wander) for seed in range(3)]
    found = learned(runs)
    held = bounded(found, about_their_level(runs), WINDOW)
    assert np.median(held.scale / found.scale) > 0.97
