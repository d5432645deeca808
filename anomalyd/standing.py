"""A run as it stands, as far as the state database knows."""

from __future__ import annotations

from collections.abc import Sequence

from anomalyd import codec
from anomalyd.api.control import RunStatus
from anomalyd.model import Outcome, Run, Verdict
from anomalyd.runs import outcomes
from anomalyd.runs.life import UnknownRun
from anomalyd.runs.store import Store


def stored(store: Store, run_id: str) -> Run:
    """Raises UnknownRun, StoreError."""
    run = store.run(run_id)
    if run is None:
        raise UnknownRun(f"there is no run {run_id}")
    return run


def status(
    store: Store, run: Run, now: float, phase: str = "", failed: Sequence[str] = ()
) -> RunStatus:
    """phase, failed: of the load now, and what else makes it fail, which only the daemon that has
    the run under way knows. Raises StoreError."""
    verdict = store.verdict(run.id)
    elapsed = (run.stopped_at or now) - run.started_at
    if verdict is not None:
        return _judged(store, run, elapsed, verdict)
    incidents = store.incidents(run.id)
    reasons = (*failed, *(incident.summary for incident in incidents))
    return RunStatus(
        run,
        elapsed,
        phase=phase,
        incidents=tuple(incident for incident in incidents if incident.open),
        likely=Outcome.FAIL if reasons else None,
        reasons=reasons,
    )


def rows(store: Store, limit: int) -> list[dict[str, object]]:
    """The latest runs, newest first, as the API lists them. Raises StoreError."""
    held = {one.run_id: one for one in store.acceptances.runs()}
    return [
        {
            **codec.to_dict(run),
            "outcome": store.outcome(run.id),
            "accepted": run.id in held,
            "golden": run.id in held and held[run.id].golden,
        }
        for run in store.runs(limit)
    ]


def _judged(store: Store, run: Run, elapsed: float, verdict: Verdict) -> RunStatus:
    accepted = store.acceptances.of(run.id)
    return RunStatus(
        run,
        elapsed,
        verdict.phases[-1].kind if verdict.phases else "",
        verdict.coverage,
        likely=verdict.outcome,
        reasons=verdict.reasons,
        accepted=accepted is not None,
        risk=verdict.risk,
        became=outcomes.became(store, run.id),
        golden=accepted is not None and accepted.golden,
        changes=tuple(store.acceptances.changes(run.id)),
    )
