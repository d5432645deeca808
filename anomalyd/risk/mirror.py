"""Terms: how staging differs from production."""

from __future__ import annotations

from anomalyd.model import RiskTerm
from anomalyd.risk.chance import any_of, unknown
from anomalyd.risk.evidence import DRIFT, Evidence
from anomalyd.risk.wording import NAMED, listed, plural

OF_SEVERITY = {"high": 0.4, "medium": 0.12, "low": 0.03}
VERSIONS = ("version", "image-version", "image", "runtime", "node-version", "server-version")
ELSEWHERE = ("operation", "traffic-share", "service", "load")
"""Kinds of differences that other terms are about."""
EACH_VERSION = 0.25


def drift(evidence: Evidence) -> RiskTerm:
    """Undeclared differences between the environments, by their severity."""
    if not evidence.compared:
        return _not_compared("drift", "settings", 0.3)
    found = [f for f in evidence.of_kind(DRIFT) if f.found not in (*VERSIONS, *ELSEWHERE)]
    found.sort(key=lambda fact: (-OF_SEVERITY.get(fact.value, 0.0), fact.place))
    reason = "staging differs from production in nothing that is undeclared"
    if found:
        named = [f"{fact.place} ({fact.value})" for fact in found[:NAMED]]
        things = plural(len(found), "undeclared thing", "undeclared things")
        reason = f"staging differs from production in {things}: {listed(named, found)}"
    mend = "make them alike, or declare them under parity.expect" if found else ""
    value = any_of(OF_SEVERITY.get(fact.value, 0.0) for fact in found)
    return RiskTerm("drift", value, 0.3, reason, True, mend)


def versions(evidence: Evidence) -> RiskTerm:
    """Services that are not of production's version, beyond one, which is taken for the release."""
    if not evidence.compared:
        return _not_compared("versions", "versions", 0.15)
    found = [fact for fact in evidence.of_kind(DRIFT) if fact.found in VERSIONS]
    places = sorted({fact.service or fact.place for fact in found})
    more = max(0, len(places) - 1)
    reason = "no version differs that is not declared"
    if places:
        reason = (
            f"versions differ of {listed(places[:NAMED], places)}; one of them is taken for what "
            "is to be released"
        )
    mend = "deploy what production runs beside the release, or declare it under parity.expect"
    value = 1 - (1 - EACH_VERSION) ** more
    return RiskTerm("versions", value, 0.15, reason, True, mend if more else "")


def _not_compared(name: str, what: str, weight: float) -> RiskTerm:
    mend = "let parity compare the environments: see docs/parity.md"
    reason = f"the environments were not compared: their {what} may differ"
    return unknown(name, weight, reason, mend)
