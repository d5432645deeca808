from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.judgement.record import Record


def record(lengths: list[int]) -> Record:
    made = Record()
    for t, n in enumerate(lengths):
        values = np.arange(n) + 100.0 * t
        made.add(30.0 * (t + 1), np.nan if t % 3 == 2 else 40.0, values, values + 0.5)
        made.judged.append(t % 2 == 0)
    return made


@given(st.lists(st.integers(0, 6), max_size=8).map(sorted))
def test_a_loaded_dump_is_the_record(lengths):
    made = record(lengths)
    again = Record.load(made.dump())
    assert again.times == made.times
    assert again.judged == made.judged
    np.testing.assert_array_equal(again.loads, made.loads)
    rows = np.arange(7)
    for counts in (False, True):
        expected = made.matrix(rows, counts=counts)
        np.testing.assert_array_equal(again.matrix(rows, counts=counts), expected)
    again.add(1e6, 1.0, np.zeros(9), np.zeros(9))
    assert again.matrix(np.array([8]))[-1, 0] == 0


def test_rows_that_came_later_are_absent_before():
    found = record([1, 2, 3]).matrix(np.array([2, 0]))
    np.testing.assert_array_equal(found, [[np.nan, 0], [np.nan, 100], [202, 200]])


def test_some_rows_only():
    found = record([2, 4]).only(np.array([1, 3])).matrix(np.arange(3))
    np.testing.assert_array_equal(found, [[1, np.nan, np.nan], [101, 103, np.nan]])


def test_single_precision_is_finer_than_any_noise_that_is_believed():
    """Findings replay the record: what rounding adds is far below the least noise of a fit."""
    values = np.exp(np.random.default_rng(1).normal(0, 10, 1000))
    made = Record()
    made.add(30.0, 1.0, values, values)
    assert np.abs(np.log(made.matrix(np.arange(1000))[0] / values)).max() < 1e-6
