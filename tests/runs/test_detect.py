"""Runs that start and stop with an expression's value."""

from __future__ import annotations

import math

import pytest

from anomalyd.runs.detect import Detection
from anomalyd.runs.life import Lifecycle, Rules

RULES = Rules(warmup=0, settle=10, max_duration=1000)
LABELLED = Rules(warmup=0, settle=10, max_duration=1000, label="testid")
TICK = 5.0


def story(values, rules=RULES, life=None):
    """What detection did at each tick: `+name`, `-name`; the time is 5 s per tick."""
    life = life or Lifecycle(rules)
    detection = Detection(life, "detected")
    told = []
    for number, value in enumerate(values):
        now = number * TICK
        life.tick(now)
        given = value if isinstance(value, dict) or value is None else {"": value}
        changes = detection.update(given, now)
        told.append(" ".join(f"{'-' if c.previous else '+'}{c.run.name}" for c in changes))
    return told


NAN = math.nan
ON, OFF = "+detected", "-detected"


@pytest.mark.parametrize(
    ("sentence", "values", "expected"),
    [
        ("above zero starts", [0, 1, 5], ["", ON, ""]),
        ("two low ticks stop", [1, 0, 0, 0], [ON, "", OFF, ""]),
        ("one low tick does not", [1, 0, 1, 0, 1], [ON, "", "", "", ""]),
        ("absence is low", [1, {}, {}], [ON, "", OFF]),
        ("NaN is low", [1, NAN, NAN], [ON, "", OFF]),
        (
            "a failed query neither starts nor stops",
            [None, 1, None, None, None],
            ["", ON, *3 * [""]],
        ),
        ("a failed query does not count as low", [1, 0, None, None, 1], [ON, *4 * [""]]),
        ("nor does it hide that it is", [1, 0, None, 0], [ON, "", "", OFF]),
        ("negative is low", [1, -1, -1], [ON, "", OFF]),
        ("the next test waits for the last to settle", [1, 0, 0, 1, 1], [ON, "", OFF, ON, ""]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_expression(sentence, values, expected):
    assert story(values) == expected, sentence


def test_a_rise_while_the_last_run_settles_starts_when_it_has():
    rules = Rules(warmup=0, settle=17, max_duration=1000)
    assert story([1, 0, 0, 1, 1, 1], rules) == [ON, "", OFF, "", "", ON]


def test_each_selector_has_its_own_run():
    values = [{"a": 1.0}, {"a": 1.0, "b": 2.0}, {"b": 2.0}, {"b": 2.0}, {"b": 0.0}, {"b": 0.0}]
    assert story(values, LABELLED) == [
        "+detected-a", "+detected-b", "", "-detected-a", "", "-detected-b",
    ]  # fmt: skip


def test_series_without_the_label_do_not_keep_the_others_from_starting():
    assert story([{"": 1.0, "a": 1.0, "b": 1.0}], LABELLED) == ["+detected-b +detected-a"]


def test_a_run_that_was_announced_covers_the_expression_until_it_is_low():
    life = Lifecycle(RULES)
    run = life.start("announced", 0.0)
    detection = Detection(life, "detected")
    assert detection.update({"": 1.0}, 5.0) == []
    life.stop(run.id, 10.0)
    life.tick(20.0)
    assert life.runs == []
    assert detection.update({"": 1.0}, 20.0) == []
    for now in (25.0, 30.0):
        detection.update({"": 0.0}, now)
    (change,) = detection.update({"": 1.0}, 35.0)
    assert change.run.origin == "detected"


def test_a_detected_run_that_was_stopped_by_hand_does_not_start_again():
    life = Lifecycle(RULES)
    detection = Detection(life, "detected")
    (change,) = detection.update({"": 1.0}, 0.0)
    life.stop(change.run.id, 5.0)
    for now in (5.0, 20.0, 25.0):
        life.tick(now)
        assert detection.update({"": 1.0}, now) == []
    assert life.runs == []


def test_an_announced_run_is_not_stopped_by_a_low_expression():
    life = Lifecycle(RULES)
    life.start("announced", 0.0)
    assert story([0, 0, 0, 0], life=life) == ["", "", "", ""]


def test_a_detected_run_goes_on_after_a_restart_and_stops_when_low():
    before = Lifecycle(RULES)
    Detection(before, "detected").update({"": 1.0}, 0.0)
    after = Lifecycle(RULES, before.runs)
    assert story([1, 1, 0, 0], life=after) == ["", "", "", OFF]


def test_a_restart_finds_the_expression_gone():
    before = Lifecycle(RULES)
    Detection(before, "detected").update({"": 1.0}, 0.0)
    assert story([{}, {}], life=Lifecycle(RULES, before.runs)) == ["", OFF]


def test_a_run_ended_when_the_expression_first_was_low():
    life = Lifecycle(RULES)
    detection = Detection(life, "detected")
    for now, value in ((0.0, 1.0), (5.0, 1.0), (10.0, 0.0)):
        detection.update({"": value}, now)
    (change,) = detection.update({"": 0.0}, 15.0)
    assert change.run.stopped_at == 10.0
    assert "fell to zero" in change.reason
