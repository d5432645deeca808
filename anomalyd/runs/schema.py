"""The tables of the state database and how an older one becomes the present one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Names of a table's columns; `key` are those that identify a row."""

    name: str
    key: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.key + self.values


RUNS = Table("runs", ("id",), ("unfinished", "started_at", "finished_at", "body"))
INCIDENTS = Table("incidents", ("run_id", "id"), ("started_at", "body"))
VERDICTS = Table("verdicts", ("run_id",), ("decided_at", "outcome", "body", "report_dir"))
NOTES = Table("notes", ("run_id", "number"), ("written_at", "text"))
SILENCES = Table("silences", ("id",), ("until", "body"))
MEMORY = Table("memory", ("sink", "key"), ("value",))
ENRICHMENTS = Table("enrichments", ("run_id", "id"), ("body",))
RISKS = Table("risks", ("run_id",), ("score", "calibrated"))
OUTCOMES = Table("outcomes", ("run_id",), ("recorded_at", "body"))
ACCEPTED = Table("accepted", ("run_id",), ("accepted_at", "until", "golden"))
CHANGES = Table("changes", ("run_id", "series"), ("accepted_at", "body"))

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE runs (
      id TEXT PRIMARY KEY, unfinished INTEGER NOT NULL, started_at REAL NOT NULL,
      finished_at REAL, body TEXT NOT NULL);
    CREATE INDEX runs_unfinished ON runs (unfinished, started_at);
    CREATE TABLE incidents (
      run_id TEXT NOT NULL, id TEXT NOT NULL, open INTEGER NOT NULL, started_at REAL NOT NULL,
      body TEXT NOT NULL, PRIMARY KEY (run_id, id));
    CREATE INDEX incidents_open ON incidents (open);
    CREATE TABLE verdicts (
      run_id TEXT PRIMARY KEY, decided_at REAL NOT NULL, outcome TEXT NOT NULL,
      body TEXT NOT NULL, report_dir TEXT);
    CREATE TABLE notes (
      run_id TEXT NOT NULL, number INTEGER NOT NULL, written_at REAL NOT NULL,
      text TEXT NOT NULL, PRIMARY KEY (run_id, number));
    CREATE TABLE silences (id TEXT PRIMARY KEY, until REAL NOT NULL, body TEXT NOT NULL);
    CREATE TABLE memory (
      sink TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (sink, key));
    """,
    """
    DROP INDEX incidents_open;
    ALTER TABLE incidents DROP COLUMN open;
    """,
    """
    CREATE TABLE accepted (run_id TEXT PRIMARY KEY, accepted_at REAL NOT NULL);
    """,
    """
    CREATE TABLE enrichments (
      run_id TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run_id, id));
    """,
    """
    CREATE TABLE risks (run_id TEXT PRIMARY KEY, score REAL NOT NULL, calibrated REAL);
    CREATE TABLE outcomes (
      run_id TEXT PRIMARY KEY, recorded_at REAL NOT NULL, body TEXT NOT NULL);
    """,
    """
    ALTER TABLE accepted ADD COLUMN until TEXT NOT NULL DEFAULT '';
    ALTER TABLE accepted ADD COLUMN golden INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE changes (
      run_id TEXT NOT NULL, series TEXT NOT NULL, accepted_at REAL NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY (run_id, series));
    """,
)
"""Step n brings a database of version n to n + 1; a step is never edited once released."""
