"""Staging's share of production's capacity, read off its cpu."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from anomalyd.baseline.lookup import Lookup
from anomalyd.replay.capacity import capacity_ratio
from anomalyd.replay.infer import columns
from anomalyd.replay.production import fit_production
from anomalyd.replay.recording import Recording
from anomalyd.replay.windows import gather
from tests.replay.system import STEP, production, run


@cache
def known():
    read = columns(production().headers, {})
    return read, Lookup(fit_production(production(), read, STEP))


def ratio_of(*runs: Recording) -> float:
    read, lookup = known()
    return capacity_ratio(lookup, read, [gather(one, read, STEP) for one in runs])


@pytest.mark.parametrize("capacity", [0.3, 0.5, 0.8, 1.0, 1.5])
def test_it_is_recovered(capacity):
    runs = [run(seed, capacity=capacity) for seed in range(3)]
    assert ratio_of(*runs) == pytest.approx(capacity, rel=0.15)


def test_one_service_that_burns_cpu_does_not_move_it():
    good = run(4)
    values = good.values.copy()
    values[:, good.headers.index('cpu_utilization{service="cart"}')] *= 3
    assert ratio_of(replace(good, values=values)) == pytest.approx(0.5, rel=0.25)


def test_without_a_share_of_cpu_both_are_taken_for_equal():
    good = run(4)
    kept = [i for i, header in enumerate(good.headers) if "cpu" not in header]
    without = Recording(good.times, tuple(good.headers[i] for i in kept), good.values[:, kept])
    assert ratio_of(without) == 1.0
