"""What a session tells of itself after every tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anomalyd import telemetry
from anomalyd.model import RunState, State

if TYPE_CHECKING:
    from anomalyd.session import Session
    from anomalyd.tick import Asked

_UNDER_WAY = (RunState.WARMUP, RunState.ACTIVE, RunState.SETTLING)


def measure(session: Session, asked: Asked, now: float) -> None:
    """Every metric that a tick moves; `now` is its end, unix seconds."""
    batch, source = asked.batch, {"source": session.staging.name}
    telemetry.ticks.add(1)
    telemetry.tick_duration.record(max(0.0, now - asked.answered_at))
    telemetry.tick_lag.set(max(0.0, now - batch.time))
    telemetry.samples.add(len(batch.rows), source)
    telemetry.source_up.set(float(bool(batch.answered)), source)
    telemetry.source_duration.record(max(0.0, asked.answered_at - asked.asked_at), source)
    telemetry.signal_series.set(len(session.pipeline.table), {"environment": "staging"})
    telemetry.incidents_open.set(len(session.runs.open_incidents()))
    telemetry.store_degraded.set(float(session.store.degraded is not None))
    for sink, length in session.delivery.queue_lengths().items():
        telemetry.sink_queue.set(length, {"sink": sink})
    states = [run.state for run in session.runs.unfinished]
    for state in _UNDER_WAY:
        telemetry.runs.set(states.count(state), {"state": state.value})
    _measure_judgement(session, batch.time)
    telemetry.trace_tick(asked.asked_at, asked.answered_at, now)


def _measure_judgement(session: Session, time: float) -> None:
    pipeline = session.pipeline
    if pipeline.window_end == time:
        judged = [c.record.judged[-1] for c in pipeline.courses.values() if c.record.judged]
        telemetry.evidence_windows.add(sum(judged))
    counts = np.bincount(pipeline.anomalies.state, minlength=len(State))
    for state in State:
        telemetry.judged_series.set(int(counts[state]), {"state": state.name.lower()})
