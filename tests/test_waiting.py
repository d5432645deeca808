"""When ticks are due."""

from __future__ import annotations

import pytest

from anomalyd.waiting import next_due


@pytest.mark.parametrize(
    ("now", "last", "late", "due"),
    [
        (101.0, None, 0.0, 105.0),
        (100.0, None, 10.0, 105.0),
        (105.1, 105.0, 0.0, 110.0),
        (104.999, 105.0, 0.0, 110.0),
        (117.0, 105.0, 0.0, 120.0),
        (117.0, 105.0, 10.0, 110.0),
        (131.0, 105.0, 10.0, 125.0),
        (104.999, 105.0, 10.0, 110.0),
        (50.0, 105.0, 10.0, 55.0),
    ],
    ids=str,
)
def test_ticks_are_skipped_when_late_unless_they_wait_for_samples_and_never_come_twice(
    now, last, late, due
):
    assert next_due(now, 5.0, last, late) == due
