"""Deleting what is older than the retention that the config sets."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from anomalyd.runs import schema
from anomalyd.runs.database import Cell, Database, Write, delete

log = logging.getLogger(__name__)

RECORDINGS = "recordings"
"""The folder in the state directory that has a folder for each recorded run."""


def prune(database: Database, now: float, age: float) -> list[str]:
    """Delete runs that finished more than `age` seconds ago, with all that belongs to them.

    Report directories go only where they are inside the state directory: elsewhere they are the
    user's. A run whose directory cannot be deleted stays for the next time, and one that was
    accepted, or that changes were accepted of, until that is undone. What became of a release
    stays: it calibrates. Silences that ended as long ago go too.
    Returns the ids of the runs that went, oldest first. Raises StoreError.
    """
    old = [
        row["id"]
        for row in database.select(
            schema.RUNS,
            {"unfinished": 0},
            only=("started_at", "finished_at"),
            order="started_at",
        )
        if _before(row["finished_at"], now - age)
    ]
    of_runs = (schema.ACCEPTED, schema.CHANGES)
    kept = {row["run_id"] for table in of_runs for row in database.select(table, only=())}
    gone = [
        run_id
        for run_id in old
        if run_id not in kept
        and _delete_reports(database, run_id)
        and _delete_recording(database, run_id)
    ]
    writes = [write for run_id in gone for write in _all_of(database, run_id)]
    for row in database.select(schema.SILENCES):
        if _before(row["until"], now - age):
            writes.append(delete(schema.SILENCES, row["id"]))
    database.write(writes)
    return [str(run_id) for run_id in gone]


def _all_of(database: Database, run_id: Cell) -> list[Write]:
    writes = [delete(one, run_id) for one in (schema.RUNS, schema.VERDICTS, schema.RISKS)]
    for table in (schema.INCIDENTS, schema.ENRICHMENTS, schema.NOTES):
        rows = database.select(table, {"run_id": run_id}, only=())
        writes += [delete(table, *(row[name] for name in table.key)) for row in rows]
    return writes


def _delete_reports(database: Database, run_id: Cell) -> bool:
    """Whether nothing of ours is left of the reports of a run."""
    rows = database.select(schema.VERDICTS, {"run_id": run_id}, only=("report_dir",))
    if not rows or not rows[0]["report_dir"]:
        return True
    directory = Path(str(rows[0]["report_dir"]))
    if database.path.parent.resolve() not in directory.resolve().parents:
        return True
    return _deleted(directory, f"reports of run {run_id}")


def _delete_recording(database: Database, run_id: Cell) -> bool:
    """Whether nothing is left of the recording of a run."""
    return _deleted(database.path.parent / RECORDINGS / str(run_id), f"recording of run {run_id}")


def _deleted(directory: Path, what: str) -> bool:
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return True
    except OSError as error:
        log.warning("the %s cannot be deleted: %s", what, error)
        return False
    return True


def _before(cell: Cell, time: float) -> bool:
    return isinstance(cell, (float, int)) and cell < time
