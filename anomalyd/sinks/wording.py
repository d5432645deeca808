"""Incidents and verdicts in plain lines; the sink that sends them escapes them for its place."""

from __future__ import annotations

import math
from collections.abc import Sequence

from anomalyd.model import (
    Anomaly,
    Enrichment,
    Exemplar,
    Incident,
    LogTemplate,
    ShapeChange,
    Verdict,
)
from anomalyd.units import format_value

LINES = 10
TRACES = 4
TEMPLATES = 3
CHANGES = 3
LONGEST = 240
"""Of lines that come from other systems: how many, and characters of each."""


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


def trace_lines(found: Enrichment | None) -> list[tuple[str, str]]:
    """(`error, 412 ms: gateway GET /cart`, its link or '') of a few bad traces and one ordinary."""
    if found is None:
        return []
    bad = [trace for trace in found.traces if trace.why]
    shown = [*bad[: TRACES - 1], *[trace for trace in found.traces if not trace.why][:1]]
    return [(_trace_line(trace), trace.link) for trace in shown]


def log_lines(found: Enrichment | None) -> list[str]:
    """`new, 12 times: connection to <*> refused` of the most telling shapes of lines."""
    return [_log_line(one) for one in found.logs[:TEMPLATES]] if found is not None else []


def shape_lines(changes: Sequence[ShapeChange]) -> list[str]:
    """`gateway GET /: cart → db is called more often: 3 (…) per trace, in production 1 (…)`."""
    lines = [_short(f"{one.beginning}: {one}") for one in changes[:CHANGES]]
    more = len(changes) - CHANGES
    return [*lines, *([f"and {more} more"] if more > 0 else [])]


def _trace_line(trace: Exemplar) -> str:
    took = f", {format_value(trace.duration, 's')}" if math.isfinite(trace.duration) else ""
    what = " ".join(part for part in (trace.service, trace.operation) if part)
    return _short(f"{trace.why or 'ordinary'}{took}: {what}, trace {trace.trace_id}")


def _log_line(one: LogTemplate) -> str:
    often = f"{one.rate / one.before:.3g} times as often" if one.before else "new"
    return _short(f"{often}, {one.count} lines: {one.template}")


def _short(line: str) -> str:
    flat = " ".join(line.split())
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…"


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
    shape = [f"traces: {line}" for line in shape_lines(verdict.shape)]
    return [f"verdict: {verdict.outcome}{shadow}", *_shortened(verdict.reasons), judged, *shape]


def _shortened(lines: Sequence[str]) -> list[str]:
    more = len(lines) - LINES
    return [*lines[:LINES], *([f"and {more} more"] if more > 0 else [])]
