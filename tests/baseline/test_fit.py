"""Truths planted in a history come back out of the fit, whatever else is in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anomalyd.baseline import noise
from anomalyd.baseline.fit import FitInput, fit
from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.profile import LOAD_BINS, QUANTILES
from anomalyd.model import Kind
from tests.baseline.worlds import TRUTH, autoregressive, daily_load, fitted, signal

WEEK = 2016
"""Windows of five minutes in seven days."""


def centres(baseline, loads):
    lookup = Lookup(baseline)
    rows = np.arange(len(baseline.profiles.keys))
    return np.stack([lookup.at(load, rows).center for load in loads], axis=1)


@pytest.mark.parametrize("world", TRUTH)
@pytest.mark.parametrize(
    ("windows", "mean_error", "worst_error"),
    [(17, 0.16, 0.5), (60, 0.06, 0.25), (2000, 0.015, 0.07)],
)
def test_the_centre_follows_load(world, windows, mean_error, worst_error):
    kind, truth = TRUTH[world]
    rng = np.random.default_rng(11)
    load = daily_load(windows, rng)
    noisy = truth(load) * np.exp(0.1 * rng.standard_t(4, size=(30, windows)))
    loads = np.exp(np.linspace(*np.quantile(np.log(load), (0.02, 0.98)), 50))
    error = np.abs(np.log(centres(fitted(noisy, load, kind=kind), loads) / truth(loads)))
    assert error.mean() < mean_error
    assert error.max() < worst_error


@pytest.mark.parametrize("kind", [Kind.LATENCY, Kind.TRAFFIC, Kind.SATURATION])
def test_the_centre_never_falls_with_load_where_it_cannot(kind):
    rng = np.random.default_rng(5)
    load = daily_load(300, rng)
    values = np.exp(rng.normal(size=(20, 300)) - 0.5 * np.log(load))
    found = centres(fitted(values, load, kind=kind), np.exp(np.linspace(2.5, 6, 40)))
    assert (np.diff(found, axis=1) >= -1e-3 * found[:, 1:]).all()


def test_memory_may_fall_with_load():
    rng = np.random.default_rng(5)
    load = daily_load(1000, rng)
    values = np.exp(20 - 0.5 * np.log(load) + 0.05 * rng.normal(size=(4, 1000)))
    low, high = centres(fitted(values, load, kind=Kind.RESOURCE), (30.0, 120.0)).T
    np.testing.assert_allclose(high / low, 0.5, rtol=0.05)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8, 0.95])
def test_persistence_is_found_and_rather_over_than_under(phi):
    rng = np.random.default_rng(3)
    load = daily_load(2000, rng)
    values = np.exp(0.2 * autoregressive((60, 2000), phi, rng))
    found = fitted(values, load).profiles.phi
    assert abs(found.mean() - phi) < 0.045
    assert (found >= phi - 1e-6).mean() > 0.7


@pytest.mark.parametrize(
    ("step", "window", "phi_of_step", "expected"),
    [(60.0, 30.0, 0.81, 0.9), (15.0, 30.0, 0.9, 0.81), (20.0, 50.0, 0.9, 0.9**2.5)],
)
def test_persistence_is_that_of_disjoint_windows(step, window, phi_of_step, expected):
    rng = np.random.default_rng(3)
    load = daily_load(3000, rng)
    values = np.exp(0.2 * autoregressive((40, 3000), phi_of_step, rng))
    profiles = fitted(values, load, step=step, window=window).profiles
    assert abs(profiles.phi.mean() - expected) < 0.04
    stationary = profiles.noise / np.sqrt(1 - profiles.phi**2)
    assert 0.17 < stationary.mean() < 0.26


def test_a_longer_step_takes_no_credit_for_a_short_history():
    rng = np.random.default_rng(3)
    load = daily_load(150, rng)
    values = np.exp(0.2 * autoregressive((40, 150), 0.5, rng))
    short, same = (fitted(values, load, window=w).profiles for w in (30.0, 60.0))
    assert short.noise.mean() > 0.95 * same.noise.mean()


@pytest.mark.parametrize(
    ("windows", "low", "high"), [(60, 0.85, 1.5), (500, 0.85, 1.1), (4000, 0.87, 1)]
)
def test_noise_covers_gaussian_innovations_without_waste(windows, low, high):
    rng = np.random.default_rng(8)
    load = daily_load(windows, rng)
    values = np.exp(0.3 * rng.normal(size=(60, windows)))
    noise = fitted(values, load).profiles.noise / 0.3
    assert low < np.quantile(noise, 0.1) <= noise.mean() < high


def contaminated(name, clean, rng):
    dirty = clean.copy()
    if name == "incidents of hours":
        for row in dirty:
            for start in rng.integers(0, WEEK - 48, size=4):
                row[start : start + 48] *= np.exp(rng.choice([0.6, 1.0, 3.0]))
    elif name == "a deploy for a day":
        dirty[:, 800 : 800 + 288] *= 1.8
    elif name == "ten incidents of ten windows":
        for start in rng.integers(0, WEEK - 10, size=10):
            dirty[:, start : start + 10] *= 5.0
    return dirty


@pytest.mark.parametrize("phi", [0.0, 0.6])
@pytest.mark.parametrize(
    "name", ["incidents of hours", "a deploy for a day", "ten incidents of ten windows"]
)
def test_what_went_wrong_in_the_history_is_not_learned_as_noise(name, phi):
    rng = np.random.default_rng(21)
    load = daily_load(WEEK, rng)
    clean = np.exp(0.15 * autoregressive((40, WEEK), phi, rng))
    before = fitted(clean, load).profiles
    after = fitted(contaminated(name, clean, rng), load)
    ratio = after.profiles.noise / before.noise
    assert np.quantile(ratio, 0.9) < 1.25
    assert np.quantile(ratio, 0.1) > 0.85
    assert np.abs(np.log(centres(after, (30.0, 60.0, 120.0)))).mean() < 0.05


def test_values_that_never_vary_have_no_sampling_noise():
    counts = np.linspace(50.0, 500.0, 120)[None]
    assert noise.sampling(np.zeros((1, 120)), counts).tolist() == [0.0]


def test_sampling_noise_is_told_from_the_rest():
    rng = np.random.default_rng(2)
    load = daily_load(4000, rng)
    counts = np.broadcast_to(load * rng.choice([0.1, 1.0, 10.0], size=4000), (30, 4000))
    values = np.exp(
        0.05 * rng.normal(size=counts.shape) + rng.normal(size=counts.shape) / np.sqrt(counts)
    )
    profiles = fitted(values, load, counts=counts).profiles
    np.testing.assert_allclose(profiles.sampling.mean(), 1.0, rtol=0.15)
    assert (np.abs(profiles.sampling - 1.0) < 0.5).all()
    assert profiles.noise.mean() < 0.12


def test_a_coarse_histogram_has_at_least_the_noise_of_its_rounding():
    rng = np.random.default_rng(2)
    load = daily_load(1000, rng)
    values = np.where(rng.random((4, 1000)) < 0.01, 0.2, 0.1)
    assert (fitted(values, load).profiles.noise >= np.log(2) / np.sqrt(12) - 1e-3).all()


@pytest.mark.parametrize(
    ("kind", "value", "noise"),
    [(Kind.LATENCY, 0.2, 0.03), (Kind.TRAFFIC, 7.0, 0.02), (Kind.SATURATION, 0.4, 0.04),
     (Kind.RESOURCE, 3e9, 0.01), (Kind.OTHER, -5.0, 0.1), (Kind.OTHER, 0.0, 1e-9)],
)  # fmt: skip
def test_a_constant_series_still_has_the_least_noise_of_its_kind(kind, value, noise):
    load = daily_load(100, np.random.default_rng(0))
    profiles = fitted(np.full((1, 100), value), load, kind=kind).profiles
    assert profiles.noise[0] == pytest.approx(noise, rel=1e-3)
    assert profiles.median[0] == pytest.approx(value)


@pytest.mark.parametrize(
    ("kind", "values", "logarithmic"),
    [
        (Kind.LATENCY, [0.1] * 50, True),
        (Kind.LATENCY, [0.1] * 48 + [0.0] * 2, True),
        (Kind.LATENCY, [0.1] * 40 + [0.0] * 10, False),
        (Kind.ERRORS, [0.1] * 50, False),
        (Kind.OTHER, [0.1] * 50, True),
        (Kind.OTHER, [0.1] * 49 + [-1.0], False),
    ],
)
def test_a_series_is_judged_in_logs_where_logs_make_sense(kind, values, logarithmic):
    load = daily_load(50, np.random.default_rng(0))
    assert fitted(np.array([values]), load, kind=kind).profiles.logarithmic[0] == logarithmic


def test_an_error_ratio_of_zero_is_kept_with_doubt():
    load = daily_load(200, np.random.default_rng(0))
    counts = np.full((1, 200), 50.0)
    baseline = fitted(np.zeros((1, 200)), load, kind=Kind.ERRORS, counts=counts)
    assert (baseline.profiles.rate == 0).all()
    assert baseline.profiles.events.sum() > 9_000
    assert 2e-4 < Lookup(baseline).ratio(np.array([0]))[0] < 4e-4


def test_bursts_of_errors_widen_the_doubt_about_their_rate():
    rng = np.random.default_rng(4)
    load, total = daily_load(1000, rng), 200
    even = rng.binomial(total, 0.02, size=(1, 1000)) / total
    bursts = rng.binomial(total, rng.choice([0.001, 0.2], p=[0.905, 0.095], size=(1, 1000))) / total
    both = np.concatenate([even, bursts])
    counts = np.full(both.shape, float(total))
    profiles = fitted(both, load, kind=Kind.ERRORS, counts=counts).profiles
    np.testing.assert_allclose(profiles.rate.mean(axis=0), 0.02, rtol=0.25)
    assert profiles.events[:, 1].sum() < 0.2 * profiles.events[:, 0].sum()


def test_series_of_too_few_values_and_of_one_name_are_listed():
    load = daily_load(40, np.random.default_rng(0))
    values = np.full((3, 40), 1.0)
    values[1, 7:] = np.nan
    one = FitInput(signal(), ["a", "b", "a"], values, np.full((3, 40), np.nan))
    baseline = fit(np.arange(40) * 60.0, load, [one], step=60, window=60, meta={})
    assert baseline.profiles.keys == ("a",)
    assert baseline.meta["thin"] == ["b"]
    assert baseline.meta["duplicates"] == ["a"]


def test_presence_counts_only_what_was_answered():
    load = daily_load(100, np.random.default_rng(0))
    values = np.full((2, 100), 1.0)
    values[:, 20:40] = np.nan
    values[1, 50:55] = np.nan
    answered = np.ones(100, dtype=bool)
    answered[20:40] = False
    one = FitInput(signal(), ["a", "b"], values, np.full((2, 100), np.nan), answered)
    p = fit(np.arange(100) * 60.0, load, [one], step=60, window=30, meta={}).profiles
    np.testing.assert_allclose(p.present, [1.0, 75 / 80])
    np.testing.assert_allclose(p.longest_gap, [0, 10])


@pytest.mark.parametrize("load", [np.nan, 50.0], ids=["not known", "constant"])
def test_without_a_load_that_varies_there_is_one_profile_for_all(load):
    values = np.exp(np.random.default_rng(0).normal(size=(3, 100)))
    baseline = fitted(values, np.full(100, load))
    assert baseline.meta["conditioned"] is False
    assert (np.diff(baseline.profiles.load_bins) > 0).all()
    for b in range(1, LOAD_BINS):
        np.testing.assert_array_equal(
            baseline.profiles.quantiles[:, b], baseline.profiles.quantiles[:, 0]
        )


def test_gaps_in_time_are_gaps_and_not_neighbours():
    rng = np.random.default_rng(1)
    times = np.flatnonzero(rng.random(6000) < 0.5) * 60.0
    everything = autoregressive((30, 6000), 0.9, rng)
    values = np.exp(0.2 * everything[:, (times / 60).astype(int)])
    profiles = fitted(values, daily_load(len(times), rng), times=times - times[0]).profiles
    assert abs(profiles.phi.mean() - 0.9) < 0.04


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"values": np.zeros((1, 4))}, "must both be"),
        ({"times": np.array([0.0, 60, 60, 120, 180])}, "unique"),
        ({"load": np.zeros(3)}, "equally long"),
    ],
)
def test_shapes_that_do_not_agree_are_refused(change, sentence):
    given_ = {"times": np.arange(5) * 60.0, "load": np.ones(5), "values": np.ones((1, 5))} | change
    one = FitInput(signal(), ["a"], given_["values"], np.ones((1, 5)))
    with pytest.raises(ValueError, match=sentence):
        fit(given_["times"], given_["load"], [one], step=60, window=60, meta={})


anything = st.one_of(
    st.floats(width=32),
    st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf, 1e-30, 1e30]),
)


@settings(deadline=None, max_examples=80)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 40)), elements=anything),
    st.sampled_from(list(Kind)),
    st.data(),
)
def test_no_history_makes_a_profile_that_is_not_a_number(values, kind, data):
    windows = values.shape[1]
    load = data.draw(hnp.arrays(np.float64, windows, elements=anything))
    counts = data.draw(hnp.arrays(np.float64, values.shape, elements=anything))
    p = fitted(values, load, kind=kind, counts=counts).profiles
    for name in ("median", "scale", "quantiles", "sampling", "noise", "phi", "support", "floor"):
        assert np.isfinite(getattr(p, name)).all(), name
    assert (p.noise > 0).all()
    assert (p.scale > 0).all()
    assert ((p.phi >= 0) & (p.phi < 1)).all()
    assert (np.diff(p.quantiles.astype(float), axis=0) >= 0).all()
    assert p.quantiles.shape == (len(QUANTILES), LOAD_BINS, len(p.keys))
