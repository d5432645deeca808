"""Crossings of the accumulated process on good runs: no more than the level says, in any world.

The baseline is fitted to another stretch of the same world, so `noise`, `phi` and rates are what a
user would have. 1e-4 is there because that is where runs are decided: the budget over the series.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from scipy.stats import binom

from anomalyd.detectors import DETECTORS
from anomalyd.detectors.base import Returns
from anomalyd.detectors.mixture import TILTS, OnsetMixture, bets_on_p
from anomalyd.judgement import evidence
from anomalyd.judgement.evidence import Bank
from tests.detectors.streams import WORLDS, Staging

LEVELS = (0.1, 0.01, 1e-4)
ROWS, WINDOWS, ONSET = 4000, 120, 40


class Alone:
    """What one detector alone, at share 1, would have accumulated as `Bank` does."""

    def __init__(self, detector, rows):
        self.detector = detector
        self.mixture = OnsetMixture(len(TILTS))
        self.mixture.resize(rows)
        self.highest = np.zeros(rows)

    def take(self, score):
        if self.detector.returns is Returns.RULE:
            score = np.where(score > 0, np.inf, 0.0)
        elif self.detector.returns is Returns.PREDICTIVE:
            ready = np.isfinite(score)
            bets = bets_on_p(np.where(ready, score, 1.0))
            self.mixture.commit(self.mixture.after((bets, bets)), ready)
            score = self.mixture.log_value()
        self.highest = np.fmax(self.highest, score)


@pytest.fixture
def heard(monkeypatch):
    """By name, what every detector of a bank returns at a window, block after block."""
    heard = defaultdict(list)

    def overheard(factory):
        def made():
            detector = factory()
            monkeypatch.setattr(detector, "score", telling(detector))
            return detector

        return made

    def telling(detector):
        def score(context):
            heard[detector.name].append(own(context))
            return heard[detector.name][-1]

        own = detector.score
        return score

    judging = tuple((overheard(factory), share) for factory, share in evidence.DETECTORS)
    monkeypatch.setattr(evidence, "DETECTORS", judging)
    return heard


def highest_evidence(staging, change_at, heard):
    """Largest log evidence of each run, of all detectors together and of each alone."""
    rows = staging.rows
    bank, everyone, highest = Bank(rows), np.ones(rows, dtype=bool), np.zeros(rows)
    alone = [Alone(factory(), rows) for factory, _ in DETECTORS]
    for one in alone:
        one.detector.resize(rows)
    for context in staging.windows_of(change_at):
        heard.clear()
        highest = np.maximum(highest, bank.score(context, everyone).log_evidence)
        bank.learn(context, everyone)
        for one in alone:
            if one.detector.name in bank.names:
                one.take(np.concatenate(heard[one.detector.name]))
            else:
                one.take(one.detector.score(context))
                one.detector.learn(context, everyone)
    return {"all": highest} | {one.detector.name: one.highest for one in alone}


@pytest.mark.parametrize("world", WORLDS)
def test_good_runs_cross_no_more_often_than_the_level_says(world, heard):
    staging = Staging(WORLDS[world], ROWS, WINDOWS)
    for change_at in (None, ONSET):
        for name, highest in highest_evidence(staging, change_at, heard).items():
            for level in LEVELS:
                crossed = int((highest >= np.log(1 / level)).sum())
                most = binom.ppf(0.99, ROWS, level)
                assert crossed <= most, (name, level, crossed, "worse by exactly the tolerated")


@pytest.mark.parametrize("world", ["constant offset", "AR(1) 0.8", "Student t3"])
def test_a_step_of_six_sds_within_the_run_is_found_in_nine_of_ten(world, heard):
    """The other side of the coin: a bank that never fires would pass the test above."""
    staging = Staging(WORLDS[world], 400, WINDOWS)
    sd = np.median(np.log(staging.values).std(axis=0))
    staging.values[ONSET:] *= np.exp(6 * sd)
    found = highest_evidence(staging, None, heard)["all"] >= np.log(1e4)
    assert found.mean() >= 0.9
