"""Judged runs for the tests of release risk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anomalyd.facts import Fact
from anomalyd.model import Coverage, Environment, Finding, Kind, Labels, Outcome, Verdict
from anomalyd.risk.evidence import CALLED, DRIFT, Evidence

BOTH = tuple(
    Fact("service", "cart", side, "present", "up", "cart")
    for side in (Environment.STAGING, Environment.PRODUCTION)
)


def finding(service: str = "cart", state: str = "ok", **over: Any) -> Finding:
    labels = {"service": service, **over.pop("labels", {})}
    given = {"evidence": 0.5, "threshold": 10.0, "windows": 20, "effect": 0.02, "detect": 0.2}
    unit, kind = over.pop("unit", "s"), over.pop("kind", Kind.LATENCY)
    signal = over.pop("signal", "latency_p95")
    return Finding(signal, Labels.of(labels), service, kind, unit, state, **(given | over))


def evidence(
    *findings: Finding,
    outcome: Outcome = Outcome.PASS,
    shown: float = 1.0,
    facts: Sequence[Fact] = BOTH,
    loads: Sequence[float] = (50.0, 100.0),
    peak: float = 100.0,
    services: Sequence[str] = (),
) -> Evidence:
    """A run of which nothing is wrong, but for what is given. shown: coverage, of 100 series."""
    coverage = Coverage(100, 100, 100, round(100 * shown), (), ())
    verdict = Verdict(
        "r1", outcome, ("why",), "production", 0.01, coverage, findings or (finding(),)
    )
    return Evidence(verdict, loads, peak, services, facts)


def operation(place: str, share: float = 0.5) -> list[Fact]:
    side, service = Environment.PRODUCTION, place.split()[0]
    return [
        Fact("operation", place, side, "present", "q", service),
        Fact("traffic-share", place, side, f"{share:.1%}", "q", service, share),
    ]


def called(place: str, times: float = 10.0) -> Fact:
    service = place.partition(" ")[0]
    return Fact(CALLED, place, Environment.STAGING, f"{times:g}", "q", service, times)


def drift(kind: str, service: str, severity: str = "high") -> Fact:
    place = f"{kind} of {service}"
    return Fact(DRIFT, place, Environment.STAGING, severity, kind, service)
