"""Which values nobody took anew, window by window."""

from __future__ import annotations

import numpy as np
import pytest

from anomalyd.judgement.still import LIVELY, Still

NAN = float("nan")
LIVE = [0.1 + 0.01 * k for k in range(LIVELY)]


def told(values: list[float], calm: bool = True) -> list[bool]:
    still, found = Still(), []
    still.resize(1)
    for value in values:
        found.append(bool(still.step(np.array([value]))[0]))
        still.learn(np.array([calm]))
    return found


@pytest.mark.parametrize(
    ("after", "stands"),
    [
        ([0.5, 0.5, 0.5, 0.6], [False, True, True, False]),
        ([0.5, NAN, 0.5, 0.6], [False, False, True, False]),  # a gap takes no sample either
        ([0.0, 0.0, 0.0], [False] * 3),  # idle
        ([1.0, 1.0, 1.0], [False] * 3),  # saturated
        ([4096.0, 4096.0], [False] * 2),  # bytes come in pages
        ([0.5, 0.6, 0.5], [False] * 3),
    ],
)
def test_after_values_that_were_new_each_time(after, stands):
    assert told([*LIVE, *after])[LIVELY:] == stands


def test_what_repeats_itself_from_the_start_may_go_on_doing_so():
    assert not any(told([0.5] * 10))
    assert not any(told([0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 0.7]))


def test_what_was_out_of_the_ordinary_when_it_was_new_is_no_old_value():
    assert told([*LIVE, 2.5, 2.5, 2.5]) == [*[False] * (LIVELY + 1), True, True]
    assert not any(told([*LIVE, 2.5, 2.5, 2.5], calm=False))


def test_rows_know_nothing_of_one_another_and_a_reset_one_begins_anew():
    still = Still()
    still.resize(2)
    for value in LIVE:
        still.step(np.array([value, 0.5]))
        still.learn(np.array([True, True]))
    assert still.step(np.array([LIVE[-1], 0.5])).tolist() == [True, False]
    still.reset(np.array([0]))
    assert not still.step(np.array([LIVE[-1], 0.5])).any()
    assert not still.step(np.array([LIVE[-1], 0.5])).any()


def test_a_loaded_dump_has_the_same_future():
    one, other = Still(), Still()
    one.resize(1)
    for value in LIVE:
        one.step(np.array([value]))
        one.learn(np.array([True]))
    other.load(one.dump())
    other.resize(2)
    assert other.step(np.array([LIVE[-1], 0.1])).tolist() == [True, False]
