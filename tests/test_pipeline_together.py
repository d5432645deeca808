"""Series that fire together: the mean of e-values, against the definition written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.judgement.budget import together
from tests.judgement.world import SERVICES, WINDOW, Fault, Stage

SERIES, FALSE_FAIL = 20, 0.01


@pytest.fixture(scope="module")
def stage() -> Stage:
    stage = Stage(windows=1)
    return stage.play()


def fires(stage: Stage, evidence) -> set[int]:
    """Which of a run's deciding series reach their threshold with these log e-values."""
    (course,) = stage.pipeline.courses.values()
    n = len(stage.pipeline.table)
    log_evidence = np.zeros(n)
    log_evidence[course.deciding] = evidence
    thresholds = together([course], log_evidence)
    assert np.isinf(np.delete(thresholds, course.deciding)).all()
    reached = log_evidence[course.deciding] >= thresholds[course.deciding]
    return set(np.flatnonzero(reached).tolist())


def rejected(evidence) -> set[int]:
    """As many of the largest as have m / α between them, of which each is at least 1 / α; and more,
    if k of them, all at least m / (α k), are."""
    order = sorted(range(len(evidence)), key=lambda i: -evidence[i])
    needed = len(evidence) / FALSE_FAIL
    lowest = np.inf
    for k in range(1, len(evidence) + 1):
        largest = np.exp([evidence[i] for i in order[:k]])
        just = largest.sum() >= needed > largest[:-1].sum()
        if just or k * largest[-1] >= needed:
            lowest = min(lowest, max(evidence[order[k - 1]], np.log(1 / FALSE_FAIL)))
    return {i for i in order if evidence[i] >= lowest}


def test_what_is_missing_to_the_mean_does_not_make_those_fire_that_have_nothing(stage):
    evidence = np.zeros(SERIES)
    evidence[7] = np.log(SERIES / FALSE_FAIL - SERIES / 2)
    assert fires(stage, evidence) == {7}


@settings(max_examples=200)
@given(
    evidence=st.lists(
        st.floats(-5.0, 12.0) | st.sampled_from([4.7, 5.5, 6.9]), min_size=SERIES, max_size=SERIES
    )
)
def test_it_is_its_slow_twin(stage, evidence):
    assert fires(stage, evidence) == rejected(evidence)


@pytest.mark.parametrize("together", [1, 2, 5, 20])
def test_series_that_go_up_together_need_a_share_of_the_evidence_each(stage, together):
    needed = np.log(SERIES / FALSE_FAIL / together)
    evidence = np.full(SERIES, -20.0)
    evidence[:together] = needed + 0.01
    assert fires(stage, evidence) == set(range(together))
    evidence[0] = needed - 0.3
    assert fires(stage, evidence) == set()


def test_what_one_lacks_others_may_bring_that_have_less(stage):
    needed = np.log(SERIES / FALSE_FAIL)
    evidence = np.full(SERIES, -20.0)
    evidence[[4, 9, 12]] = needed + np.log([0.6, 0.3, 0.15])
    assert fires(stage, evidence) == {4, 9, 12}
    evidence[12] = needed + np.log(0.09)
    assert fires(stage, evidence) == set()


def test_one_that_needs_no_help_fires_alone(stage):
    evidence = np.full(SERIES, 3.0)
    evidence[7] = np.log(SERIES / FALSE_FAIL) + 0.01
    assert fires(stage, evidence) == {7}


def test_the_mean_evidence_of_a_run_that_fires_is_that_of_the_budget(stage):
    """Whence the chance that a good run fails: mean e-values exceed 1/α that seldom."""
    rng = np.random.default_rng(1)
    least = np.inf
    for _ in range(300):
        evidence = rng.normal(3.0, 3.0, SERIES)
        if fires(stage, evidence):
            least = min(least, np.exp(evidence).mean())
    assert 1 / FALSE_FAIL <= least < 10 / FALSE_FAIL


def test_series_of_a_run_fire_with_less_than_each_would_need_alone():
    faults = [Fault("latency", service, at=15, size=0.36) for service in SERVICES]
    selectors = [f"s{i}" for i in range(30)]
    stage = Stage(selectors, faults=faults, label="testid", offset=0.02, seed=3)
    alone, together = 0, 0

    def count(t):
        nonlocal alone, together
        pipeline = stage.pipeline
        rows = np.flatnonzero(pipeline.anomalies.fired_at == t * WINDOW)
        enough = pipeline.evidence[rows] >= np.log(SERIES / FALSE_FAIL)
        alone, together = alone + int(enough.sum()), together + int((~enough).sum())

    stage.play(before=count)
    assert alone > 20
    assert together > 5
    told = {a.signal for c in stage.pipeline.courses.values() for a in c.anomalies.values()}
    assert told == {"latency_p95"}
