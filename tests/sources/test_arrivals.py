"""How often samples of a series come, what is still awaited, and what is gone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.sources.arrivals import FOLLOWED, Arrivals

T = 1_800_000_000.0


def came(arrivals: Arrivals, row: int, *moments: float, stale: bool = False) -> None:
    """One body per moment."""
    for moment in moments:
        arrivals.take(np.array([row]), np.array([T + moment]), np.array([stale]))


def interval(arrivals: Arrivals) -> float | None:
    for row in range(10):
        arrivals.follow(row, "up")
    return arrivals.slowest()


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ((0,), None),
        ((0, 15), None),
        ((0, 15, 30.01), 15.0),
        ((0, 15, 30, 60, 75, 90), 15.0),
        ((0, 15, 30, 33, 48, 63), 15.0),
        ((0, 15, 30, 60, 90), 30.0),
        ((0, 0.2, 0.4), 0.2),
        ((0, 15, 30, 30, 20), 15.0),
    ],
    ids=str,
)
def test_two_gaps_that_agree_are_the_interval(moments, expected):
    arrivals = Arrivals()
    came(arrivals, 0, *moments)
    assert interval(arrivals) == expected


def test_several_samples_in_one_body_tell_as_much_as_one_by_one():
    arrivals = Arrivals()
    moments = T + np.array([30.0, 0.0, 45.0, 15.0])
    arrivals.take(np.zeros(4, np.intp), moments, np.zeros(4, bool))
    assert interval(arrivals) == 15.0
    assert arrivals.last[0] == T + 45


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.booleans()), max_size=12),
        max_size=3,
    )
)
def test_a_body_tells_as_much_as_its_samples_one_after_the_other(bodies):
    together, single = Arrivals(), Arrivals()
    for body in bodies:
        ordered = sorted(body, key=lambda one: one[:2])
        for arrivals, parts in ((together, [body]), (single, [[one] for one in ordered])):
            for part in filter(None, parts):
                rows, moments, stale = zip(*part, strict=True)
                arrivals.take(np.array(rows), T + np.array(moments), np.array(stale))
    for name in ("last", "_gap", "_interval", "_ended"):
        np.testing.assert_array_equal(getattr(together, name), getattr(single, name))


def test_very_many_samples_of_a_series_in_one_body_cost_no_turn_each():
    arrivals, n = Arrivals(), 300_000
    arrivals.take(np.zeros(n, np.intp), T + np.arange(n), np.zeros(n, bool))
    assert (interval(arrivals), arrivals.last[0]) == (1.0, T + n - 1)


def test_the_slowest_metric_counts_and_not_its_odd_series():
    arrivals = Arrivals()
    for row, (metric, every) in enumerate((("a", 15), ("a", 15), ("a", 300), ("b", 60))):
        came(arrivals, row, *(every * n for n in range(4)))
        arrivals.follow(row, metric)
    assert arrivals.slowest() == 60.0


def test_some_series_of_a_metric_tell_its_interval_and_others_take_the_place_of_those_gone():
    arrivals = Arrivals()
    for row in range(2 * FOLLOWED):
        every = 15 if row < FOLLOWED else 30
        came(arrivals, row, 0, every, 2 * every)
        arrivals.follow(row, "up")
    assert arrivals.slowest() == 15.0
    arrivals.forget(np.arange(FOLLOWED))
    assert arrivals.slowest() is None
    for row in range(FOLLOWED, 2 * FOLLOWED):
        arrivals.follow(row, "up")
    assert arrivals.slowest() == 30.0


def test_a_time_is_complete_once_every_series_has_come_up_to_it():
    arrivals = Arrivals()
    came(arrivals, 0, 0, 10, 20)
    came(arrivals, 1, 5, 15, 25)
    assert arrivals.complete(T + 29)
    assert not arrivals.complete(T + 31)
    came(arrivals, 0, 30)
    assert arrivals.complete(T + 31)
    assert not arrivals.complete(T + 36)


@given(
    st.lists(
        st.one_of(
            st.lists(st.tuples(st.integers(0, 4), st.integers(0, 90), st.booleans()), min_size=1),
            st.integers(0, 4),
            st.just(5000),
        ),
        max_size=8,
    ),
    st.integers(30, 120),
)
def test_asked_again_of_a_time_it_says_what_a_first_look_would(events, time):
    arrivals = Arrivals()
    for row in range(5):
        came(arrivals, row, *range(row, 31 + row, 10))
    for event in events:
        complete = arrivals.complete(T + time)
        arrivals._waiting = None
        assert arrivals.complete(T + time) == complete
        match event:
            case 5000:
                came(arrivals, 5000, 1)
            case int():
                arrivals.forget(np.array([event]))
            case _:
                rows, moments, stale = zip(*event, strict=True)
                arrivals.take(np.array(rows), T + np.array(moments), np.array(stale))


def test_what_ended_or_is_long_gone_is_not_awaited():
    arrivals = Arrivals()
    came(arrivals, 0, 0, 10, 20)
    came(arrivals, 1, 0, 10, 20)
    came(arrivals, 0, 30)
    came(arrivals, 1, 30, stale=True)
    assert arrivals.complete(T + 31)
    assert not arrivals.complete(T + 45)
    assert arrivals.complete(T + 55.1)
    came(arrivals, 1, 60)
    assert not arrivals.complete(T + 71)


def test_few_that_come_irregularly_do_not_hold_up_the_others():
    arrivals = Arrivals()
    rows = np.arange(5000)
    for moment in (0, 10, 20):
        arrivals.take(rows, np.full(5000, T + moment), np.zeros(5000, bool))
    most = rows[:4960]
    arrivals.take(most, np.full(len(most), T + 30), np.zeros(len(most), bool))
    assert arrivals.complete(T + 31)
    arrivals.take(rows[:4000], np.full(4000, T + 40), np.zeros(4000, bool))
    assert not arrivals.complete(T + 41)


def test_rows_without_samples_for_long_are_idle_until_they_are_forgotten():
    arrivals = Arrivals()
    came(arrivals, 0, 0, 10, 20)
    came(arrivals, 2, 100)
    assert arrivals.idle(T + 50).tolist() == [0]
    arrivals.forget(np.array([0]))
    assert arrivals.idle(T + 50).tolist() == []
    assert interval(arrivals) is None
    came(arrivals, 0, 0)
    assert arrivals.last[0] == T
