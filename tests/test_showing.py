"""Which series are shown first, and at what cost."""

from __future__ import annotations

import numpy as np

from anomalyd.model import Gauge, Kind, Labels, Selector, Signal
from anomalyd.showing import Watched, bands, deciding
from anomalyd.signals.table import SignalTable
from bench import worlds


def table(series: int) -> SignalTable:
    made = SignalTable((Signal("memory", Kind.RESOURCE, Gauge(Selector("memory_bytes"))),), 100)
    for number in range(series):
        made.row(0, Labels.of({"service": f"s{number}"}))
    return made


def test_each_series_is_asked_once_whether_it_is_watched():
    asked: list[str] = []
    watched = Watched(lambda series: bool(asked.append(series)) or "s1" in series)
    known = table(3)
    assert watched.rows(known).tolist() == [False, True, False]
    known.row(0, Labels.of({"service": "s10"}))
    assert watched.rows(known).tolist() == [False, True, False, True]
    assert asked == known.keys
    assert watched.rows(table(2)).tolist() == [False, True], "another session's table"


class Session:
    """As much of a session as is shown of a run that is being judged."""

    def __init__(self, series: int) -> None:
        known = worlds.table(series)
        baseline = worlds.baseline(known)
        self.pipeline = worlds.judging(known, baseline)
        for batch in worlds.windows(known, baseline, 3):
            self.pipeline.process(batch)


def test_firing_and_watched_series_come_first_then_those_with_the_most_evidence():
    session = Session(20)
    pipeline = session.pipeline
    pipeline.evidence[1:] = np.arange(20)
    pipeline.anomalies.fire(4, worlds.START, worlds.START, 9.0)
    keys = pipeline.table.keys
    shown = bands(session, Watched(lambda series: series == keys[7]), 5)
    assert [band.series for band in shown] == [keys[row] for row in (7, 4, 20, 19, 18)]
    assert {band.run for band in shown} == {"bench"}


def test_a_series_is_shown_with_the_run_that_it_decides():
    pipeline = Session(5).pipeline
    load, *judged = deciding(pipeline, range(6))
    assert load is None, "the load decides nothing"
    assert judged == [pipeline.courses["bench"]] * 5
    assert deciding(pipeline, []) == []
