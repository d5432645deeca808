from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.model import Change, Finding, Integrity, Kind, Labels, Phase, State
from anomalyd.sinks.base import (
    IncidentChanged,
    Notice,
    RunFinished,
    RunStarted,
)
from anomalyd.sinks.payload import FINDINGS, payload, plain
from tests.sinks.examples import NOW, a_run, a_verdict, an_anomaly, an_incident, finished


def a_finding(number: int, state: str = "ok") -> Finding:
    labels = Labels.of({"service": f"s{number}"})
    return Finding("latency_p95", labels, f"s{number}", Kind.LATENCY, "s", state, pass_at=0.3)


def test_the_documented_shape_of_a_run() -> None:
    run = replace(a_run(), labels=Labels.of({"branch": "main"}), notes=("a note",))
    assert payload(RunStarted(run)) == {
        "version": 1,
        "type": "run.started",
        "run": {
            "id": "r1",
            "name": "checkout r1",
            "state": "active",
            "started_at": NOW - 600,
            "started_at_rfc3339": "2026-09-21T14:03:20.000Z",
            "origin": "api",
            "selector": "",
            "labels": {"branch": "main"},
            "active_at": None,
            "active_at_rfc3339": None,
            "stopped_at": None,
            "stopped_at_rfc3339": None,
            "finished_at": None,
            "finished_at_rfc3339": None,
            "notes": ["a note"],
        },
    }


@pytest.mark.parametrize(
    ("notice", "kind"),
    [
        (IncidentChanged(a_run(), an_incident()), "incident.changed"),
        (IncidentChanged(a_run(), an_incident(ended=NOW)), "incident.closed"),
    ],
)
def test_the_documented_shape_of_an_incident(notice: Notice, kind: str) -> None:
    body = payload(notice)
    assert set(body) == {"version", "type", "run", "incident"}
    assert body["type"] == kind
    incident = body["incident"]
    assert incident["open"] is (kind != "incident.closed")
    assert incident["suspects"][0] == {
        "service": "cart",
        "score": 0.62,
        "reason": "first to deviate",
    }
    anomaly = incident["anomalies"][0]
    assert anomaly["series"] == 'latency_p95{service="cart"}'
    assert anomaly["labels"] == {"service": "cart"}
    assert anomaly["kind"] == "latency"
    assert anomaly["fired_at_rfc3339"] == "2026-09-21T14:11:30.000Z"


def test_the_documented_shape_of_a_verdict() -> None:
    gap = Integrity("gap", "checkout", NOW - 60, NOW, "no samples")
    verdict = replace(
        a_verdict(),
        findings=(a_finding(1), a_finding(2, "fired")),
        integrity=(gap,),
        phases=(Phase("steady", NOW - 60, NOW),),
    )
    body = payload(RunFinished(finished(a_run()), verdict))["verdict"]
    assert (body["outcome"], body["exit_code"], body["shadow"]) == ("fail", 1, False)
    assert body["coverage"]["ratio"] == 0.9
    assert [finding["state"] for finding in body["findings"]] == ["fired", "ok"]
    assert body["findings_total"] == 2
    assert body["findings"][0]["observed"] is None
    assert body["findings"][0]["pass_at"] == 0.3
    assert "pass_at_rfc3339" not in body["findings"][0]
    assert body["phases"][0]["end_rfc3339"] == "2026-09-21T14:13:20.000Z"
    assert body["integrity"][0]["start"] == NOW - 60


def test_a_verdict_of_many_findings_keeps_those_that_matter() -> None:
    findings = tuple(a_finding(number, "ok" if number < 500 else "weak") for number in range(550))
    verdict = replace(a_verdict(), findings=findings)
    body = payload(RunFinished(finished(a_run()), verdict))["verdict"]
    assert body["findings_total"] == 550
    assert len(body["findings"]) == FINDINGS
    assert [finding["state"] for finding in body["findings"]] == ["weak"] * 50 + ["ok"] * 50


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        (-math.inf, None),
        (np.float64(1.5), 1.5),
        (np.float32("nan"), None),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (State.FIRING, "firing"),
        (Kind.ERRORS, "errors"),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({"x": (math.nan,)}, {"x": [None]}),
        (Labels.of({"a": "b"}), {"a": "b"}),
        (Change(relative=0.5), {"relative": 0.5, "absolute": 0.0}),
    ],
)
def test_values_become_plain(value: Any, expected: Any) -> None:
    assert plain(value) == expected


NUMBERS = st.floats(width=64)


@given(NUMBERS, NUMBERS, st.dictionaries(st.text(), st.text()))
def test_any_anomaly_is_strict_json(observed: float, low: float, labels: dict[str, str]) -> None:
    anomaly = replace(an_anomaly(observed=observed), low=low, labels=Labels.of(labels))
    text = json.dumps(plain(anomaly), allow_nan=False)
    back = json.loads(text)
    assert back["observed"] == (observed if math.isfinite(observed) else None)
    assert back["labels"] == {name: value for name, value in labels.items() if value}
