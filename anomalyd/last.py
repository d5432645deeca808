"""The last finished runs, as /metrics shows them."""

from __future__ import annotations

from anomalyd.runs.store import Store

SHOWN = 20


class LastRuns:
    """outcomes: (run id, outcome); risks: (run id, score, calibrated or None). Prepared by
    `remember`, so that a scrape, in whatever thread, only takes what is there."""

    def __init__(self) -> None:
        self.outcomes: tuple[tuple[str, str], ...] = ()
        self.risks: tuple[tuple[str, float, float | None], ...] = ()

    def remember(self, store: Store) -> None:
        """Raises StoreError."""
        ids = [run.id for run in store.runs(SHOWN)]
        known = [(run_id, store.outcome(run_id)) for run_id in ids]
        self.outcomes = tuple((run_id, str(outcome)) for run_id, outcome in known if outcome)
        risks = [(run_id, store.risk(run_id)) for run_id in ids]
        self.risks = tuple((run_id, *risk) for run_id, risk in risks if risk is not None)
