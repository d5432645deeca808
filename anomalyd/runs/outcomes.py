"""What became of the releases that runs tested, as somebody recorded it."""

from __future__ import annotations

from anomalyd.model import Became, RecordedOutcome
from anomalyd.runs.life import UnknownRun
from anomalyd.runs.store import Store


class NotRecordable(Exception):
    """A run whose outcome cannot be recorded, as a sentence."""


def record(
    store: Store, run_id: str, became: Became, now: float, note: str = ""
) -> RecordedOutcome:
    """Recorded; what was recorded before is replaced, and counts as recorded now.

    Raises UnknownRun, NotRecordable, StoreError.
    """
    run = store.run(run_id)
    if run is None:
        raise UnknownRun(f"there is no run {run_id}")
    if store.outcome(run_id) is None:
        raise NotRecordable(f"run {run_id} has no verdict yet; record its outcome when it has")
    risk = store.risk(run_id)
    if risk is None:
        raise NotRecordable(
            f"run {run_id} was judged by an anomalyd that worked out no risk; record the outcomes "
            "of later runs"
        )
    decided = run.finished_at if run.finished_at is not None else run.started_at
    found = RecordedOutcome(run_id, run.name, became, risk[0], decided, now, note)
    store.save_outcome(found)
    return found


def undo(store: Store, run_id: str) -> RecordedOutcome | None:
    """Nothing is recorded of the run from here on; what was, None if nothing was. Idempotent.

    Raises UnknownRun for a run that neither is there nor has an outcome; StoreError.
    """
    before = of(store, run_id)
    if before is None and store.run(run_id) is None:
        raise UnknownRun(f"there is no run {run_id}")
    store.delete_outcome(run_id)
    return before


def became(store: Store, run_id: str) -> Became | None:
    found = of(store, run_id)
    return found.became if found is not None else None


def of(store: Store, run_id: str) -> RecordedOutcome | None:
    return next((one for one in store.outcomes() if one.run_id == run_id), None)
