"""What the clock adds to production is found where it is there, and nowhere else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from anomalyd.baseline.fit_seasons import Days, hour_table
from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.seasons import HOURS, HourTable
from anomalyd.model import Kind
from tests.baseline.worlds import autoregressive, daily_load, fitted

MONDAY = 1_700_438_400.0
QUARTER, HOUR = 900.0, 3600.0


def clock(days, step=QUARTER):
    return MONDAY + step * np.arange(round(days * 24 * HOUR / step))


def of_day(times):
    return times / HOUR % HOURS


EFFECTS = {
    "mix of users over the day": lambda t: 0.15 * np.sin(of_day(t) / 12 * np.pi),
    "job of two hours at night": lambda t: np.where(np.floor(of_day(t) / 2) == 1, 0.4, 0.0),
}


def found(residual, times, draft=False):
    days = Days(times[0], times[1] - times[0], len(times))
    return hour_table(residual, days, np.ones(len(residual)), draft=draft)


@pytest.mark.parametrize("draft", [True, False], ids=["medians", "STL"])
@pytest.mark.parametrize("effect", EFFECTS)
def test_what_hours_add_is_found_through_incidents_and_a_deploy(effect, draft):
    rng, times = np.random.default_rng(1), clock(14)
    truth = EFFECTS[effect](times)
    residual = 0.05 * autoregressive((8, len(times)), 0.5, rng) + truth
    for row in residual:
        for start in rng.integers(0, len(times) - 12, size=4):
            row[start : start + 12] += 1.0
    residual[:, 600:] += 0.3
    error = HourTable(found(residual, times, draft)).at_times(times) - truth
    assert np.abs(error - np.median(error, axis=1)[:, np.newaxis]).mean() < 0.02


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_of_two_thousand_series_that_no_clock_moves_hardly_one_has_a_table(phi):
    """The null: residuals stationary and independent of the hour, white or lasting for hours."""
    rng, times = np.random.default_rng(2), clock(7)
    table = found(0.1 * autoregressive((2000, len(times)), phi, rng), times)
    assert table.any(axis=0).sum() <= 2


def test_weekends_have_a_table_of_their_own_from_three_weeks_on():
    rng = np.random.default_rng(3)
    times = clock(28)
    weekend = (times - MONDAY) % (7 * 24 * HOUR) >= 5 * 24 * HOUR
    truth = np.where(weekend, 0.0, EFFECTS["mix of users over the day"](times))
    residual = 0.05 * rng.normal(size=(3, len(times))) + truth
    long, short = found(residual, times), found(residual[:, : 14 * 96], times[: 14 * 96])
    assert np.abs(HourTable(long).at_times(times) - truth).mean() < 0.02
    np.testing.assert_array_equal(short[:HOURS], short[HOURS:])


@pytest.mark.parametrize(
    ("start", "days", "step"),
    [(MONDAY, 4.9, QUARTER), (0.0, 14, QUARTER), (MONDAY, 14, 1800.0)],
    ids=["too few days", "no clock", "too coarse"],
)
def test_a_history_that_cannot_tell_hours_has_no_table(start, days, step):
    times = clock(days, step)
    residual = np.tile(EFFECTS["job of two hours at night"](times), (2, 1))
    assert not found(residual, times - MONDAY + start).any()


def test_an_hour_that_was_hardly_seen_adds_nothing():
    times = clock(14)
    truth = EFFECTS["job of two hours at night"](times)
    residual = np.tile(truth, (2, 1)) + 0.01 * np.random.default_rng(4).normal(size=(2, len(times)))
    dark = (np.floor(of_day(times)) == 2) & (times > times[0] + 2 * 24 * HOUR)
    residual[1, dark] = np.nan
    table = found(residual, times)
    assert table[2, 0] > 0.3
    assert table[2, 1] == 0


def test_a_baseline_knows_what_its_load_and_its_hours_do_apart():
    rng, times = np.random.default_rng(5), clock(14, 300.0)
    load = daily_load(len(times), rng)
    hours = EFFECTS["job of two hours at night"](times)
    values = 0.02 * (load / 60) * np.exp(hours + 0.1 * autoregressive((4, len(times)), 0.5, rng))
    baseline = fitted(values, load, step=300.0, window=300.0, times=times)
    lookup, rows = Lookup(baseline), np.arange(4)
    night, noon = (MONDAY + 21 * 24 * HOUR + hour * HOUR for hour in (3.0, 12.0))
    np.testing.assert_allclose(lookup.at(60.0, rows, night).center, 0.02 * np.exp(0.4), rtol=0.06)
    for time in (noon, 3.0 * HOUR, np.nan):
        np.testing.assert_allclose(lookup.at(60.0, rows, time).center, 0.02, rtol=0.04)
    quiet = fitted(values / np.exp(hours), load, step=300.0, window=300.0, times=times)
    assert (baseline.profiles.noise < 1.1 * quiet.profiles.noise).all()
    assert not quiet.profiles.hours.size


def test_ratios_of_counts_have_no_hours():
    rng, times = np.random.default_rng(6), clock(7, 300.0)
    bad = rng.binomial(200, 0.02 * np.exp(EFFECTS["job of two hours at night"](times))) / 200
    counts = np.full((1, len(times)), 200.0)
    load = daily_load(len(times), rng)
    baseline = fitted(bad[np.newaxis], load, kind=Kind.ERRORS, counts=counts, times=times, step=300)
    assert not baseline.profiles.hours.size


def test_between_hours_the_table_is_linear_where_it_is_smooth_and_abrupt_where_it_is_not():
    table = np.zeros((2 * HOURS, 2))
    table[:HOURS, 0] = np.sin(np.arange(HOURS) / 12 * np.pi)
    table[2, 1] = 1.0
    hours, before, after = HourTable(table), MONDAY + 1.9 * HOUR, MONDAY + 2.1 * HOUR
    everyone = np.arange(2)
    assert hours.at(before, everyone)[1] == 0
    assert hours.at(after, everyone)[1] == 1
    assert 0 < hours.at(after, everyone)[0] - hours.at(before, everyone)[0] < 0.1
    times = MONDAY + np.arange(0, 8 * 24 * HOUR, 1000.0)
    slow = np.stack([hours.at(t, everyone) for t in times], axis=1)
    np.testing.assert_array_equal(hours.at_times(times), slow)


def test_a_fit_that_finds_no_hours_does_not_import_statsmodels():
    code = (
        "import sys, numpy as np, anomalyd.baseline.fit\n"
        "from anomalyd.baseline.fit_seasons import Days, hour_table\n"
        "x = np.random.default_rng(0).normal(size=(2, 960))\n"
        f"assert not hour_table(x, Days({MONDAY}, 900.0, 960), np.ones(2)).any()\n"
        "print([m for m in ('statsmodels', 'pandas', 'scipy') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
