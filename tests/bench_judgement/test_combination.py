"""Peers that judge signals together are given a fair chance: their p-values, and what they see."""

from __future__ import annotations

import numpy as np
import pytest

from bench.judgement.combination import PEERS, conformal, dependence, highest

ROTATED = np.array([[1.0, 0.0, 0.0], [0.9, np.sqrt(1 - 0.81), 0.0], [0.0, 0.0, 1.0]])


def run_of(random, windows=80, reversed_from=None):
    z = random.normal(size=(windows, 3)) @ ROTATED.T
    if reversed_from is not None:
        z[reversed_from:, 1] *= -1
    return z


@pytest.mark.parametrize("name", PEERS)
def test_p_values_of_good_runs_are_not_smaller_than_they_say(name):
    random = np.random.default_rng(1)
    p = conformal(PEERS[name], [run_of(random) for _ in range(5)])(run_of(random, 600))
    assert ((p > 0) & (p <= 1)).all()
    assert (p <= 0.1).mean() <= 0.11


def test_a_reversed_correlation_that_no_signal_shows_is_seen_by_dependence():
    random = np.random.default_rng(2)
    p = conformal(dependence, [run_of(random) for _ in range(5)])
    assert highest(p(run_of(random, reversed_from=30))) > np.log(1000)
    assert highest(p(run_of(random))) < np.log(10)


def test_trees_are_the_same_each_time():
    random = np.random.default_rng(3)
    known, new = [run_of(random, 40) for _ in range(3)], run_of(random, 20)
    first, again = (conformal(PEERS["HalfSpaceTrees"], known)(new) for _ in range(2))
    np.testing.assert_array_equal(first, again)
