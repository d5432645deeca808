"""The verdict on a replayed run as JSON and as lines for a person."""

from __future__ import annotations

from anomalyd.model import Finding, Incident, Verdict
from anomalyd.report import parts
from anomalyd.report.parts import Document, rounded


def document(verdict: Verdict, *, capacity: float, windows: int) -> Document:
    """Plain values: times in the recording's unix seconds, NaN as None.

    capacity: staging's per unit of production's. windows: that the run had.
    """
    return {
        "verdict": verdict.outcome.value,
        "exit_code": verdict.exit_code,
        "reference": verdict.reference,
        "budget": verdict.budget,
        "reasons": list(verdict.reasons),
        "incidents": [_incident(incident) for incident in verdict.incidents],
        "findings": [_finding(finding) for finding in verdict.findings],
        "risk": parts.risk(verdict.risk),
        "coverage": parts.coverage(verdict.coverage),
        "integrity": [parts.integrity(fault, float) for fault in verdict.integrity],
        "phases": [parts.phase(phase, float) for phase in verdict.phases],
        "capacity": rounded(capacity),
        "windows": windows,
    }


def _incident(incident: Incident) -> Document:
    return {
        "id": incident.id,
        "start": incident.started_at,
        "end": incident.ended_at,
        "fired": min(anomaly.fired_at for anomaly in incident.anomalies),
        "severity": incident.severity,
        "series": [anomaly.series for anomaly in incident.anomalies],
        "suspects": [
            {"service": one.service, "score": rounded(one.score), "reason": one.reason}
            for one in incident.suspects
        ],
        "summary": incident.summary,
    }


def _finding(finding: Finding) -> Document:
    return {
        "series": finding.series,
        "service": finding.service,
        "kind": finding.kind.value,
        "unit": finding.unit,
        "state": finding.state,
        "observed": rounded(finding.observed),
        "expected": rounded(finding.expected),
        "low": rounded(finding.low),
        "high": rounded(finding.high),
        "effect": rounded(finding.effect),
        "evidence": rounded(finding.evidence),
        "threshold": rounded(finding.threshold),
        "mde": rounded(finding.mde),
        "detect": rounded(finding.detect),
        "pass_at": rounded(finding.pass_at),
        "windows": finding.windows,
        "extrapolated": finding.extrapolated,
        "detector": finding.detector,
        "note": finding.note,
        "hour": finding.hour,
    }


def render(found: Document) -> str:
    """What a person reads on a terminal."""
    lines = [f"verdict: {found['verdict']}", *(f"  {reason}" for reason in found["reasons"])]
    for incident in found["incidents"]:
        lines.append(f"incident {incident['severity']}: {incident['summary']}")
        lines += [
            f"  suspect {one['service']} {one['score']:.2f}: {one['reason']}"
            for one in incident["suspects"][:3]
        ] or ["  no suspect: the evidence is thin"]
    if found["risk"] is not None:
        lines.append(
            f"release risk: {found['risk']['score']:.0f} of 100 ({found['risk']['standing']})"
        )
        lines += [
            f"  {term['points']:5.1f}  {term['reason']}"
            for term in sorted(found["risk"]["terms"], key=lambda term: -term["points"])
            if term["points"]
        ]
    coverage = found["coverage"]
    lines.append(
        f"{coverage['judged']} of {coverage['production_series']} series judged over "
        f"{found['windows']} windows; {coverage['powered']} could have shown a change that matters"
    )
    return "\n".join(lines)
