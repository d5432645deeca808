"""What is kept of native histograms is what one after the other would leave, within bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.signals.native.log import BOUNDARY_SIZE, MAX_AT_ONCE, SAMPLE_SIZE, Log
from anomalyd.signals.native.samples import Bounds, Histograms, code
from anomalyd.sources.native import read
from tests.signals.test_native_increase import ANY, messages

T = 1_700_000_000_000


def plain(rows: list[int], times: list[int], bounds: Bounds | None = None) -> Histograms:
    """One observation each."""
    n = len(rows)
    return Histograms(
        rows=np.array(rows, np.intp),
        times=T + np.array(times, np.int64),
        counts=np.ones(n),
        sums=np.ones(n),
        zeros=np.zeros(n),
        thresholds=np.zeros(n),
        schemas=np.zeros(n, np.int64),
        resets=np.zeros(n, np.bool_),
        bounds=[bounds] * n,
        starts=np.arange(n + 1),
        codes=code(np.zeros(n, np.int64)),
        buckets=np.ones(n),
    )


def of_row(log: Log, row: int) -> list[tuple[object, ...]]:
    kept = log.kept.at(np.flatnonzero(log.kept.rows == row))
    own = [kept.at(np.array([nth])) for nth in range(len(kept))]
    return [
        (int(one.times[0]), bool(one.resets[0]), one.codes.tolist(), one.buckets.tolist())
        for one in own
    ]


SAMPLES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20), ANY), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(SAMPLES, max_size=3), st.data())
def test_all_at_once_are_what_they_are_one_by_one(bodies, data):
    together, single = Log(60), Log(60)
    for body in bodies:
        again = data.draw(st.lists(st.sampled_from(body), max_size=3))
        pairs = [pair for row, at, one in [*body, *again] for pair in messages(row, [(at, one)])]
        together.push(read(pairs)[0])
        for pair in sorted(pairs, key=lambda one: (one[0], one[1].timestamp)):
            single.push(read([pair])[0])
    for row in range(3):
        assert of_row(together, row) == of_row(single, row)
    assert (together.repeated, together.out_of_order) == (single.repeated, single.out_of_order)


def test_of_very_many_samples_of_a_series_at_once_the_newest_are_kept_and_the_rest_counted():
    log, n = Log(60), 300_000
    log.push(plain([0] * n, list(range(n))))
    assert log.kept.times.tolist() == list(range(T + n - MAX_AT_ONCE, T + n))
    assert log.overwritten == 60_000 - MAX_AT_ONCE


def test_samples_without_buckets_fill_the_room_as_others_do(caplog):
    log = Log(60, most=10 * SAMPLE_SIZE)
    for step in range(100):
        one = plain([0], [step])
        log.push(
            replace(one, starts=np.zeros(2, np.intp), codes=one.codes[:0], buckets=np.empty(0))
        )
    assert 5 <= len(log.kept) <= 10
    assert log.overwritten == 100 - len(log.kept)
    assert [record.message for record in caplog.records] == [
        "native histograms have over 50 buckets in a window"
    ]


def test_a_sample_far_ahead_of_time_costs_other_series_nothing():
    log, rows = Log(60), list(range(20))
    for second in range(0, 60, 15):
        log.push(plain(rows, [second * 1000] * 20))
    log.push(plain([20], [600_000]))
    log.push(plain(rows, [60_000] * 20))
    assert [len(of_row(log, row)) for row in range(21)] == [5] * 20 + [1]
    assert log.overwritten == 0


def test_what_no_window_sees_any_more_goes_though_nothing_comes_to_its_series():
    log = Log(60)
    log.push(plain(list(range(9)), [0] * 9))
    log.push(plain([9], [70_000]))
    assert len(log.kept) == 10
    log.asked = T + 70_000
    log.push(plain([9], [80_000]))
    assert [len(of_row(log, row)) for row in range(10)] == [0] * 9 + [2]
    assert log.overwritten == 0


def test_for_want_of_room_only_what_a_window_wants_is_counted():
    log = Log(60, most=12 * (SAMPLE_SIZE + 1))
    log.push(plain(list(range(5)), [0] * 5))
    log.push(plain(list(range(5, 12)), [50_000] * 7))
    log.asked = T + 65_000
    log.push(plain(list(range(12, 20)), [66_000] * 8))
    assert len(log.kept) == 12
    assert log.overwritten == 3


def test_boundaries_are_kept_once_and_as_long_as_a_sample_has_them():
    log = Log(60)
    for step in range(50):
        log.push(plain([0, 1], [step * 20_000] * 2, (1.0, 2.0 + step)))
        log.push(plain([2], [step * 20_000]))
    assert len(log.bounds) < 10
    assert [None if one < 0 else log.bounds[one] for one in log.customs] == log.kept.bounds
    assert {id(one) for one in log.kept.bounds} <= {id(one) for one in [None, *log.bounds]}


def test_boundaries_take_room():
    log, size = Log(60, most=1000), 1 + SAMPLE_SIZE + 20 * BOUNDARY_SIZE
    for step in range(100):
        log.push(plain([0], [step], tuple(step + nth / 100 for nth in range(20))))
        assert len(log.bounds) == len(log.kept) <= 1000 // size
    assert log.overwritten == 100 - len(log.kept) > 70
