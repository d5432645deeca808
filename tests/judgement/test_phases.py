from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.judgement.phases import idle, may_judge, phases

NAN = float("nan")
W = 30.0


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ([40], True),
        ([40, 40], True),
        ([40, 50], True),
        ([40, 60], False),  # a jump: windowed rates lag
        ([60, 40], False),
        ([40, NAN], False),
        ([NAN, 40], False),
        ([40, 0], False),
        ([0, 40], False),
        ([100, 14], False),
        ([100, 80, 60, 45, 34, 26, 20, 15.1], True),
        ([100] * 9 + [80, 60, 45, 34, 26, 20, 14.9], False),  # under 15% of the usual: idle
        ([40] * 9 + [400, 400, 40, 40], True),  # a spike makes nothing else idle
        ([0.1, 0.25], True),  # three requests, then seven: chance
        ([-1], False),
    ],
)
def test_a_window_may_be_judged_when_its_load_lets_signals_be_compared(loads, expected):
    assert may_judge([float(x) for x in loads], W) is expected


@pytest.mark.parametrize(
    ("loads", "expected"),
    [([40], False), ([40, 0], True), ([100, 14], True), ([100, 16], False), ([40, NAN], False)],
)
def test_a_load_that_is_not_known_is_not_idle(loads, expected):
    assert idle([float(x) for x in loads]) is expected


@pytest.mark.parametrize(
    ("loads", "warmup", "kinds"),
    [
        ([40] * 6, 0, ["steady"]),
        ([40] * 6, 60, ["cold-start", "steady"]),
        ([5, 10, 20, 40, 40, 40, 40], 0, ["steady", "ramp", "steady"]),
        ([40, 40, 40, 80, 80, 40, 40], 0, ["steady", "ramp", "spike", "ramp", "steady"]),
        ([40, 40, 40, 20, 3], 0, ["steady", "drain"]),
        ([40, 40, 0, 0], 0, ["steady", "drain"]),
        ([40, 40, 40, 80], 0, ["steady", "ramp"]),
        ([40, 40, 0, 0, 40, 40], 0, ["steady", "idle", "ramp", "steady"]),
        ([NAN] * 3, 0, ["idle"]),
        ([], 0, []),
    ],
)
def test_phases(loads, warmup, kinds):
    times = [(i + 1) * W for i in range(len(loads))]
    found = phases(times, [float(x) for x in loads], W, warmup)
    merged = [k for i, k in enumerate(p.kind for p in found) if i == 0 or found[i - 1].kind != k]
    assert merged == kinds


@given(st.lists(st.one_of(st.just(NAN), st.floats(0, 1e6)), min_size=1, max_size=30))
def test_phases_adjoin_and_cover_the_run(loads):
    times = [(i + 1) * W for i in range(len(loads))]
    found = phases(times, loads, W, 45.0)
    assert (found[0].start, found[-1].end) == (0.0, times[-1])
    assert all(a.end == b.start and a.start < a.end for a, b in pairwise(found))
