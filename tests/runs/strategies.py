"""Hypothesis strategies for the model's dataclasses, built from their annotations."""

from __future__ import annotations

from hypothesis import strategies as st

from anomalyd import model

floats = st.floats(allow_nan=True, allow_infinity=True)
finite = st.floats(allow_nan=False, allow_infinity=False)
optional_times = st.none() | finite
labels = st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=3).map(model.Labels.of)
texts = st.lists(st.text(), max_size=3).map(tuple)


def register() -> None:
    """`st.from_type` then builds any dataclass of the model."""
    st.register_type_strategy(model.Labels, labels)
    st.register_type_strategy(float, floats)


register()

runs = st.builds(
    model.Run,
    active_at=optional_times,
    stopped_at=optional_times,
    finished_at=optional_times,
    notes=texts,
)
anomalies = st.builds(model.Anomaly, resolved_at=optional_times)
incidents = st.builds(
    model.Incident,
    anomalies=st.lists(anomalies, max_size=2).map(tuple),
    ended_at=optional_times,
)
verdicts = st.builds(
    model.Verdict,
    findings=st.lists(st.builds(model.Finding), max_size=2).map(tuple),
    incidents=st.lists(incidents, max_size=2).map(tuple),
    integrity=st.lists(st.builds(model.Integrity), max_size=2).map(tuple),
    phases=st.lists(st.builds(model.Phase), max_size=2).map(tuple),
)
definitions = st.one_of(
    st.builds(model.HistogramQuantile),
    st.builds(model.Ratio),
    st.builds(model.Rate),
    st.builds(model.Gauge),
    st.builds(model.PromQL),
    st.builds(model.SpanMetric),
)
signals = st.builds(model.Signal, definition=definitions, by=texts, limit=st.none() | finite)
