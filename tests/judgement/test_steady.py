"""The load that signals are looked up at."""

from __future__ import annotations

import math

import pytest

from anomalyd.judgement.steady import LOOK_BACK, steady

REQUESTS = 15.0
"""At a load of 10 a window holds 150: its jitter is 8%."""


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        pytest.param([10.0], 10.0, id="the first window has nothing before it"),
        pytest.param([9.0, 11.0, 10.0], 10.0, id="chance is averaged away"),
        pytest.param([5.0, 9.0, 10.0, 11.0, 10.0], 10.0, id="no further back than four windows"),
        pytest.param([4.0, 4.0, 10.0], 10.0, id="a load that rose is the new one"),
        pytest.param([10.0, 4.0, 10.0], 10.0, id="what lies behind another load does not count"),
        pytest.param([10.0, math.nan, 12.0], 12.0, id="nor behind one that is not known"),
        pytest.param([10.0, 0.0], 0.0, id="no load is no load"),
    ],
)
def test_a_load_is_averaged_with_those_before_it_that_are_the_same(loads, expected):
    assert steady(loads, REQUESTS) == pytest.approx(expected)


def test_an_unknown_load_stays_unknown():
    assert math.isnan(steady([10.0, math.nan], REQUESTS))


def test_the_more_requests_the_less_is_taken_for_chance():
    assert steady([10.0, 11.0], 15.0) == pytest.approx(10.5)
    assert steady([10.0, 11.0], 15_000.0) == 11.0


def test_jitter_shrinks_by_the_windows_that_are_averaged():
    loads = [10.0 + (-1.0) ** t for t in range(LOOK_BACK + 1)]
    assert steady(loads, REQUESTS) == pytest.approx(10.0)
