"""What production does at a load, read off a baseline."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from anomalyd.baseline.lines import GoesOn
from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.profile import LOAD_BINS, QUANTILES, Baseline
from anomalyd.model import Kind
from tests.baseline.worlds import daily_load, fitted

ROW = np.array([0])


@pytest.fixture(scope="module")
def traffic() -> Baseline:
    rng = np.random.default_rng(1)
    load = daily_load(2000, rng)
    return fitted(3 * load * np.exp(0.1 * rng.normal(size=(3, 2000))), load, kind=Kind.TRAFFIC)


def test_keys_find_their_profile_and_strangers_none(traffic):
    found = Lookup(traffic).match(['s{service="2"}', "stranger", 's{service="0"}'])
    assert found.tolist() == [2, -1, 0]
    assert Lookup(traffic).match([]).dtype == np.intp


@pytest.mark.parametrize(("load", "extrapolated"), [
    (1.0, True), (25.0, False), (60.0, False), (120.0, False), (600.0, True),
])  # fmt: skip
def test_traffic_is_three_per_load_and_beyond_what_was_seen_it_is_marked(
    traffic, load, extrapolated
):
    found = Lookup(traffic).at(load, ROW)
    assert found.center[0] == pytest.approx(3 * load, rel=0.3 if extrapolated else 0.03)
    assert found.extrapolated.tolist() == [extrapolated]
    assert found.low[0] == pytest.approx(found.center[0] * math.exp(-0.1645), rel=0.06)
    assert found.high[0] == pytest.approx(found.center[0] * math.exp(0.1645), rel=0.06)


def test_a_tenth_beyond_what_was_seen_is_not_yet_extrapolation(traffic):
    low, high = traffic.meta["load_range"]
    marks = [Lookup(traffic).at(x, ROW).extrapolated[0] for x in (low / 1.09, high * 1.09)]
    assert marks == [False, False]
    assert [Lookup(traffic).at(x, ROW).extrapolated[0] for x in (low / 1.11, high * 1.11)] == [
        True,
        True,
    ]


@pytest.mark.parametrize("load", [math.nan, 0.0, -1.0, math.inf])
def test_a_load_that_is_not_known_gives_the_middle_and_is_marked(traffic, load):
    found = Lookup(traffic).at(load, ROW)
    assert 100 < found.center[0] < 300
    assert found.extrapolated[0]


def test_without_a_condition_nothing_is_extrapolated():
    baseline = fitted(np.full((1, 50), 2.0), np.full(50, np.nan))
    for load in (math.nan, 1.0, 1e6):
        found = Lookup(baseline).at(load, ROW)
        assert found.center[0] == pytest.approx(2.0, rel=1e-3)
        assert not found.extrapolated[0]


def test_a_constant_production_load_says_nothing_of_another():
    lookup = Lookup(fitted(np.full((1, 50), 2.0), np.full(50, 30.0)))
    assert not lookup.at(30.0, ROW).extrapolated[0]
    assert not lookup.at(math.nan, ROW).extrapolated[0]
    assert lookup.at(90.0, ROW).extrapolated[0]


def test_a_series_seen_only_at_low_load_is_extrapolated_at_high():
    rng = np.random.default_rng(1)
    load = daily_load(2000, rng)
    values = np.exp(0.1 * rng.normal(size=(2, 2000)))
    values[1, load > 50] = np.nan
    lookup = Lookup(fitted(values, load))
    assert lookup.at(110.0, np.array([0, 1])).extrapolated.tolist() == [False, True]
    assert lookup.at(30.0, np.array([0, 1])).extrapolated.tolist() == [False, False]


def test_a_residual_is_the_log_of_what_is_above_the_centre(traffic):
    lookup = Lookup(traffic)
    rows = np.array([0, 1, 2])
    expected = lookup.at(60.0, rows)
    values = expected.center * np.array([1.0, 1.5, math.nan])
    found = lookup.residual(values, expected, rows)
    np.testing.assert_allclose(found, [0, math.log(1.5), math.nan], atol=1e-5)
    np.testing.assert_allclose(lookup.value(expected.location + found, rows), values, rtol=1e-5)


def test_an_idle_value_is_floored_and_infinity_is_no_value(traffic):
    lookup = Lookup(traffic)
    idle = lookup.transform(np.array([0.0]), ROW)[0]
    assert idle == pytest.approx(math.log(traffic.profiles.floor[0]))
    assert math.isnan(lookup.transform(np.array([math.inf]), ROW)[0])


def test_a_linear_profile_is_subtracted():
    rng = np.random.default_rng(0)
    load = daily_load(500, rng)
    lookup = Lookup(fitted(-4 + rng.normal(size=(1, 500)), load, kind=Kind.OTHER))
    expected = lookup.at(60.0, ROW)
    assert expected.center[0] == pytest.approx(-4, abs=0.3)
    assert lookup.residual(np.array([1.0]), expected, ROW)[0] == pytest.approx(5, abs=0.3)


def test_error_rates_follow_load_and_their_bound_is_above():
    rng = np.random.default_rng(0)
    load = daily_load(3000, rng)
    truth = np.where(load > 60, 0.04, 0.01)
    counts = np.full((2, 3000), 500.0)
    values = rng.binomial(500, truth, size=(2, 3000)) / 500
    counts[1] = np.nan
    lookup, rows = Lookup(fitted(values, load, kind=Kind.ERRORS, counts=counts)), np.array([0, 1])
    low, high = (lookup.rates(x, rows) for x in (30.0, 120.0))
    assert low[0][0] == pytest.approx(0.013, abs=0.003)
    assert high[0][0] == pytest.approx(0.038, abs=0.003)
    assert high[1][0] > high[0][0]
    assert np.isnan(low[0][1])
    assert lookup.ratio(rows)[0] == pytest.approx(0.0255, abs=0.003)


def test_presence_says_who_is_usually_there():
    load = daily_load(100, np.random.default_rng(0))
    values = np.ones((2, 100))
    values[1, 10:30] = np.nan
    usual, gap = Lookup(fitted(values, load)).expected_present(np.array([0, 1]))
    assert usual.tolist() == [True, False]
    assert gap.tolist() == [0.0, 20.0]


def test_interpolation_agrees_with_numpy_series_by_series(traffic):
    lookup, p = Lookup(traffic), traffic.profiles
    middle = QUANTILES.index(0.5)
    for load in np.exp(np.linspace(p.load_bins[0], p.load_bins[-1], 23)):
        found = lookup.at(load, np.arange(3)).location
        for row in range(3):
            stored = p.quantiles[middle, :, row].astype(float) + np.log(p.median[row])
            assert found[row] == pytest.approx(
                np.interp(np.log(load), p.load_bins, stored), abs=1e-5
            )


def test_profiles_without_the_later_fields_still_serve(traffic):
    empty = np.zeros(0, np.float32)
    none = np.zeros((LOAD_BINS, 0), np.float32)
    bare = dataclasses.replace(traffic.profiles, floor=empty, rate=none, events=none)
    lookup = Lookup(Baseline(bare, {"conditioned": True}))
    assert lookup.at(60.0, ROW).center[0] == pytest.approx(180, rel=0.03)
    assert np.isnan(lookup.ratio(ROW)[0])


def test_no_rows_give_empty_arrays(traffic):
    assert len(Lookup(traffic).at(60.0, np.zeros(0, dtype=np.intp)).center) == 0


@pytest.mark.parametrize("windows", [17, 30])
def test_in_a_short_history_no_load_within_its_range_is_extrapolated(windows):
    load = np.linspace(5.0, 100.0, windows)
    baseline = fitted(np.full((1, windows), 0.1), load)
    marks = [Lookup(baseline).at(x, ROW).extrapolated[0] for x in np.linspace(5, 100, 200)]
    assert not any(marks)


def test_levels_of_load_far_apart_are_one_range():
    load = np.repeat([10.0, 50.0, 400.0], 20)
    lookup = Lookup(fitted(0.1 * load[np.newaxis], load, kind=Kind.TRAFFIC))
    for x in (10.0, 50.0, 150.0, 400.0):
        found = lookup.at(x, ROW)
        assert found.center[0] == pytest.approx(0.1 * x, rel=0.1)
        assert not found.extrapolated[0]


@pytest.mark.parametrize("load", [1.0, 600.0])
def test_rates_go_on_as_the_load_does_beyond_what_was_seen(traffic, load):
    found = Lookup(traffic).at(load, ROW, beyond=[GoesOn.IN_PROPORTION])
    assert found.center[0] == pytest.approx(3 * load, rel=0.03)
    inside = [Lookup(traffic).at(60.0, ROW, beyond=[how]).center[0] for how in GoesOn]
    assert len(set(inside)) == 1


@pytest.mark.parametrize("load", [10.0, 400.0])
def test_cpu_goes_on_along_a_line_whose_load_was_counted_with_noise(load):
    rng = np.random.default_rng(3)
    true = daily_load(3000, rng)
    cpu = (0.02 + 0.001 * true) * np.exp(0.03 * rng.normal(size=(1, 3000)))
    counted = true * np.exp(0.1 * rng.normal(size=3000))
    lookup = Lookup(fitted(cpu, counted, kind=Kind.SATURATION))
    found = {how: lookup.at(load, ROW, beyond=[how]).center[0] for how in GoesOn}
    assert found[GoesOn.ALONG_A_LINE] == pytest.approx(0.02 + 0.001 * load, rel=0.15)
    miss = {how: abs(math.log(value / (0.02 + 0.001 * load))) for how, value in found.items()}
    assert miss[GoesOn.ALONG_A_LINE] < miss[GoesOn.AS_THERE]
