"""A joint shift changes what signals do together and leaves alone what each of them does."""

from __future__ import annotations

import numpy as np
import pytest

from bench.judgement.joint import KINDS, SHIFTS, accepted, history, joint
from bench.judgement.production import production
from bench.judgement.records import header
from bench.judgement.staging import run
from bench.judgement.world import draw

STRONG = draw(77, 2)
"""A world whose factor is three times what a signal does alone."""


def pair(kind, number=0):
    one, twin = joint(STRONG, kind, number), joint(STRONG, kind, number, twin=True)
    plain = run(STRONG, "good", number).recording
    service, onset = one.truth.root, one.truth.onset
    after = plain.times - plain.times[0] >= onset
    sides = []
    for recording in (one.recording, twin.recording):
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = [
                np.log(recording.column(header(s, service)) / plain.column(header(s, service)))
                for s in ("latency_p50_seconds", "cpu_utilisation")
            ]
        sides.append([log[after & np.isfinite(logs[0]) & np.isfinite(logs[1])] for log in logs])
    return sides


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_run(kind):
    first, again = (joint(STRONG, kind, 1).recording.values for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_production_has_the_same_factor_in_cpu_and_in_latency():
    plain, coupled = production(STRONG), history(STRONG)
    logs = [
        np.log(coupled.column(header(s, "gateway")) / plain.column(header(s, "gateway")))
        for s in ("latency_p50_seconds", "cpu_utilisation")
    ]
    seen = np.isfinite(logs).all(axis=0) & (
        coupled.column(header("cpu_utilisation", "gateway")) < 1
    )
    assert np.corrcoef(logs[0][seen], logs[1][seen])[0, 1] > 0.99
    assert coupled.times.tolist() == plain.times.tolist()


def test_an_accepted_run_is_one_of_the_world_s_with_its_factor():
    plain, coupled = run(STRONG, "accepted", 0).recording, accepted(STRONG, 0)
    column = header("latency_p95_seconds", "gateway")
    assert coupled.headers == plain.headers
    assert np.nanmedian(np.abs(np.log(coupled.column(column) / plain.column(column)))) > 0.01


@pytest.mark.parametrize(("kind", "expected"), [("decoupled", 0.0), ("reversed", -1.0)])
def test_a_changed_correlation_leaves_the_spread_of_each_signal(kind, expected):
    (latency, cpu), (as_usual, cpu_as_usual) = pair(kind)
    assert np.corrcoef(as_usual, cpu_as_usual)[0, 1] > 0.99
    assert np.corrcoef(latency, cpu)[0, 1] == pytest.approx(expected, abs=0.45)
    np.testing.assert_array_equal(latency, as_usual)
    assert 0.5 < cpu.std() / cpu_as_usual.std() < 2.0


@pytest.mark.parametrize("kind", sorted(SHIFTS))
def test_a_shift_moves_each_signal_as_far_as_its_twin_but_not_the_same_way(kind):
    (latency, cpu), (as_usual, cpu_as_usual) = pair(kind)
    np.testing.assert_allclose(latency, as_usual)
    assert (cpu_as_usual - cpu).mean() > 0
    assert np.ptp(cpu_as_usual - cpu) < 1e-6


def test_every_third_run_is_off_from_the_start_and_twins_are_good():
    onsets = [joint(STRONG, "apart", number).truth.onset for number in range(3)]
    assert [onset == 0.0 for onset in onsets] == [False, False, True]
    twin = joint(STRONG, "apart", 0, twin=True).truth
    assert (twin.label, twin.onset) == ("good", None)


def test_a_kind_that_there_is_not_is_an_error():
    with pytest.raises(ValueError, match="no kind 'odd' of joint shift"):
        joint(STRONG, "odd", 0)
