"""Every part against its slow twin, and against what it must not do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from anomalyd.streams import PARTS
from anomalyd.streams.season import DAY, Season
from tests.streams import naive

TWINS = {
    "level": naive.level,
    "change": naive.change,
    "spread": naive.spread_of,
    "drift": naive.drift_of,
    "season": naive.season_of,
}


def stream(rows: int, step: float) -> list[tuple[float, float]]:
    """A daily curve with noise, repeated values and a jump, at uneven times."""
    rng = np.random.default_rng(4)
    times = np.cumsum(rng.choice([0.5, 1.0, 2.0], rows) * step)
    values = np.round(10 * np.sin(times * 2 * np.pi / DAY) + rng.normal(0, 1, rows), 1)
    values[rows // 2 :] += 20
    return list(zip(times.tolist(), values.tolist(), strict=True))


def test_every_part_has_a_twin():
    assert {part.name for part in PARTS} == TWINS.keys()


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
@pytest.mark.parametrize("step", [120.0, 3600.0, 14400.0])
def test_a_part_gives_its_twins_numbers(part, step):
    rows, following = stream(230, step), part()
    for count, (time, value) in enumerate(rows, 1):
        found = following.follow(time, value)
        if count % 23 in (0, 1):
            expected = TWINS[part.name](rows[:count])
            assert found == pytest.approx(expected, nan_ok=True, abs=1e-9)


def test_the_twins_were_compared_where_they_have_numbers():
    for name, twin in TWINS.items():
        assert math.isfinite(twin(stream(230, 3600.0))), name


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_of_a_constant_is_constant_or_not_there(part):
    following = part()
    numbers = {following.follow(300.0 * row, 7.25) for row in range(1500)}
    assert len({one for one in numbers if not math.isnan(one)}) <= 1


def test_a_day_that_is_as_the_days_before_leaves_nothing():
    season = Season()
    left = [season.follow(300.0 * row, float(row % 288 >= 100)) for row in range(288 * 5)]
    assert all(math.isnan(one) for one in left[: 288 * 2])
    assert set(left[288 * 2 :]) == {0.0}


def test_a_peak_that_does_not_come_leaves_its_size():
    season = Season()
    for row in range(288 * 4):
        season.follow(300.0 * row, float(100 <= row % 288 < 200))
    left = [season.follow(300.0 * row, 0.0) for row in range(288 * 4, 288 * 5)]
    assert left[99] == 0.0
    assert left[199] == pytest.approx(-1.0, abs=0.01)


def test_rows_within_one_slot_count_as_their_mean():
    season = Season()
    for day in range(2):
        for second in range(0, 300, 60):
            season.follow(day * DAY + second, float(second))
    assert season.follow(2 * DAY, 120.0) == 0.0
