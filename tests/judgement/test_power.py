"""What a run could have shown, against runs with a change put into them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomalyd.detectors.level_filter import WANDER_SECONDS
from anomalyd.judgement.evidence import Bank
from anomalyd.judgement.power import detectable, passing_share
from tests.detectors.windows import WINDOW, counted, noisy, window

THRESHOLD = np.log(2000.0)


def peak(windows):
    """Largest log evidence of the one row."""
    bank, everyone, highest = Bank(1), np.ones(1, dtype=bool), 0.0
    for context in windows:
        highest = max(highest, bank.score(context, everyone).log_evidence[0])
        bank.learn(context, everyone)
    return highest


LARGEST = np.log(11.0)


def mde(windows, largest=LARGEST):
    n = len(windows[0].value)
    return detectable(windows, np.full(n, THRESHOLD), np.full(n, largest))


def at_noise(noise, windows, phi=0.0, seed=4):
    plain = noisy(phi, windows, seed=seed)
    return [replace(c, residual=10 * noise * c.residual, noise=c.noise * 10 * noise) for c in plain]


RUNS = 200
WITHIN = 1.5
"""The factor by which the approximation may miss the size that fires in 80% of runs, either way."""


def good_runs(phi, noise, windows):
    """RUNS rows of a good run's process: an offset, AR(1) noise, a slower wander."""
    rng = np.random.default_rng(1)
    own, rho = noise / np.sqrt(1 - phi**2), np.exp(-WINDOW / WANDER_SECONDS)
    offset, a, d = rng.standard_normal((3, RUNS)) * np.array([[0.2], [own], [0.3 * own]])
    for t in range(windows):
        yield window(RUNS, t, residual=offset + a + d, phi=phi, noise=noise, wander=0.3)
        a = phi * a + noise * rng.standard_normal(RUNS)
        d = rho * d + 0.3 * own * np.sqrt(1 - rho**2) * rng.standard_normal(RUNS)


def share_that_fires(windows, size):
    """Of rows, with a shift of `size` from a quarter of the run on."""
    bank, everyone, highest = Bank(RUNS), np.ones(RUNS, dtype=bool), np.zeros(RUNS)
    for t, context in enumerate(windows):
        moved = replace(context, residual=context.residual + (size if 4 * t >= len(windows) else 0))
        highest = np.maximum(highest, bank.score(moved, everyone).log_evidence)
        bank.learn(moved, everyone)
    return (highest >= THRESHOLD).mean()


@pytest.mark.parametrize("windows", [30, 80])
@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_it_is_near_the_size_that_fires_in_four_of_five_runs(phi, noise, windows):
    runs = list(good_runs(phi, noise, windows))
    found = np.median(mde(runs))
    assert share_that_fires(runs, found * WITHIN) >= 0.8
    assert share_that_fires(runs, found / WITHIN) < 0.8


@pytest.mark.parametrize("total", [100.0, 1000.0, 10000.0])
@pytest.mark.parametrize("burst", [0.01, 0.2])
def test_it_is_near_the_ratio_that_fires_in_four_of_five_runs(burst, total):
    """Ratios beyond what is tolerated already."""

    def runs(ratio):
        rng = np.random.default_rng(1)
        for t in range(40):
            rate = 0.01 if t < 10 else 0.01 + ratio
            lively = rate * rng.gamma(1 / burst, burst, RUNS)
            bad = rng.binomial(int(total), np.minimum(lively, 1)).astype(float)
            counts = counted(RUNS, t, bad, np.full(RUNS, total))
            yield replace(counts, burst=np.full(RUNS, burst))

    found = np.median(mde(list(runs(0.0)), largest=1.0))
    assert share_that_fires(list(runs(found * WITHIN)), 0.0) >= 0.8
    assert share_that_fires(list(runs(found / WITHIN)), 0.0) < 0.8


def test_more_windows_show_smaller_changes():
    found = [mde(noisy(0.3, windows))[0] for windows in (8, 15, 30, 80)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 1.5 * found[-1]


def test_less_noise_shows_smaller_changes():
    found = [mde(at_noise(noise, 30))[0] for noise in (0.02, 0.05, 0.1, 0.3)]
    assert found == sorted(found)
    assert found[-1] > 2 * found[0]


def test_a_stricter_threshold_shows_less():
    windows = noisy(0.0, 30)
    strict = detectable(windows, np.array([THRESHOLD + 8]), np.array([np.log(11)]))
    assert strict > mde(windows)


def test_more_requests_show_smaller_changes_of_a_ratio():
    rng = np.random.default_rng(2)
    found = []
    for total in (30.0, 300.0, 3000.0):
        bad = rng.binomial(int(total), 0.01, 30).astype(float)
        windows = [counted(1, t, bad[[t]], np.array([total])) for t in range(30)]
        found.append(mde(windows, largest=1.0)[0])
    assert found == sorted(found, reverse=True)
    assert 0.005 < found[-1] < found[0] < 1.0


@pytest.mark.parametrize("windows", [0, 1])
def test_a_run_of_next_to_no_window_shows_nothing(windows):
    found = detectable(noisy(0.0, 2)[:windows], np.array([THRESHOLD]), np.array([2.0]))
    assert np.isinf(found).all()


def test_rows_that_were_never_seen_show_nothing_and_disturb_no_other():
    alone = mde(noisy(0.0, 30))
    both = []
    for context in noisy(0.0, 30):
        pair = context.take(np.array([0, 0]))
        absent = np.array([context.residual[0], np.nan])
        both.append(replace(pair, residual=absent, value=absent))
    found = mde(both)
    assert found[0] == alone[0]
    assert np.isinf(found[1])


@pytest.mark.parametrize("sign", [1.0, -1.0, 0.0])
def test_the_way_that_is_worse_is_the_way_that_is_searched(sign):
    found = mde(noisy(0.0, 30, sign=sign))
    assert 0.1 < found[0] < 1.5


@pytest.mark.parametrize("size", [0.6, 1.0, 2.0])
def test_the_share_that_passes_is_just_under_the_threshold(size):
    windows = noisy(0.0, 40, step=(15, size))
    (share,) = passing_share(windows, np.array([THRESHOLD]))
    assert 0 < share < 1

    def scaled(by):
        return peak([replace(c, residual=c.residual * by) for c in windows])

    assert scaled(share * 0.98) < THRESHOLD <= scaled(share * 1.02)


def test_the_share_of_bad_requests_that_passes():
    windows = [
        counted(1, t, np.array([10.0 if t < 15 else 120.0]), np.array([1000.0])) for t in range(40)
    ]
    (share,) = passing_share(windows, np.array([THRESHOLD]))
    assert 0.1 < share < 0.5


def test_what_never_fired_passes_whole():
    windows = [window(1, t) for t in range(20)]
    assert passing_share(windows, np.array([THRESHOLD])) == [1.0]
