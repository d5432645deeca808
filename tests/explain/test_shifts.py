"""What is off in a recording, and by how much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.explain.shifts import Series, Spell, signs
from anomalyd.model import Kind, Worse

MINUTES = 60
BEGAN = 50 * 60.0
SPELL = Spell(BEGAN, MINUTES * 60.0, ((0.0, BEGAN),))
TIMES = np.arange(1, MINUTES + 1) * 60.0
DURING = TIMES > BEGAN
NOISE = np.random.default_rng(3).normal(0, 1, MINUTES)


def series(values, kind=Kind.LATENCY, worse=Worse.UP, rates=None, **more):
    rates = None if rates is None else np.full(MINUTES, float(rates))
    return Series("signal", "cart", kind, worse, TIMES, np.asarray(values, float), rates, **more)


def stepped(level, by, noise=0.02):
    return level * (1 + noise * NOISE) + by * DURING


def test_a_slower_service_is_off_by_what_it_is_slower_and_adds_that_per_call():
    (sign,) = signs([series(stepped(0.1, 0.2), rates=50.0)], SPELL)
    assert sign.service == "cart"
    assert sign.size == pytest.approx(0.2, rel=0.05)
    assert sign.effect == pytest.approx(2.0, rel=0.05)
    assert sign.excess == pytest.approx(0.2 * 50, rel=0.05)
    assert sign.strength == 30.0
    assert (sign.since, sign.step) == (BEGAN + 60, 60.0)


@pytest.mark.parametrize(
    "quiet",
    [
        pytest.param(series(stepped(0.1, 0.0)), id="nothing happened"),
        pytest.param(series(stepped(0.1, 0.3, noise=1.0)), id="always as noisy as that"),
        pytest.param(series(stepped(0.1, -0.05)), id="faster is not worse"),
        pytest.param(series(np.where(TIMES < 3000, np.nan, 9.0)), id="nothing before it"),
        pytest.param(series(0.1 + 0.2 * (TIMES > 35 * 60)), id="off for long already"),
        pytest.param(
            series(np.where(DURING, 1 / 60, 0.0), Kind.TRAFFIC, Worse.BOTH),
            id="a single call a minute is chance",
        ),
        pytest.param(
            series(np.where(DURING, 0.02, 0.01), Kind.ERRORS, rates=0.5), id="too few calls"
        ),
    ],
)
def test_what_is_ordinary_is_no_sign(quiet):
    assert signs([quiet], SPELL) == []


def test_less_traffic_is_off_downwards():
    (sign,) = signs([series(stepped(9.0, -6.0), Kind.TRAFFIC, Worse.BOTH)], SPELL)
    assert sign.effect == pytest.approx(-6 / 9, rel=0.1)


def test_few_failures_of_many_calls_are_counted():
    (sign,) = signs([series(np.where(DURING, 0.02, 0.0), Kind.ERRORS, rates=10.0)], SPELL)
    assert sign.effect == pytest.approx(0.02, rel=0.1)
    assert sign.excess == pytest.approx(0.2, rel=0.1)
    assert sign.strength == 30.0


def test_failures_that_come_in_bursts_anyway_weigh_less():
    bursts = np.where(np.arange(MINUTES) % 7 == 0, 0.2, 0.01)
    during = np.where(DURING, 0.08, bursts)
    smooth = np.where(DURING, 0.08, 0.037)
    plain, scattered = (
        signs([series(one, Kind.ERRORS, rates=1.0)], SPELL) for one in (smooth, during)
    )
    assert not scattered or scattered[0].strength < plain[0].strength


def test_a_quantile_weighs_by_what_the_mean_adds():
    quantile = replace(series(stepped(0.3, 0.9)), signal="latency_p95")
    mean = series(stepped(0.1, 0.001, noise=0.2), rates=20.0)
    (sign,) = signs([quantile, mean], SPELL)
    assert sign.signal == "latency_p95"
    assert sign.excess < 0.5


def test_a_service_that_is_silent_altogether_is_gone():
    silent = [replace(series(np.where(DURING, np.nan, 0.1)), signal=name) for name in ("a", "b")]
    (sign,) = signs(silent, SPELL)
    assert (sign.service, sign.gone) == ("cart", True)
    assert signs([*silent, replace(series(stepped(0.1, 0.0)), signal="c")], SPELL) == []


def test_the_onset_is_the_first_value_that_is_off():
    late = 0.1 + 0.2 * (TIMES > BEGAN + 240)
    (sign,) = signs([series(late)], SPELL)
    assert sign.since == BEGAN + 300


@given(st.floats(1e-6, 1e6), st.integers(0, 2**16))
def test_units_do_not_matter(unit, seed):
    noise = np.random.default_rng(seed).lognormal(0, 0.3, MINUTES)
    plain, scaled = (signs([series(noise * k * (1 + 3 * DURING))], SPELL) for k in (1.0, unit))
    assert [s.strength for s in plain] == pytest.approx([s.strength for s in scaled], rel=1e-6)
    assert [s.effect for s in plain] == pytest.approx([s.effect for s in scaled], rel=1e-6)


@given(st.lists(st.none() | st.floats(-1e9, 1e9), min_size=MINUTES, max_size=MINUTES))
def test_any_values_give_finite_strengths(values):
    known = series([np.nan if one is None else one for one in values], worse=Worse.BOTH)
    assert all(0 < sign.strength <= 30 for sign in signs([known], SPELL))
