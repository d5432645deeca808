"""A baseline and the difference of two, as people read them."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from anomalyd.baseline.profile import Baseline
from anomalyd.baseline.show import diff, render, render_diff, show
from anomalyd.model import Kind
from tests.baseline.worlds import daily_load, fitted


def world(seed=0, factor=1.0, window=60.0, sd=0.1, load_factor=1.0):
    rng = np.random.default_rng(seed)
    load = daily_load(600, rng)
    values = 0.1 * np.exp(sd * rng.normal(size=(3, 600)))
    values[1] *= factor
    return fitted(values, load * load_factor, window=window)


def errors(rate):
    rng = np.random.default_rng(1)
    load = daily_load(600, rng)
    counts = np.full((1, 600), 1000.0)
    return fitted(rng.binomial(1000, rate, (1, 600)) / 1000, load, kind=Kind.ERRORS, counts=counts)


def test_a_baseline_says_its_range_series_and_bands_and_is_json():
    shown = json.loads(json.dumps(show(world()), allow_nan=False))
    assert shown["signals"] == {"s": 3}
    assert shown["windows"] == 600
    times = [shown[name] for name in ("start", "end", "created_at")]
    assert [time[:19] for time in times] == [
        "1970-01-01T00:00:00",
        "1970-01-01T09:59:00",
        "1970-01-01T00:00:00",
    ]
    line = shown["series"][0]
    assert line["series"] == 's{service="0"}'
    for place in ("low", "mid", "high"):
        assert line[place]["low"] < 0.1 < line[place]["high"]
        assert line[place]["center"] == pytest.approx(0.1, rel=0.06)
        assert line[place]["rate"] is None
    assert line["low"]["load"] < line["mid"]["load"] < line["high"]["load"]


def test_the_text_has_a_head_and_a_line_per_series():
    baseline = world()
    meta = baseline.meta | {"thin": ["rare{}"], "source": {"production": "Prometheus 2.42"}}
    text = render(show(Baseline(baseline.profiles, meta)))
    assert "1970-01-01T00:00:00Z to 1970-01-01T09:59:00Z, 600 windows of 1m every 1m" in text
    assert "too few values: 1, as rare{}" in text
    assert "source    production Prometheus 2.42" in text
    assert sum(line.startswith("s{service=") for line in text.splitlines()) == 3


def test_an_error_ratio_shows_its_rate_rather_than_its_median():
    found = show(errors(0.02))["series"][0]["mid"]
    assert found["rate"] == pytest.approx(0.02, rel=0.1)
    assert "2.0" in render(show(errors(0.02))).splitlines()[-1]


@pytest.mark.parametrize(
    ("load", "sentence"),
    [(np.nan, "not known; every series"), (20.0, "20 to 20 per second and unit of capacity, too")],
)
def test_a_load_that_conditions_nothing_is_said(load, sentence):
    shown = show(fitted(np.ones((1, 60)), np.full(60, load)))
    assert sentence in render(shown)
    assert (shown["series"][0]["mid"]["load"] is None) == bool(np.isnan(load))


def test_a_baseline_does_not_differ_from_itself_nor_from_a_repetition():
    assert render_diff(diff(world(), world())) == "no difference that matters"
    assert diff(world(seed=0), world(seed=1))["shifted"] == []


def test_a_series_that_moved_is_named_with_its_size():
    found = diff(world(), world(seed=1, factor=1.3))
    assert [line["series"] for line in found["shifted"]] == ['s{service="1"}']
    assert found["shifted"][0]["change"] == pytest.approx(0.3, abs=0.06)
    assert render_diff(found).startswith('~ s{service="1"}: 0.')
    assert diff(world(), world(seed=1, factor=1.3), tolerate=0.5)["shifted"] == []


def test_a_change_of_an_error_rate_is_told_in_points():
    found = diff(errors(0.01), errors(0.03))
    assert found["shifted"][0]["change"] == pytest.approx(0.02, abs=0.004)
    assert "pp)" in render_diff(found)
    assert diff(errors(0.010), errors(0.012))["shifted"] == []


def test_series_that_came_and_went_are_listed():
    before = world()
    keys = ("t{}", *before.profiles.keys[1:])
    after = Baseline(dataclasses.replace(before.profiles, keys=keys), before.meta)
    found = diff(before, after)
    assert (found["added"], found["removed"]) == (["t{}"], ['s{service="0"}'])
    assert render_diff(found).splitlines() == ["+ t{}", '- s{service="0"}']


def test_noise_that_doubled_is_told():
    found = diff(world(), world(seed=1, sd=0.2))
    assert len(found["noise"]) == 3
    assert found["noise"][0]["factor"] == pytest.approx(2.0, abs=0.5)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [({"window": 30.0}, "windows of 1m and of 30s"), ({"load_factor": 100.0}, "no load was seen")],
)
def test_what_cannot_be_compared_is_said(other, sentence):
    assert sentence in render_diff(diff(world(), world(**other)))
