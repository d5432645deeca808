"""Recorded outcomes make a chance of the number, causally, and only once there are enough."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.model import Risk
from anomalyd.risk.calibration import Enough, at, blocks, calibrated, enough, shares
from anomalyd.risk.wording import standing
from tests.risk.outcomes import outcome, outcomes, overstated

NEEDED = Enough(4, 1)
LATER = 1e9
some = st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1, max_size=40)


def isotonic(scores: list[float], values: list[float]) -> list[float]:
    """The slow, obvious twin: max over starts of min over ends of the mean between (Barlow)."""
    pairs = sorted(zip(scores, values, strict=True))
    names = sorted(set(scores))

    def mean(low: float, high: float) -> float:
        inside = [value for score, value in pairs if low <= score <= high]
        return sum(inside) / len(inside)

    return [
        max(min(mean(low, high) for high in names if high >= s) for low in names if low <= s)
        for s in names
    ]


@given(some)
def test_the_blocks_are_those_of_isotonic_regression(pairs):
    found = blocks(outcomes(pairs))
    names = sorted({score for score, _ in pairs})
    wanted = isotonic([s for s, _ in pairs], [float(had) for _, had in pairs])
    assert [at(found, name).share for name in names] == pytest.approx(wanted)
    assert shares(found, np.array(names)).tolist() == pytest.approx(wanted)
    assert sum(block.count for block in found) == len(pairs)
    assert sum(block.incidents for block in found) == sum(had for _, had in pairs)


@given(some, st.floats(0, 100), st.floats(0, 100))
def test_a_higher_score_never_has_a_lower_chance(pairs, one, other):
    found = blocks(outcomes(pairs))
    low, high = sorted((one, other))
    assert at(found, low).share <= at(found, high).share


def test_a_number_that_overstates_comes_down():
    found = calibrated(Risk(90.0, ()), overstated(2000), LATER, Enough())
    assert found.calibrated
    assert found.low < 30 < found.high
    assert 20 < found.calibrated_score < 40
    assert (found.score, found.shown) == (90.0, found.calibrated_score)


PAIRS = [(10.0, False), (20.0, False), (80.0, True), (90.0, True)]


def test_only_what_was_recorded_before_the_run_counts():
    known = outcomes(PAIRS)
    assert calibrated(Risk(85.0, ()), known, 1004.0, NEEDED).calibrated
    early = calibrated(Risk(85.0, ()), known, 1003.0, NEEDED)
    assert (early.calibrated, early.outcomes, early.incidents) == (False, 3, 1)
    assert math.isnan(early.calibrated_score)
    assert early.shown == 85.0


@pytest.mark.parametrize(
    ("incidents", "clean", "suffices"),
    [(5, 25, True), (25, 5, True), (4, 30, False), (30, 4, False), (5, 24, False), (0, 0, False)],
)
def test_enough_are_thirty_in_all_and_five_of_each(incidents, clean, suffices):
    known = [outcome(50, True)] * incidents + [outcome(50, False)] * clean
    assert enough(known, Enough()) is suffices


def said(known, score: float = 50.0) -> str:
    return standing(calibrated(Risk(score, ()), known, LATER, Enough()))


def test_it_says_how_far_to_believe_it():
    four = outcomes(PAIRS)
    assert said(four) == "uncalibrated: 4 of 30 outcomes recorded"
    many = [outcome(50, True)] * 2 + [outcome(50, False)] * 40
    assert said(many) == "uncalibrated: 42 of 30 outcomes recorded, 2 of 5 of them incident"
    assert standing(Risk(50.0, ())) == "uncalibrated"
    enough_of_both = [outcome(50, True)] * 10 + [outcome(50, False)] * 30
    assert said(enough_of_both) == (
        "calibrated by 40 outcomes: of 40 releases like it 25% had an incident (95% interval "
        "14% to 40%); 50 before that"
    )
