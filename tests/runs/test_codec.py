"""Every model dataclass survives JSON; what does not fit is named by its place."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings

from anomalyd import codec, model
from tests.runs import strategies


def same(one: object, other: object) -> bool:
    """Equality in which NaN equals NaN: floats are compared by their text."""
    return repr(one) == repr(other)


@settings(max_examples=60, deadline=None)
@given(strategies.runs)
def test_a_run_survives_json(run):
    assert same(codec.loads(model.Run, codec.dumps(run)), run)


@settings(max_examples=60, deadline=None)
@given(strategies.incidents)
def test_an_incident_survives_json(incident):
    assert same(codec.loads(model.Incident, codec.dumps(incident)), incident)


@settings(max_examples=40, deadline=None)
@given(strategies.verdicts)
def test_a_verdict_survives_json(verdict):
    assert same(codec.loads(model.Verdict, codec.dumps(verdict)), verdict)


@settings(max_examples=60, deadline=None)
@given(strategies.signals)
def test_a_signal_survives_json_with_its_own_kind_of_definition(signal):
    again = codec.loads(model.Signal, codec.dumps(signal))
    assert same(again, signal)
    assert type(again.definition) is type(signal.definition)


@settings(max_examples=30, deadline=None)
@given(strategies.verdicts)
def test_what_is_written_is_json_in_the_strict_sense(verdict):
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    json.loads(codec.dumps(verdict), parse_constant=refuse)


def test_nan_is_null_and_infinities_are_prometheus_words():
    phase = model.Phase("steady", math.nan, -math.inf)
    plain = codec.to_dict(phase)
    assert plain == {"kind": "steady", "start": None, "end": "-Inf"}
    assert same(codec.from_dict(model.Phase, plain), phase)


def test_labels_are_an_object():
    run = model.Run(
        "r1", "nightly", model.RunState.ACTIVE, 10.0, labels=model.Labels.of({"team": "shop"})
    )
    plain = codec.to_dict(run)
    assert plain["labels"] == {"team": "shop"}
    assert plain["state"] == "active"
    assert plain["notes"] == []


def test_unknown_keys_are_ignored_and_absent_ones_take_their_default():
    plain = {"id": "r1", "name": "n", "state": "warmup", "started_at": 1, "colour": "red"}
    run = codec.from_dict(model.Run, plain)
    assert run == model.Run("r1", "n", model.RunState.WARMUP, 1.0)


COVERAGE = {
    "production_series": 1,
    "matched": 1,
    "judged": 1,
    "powered": 1,
    "missing": [],
    "unmatched": [],
}


@pytest.mark.parametrize(
    ("kind", "plain", "sentence"),
    [
        (model.Phase, {"kind": "steady", "start": 1}, "end: is required"),
        (model.Phase, {"kind": 5, "start": 1, "end": 2}, "kind: 5 is not text"),
        (model.Phase, {"kind": "x", "start": True, "end": 2}, "start: True is not a number"),
        (model.Phase, {"kind": "x", "start": "soon", "end": 2}, "start: 'soon' is not a number"),
        (model.Phase, [], "[] is not an object"),
        (model.Coverage, COVERAGE | {"matched": 1.5}, "matched: 1.5 is not a whole number"),
        (model.Coverage, COVERAGE | {"missing": ["a", 3]}, "missing.1: 3 is not text"),
        (model.Coverage, COVERAGE | {"missing": "a"}, "missing: 'a' is not an array"),
        (
            model.Run,
            {"id": "a", "name": "b", "state": "lost", "started_at": 1},
            "state: 'lost' is not one of warmup, active, settling, finished",
        ),
        (
            model.Run,
            {"id": "a", "name": "b", "state": "active", "started_at": 1, "labels": {"a": 1}},
            "labels: {'a': 1} is not an object of label names and values",
        ),
        (
            model.Signal,
            {"name": "a", "kind": "other", "definition": {"shape": "round"}},
            "definition: {'shape': 'round'} is none of "
            "HistogramQuantile, Ratio, Rate, Gauge, PromQL, SpanMetric",
        ),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(kind, plain, sentence):
    with pytest.raises(codec.CodecError) as error:
        codec.from_dict(kind, plain)
    assert str(error.value) == sentence


def test_text_that_is_not_json_is_an_error_of_the_codec():
    with pytest.raises(codec.CodecError, match="not JSON"):
        codec.loads(model.Run, "{")


def test_arrays_do_not_travel():
    samples = model.Samples(np.zeros(1, np.intp), np.zeros(1), np.zeros(1))
    with pytest.raises(TypeError, match="has no JSON form"):
        codec.to_dict(samples)


def test_only_dataclasses_are_encoded():
    with pytest.raises(TypeError, match="int is not a dataclass"):
        codec.to_dict(3)
