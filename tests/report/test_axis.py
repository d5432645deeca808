"""Ticks of a plot: round numbers, one unit, all different."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.report.axis import ticks


@pytest.mark.parametrize(
    ("bottom", "top", "unit", "labels", "caption"),
    [
        (0.0, 0.0015, "s", ["0", "0.5 ms", "1.0 ms", "1.5 ms"], ""),
        (0.0, 1.6, "s", ["0", "0.5 s", "1.0 s", "1.5 s"], ""),
        (0.1, 0.1004, "s", ["100.0 ms", "100.1 ms", "100.2 ms", "100.3 ms", "100.4 ms"], ""),
        (0.0, 0.004, "ratio", ["0", "0.1%", "0.2%", "0.3%", "0.4%"], ""),
        (0.0, 400 * 2**20, "By", ["0", "100 MiB", "200 MiB", "300 MiB", "400 MiB"], ""),
        (0.0, 0.00004, "cores", ["0", "10", "20", "30", "40"], "× 10⁻⁶ cores"),
        (0.0, 2.0, "cores", ["0", "0.5", "1.0", "1.5", "2.0"], "cores"),
        (0.0, 5e7, "req/s", ["0", "10", "20", "30", "40", "50"], "× 10⁶ req/s"),
    ],
)
def test_values_are_said_in_a_unit_that_people_read(bottom, top, unit, labels, caption):
    found, said = ticks(bottom, top, unit)
    assert [label for _, label in found] == labels
    assert said == caption


@given(
    st.floats(-1e12, 1e12),
    st.floats(1e-9, 1e12),
    st.sampled_from(["s", "By", "ratio", "cores", ""]),
)
def test_no_two_ticks_say_the_same(bottom, room, unit):
    room = max(room, abs(bottom) * 1e-6)
    found, _ = ticks(bottom, bottom + room, unit)
    labels = [label for _, label in found]
    assert len(labels) == len(set(labels)) >= 2
    assert all(len(label) < 26 for label in labels)
