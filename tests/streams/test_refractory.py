from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.streams.refractory import FEWEST, MOST, SHARE, Refractory
from tests.streams import naive


@settings(deadline=None)
@given(st.lists(st.integers(0, 6).map(float), max_size=120))
def test_it_is_its_slow_twin(evidence):
    one = Refractory()
    told = [one.news(x) for x in evidence]
    assert told == [naive.news(evidence[: row + 1]) for row in range(len(evidence))]


def test_a_burst_is_told_once_and_again_when_it_gets_a_tenth_worse():
    one = Refractory()
    evidence = (0.0, 3.0, 3.0, 2.0, 3.2, 5.0, 4.0)
    assert [one.news(x) for x in evidence] == [0.0, 3.0, 0.0, 0.0, 0.0, 5.0, 0.0]


@pytest.mark.parametrize(
    ("watched", "span"),
    [
        pytest.param(0, FEWEST, id="at first it waits ten rows"),
        pytest.param(10_000, SHARE * 10_000, id="then 2% of the rows seen"),
        pytest.param(50_000, MOST, id="and never more than 400 rows"),
    ],
)
def test_how_long_the_same_is_no_news(watched, span):
    one = Refractory()
    for _ in range(watched):
        one.news(0.0)
    assert one.news(1.0) == 1.0
    silent = 0
    while deepcopy(one).news(0.5) == 0.0:
        one.news(0.0)
        silent += 1
    assert silent == pytest.approx(span, rel=2 * SHARE, abs=1)
