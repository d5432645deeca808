"""A counter in a loop, and the table of what is an absence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from anomalyd.detectors.absence import LONE_PATIENCE, PATIENCE, Absence
from tests.detectors.naive import AbsenceTwin, compare
from tests.detectors.windows import streams, window


@settings(max_examples=40)
@given(steps=streams(windows=36))
def test_it_is_its_slow_twin(steps):
    compare(Absence(), AbsenceTwin, steps)


NAN = float("nan")
FEW, MANY = int(PATIENCE), int(LONE_PATIENCE)


def run(values, **arrays):
    detector, everyone = Absence(), np.ones(1, dtype=bool)
    detector.resize(1)
    scores = []
    for t, value in enumerate(values):
        context = window(1, t, value=value, **arrays)
        scores.append(detector.score(context)[0])
        detector.learn(context, everyone)
    return scores


@pytest.mark.parametrize(
    ("values", "arrays", "expected"),
    [
        ([1] + [NAN] * (FEW - 1), {}, 0),  # a scrape that failed
        ([1] + [NAN] * FEW, {}, 1),
        ([1] + 2 * ([NAN] * (FEW - 1) + [1]), {}, 0),  # it came back
        ([1] + [NAN] * (MANY - 1), {"lone": True}, 0),  # others of its service go on
        ([1] + [NAN] * MANY, {"lone": True}, 1),
        ([NAN] * 8, {}, 0),  # never seen in this run: missing, which is told otherwise
        ([NAN] * FEW, {"shown": True}, 1),  # accepted runs had it
        ([1] + [NAN] * 8, {"usual": False}, 0),  # production does without it too
        ([1] + [NAN] * 5, {"gap": 2.5}, 0),  # production's gaps are up to 2.5 windows
        ([1] + [NAN] * 6, {"gap": 2.5}, 1),
    ],
)
def test_so_it_stands_after(values, arrays, expected):
    assert run(values, **arrays)[-1] == expected


def test_windows_that_were_not_answered_do_not_count():
    detector, everyone = Absence(), np.ones(1, dtype=bool)
    detector.resize(1)
    detector.learn(window(1, 0), everyone)
    for t in range(1, 9):
        context = window(1, t, value=NAN, answered=False)
        assert np.isnan(detector.score(context)).all()
        detector.learn(context, everyone)
    assert detector.score(window(1, 9, value=NAN))[0] == 0


def test_a_rate_that_fell_to_nothing_is_gone_though_it_has_a_value_and_others_go_on():
    detector, everyone = Absence(), np.ones(1, dtype=bool)
    detector.resize(1)
    detector.learn(window(1, 0), everyone)
    found = []
    for t in range(1, FEW + 1):
        context = window(1, t, value=0.0, ceased=True, lone=True, answered=False)
        found.append(detector.score(context)[0])
        detector.learn(context, everyone)
    assert found == [0] * (FEW - 1) + [1]
    assert detector.score(window(1, FEW + 1))[0] == 0


def test_it_holds_until_the_row_is_back():
    silent = [NAN] * (FEW + 1)
    assert run([1, *silent, 1]) == [0] * FEW + [1, 1, 0]
