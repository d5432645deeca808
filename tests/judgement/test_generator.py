"""Whether there was a load test at all, by courses of the load."""

from __future__ import annotations

import numpy as np
import pytest

from anomalyd.judgement.generator import MOST_IDLE, breakdown
from anomalyd.judgement.record import Record

WINDOW, LOAD = 15.0, 40.0
NAN = float("nan")


def course(*stretches: tuple[int, float]) -> Record:
    """Loads held for so many windows each."""
    record = Record()
    loads = [load for windows, load in stretches for _ in range(windows)]
    for t, load in enumerate(loads):
        record.add((t + 1) * WINDOW, load, np.zeros(0), np.zeros(0))
        record.judged.append(True)
    return record


@pytest.mark.parametrize(
    "stretches",
    [
        [(100, LOAD)],
        [(100, LOAD), (int(100 * MOST_IDLE) - 10, 0.0)],  # it ended a little early
        [(20, LOAD / 4), (20, LOAD / 2), (20, LOAD)],  # steps
        [(90, LOAD), (5, 10 * LOAD), (20, LOAD)],  # a spike does not make the rest idle
        [(40, LOAD), (60, NAN)],  # what is not known is not held against it
        [(100, NAN)],
        [],
    ],
)
def test_a_test_that_took_place(stretches):
    assert breakdown(course(*stretches), 0.0, WINDOW) is None


def test_a_generator_that_stopped_is_told_with_since_when():
    found = breakdown(course((40, LOAD), (60, 0.0)), 0.0, WINDOW)
    assert (found.kind, found.where, found.breaks_run) == ("no-load", "load", True)
    assert (found.start, found.end) == (40 * WINDOW, 100 * WINDOW)
    assert "all but ceased for 15m" in found.detail


def test_one_that_stalls_again_and_again_is_told():
    stalling = course(*[(4, LOAD), (6, 0.0)] * 10)
    assert breakdown(stalling, 0.0, WINDOW) is not None


@pytest.mark.parametrize("load", [0.0, -1.0])
def test_one_that_never_started_is_told(load):
    assert breakdown(course((50, load)), 0.0, WINDOW).detail == "no load was seen at the entry"


def test_the_warm_up_is_not_held_against_it():
    slow = course((60, 0.0), (60, LOAD))
    assert breakdown(slow, 0.0, WINDOW) is not None
    assert breakdown(slow, 60 * WINDOW, WINDOW) is None


@pytest.mark.parametrize(("load", "told"), [(0.5, True), (3.0, False)])
def test_a_load_that_hardly_came_is_told_by_what_is_known_from_before(load, told):
    found = breakdown(course((40, load)), 0.0, WINDOW, least=50.0)
    assert (found is not None) == told
    if found is not None:
        assert "0.5 req/s at the most" in found.detail
        assert "50" in found.detail
