"""What every detector of the registry promises; see `Detector` and `Returns`."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.detectors import DETECTORS
from anomalyd.detectors.base import Returns
from tests.detectors.windows import Step, stream, streams, window

FACTORIES = [factory for factory, _ in DETECTORS]
EACH = pytest.mark.parametrize("factory", FACTORIES, ids=[f().name for f in FACTORIES])


def fresh(factory, n):
    detector = factory()
    detector.resize(n)
    return detector


def follow(detector, steps: list[Step]):
    """Scores of every window, float64[windows, n], learning on the way."""
    scores = []
    for step in steps:
        detector.reset(np.array(step.resets, dtype=np.intp))
        scores.append(detector.score(step.context))
        detector.learn(step.context, step.mask)
    return np.array(scores)


def assert_same_state(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def only(step: Step, rows) -> Step:
    index = np.array(rows, dtype=np.intp)
    resets = [at for at, row in enumerate(rows) if row in step.resets]
    return Step(step.context.take(index), step.mask[index], resets)


@EACH
@settings(max_examples=15)
@given(steps=streams())
def test_score_changes_nothing(factory, steps):
    detector = fresh(factory, 6)
    for step in steps:
        before = detector.dump()
        first = detector.score(step.context)
        np.testing.assert_array_equal(first, detector.score(replace(step.context)))
        assert_same_state(before, detector.dump())
        detector.learn(step.context, step.mask)


@EACH
@settings(max_examples=15)
@given(steps=streams())
def test_what_was_worked_out_for_score_is_what_learn_would_work_out(factory, steps):
    kept, anew = fresh(factory, 6), fresh(factory, 6)
    for step in steps:
        kept.score(step.context)
        kept.learn(step.context, step.mask)
        anew.learn(replace(step.context), step.mask)
        assert_same_state(kept.dump(), anew.dump())


@EACH
@settings(max_examples=15)
@given(steps=streams(), some=st.sets(st.integers(0, 5), min_size=2, max_size=2))
def test_every_row_is_judged_as_if_it_were_alone(factory, steps, some):
    together = follow(fresh(factory, 6), steps)
    for row in some:
        alone = follow(fresh(factory, 1), [only(step, [row]) for step in steps])
        np.testing.assert_allclose(together[:, row], alone[:, 0], rtol=1e-12, atol=1e-12)


@EACH
@given(steps=streams(windows=20))
@settings(max_examples=15)
def test_windows_outside_the_mask_teach_nothing(factory, steps):
    detector = fresh(factory, 6)
    for step in steps:
        detector.score(step.context)
        detector.learn(step.context, np.zeros(6, dtype=bool))
    assert_same_state(detector.dump(), fresh(factory, 6).dump())


@EACH
def test_a_reset_row_begins_anew_and_the_others_go_on(factory):
    steps = [replace(step, resets=[]) for step in stream(7, 40, 6)]
    detector, untouched = fresh(factory, 6), fresh(factory, 6)
    follow(detector, steps[:20])
    follow(untouched, steps[:20])
    detector.reset(np.array([1, 4]))
    scores, expected = follow(detector, steps[20:]), follow(untouched, steps[20:])
    expected[:, [1, 4]] = follow(fresh(factory, 6), steps[20:])[:, [1, 4]]
    np.testing.assert_array_equal(scores, expected)


@EACH
def test_growing_keeps_what_was_known(factory):
    steps = [replace(step, resets=[]) for step in stream(11, 40, 6)]
    detector = fresh(factory, 4)
    follow(detector, [only(step, range(4)) for step in steps[:20]])
    detector.resize(6)
    late = fresh(factory, 6)
    whole = fresh(factory, 6)
    follow(whole, steps[:20])
    expected = follow(whole, steps[20:])
    expected[:, 4:] = follow(late, steps[20:])[:, 4:]
    np.testing.assert_array_equal(follow(detector, steps[20:]), expected)


@EACH
def test_a_loaded_dump_has_the_same_future_however_it_lies_in_memory(factory):
    steps = stream(3, 60, 6)
    detector, again = fresh(factory, 6), factory()
    follow(detector, steps[:30])
    kept = detector.dump()
    again.load(kept)
    np.testing.assert_array_equal(follow(again, steps[30:]), follow(detector, steps[30:]))
    rewound = factory()
    rewound.load(kept)
    turned = {name: np.asfortranarray(array) for name, array in kept.items()}
    np.testing.assert_array_equal(
        follow(rewound, steps[30:]), follow(fresh_from(factory, turned), steps[30:])
    )


def fresh_from(factory, state):
    detector = factory()
    detector.load(state)
    return detector


@EACH
def test_the_last_axis_of_every_array_is_the_row(factory):
    detector = fresh(factory, 5)
    assert {array.shape[-1] for array in detector.dump().values()} == {5}


@EACH
@settings(max_examples=15)
@given(steps=streams(windows=50))
def test_scores_are_what_the_detector_says_it_returns(factory, steps):
    detector = fresh(factory, 6)
    scores = follow(detector, steps)
    known = scores[np.isfinite(scores)]
    assert not np.isinf(scores).any()
    if detector.returns is Returns.PREDICTIVE:
        assert ((known > 0) & (known <= 1)).all()
    if detector.returns is Returns.RULE:
        assert set(known.tolist()) <= {0.0, 1.0}


@EACH
@pytest.mark.parametrize("size", [1e6, -1e6, 1e-12])
def test_absurd_values_give_no_infinities_and_no_warnings(factory, size):
    detector = fresh(factory, 1)
    for t in range(60):
        context = window(1, t, residual=size, value=abs(size), noise=1e-6, bad=1e9, total=1e9)
        context = replace(context, bad_ratio=np.array([1e-6]))
        assert not np.isinf(detector.score(context)).any()
        detector.learn(context, np.ones(1, dtype=bool))
    assert not any(np.isinf(array).any() for array in detector.dump().values())


@pytest.mark.parametrize("factory", [f for f in FACTORIES if f().returns is not Returns.RULE])
def test_a_series_that_production_does_not_have_is_never_ready(factory):
    detector = fresh(factory, 1)
    nan = float("nan")
    for t in range(40):
        context = window(1, t, residual=nan, noise=nan)
        assert np.isnan(detector.score(context)).all()
        detector.learn(context, np.ones(1, dtype=bool))


def test_names_are_unique_and_shares_of_one_row_sum_to_one_at_most():
    names = [f().name for f in FACTORIES]
    shares = {f().name: share for f, share in DETECTORS}
    assert len(set(names)) == len(names)
    assert sum(share for name, share in shares.items() if name != "count_deviation") <= 1 + 1e-9
    rules = {f().name for f in FACTORIES if f().returns is Returns.RULE}
    assert {name for name, share in shares.items() if share == 0} == rules
    assert all(0 <= share <= 1 for share in shares.values())


def test_detectors_neither_talk_nor_wait():
    code = (
        "import sys, numpy; before = set(sys.modules); import anomalyd.detectors;"
        "print(*sorted(set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in out.stdout.split()}
    assert not loaded & {"asyncio", "aiohttp", "socket", "yaml", "pydantic", "pandas", "river"}


def test_the_page_on_judgement_gives_every_detector_with_its_weight():
    page = (Path(__file__).parents[2] / "docs" / "judgement.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+|–) \|$", page, re.MULTILINE))
    shares = {f().name: f"{share:.2f}" if share else "–" for f, share in DETECTORS}
    assert rows == shares
