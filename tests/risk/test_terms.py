"""Each term says what speaks against a release, how much, and what would lower it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from anomalyd.model import CheckKind, CheckState, DeploymentCheck, Kind, Outcome, RiskTerm
from anomalyd.risk.chance import ASSUMED
from anomalyd.risk.evidence import Evidence
from anomalyd.risk.score import assess
from tests.risk.evidence import BOTH, called, drift, evidence, finding, operation


def term(name: str, of: Evidence) -> RiskTerm:
    return next(one for one in assess(of).terms if one.name == name)


@pytest.mark.parametrize(
    ("outcome", "value"),
    [("pass", 0.0), ("inconclusive", 0.35), ("invalid", 0.45), ("fail", 1.0)],
)
def test_the_verdict_counts_as_it_ranks(outcome, value):
    found = term("verdict", evidence(outcome=Outcome(outcome)))
    assert (found.value, found.reason) == (value, f"the verdict is {outcome}")
    assert bool(found.mend) == (outcome != "pass")


def test_a_series_off_by_what_a_pass_must_show_counts_half_and_two_services_more():
    one = finding("cart", "fired", effect=0.2, detect=0.2)
    also = finding("cart", "fired", signal="latency_p50", effect=0.1, detect=0.2)
    other = finding("pay", "fired", effect=0.2, detect=0.2)
    alone = term("deciding-signals", evidence(one, also, outcome=Outcome.FAIL))
    assert alone.value == pytest.approx(0.5)
    assert alone.reason.startswith('2 series are worse: latency_p95{service="cart"} +20%')
    both = term("deciding-signals", evidence(one, other, outcome=Outcome.FAIL))
    assert both.value == pytest.approx(0.75)
    endless = finding("cart", "fired", effect=math.inf)
    assert term("deciding-signals", evidence(endless, outcome=Outcome.FAIL)).value == 1.0
    unknown = finding("cart", "fired", effect=math.nan)
    assert term("deciding-signals", evidence(unknown, outcome=Outcome.FAIL)).value == 0.5


def test_what_drift_explains_is_still_a_risk():
    found = term("explained-by-drift", evidence(finding("cart", "explained"), finding("pay")))
    assert found.value == 0.5
    assert 'latency_p95{service="cart"}' in found.reason


def test_a_near_miss_counts_from_three_tenths_of_the_evidence_on():
    assert term("near-misses", evidence(finding(evidence=2.9))).value == 0.0
    found = term("near-misses", evidence(finding(evidence=6.5), finding("pay", evidence=1.0)))
    assert found.value == pytest.approx(0.5)
    assert 'latency_p95{service="cart"} 65%' in found.reason


def test_a_series_that_a_silence_kept_from_firing_is_a_near_miss():
    assert term("near-misses", evidence(finding("cart", "silenced", evidence=20.0))).value == 1.0


def test_a_series_that_may_differ_only_as_staging_does_is_a_near_miss():
    doubted = finding("cart", "weak", note="staging's own difference may explain it")
    assert term("near-misses", evidence(doubted)).value == pytest.approx(0.3 / 0.7)


def test_coverage_counts_by_what_it_lacks():
    found = term("coverage", evidence(shown=0.75))
    assert found.value == pytest.approx(0.25)
    assert found.reason.startswith("75 of 100 series of production")


@pytest.mark.parametrize(
    ("loads", "peak", "value"),
    [((10.0, 60.0), 80.0, 0.25), ((90.0,), 80.0, 0.0), ((math.nan,), 80.0, 1.0), ((), 80.0, 1.0)],
)
def test_load_counts_by_how_far_production_s_peak_was_missed(loads, peak, value):
    found = term("load", evidence(loads=loads, peak=peak))
    assert found.value == pytest.approx(value)
    assert bool(found.mend) == (value > 0)


def test_operations_count_by_their_share_of_production_s_calls():
    facts = [*BOTH, *operation("cart GET /a", 0.9), *operation("cart GET /b", 0.1), called("")]
    found = term("operations", evidence(facts=[*facts, called("cart GET /a")]))
    assert found.value == pytest.approx(0.1)
    assert "did not call 1 of 2 operations" in found.reason
    assert "cart GET /b" in found.reason
    none = term("operations", evidence(facts=[*facts, called("cart GET /a", 0.0)]))
    assert none.value == pytest.approx(1.0)
    both = [called("cart GET /a"), called("cart GET /b")]
    assert term("operations", evidence(facts=[*facts, *both])).value == 0.0


def test_operations_of_which_no_share_is_known_count_alike():
    facts = [*BOTH, operation("cart GET /a")[0], operation("cart GET /b")[0]]
    assert term("operations", evidence(facts=[*facts, called("cart GET /a")])).value == 0.5


def test_operations_are_told_by_signals_where_no_server_was_asked():
    seen = finding("cart", labels={"operation": "GET /a"})
    unseen = finding("cart", "missing", labels={"operation": "GET /b"}, windows=0)
    assert term("operations", evidence(seen, unseen)).value == 0.5


def test_a_service_of_which_only_the_processor_was_seen_is_untested_where_it_has_requests():
    idle = finding("pay", "missing", windows=0)
    busy = finding("pay", kind=Kind.SATURATION, signal="cpu")
    database = finding("db", kind=Kind.SATURATION, signal="cpu")
    found = term("untested-services", evidence(finding("cart"), idle, busy, database))
    assert found.value == pytest.approx(1 / 3)
    assert found.reason.endswith("were not seen at work: pay")


def test_a_service_that_the_graph_or_production_names_is_untested_unless_it_was_seen():
    found = term("untested-services", evidence(services=("cart", "mail")))
    assert found.value == 0.5
    assert term("untested-services", evidence(finding("pay"))).reason.endswith("work: cart")


def test_drift_counts_by_severity_and_leaves_to_others_what_is_theirs():
    facts = [*BOTH, drift("cpu-limit", "cart"), drift("buckets", "cart", "low")]
    found = term("drift", evidence(facts=facts))
    assert found.value == pytest.approx(1 - 0.6 * 0.97)
    assert "2 undeclared things: cpu-limit of cart (high)" in found.reason
    elsewhere = [drift("operation", "cart"), drift("version", "cart"), drift("service", "pay")]
    assert term("drift", evidence(facts=[*BOTH, *elsewhere])).value == 0.0


def test_one_version_that_differs_is_taken_for_the_release_and_further_ones_count():
    one = [*BOTH, drift("version", "cart"), drift("image-version", "cart")]
    assert term("versions", evidence(facts=one)).value == 0.0
    three = [*one, drift("runtime", "pay"), drift("version", "mail")]
    assert term("versions", evidence(facts=three)).value == pytest.approx(1 - 0.75**2)


def test_checks_of_the_deployment_that_did_not_pass_count_excused_or_not():
    states = (CheckState.PASSED, CheckState.UNKNOWN, CheckState.IGNORED)
    checks = tuple(DeploymentCheck(CheckKind.PROBE, "cart", one, "no answer") for one in states)
    run = evidence()
    found = term("deployment-checks", replace(run, verdict=replace(run.verdict, deployment=checks)))
    assert found.value == pytest.approx(1 - 0.6**2)
    assert found.reason.startswith("2 of 3 checks of the deployment did not pass: no answer (unkno")
    assert term("deployment-checks", run).value == 0.0


UNSEEN = {
    "load": evidence(peak=math.inf),
    "operations": evidence(),
    "untested-services": evidence(finding(""), facts=()),
    "drift": evidence(facts=()),
    "versions": evidence(facts=(called("cart GET /a"),)),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_what_was_not_seen_is_assumed_and_said_to_be(name):
    found = term(name, UNSEEN[name])
    assert (found.known, found.value) == (False, ASSUMED)
    assert found.mend
