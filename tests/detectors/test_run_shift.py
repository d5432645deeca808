"""Two looks at a list of residuals, and what they make of a run that began worse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from anomalyd.detectors.run_shift import RunShift
from tests.detectors.naive import RunShiftTwin, compare
from tests.detectors.windows import first_above, noisy, streams, window


@settings(max_examples=40)
@given(steps=streams(windows=36))
def test_it_is_its_slow_twin(steps):
    compare(RunShift(), RunShiftTwin, steps, rtol=1e-4, atol=1e-5)  # it keeps float32


@pytest.mark.parametrize(
    ("size", "sign", "expected"),
    [
        (0.0, 1.0, None),
        (0.4, 1.0, None),  # two sds of the offset: as likely the environment
        (1.5, 1.0, 8),
        (-1.5, 1.0, None),
        (-1.5, -1.0, 8),
        (-1.5, 0.0, 8),
    ],
)
def test_a_shift_of_the_whole_run_is_found_at(size, sign, expected):
    windows = noisy(0.3, 60, step=(0, size), sign=sign)
    assert first_above(RunShift(), windows) == expected


def test_it_looks_twice_and_never_again():
    detector, everyone = RunShift(), np.ones(1, dtype=bool)
    detector.resize(1)
    scores = []
    for t in range(60):
        context = window(1, t, residual=0.5 if t < 40 else 50.0)
        scores.append(detector.score(context)[0])
        detector.learn(context, everyone)
    assert np.isnan(scores[:8]).all()
    assert len(set(scores[8:32])) == 1
    assert len(set(scores[32:])) == 1


def test_three_absurd_windows_of_eight_do_not_decide():
    rest = [window(1, t) for t in range(5)]
    absurd = [window(1, t, residual=40.0) for t in range(3)]
    assert first_above(RunShift(), [*absurd, *rest, window(1, 9)], np.log(10)) is None


def test_the_null_holds_for_a_quantity_that_is_worse_both_ways():
    """E(e) over offsets of the prior, at the boundary of what is tolerated, by quadrature."""
    for sign in (0.0, 1.0):
        for tolerated in (0.0, 0.05, -0.05):
            offsets = np.linspace(-2, 2, 8001)
            sd = np.sqrt(0.2**2 + 1e-12)
            detector = RunShift()
            detector.resize(len(offsets))
            context = window(len(offsets), 0, residual=offsets + tolerated, noise=1e-6, sign=sign)
            for _ in range(8):
                detector.learn(context, np.ones(len(offsets), dtype=bool))
            density = np.exp(-((offsets / sd) ** 2) / 2)
            mean = (np.exp(detector.score(context)) * density).sum() / density.sum()
            assert mean <= 1.0 + 1e-6
