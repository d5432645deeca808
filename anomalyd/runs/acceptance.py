"""What a person accepts: runs as good, whose like is expected of the next ones, and changes that
are meant."""

from __future__ import annotations

from dataclasses import dataclass, replace

from anomalyd.model import VERSION_LABEL, AcceptedChange, Outcome, Run
from anomalyd.runs.accepted import AcceptedRun
from anomalyd.runs.expiry import expired, is_version, version_of
from anomalyd.runs.life import UnknownRun
from anomalyd.runs.retention import RECORDINGS
from anomalyd.runs.store import Store

GOOD = (Outcome.PASS, Outcome.INCONCLUSIVE)

LOOKED_AT = 50
"""The latest runs, in which a version is looked for where a run has none."""


class NotAcceptable(Exception):
    """What cannot be accepted, as a sentence."""


class BadAcceptance(ValueError):
    """What is asked for cannot be understood, as a sentence."""


@dataclass(frozen=True, slots=True)
class Asked:
    """force: a run that failed too. until: a version or a date. golden: pin the run. signal,
    change: a selector and by how much, to accept a change and not the run."""

    note: str = ""
    force: bool = False
    until: str = ""
    golden: bool = False
    signal: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True)
class Undone:
    """What is taken back: the change of `signal`, the pin alone, or everything."""

    signal: str = ""
    golden: bool = False


def accept(
    store: Store,
    run_id: str,
    now: float,
    note: str = "",
    *,
    force: bool = False,
    until: str = "",
    golden: bool = False,
) -> Run:
    """The run, accepted; of one that was, only the note, another end and the pin are taken.

    force: one that failed too. until: as `expiry.checked` gives it, '' leaves it as it is. golden:
    pin it as the run that later ones must not be far from. Raises UnknownRun, NotAcceptable,
    StoreError.
    """
    run = _known(store, run_id)
    _check(store, run_id, force)
    if not (store.directory / RECORDINGS / run_id).is_dir():
        raise NotAcceptable(
            f"run {run_id} has no recording to learn from; raise limits.recording_bytes and accept "
            "a later run"
        )
    acceptances = store.acceptances
    before = acceptances.of(run_id) or AcceptedRun(run_id, now)
    accepted = replace(before, until=until or before.until, golden=golden or before.golden)
    acceptances.put(accepted)
    return _noted(store, run, note, now)


def accept_change(store: Store, series: str, change: AcceptedChange, now: float) -> Run:
    """The run, whose change of `series` (a selector) is expected from now on, though the run itself
    may have failed by it. Raises UnknownRun, NotAcceptable, StoreError."""
    run = _known(store, change.run)
    _check(store, change.run, force=True)
    store.acceptances.put_change(series, change)
    return _noted(store, run, change.note, now)


def undo(store: Store, run_id: str, series: str = "") -> Run:
    """The run, of which nothing is accepted any longer, or not the change of `series`; idempotent.

    Raises UnknownRun, StoreError, and NotAcceptable where that change was never accepted.
    """
    run = _known(store, run_id)
    if not series:
        store.acceptances.undo(run_id)
    elif not store.acceptances.undo_change(run_id, series):
        raise NotAcceptable(
            f"no change of {series} was accepted of run {run_id}; `anomalyd runs show {run_id}` "
            "lists those that were"
        )
    return run


def unpin(store: Store, run_id: str) -> Run:
    """The run, no longer golden; it stays accepted. Idempotent. Raises UnknownRun, StoreError."""
    run = _known(store, run_id)
    found = store.acceptances.of(run_id)
    if found is not None and found.golden:
        store.acceptances.put(replace(found, golden=False))
    return run


def runs_in_force(store: Store, now: float) -> list[AcceptedRun]:
    """Accepted runs that hold for the newest run, the first accepted first. Raises StoreError."""
    found = store.acceptances.runs()
    version = _newest_version(store) if any(is_version(one.until) for one in found) else ""
    return [one for one in found if not expired(one.until, now, version)]


def changes_for(store: Store, run: Run) -> tuple[AcceptedChange, ...]:
    """Those that were accepted when `run` began, and hold for its version, or, where it has none
    that can be compared, for the newest that is known. Raises StoreError."""
    found = [c for c in store.acceptances.changes() if c.accepted_at <= run.started_at]
    version = _version(run)
    if not version and any(is_version(one.until) for one in found):
        version = _newest_version(store)
    return tuple(one for one in found if not expired(one.until, run.started_at, version))


def _newest_version(store: Store) -> str:
    """Of the newest run that tells one that can be compared."""
    return next((told for run in store.runs(LOOKED_AT) if (told := _version(run))), "")


def _version(run: Run) -> str:
    told = run.labels.get(VERSION_LABEL)
    return told if version_of(told) is not None else ""


def _check(store: Store, run_id: str, force: bool) -> None:
    outcome = store.outcome(run_id)
    if outcome is None:
        raise NotAcceptable(f"run {run_id} has no verdict yet; accept it when it has")
    if outcome is Outcome.INVALID:
        raise NotAcceptable(f"run {run_id} is invalid: the test itself was broken; accept another")
    if outcome not in GOOD and not force:
        raise NotAcceptable(
            f"run {run_id} failed, and would teach that what failed is normal; accept it with "
            "--force (force: true) if that is so, or accept what changed in it with --signal and "
            "--change"
        )


def _noted(store: Store, run: Run, note: str, now: float) -> Run:
    if not note:
        return run
    store.add_note(run.id, note, now)
    return _known(store, run.id)


def _known(store: Store, run_id: str) -> Run:
    run = store.run(run_id)
    if run is None:
        raise UnknownRun(f"there is no run {run_id}")
    return run
