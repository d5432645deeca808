"""What outranks what, and what is never a pass."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from anomalyd.judgement.findings import coverage_of
from anomalyd.judgement.seen import effect_of
from anomalyd.judgement.silences import Silence
from anomalyd.judgement.verdict import _unseen
from anomalyd.model import Change, Finding, Kind, Labels, Outcome, PromQL, Signal
from tests.judgement.world import Fault, Stage

FAULT = (Fault("errors", "cart", at=2, size=0.5),)


def stage_of(*, fails=False, breaks=False, doubtful=False, baseline=True) -> Stage:
    """A run of 40 windows with any of: a fault, telemetry that dies at window 12, a service that
    never reported."""
    given = {} if baseline else {"baseline": None}
    stage = Stage(faults=FAULT if fails else (), **given)
    if doubtful:
        for series in [s for s in stage.values if s[1] == "pricing"]:
            del stage.values[series]
    if breaks:
        stage.loads[12:] = np.nan
        for values in stage.values.values():
            values[12:] = np.nan
    return stage.play()


@pytest.mark.parametrize(
    ("given", "outcome", "code"),
    [
        ({}, Outcome.PASS, 0),
        ({"doubtful": True}, Outcome.INCONCLUSIVE, 3),
        ({"breaks": True}, Outcome.INVALID, 4),
        ({"breaks": True, "doubtful": True}, Outcome.INVALID, 4),
        ({"breaks": True, "baseline": False}, Outcome.INVALID, 4),
        ({"fails": True}, Outcome.FAIL, 1),
        ({"fails": True, "doubtful": True}, Outcome.FAIL, 1),
        ({"fails": True, "breaks": True}, Outcome.FAIL, 1),
        ({"fails": True, "baseline": False}, Outcome.INCONCLUSIVE, 3),
    ],
)
def test_precedence(given, outcome, code):
    verdict = stage_of(**given).verdict()
    assert (verdict.outcome, verdict.exit_code) == (outcome, code)
    assert verdict.reasons
    assert all(verdict.reasons)


def test_the_strongest_reasons_come_first_and_are_few():
    faults = [Fault("errors", s, at=5, size=0.3) for s in ("gateway", "cart", "inventory")]
    faults += [Fault("cpu", s, at=5, size=3.0) for s in ("gateway", "cart", "inventory")]
    faults += [Fault("latency", s, at=5, size=3.0) for s in ("gateway", "cart", "inventory")]
    verdict = Stage(faults=faults).play().verdict()
    fired = sorted((f for f in verdict.findings if f.state == "fired"), key=lambda f: -f.evidence)
    assert len(fired) == 9
    assert len(verdict.reasons) == 8
    for text, finding in zip(verdict.reasons, fired, strict=False):
        assert text.startswith(finding.series)


def test_everything_silenced_is_no_pass():
    stage = Stage()
    stage.pipeline.silences = (Silence(".*", (), "no time", 1e12),)
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert len(verdict.coverage.silenced) == 20


def test_a_signal_that_was_silenced_for_a_while_may_fire_once_the_silence_is_over():
    stage = Stage(faults=[Fault("errors", "cart", at=10, size=0.3)])
    stage.pipeline.silences = (Silence("error.*", (), "migration", 20 * 30.0),)
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.FAIL
    (incident,) = verdict.incidents
    assert incident.anomalies[0].fired_at == 20 * 30.0


def test_verdicts_name_the_query_and_the_phases():
    verdict = stage_of().verdict()
    assert [p.kind for p in verdict.phases] == ["steady"]
    assert verdict.reference == "production"
    assert verdict.budget == 0.01


@pytest.mark.parametrize(
    ("tolerate", "observed", "expected", "effect"),
    [
        (Change(relative=0.05), 3.0, 2.0, 0.5),
        (Change(absolute=0.005), 0.06, 0.01, 0.05),
        (Change(relative=0.05), 3.0, 0.0, float("nan")),
    ],
)
def test_effects_are_on_the_scale_that_people_use(tolerate, observed, expected, effect):
    signal = Signal("x", Kind.OTHER, PromQL("x"), tolerate=tolerate)
    assert effect_of(signal, observed, expected) == pytest.approx(effect, nan_ok=True)


def finding(state: str, service: str = "a", windows: int = 10) -> Finding:
    labels = Labels.of({"service": service})
    return Finding("s", labels, service, Kind.OTHER, "", state, windows=windows)


@pytest.mark.parametrize(
    ("states", "series", "matched", "judged", "powered"),
    [
        ([("ok", 10)] * 4, 4, 4, 4, 4),
        ([("ok", 10), ("weak", 10)], 2, 2, 2, 1),
        ([("ok", 10), ("missing", 0)], 2, 1, 1, 1),
        ([("ok", 10), ("unmatched", 0), ("silenced", 10)], 1, 1, 1, 1),
        ([("fired", 0), ("weak", 0)], 2, 2, 1, 1),
        ([], 0, 0, 0, 0),
    ],
)
def test_coverage_counts_series_of_production(states, series, matched, judged, powered):
    found = coverage_of([finding(state, f"s{i}", w) for i, (state, w) in enumerate(states)])
    counts = (found.production_series, found.matched, found.judged, found.powered)
    assert counts == (series, matched, judged, powered)
    assert found.ratio == (powered / series if series else 0.0)


@pytest.mark.parametrize(
    ("mde", "ratio"), [(0.8, 0.75), (2.0, 0.625), (math.inf, 0.5), (math.nan, 0.5)]
)
def test_what_could_have_shown_larger_changes_only_covers_in_part(mde, ratio):
    weak = replace(finding("weak"), mde=mde, detect=0.5)
    assert coverage_of([finding("ok", "b"), weak]).ratio == pytest.approx(ratio)
    assert coverage_of([finding("ok", "b"), replace(weak, note="off")]).ratio == 0.5
    assert coverage_of([weak]).ratio == 0.0, "nothing was seen whole"


@pytest.mark.parametrize(
    ("states", "kind", "missed"),
    [
        ({"request_rate": "ok"}, Kind.LATENCY, True),
        ({"request_rate": "sparse"}, Kind.LATENCY, False),
        ({"request_rate": "sparse"}, Kind.ERRORS, False),
        ({"request_rate": "sparse"}, Kind.RESOURCE, True),
    ],
)
def test_what_comes_with_requests_is_not_missed_of_a_service_that_has_few(states, kind, missed):
    labels = Labels.of({"service": "cart"})
    rates = [
        Finding(name, labels, "cart", Kind.TRAFFIC, "", s, windows=100)
        for name, s in states.items()
    ]
    hardly = Finding("x", labels, "cart", kind, "", "ok", windows=10)
    assert bool(_unseen([*rates, hardly], 100)) == missed
