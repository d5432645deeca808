"""What was accepted, as rows of the state database: runs as good, and changes of one signal."""

from __future__ import annotations

from dataclasses import dataclass

from anomalyd import codec
from anomalyd.model import AcceptedChange
from anomalyd.runs import schema
from anomalyd.runs.database import Database, Row, delete, put
from anomalyd.runs.errors import StoreError


@dataclass(frozen=True, slots=True)
class AcceptedRun:
    """until: as `expiry` reads it, '' without an end. golden: what comes after is compared with
    it."""

    run_id: str
    accepted_at: float
    until: str = ""
    golden: bool = False


class Acceptances:
    """Of one database. Any method may raise StoreError. See `acceptance` for what may be there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def runs(self) -> list[AcceptedRun]:
        """The first accepted first."""
        rows = self._database.select(schema.ACCEPTED, order="accepted_at")
        return [
            AcceptedRun(
                str(row["run_id"]),
                float(row["accepted_at"] or 0.0),
                str(row["until"]),
                bool(row["golden"]),
            )
            for row in rows
        ]

    def of(self, run_id: str) -> AcceptedRun | None:
        return next((one for one in self.runs() if one.run_id == run_id), None)

    def put(self, accepted: AcceptedRun) -> None:
        """In place of what was accepted of that run; a golden run takes the place of the one that
        was."""
        others = [one for one in self.runs() if one.golden and accepted.golden]
        rows = [_row(one, golden=False) for one in others if one.run_id != accepted.run_id]
        rows.append(_row(accepted, golden=accepted.golden))
        self._database.write([put(schema.ACCEPTED, row) for row in rows])

    def undo(self, run_id: str) -> None:
        """Of a run and all of its changes; what was not accepted is left as it is."""
        writes = [delete(schema.ACCEPTED, run_id)]
        rows = self._database.select(schema.CHANGES, {"run_id": run_id}, only=())
        writes += [delete(schema.CHANGES, row["run_id"], row["series"]) for row in rows]
        self._database.write(writes)

    def changes(self, run_id: str | None = None) -> list[AcceptedChange]:
        """Of one run, or of all; the first accepted first."""
        where: Row = {} if run_id is None else {"run_id": run_id}
        rows = self._database.select(schema.CHANGES, where, order="accepted_at")
        try:
            return [codec.loads(AcceptedChange, str(row["body"])) for row in rows]
        except codec.CodecError as error:
            raise StoreError(
                f"the state database {self._database.path} has an accepted change that cannot be "
                f"read ({error}); move it away to start with an empty one"
            ) from error

    def put_change(self, series: str, change: AcceptedChange) -> None:
        """In place of what that run had for `series`, a selector as it is written."""
        row: Row = {
            "run_id": change.run,
            "series": series,
            "accepted_at": change.accepted_at,
            "body": codec.dumps(change),
        }
        self._database.write([put(schema.CHANGES, row)])

    def undo_change(self, run_id: str, series: str) -> bool:
        """Whether there was one."""
        found = self._database.select(schema.CHANGES, {"run_id": run_id, "series": series})
        self._database.write([delete(schema.CHANGES, run_id, series)])
        return bool(found)


def _row(accepted: AcceptedRun, *, golden: bool) -> Row:
    return {
        "run_id": accepted.run_id,
        "accepted_at": accepted.accepted_at,
        "until": accepted.until,
        "golden": int(golden),
    }
