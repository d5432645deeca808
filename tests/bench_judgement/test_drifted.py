"""Peers that look for a production that moved are given the same hours."""

from __future__ import annotations

import numpy as np
import pytest

from bench.judgement.drifted import HOUR, PEERS, residuals
from bench.judgement.production import START
from bench.judgement.world import draw


@pytest.mark.parametrize("name", PEERS)
def test_a_plain_large_move_is_found_by_all_and_nothing_where_there_is_none(name):
    random = np.random.default_rng(1)
    still = 0.05 * random.normal(size=5 * 24 * HOUR)
    moved = still.copy()
    moved[3 * 24 * HOUR :] += 0.4
    assert PEERS[name](still, START) is None
    since, change = PEERS[name](moved, START)
    assert change > 0.1
    assert 0 < since < 5 * 24


def test_every_series_moves_at_the_same_moment_by_as_much():
    world = draw(55, 0)
    (still, start, _), (moved, _, hour) = (residuals(world, size) for size in (0.0, 0.5))
    assert len(still) == len(moved) >= 16
    assert start == START
    at = round(hour * HOUR)
    for one, other in zip(still, moved, strict=True):
        assert np.nanmedian((other - one)[at:]) > np.nanmedian((other - one)[:at])
