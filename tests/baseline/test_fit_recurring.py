"""Excursions that come back are expected, one-off incidents are not."""

from __future__ import annotations

import numpy as np
import pytest

from anomalyd.baseline.fit_recurring import recurring
from anomalyd.baseline.fit_seasons import Days
from anomalyd.baseline.noise import incidents
from anomalyd.baseline.seasons import HOURS, Recurring
from tests.baseline.test_fit_seasons import HOUR, MONDAY, clock, of_day

MINUTE = 60.0
TIMES = clock(7, MINUTE)


def found(excursions, seed=1):
    noise = 0.05 * np.random.default_rng(seed).normal(size=(2, len(TIMES)))
    away = noise + np.stack([excursions, 0 * excursions])
    trimmed = incidents(away, np.full(2, 0.01))
    return recurring(trimmed, away, Days(TIMES[0], MINUTE, len(TIMES)))


@pytest.mark.parametrize("size", [0.7, -0.7])
def test_a_job_of_twenty_minutes_a_day_is_expected_in_its_hour(size):
    hour = of_day(TIMES)
    table = found(np.where((hour >= 3.2) & (hour < 3.2 + 1 / 3), size, 0.0))
    assert table[3, 0] == pytest.approx(size, abs=0.05)
    assert np.count_nonzero(table) == 1


def test_what_comes_back_by_no_whole_hour_is_expected_at_any():
    table = found(np.where((TIMES - MONDAY) % (200 * MINUTE) < 20 * MINUTE, 0.7, 0.0))
    np.testing.assert_allclose(table[:, 0], 0.7, atol=0.1)
    assert not table[:, 1].any()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("number", [3, 15])
def test_incidents_that_come_as_they_please_are_not_expected(seed, number):
    excursions = np.zeros(len(TIMES))
    for start in np.random.default_rng(seed).integers(0, len(TIMES) - 40, size=number):
        excursions[start : start + 30] = 0.7
    assert not found(excursions, seed).any()


def test_what_recurs_may_come_a_little_early_or_last_a_little_longer():
    table = np.zeros((HOURS, 1))
    table[3] = 0.7
    recurs, everyone = Recurring(table), np.arange(1)
    minutes = {-6: 0.0, -4: 0.7, 30: 0.7, 64: 0.7, 66: 0.0}
    for minute, size in minutes.items():
        assert recurs.at(MONDAY + 3 * HOUR + minute * MINUTE, everyone)[0] == size
    assert recurs.at(np.nan, everyone)[0] == 0
