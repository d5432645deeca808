"""What drift explains: bounded, of the right service and direction, with its arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anomalyd.explain.drift import explained
from anomalyd.explain.queueing import Processors, residence, slower_by
from anomalyd.explain.suspects import Graph
from anomalyd.facts import Fact
from anomalyd.model import Environment, Finding, Kind, Labels

STAGING, PRODUCTION = Environment.STAGING, Environment.PRODUCTION
GRAPH = Graph({"cart": ["pricing"]})


def finding(
    service: str, signal: str, kind: Kind, unit: str, expected: float, times: float, state: str
) -> Finding:
    return Finding(
        signal=signal,
        labels=Labels.of({"service": service}),
        service=service,
        kind=kind,
        unit=unit,
        state=state,
        observed=expected * times,
        expected=expected,
        effect=times - 1,
    )


def findings(slower: float, service: str = "pricing") -> list[Finding]:
    """50 requests/s of 7 ms of CPU each at a p95 of 80 ms, `slower` times as long in staging."""
    return [
        finding(service, "latency_p95", Kind.LATENCY, "s", 0.08, slower, "fired"),
        finding(service, "cpu", Kind.SATURATION, "cores", 0.35, 1.0, "ok"),
        finding(service, "request_rate", Kind.TRAFFIC, "req/s", 50.0, 1.0, "ok"),
    ]


def facts(
    production: float, staging: float, service: str = "pricing", pods: float = 1.0
) -> list[Fact]:
    told = []
    for side, cores in ((PRODUCTION, production), (STAGING, staging)):
        told.append(Fact("cpu-limit", f"{service}/app", side, f"{cores}", "", service, cores))
        told.append(Fact("replicas", service, side, f"{pods}", "", service, pods))
    return told


def test_a_smaller_limit_explains_a_slowdown_with_its_arithmetic() -> None:
    found = explained(findings(2.2), facts(2.0, 0.5), GRAPH)
    (sentence,) = found.values()
    assert sentence.startswith("pricing cpu limit 2 → 0.5 in staging: expected +")
    assert "7 ms of CPU a request, 0.35 of 0.5 cores in use instead of 2" in sentence
    assert sentence.endswith("observed +120%: explained, not failing")


@pytest.mark.parametrize(
    ("why", "slower", "told"),
    [
        ("nothing differs", 2.2, facts(2.0, 2.0)),
        ("staging has more", 2.2, facts(0.5, 2.0)),
        ("another service has less", 2.2, facts(2.0, 0.5, "inventory")),
        ("it is slower than that", 12.0, facts(2.0, 0.5)),
        ("the difference hardly matters", 2.2, facts(8.0, 7.0)),
        ("nothing is known", 2.2, []),
        ("production's limit is not known", 2.2, facts(2.0, 0.5)[2:]),
        ("the replicas are not known", 2.2, [f for f in facts(2.0, 0.5) if f.kind == "cpu-limit"]),
    ],
)
def test_what_drift_does_not_account_for_stays(why: str, slower: float, told: list[Fact]) -> None:
    assert explained(findings(slower), told, GRAPH) == {}, why


@pytest.mark.parametrize("missing", ["cpu", "request_rate"])
def test_without_its_figures_nothing_is_explained(missing: str) -> None:
    known = [one for one in findings(2.2) if one.signal != missing]
    callers = Graph({"cart": ["pricing"]})
    assert explained(known, facts(2.0, 0.5), callers) == {}


def test_the_load_stands_for_the_requests_of_a_service_that_nothing_calls() -> None:
    known = [one for one in findings(2.2) if one.signal != "request_rate"]
    assert explained(known, facts(2.0, 0.5), Graph({"pricing": ["db"]}), load=50.0)


def test_a_service_that_is_worse_in_another_way_is_not_excused() -> None:
    errors = finding("pricing", "error_ratio", Kind.ERRORS, "ratio", 0.01, 5.0, "fired")
    assert explained([*findings(2.2), errors], facts(2.0, 0.5), GRAPH) == {}


def test_a_release_that_needs_more_cpu_does_not_make_its_own_excuse() -> None:
    latency, cpu, requests = findings(2.2)
    hungry = replace(cpu, observed=0.8, effect=1.3, state="fired")
    assert explained([latency, hungry, requests], facts(2.0, 0.5), GRAPH) == {}


def test_a_caller_is_excused_by_as_much_as_it_waits_longer() -> None:
    own = findings(2.2)
    waits = finding("cart", "latency_p95", Kind.LATENCY, "s", 0.2, 1.45, "fired")
    found = explained([*own, waits], facts(2.0, 0.5), GRAPH)
    assert "waits for pricing, slower by 96 ms" in found[waits.series]
    slower = replace(waits, observed=0.5, effect=1.5)
    assert set(explained([*own, slower], facts(2.0, 0.5), GRAPH)) == {own[0].series}


def test_a_caller_is_not_excused_by_what_it_does_not_call() -> None:
    other = finding("mail", "latency_p95", Kind.LATENCY, "s", 0.2, 1.3, "fired")
    assert other.series not in explained([*findings(2.2), other], facts(2.0, 0.5), GRAPH)


def test_what_stopped_arriving_is_not_explained() -> None:
    gone = replace(findings(2.2)[0], detector="absence")
    assert explained([gone, *findings(2.2)[1:]], facts(2.0, 0.5), GRAPH) == {}


def test_fewer_replicas_explain_as_a_smaller_limit_does() -> None:
    told = [
        replace(fact, number=3.0) if (fact.kind, fact.side) == ("replicas", PRODUCTION) else fact
        for fact in facts(0.5, 0.5)
    ]
    (sentence,) = explained(findings(1.6), told, GRAPH).values()
    assert sentence.startswith("pricing replicas 3 → 1 in staging: expected +")


@pytest.mark.parametrize(("cores", "used", "expected"), [(1.0, 0.5, 2.0), (0.5, 0.25, 4.0)])
def test_one_processor_is_slowed_as_the_theory_of_one_server_says(
    cores: float, used: float, expected: float
) -> None:
    assert residence(1.0, used, Processors(cores, 1.0)) == pytest.approx(expected)


def test_more_processors_never_make_it_slower() -> None:
    times = [residence(1.0, 0.4, Processors(cores, 1.0)) for cores in (0.5, 1.0, 2.0, 4.0)]
    assert times == sorted(times, reverse=True)


def test_a_service_beyond_its_processors_is_bounded() -> None:
    mean, least, most = slower_by(0.01, 3.0, Processors(4.0, 1.0), Processors(0.5, 1.0))
    assert 0 < mean < least < most < 2.0
