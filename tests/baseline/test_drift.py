"""A level that changed for good is found, said and made up for; what passes is not."""

from __future__ import annotations

import re

import numpy as np
import pytest

from anomalyd.baseline.drift import drift, sentences
from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.show import render, show
from anomalyd.model import Kind
from tests.baseline.worlds import autoregressive, daily_load, fitted

HOUR, DAY = 60, 1440
MONDAY = 1_767_571_200.0
LEAST = float(np.log1p(0.05))


def week(seed, phi=0.8, days=5, sd=0.06):
    """Residuals of so many days by the minute, from a Monday on."""
    random = np.random.default_rng(seed)
    return sd * autoregressive((1, days * DAY), phi, random)[0]


def found(residual, start=MONDAY):
    return drift(residual, start, 60.0, LEAST)


@pytest.mark.parametrize("change", [0.1, -0.1, 0.4])
def test_a_level_that_changed_for_good_is_found_with_its_time_and_size(change):
    residual = week(1)
    residual[3 * DAY :] += change
    seen = found(residual)
    assert abs(seen.since - (MONDAY + 3 * 86_400)) <= 3 * 3600
    assert seen.change == pytest.approx(change, abs=0.03)
    settled = residual + seen.shift
    assert abs(np.median(settled[: 3 * DAY]) - np.median(settled[3 * DAY :])) < 0.03


def test_of_two_changes_the_last_is_told_and_both_are_made_up_for():
    residual = week(2, phi=0.5)
    residual[int(1.5 * DAY) :] += 0.2
    residual[int(3.5 * DAY) :] -= 0.4
    seen = found(residual)
    assert abs(seen.since - (MONDAY + 3.5 * 86_400)) <= 3 * 3600
    assert seen.change == pytest.approx(-0.4, abs=0.05)
    parts = np.split(residual + seen.shift, [int(1.5 * DAY), int(3.5 * DAY)])
    assert np.ptp([np.median(part) for part in parts]) < 0.05


def test_nothing_is_found_where_nothing_changed():
    """AR(1) of 0.97 by the minute is the most that a fit believes."""
    for phi in (0.0, 0.8, 0.97):
        random = np.random.default_rng(9)
        rows = 0.06 * autoregressive((40, 5 * DAY), phi, random)
        assert [row for row, one in enumerate(rows) if found(one)] == []


def passing(name):
    residual = week(3)
    if name == "an incident of six hours":
        residual[2 * DAY : 2 * DAY + 6 * HOUR] += 1.0
    if name == "another level at night":
        residual[np.arange(len(residual)) % DAY < 8 * HOUR] += 0.3
    if name == "less than is tolerated":
        residual[3 * DAY :] += 0.03
    if name == "too late to tell":
        residual[-6 * HOUR :] += 0.4
    return residual


@pytest.mark.parametrize(
    "name",
    [
        "an incident of six hours",
        "another level at night",
        "less than is tolerated",
        "too late to tell",
    ],
)
def test_what_passes_or_does_not_matter_is_no_change(name):
    assert found(passing(name)) is None


def test_a_weekend_is_no_change_and_a_change_on_working_days_is_found_across_it():
    residual = week(4, days=9)
    days = np.arange(len(residual)) // DAY
    residual[np.isin(days, (5, 6))] += 0.3
    assert found(residual) is None
    residual[days >= 7] += 0.2
    assert found(residual).change == pytest.approx(0.2, abs=0.03)


def test_gaps_and_a_short_history_are_no_change():
    residual = week(5)
    residual[DAY : 3 * DAY] = np.nan
    assert found(residual) is None
    assert found(np.full(5 * DAY, np.nan)) is None
    short = week(6, days=1)
    short[len(short) // 2 :] += 1.0
    assert found(short) is None


def history(factor, kind=Kind.LATENCY, at=0.8):
    random = np.random.default_rng(7)
    windows = 5 * DAY
    load = np.concatenate([daily_load(2 * DAY, random) for _ in range(3)])[:windows]
    times = MONDAY + 60.0 * np.arange(windows)
    values = 0.1 * (load / load.mean()) ** 0.3 * np.exp(week(8)[np.newaxis])
    if kind is Kind.ERRORS:
        values = random.binomial(1000, 0.01, (1, windows)) / 1000
        values[0, int(at * windows) :] += factor - 1
        return fitted(values, load, kind=kind, counts=np.full((1, windows), 1000.0), times=times)
    values[0, int(at * windows) :] *= factor
    return fitted(values, load, kind=kind, times=times)


def test_the_baseline_is_that_of_the_level_since_the_change():
    before, after = history(1.0), history(1.4)
    load = float(np.exp(np.mean(before.profiles.load_bins)))
    old, new = (Lookup(one).at(load, np.array([0])) for one in (before, after))
    assert new.center[0] / old.center[0] == pytest.approx(1.4, rel=0.03)
    assert before.meta["drifts"] == []
    (told,) = after.meta["drifts"]
    assert told["change"] == pytest.approx(0.4, abs=0.04)
    assert told["series"] == 's{service="0"}'
    assert after.profiles.noise[0] == pytest.approx(before.profiles.noise[0], rel=0.15)


def test_what_moved_is_shown_with_the_baseline():
    text = render(show(history(1.4)))
    (line,) = [one for one in text.splitlines() if one.startswith("drift ")]
    assert re.fullmatch(
        r'drift     s\{service="0"\}: production itself moved by \+(39|40|41)% on '
        r"2026-01-0[89]; judged by its level since then",
        line,
    )


def test_a_ratio_of_counts_that_changed_is_told_and_its_counts_are_kept():
    (told,) = history(1.02, Kind.ERRORS).meta["drifts"]
    assert told["change"] == pytest.approx(0.02, abs=0.004)
    (said,) = sentences({"drifts": [told]}).values()
    assert " pp on 2026-" in said
    assert said.endswith("the baseline holds what came before as well")
