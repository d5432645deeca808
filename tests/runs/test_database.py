"""A state database out of reach is one sentence; a disk that refuses for a while loses nothing."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

from anomalyd.runs.database import Database, delete, put
from anomalyd.runs.errors import StoreError
from anomalyd.runs.schema import MEMORY, MIGRATIONS


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path / "anomalyd.db", busy_seconds=0.01)
    yield opened
    opened.close()


def row(key: str, value: str = "v") -> dict[str, str]:
    return {"sink": "s", "key": key, "value": value}


def save(database: Database, key: str, value: str = "v") -> None:
    database.write([put(MEMORY, row(key, value))])


def keys(database: Database) -> list[str]:
    return [str(row["key"]) for row in database.select(MEMORY, order="key")]


def fill(database: Database) -> None:
    """From now on the disk is full: SQLite may not take another page."""
    save(database, "before")
    pages = database._connection.execute("PRAGMA page_count").fetchone()[0]
    database._connection.execute(f"PRAGMA max_page_count = {pages}")


def empty(database: Database) -> None:
    database._connection.execute("PRAGMA max_page_count = 1073741823")


BIG = "x" * 20_000


def test_a_full_disk_degrades_and_what_was_written_is_still_read(database):
    fill(database)
    save(database, "big", BIG)
    assert database.degraded is not None
    assert "the disk is full; free some space (1 rows wait in memory)" in database.degraded
    assert keys(database) == ["before", "big"]


def test_what_waited_is_written_with_the_next_write_once_there_is_room(database):
    fill(database)
    save(database, "big", BIG)
    empty(database)
    save(database, "next")
    assert database.degraded is None
    assert database.backlog == 0
    with sqlite3.connect(database.path) as other:
        stored = {key for (key,) in other.execute("SELECT key FROM memory")}
    other.close()
    assert stored == {"before", "big", "next"}


def test_the_latest_of_two_waiting_writes_of_a_key_counts(database):
    fill(database)
    save(database, "a", BIG)
    save(database, "a", BIG + "later")
    assert database.backlog == 1
    empty(database)
    database.flush()
    assert database.select(MEMORY, {"sink": "s", "key": "a"}) == [
        {"sink": "s", "key": "a", "value": BIG + "later"}
    ]


def test_a_delete_that_waits_hides_the_row_and_may_itself_make_room(database):
    save(database, "old", BIG)
    fill(database)
    save(database, "big", BIG * 2)
    assert database.degraded
    database.write([delete(MEMORY, "s", "big"), put(MEMORY, row("other", BIG))])
    assert database.degraded
    assert keys(database) == ["before", "old", "other"]
    database.write([delete(MEMORY, "s", "old")])
    assert database.degraded is None
    assert keys(database) == ["before", "other"]


def test_rows_that_wait_take_part_in_conditions_order_and_limit(database):
    fill(database)
    for key in ("c", "a"):
        save(database, key, BIG)
    assert database.select(MEMORY, {"sink": "s", "key": "a"}) == [
        {"sink": "s", "key": "a", "value": BIG}
    ]
    assert database.select(MEMORY, {"value": "v"}) == [row("before")]
    found = database.select(MEMORY, order="key", descending=True, limit=2)
    assert [row["key"] for row in found] == ["c", "before"]


def test_a_waiting_change_takes_a_row_out_of_a_condition(database):
    fill(database)
    save(database, "before", BIG)
    assert database.select(MEMORY, {"value": "v"}) == []


@pytest.mark.parametrize(
    "bounds", [{"backlog_rows": 2}, {"backlog_bytes": 50_000}], ids=["rows", "bytes"]
)
def test_a_backlog_over_its_bound_loses_its_oldest(tmp_path, bounds):
    database = Database(tmp_path / "anomalyd.db", **bounds)
    fill(database)
    for key in ("first", "second", "third"):
        save(database, key, BIG)
    assert keys(database) == ["before", "second", "third"]
    empty(database)
    database.close()


def test_the_disk_refusing_and_taking_again_is_logged_once_each(database, caplog):
    caplog.set_level("WARNING", logger="anomalyd")
    fill(database)
    for key in ("a", "b", "c"):
        save(database, key, BIG)
    empty(database)
    save(database, "d")
    assert len(caplog.records) == 2
    assert "kept in memory" in caplog.records[0].getMessage()
    assert "takes writes again" in caplog.records[1].getMessage()


def test_what_could_never_be_written_is_logged_as_lost_at_the_end(tmp_path, caplog):
    database = Database(tmp_path / "anomalyd.db")
    fill(database)
    save(database, "big", BIG)
    database.close()
    assert "1 rows are lost" in caplog.text


def test_a_lock_of_another_process_delays_a_write_and_does_not_end_us(database):
    save(database, "stored")
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    save(database, "a")
    assert database.degraded is not None
    assert "is locked by another process" in database.degraded
    assert keys(database) == ["a", "stored"]
    other.execute("COMMIT")
    other.close()
    database.flush()
    assert database.degraded is None


def test_a_file_system_gone_read_only_degrades(database):
    database._connection.execute("PRAGMA query_only = ON")
    save(database, "a")
    assert database.degraded is not None
    assert "cannot be written; make it and its directory writable" in database.degraded
    database._connection.execute("PRAGMA query_only = OFF")


def test_a_write_that_is_wrong_in_itself_is_a_bug_and_raised(database):
    with pytest.raises(sqlite3.IntegrityError):
        database.write([put(MEMORY, {"sink": "s", "key": "a", "value": None})])


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "anomalyd.db"
    path.write_text("not a database at all, and longer than a header of one hundred bytes" * 5)
    with pytest.raises(StoreError) as error:
        Database(path)
    assert str(error.value) == (
        f"the state database {path}: is not a database; move it away to start with an empty one"
    )


def test_a_damaged_page_is_named_when_it_is_met(tmp_path):
    path = tmp_path / "anomalyd.db"
    database = Database(path)
    for number in range(50):
        save(database, f"k{number}", BIG)
    database.close()
    damaged = bytearray(path.read_bytes())
    damaged[4096:-4096] = b"\xff" * (len(damaged) - 8192)
    path.write_bytes(damaged)
    damaged_database = Database(path)
    with pytest.raises(StoreError, match="is damaged; move it away"):
        damaged_database.select(MEMORY)
    damaged_database.close()


def test_a_state_dir_below_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"state directory .*file/state cannot be made: Not a dir"):
        Database(tmp_path / "file" / "state" / "anomalyd.db")


def test_a_directory_in_the_place_of_the_file_is_named(tmp_path):
    with pytest.raises(StoreError, match="cannot be opened; make its directory exist"):
        Database(tmp_path)


def test_a_read_only_directory_is_named():
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o555)
        uid = os.geteuid()
        if uid == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(StoreError, match="cannot be opened; make its directory exist and"):
                Database(directory / "anomalyd.db")
        finally:
            os.seteuid(uid)
            directory.chmod(0o755)


def test_a_locked_database_cannot_be_opened(database):
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="is locked by another process; stop it or set another"):
        Database(database.path, busy_seconds=0.01)
    other.close()


def test_an_older_database_becomes_the_present_one_and_keeps_its_rows(tmp_path):
    path = tmp_path / "anomalyd.db"
    older = Database(path, migrations=MIGRATIONS)
    save(older, "a")
    older.close()
    step = "ALTER TABLE memory ADD COLUMN colour TEXT; CREATE TABLE extra (id TEXT);"
    newer = Database(path, migrations=(*MIGRATIONS, step))
    assert keys(newer) == ["a"]
    columns = newer._connection.execute("SELECT name FROM pragma_table_info('memory')").fetchall()
    assert ("colour",) in columns
    assert newer._connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    newer.close()


def test_a_database_of_a_newer_anomalyd_is_left_alone(tmp_path):
    path, known = tmp_path / "anomalyd.db", len(MIGRATIONS)
    Database(path, migrations=(*MIGRATIONS, "CREATE TABLE extra (id TEXT)")).close()
    with pytest.raises(StoreError, match=rf"\(schema {known + 1}, this one knows {known}\)"):
        Database(path)


def test_a_migration_that_fails_half_way_changes_nothing(tmp_path):
    path = tmp_path / "anomalyd.db"
    Database(path).close()
    with pytest.raises(sqlite3.OperationalError):
        Database(path, migrations=(*MIGRATIONS, "CREATE TABLE extra (id TEXT); NONSENSE"))
    again = Database(path)
    tables = again._connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert ("extra",) not in tables
    again.close()
