"""The demo admits it when its verdicts do not bear out what it claims."""

from copy import deepcopy
from typing import Any

import pytest

from anomalyd.demo.claims import evidence, suspects, unmet
from anomalyd.demo.plan import SHOWS, SIGNALS
from anomalyd.demo.topology import Fault, FaultKind

FAULT = Fault("pricing", FaultKind.LATENCY, 1.5)


def finding(service: str, signal: str, state: str = "fired") -> dict[str, Any]:
    numbers = {"observed": 0.124, "low": 0.056, "high": 0.068, "unit": "s"}
    return {"service": service, "signal": signal, "state": state, **numbers}


GOOD: dict[str, Any] = {"outcome": "pass", "incidents": [], "findings": []}
BAD: dict[str, Any] = {
    "outcome": "fail",
    "incidents": [
        {"suspects": [{"service": "pricing", "score": 0.7}, {"service": "cart", "score": 0.3}]},
        {"suspects": [{"service": "pricing", "score": 1.0}]},
    ],
    "findings": [
        finding("pricing", "latency_p95"),
        finding("cart", "latency_p95"),
        finding("pricing", "memory", "ok"),
    ],
}


def test_suspects_of_all_incidents_are_ranked_together() -> None:
    assert suspects(BAD) == [("pricing", pytest.approx(0.85)), ("cart", pytest.approx(0.15))]
    assert suspects(GOOD) == []


def test_equally_suspect_services_are_named_in_alphabetical_order() -> None:
    both = [{"service": "b", "score": 0.5}, {"service": "a", "score": 0.5}]
    assert [name for name, _ in suspects({"incidents": [{"suspects": both}]})] == ["a", "b"]


def test_evidence_names_what_fired_of_one_service_with_its_band() -> None:
    assert evidence(BAD, "pricing") == ["latency_p95 was 124 ms, expected 56 ms to 68 ms"]


def test_a_band_that_is_not_known_is_said_so() -> None:
    unknown = {"findings": [{**finding("cart", "calls"), "low": None}]}
    assert evidence(unknown, "cart") == ["calls was 124 ms, expected n/a to 68 ms"]


def test_all_claims_hold_of_a_demo_that_did_what_it_says() -> None:
    assert unmet(GOOD, BAD, FAULT) == []


@pytest.mark.parametrize(
    ("outcome", "run", "says"),
    [
        ("inconclusive", "good", "the good test should pass and was judged inconclusive"),
        ("fail", "good", "the good test should pass and was judged fail"),
        ("pass", "bad", "the bad test should fail and was judged pass"),
        ("invalid", "bad", "the bad test should fail and was judged invalid"),
    ],
)
def test_another_outcome_is_not_as_claimed(outcome: str, run: str, says: str) -> None:
    good, bad = deepcopy(GOOD), deepcopy(BAD)
    (good if run == "good" else bad)["outcome"] = outcome
    assert unmet(good, bad, FAULT) == [says]


def test_suspecting_another_service_first_is_not_as_claimed() -> None:
    bad = deepcopy(BAD)
    bad["incidents"] = [{"suspects": [{"service": "cart", "score": 1.0}]}]
    assert unmet(GOOD, bad, FAULT) == ["the fault was in pricing, and cart was suspected first"]
    bad["incidents"] = []
    assert unmet(GOOD, bad, FAULT) == ["the fault was in pricing, and nobody was suspected first"]


def test_failing_for_another_signal_is_not_as_claimed() -> None:
    leak = Fault("pricing", FaultKind.LEAK, 0.1)
    assert unmet(GOOD, BAD, leak) == ["memory of pricing did not fire"]


def test_every_kind_of_fault_shows_in_a_signal_that_is_judged() -> None:
    assert set(SHOWS) == set(FaultKind)
    assert set(SHOWS.values()) <= {signal["name"] for signal in SIGNALS}
