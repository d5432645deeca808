"""Incidents and verdicts in plain lines; the sink that sends them escapes them for its place."""

from __future__ import annotations

import math
from collections.abc import Sequence

from anomalyd.model import Anomaly, Incident, Verdict
from anomalyd.units import format_value

LINES = 10


def anomaly_line(anomaly: Anomaly) -> str:
    """`latency_p95{service="cart"}: 812 ms, expected 210 ms (180 ms to 240 ms)`."""
    observed, expected, low, high = (
        format_value(value, anomaly.unit)
        for value in (anomaly.observed, anomaly.expected, anomaly.low, anomaly.high)
    )
    line = f"{anomaly.series}: {observed}, expected {expected}"
    if math.isfinite(anomaly.low) and math.isfinite(anomaly.high):
        line += f" ({low} to {high})"
    return line + (", beyond production's load" if anomaly.extrapolated else "")


def anomaly_lines(incident: Incident) -> list[str]:
    return _shortened([anomaly_line(anomaly) for anomaly in incident.anomalies])


def suspects_line(incident: Incident) -> str:
    """`suspects: cart (62%, first to deviate), db (20%)`; empty without suspects."""
    told = [
        f"{suspect.service} ({suspect.score:.0%}{', ' if suspect.reason else ''}{suspect.reason})"
        for suspect in incident.suspects[:3]
    ]
    return f"suspects: {', '.join(told)}" if told else ""


def top_service(incident: Incident) -> str:
    """The first suspect, or the service of the strongest anomaly where suspicion abstained."""
    if incident.suspects:
        return incident.suspects[0].service
    strongest = max(incident.anomalies, key=lambda one: one.evidence, default=None)
    return strongest.service if strongest else ""


def verdict_lines(verdict: Verdict) -> list[str]:
    coverage = verdict.coverage
    shadow = " (shadow: reported, not enforced)" if verdict.shadow else ""
    judged = f"judged {coverage.judged} of {coverage.production_series} production series"
    return [f"verdict: {verdict.outcome}{shadow}", *_shortened(verdict.reasons), judged]


def _shortened(lines: Sequence[str]) -> list[str]:
    more = len(lines) - LINES
    return [*lines[:LINES], *([f"and {more} more"] if more > 0 else [])]
