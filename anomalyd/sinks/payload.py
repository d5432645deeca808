"""Our words as plain JSON, in the shape that receivers may rely on (`version` 1).

Every field of a dataclass keeps its name. Labels become an object; NaN and infinities become
null; a state becomes its name in lower case. A time `started_at` is unix seconds as a float and
has a twin `started_at_rfc3339`. Derived facts stand beside the fields they come from: `series`
of anomalies and findings, `open` of incidents, `exit_code` of verdicts, `ratio` of coverage.
"""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace
from enum import Enum, IntEnum
from typing import Any

import numpy as np

from anomalyd.model import Anomaly, Coverage, Finding, Incident, Labels, Verdict
from anomalyd.sinks.base import (
    DriftChanged,
    IncidentChanged,
    Notice,
    RunFinished,
    RunStarted,
)
from anomalyd.units import rfc3339

VERSION = 1
FINDINGS = 100
"""Findings of a notice at most, those that are not `ok` first; the report has them all."""

_TIMES = frozenset({"start", "end"})


def payload(notice: Notice) -> dict[str, Any]:
    """`{version, type, run, incident|verdict}` or `{version, type, drift}`."""
    match notice:
        case RunStarted(run):
            return {"version": VERSION, "type": "run.started", "run": plain(run)}
        case RunFinished(run, verdict):
            body = {"version": VERSION, "type": "run.finished", "run": plain(run)}
            return {**body, "verdict": _bounded(verdict)}
        case DriftChanged():
            kind = "drift.appeared" if notice.many else "drift.gone"
            return {"version": VERSION, "type": kind, "drift": plain(notice)}
        case IncidentChanged(run, incident):
            kind = "incident.changed" if incident.open else "incident.closed"
    body = {"version": VERSION, "type": kind, "run": plain(run), "incident": plain(incident)}
    body |= {"shape": plain(notice.shape)} if notice.shape else {}
    return body | ({"enrichment": plain(notice.found)} if notice.found is not None else {})


def plain(value: Any) -> Any:
    """Any of the model's values as dicts, lists, strings, numbers, booleans and None."""
    if isinstance(value, Labels):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    if isinstance(value, Enum):
        return value.name.lower() if isinstance(value, IntEnum) else value.value
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [
            plain(one) for one in (sorted(value) if isinstance(value, set | frozenset) else value)
        ]
    return value


def _object(value: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field in fields(value):
        one = plain(getattr(value, field.name))
        out[field.name] = one
        if field.name in _TIMES or (field.name.endswith("_at") and field.name != "pass_at"):
            out[f"{field.name}_rfc3339"] = rfc3339(one) if one is not None else None
    return {**out, **_derived(value)}


def _derived(value: Any) -> dict[str, Any]:
    match value:
        case Anomaly() | Finding():
            return {"series": value.series}
        case Incident():
            return {"open": value.open}
        case Verdict():
            return {"exit_code": value.exit_code}
        case Coverage():
            return {"ratio": plain(value.ratio)}
    return {}


def _bounded(verdict: Verdict) -> dict[str, Any]:
    ranked = sorted(verdict.findings, key=lambda finding: finding.state == "ok")
    body = _object(replace(verdict, findings=tuple(ranked[:FINDINGS])))
    return {**body, "findings_total": len(verdict.findings)}
