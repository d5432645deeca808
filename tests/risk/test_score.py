"""One number of all terms: bounded, the same each time, and never lower for what is worse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.model import Outcome, Risk, RiskTerm
from anomalyd.risk.evidence import Evidence
from anomalyd.risk.score import LEAK, assess, combined
from anomalyd.risk.terms import TERMS
from tests.risk.evidence import BOTH, called, drift, evidence, finding, operation

shares = st.floats(0.0, 1.0)
states = st.sampled_from(["ok", "weak", "fired", "explained", "missing", "silenced"])
findings = st.builds(
    finding,
    service=st.sampled_from(["cart", "pay", "mail"]),
    state=states,
    signal=st.sampled_from(["latency_p95", "latency_p50"]),
    evidence=st.floats(-5.0, 30.0),
    effect=st.floats(allow_nan=True, allow_infinity=True),
    windows=st.integers(0, 40),
)
drifts = st.builds(
    drift,
    st.sampled_from(["cpu-limit", "pool", "version", "runtime"]),
    st.sampled_from(["cart", "pay", "mail"]),
    st.sampled_from(["high", "medium", "low"]),
)
runs = st.builds(
    lambda found, facts, outcome, shown, loads: evidence(
        *found, facts=[*BOTH, *facts], outcome=outcome, shown=shown, loads=loads
    ),
    st.lists(findings, max_size=5),
    st.lists(drifts, max_size=4),
    st.sampled_from(Outcome),
    shares,
    st.lists(st.floats(0.0, 200.0), max_size=4),
)


def terms(values: list[float]) -> list[RiskTerm]:
    usual = [term(evidence()) for term in TERMS]
    return [replace(one, value=value) for one, value in zip(usual, values, strict=True)]


def whole(of: Evidence) -> float:
    return assess(of).score


every_term = st.lists(shares, min_size=len(TERMS), max_size=len(TERMS))


@given(every_term, st.integers(0, len(TERMS) - 1), shares)
def test_a_term_that_is_worse_never_lowers_the_number(values, which, by):
    worse = list(values)
    worse[which] = min(1.0, worse[which] + by)
    before, after = combined(terms(values)), combined(terms(worse))
    assert 0 <= before.score <= after.score <= 100


@given(runs)
def test_any_run_has_a_number_from_0_to_100_and_the_same_again(run):
    risk = assess(run)
    assert 100 * LEAK <= risk.score <= 100
    assert len({one.name for one in risk.terms}) == len(TERMS)
    assert all(0 <= one.value <= 1 and one.points >= 0 and one.reason for one in risk.terms)
    assert assess(run) == risk


def with_verdict(run: Evidence, **over: object) -> Evidence:
    return replace(run, verdict=replace(run.verdict, **over))


@given(runs)
def test_fail_ranks_above_inconclusive_above_pass_for_the_same_rest(run):
    ranked = [
        whole(with_verdict(run, outcome=Outcome(one)))
        for one in ("pass", "inconclusive", "invalid", "fail")
    ]
    assert ranked == sorted(ranked)


def test_fail_ranks_strictly_above_inconclusive_above_pass():
    ranked = [whole(evidence(outcome=one)) for one in (Outcome.PASS, Outcome.INCONCLUSIVE)]
    assert ranked[0] < ranked[1] < whole(evidence(outcome=Outcome.FAIL))


@given(runs, findings)
def test_a_series_that_fires_never_lowers_it(run, one):
    calm = replace(one, state="ok", windows=20)
    before = with_verdict(run, findings=(*run.findings, calm))
    fired = (*run.findings, replace(calm, state="fired"))
    assert whole(with_verdict(run, findings=fired)) >= whole(before)


@given(runs, findings, st.floats(0.0, 20.0))
def test_more_evidence_against_a_series_never_lowers_it(run, one, more):
    before = with_verdict(run, findings=(*run.findings, one))
    worse = replace(one, evidence=one.evidence + more)
    assert whole(with_verdict(run, findings=(*run.findings, worse))) >= whole(before)


@given(runs, drifts)
def test_another_difference_never_lowers_it(run, more):
    assert whole(replace(run, facts=[*run.facts, more])) >= whole(run)


@given(runs, st.floats(0.0, 1.0))
def test_a_smaller_load_never_lowers_it(run, share):
    assert whole(replace(run, loads=[share * load for load in run.loads])) >= whole(run)


@given(st.lists(st.booleans(), min_size=4, max_size=4))
def test_an_operation_that_is_not_called_never_lowers_it(seen):
    places = [f"cart GET /{letter}" for letter in "abcd"]
    facts = [*BOTH, called(""), *(one for place in places for one in operation(place, 0.25))]
    some = [called(place) for place, there in zip(places, seen, strict=True) if there]
    every = [called(place) for place in places]
    assert whole(evidence(facts=[*facts, *some])) >= whole(evidence(facts=[*facts, *every]))


def test_a_release_against_which_nothing_speaks_keeps_the_leak():
    facts = [*BOTH, called(""), *operation("cart GET /a"), called("cart GET /a")]
    assert whole(evidence(facts=facts)) == 100 * LEAK


def test_points_are_what_the_number_would_fall_by():
    values = [0.0] * len(TERMS)
    values[0], values[4] = 1.0, 0.5
    risk: Risk = combined(terms(values))
    without = [*values[:4], 0.0, *values[5:]]
    fallen = risk.score - combined(terms(without)).score
    assert risk.terms[4].points == pytest.approx(fallen, abs=0.11)
    assert [one.points for one in risk.terms if not one.value] == [0.0] * (len(TERMS) - 2)
