from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.signals.histograms import quantile
from tests.signals import naive

INF = math.inf
bounds = st.sampled_from([-2.0, -0.5, 0.0, 0.1, 0.5, 1.0, 2.5, 10.0, INF])
counts = st.integers(0, 1000).map(float) | st.floats(0, 1e6)
histograms = st.lists(
    st.dictionaries(bounds, counts, min_size=1).map(lambda h: sorted(h.items())),
    min_size=1,
    max_size=5,
)


def at_once(histograms, quantiles) -> list[float]:
    sizes = [len(histogram) for histogram in histograms]
    flat = [bucket for histogram in histograms for bucket in histogram]
    found = quantile(
        np.cumsum([0, *sizes]),
        np.array([bound for bound, _ in flat]),
        np.array([count for _, count in flat]),
        np.array(quantiles),
    )
    return found.tolist()


@given(histograms, st.floats(0.001, 0.999))
def test_quantiles_of_many_histograms_are_those_of_the_slow_twin(histograms, q):
    want = [naive.quantile(q, histogram) for histogram in histograms]
    assert at_once(histograms, [q] * len(histograms)) == pytest.approx(want, nan_ok=True)


@pytest.mark.parametrize(
    ("buckets", "q", "expected"),
    [
        ([(1, 10), (2, 20), (INF, 20)], 0.5, 1.0),
        ([(1, 10), (2, 20), (INF, 20)], 0.75, 1.5),
        ([(1, 10), (2, 20), (INF, 20)], 0.25, 0.5),
        ([(1, 0), (2, 0), (INF, 9)], 0.5, 2.0),
        ([(-1, 10), (2, 20), (INF, 20)], 0.1, -1.0),
        ([(1, 10), (2, 8), (INF, 20)], 0.45, 0.9),
        ([(1, 10), (2, 8), (4, 20), (INF, 20)], 0.75, 3.0),
        ([(1, 10), (2, 10 * (1 + 1e-14)), (INF, 10)], 1 - 1e-15, 1.0),
        ([(1, 10), (2, 20)], 0.5, math.nan),
        ([(INF, 20)], 0.5, math.nan),
        ([(1, 0), (INF, 0)], 0.5, math.nan),
    ],
    ids=[
        "at a bucket's end",
        "linear within a bucket",
        "the lowest bucket begins at 0",
        "in the +Inf bucket the highest bound",
        "a lowest bound of 0 or less is the answer itself",
        "below a decrease",
        "a decrease is levelled",
        "a difference of rounding is none",
        "no +Inf bucket",
        "one bucket alone",
        "no observations",
    ],
)
def test_quantile(buckets, q, expected):
    assert at_once([buckets], [q]) == [pytest.approx(expected, nan_ok=True)]


def test_each_histogram_has_its_own_quantile():
    histogram = [(1, 10), (2, 20), (INF, 20)]
    assert at_once([histogram] * 2, [0.25, 0.75]) == [0.5, 1.5]
