"""The local store of production's rows: whole files, merged reads, spans that are missing."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.baseline.rows import RowStore, RowsWriter, Stored
from anomalyd.model import Batch, Gauge, Kind, Labels, Selector, Signal
from anomalyd.signals.table import SignalTable

STEP = 60.0
STORED = Stored("sum(x)", 30.0, STEP)
A, B = '{"service":"a"}', '{"service":"b"}'


def put(store: RowStore, start: int, *values: float, key: str = A) -> None:
    """Store one series from step `start` on."""
    block = np.array([values], dtype=np.float32)
    store.write(STORED, start * STEP, (start + len(values)) * STEP, [key], block)


def test_a_read_merges_chunks_and_series_and_says_what_was_answered(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    put(store, 10, 1, 2)
    put(store, 12, 3, np.nan, key=B)
    put(store, 16, 9)
    rows = store.read(STORED, 9 * STEP, 16 * STEP)
    assert rows.times.tolist() == [STEP * k for k in range(9, 16)]
    assert rows.keys == [A, B]
    nan = np.nan
    expected = [[nan, 1, 2, nan, nan, nan, nan], [nan, nan, nan, 3, nan, nan, nan]]
    np.testing.assert_array_equal(rows.values, np.array(expected, dtype=np.float32))
    assert rows.answered.tolist() == [False, True, True, True, True, False, False]


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=6)


@given(spans, st.integers(0, 30), st.integers(1, 30))
def test_missing_is_the_complement_of_what_is_covered(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[int, int]], start: int, size: int
) -> None:
    store = RowStore(tmp_path_factory.mktemp("rows"))
    for first, length in written:
        put(store, first, *range(length))
    held = {k for first, length in written for k in range(first, first + length)}
    missing = store.missing(STORED, start * STEP, (start + size) * STEP)
    steps = [k for low, high in missing for k in range(round(low / STEP), round(high / STEP))]
    assert steps == [k for k in range(start, start + size) if k not in held]
    answered = store.read(STORED, start * STEP, (start + size) * STEP).answered
    assert answered.tolist() == [k in held for k in range(start, start + size)]


def test_another_query_window_step_or_origin_has_rows_of_its_own(tmp_path: Path) -> None:
    others = [
        Stored("sum(y)", 30.0, STEP),
        Stored("sum(x)", 60.0, STEP),
        Stored("sum(x)", 30.0, 30.0),
        Stored("sum(x)", 30.0, STEP, "scrape"),
    ]
    store = RowStore(tmp_path)
    put(store, 0, 1, 2)
    assert [store.covered(other) for other in others] == [[]] * 4
    assert len({other.folder for other in (STORED, *others)}) == 5


def damage_by_cutting(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def damage_by_noise(path: Path) -> None:
    path.write_bytes(b"noise")


def damage_by_pickle(path: Path) -> None:
    np.savez(path, keys=np.array([{"a": 1}], dtype=object), values=np.zeros((1, 2)))


def damage_by_shape(path: Path) -> None:
    keys = np.frombuffer(json.dumps([A]).encode(), dtype=np.uint8)
    np.savez(path, keys=keys, values=np.zeros((1, 7), dtype=np.float32))


@pytest.mark.parametrize(
    "damage", [damage_by_cutting, damage_by_noise, damage_by_pickle, damage_by_shape]
)
def test_a_damaged_chunk_is_named_put_aside_and_missing_again(
    tmp_path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    store = RowStore(tmp_path)
    put(store, 0, 1, 2)
    put(store, 2, 3, 4)
    (path,) = (tmp_path / STORED.folder).glob("0.000-*.npz")
    assert callable(damage)
    damage(path)
    with caplog.at_level(logging.WARNING):
        rows = store.read(STORED, 0, 4 * STEP)
    assert str(path) in caplog.text
    assert store.corrupt == 1
    assert rows.answered.tolist() == [False, False, True, True]
    assert store.missing(STORED, 0, 4 * STEP) == [(0, 2 * STEP)]


@given(st.dictionaries(st.integers(0, 1000), st.integers(0, 255), min_size=1, max_size=8))
def test_no_damaged_byte_is_read_as_data(
    tmp_path_factory: pytest.TempPathFactory, damage: dict[int, int]
) -> None:
    store = RowStore(tmp_path_factory.mktemp("rows"))
    put(store, 0, 1, 2)
    (path,) = (store.root / STORED.folder).glob("*.npz")
    content = bytearray(path.read_bytes())
    for place, byte in damage.items():
        content[place % len(content)] = byte
    path.write_bytes(content)
    rows = store.read(STORED, 0, 2 * STEP)
    if rows.answered.any():
        assert (rows.keys, rows.values.tolist()) == ([A], [[1.0, 2.0]])
    else:
        assert store.corrupt == 1


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    store = RowStore(tmp_path)
    put(store, 0, 1)
    before = sorted(path.name for path in (tmp_path / STORED.folder).iterdir())
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        put(store, 1, 2)
    assert sorted(path.name for path in (tmp_path / STORED.folder).iterdir()) == before


def test_rows_of_the_wrong_shape_are_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shape"):
        RowStore(tmp_path).write(STORED, 0, STEP, [A], np.zeros((1, 2), dtype=np.float32))


def test_neighbouring_chunks_become_one_and_say_the_same(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    for first in range(0, 30, 3):
        put(store, first, first, first + 1, first + 2, key=A if first % 2 else B)
    put(store, 40, 1)
    before = store.read(STORED, 0, 41 * STEP)
    store.compact(STORED)
    after = store.read(STORED, 0, 41 * STEP)
    assert len(list((tmp_path / STORED.folder).glob("*.npz"))) == 2
    assert after.keys == before.keys
    np.testing.assert_array_equal(after.values, before.values)
    np.testing.assert_array_equal(after.answered, before.answered)


def test_old_chunks_expire(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    put(store, 0, 1, 2)
    put(store, 2, 3, 4)
    assert store.expire(2 * STEP) == 0
    assert store.expire(2 * STEP + 1) == 1
    assert store.covered(STORED) == [(2 * STEP, 4 * STEP)]


SIGNALS = tuple(Signal(name, Kind.OTHER, Gauge(Selector(name))) for name in ("cpu", "memory"))


def writer(path: Path, flush_every: float = 1e9) -> tuple[RowsWriter, RowStore, SignalTable]:
    table = SignalTable(SIGNALS, 100)
    table.row(0, Labels.of({"service": "a"}))
    table.row(1, Labels.of({"service": "a"}))
    table.row(0, Labels.of({"service": "b"}))
    store = RowStore(path)
    stored = [(STORED, Stored("count", 30.0, STEP)), (Stored("memory", 30.0, STEP), None)]
    return RowsWriter(store, table, stored, flush_every=flush_every), store, table


def batch(time: float, values: dict[int, float], *answered: str) -> Batch:
    rows = np.array(list(values), dtype=np.intp)
    found = np.array(list(values.values()))
    return Batch(time, rows, found, found * 10, frozenset(answered or ("cpu", "memory")))


def test_scraped_batches_become_rows_at_the_step_with_gaps_where_nothing_was_answered(
    tmp_path: Path,
) -> None:
    keep, store, _ = writer(tmp_path)
    keep.append(batch(600, {0: 1.0, 1: 5.0, 2: 3.0}))
    keep.append(batch(605, {0: 99.0}))
    keep.append(batch(660, {2: 4.0, 0: 2.0}))
    keep.append(batch(660, {0: 99.0}))
    keep.append(batch(720, {1: 6.0}, "memory"))
    keep.append(batch(780, {0: 7.0}))
    keep.flush()
    nan = np.nan
    cpu = store.read(STORED, 600, 840)
    assert cpu.keys == ['{"service": "a"}', '{"service": "b"}']
    np.testing.assert_array_equal(cpu.values, [[1, 2, nan, 7], [3, 4, nan, nan]])
    assert cpu.answered.tolist() == [True, True, False, True]
    counts = store.read(Stored("count", 30.0, STEP), 600, 840)
    np.testing.assert_array_equal(counts.values, [[10, 20, nan, 70], [30, 40, nan, nan]])
    memory = store.read(Stored("memory", 30.0, STEP), 600, 840)
    np.testing.assert_array_equal(memory.values, [[5, nan, 6, nan]])
    assert memory.answered.all()


def test_scraped_rows_are_written_when_a_flush_is_due(tmp_path: Path) -> None:
    keep, store, _ = writer(tmp_path, flush_every=120.0)
    for time in (600, 660, 720, 780):
        keep.append(batch(time, {0: 1.0}))
    assert store.covered(STORED) == [(600, 780)]
    keep.flush()
    assert store.covered(STORED) == [(600, 840)]
