"""Runs that a person accepts as good: what they show of staging is expected of the next ones."""

from __future__ import annotations

from anomalyd.model import Outcome, Run
from anomalyd.runs.life import UnknownRun
from anomalyd.runs.retention import RECORDINGS
from anomalyd.runs.store import Store

GOOD = (Outcome.PASS, Outcome.INCONCLUSIVE)


class NotAcceptable(Exception):
    """A run that cannot be accepted, as a sentence."""


def accept(store: Store, run_id: str, now: float, note: str = "", *, force: bool = False) -> Run:
    """The run, accepted; one that was is left as it is, but for the note.

    force: one that failed too. Raises UnknownRun, NotAcceptable, StoreError.
    """
    run = _known(store, run_id)
    outcome = store.outcome(run_id)
    if outcome is None:
        raise NotAcceptable(f"run {run_id} has no verdict yet; accept it when it has")
    if outcome is Outcome.INVALID:
        raise NotAcceptable(f"run {run_id} is invalid: the test itself was broken; accept another")
    if outcome not in GOOD and not force:
        raise NotAcceptable(
            f"run {run_id} failed, and would teach that what failed is normal; accept it with "
            "--force (force: true) if that is so"
        )
    if not (store.directory / RECORDINGS / run_id).is_dir():
        raise NotAcceptable(
            f"run {run_id} has no recording to learn from; raise limits.recording_bytes and accept "
            "a later run"
        )
    if run_id not in store.accepted():
        store.accept(run_id, now)
    if not note:
        return run
    store.add_note(run_id, note, now)
    return _known(store, run_id)


def undo(store: Store, run_id: str) -> Run:
    """The run, accepted no longer; idempotent. Raises UnknownRun, StoreError."""
    run = _known(store, run_id)
    store.undo_accept(run_id)
    return run


def _known(store: Store, run_id: str) -> Run:
    run = store.run(run_id)
    if run is None:
        raise UnknownRun(f"there is no run {run_id}")
    return run
