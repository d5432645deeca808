"""The words of anomalyd as frozen data. Everything imports this; it imports nothing of ours.

Times are float unix seconds. Ratios are 0..1. Values carry their signal's unit.
"""

from __future__ import annotations

from anomalyd.model.deployment import (
    CheckKind,
    CheckState,
    DeploymentCheck,
)
from anomalyd.model.incidents import (
    Anomaly,
    Edge,
    Enrichment,
    Exemplar,
    Incident,
    LogTemplate,
    State,
    Suspect,
)
from anomalyd.model.labels import (
    Labels,
    Matcher,
    Selector,
    escape_label_value,
)
from anomalyd.model.risk import (
    Became,
    RecordedOutcome,
    Risk,
    RiskTerm,
)
from anomalyd.model.runs import (
    VERSION_LABEL,
    AcceptedChange,
    Integrity,
    Outcome,
    Phase,
    Run,
    RunState,
)
from anomalyd.model.samples import (
    Batch,
    Floats,
    Rows,
    Samples,
    Told,
    Traced,
    TracedKey,
)
from anomalyd.model.shape import (
    Estimate,
    Reshaped,
    ShapeChange,
)
from anomalyd.model.signals import (
    EDGE,
    LOAD_SIGNAL,
    Change,
    Definition,
    Environment,
    Gauge,
    HistogramQuantile,
    Kind,
    PromQL,
    Rate,
    Ratio,
    Signal,
    SpanMeasure,
    SpanMetric,
    Worse,
)
from anomalyd.model.verdict import (
    Coverage,
    Finding,
    Verdict,
)

__all__ = [
    "EDGE",
    "LOAD_SIGNAL",
    "VERSION_LABEL",
    "AcceptedChange",
    "Anomaly",
    "Batch",
    "Became",
    "Change",
    "CheckKind",
    "CheckState",
    "Coverage",
    "Definition",
    "DeploymentCheck",
    "Edge",
    "Enrichment",
    "Environment",
    "Estimate",
    "Exemplar",
    "Finding",
    "Floats",
    "Gauge",
    "HistogramQuantile",
    "Incident",
    "Integrity",
    "Kind",
    "Labels",
    "LogTemplate",
    "Matcher",
    "Outcome",
    "Phase",
    "PromQL",
    "Rate",
    "Ratio",
    "RecordedOutcome",
    "Reshaped",
    "Risk",
    "RiskTerm",
    "Rows",
    "Run",
    "RunState",
    "Samples",
    "Selector",
    "ShapeChange",
    "Signal",
    "SpanMeasure",
    "SpanMetric",
    "State",
    "Suspect",
    "Told",
    "Traced",
    "TracedKey",
    "Verdict",
    "Worse",
    "escape_label_value",
]
