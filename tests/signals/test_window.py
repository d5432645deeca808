from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.signals import counters, window
from anomalyd.signals.counters import Growth, increase
from anomalyd.signals.window import Once, Ring, average, is_stale
from tests.signals import naive

WINDOW = 30_000

times = st.integers(0, 100_000)
counter_values = st.integers(0, 50).map(float) | st.floats(0, 1e12)
streams = st.lists(
    st.lists(st.tuples(times, counter_values), max_size=25, unique_by=lambda sample: sample[0]),
    min_size=1,
    max_size=4,
)


def filled(stream: list[list[tuple[int, float]]], **settings: float) -> Ring:
    """A ring with one row per list, fed in one batch in the order given."""
    ring = Ring(keep=200, **settings)
    ring.resize(len(stream))
    flat = [(row, *sample) for row, samples in enumerate(stream) for sample in samples]
    rows, moments, values = zip(*flat, strict=True) if flat else ((), (), ())
    ring.push(np.array(rows, np.intp), np.array(moments, np.int64), np.array(values, np.float64))
    return ring


def as_list(values, present) -> list[float | None]:
    return [float(v) if p else None for v, p in zip(values, present, strict=True)]


@given(streams, st.integers(0, 120_000))
def test_increase_is_that_of_the_slow_twin(stream, end):
    have = as_list(*increase(filled(stream), end, WINDOW))
    want = [naive.increase(sorted(samples), end, WINDOW) for samples in stream]
    assert have == [None if w is None else pytest.approx(w, rel=1e-9, abs=1e-9) for w in want]


POINTS = st.tuples(st.integers(0, 6), st.integers(0, 120), st.floats(0, 100))
EVENTS = st.one_of(
    st.lists(POINTS, min_size=1, max_size=20),
    st.integers(0, 6),
    st.tuples(st.sampled_from([60_000, 90_000]), st.integers(0, 4)),
)


@given(st.lists(EVENTS, max_size=12), st.sampled_from([60_000, 90_000]))
def test_what_was_begun_ahead_is_no_other_than_what_is_worked_out_at_once(events, end):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "BLOCK", 2)
        patch.setattr(counters, "BLOCK", 2)
        ring = Ring(keep=200, slots=2, max_slots=8)
        growth, rows = Growth(ring), 0
        for event in events:
            match event:
                case list():
                    raw, moments, values = zip(*event, strict=True)
                    rows = max(rows, *(row + 1 for row in raw))
                    ring.resize(rows)
                    times = 1000 * np.array(moments, np.int64)
                    ring.push(np.array(raw, np.intp), times, np.array(values))
                case int():
                    ring.clear(np.array([event] if event < rows else [], np.intp))
                case asked, nth:
                    growth.ahead(asked, WINDOW, nth)
        for have, want in zip(growth.over(end, WINDOW), increase(ring, end, WINDOW), strict=True):
            np.testing.assert_array_equal(have, want)


@given(streams, st.integers(0, 120_000))
def test_average_is_that_of_the_slow_twin(stream, end):
    have = as_list(*average(filled(stream), end, WINDOW))
    want = [naive.average(sorted(samples), end, WINDOW) for samples in stream]
    assert have == [None if w is None else pytest.approx(w, rel=1e-9, abs=1e-9) for w in want]


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([(5, 100.0), (15, 110.0), (25, 120.0)], 30.0),
        ([(5, 100.0), (15, 110.0), (25, 3.0)], 13 * 30 / 20),
        ([(0, 100.0), (10, 110.0), (20, 120.0), (30, 130.0)], 20 * 30 / 20),
        ([(5, 0.0), (15, 10.0), (25, 20.0)], 20 * 25 / 20),
        ([(20, 100.0), (25, 110.0)], 10 * 12.5 / 5),
        ([(25, 100.0)], None),
        ([], None),
    ],
    ids=[
        "extrapolated to both boundaries",
        "a reset is added back",
        "the left boundary is open",
        "never below zero",
        "far from a boundary only half an interval",
        "one sample is no slope",
        "none",
    ],
)
def test_increase_over_30_seconds(samples, expected):
    ring = filled([[(t * 1000, v) for t, v in samples]])
    [have] = as_list(*increase(ring, 30_000, WINDOW))
    assert have == (None if expected is None else pytest.approx(expected))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0.0, 1.0, 5.0])), max_size=14),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 200),
    st.integers(1, 150),
)
def test_what_lies_in_a_range_is_what_the_samples_in_it_say(gaps, start, length):
    series = [
        list(zip(np.cumsum([gap for gap, _ in one]).tolist(), [v for _, v in one], strict=True))
        for one in gaps
    ]
    ring = filled(series, slots=4, max_slots=8)
    found = ring.within(start, start + length, slice(0, ring.rows))
    seen = list(ring.samples(start, start + length))
    for row in range(ring.rows):
        times = [int(t[row]) for inside, t, _ in seen if inside[row]]
        values = [float(v[row]) for inside, _, v in seen if inside[row]]
        assert found.count[row] == len(times)
        assert found.lost[row] == sum(a for a, b in pairwise(values) if b < a)
        if times:
            assert (found.first_time[row], found.last_time[row]) == (times[0], times[-1])
            assert (found.first[row], found.last[row]) == (values[0], values[-1])


def test_the_ring_widens_for_dense_samples_and_forgets_only_what_is_older_than_it_keeps():
    ring = Ring(keep=10, slots=2)
    ring.resize(2)
    for second in range(40):
        rows = np.array([0, 1][: 1 + second % 2], np.intp)
        moments = np.full(len(rows), second * 1000, np.int64)
        ring.push(rows, moments, moments / 1000)
    seen = [np.where(inside, values, -1) for inside, _, values in ring.samples(29_000, 39_000)]
    kept = np.sort(np.array(seen), axis=0)
    assert kept[:, 0][kept[:, 0] >= 0].tolist() == list(range(30, 40))
    assert kept[:, 1][kept[:, 1] >= 0].tolist() == list(range(31, 40, 2))
    assert ring.overwritten == 0


def test_a_ring_at_its_most_slots_loses_the_oldest_and_says_so(caplog):
    ring = filled([[(i, float(i)) for i in range(10)]], slots=2, max_slots=4)
    seen = [float(values[0]) for _, _, values in ring.samples(-1, 100)]
    assert seen == [6, 7, 8, 9]
    assert ring.overwritten == 6
    assert [r.message for r in caplog.records] == ["a series has over 4 samples in its window"]


def test_samples_not_newer_than_the_last_are_refused_and_counted():
    ring = filled([[(5, 1.0)]])
    for moment in (5, 4, 6):
        ring.push(np.array([0]), np.array([moment]), np.array([9.0]))
    seen = [float(values[0]) for _, _, values in ring.samples(0, 100)]
    assert seen == [1.0, 9.0]
    assert ring.out_of_order == 2


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(0, 40), st.sampled_from([0.0, 1.0])),
            max_size=40,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_all_at_once_are_what_they_are_one_by_one(bodies):
    together, single = (Ring(keep=0.01, slots=2, max_slots=4) for _ in range(2))
    for ring in (together, single):
        ring.resize(3)
    for body in bodies:
        ordered = sorted(body, key=lambda one: one[:2])
        for ring, parts in ((together, [body]), (single, [[one] for one in ordered])):
            for part in parts:
                rows, moments, values = zip(*part, strict=True) if part else ((), (), ())
                moments = np.array(moments, np.int64)
                ring.push(np.array(rows, np.intp), moments, np.array(values, np.float64))
    for row in range(3):
        assert wanted(together, row) == wanted(single, row)
    for name in ("repeated", "out_of_order", "overwritten"):
        assert getattr(together, name) == getattr(single, name)


def wanted(ring: Ring, row: int) -> list[tuple[int, float]]:
    """What the ring has of a row in as long as it keeps, up to the row's newest."""
    found = [(int(t[row]), float(v[row])) for inside, t, v in ring.samples(-1, 99) if inside[row]]
    return [one for one in found if one[0] > found[-1][0] - ring.keep]


def test_very_many_samples_of_a_series_at_once_cost_no_turn_each():
    n = 1_000_000
    ring = filled([[(5, 1.0)]])
    ring.push(np.zeros(n, np.intp), np.arange(n) % 500_000, np.ones(n))
    assert (ring.repeated, ring.out_of_order) == (499_996, 10)
    assert len(wanted_slots(ring)) == 200


def wanted_slots(ring: Ring) -> list[bool]:
    return [inside[0] for inside, _, _ in ring.samples(499_799, 499_999)]


def test_rows_that_are_there_twice_are_seen_whatever_was_asked_before():
    once = Once()
    for rows, expected in (([3, 1], True), ([1, 3, 1], False), ([], True), ([3], True)):
        assert once.each(np.array(rows, dtype=np.intp)) is expected


def test_the_last_sample_once_more_is_no_fault():
    ring = filled([[(5, 1.0)], [(7, 2.0)]])
    for moment, value in ((7, 2.0), (7, 3.0), (5, 1.0)):
        ring.push(np.array([1]), np.array([moment]), np.array([value]))
    assert (ring.repeated, ring.out_of_order) == (1, 2)


def test_only_prometheuss_own_nan_is_a_stale_marker():
    [stale] = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))
    assert is_stale(np.array([stale, np.nan, np.inf, 0.0])).tolist() == [True, False, False, False]
