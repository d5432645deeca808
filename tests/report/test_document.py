"""The JSON document keeps to its schema, says the same for the same run, and survives a file."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.model import Coverage, Kind, Labels, Outcome, Verdict
from anomalyd.report.document import ReportError, SeriesPlot, document, encode, read
from tests.report import samples

SCHEMA = json.loads(files("anomalyd.report").joinpath("schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
EMPTY = Verdict("r", Outcome.INVALID, (), "none", 0.01, Coverage(0, 0, 0, 0, (), ()))


def test_the_schema_is_itself_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", samples.ALL)
def test_every_sample_keeps_to_the_schema(name):
    VALIDATOR.validate(samples.ALL[name]())


def test_a_run_without_anything_keeps_to_the_schema():
    bare = replace(samples.run(), active_at=None, stopped_at=None, finished_at=None)
    built = samples.build(EMPTY, run=bare)
    VALIDATOR.validate(built)
    assert built["run"]["duration_seconds"] is None
    assert built["coverage"]["ratio"] == 0.0


def test_the_schema_refuses_an_unknown_property():
    broken = samples.passing() | {"more": 1}
    with pytest.raises(jsonschema.ValidationError, match="more"):
        VALIDATOR.validate(broken)


def test_equal_runs_give_equal_text():
    assert encode(samples.failing()) == encode(samples.failing())


def test_what_is_not_a_number_is_null():
    found = samples.finding("cart", observed=math.nan, effect=math.inf, low=-math.inf)
    entry = samples.build(replace(EMPTY, findings=(found,)))["findings"][0]
    assert (entry["observed"], entry["effect"], entry["low"]) == (None, None, None)
    assert "NaN" not in encode(samples.build(replace(EMPTY, findings=(found,))))


def test_times_are_said_twice_and_agree():
    assert samples.passing()["run"]["started_at"] == {
        "rfc3339": "2026-03-02T14:00:00.000Z",
        "unix": samples.START,
    }


def test_deciding_findings_come_first_the_strongest_first():
    states = [(f["state"], f["series"]) for f in samples.failing()["findings"][:5]]
    assert [state for state, _ in states] == ["fired"] * 4 + ["missing"]
    assert states[0][1] == 'cpu{service="cart-db"}'


def test_plots_take_arrays_and_keep_six_digits():
    ones = np.array([1.23456789, np.nan])
    plot = SeriesPlot("x", "s", "latency", np.array([1.23456, 2.0]), ones, ones, ones, ones)
    entry = samples.build(EMPTY, [plot])["series"][0]
    assert entry["times"] == [1.235, 2.0]
    assert entry["observed"] == [1.23457, None]


@given(name=st.text(st.characters()), value=st.text(st.characters()))
def test_any_label_survives_the_way_through_a_file(tmp_path_factory, name, value):
    found = samples.finding("cart", kind=Kind.OTHER, labels=Labels.of({name: value}))
    built = document(
        samples.run(),
        replace(EMPTY, findings=(found,)),
        (),
        config_digest="",
        version="",
        edges={name: (value,)},
    )
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(encode(built), "utf-8")
    assert read(path) == built


def test_lone_surrogates_do_not_reach_a_file():
    encode(samples.build(EMPTY, run=samples.run("a\ud800b"))).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "its schema is None"),
        ('{"schema": "anomalyd.report/9"}', "'anomalyd.report/9'; this version reads"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_report_is_refused_in_one_sentence(tmp_path, text, said):
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text, "utf-8")
    with pytest.raises(ReportError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
