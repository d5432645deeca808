"""What outlives a restart: runs, incidents, verdicts, notes, silences and what sinks remember.

Every `save` is durable against `kill -9` when it returns; see `Database` for a disk that refuses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from anomalyd import codec
from anomalyd.model import (
    Enrichment,
    Incident,
    Outcome,
    RecordedOutcome,
    Risk,
    Run,
    RunState,
    Verdict,
)
from anomalyd.runs import retention, schema
from anomalyd.runs.accepted import Acceptances
from anomalyd.runs.database import Cell, Database, Row, Write, delete, put
from anomalyd.runs.errors import StoreError
from anomalyd.runs.lock import Lock
from anomalyd.runs.memory import SinkMemory
from anomalyd.runs.silences import Silence

T = TypeVar("T")


class Store:
    """The state of one state directory; used from one thread. Any method may raise StoreError."""

    def __init__(self, database: Database, lock: Lock | None = None) -> None:
        self._database = database
        self._lock = lock

    @classmethod
    def open(cls, path: Path, *, exclusive: bool = False) -> Self:
        """Open or make the database `path`; `exclusive` refuses a second daemon on it."""
        lock = Lock(path.with_suffix(".lock")) if exclusive else None
        try:
            return cls(Database(path), lock)
        except StoreError:
            if lock:
                lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()
        if self._lock:
            self._lock.release()

    @property
    def degraded(self) -> str | None:
        """One sentence while the disk refuses writes and they wait in memory, for health pages."""
        return self._database.degraded

    def retry(self) -> None:
        """Try to write what waits in memory; call it once per tick. Costs nothing if none waits."""
        self._database.flush()

    def save_run(self, run: Run) -> None:
        """The notes of `run` are not written: `add_note` owns them."""
        self._database.write([_run(run)])

    def runs(self, limit: int | None = None) -> list[Run]:
        """Newest first."""
        rows = self._database.select(schema.RUNS, order="started_at", descending=True, limit=limit)
        return self._with_notes(rows)

    def run(self, run_id: str) -> Run | None:
        found = self._with_notes(self._database.select(schema.RUNS, {"id": run_id}))
        return found[0] if found else None

    def outcome(self, run_id: str) -> Outcome | None:
        """Of the verdict of a run, without reading the rest of it."""
        rows = self._database.select(schema.VERDICTS, {"run_id": run_id}, only=("outcome",))
        return Outcome(str(rows[0]["outcome"])) if rows else None

    def unfinished_runs(self) -> list[Run]:
        """Oldest first; what `Lifecycle` is restored from."""
        rows = self._database.select(schema.RUNS, {"unfinished": 1}, order="started_at")
        return self._with_notes(rows)

    def add_note(self, run_id: str, text: str, now: float) -> None:
        count = len(self._database.select(schema.NOTES, {"run_id": run_id}))
        row: Row = {"run_id": run_id, "number": count, "written_at": now, "text": text}
        self._database.write([put(schema.NOTES, row)])

    @property
    def acceptances(self) -> Acceptances:
        """Runs accepted as good, and changes that are meant."""
        return Acceptances(self._database)

    def accepted(self) -> list[str]:
        """Ids of the runs accepted as good, the first accepted first, expired ones too."""
        return [one.run_id for one in self.acceptances.runs()]

    def save_incident(self, incident: Incident) -> None:
        self.save_incidents([incident])

    def save_incidents(self, incidents: Iterable[Incident]) -> None:
        """All in one transaction; one that is there by run and id is replaced."""
        self._database.write([_incident(incident) for incident in incidents])

    def incidents(self, run_id: str | None = None) -> list[Incident]:
        """Of one run, or of all; by start."""
        where: Row = {} if run_id is None else {"run_id": run_id}
        rows = self._database.select(schema.INCIDENTS, where, order="started_at")
        return [self._body(schema.INCIDENTS, Incident, row) for row in rows]

    def save_enrichment(self, found: Enrichment) -> None:
        """The one that its incident had is replaced."""
        row: Row = {"run_id": found.run_id, "id": found.incident_id, "body": codec.dumps(found)}
        self._database.write([put(schema.ENRICHMENTS, row)])

    def enrichment(self, run_id: str, incident_id: str) -> Enrichment | None:
        found = self._enrichments({"run_id": run_id, "id": incident_id})
        return found[0] if found else None

    def enrichments(self, run_id: str | None = None) -> list[Enrichment]:
        """Of one run, or of all."""
        return self._enrichments({} if run_id is None else {"run_id": run_id})

    def _enrichments(self, where: Row) -> list[Enrichment]:
        rows = self._database.select(schema.ENRICHMENTS, where, order="id")
        return [self._body(schema.ENRICHMENTS, Enrichment, row) for row in rows]

    def save_verdict(
        self, run: Run, verdict: Verdict, now: float, report_dir: Path | None = None
    ) -> None:
        """A finished run with its verdict and incidents, in one transaction."""
        row: Row = {
            "run_id": run.id,
            "decided_at": now,
            "outcome": verdict.outcome.value,
            "body": codec.dumps(verdict),
            "report_dir": str(report_dir) if report_dir else None,
        }
        writes = [_run(run), put(schema.VERDICTS, row), *map(_incident, verdict.incidents)]
        if verdict.risk is not None:
            writes.append(_risk(run.id, verdict.risk))
        self._database.write(writes)

    def verdict(self, run_id: str) -> Verdict | None:
        rows = self._database.select(schema.VERDICTS, {"run_id": run_id})
        return self._body(schema.VERDICTS, Verdict, rows[0]) if rows else None

    def risk(self, run_id: str) -> tuple[float, float | None] | None:
        """(score, calibrated or None) of a run's verdict, without reading the rest of it."""
        rows = self._database.select(schema.RISKS, {"run_id": run_id})
        if not rows:
            return None
        score, calibrated = rows[0]["score"], rows[0]["calibrated"]
        return float(score or 0.0), None if calibrated is None else float(calibrated)

    def save_outcome(self, outcome: RecordedOutcome) -> None:
        """What became of a release; the one recorded before is replaced."""
        row: Row = {
            "run_id": outcome.run_id,
            "recorded_at": outcome.recorded_at,
            "body": codec.dumps(outcome),
        }
        self._database.write([put(schema.OUTCOMES, row)])

    def delete_outcome(self, run_id: str) -> None:
        """One that was not recorded is left as it is."""
        self._database.write([delete(schema.OUTCOMES, run_id)])

    def outcomes(self) -> list[RecordedOutcome]:
        """Of all releases, the first recorded first."""
        rows = self._database.select(schema.OUTCOMES, order="recorded_at")
        return [self._body(schema.OUTCOMES, RecordedOutcome, row) for row in rows]

    def report_dir(self, run_id: str) -> Path | None:
        rows = self._database.select(schema.VERDICTS, {"run_id": run_id}, only=("report_dir",))
        return Path(str(rows[0]["report_dir"])) if rows and rows[0]["report_dir"] else None

    def add_silence(self, silence: Silence) -> None:
        row: Row = {"id": silence.id, "until": silence.until, "body": codec.dumps(silence)}
        self._database.write([put(schema.SILENCES, row)])

    def silences(self, now: float) -> list[Silence]:
        """Those in force at `now`, the first to end first."""
        rows = self._database.select(schema.SILENCES, order="until")
        silences = [self._body(schema.SILENCES, Silence, row) for row in rows]
        return [silence for silence in silences if silence.until > now]

    def delete_silence(self, silence_id: str) -> bool:
        """Whether there was one."""
        found = bool(self._database.select(schema.SILENCES, {"id": silence_id}))
        self._database.write([delete(schema.SILENCES, silence_id)])
        return found

    def memory(self, sink: str) -> SinkMemory:
        return SinkMemory(self._database, sink)

    @property
    def directory(self) -> Path:
        """The state directory."""
        return self._database.path.parent

    def prune(self, now: float, age: float) -> list[str]:
        """Delete what finished more than `age` seconds ago; see `retention.prune`."""
        return retention.prune(self._database, now, age)

    def _with_notes(self, rows: list[dict[str, Cell]]) -> list[Run]:
        return [
            replace(
                self._body(schema.RUNS, Run, row),
                notes=tuple(
                    str(note["text"])
                    for note in self._database.select(
                        schema.NOTES, {"run_id": row["id"]}, order="number"
                    )
                ),
            )
            for row in rows
        ]

    def _body(self, table: schema.Table, kind: type[T], row: Row) -> T:
        try:
            return codec.loads(kind, str(row["body"]))
        except codec.CodecError as error:
            raise StoreError(
                f"the state database {self._database.path} has a row in {table.name} that cannot "
                f"be read ({error}); move it away to start with an empty one"
            ) from error


def _run(run: Run) -> Write:
    row: Row = {
        "id": run.id,
        "unfinished": int(run.state is not RunState.FINISHED),
        "started_at": _known(run.started_at),
        "finished_at": run.finished_at,
        "body": codec.dumps(replace(run, notes=())),
    }
    return put(schema.RUNS, row)


def _incident(incident: Incident) -> Write:
    row: Row = {
        "run_id": incident.run_id,
        "id": incident.id,
        "started_at": _known(incident.started_at),
        "body": codec.dumps(incident),
    }
    return put(schema.INCIDENTS, row)


def _risk(run_id: str, risk: Risk) -> Write:
    calibrated = risk.calibrated_score if risk.calibrated else None
    return put(schema.RISKS, {"run_id": run_id, "score": risk.score, "calibrated": calibrated})


def _known(time: float) -> float:
    """SQLite stores NaN as NULL; a time that is not known sorts first."""
    return 0.0 if math.isnan(time) else time
