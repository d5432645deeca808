"""A run is judged by what production does at its hour, and not bound to its timetable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.baseline.profile import Baseline
from anomalyd.baseline.seasons import HOURS, SLOTS
from tests.detectors.windows import window
from tests.judgement.world import SERVICES, Fault, Stage, production

MONDAY = 1_700_438_400.0
JOB = 0.6
"""A job from 2 h to 3 h makes every latency so much longer."""

BEGINS, ENDS = MONDAY + 2 * 3600.0 - 600.0, MONDAY + 3 * 3600.0 - 600.0
"""Runs of 20 minutes with the change in their middle."""


def with_job() -> Baseline:
    known = production()
    hours = np.zeros((SLOTS, len(known.profiles.keys)), dtype=np.float16)
    slow = [key.startswith("latency") for key in known.profiles.keys]
    hours[2] = np.where(slow, np.log1p(JOB), 0.0)
    return Baseline(replace(known.profiles, hours=hours), known.meta)


def jobs(at, size=JOB):
    return [Fault("latency", service, at, size) for service in SERVICES]


def test_a_good_run_into_the_hour_of_a_job_passes():
    assert Stage(start=BEGINS, faults=jobs(20), baseline=with_job()).play().failed() == []


def test_without_the_table_of_hours_it_would_fail():
    assert Stage(start=BEGINS, faults=jobs(20)).play().failed() == [""]


@pytest.mark.parametrize("start", [BEGINS, ENDS], ids=["as it begins", "as it ends"])
def test_a_good_run_that_has_no_such_job_passes(start):
    assert Stage(start=start, baseline=with_job()).play().failed() == []


def test_a_fault_in_the_hour_of_a_job_fires():
    faults = [*jobs(0), Fault("latency", "cart", 20, 1.0)]
    stage = Stage(start=BEGINS + 900.0, faults=faults, baseline=with_job()).play()
    (anomaly,) = stage.pipeline.courses["run-"].anomalies.values()
    assert anomaly.service == "cart"


def test_what_is_expected_says_the_hour_that_it_is_expected_at():
    at_two = Stage(start=BEGINS + 900.0, faults=jobs(0), baseline=with_job()).play().verdict()
    at_one = Stage(start=BEGINS - 3600.0, baseline=with_job()).play().verdict()
    hours = {f.kind.value: f.hour for f in at_two.findings}
    assert hours["latency"] == "2 h UTC on weekdays"
    assert hours["saturation"] == ""
    assert {f.hour for f in at_one.findings} == {""}
    two, one = (
        next(f for f in v.findings if f.series == at_two.findings[0].series)
        for v in (at_two, at_one)
    )
    assert two.kind.value == "latency"
    assert two.expected / one.expected == pytest.approx(1 + JOB, rel=0.02)


def recurring() -> Baseline:
    """Excursions of latency that come back at some time from 2 h to 3 h."""
    known = with_job()
    hours = known.profiles.hours
    profiles = replace(known.profiles, hours=hours[:, :0], recurs=hours[:HOURS])
    return Baseline(profiles, known.meta)


WITHIN = BEGINS + 1200.0


def test_a_good_run_that_meets_what_recurs_in_its_hour_passes():
    brief = [*jobs(12), *(replace(job, at=28, size=1 / (1 + JOB) - 1) for job in jobs(0))]
    assert Stage(start=WITHIN, faults=brief, baseline=recurring()).play().failed() == []
    assert Stage(start=WITHIN - 7200.0, faults=brief, baseline=recurring()).play().failed() == [""]


def test_a_fault_beyond_what_recurs_in_its_hour_fires():
    faults = [Fault("latency", "cart", 20, 3.0)]
    assert Stage(start=WITHIN, faults=faults, baseline=recurring()).play().failed() == [""]


def test_the_band_holds_what_recurs_and_what_is_expected_does_not():
    rows = [
        Stage(start=start, baseline=recurring()).play().verdict().findings[0]
        for start in (WITHIN, WITHIN - 7200.0)
    ]
    assert rows[0].expected == pytest.approx(rows[1].expected, rel=0.02)
    assert rows[0].high == pytest.approx(rows[1].high * (1 + JOB), rel=0.02)
    assert [row.hour for row in rows] == ["2 h UTC on weekdays", ""]


sizes = st.floats(-2, 2)


@given(sizes, sizes, sizes)
def test_between_its_hour_and_others_nothing_counts_and_beyond_both_only_the_rest(
    value, season, level
):
    """value: about what production does at other hours."""
    found = float(window(1, residual=value - season, season=season).apart_from(level)[0])
    low, high = sorted((value - season, value))
    assert found == pytest.approx(min(max(level, low), high) - level, abs=1e-9)
