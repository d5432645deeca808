"""Which anomalies are told together, and when that is over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomalyd.explain.suspects import Graph
from anomalyd.judgement.course import Course
from anomalyd.judgement.incidents import Incidents, severity
from anomalyd.judgement.integrity import IntegrityLog
from anomalyd.model import Batch, Kind, Run, RunState, Told, Traced, TracedKey
from tests.explain.anomalies import anomaly

CALLS = {"gateway": ["cart"], "cart": ["pricing"], "billing": ["ledger"]}


def incidents(close_after: float = 60.0) -> Incidents:
    return Incidents(Graph(CALLS), close_after)


@pytest.mark.parametrize(
    ("services", "groups"),
    [
        (["gateway", "pricing"], [["gateway", "pricing"]]),
        (["gateway", "billing"], [["gateway"], ["billing"]]),
        (["gateway", "billing", "ledger", "cart"], [["cart", "gateway"], ["billing", "ledger"]]),
        (["stranger", "billing"], [["billing", "stranger"]]),
        (["billing", "gateway", "stranger"], [["billing", "stranger"], ["gateway"]]),
    ],
    ids=[
        "one component of the graph is one incident",
        "two are two",
        "each joins its own",
        "a service unknown to the graph is near all",
        "of several it joins the first",
    ],
)
def test_grouping(services, groups):
    log = incidents()
    for service in services:
        log.add("run", anomaly(service))
    found = [[a.service for a in i.anomalies] for i in log.of_run("run")]
    assert found == groups


def test_runs_share_nothing():
    log = incidents()
    one, other = log.add("a", anomaly("cart")), log.add("b", anomaly("cart"))
    assert one != other
    assert [i.id for i in log.of_run("a")] == [one]
    log.forget("a")
    assert log.of_run("a") == []
    assert [i.id for i in log.of_run("b")] == [other]


def test_an_anomaly_that_changed_replaces_itself():
    log = incidents()
    first = log.add("run", anomaly("cart", effect=0.5))
    again = log.add("run", anomaly("cart", effect=2.0))
    assert first == again
    (incident,) = log.of_run("run")
    assert [a.effect for a in incident.anomalies] == [2.0]


@pytest.mark.parametrize(("now", "closed"), [(359.0, False), (360.0, True)])
def test_it_closes_once_all_have_been_resolved_for_long_enough(now, closed):
    log = incidents()
    log.add("run", anomaly("cart", resolved_at=200.0))
    log.add("run", anomaly("gateway"))
    assert log.close_due(10_000.0) == [], "one still fires"
    incident_id = log.add("run", anomaly("gateway", resolved_at=300.0))
    assert log.close_due(now) == ([incident_id] if closed else [])
    assert log.of_run("run")[0].ended_at == (300.0 if closed else None)
    assert log.close_due(now + 1000) == ([] if closed else [incident_id]), "it closes once"


def test_what_fires_after_it_closed_opens_another():
    log = incidents()
    first = log.add("run", anomaly("cart", resolved_at=200.0))
    log.close_due(1000.0)
    second = log.add("run", anomaly("cart", since=2000.0))
    assert first != second
    assert [i.open for i in log.of_run("run")] == [False, True]


def test_what_fires_again_before_it_closed_reopens_it():
    log = incidents()
    first = log.add("run", anomaly("cart", resolved_at=200.0))
    assert log.add("run", anomaly("cart", since=210.0)) == first
    assert log.close_due(10_000.0) == []


def test_the_end_of_the_run_ends_and_resolves_what_is_open():
    log = incidents()
    log.add("run", anomaly("cart"))
    log.add("run", anomaly("gateway", resolved_at=100.0))
    closed = log.close_all("run", 500.0)
    (incident,) = log.get(closed)
    assert incident.ended_at == 500.0
    assert {a.service: a.resolved_at for a in incident.anomalies} == {
        "cart": 500.0,
        "gateway": 100.0,
    }
    assert log.close_all("run", 600.0) == []


def test_an_incident_tells_when_and_where_it_began():
    log = incidents()
    log.add("run", anomaly("gateway", since=90.0))
    log.add("run", anomaly("pricing", Kind.RESOURCE, since=30.0))
    (incident,) = log.of_run("run")
    assert incident.started_at == 30.0
    assert incident.suspects[0].service == "pricing"
    assert incident.summary.startswith("pricing: memory")
    assert [a.service for a in incident.anomalies] == ["pricing", "gateway"], "by onset"


def test_ids_are_the_same_for_the_same_opening_and_differ_otherwise():
    def first_id(run, found):
        return incidents().add(run, found)

    same = {first_id("run", anomaly("cart")) for _ in range(2)}
    other = {
        first_id("other", anomaly("cart")),
        first_id("run", anomaly("pricing")),
        first_id("run", anomaly("cart", since=30.0)),
    }
    assert len(same) == 1
    assert len(same | other) == 4


def test_restored_incidents_are_taken_up():
    log = incidents()
    log.add("run", anomaly("cart"))
    log.add("run", anomaly("billing", resolved_at=100.0))
    log.close_due(1000.0)
    again = incidents()
    again.restore(log.of_run("run"))
    assert again.of_run("run") == log.of_run("run")
    assert again.add("run", anomaly("gateway")) == log.of_run("run")[0].id


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([anomaly("cart", effect=0.9)], "warning"),
        ([anomaly("cart", effect=1.0)], "critical"),
        ([anomaly("cart", Kind.ERRORS, effect=0.04)], "warning"),
        ([anomaly("cart", Kind.ERRORS, effect=0.05)], "critical"),
        ([anomaly("cart", Kind.RESOURCE, effect=50.0)], "warning"),
        ([anomaly("cart", effect=float("nan"))], "warning"),
        ([anomaly("cart", Kind.RESOURCE, effect=float("nan"), gone=True)], "critical"),
        ([anomaly("cart", effect=0.1), anomaly("cart", Kind.ERRORS, effect=0.5)], "critical"),
    ],
)
def test_severity_is_how_badly_callers_feel_it(found, expected):
    assert severity(found) == expected
    assert severity([replace(a, resolved_at=1.0) for a in found]) == expected


def test_what_traces_tell_of_a_window_of_the_run_s_active_part_ranks_its_incidents():
    run = Run("run", "nightly", RunState.ACTIVE, 0.0, active_at=60.0)
    log, course = incidents(), Course(run, IntegrityLog(30.0))
    key = TracedKey(Told.OWN_TIME, "gateway")

    def told(number: int, seconds: float) -> list[str]:
        time = 30.0 * number
        traced = Traced(time - 15.0, (key,), np.array([seconds]), np.array([40.0]))
        nothing = np.zeros(0)
        batch = Batch(time, np.zeros(0, np.intp), nothing, nothing, frozenset(), (), traced)
        return log.hear([course], batch, 30.0)

    for number in range(1, 20):
        assert told(number, 5.0 if number < 4 else 0.010) == []
    for service in ("gateway", "cart"):
        log.add("run", anomaly(service, since=570.0))
    [before] = log.of_run("run")
    assert [one.service for one in before.suspects] == ["cart"]
    assert told(20, 1.010) == [before.id]
    [after] = log.of_run("run")
    assert [one.service for one in after.suspects] == ["gateway", "cart"]
    assert after.suspects[0].reason.startswith("own time 101 times")
    assert told(21, 1.010) == []
    again = incidents()
    again.witnesses = log.witnesses
    again.restore([after])
    assert again.of_run("run") == [after]
    log.forget("run")
    assert log.witnesses == {}
