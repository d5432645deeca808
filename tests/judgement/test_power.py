"""What a run could have shown: the judge replayed, against a replay written out in full."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomalyd.explain.wording import FEWEST_WINDOWS, times_longer
from anomalyd.judgement import power
from anomalyd.judgement.evidence import Bank
from anomalyd.judgement.findings import NOT_JUDGED
from anomalyd.judgement.power import detectable, passing_share
from tests.detectors.windows import counted, noisy, window
from tests.judgement.world import Stage

THRESHOLD = np.log(2000.0)


def peak(windows):
    """Largest log evidence of the one row."""
    bank, everyone, highest = Bank(1), np.ones(1, dtype=bool), 0.0
    for context in windows:
        highest = max(highest, bank.score(context, everyone).log_evidence[0])
        bank.learn(context, everyone)
    return highest


LARGEST = np.log(11.0)


def mde(windows, largest=LARGEST, asked=0.4, **how):
    n = len(windows[0].value)
    return detectable(windows, np.full(n, THRESHOLD), np.full(n, asked), np.full(n, largest), **how)


def at_noise(noise, windows, phi=0.0, seed=4):
    plain = noisy(phi, windows, seed=seed)
    return [replace(c, residual=10 * noise * c.residual, noise=c.noise * 10 * noise) for c in plain]


def brute_force(windows, size):
    """Whether a shift of `size` from a quarter on fires in four of five rotations in time."""
    residuals = np.array([c.residual[0] for c in windows])
    residuals -= np.median(residuals)
    total, fired = len(windows), 0
    for r in range(5):
        moved = []
        for t, context in enumerate(windows):
            residual = residuals[(t + r * total // 5) % total]
            residual += size if t >= total // 4 else 0.0
            moved.append(replace(context, residual=np.array([residual])))
        fired += peak(moved) >= THRESHOLD
    return fired >= 4


@pytest.mark.parametrize("phi", [0.0, 0.6])
def test_it_is_where_brute_force_begins_to_fire(phi):
    windows = noisy(phi, 30)
    (found,) = mde(windows)
    assert brute_force(windows, found)
    assert not brute_force(windows, found * 0.97)


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
    strict = detectable(windows, np.array([THRESHOLD + 8]), np.array([0.4]), np.array([LARGEST]))
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
    found = detectable(
        noisy(0.0, 2)[:windows], np.array([THRESHOLD]), np.array([0.4]), np.array([2.0])
    )
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


def rows_of_noise(*noises, windows=30):
    """One row per noise, side by side."""
    alone = [at_noise(noise, windows, seed=i) for i, noise in enumerate(noises)]
    columns = []
    for parts in zip(*alone, strict=True):
        side_by_side = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("residual", "noise", "value")
        }
        columns.append(replace(parts[0].take(np.zeros(len(noises), dtype=int)), **side_by_side))
    return columns


@pytest.mark.parametrize("asked", [0.1, 0.3, 0.4, 1.0, LARGEST])
def test_what_is_asked_for_hardly_moves_what_is_found(asked):
    windows = noisy(0.3, 30)
    assert mde(windows, asked=asked)[0] == pytest.approx(mde(windows)[0], rel=0.02)


@pytest.mark.parametrize("exact", [1, 2])
def test_of_too_many_rows_the_weak_are_searched_and_the_others_have_a_bound(exact):
    windows = rows_of_noise(0.02, 0.5, 0.02, 0.6)
    full, found = mde(windows), mde(windows, exact=exact)
    assert list(full <= 0.4) == [True, False, True, False]
    assert found[[0, 2]] == pytest.approx(0.4)
    weak = [1, 3]
    assert found[weak[:exact]] == pytest.approx(full[weak[:exact]])
    assert np.isnan(found[weak[exact:]]).all()


def test_a_wide_run_costs_a_small_part_of_a_search_of_all(monkeypatch):
    windows, replayed = rows_of_noise(*[0.05] * 40), []

    def counting(contexts):
        replayed.append(sum(len(c.value) for c in contexts))
        return real(contexts)

    real = power._peak
    monkeypatch.setattr(power, "_peak", counting)
    mde(windows)
    everything = sum(replayed)
    replayed.clear()
    mde(windows, exact=2)
    assert sum(replayed) < everything / 6


def test_a_wide_run_is_worked_out_of_fewer_windows():
    assert power.windows_of(power.EXACT) > power.windows_of(power.EXACT + 1) >= 60


@pytest.mark.parametrize(("noise", "phi"), [(0.1, 0.0), (0.15, 0.0), (0.08, 0.5)])
def test_a_run_as_much_longer_as_is_advised_shows_what_was_asked(noise, phi):
    asked, before = np.log(1.5), 12
    shown, after = [], []
    for seed in range(5):
        shown.append(mde(at_noise(noise, before, phi, seed), asked=asked)[0])
    times = times_longer(np.expm1(np.median(shown)), 0.5, absolute=False)
    assert 1.5 < times <= 8
    for seed in range(5):
        longer = at_noise(noise, int(times * before), phi, seed)
        after.append(mde(longer, asked=asked)[0])
    assert np.median(shown) > asked
    assert np.median(after) <= asked * 1.05


def test_fewer_windows_than_are_asked_for_show_next_to_nothing():
    few = [mde(at_noise(0.1, FEWEST_WINDOWS // 2, seed=seed))[0] for seed in range(5)]
    enough = [mde(at_noise(0.1, FEWEST_WINDOWS, seed=seed))[0] for seed in range(5)]
    assert np.median(few) > 2 * np.median(enough)


def test_nothing_that_was_seen_is_missing_from_a_run_of_which_nothing_was_judged():
    stage = Stage(windows=6)
    stage.loads[:] = np.nan
    verdict = stage.play().verdict()
    assert {f.windows for f in verdict.findings} == {0}
    assert {(f.state, f.note) for f in verdict.findings} == {("weak", NOT_JUDGED)}
    assert verdict.coverage.missing == ()


def test_what_never_came_is_missing_from_a_run_that_was_judged():
    stage = Stage(windows=10)
    del stage.values["cpu", "cart"]
    assert stage.play().verdict().coverage.missing == ('cpu{service="cart"}',)
