"""Intervals of shares, against statsmodels."""

from __future__ import annotations

import pytest
from statsmodels.stats.proportion import proportion_confint

from anomalyd.replay.intervals import clopper_pearson, wilson

COUNTS = [(0, 1), (1, 1), (0, 6), (1, 6), (3, 6), (6, 6), (2, 40), (117, 500)]


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.995])
@pytest.mark.parametrize(("k", "n"), COUNTS)
@pytest.mark.parametrize(("ours", "theirs"), [(clopper_pearson, "beta"), (wilson, "wilson")])
def test_an_interval_is_that_of_statsmodels(ours, theirs, k, n, confidence) -> None:
    expected = proportion_confint(k, n, 1 - confidence, method=theirs)
    assert ours(k, n, confidence) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("interval", [clopper_pearson, wilson])
def test_nothing_tried_excludes_nothing(interval) -> None:
    assert interval(0, 0) == (0.0, 1.0)
