"""The bets on steps alone, at weight 1: their level where good runs wander, and where it breaks.

`test_calibration.py` has every detector in every world as production's fit sees it; here the runs
of staging drift besides, and what is known of them is exact, and then wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from scipy.stats import binom

from anomalyd.baseline.transfer import WANDER
from anomalyd.detectors.base import Context
from anomalyd.detectors.baseline_deviation import BaselineDeviation
from anomalyd.detectors.level_filter import WANDER_SECONDS
from tests.detectors.streams import WORLDS, Staging, autoregressive, normal
from tests.detectors.windows import WINDOW, window

LEVELS = (0.1, 0.01, 1e-3)
ROWS, WINDOWS, ONSET = 2000, 120, 40
NOISE, TOLERATE = 0.1, 0.05


def crossings(windows: Iterable[Context]) -> dict[float, int]:
    """By level, how many rows' e-values ever exceeded its inverse."""
    detector, highest = BaselineDeviation(), np.zeros(ROWS)
    detector.resize(ROWS)
    for context in windows:
        highest = np.fmax(highest, detector.score(context))
        detector.learn(context, np.ones(ROWS, dtype=bool))
    return {level: int((highest >= np.log(1 / level)).sum()) for level in LEVELS}


def too_many(found: dict[float, int]) -> dict[float, int]:
    return {level: n for level, n in found.items() if n > binom.ppf(0.99, ROWS, level)}


def runs(
    phi: float, wander: float, step: float, told: dict[str, float] | None = None
) -> Iterator[Context]:
    """Runs of the very process that the filter holds for good, and a step at ONSET; told: what the
    detector is told instead of the truth."""
    rng = np.random.default_rng(1)
    own, rho = NOISE / np.sqrt(1 - phi**2), np.exp(-WINDOW / WANDER_SECONDS)
    offset = 0.2 * rng.standard_normal(ROWS)
    fast = NOISE * autoregressive(phi, normal)(rng, WINDOWS, ROWS)
    slow = np.sqrt(1 - rho**2) * autoregressive(rho, normal)(rng, WINDOWS, ROWS)
    known = {"phi": phi, "wander": wander, "noise": NOISE, "tolerate": TOLERATE} | (told or {})
    for t, residual in enumerate(offset + fast + wander * own * slow):
        yield window(ROWS, t, residual=residual + (step if t >= ONSET else 0.0), **known)


@pytest.mark.parametrize("step", [0.0, TOLERATE], ids=["good", "worse by exactly the tolerated"])
@pytest.mark.parametrize("wander", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_its_own_process_crosses_no_more_often_than_the_level_says(phi, wander, step):
    assert too_many(crossings(runs(phi, wander, step))) == {}


@pytest.mark.parametrize("change_at", [None, ONSET])
@pytest.mark.parametrize("world", [name for name, w in WORLDS.items() if w.dispersion is None])
def test_a_run_that_wanders_as_is_assumed_crosses_no_more_often_than_the_level_says(
    world, change_at
):
    staging = Staging(WORLDS[world], ROWS, WINDOWS).wander(WANDER)
    assert too_many(crossings(staging.windows_of(change_at))) == {}


def test_autocorrelation_that_is_taken_for_independence_breaks_every_level():
    """That these counts can be exceeded at all, and why phi is worth estimating."""
    sd = NOISE / np.sqrt(1 - 0.8**2)
    found = crossings(runs(0.8, 0.0, 0.0, {"phi": 0.0, "noise": sd}))
    assert too_many(found) == found
    assert found[0.01] > 10 * 0.01 * ROWS


def test_a_step_well_beyond_what_is_tolerated_crosses_in_half_of_the_runs():
    assert crossings(runs(0.0, 0.0, TOLERATE + 3 * NOISE))[1e-3] > 0.5 * ROWS
