"""SQLite as a set of keyed rows that outlive `kill -9`, and a full disk for a while.

Every write is an upsert or a delete of a whole row by its key. A write that the disk refuses is
kept in memory under that key (the latest wins), is seen by reads at once, and is tried again with
the next write, so that a full disk degrades the daemon and does not end it.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from anomalyd import telemetry
from anomalyd.runs.errors import TRANSIENT, StoreError, primary_code, sentence
from anomalyd.runs.schema import MIGRATIONS, Table

log = logging.getLogger(__name__)

Cell = str | int | float | None
Row = Mapping[str, Cell]
Key = tuple[Cell, ...]
Write = tuple[Table, Key, Row | None]
"""Table, key, and the row to be there; None deletes it."""


def put(table: Table, row: Row) -> Write:
    return table, tuple(row[name] for name in table.key), row


def delete(table: Table, *key: Cell) -> Write:
    return table, key, None


class Database:
    """One file, used from one thread. Writes are durable against the end of the process when
    `write` returns; against loss of power the file stays whole, but the last writes may be gone.

    backlog_rows, backlog_bytes: bounds of what is kept while the disk refuses; beyond them the
    oldest go first, counted in `anomalyd_store_writes_dropped`. busy_seconds: how long a write
    waits for another process, with the event loop standing still. Raises StoreError.
    """

    def __init__(
        self,
        path: Path,
        *,
        migrations: Sequence[str] = MIGRATIONS,
        backlog_rows: int = 10_000,
        backlog_bytes: int = 64 * 2**20,
        busy_seconds: float = 0.2,
    ) -> None:
        self.path = path
        self.degraded: str | None = None
        self._backlog_rows = backlog_rows
        self._backlog_bytes = backlog_bytes
        self._pending: dict[tuple[Table, Key], Row | None] = {}
        self._connection = _open(path, migrations, busy_seconds)

    @property
    def backlog(self) -> int:
        """Rows that are in memory only."""
        return len(self._pending)

    def write(self, writes: Iterable[Write]) -> None:
        """All of `writes` and of the backlog, or none, in one transaction.

        Raises StoreError when the file is damaged; a disk that refuses sets `degraded` instead.
        """
        for table, key, row in writes:
            self._pending.pop((table, key), None)
            self._pending[table, key] = row
        self.flush()

    def flush(self) -> None:
        """Try the backlog again; see `write`."""
        if not self._pending:
            return
        try:
            self._commit()
        except sqlite3.Error as error:
            self._refused(error)
        else:
            self._pending.clear()
            if self.degraded:
                log.warning("the state database %s takes writes again; none waits", self.path)
            self.degraded = None

    def select(
        self,
        table: Table,
        where: Row | None = None,
        *,
        only: tuple[str, ...] | None = None,
        order: str | None = None,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[dict[str, Cell]]:
        """Rows whose columns equal `where`, what waits in the backlog included.

        only: the columns to read beside the key, `order` among them; all by default. StoreError.
        """
        where = where or {}
        columns = table.columns if only is None else table.key + only
        pending = {key: row for (of, key), row in self._pending.items() if of == table}
        query = f"SELECT {', '.join(columns)} FROM {table.name}"  # noqa: S608
        if where:
            query += " WHERE " + " AND ".join(f"{name} = ?" for name in where)
        if order:
            query += f" ORDER BY {order}" + (" DESC" if descending else "")
        if limit is not None and not pending:
            query += f" LIMIT {int(limit)}"
        found = [dict(zip(columns, row, strict=True)) for row in self._read(query, where)]
        if pending:
            found = _overlay(table, found, pending, where)
            if order:
                found.sort(key=lambda row: _sortable(row[order]), reverse=descending)
        return found[:limit]

    def close(self) -> None:
        """Try the backlog once more and close; idempotent. What still waits is lost and logged."""
        with contextlib.suppress(sqlite3.ProgrammingError):
            self.flush()
        if self._pending:
            log.error("%s; %d rows are lost", self.degraded, self.backlog)
            self._pending.clear()
        self._connection.close()

    def _read(self, query: str, where: Row) -> list[tuple[Cell, ...]]:
        try:
            return self._connection.execute(query, tuple(where.values())).fetchall()
        except sqlite3.Error as error:
            reason = sentence(self.path, error)
            if reason is None:
                raise
            raise StoreError(reason) from error

    def _commit(self) -> None:
        # Deletes first: they may free the very pages that the rest needs.
        ordered = sorted(self._pending.items(), key=lambda item: item[1] is not None)
        with _transaction(self._connection):
            for (table, key), row in ordered:
                if row is None:
                    match = " AND ".join(f"{name} = ?" for name in table.key)
                    self._connection.execute(f"DELETE FROM {table.name} WHERE {match}", key)  # noqa: S608
                else:
                    marks = ", ".join("?" * len(table.columns))
                    self._connection.execute(
                        f"REPLACE INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})",  # noqa: S608
                        tuple(row[name] for name in table.columns),
                    )

    def _refused(self, error: sqlite3.Error) -> None:
        reason = sentence(self.path, error)
        if reason is None or primary_code(error) not in TRANSIENT:
            self._pending.clear()
            if reason is None:
                raise error
            raise StoreError(reason) from error
        telemetry.store_write_failures.add(1, {"reason": error.sqlite_errorname.lower()})
        dropped = self._trim()
        telemetry.store_writes_dropped.add(dropped)
        if not self.degraded:
            log.warning("%s; writes are kept in memory and tried again", reason)
        self.degraded = f"{reason} ({self.backlog} rows wait in memory)"

    def _trim(self) -> int:
        """Drop the oldest of the backlog until it is within its bounds; how many went."""
        size = sum(map(_size, self._pending.values()))
        dropped = 0
        while len(self._pending) > self._backlog_rows or size > self._backlog_bytes:
            size -= _size(self._pending.pop(next(iter(self._pending))))
            dropped += 1
        return dropped


def _open(path: Path, migrations: Sequence[str], busy_seconds: float) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the state directory {path.parent} cannot be made: {error.strerror}; set state_dir "
            "to a directory that can be written"
        ) from error
    try:
        connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            _migrate(connection, path, migrations)
        except (sqlite3.Error, StoreError):
            connection.close()
            raise
    except sqlite3.Error as error:
        reason = sentence(path, error)
        if reason is None:
            raise
        raise StoreError(reason) from error
    return connection


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    with _transaction(connection):
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(migrations):
            raise StoreError(
                f"the state database {path} was written by a newer anomalyd (schema {version}, "
                f"this one knows {len(migrations)}); upgrade anomalyd or set another state_dir"
            )
        for step in migrations[version:]:
            for statement in filter(str.strip, step.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE to COMMIT; ROLLBACK on any error, which SQLite may have done by itself."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _overlay(
    table: Table,
    found: list[dict[str, Cell]],
    pending: Mapping[Key, Row | None],
    where: Row,
) -> list[dict[str, Cell]]:
    """The rows as they will be once the backlog is written."""
    rows = {tuple(row[name] for name in table.key): row for row in found}
    for key, row in pending.items():
        if row is not None and all(row[name] == value for name, value in where.items()):
            rows[key] = dict(row)
        else:
            rows.pop(key, None)
    return list(rows.values())


def _sortable(cell: Cell) -> tuple[bool, Cell]:
    """NULL first, as SQLite sorts."""
    return cell is not None, cell if cell is not None else 0


def _size(row: Row | None) -> int:
    return sum(len(cell) for cell in row.values() if isinstance(cell, str)) if row else 0
