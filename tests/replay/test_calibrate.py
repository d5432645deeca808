"""What verdicts on good runs say of the judge, and of each of its signals."""

from __future__ import annotations

import math

import pytest

from anomalyd.model import Coverage, Finding, Kind, Labels, Outcome, Verdict
from anomalyd.replay.calibrate import measure, runs_needed
from anomalyd.replay.intervals import clopper_pearson

BUDGET = 0.01
SERVICES = ("a", "b", "c", "d")
NOWHERE = Coverage(0, 0, 0, 0, (), ())


def finding(signal: str, service: str, state: str = "ok", evidence: float = 0.0) -> Finding:
    return Finding(
        signal, Labels.of({"service": service}), service, Kind.LATENCY, "s", state,
        evidence=evidence, threshold=10.0, effect=0.3 if state == "fired" else 0.01, windows=50,
    )  # fmt: skip


def verdict(
    fired: dict[str, tuple[str, ...]] | None = None,
    outcome: Outcome | None = None,
    near: float = 1.0,
) -> Verdict:
    """Of a run with latency and cpu of every service, of which those of `fired` did."""
    fired = fired or {}
    found = [
        finding(signal, service, "fired", 12.0)
        if service in fired.get(signal, ())
        else finding(signal, service, evidence=near)
        for signal in ("latency", "cpu")
        for service in SERVICES
    ]
    found += [finding("memory", "a", "missing"), finding("errors", "a", "unmatched")]
    said = outcome or (Outcome.FAIL if fired else Outcome.PASS)
    return Verdict("r", said, ("because",), "production", BUDGET, NOWHERE, tuple(found))


def test_none_of_few_runs_excludes_little():
    found = measure([verdict()] * 6, BUDGET)
    assert (found.rate.k, found.rate.n) == (0, 6)
    assert found.rate.interval == pytest.approx((0.0, 0.459), abs=1e-3)
    assert found.rate.up_to == pytest.approx(0.393, abs=1e-3)
    assert found.within
    assert found.offenders == []


@pytest.mark.parametrize("budget", [0.01, 0.05, 0.5])
def test_as_many_runs_are_needed_as_exclude_the_budget(budget):
    needed = runs_needed(budget)
    assert measure([verdict()] * needed, budget).rate.up_to <= budget
    assert measure([verdict()] * (needed - 1), budget).rate.up_to > budget


def test_a_signal_that_fails_run_after_run_offends_and_the_others_do_not():
    made = [verdict({"latency": ("a",)})] * 3 + [verdict({"cpu": ("b",)})] + [verdict()] * 6
    found = measure(made, BUDGET)
    assert [one.name for one in found.signals] == ["latency", "cpu"]
    latency, cpu = found.signals
    assert latency.offends
    assert not cpu.offends
    assert (latency.rate.k, cpu.rate.k, cpu.rate.n) == (3, 1, 10)
    assert latency.fired == ((Labels.of({"service": "a"}), 3),)
    assert latency.largest == 0.3
    assert not found.within
    assert found.rate.k == 4
    assert found.spared == 3


def test_a_share_of_the_budget_goes_with_the_series_of_a_signal():
    found = measure([verdict()] * 3, BUDGET)
    assert [one.share for one in found.signals] == [BUDGET / 2, BUDGET / 2]
    assert {one.name for one in found.signals} == {"latency", "cpu"}


def test_intervals_of_signals_hold_together():
    (first, _) = measure([verdict({"cpu": ("a",)})] + [verdict()] * 9, BUDGET).signals
    assert first.rate.interval == clopper_pearson(1, 10, 1 - 0.05 / 2)


def test_a_run_that_would_have_failed_without_the_offenders_is_not_spared():
    both = verdict({"latency": ("a",), "cpu": ("b",)})
    found = measure([both] + [verdict({"latency": ("a", "c")})] * 4, BUDGET)
    assert [one.name for one in found.offenders] == ["latency"]
    assert (found.rate.k, found.spared) == (5, 4)
    assert found.signals[0].fired[0] == (Labels.of({"service": "a"}), 5)


def test_an_invalid_run_counts_for_nothing_and_an_inconclusive_one_did_not_fail():
    made = [verdict(outcome=Outcome.INVALID), verdict(outcome=Outcome.INCONCLUSIVE), verdict()]
    found = measure(made, BUDGET)
    assert (found.rate.k, found.rate.n, found.inconclusive, found.invalid) == (0, 2, 1, 1)


def test_what_came_near_is_told_by_its_share_of_the_threshold():
    made = [verdict(), verdict(near=7.0)]
    first = measure(made, BUDGET).signals[0]
    assert first.nearest == pytest.approx(0.7)
    assert first.nearest_series.endswith('{service="d"}')
    unknown = measure([verdict(near=math.nan)], BUDGET).signals[0]
    assert unknown.nearest == 0.0


def test_no_valid_run_excludes_nothing():
    found = measure([verdict(outcome=Outcome.INVALID)], BUDGET)
    assert found.rate.interval == (0.0, 1.0)
    assert found.signals == ()
