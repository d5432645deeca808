"""Stretches of one value: what is taken once, twice, in parts, or not at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.deployment import timeline
from anomalyd.deployment.timeline import MOST_STRETCHES, Stretch, Timeline, Track
from anomalyd.model import Labels

A, B = Labels.of({"instance": "a"}), Labels.of({"instance": "b"})
VALUES = st.lists(st.sampled_from([math.nan, 0.0, 1.0, 2.0]), max_size=40)


def track(values: list[float], first: int = 0, of: Labels = A) -> Track:
    return Track(of, np.arange(first, first + len(values), dtype=float), np.array(values))


def of(values: list[float], *cuts: int) -> list[Stretch]:
    """Taken in parts that overlap by two."""
    made = Timeline()
    ends = [*sorted(cuts), len(values)]
    for begin, end in zip([0, *ends], ends, strict=False):
        first = max(0, begin - 2)
        made.take([track(values[first:end], first)], whole=False)
    return made.of(A)


@given(VALUES, st.lists(st.integers(0, 40), max_size=4))
def test_parts_that_overlap_make_the_same_stretches_as_the_whole(
    values: list[float], cuts: list[int]
) -> None:
    assert of(values, *(cut for cut in cuts if cut <= len(values))) == of(values)


@given(VALUES)
def test_stretches_say_what_the_values_were(values: list[float]) -> None:
    stretches = of(values)
    for time, value in enumerate(values):
        inside = [one.value for one in stretches if one.first <= time <= one.last]
        assert inside == ([] if math.isnan(value) else [value])


def test_a_series_that_an_answer_lacks_is_gone() -> None:
    made = Timeline()
    made.take([track([1.0]), track([1.0], of=B)], whole=True)
    made.take([track([1.0], 1)], whole=True)
    assert [stretches[-1].gone for _, stretches in made] == [False, True]
    made.take([track([1.0], 2, of=B)], whole=False)
    assert len(made.of(B)) == 2
    assert not made.of(A)[-1].gone


def test_values_taken_together_are_one_stretch_that_counts_them() -> None:
    made = Timeline(together=True)
    made.take([track([5.0, 5.0, 6.0, 7.0, 7.0, math.nan])], whole=True)
    assert made.of(A) == [Stretch(7.0, 0.0, 4.0, count=3, gone=True)]


def test_what_flaps_without_end_takes_little_room() -> None:
    made = Timeline()
    made.take([track([10.0 * n for n in range(3 * MOST_STRETCHES)])], whole=False)
    stretches = made.of(A)
    assert len(stretches) == MOST_STRETCHES
    assert stretches[0].value == 0.0
    assert stretches[-1].value == 10.0 * (3 * MOST_STRETCHES - 1)
    assert made.forgotten == 2 * MOST_STRETCHES


def test_what_only_trembles_is_forgotten_without_a_loss() -> None:
    made = Timeline()
    made.take([track([n % 2 / 10 for n in range(3 * MOST_STRETCHES)])], whole=False)
    assert (len(made.of(A)), made.forgotten) == (MOST_STRETCHES, 0)


def test_series_without_room_are_counted_once_however_often_they_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timeline, "MOST_SERIES", 1)
    made = Timeline()
    for first in range(3):
        made.take([track([1.0], first), track([1.0], first, of=B)], whole=True)
    assert (len(made), made.skipped) == (1, 1)
