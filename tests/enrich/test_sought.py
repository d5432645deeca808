"""Which spans and lines are looked for, and when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anomalyd.enrich.sought import LONGEST, Period, Sought, period, sought
from anomalyd.model import Kind
from tests.enrich.incidents import NOW, RUN, START, incident, of


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (incident(), [Sought("cart", "", 0.24, True)]),
        (incident(("cart", 0.5), ("db", 0.4)), [Sought("cart", "", 0.24, True), Sought("db")]),
        (incident(("cart", 0.6), ("db", 0.4)), [Sought("cart", "", 0.24, True)]),
        (
            incident(anomalies=(of("cart", high=240.0, unit="ms"),)),
            [Sought("cart", "", 0.24, False)],
        ),
        (
            incident(anomalies=(of("cart", high=0.24, labels={"operation": "GET /cart"}),)),
            [Sought("cart", "GET /cart", 0.24, False)],
        ),
        (incident(anomalies=(of("cart", kind=Kind.ERRORS),)), [Sought("cart", failed=True)]),
        (
            incident(
                ("db", 0.9), anomalies=(of("cart", high=0.24), of("db", kind=Kind.SATURATION))
            ),
            [Sought("cart", "", 0.24, False)],
        ),
        (
            incident(("db", 0.9), anomalies=(of("db", kind=Kind.RESOURCE),)),
            [Sought("db", failed=True)],
        ),
        (incident(suspects=(), anomalies=(of("cart", high=0.24),)), [Sought("cart", "", 0.24)]),
        (incident(anomalies=(of("cart", high=float("nan")),)), [Sought("cart")]),
        (incident(anomalies=(of("cart", high=3.0, unit="jobs"),)), [Sought("cart")]),
        (incident(suspects=(), anomalies=()), []),
    ],
    ids=[
        "slow and failing",
        "two suspects",
        "one that is the likelier by far",
        "milliseconds",
        "one operation",
        "failing",
        "a suspect whose spans show nothing: where it is felt",
        "nothing that spans show",
        "nobody suspected",
        "a band that is not known",
        "a latency in no unit of time",
        "nothing at all",
    ],
)
def test_what_is_wrong_with_the_likeliest_suspects_is_looked_for(case, expected):
    assert sought(case) == expected


@pytest.mark.parametrize(
    ("begun", "ended", "expected"),
    [
        (START - 900, None, Period(START - 600, START, NOW)),
        (START - 100, None, Period(START - 100, START, NOW)),
        (START - 900, START + 60, Period(START - 300, START, START + 60)),
        (START + 5, None, Period(START, START, NOW)),
        (START - 900, START - 5, Period(START - 300, START, START + 1)),
    ],
    ids=["open", "soon after the run began", "ended", "before the run", "ended before it began"],
)
def test_as_long_before_it_as_the_run_allows(begun, ended, expected):
    assert period(replace(RUN, started_at=begun), incident(ended_at=ended), NOW) == expected


def test_an_incident_of_hours_is_looked_at_where_it_began():
    found = period(RUN, incident(), START + 10 * LONGEST)
    assert (found.start, found.end) == (START, START + LONGEST)
    assert found.comparable
    assert not Period(START - 29, START, NOW).comparable
