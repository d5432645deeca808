from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from anomalyd.detectors import DETECTORS
from anomalyd.detectors.absence import PATIENCE
from anomalyd.detectors.base import Returns
from anomalyd.judgement import evidence
from anomalyd.judgement.evidence import Bank
from tests.detectors.naive import Onsets, tilted
from tests.detectors.windows import noisy, stream, streams, window


def follow(bank, steps):
    found = []
    for step in steps:
        bank.reset(np.array(step.resets, dtype=np.intp))
        found.append(bank.score(step.context, step.mask))
        bank.learn(step.context, step.mask)
    return found


def evidence_of(scores):
    return np.array([s.log_evidence for s in scores])


@settings(max_examples=15)
@given(streams(windows=40, n=5))
def test_it_is_the_weighted_mean_of_its_detectors(steps):
    bank = Bank(5)
    detectors = [factory() for factory, _ in DETECTORS]
    shares = [share for _, share in DETECTORS]
    bets = [Onsets() for _ in range(5)]
    for detector in detectors:
        detector.resize(5)
    for step in steps:
        step = replace(step, resets=[])
        expected = np.ones(5)
        for detector, share in zip(detectors, shares, strict=True):
            score = detector.score(step.context)
            if detector.returns is Returns.PREDICTIVE:
                for i in np.flatnonzero(np.isfinite(score) & step.mask):
                    most = np.exp(step.context.brief[i])
                    factors = [min(factor, most) for factor in tilted(float(score[i]))]
                    bets[i].windows.append((factors, factors))
                score = np.array([b.value() for b in bets])
            if detector.returns is not Returns.RULE:
                expected += np.where(np.isfinite(score), share * np.expm1(np.nan_to_num(score)), 0)
            detector.learn(step.context, step.mask)
        scores = bank.score(step.context, step.mask)
        bank.learn(step.context, step.mask)
        np.testing.assert_allclose(scores.log_evidence, np.log(expected), rtol=1e-6, atol=1e-8)


class Said:
    """A detector that returns the p-values it is given as residuals."""

    name = "said"
    returns = Returns.PREDICTIVE

    def resize(self, n): ...
    def reset(self, rows): ...
    def learn(self, context, mask): ...
    def load(self, state): ...
    def dump(self):
        return {}

    def score(self, context):
        return context.residual


@pytest.fixture
def said(monkeypatch):
    monkeypatch.setattr(evidence, "DETECTORS", (*DETECTORS, (Said, 0.05)))
    monkeypatch.setattr(evidence, "SHARES", (*evidence.SHARES, 0.05))


@pytest.mark.usefixtures("said")
def test_p_values_are_bet_on_once_per_window_where_they_are_judged():
    p = [1e-3, 0.5, 1e-6, np.nan, 0.02]
    bank, bets = Bank(2), Onsets()
    for t, one in enumerate(p):
        context = window(2, t, residual=one, noise=np.nan)
        scores = bank.score(context, np.array([True, False]))
        bank.learn(context, np.array([True, False]))
        if np.isfinite(one):
            factors = [min(factor, np.exp(context.brief[0])) for factor in tilted(one)]
            bets.windows.append((factors, factors))
        expected = np.log1p(0.05 * np.expm1(bets.value()))
        np.testing.assert_allclose(scores.log_evidence, [expected, 0.0], rtol=1e-6, atol=1e-9)
    assert scores.log_evidence[0] > 0


@pytest.mark.usefixtures("said")
def test_bets_on_p_values_are_dumped_loaded_and_forgotten_with_the_rest():
    bank, again, everyone = Bank(2), Bank(2), np.ones(2, dtype=bool)
    for t in range(5):
        bank.score(window(2, t, residual=1e-4, noise=np.nan), everyone)
    again.load(bank.dump())
    context = window(2, 5, residual=np.nan, noise=np.nan)
    held = bank.score(context, everyone).log_evidence
    np.testing.assert_array_equal(again.score(context, everyone).log_evidence, held)
    again.forget_evidence(np.array([0]))
    assert again.score(context, everyone).log_evidence.tolist() == [0.0, held[1]]


@pytest.mark.parametrize("rows_at_once", [1, 3, 4])
def test_blocks_make_no_difference(rows_at_once, monkeypatch):
    steps = stream(5, 50, 10)
    whole = follow(Bank(10), steps)
    monkeypatch.setattr(evidence, "BLOCK", rows_at_once)
    bank = Bank(4)
    bank.resize(10)
    parts = follow(bank, steps)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.log_evidence, other.log_evidence, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(one.leader, other.leader)
        np.testing.assert_array_equal(one.ruled, other.ruled)
        np.testing.assert_array_equal(one.whole_run, other.whole_run)


def test_a_loaded_dump_has_the_same_future_and_may_be_of_other_blocks(monkeypatch):
    steps = stream(6, 60, 7)
    bank = Bank(7)
    follow(bank, steps[:30])
    state = bank.dump()
    assert {array.shape[-1] for array in state.values()} == {7}
    expected = evidence_of(follow(bank, steps[30:]))
    monkeypatch.setattr(evidence, "BLOCK", 3)
    again = Bank(7)
    again.load(state)
    np.testing.assert_array_equal(evidence_of(follow(again, steps[30:])), expected)


def test_rows_not_judged_keep_their_evidence():
    bank, everyone = Bank(1), np.ones(1, dtype=bool)
    for context in noisy(0.0, 30, step=(20, 1.0)):
        before = bank.score(context, everyone).log_evidence
        bank.learn(context, everyone)
    assert before[0] > 5
    absent = window(1, 30, residual=np.nan, value=np.nan)
    held = bank.score(absent, everyone).log_evidence
    for t in range(30, 40):
        context = window(1, t, residual=9.0)
        bank.score(context, ~everyone)
        bank.learn(context, ~everyone)
    assert bank.score(absent, everyone).log_evidence == pytest.approx(held)


def test_forgotten_evidence_is_gone_and_the_level_of_the_run_is_not():
    bank, everyone = Bank(1), np.ones(1, dtype=bool)
    windows = noisy(0.0, 60, step=(0, 0.5))
    for context in windows[:40]:
        bank.score(context, everyone)
        bank.learn(context, everyone)
    bank.forget_evidence(np.array([0]))
    highest = 0.0
    for context in windows[40:]:
        highest = max(highest, bank.score(context, everyone).log_evidence[0])
        bank.learn(context, everyone)
    assert highest < np.log(10)


def test_rules_hold_and_learn_where_presence_is_watched_though_nothing_is_judged():
    bank = Bank(2)
    nobody, both = np.zeros(2, dtype=bool), np.ones(2, dtype=bool)
    first = np.array([True, False])
    bank.score(window(2), both)
    bank.learn(window(2), both)
    for t in range(1, int(PATIENCE) + 1):
        gone = window(2, t, value=np.nan, residual=np.nan)
        scores = bank.score(gone, nobody, first)
        bank.learn(gone, nobody, first)
    assert scores.ruled.tolist() == [True, False]


def test_the_leader_says_what_it_was():
    bank, everyone = Bank(3), np.ones(3, dtype=bool)
    mid, whole, flat = noisy(0.0, 40, step=(25, 1.5)), noisy(0.0, 40, step=(0, 2.0)), noisy(0.0, 40)
    for rows in zip(mid, whole, flat, strict=True):
        context = replace(rows[0].take(np.zeros(3, dtype=np.intp)))
        residual = np.array([r.residual[0] for r in rows])
        context = replace(context, residual=residual)
        scores = bank.score(context, everyone)
        bank.learn(context, everyone)
    assert bank.names[scores.leader[0]] == "baseline_deviation"
    assert bank.names[scores.leader[1]] == "run_shift"
    assert scores.whole_run.tolist()[:2] == [False, True]


def test_evidence_is_finite_whatever_comes():
    bank, everyone = Bank(2), np.ones(2, dtype=bool)
    for t in range(300):
        context = window(2, t, residual=np.array([1e9, -1e9]), noise=1e-9)
        assert np.isfinite(bank.score(context, everyone).log_evidence).all()
        bank.learn(context, everyone)


def test_a_bank_of_no_rows_is_a_bank():
    bank, nothing = Bank(0), np.zeros(0, dtype=bool)
    assert bank.score(window(0), nothing).log_evidence.shape == (0,)
    bank.learn(window(0), nothing)
    again = Bank(0)
    again.load(bank.dump())
