"""What a good run leads us to expect next: foretold as surely as the filter says, by its own model.

(`StepsTwin` holds every number of it to explicit matrices.)
"""

from __future__ import annotations

import numpy as np
import pytest

from anomalyd.detectors.level_filter import AR, CLIP, SCALES, WANDER_SECONDS, LevelFilter
from tests.detectors.windows import WINDOW, window

NOISE, OFFSET, SLOPE, SHIFT = 0.1, 0.2, 0.3, 0.4


def draw(rng, rows, windows, phi, wander):
    """Residuals, loads, steepness float64[windows, rows] as `LevelFilter` describes them."""
    own = NOISE / np.sqrt(1 - phi**2)
    rho = np.exp(-WINDOW / WANDER_SECONDS)
    a, d = own * rng.standard_normal(rows), wander * own * rng.standard_normal(rows)
    o, b, c = (sd * rng.standard_normal(rows) for sd in (OFFSET, SLOPE, SHIFT))
    loads, steepness = 0.5 * rng.standard_normal((2, windows, rows))
    out = np.empty((windows, rows))
    for t in range(windows):
        if t:
            a = phi * a + NOISE * rng.standard_normal(rows)
            d = rho * d + wander * own * np.sqrt(1 - rho**2) * rng.standard_normal(rows)
        out[t] = o + b * loads[t] + c * steepness[t] + a + d
    return out, loads, steepness


def surprises(residuals, loads, steepness=None, own_scale=False, **context):
    """Innovations in sds of each window, float64[windows, rows], and the filter."""
    known = LevelFilter(own_scale=own_scale)
    rows = residuals.shape[1]
    known.resize(rows)
    everyone, out = np.ones(rows, dtype=bool), []
    plain = {"noise": NOISE, "offset": OFFSET, "slope": SLOPE, "shift": SHIFT} | context
    steepness = np.zeros_like(loads) if steepness is None else steepness
    for t, (residual, load, steep) in enumerate(zip(residuals, loads, steepness, strict=True)):
        now = window(rows, t, residual=residual, load=load, steepness=steep, **plain)
        found = known.predict(now)
        out.append(found.innovation / found.sd)
        known.update(now, found, everyone)
    return np.array(out), known


@pytest.mark.parametrize("wander", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_innovations_of_its_own_model_are_white_and_of_the_sd_that_it_says(phi, wander):
    drawn = draw(np.random.default_rng(3), 4000, 40, phi, wander)
    z, _ = surprises(*drawn, phi=phi, wander=wander)
    assert z.std(axis=1) == pytest.approx(1.0, abs=0.05)
    assert (z[1:] * z[:-1]).mean() == pytest.approx(0.0, abs=0.02)


def test_a_wander_that_is_not_known_of_leaves_innovations_alike():
    drawn = draw(np.random.default_rng(3), 4000, 40, 0.0, 0.9)
    z, _ = surprises(*drawn, phi=0.0, wander=0.0)
    assert (z[1:] * z[:-1]).mean() > 0.05


@pytest.mark.parametrize(("factor", "scale"), [(0.5, SCALES[0]), (1.5, 1.5**2), (3.0, SCALES[1])])
def test_the_run_s_own_noise_corrects_the_variance_within_bounds(factor, scale):
    rng = np.random.default_rng(5)
    residuals = factor * NOISE * rng.standard_t(4, (400, 50)) / 1.1
    _, known = surprises(residuals, 0 * residuals, own_scale=True, sure=24.0, wander=0.0)
    assert np.median(known.dump()["scale"]) == pytest.approx(scale, rel=0.25)


def test_the_surer_of_production_s_noise_the_slower_the_run_s_own_corrects_it():
    rng = np.random.default_rng(5)
    residuals = 2 * NOISE * rng.standard_normal((20, 50))
    quick, slow = (
        np.median(surprises(residuals, 0 * residuals, own_scale=True, sure=sure)[1].dump()["scale"])
        for sure in (24.0, 400.0)
    )
    assert 1.0 < slow < 1.2 < quick


def test_one_absurd_window_moves_the_offset_no_more_than_an_unlikely_one():
    residuals = np.zeros((21, 2))
    residuals[20] = (50.0, CLIP * NOISE)
    _, known = surprises(residuals, 0 * residuals)
    absurd, unlikely = known.mean[0]
    assert 0 < absurd <= 2 * unlikely


def test_after_a_gap_the_level_is_still_known_and_the_noise_is_not():
    known, everyone = LevelFilter(), np.ones(1, dtype=bool)
    known.resize(1)

    def windows(residual, times):
        for t in times:
            context = window(1, t, residual=residual, phi=0.9, noise=NOISE)
            known.update(context, known.predict(context), everyone)
        return known.dump()

    before, after = windows(0.3, range(30)), windows(np.nan, range(30, 60))
    assert after["mean"][0] == before["mean"][0] != 0
    assert after["cov"][0, 0] == before["cov"][0, 0]
    assert abs(after["mean"][AR]) < 0.1 * abs(before["mean"][AR])
    stationary = after["scale"] * NOISE**2 / (1 - 0.9**2)
    assert after["cov"][AR, AR] == pytest.approx(stationary, rel=0.05)
