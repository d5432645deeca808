"""A variant lacks what its name says, everything else is as it was, and effects are differences."""

from __future__ import annotations

import numpy as np
import pytest

from anomalyd.detectors import DETECTORS
from anomalyd.judgement import evidence
from bench.judgement import ablation
from bench.judgement.ablation import VARIANTS, WHOLE, changed, chosen, effect, line
from bench.judgement.records import Decision, Truth
from bench.judgement.suite import Record
from tests.judgement.world import Fault, Stage

EACH = pytest.mark.parametrize("variant", VARIANTS, ids=lambda one: one.name)


@EACH
def test_a_variant_changes_what_there_is_and_puts_it_back(variant):
    before = [getattr(owner, name) for owner, name, _ in variant.changes]
    with changed(variant.changes):
        now = [getattr(owner, name) for owner, name, _ in variant.changes]
        assert all(new is not old for new, old in zip(now, before, strict=True))
    after = [getattr(owner, name) for owner, name, _ in variant.changes]
    assert all(new is old for new, old in zip(after, before, strict=True))


@EACH
def test_a_variant_judges_a_run(variant):
    with changed(variant.changes):
        stage = Stage().play()
    assert stage.told == []


@pytest.mark.parametrize(
    ("left_out", "fault"),
    [
        ("baseline_deviation", Fault("latency", "pricing", size=0.8)),
        ("count_deviation", Fault("errors", "inventory", size=0.08)),
    ],
)
def test_without_its_detector_a_fault_is_not_found(left_out, fault):
    (variant,) = [one for one in VARIANTS if one.name == f"without {left_out}"]
    assert Stage(faults=[fault]).play().told != []
    with changed(variant.changes):
        assert Stage(faults=[fault]).play().told == []


def test_every_detector_that_judges_is_left_out_once():
    names = {one.name for one in VARIANTS}
    assert {f"without {factory().name}" for factory, _ in DETECTORS} <= names
    assert len(names) == len(VARIANTS)


def test_what_is_left_out_of_a_row_goes_to_the_others_of_it():
    shares = dict(zip([f().name for f, _ in DETECTORS], evidence.SHARES, strict=True))
    ((_, _, given),) = ablation.shared("run_shift")
    now = dict(zip(shares, given, strict=True))
    rest = [name for name in shares if name != "count_deviation"]
    assert now["run_shift"] == 0
    assert now["count_deviation"] == shares["count_deviation"]
    assert sum(now[name] for name in rest) == pytest.approx(sum(shares[name] for name in rest))


def record(world, part, outcome, fired_at=None, onset=600.0):
    truth = Truth(part, "latency", 0.5, onset if part == "bad" else None)
    return Record("x", "first", part, world, 0, truth, Decision(outcome, fired_at), 0.0)


def test_an_effect_is_the_difference_over_the_same_runs():
    whole = [record(w, "bad", "fail", 660.0) for w in range(4)]
    whole += [record(w, "good", "pass") for w in range(4)]
    part = [record(w, "bad", "fail" if w else "pass", 720.0 if w else None) for w in range(4)]
    part += [record(w, "good", "pass" if w else "fail", 300.0) for w in range(4)]
    found = effect(whole, part)
    assert found.f1[0] == pytest.approx(2 * 3 / (3 + 1 + 4) - 1)
    assert found.false[0] == pytest.approx(0.25)
    assert found.delay[0] == 60.0
    assert found.f1[1] <= found.f1[0] <= found.f1[2]
    assert line("without", "first", found).startswith("| without | first | -0.250 (")
    nothing = effect(whole, whole)
    assert (nothing.f1, nothing.false, nothing.delay) == ((0, 0, 0),) * 3


def test_variants_are_chosen_by_name():
    assert chosen("run_shift") == [WHOLE, "without run_shift", "without halves of run_shift"]
    with pytest.raises(SystemExit, match="no variant has that in its name; there are without"):
        chosen("nothing of the kind")


def test_the_same_runs_are_judged_by_all(monkeypatch):
    monkeypatch.setattr(ablation, "REGIMES", ("first",))
    names = [WHOLE, "without capacity"]
    records = ablation.judge_world(names, 1, 0)
    assert [(one.judge, one.part) for one in records] == [
        (judge, part) for judge in names for part in ("good", "bad")
    ]
    assert np.all([one.world == 0 for one in records])
