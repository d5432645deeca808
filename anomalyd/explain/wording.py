"""The sentences that people read: summaries of incidents, reasons of verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from anomalyd.model import Anomaly, Finding, Kind, Suspect
from anomalyd.units import format_duration, format_effect, format_value


def summarise(anomalies: Sequence[Anomaly], suspects: Sequence[Suspect]) -> str:
    """One line: the probable service, its strongest signal, and how far it spread."""
    if not suspects:
        return f"{len(anomalies)} signal{'s' * (len(anomalies) != 1)} out of band"
    first = suspects[0].service
    own = [a for a in anomalies if a.service == first] or list(anomalies)
    worst = max(own, key=lambda a: (a.evidence, a.series))
    line = f"{first}: {describe(worst)}"
    others = sorted({a.service for a in anomalies} - {first, ""})
    return line + (f"; also felt in {', '.join(others)}" if others else "")


def describe(anomaly: Anomaly) -> str:
    """`latency_p95 412 ms, expected 180 ms to 230 ms (+92%)`."""
    if anomaly.detector == "absence":
        return f"{anomaly.signal} stopped arriving"
    band = (
        f"{format_value(anomaly.low, anomaly.unit)} to {format_value(anomaly.high, anomaly.unit)}"
    )
    effect = format_effect(anomaly.effect, anomaly.kind is Kind.ERRORS)
    observed = format_value(anomaly.observed, anomaly.unit)
    text = f"{anomaly.signal} {observed}, expected {band} ({effect})"
    if anomaly.limit is not None and anomaly.breach_in is not None:
        limit = format_value(anomaly.limit, anomaly.unit)
        text += f"; reaches {limit} in {format_duration(anomaly.breach_in)} at this rate"
    return text


def reason(finding: Finding) -> str:
    """Why a series decided a run, for the verdict's list of reasons."""
    if finding.detector == "absence":
        return f"{finding.series} stopped arriving; production sends it at this load"
    band = (
        f"{format_value(finding.low, finding.unit)} to {format_value(finding.high, finding.unit)}"
    )
    text = (
        f"{finding.series} was {format_value(finding.observed, finding.unit)}, expected {band} at "
        f"this load ({format_effect(finding.effect, finding.absolute)})"
    )
    if finding.pass_at == finding.pass_at:
        text += f"; passes at {format_value(finding.pass_at, finding.unit)}"
    return text + ("; beyond production's load range" if finding.extrapolated else "")


def too_weak(findings: Sequence[Finding], most: int = 3) -> list[str]:
    """The series that could show least, each with what it could have shown and was asked for."""
    weak = [f for f in findings if f.state in ("weak", "missing") and not f.note]
    weak.sort(key=lambda f: (-f.mde, f.series))
    return [
        f"{f.series}: {f.windows} windows could have shown {format_effect(f.mde, f.absolute)}, "
        f"{format_effect(f.detect, f.absolute)} was asked for; run longer or at a higher load"
        for f in weak[:most]
    ]
