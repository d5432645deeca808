from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.streams import tails
from anomalyd.streams.tails import CAP, READY, Tails
from tests.streams import naive

VALUES = st.lists(
    st.one_of(st.integers(-5, 5).map(float), st.floats(-1e6, 1e6)), min_size=READY, max_size=150
)


def knowing(past) -> Tails:
    one = Tails()
    for x in past:
        one.learn(float(x))
    return one


@settings(deadline=None)
@given(past=VALUES, x=st.floats(-2e6, 2e6))
def test_both_sides_are_those_of_the_slow_twin(past, x):
    high, low = knowing(past).surprise(x)
    assert high == pytest.approx(naive.surprise(past, x), rel=1e-6, abs=1e-6)
    low_twin = naive.surprise([-one for one in past], -x)
    if len(past) % 2:  # otherwise its median is the other middle one
        assert low == pytest.approx(low_twin, rel=1e-6, abs=1e-6)


@settings(deadline=None)
@given(past=VALUES, x=st.floats())
def test_surprise_is_within_its_bounds(past, x):
    if np.isnan(x):
        return
    for side in knowing(past).surprise(x):
        assert 0.0 <= side <= CAP


def test_nothing_surprises_who_knows_little():
    assert knowing(range(READY - 1)).surprise(1e9) == (0.0, 0.0)
    assert knowing(range(READY)).surprise(1e9)[0] > 1.0


@pytest.mark.parametrize("draw", ["normal", "exponential", "uniform", "integers"])
def test_a_thousandth_surprises_by_a_thousandth(draw):
    """Of iid numbers at most about the share p is surprising by p, far out as well."""
    rng = np.random.default_rng(5)
    drawn = {
        "normal": lambda n: rng.normal(0, 1, n),
        "exponential": lambda n: rng.exponential(1, n),
        "uniform": lambda n: rng.uniform(0, 1, n),
        "integers": lambda n: rng.poisson(3, n).astype(float),
    }[draw]
    one = knowing(drawn(5000))
    sides = np.array([one.surprise(x) for x in drawn(40000).tolist()])
    for p in (0.1, 0.01, 0.001):
        assert ((sides >= -np.log10(p)).mean(axis=0) <= 1.6 * p).all()


def test_an_outlier_is_less_of_one_the_second_time():
    one = knowing(np.random.default_rng(6).normal(0, 1, 500))
    first = one.surprise(50.0)[0]
    one.learn(50.0)
    assert one.surprise(50.0)[0] < first / 5


def test_any_step_out_of_a_constant_past_is_beyond_doubt():
    assert knowing([3.0] * READY).surprise(3.1) == (CAP, 0.0)
    assert knowing([0.0] * READY).surprise(-1e-12)[1] == CAP


def test_rounding_is_no_step():
    assert knowing([0.1] * 200).surprise(0.1 + 1e-16) == (0.0, 0.0)


def test_what_is_long_past_is_forgotten(monkeypatch):
    monkeypatch.setattr(tails, "HORIZON", 100)
    rng = np.random.default_rng(7)
    old, new = rng.normal(100, 1, 80), rng.normal(0, 1, 100)
    one, fresh = knowing([*old, *new]), knowing(new)
    assert one.surprise(5.0) == fresh.surprise(5.0)
    assert one.surprise(5.0)[0] > 2
