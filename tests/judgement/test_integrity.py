from __future__ import annotations

import pytest

from anomalyd.judgement.integrity import IntegrityLog

W = 30.0


def log_of(*windows: dict) -> IntegrityLog:
    log = IntegrityLog(W)
    for i, given in enumerate(windows):
        plain = {"present": 5, "unanswered": (), "load": 40.0}
        log.window((i + 1) * W, **(plain | given))
    return log


EMPTY = {"present": 0}


@pytest.mark.parametrize(
    ("windows", "entries"),
    [
        ([{}, {}], []),
        ([{}, EMPTY, EMPTY, {}], [("no-data", "staging", 30.0, 90.0)]),
        ([EMPTY, {}, {}, EMPTY], [("no-data", "staging", 0, 30), ("no-data", "staging", 90, 120)]),
        ([{"unanswered": ["cpu"]}, {}], [("query-failed", "cpu", 0, 30)]),
        ([{"load": 0.0}, {}], [("no-load", "load", 0, 30)]),
        ([{"load": float("nan")}, {}], [("no-load", "load", 0, 30)]),
        ([{"load": None}], []),
        ([{"vanished": ["cpu"]}] * 2, [("stale", "cpu", 0, 60)]),
    ],
    ids=[
        "good",
        "windows that adjoin are one entry",
        "others are two",
        "a query that failed",
        "no load",
        "load not known",
        "no load is defined",
        "a signal that vanished everywhere",
    ],
)
def test_entries(windows, entries):
    found = [(e.kind, e.where, e.start, e.end) for e in log_of(*windows).entries()]
    assert found == entries


@pytest.mark.parametrize(
    ("empty", "of", "broken"), [(0, 10, False), (5, 10, False), (6, 10, True), (1, 1, True)]
)
def test_more_than_half_of_the_windows_empty_breaks_the_run(empty, of, broken):
    log = log_of(*[EMPTY] * empty, *[{}] * (of - empty))
    assert log.broken is broken
    assert any(entry.breaks_run for entry in log.entries()) is broken
    if broken:
        assert f"{empty} of {of} windows brought no data at all" in {
            e.detail for e in log.entries()
        }


def test_a_run_of_no_window_is_not_broken():
    assert IntegrityLog(W).broken is False
    assert IntegrityLog(W).entries() == ()


def test_how_long_nothing_has_arrived_at_the_end():
    assert log_of({}, EMPTY, {}, EMPTY, EMPTY).last_empty == 2
    log = log_of({})
    log.missed(30.0, 150.0)
    assert log.last_empty == 4
    assert (log.windows, log.empty) == (5, 4)


def test_it_goes_on_from_a_dump():
    log = log_of(EMPTY, {}, {"unanswered": ["cpu"]}, EMPTY)
    log.missed(120.0, 180.0)
    again = IntegrityLog(W)
    again.load(log.dump())
    for one in (log, again):
        one.window(210.0, 0, ["cpu"], None)
    assert again.entries() == log.entries()
    assert again.last_empty == log.last_empty == 4
