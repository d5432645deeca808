"""The verdict on a replayed run as JSON and as lines for a person."""

from __future__ import annotations

import math
from typing import Any

from anomalyd.model import Finding, Incident, Integrity, Phase, Verdict
from anomalyd.replay.judge import Judged

Document = dict[str, Any]


def document(judged: Judged) -> Document:
    """Plain values: times in the recording's unix seconds, NaN as None."""
    verdict = judged.verdict
    return {
        "verdict": verdict.outcome.value,
        "exit_code": verdict.exit_code,
        "reference": verdict.reference,
        "budget": verdict.budget,
        "reasons": list(verdict.reasons),
        "incidents": [_incident(incident) for incident in verdict.incidents],
        "findings": [_finding(finding) for finding in verdict.findings],
        "coverage": _coverage(verdict),
        "integrity": [_integrity(fault) for fault in verdict.integrity],
        "phases": [_phase(phase) for phase in verdict.phases],
        "capacity": _number(judged.capacity),
        "windows": len(judged.course.record.times),
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
            {"service": one.service, "score": _number(one.score), "reason": one.reason}
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
        "observed": _number(finding.observed),
        "expected": _number(finding.expected),
        "low": _number(finding.low),
        "high": _number(finding.high),
        "effect": _number(finding.effect),
        "evidence": _number(finding.evidence),
        "threshold": _number(finding.threshold),
        "mde": _number(finding.mde),
        "detect": _number(finding.detect),
        "pass_at": _number(finding.pass_at),
        "windows": finding.windows,
        "extrapolated": finding.extrapolated,
        "detector": finding.detector,
        "note": finding.note,
    }


def _coverage(verdict: Verdict) -> Document:
    coverage = verdict.coverage
    return {
        "production_series": coverage.production_series,
        "matched": coverage.matched,
        "judged": coverage.judged,
        "powered": coverage.powered,
        "ratio": _number(coverage.ratio),
        "missing": list(coverage.missing),
        "unmatched": list(coverage.unmatched),
    }


def _integrity(fault: Integrity) -> Document:
    return {
        "kind": fault.kind,
        "where": fault.where,
        "start": fault.start,
        "end": fault.end,
        "detail": fault.detail,
        "breaks_run": fault.breaks_run,
    }


def _phase(phase: Phase) -> Document:
    return {"kind": phase.kind, "start": phase.start, "end": phase.end}


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def render(found: Document) -> str:
    """What a person reads on a terminal."""
    lines = [f"verdict: {found['verdict']}", *(f"  {reason}" for reason in found["reasons"])]
    for incident in found["incidents"]:
        ranked = ", ".join(f"{s['service']} {s['score']:.2f}" for s in incident["suspects"][:3])
        lines.append(f"incident {incident['severity']}: {incident['summary']}")
        lines.append(f"  suspects: {ranked or 'none: the evidence is thin'}")
    coverage = found["coverage"]
    lines.append(
        f"{coverage['judged']} of {coverage['production_series']} series judged over "
        f"{found['windows']} windows; {coverage['powered']} could have shown a change that matters"
    )
    return "\n".join(lines)
