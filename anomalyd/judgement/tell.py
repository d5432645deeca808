"""From rows that fired or resolved to anomalies, in the words of the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from anomalyd.detectors.base import Context
from anomalyd.judgement.anomalies import Anomalies
from anomalyd.judgement.band import Band
from anomalyd.judgement.evidence import Scores
from anomalyd.judgement.seen import effect_of
from anomalyd.model import Anomaly
from anomalyd.signals.table import SignalTable

NOTABLY = 1.25
"""An anomaly is told again when its effect grew by this factor."""


def fired(
    row: int,
    table: SignalTable,
    context: Context,
    band: Band,
    scores: Scores,
    since: float,
    leader: str,
    breach_in: float,
) -> Anomaly:
    """The anomaly of a row that fired at this window, which began at `since`; it will reach the
    signal's limit in `breach_in` seconds (inf: never)."""
    signal = table.signals[table.signal_index[row]]
    observed, expected = float(context.value[row]), float(band.expected[row])
    return Anomaly(
        signal=signal.name,
        labels=table.labels[row],
        service=table.services[row],
        kind=signal.kind,
        unit=signal.unit,
        detector="absence" if scores.ruled[row] else leader,
        started_at=since,
        fired_at=context.time,
        observed=observed,
        expected=expected,
        low=float(band.low[row]),
        high=float(band.high[row]),
        effect=effect_of(signal, observed, expected),
        evidence=float(scores.log_evidence[row]),
        extrapolated=bool(band.extrapolated[row]),
        limit=signal.limit if np.isfinite(breach_in) else None,
        breach_in=breach_in if np.isfinite(breach_in) else None,
    )


def followed(
    row: int, anomaly: Anomaly, table: SignalTable, context: Context, band: Band, states: Anomalies
) -> Anomaly:
    """The anomaly one window on: resolved, at its worst so far, or the very same."""
    if anomaly.resolved_at is not None:
        return anomaly
    if not states.firing[row]:
        return replace(anomaly, resolved_at=float(states.calm_since[row]))
    signal = table.signals[table.signal_index[row]]
    observed, expected = float(context.value[row]), float(band.expected[row])
    effect = effect_of(signal, observed, expected)
    if not abs(effect) > NOTABLY * abs(anomaly.effect) or effect * anomaly.effect < 0:
        return anomaly
    return replace(
        anomaly,
        observed=observed,
        expected=expected,
        low=float(band.low[row]),
        high=float(band.high[row]),
        effect=effect,
    )
