"""What can go wrong with the state database, as sentences."""

from __future__ import annotations

import sqlite3
from pathlib import Path


class StoreError(Exception):
    """One sentence for the user: which file, what is wrong, how to mend it."""


TRANSIENT = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
    }
)
"""Primary codes of what may pass without a restart: a write that met one is kept and retried."""

_SENTENCES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_BUSY: "is locked by another process; stop it or set another state_dir",
    sqlite3.SQLITE_LOCKED: "is locked by another process; stop it or set another state_dir",
    sqlite3.SQLITE_IOERR: "the disk fails to read or write; check it and its file system",
    sqlite3.SQLITE_READONLY: "cannot be written; make it and its directory writable",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; make its directory exist and be writable",
    sqlite3.SQLITE_PERM: "cannot be opened; make it and its directory writable",
    sqlite3.SQLITE_CORRUPT: "is damaged; move it away to start with an empty one",
    sqlite3.SQLITE_NOTADB: "is not a database; move it away to start with an empty one",
}


def primary_code(error: sqlite3.Error) -> int:
    """The primary result code, 0 where sqlite3 itself refused."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def sentence(path: Path, error: sqlite3.Error) -> str | None:
    """Why the state in `path` is out of reach; None for an error that is a bug of ours."""
    reason = _SENTENCES.get(primary_code(error))
    return f"the state database {path}: {reason}" if reason else None
