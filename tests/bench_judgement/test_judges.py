"""The peers decide as their sources say, and the scores are what one would count by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

import bench
from bench.judgement.__main__ import (
    asked,
    document,
    results_of,
    short_of_target,
    too_good,
    write_records,
)
from bench.judgement.judges import ALL_PARTS, ENTRANTS, Entrant
from bench.judgement.kayenta import Kayenta, is_high
from bench.judgement.records import Decision, Recording, Truth
from bench.judgement.score import delay, f1, figures, share
from bench.judgement.staging import RUNS
from bench.judgement.suite import WORLDS, Record, judge_world
from bench.judgement.table import render
from bench.judgement.thresholds import Fixed, Sigma

HEADERS = (
    'request_rate{service="gateway"}',
    'latency_p95_seconds{service="gateway"}',
    'latency_p95_seconds{service="cart"}',
)


def recording(*columns: float, ticks: int = 120, step: float = 15.0, start: float = 0.0):
    """Columns of these means with a scatter of 2%."""
    noise = np.exp(np.random.default_rng(1).normal(0.0, 0.02, (ticks, len(columns))))
    times = start + step * np.arange(ticks)
    return Recording(times, HEADERS, np.array(columns) * noise)


def with_step(run: Recording, column: int, factor: float, onset: float) -> Recording:
    values = run.values.copy()
    values[run.times - run.times[0] >= onset, column] *= factor
    return Recording(run.times, run.headers, values)


PRODUCTION = recording(10.0, 0.1, 0.05, ticks=2 * 1440, step=60.0)
CALM = recording(10.0, 0.1, 0.05, start=2 * 86_400.0)


@pytest.mark.parametrize(
    "judge",
    [Kayenta(), Kayenta(all_critical=True), Sigma(), Fixed()],
    ids=["kayenta", "all critical", "sigma", "fixed"],
)
def test_a_run_like_production_passes(judge):
    fitted = judge.fit(PRODUCTION)
    assert judge.judge(fitted, CALM, (), ()).outcome == "pass"


@pytest.mark.parametrize(
    ("judge", "onset", "fires"),
    [
        pytest.param(
            Sigma(), 900.0, 900.0 + 105.0, id="mean ± 3σ fires after two minutes out of band"
        ),
        pytest.param(
            Fixed(), 900.0, 900.0 + 150.0, id="fixed limits fire when their mean is beyond"
        ),
        pytest.param(Kayenta(True), 300.0, 119 * 15.0, id="Kayenta decides at the end"),
    ],
)
def test_a_step_fails_and_names_the_service(judge, onset, fires):
    stepped = with_step(CALM, 2, 1.5, onset)
    decision = judge.judge(judge.fit(PRODUCTION), stepped, (), ())
    assert decision.outcome == "fail"
    assert decision.suspects == ("cart",)
    assert decision.fired_at == pytest.approx(fires, abs=30.0)


def test_request_rates_are_not_compared_as_they_follow_the_plan():
    busier = recording(20.0, 0.1, 0.05, start=2 * 86_400.0)
    for judge in (Kayenta(True), Sigma(), Fixed()):
        assert judge.judge(judge.fit(PRODUCTION), busier, (), ()).outcome == "pass"


def test_kayenta_compares_with_the_latest_accepted_run_if_there_is_one():
    slow = recording(10.0, 0.2, 0.1, start=2 * 86_400.0)
    judge = Kayenta()
    assert judge.judge(PRODUCTION, slow, (), ()).outcome == "fail"
    assert judge.judge(PRODUCTION, slow, (CALM, slow), ()).outcome == "pass"


@pytest.mark.parametrize("shift", [0.0, 0.1, 1.0, 2.0])
def test_a_metric_is_high_only_where_the_mann_whitney_test_sees_it(shift):
    random = np.random.default_rng(4)
    control, canary = random.normal(10, 1, 80), random.normal(10 + shift, 1, 80)
    p = mannwhitneyu(canary, control, alternative="two-sided").pvalue
    assert is_high(control, canary) is (shift >= 1.0)
    assert not is_high(control, canary) or p < 0.02


def record(part: str, outcome: str, world: int = 0, fired: float | None = None, **truth) -> Record:
    about = Truth("bad" if part == "bad" else "good", **truth)
    suspects = ("cart", "tax") if fired is not None else ()
    return Record("j", "first", part, world, 0, about, Decision(outcome, fired, suspects), 0.01)


def test_f1_counts_inconclusive_bad_runs_as_missed():
    records = [
        record("bad", "fail"),
        record("bad", "fail", world=1),
        record("bad", "inconclusive"),
        record("good", "pass"),
        record("good", "fail", world=1),
    ]
    assert f1(records).value == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    always = [record("bad", "fail")] + [record("good", "fail", world=k) for k in range(4)]
    assert f1(always, balanced=True).value == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        pytest.param(0, 1500, 0.0, 0.002456, id="none of many"),
        pytest.param(5, 10, 0.187086, 0.812914, id="half of few"),
        pytest.param(10, 10, 0.691503, 1.0, id="all"),
    ],
)
def test_shares_have_the_exact_interval(hits, of, low, high):
    figure = share([k < hits for k in range(of)])
    assert (figure.low, figure.high) == pytest.approx((low, high), abs=1e-6)


def test_delays_count_from_the_onset_and_what_fired_before_it_is_counted_apart():
    late = record("bad", "fail", fired=400.0, kind="cpu", size=0.5, onset=340.0, root="tax")
    early = record("bad", "fail", fired=100.0, kind="cpu", size=0.5, onset=340.0, root="cart")
    assert (delay(late), delay(early)) == (60.0, -240.0)
    found = figures([late, early, record("good", "pass")])
    assert found["delay median"].value == 60.0
    assert found["fired before the onset"].hits == 1
    assert (found["root top-1"].hits, found["root top-3"].hits) == (1, 2)


def test_a_world_is_judged_by_everyone_in_both_regimes_and_the_table_has_every_figure():
    entrants = [
        ENTRANTS[-1],
        Entrant("late", Kayenta(), parts=("boundary",)),
    ]
    records = judge_world(1, 0, entrants)
    assert len(records) == 2 * (sum(RUNS[part] for part in ALL_PARTS) + RUNS["boundary"])
    results = results_of(records, entrants)
    assert results["late"]["first"].keys() == {"boundary failed", "cpu seconds"}
    text = render(results)
    for name in results[ENTRANTS[-1].name]["first"]:
        assert f"| {name} " in text
    written = document(results, 1, 1)
    assert written["quick"] is True
    assert any(
        line.startswith("late, first: boundary failed")
        for line in short_of_target(results, entrants)
    )
    meant_to = replace(entrants[1], breaks=True)
    assert not short_of_target(results, [meant_to])


def test_the_readme_says_how_many_runs_there_are():
    text = (Path(bench.__file__).parent / "README.md").read_text("utf-8")
    for part, runs in RUNS.items():
        assert f"| `{part}` | {runs} |" in text
    judged = WORLDS * sum(RUNS[part] for part in ALL_PARTS)
    assert f"{WORLDS} worlds, {judged:,} test runs" in text


def test_decisions_are_written_beside_their_truth(tmp_path):
    path = tmp_path / "all.jsonl"
    write_records(path, [record("bad", "fail", fired=5.0, kind="cpu"), record("good", "pass")])
    first, second = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    assert (first["truth"]["kind"], first["decision"]["fired_at"]) == ("cpu", 5.0)
    assert second["decision"]["outcome"] == "pass"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"JUDGES": "nobody"}, "JUDGES=nobody: no judge has", id="a judge unheard of"),
        pytest.param(
            {"WORLDS": "few"}, "WORLDS=few: give a whole number", id="a word for a number"
        ),
        pytest.param({"SEED": "0"}, "SEED=0: give a whole number from 1 on", id="nought"),
    ],
)
def test_what_cannot_be_asked_for_is_said_in_a_sentence(monkeypatch, settings, message):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=message):
        asked()


def test_a_suite_on_which_a_peer_does_well_does_not_count():
    perfect = [record("bad", "fail"), record("good", "pass")]
    results = {"peer": {regime: {"f1": f1(perfect)} for regime in ("calibrated", "first")}}
    peer = Entrant("peer", Kayenta(), peer=True)
    assert too_good(results, [peer]) == [
        "peer reaches an F1 of 1.000 (calibrated)",
        "peer reaches an F1 of 1.000 (first)",
    ]
    assert too_good(results, [Entrant("peer", Kayenta())]) == []
