from __future__ import annotations

import math

import numpy as np
import pytest

from anomalyd.streams.average import Average
from tests.streams.naive import weighted


@pytest.mark.parametrize("rows", [3, 24, math.inf])
def test_it_is_the_mean_and_variance_under_its_weights(rows):
    values = np.random.default_rng(1).normal(5, 2, 80).tolist()
    average = Average(rows)
    for count, value in enumerate(values, 1):
        average.learn(value)
        assert (average.mean, average.variance) == pytest.approx(weighted(values[:count], rows))


def test_without_forgetting_it_is_the_plain_mean_and_variance():
    values = np.random.default_rng(2).exponential(1, 200)
    average = Average(math.inf)
    for value in values.tolist():
        average.learn(value)
    assert average.mean == pytest.approx(values.mean())
    assert average.variance == pytest.approx(values.var())


def test_a_large_constant_costs_no_digits():
    values = np.random.default_rng(3).normal(0, 1, 500)
    near, far = Average(24), Average(24)
    for value in values.tolist():
        near.learn(value)
        far.learn(value + 1e9)
    assert far.variance == pytest.approx(near.variance, rel=1e-5)


def test_a_constant_has_no_variance_at_all():
    average = Average(24)
    for _ in range(1000):
        average.learn(0.1)
    assert (average.mean, average.variance) == (0.1, 0.0)
