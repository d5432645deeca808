"""A stream's score: from its past alone, in any unit, quiet where nothing is, loud where it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.streams.score import THRESHOLD, Stream, scores

STEP = 300.0
DAY_ROWS = 288
ANY = st.floats(allow_nan=True, allow_infinity=True)
ROWS = st.lists(
    st.tuples(st.floats(0, 1e6), st.one_of(st.integers(-3, 3).map(float), ANY)), max_size=160
)


def times(rows: int) -> np.ndarray:
    return STEP * np.arange(rows)


def noise(rows: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, rows)


def daily(rows: int, seed: int = 1) -> np.ndarray:
    """Busy in the day, calm at night, with noise."""
    busy = np.arange(rows) % DAY_ROWS
    return np.where((busy >= 96) & (busy < 216), 80.0, 20.0) + noise(rows, seed)


def alarms(values: np.ndarray, at: np.ndarray | None = None) -> np.ndarray:
    return np.flatnonzero(scores(times(len(values)) if at is None else at, values) >= THRESHOLD)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, other=ROWS, cut=st.integers(0, 160))
def test_a_score_depends_on_no_later_row(rows, other, cut):
    head = rows[:cut]
    whole, changed = ([*head, *tail] for tail in (rows[cut:], other))
    first = scores(*zip(*whole, strict=True)) if whole else np.array([])
    second = scores(*zip(*changed, strict=True)) if changed else np.array([])
    np.testing.assert_array_equal(first[: len(head)], second[: len(head)])


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_whatever_comes_a_score_is_a_number_from_0_to_1(rows):
    stream = Stream()
    for time, value in rows:
        assert 0.0 <= stream.score(time, value) <= 1.0


@pytest.mark.parametrize("huge", [1e-320, 1e-150, 1.0, 1e150, 1.7e308])
def test_values_of_any_size_are_scored(huge):
    values = np.where(np.arange(400) == 399, 1.0, 0.01 * noise(400).clip(-1, 1)) * huge
    found = scores(times(400), values)
    assert np.isfinite(found).all()
    assert found[399] >= THRESHOLD


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=150, max_size=300), st.integers(-40, 40))
def test_the_unit_does_not_matter(values, power):
    plain = np.array(values, float)
    at = times(len(plain))
    np.testing.assert_array_equal(scores(at, plain), scores(at, np.ldexp(plain, power)))
    np.testing.assert_allclose(scores(at, plain), scores(at, plain * 3.7), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=150, max_size=300), st.integers(-1000, 1000))
def test_a_constant_that_is_added_does_not_matter(values, constant):
    plain = np.array(values, float)
    at = times(len(plain))
    np.testing.assert_allclose(scores(at, plain), scores(at, plain + constant), atol=1e-4)


def test_missing_rows_score_0_and_teach_nothing():
    values = daily(2000)
    values[1900] = 300.0
    gaps = np.insert(values, range(0, 2000, 7), np.nan)
    at = np.insert(times(2000), range(0, 2000, 7), times(2000)[::7] - 1)
    found = scores(at, gaps)
    assert (found[np.isnan(gaps)] == 0).all()
    np.testing.assert_array_equal(found[~np.isnan(gaps)], scores(times(2000), values))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.zeros(5000), id="zeros"),
        pytest.param(np.full(5000, 1e9 + 0.1), id="a constant"),
    ],
)
def test_what_never_changes_never_scores(values):
    assert not scores(times(len(values)), values).any()


def test_a_day_that_repeats_exactly_is_soon_known():
    values = np.round(daily(DAY_ROWS * 8) / 60) * 60
    assert not (alarms(values) >= DAY_ROWS * 2).any()


def wave(rng: np.random.Generator, rows: int) -> np.ndarray:
    return 30 * np.sin(np.arange(rows) * 2 * np.pi / DAY_ROWS) + rng.normal(0, 1, rows)


@pytest.mark.parametrize(
    ("draw", "most"),
    [
        pytest.param(lambda rng, n: rng.normal(0, 1, n), 8, id="normal noise"),
        pytest.param(lambda rng, n: rng.uniform(0, 1, n), 3, id="uniform noise"),
        pytest.param(lambda rng, n: rng.poisson(2, n).astype(float), 11, id="counts"),
        pytest.param(lambda rng, n: np.exp(rng.normal(0, 1, n)), 17, id="heavy tails"),
        pytest.param(lambda rng, n: np.cumsum(rng.normal(0, 1, n)), 17, id="a random walk"),
        pytest.param(wave, 3, id="a daily wave"),
    ],
)
def test_noise_seldom_scores(draw, most):
    """In 5,000 rows, on the mean over 4 streams; docs/score.md has what is measured over more."""
    streams = [draw(np.random.default_rng(seed), 5750) for seed in range(4)]
    assert np.mean([int((alarms(values) >= 750).sum()) for values in streams]) <= most


def spike(values: np.ndarray) -> np.ndarray:
    values[4000] += 25
    return values


def shift(values: np.ndarray) -> np.ndarray:
    values[4000:] += 8
    return values


def louder(values: np.ndarray) -> np.ndarray:
    values[4000:] += 5 * noise(len(values) - 4000, seed=9)
    return values


def flat(values: np.ndarray) -> np.ndarray:
    values[4000:] = values[3999]
    return values


@pytest.mark.parametrize("fault", [spike, shift, louder, flat])
def test_a_fault_in_noise_is_found_within_an_hour_or_three(fault):
    found = alarms(fault(noise(5000)))
    assert ((found >= 4000) & (found < 4000 + 40)).any()


@pytest.mark.parametrize(
    "peak",
    [
        pytest.param(20.0, id="that does not come"),
        pytest.param(40.0, id="that is half as high"),
    ],
)
def test_a_daily_peak_is_missed(peak):
    values = daily(DAY_ROWS * 12)
    busy = slice(DAY_ROWS * 10 + 96, DAY_ROWS * 10 + 216)
    values[busy] = peak + noise(120, seed=8)
    found = alarms(values)
    assert ((found >= busy.start) & (found < busy.stop)).any()


def test_a_fault_that_lasts_is_not_told_row_by_row():
    values = shift(noise(6000))
    found = alarms(values)
    assert 1 <= (found >= 4000).sum() <= 8


def test_a_change_out_of_a_constant_is_told_once():
    values = np.zeros(1000)
    values[600:] = 1.0
    assert alarms(values)[0] == 600
    assert len(alarms(values)) <= 2


def test_uneven_and_repeated_times_are_taken():
    rng = np.random.default_rng(3)
    at = np.sort(np.round(rng.uniform(0, 20 * 86400, 4000), -3))
    values = noise(4000)
    values[3900] = 40
    assert 3900 in alarms(values, at)


def test_rows_one_by_one_are_rows_at_once():
    values = daily(900)
    stream = Stream()
    one_by_one = [stream.score(time, value) for time, value in zip(times(900), values, strict=True)]
    np.testing.assert_array_equal(one_by_one, scores(times(900), values))


def test_times_and_values_must_be_as_many():
    with pytest.raises(ValueError, match="zip"):
        scores([0.0, 1.0], [1.0])


def test_the_score_is_one_minus_a_power_of_ten():
    values = noise(800)
    values[700] = 30
    evidence = Stream()
    brought = [evidence.evidence(t, v) for t, v in zip(times(800), values, strict=True)][700]
    assert scores(times(800), values)[700] == pytest.approx(1 - math.pow(10, -brought))


@pytest.mark.parametrize("value", [1.7e308, -1.7e308, 5e-324])
def test_a_stream_may_begin_at_the_ends_of_what_a_float_holds(value):
    assert all(0.0 <= one <= 1.0 for one in scores(range(3), [value] * 3))
