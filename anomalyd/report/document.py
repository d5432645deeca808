"""The one JSON document of a finished run; every other report format is a function of it.

Schema: `schema.json` beside this file. NaN and infinities become null; a time is an object with
`rfc3339` and `unix`, except in `series`, where times are plain unix seconds to stay small.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anomalyd.model import (
    Anomaly,
    DeploymentCheck,
    Finding,
    Incident,
    Labels,
    Run,
    Suspect,
    Verdict,
)
from anomalyd.report import parts
from anomalyd.report.parts import number, rounded, text, texts
from anomalyd.units import rfc3339

SCHEMA = "anomalyd.report/1"

Document = parts.Document

STATES = ("fired", "explained", "missing", "weak", "unmatched", "silenced", "ok")
"""Of a finding, in the order of reading."""


class ReportError(Exception):
    """Why a report could not be read, rendered or written: one sentence for a person."""


@dataclass(frozen=True, slots=True)
class SeriesPlot:
    """What is drawn of one deciding or nearly deciding series; all sequences of one length.

    series: its key, `signal{labels}`. times: unix seconds, ascending. observed, expected, low and
    high: in `unit`, NaN where not known.
    """

    series: str
    unit: str
    kind: str
    times: Sequence[float]
    observed: Sequence[float]
    expected: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def document(
    run: Run,
    verdict: Verdict,
    traces: Sequence[SeriesPlot],
    *,
    config_digest: str,
    version: str,
    edges: Mapping[str, Sequence[str]],
    warmup_seconds: float | None = None,
    window_seconds: float | None = None,
    times_longer: Mapping[str, float] | None = None,
    parity: Document | None = None,
) -> Document:
    """The report of `run`. None: not known.

    edges: the service graph, caller to callees. times_longer: of a series that showed too little,
    how many times as long a run takes to show enough; infinite where that cannot be told.
    parity: what differs between the environments, in the schema's form.
    """
    longer = times_longer or {}
    return {
        "schema": SCHEMA,
        "generator": {"name": "anomalyd", "version": version, "config_digest": config_digest},
        "run": _run(run) | {"warmup_seconds": warmup_seconds, "window_seconds": window_seconds},
        "verdict": {
            "outcome": verdict.outcome.value,
            "exit_code": verdict.exit_code,
            "shadow": verdict.shadow,
            "reference": text(verdict.reference),
            "budget": number(verdict.budget),
            "reasons": texts(verdict.reasons),
        },
        "coverage": parts.coverage(verdict.coverage),
        "risk": parts.risk(verdict.risk),
        "incidents": [_incident(incident) for incident in verdict.incidents],
        "findings": [
            _finding(finding, longer.get(finding.series, math.nan))
            for finding in sorted(verdict.findings, key=_order)
        ],
        "integrity": [parts.integrity(fault, instant) for fault in verdict.integrity],
        "shape": [parts.reshaped(change) for change in verdict.shape],
        "phases": [parts.phase(phase, instant) for phase in verdict.phases],
        "series": [_series(trace) for trace in traces],
        "parity": parity,
        "deployment": [_check(check) for check in verdict.deployment],
        "edges": {text(caller): texts(edges[caller]) for caller in sorted(edges)},
    }


def encode(document: Document) -> str:
    """The document as JSON text, one line per top-level key, equal for equal documents."""
    lines = (
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        for key, value in document.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read(path: Path) -> Document:
    """A stored document. Raises ReportError if it is not one of this schema."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ReportError(f"{path}: is not JSON: {error}") from error
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema != SCHEMA:
        raise ReportError(f"{path}: its schema is {schema!r}; this version reads {SCHEMA}")
    return Document(found)


def _order(finding: Finding) -> tuple[int, float, str]:
    margin = finding.evidence - finding.threshold
    rank = STATES.index(finding.state) if finding.state in STATES else len(STATES)
    return rank, -margin if math.isfinite(margin) else math.inf, finding.series


def _run(run: Run) -> Document:
    ended = run.stopped_at if run.stopped_at is not None else run.finished_at
    return {
        "id": text(run.id),
        "name": text(run.name),
        "state": run.state.value,
        "origin": text(run.origin),
        "selector": text(run.selector),
        "labels": _labels(run.labels),
        "started_at": instant(run.started_at),
        "active_at": instant(run.active_at),
        "stopped_at": instant(run.stopped_at),
        "finished_at": instant(run.finished_at),
        "duration_seconds": None if ended is None else number(ended - run.started_at),
        "notes": texts(run.notes),
    }


def _incident(incident: Incident) -> Document:
    return {
        "id": text(incident.id),
        "severity": text(incident.severity),
        "summary": text(incident.summary),
        "started_at": instant(incident.started_at),
        "ended_at": instant(incident.ended_at),
        "suspects": [_suspect(suspect) for suspect in incident.suspects],
        "anomalies": [_anomaly(anomaly) for anomaly in incident.anomalies],
        "enrichment": None,
    }


def _check(check: DeploymentCheck) -> Document:
    return {
        "kind": check.kind.value,
        "place": text(check.place),
        "state": check.state.value,
        "detail": text(check.detail),
        "at": instant(check.at),
        "mend": text(check.mend),
    }


def _suspect(suspect: Suspect) -> Document:
    return {
        "service": text(suspect.service),
        "score": number(suspect.score),
        "reason": text(suspect.reason),
    }


def _judged(judged: Anomaly | Finding) -> Document:
    """What an anomaly and a finding have in common."""
    return {
        "series": text(judged.series),
        "signal": text(judged.signal),
        "labels": _labels(judged.labels),
        "service": text(judged.service),
        "kind": judged.kind.value,
        "unit": text(judged.unit),
        "detector": text(judged.detector),
        "observed": number(judged.observed),
        "expected": number(judged.expected),
        "low": number(judged.low),
        "high": number(judged.high),
        "effect": number(judged.effect),
        "evidence": number(judged.evidence),
        "extrapolated": judged.extrapolated,
    }


def _anomaly(anomaly: Anomaly) -> Document:
    return _judged(anomaly) | {
        "started_at": instant(anomaly.started_at),
        "fired_at": instant(anomaly.fired_at),
        "resolved_at": instant(anomaly.resolved_at),
    }


def _finding(finding: Finding, times_longer: float) -> Document:
    return _judged(finding) | {
        "state": text(finding.state),
        "absolute": finding.absolute,
        "threshold": number(finding.threshold),
        "mde": number(finding.mde),
        "detect": number(finding.detect),
        "pass_at": number(finding.pass_at),
        "times_longer": number(times_longer),
        "windows": int(finding.windows),
        "query": text(finding.query),
        "note": text(finding.note),
        "hour": text(finding.hour),
    }


def _series(trace: SeriesPlot) -> Document:
    return {
        "series": text(trace.series),
        "unit": text(trace.unit),
        "kind": text(trace.kind),
        "times": [round(float(time), 3) for time in trace.times],
        "observed": [rounded(value) for value in trace.observed],
        "expected": [rounded(value) for value in trace.expected],
        "low": [rounded(value) for value in trace.low],
        "high": [rounded(value) for value in trace.high],
    }


def instant(time: float | None) -> Document | None:
    """A time as the document has it; None where it is not known."""
    if time is None or not math.isfinite(time):
        return None
    return {"rfc3339": rfc3339(time), "unix": float(time)}


def _labels(labels: Labels) -> dict[str, str]:
    return {text(name): text(value) for name, value in labels}
