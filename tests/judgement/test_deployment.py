"""A check of the deployment decides as it should: fails, doubts, or says nothing."""

from __future__ import annotations

import pytest

from anomalyd.model import CheckKind, CheckState, DeploymentCheck, Outcome
from tests.judgement.test_verdict import stage_of
from tests.judgement.world import WINDOW, Stage


def check(state: CheckState, at: float | None = None) -> DeploymentCheck:
    return DeploymentCheck(CheckKind.RESTARTS, "pricing", state, "pricing restarted", at)


def judged(stage: Stage, *checks: DeploymentCheck):
    stage.pipeline.checks["run-"] = checks
    return stage.verdict()


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (CheckState.PASSED, Outcome.PASS),
        (CheckState.IGNORED, Outcome.PASS),
        (CheckState.UNKNOWN, Outcome.INCONCLUSIVE),
        (CheckState.FAILED, Outcome.FAIL),
    ],
)
def test_a_good_run_is_decided_by_its_checks(state, outcome):
    found = judged(stage_of(), check(state))
    assert found.outcome is outcome
    assert found.deployment == (check(state),)
    told = "deployment: pricing restarted" in found.reasons
    assert told is (outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE))


def test_what_failed_comes_first_and_what_fired_after_it():
    found = judged(stage_of(fails=True), check(CheckState.FAILED))
    assert found.reasons[0] == "deployment: pricing restarted"
    assert "error_ratio" in found.reasons[1]


def test_a_failure_is_one_without_a_baseline_too():
    assert judged(stage_of(baseline=False), check(CheckState.FAILED)).outcome is Outcome.FAIL


def test_a_failure_outranks_telemetry_that_broke():
    found = judged(stage_of(breaks=True), check(CheckState.FAILED, at=None))
    assert found.outcome is Outcome.FAIL


def broken_load() -> Stage:
    """The load stops in the middle of a run whose telemetry goes on."""
    stage = Stage()
    stage.loads[20:] = 0.0
    return stage.play()


@pytest.mark.parametrize(
    ("windows_after", "outcome"),
    [(-5.0, Outcome.FAIL), (0.5, Outcome.FAIL), (10.0, Outcome.INVALID)],
)
def test_what_fails_long_after_the_load_stopped_decides_nothing(windows_after, outcome):
    stage = broken_load()
    plain = judged(stage)
    assert plain.outcome is Outcome.INVALID
    stopped = 20 * WINDOW
    found = judged(stage, check(CheckState.FAILED, at=stopped + windows_after * WINDOW))
    assert found.outcome is outcome
