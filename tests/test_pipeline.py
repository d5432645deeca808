"""The whole judge on a synthetic system: what fails, what passes, and what is neither."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from anomalyd import codec
from anomalyd.detectors.absence import PATIENCE
from anomalyd.judgement.silences import Silence
from anomalyd.model import Labels, Matcher, Outcome, RunState
from tests.judgement.world import LOAD, SIGNALS, WINDOW, Fault, Stage

MANY = [f"s{i}" for i in range(100)]


def test_a_good_run_passes_and_opens_no_incident():
    stage = Stage().play()
    verdict = stage.verdict()
    assert verdict.outcome is Outcome.PASS
    assert verdict.exit_code == 0
    assert (stage.told, verdict.incidents, verdict.integrity) == ([], (), ())
    assert verdict.coverage.judged == verdict.coverage.production_series == 20
    assert {f.windows for f in verdict.findings} == {40}
    assert {f.state for f in verdict.findings} == {"ok"}


@pytest.mark.parametrize(
    ("fault", "named", "culprit"),
    [
        (Fault("latency", "pricing", size=0.8), 'latency_p95{service="pricing"}', "pricing"),
        (Fault("errors", "inventory", size=0.08), 'error_ratio{service="inventory"}', "inventory"),
        (Fault("cpu", "gateway", size=0.8), 'cpu{service="gateway"}', "gateway"),
        (Fault("leak", "cart", at=10, size=1.5), 'memory{service="cart"}', "cart"),
        (Fault("fan-out", "pricing"), 'request_rate{service="pricing"}', "cart"),
        (Fault("dead", "pricing"), 'cpu{service="pricing"}', "pricing"),
        (Fault("dead", "cart"), 'cpu{service="cart"}', "cart"),
        (Fault("latency", "cart", at=0, size=4.0), 'latency_p95{service="cart"}', "cart"),
    ],
    ids=lambda x: f"{x.kind} from {x.at}" if isinstance(x, Fault) else "",
)
def test_a_fault_fails_the_run_and_is_blamed_on_where_it_is(fault, named, culprit):
    verdict = Stage(faults=[fault]).play().verdict()
    assert verdict.outcome is Outcome.FAIL
    assert verdict.exit_code == 1
    fired = {f.series for f in verdict.findings if f.state == "fired"}
    assert named in fired
    (incident,) = verdict.incidents
    assert incident.suspects[0].service == culprit
    assert not incident.open
    assert verdict.reasons[0].split(" ")[0] in fired


def test_a_fired_finding_says_what_decided_it():
    stage = Stage(faults=[Fault("latency", "pricing", size=0.8)]).play()
    (finding,) = [f for f in stage.verdict().findings if f.state == "fired"]
    assert finding.evidence >= finding.threshold > 0
    assert finding.low < finding.expected < finding.high < finding.pass_at < finding.observed
    assert finding.effect == pytest.approx(0.8, abs=0.35)
    assert finding.detector == "baseline_deviation"
    assert 0 < finding.mde < 0.8


def test_a_finding_says_that_production_itself_moved():
    drift = {"series": 'cpu{service="cart"}', "since": 0.0, "change": 0.14, "absolute": False}
    stage = Stage()
    moved = replace(stage.baseline, meta={**stage.baseline.meta, "drifts": [drift]})
    verdict = Stage(baseline=moved).play().verdict()
    notes = {f.series: f.note for f in verdict.findings if f.note}
    said = "production itself moved by +14% on 1970-01-01; judged by its level since then"
    assert notes == {'cpu{service="cart"}': said}
    assert verdict.outcome is Outcome.PASS


def test_a_difference_that_may_be_the_environment_s_own_is_neither_failed_nor_passed():
    verdict = Stage(faults=[Fault("latency", "cart", at=0, size=0.9)], offset=0.01).play().verdict()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.exit_code == 3
    assert "staging's own difference may explain it" in verdict.reasons[0]
    assert verdict.reasons[0].startswith('latency_p95{service="cart"} was +')


def test_a_service_that_never_reported_is_no_pass():
    stage = Stage()
    for series in stage.values:
        if series[1] == "pricing":
            stage.values[series][:] = np.nan
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "nothing could be shown of pricing" in verdict.reasons
    assert 'cpu{service="pricing"}' in verdict.coverage.missing


def test_a_kind_of_signal_that_a_service_never_reported_is_no_pass():
    stage = Stage()
    del stage.values["memory", "cart"]
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reasons[0].startswith("resource of cart was seen in 0 of")
    assert verdict.coverage.missing == ('memory{service="cart"}',)


def idle(stage: Stage, at: int) -> None:
    """Nobody calls any more: rates are zero, ratios and quantiles of nothing are absent."""
    for (signal, _), values in stage.values.items():
        if signal == "request_rate":
            values[at:] = 0.0
        if signal in ("latency_p95", "error_ratio"):
            values[at:] = np.nan
        if signal == "cpu":
            values[at:] *= 0.05
    for counts in stage.counts.values():
        counts[at:] = 0.0


@pytest.mark.parametrize("load", [0.0, np.nan, 0.05 * LOAD])
def test_a_generator_that_stops_fails_no_run(load):
    stage = Stage()
    idle(stage, 25)
    stage.loads[25:] = load
    verdict = stage.play().verdict()
    assert stage.told == []
    assert verdict.outcome is Outcome.PASS
    assert {f.windows for f in verdict.findings} == {25}, "what was idle was not judged"


def test_a_generator_that_stutters_fails_no_run():
    stage = Stage()
    for t in range(5, 40, 6):
        stage.loads[t] = 0.0
        for (signal, _), values in stage.values.items():
            values[t] *= {"request_rate": 0.0, "cpu": 0.1}.get(signal, 1.0)
    assert stage.play().told == []


@pytest.mark.parametrize("load", [0.0, LOAD, np.nan])
def test_services_that_idle_away_with_the_load_are_no_absence_but_dead_ones_are(load):
    stage = Stage()
    idle(stage, 20)
    stage.loads[20:] = load
    for series, values in stage.values.items():
        if series[1] == "inventory":
            values[20:] = np.nan
    gone = {a.service for i in stage.play().verdict().incidents for a in i.anomalies}
    assert ("inventory" in gone) is (load != 0.0)


def test_an_entry_that_died_took_the_load_with_it_and_fails_the_run():
    stage = Stage()
    idle(stage, 20)
    stage.loads[20:] = np.nan
    for series, values in stage.values.items():
        if series[1] == "gateway":
            values[20:] = np.nan
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.FAIL
    (incident,) = verdict.incidents
    assert {a.service for a in incident.anomalies} == {"gateway"}
    assert incident.severity == "critical"
    assert incident.started_at == 20 * WINDOW
    assert incident.anomalies[0].fired_at == (20 + PATIENCE) * WINDOW


@pytest.mark.parametrize(
    ("at", "outcome"), [(5, Outcome.INVALID), (30, Outcome.INCONCLUSIVE), (38, Outcome.PASS)]
)
def test_when_everything_vanishes_it_is_not_the_system_that_failed(at, outcome):
    stage = Stage()
    stage.loads[at:] = np.nan
    for values in stage.values.values():
        values[at:] = np.nan
    verdict = stage.play().verdict()
    assert stage.told == []
    assert verdict.outcome is outcome
    assert ("no-data" in {entry.kind for entry in verdict.integrity}) is True


@pytest.mark.parametrize("signal", ["memory", "error_ratio", "load"])
def test_a_query_that_fails_is_no_absence(signal):
    stage = Stage()
    for t in range(15, 40):
        stage.answered[t] -= {signal}
        if signal == "load":
            stage.loads[t] = np.nan
    verdict = stage.play().verdict()
    assert stage.told == []
    assert verdict.outcome is not Outcome.FAIL
    assert ("query-failed", signal) in {(e.kind, e.where) for e in verdict.integrity}


def test_an_exporter_that_stops_everywhere_is_telemetry_s_fault():
    stage = Stage()
    for (signal, _), values in stage.values.items():
        if signal == "memory":
            values[15:] = np.nan
    verdict = stage.play().verdict()
    assert stage.told == []
    assert ("stale", "memory") in {(e.kind, e.where) for e in verdict.integrity}


def test_one_gauge_that_stops_while_its_like_go_on_is_an_absence():
    stage = Stage()
    stage.values["memory", "cart"][15:] = np.nan
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.FAIL
    assert 'memory{service="cart"} stopped arriving' in verdict.reasons[0]


def test_a_route_that_nobody_calls_any_more_is_no_absence():
    """A quantile or ratio of no requests has no value; that there are none is for traffic to say"""
    stage = Stage()
    for signal in ("latency_p95", "error_ratio"):
        stage.values[signal, "pricing"][15:] = np.nan
        stage.counts[signal, "pricing"][15:] = 0.0
    assert stage.play().told == []


def test_without_a_load_series_nothing_is_judged_though_load_is_defined():
    stage = Stage(faults=[Fault("latency", "cart")])
    stage.loads[:] = np.nan
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "no load was seen" in verdict.reasons[0]


def test_without_a_baseline_it_is_inconclusive_and_says_how_to_get_one():
    verdict = Stage(baseline=None, faults=[Fault("errors", "cart", size=0.5)]).play().verdict()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reference == "none"
    assert "anomalyd baseline fit" in verdict.reasons[0]
    assert {f.state for f in verdict.findings} == {"unmatched"}


def test_a_run_that_ended_before_its_first_window_is_inconclusive():
    verdict = Stage(windows=0).play().verdict()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "the run was too short" in verdict.reasons[0]


def test_a_run_too_short_to_see_anything_is_inconclusive_and_says_how_much_it_could_see():
    verdict = Stage(windows=5).play().verdict()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "series of production could have shown a change that matters" in verdict.reasons[0]
    assert "80% are required" in verdict.reasons[0]


def test_only_windows_of_the_active_run_are_judged():
    stage = Stage(faults=[Fault("latency", "cart", at=0, size=3.0)], windows=20)
    (run,) = stage.runs(RunState.WARMUP)
    stage.pipeline.start_run(run)
    stage.play(range(10))
    stage.pipeline.change_run(replace(run, state=RunState.SETTLING, stopped_at=0.0))
    stage.play(range(10, 20))
    verdict = stage.verdict()
    assert stage.told == []
    assert "no window could be judged" in verdict.reasons[0]


def test_ticks_between_windows_show_values_but_advance_nothing():
    stage = Stage(windows=10).play()
    peak = stage.pipeline.anomalies.peak.copy()
    batch = stage.batch(9)
    for seconds in (5, 10, 25):
        assert stage.pipeline.process(replace(batch, time=batch.time + seconds)) == []
    assert len(stage.pipeline.courses["run-"].record.times) == 10
    assert (stage.pipeline.anomalies.peak == peak).all()


@pytest.mark.parametrize("shadow", [True, False])
def test_shadow_judges_and_exits_0(shadow):
    stage = Stage(faults=[Fault("errors", "cart", size=0.2)], settings={"shadow": shadow})
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.FAIL
    assert verdict.exit_code == (0 if shadow else 1)


def test_a_silenced_series_does_not_decide_but_is_listed_with_its_reason():
    stage = Stage(faults=[Fault("latency", "cart")])
    cart = (Matcher("service", "=", "cart"),)
    stage.pipeline.silences = (Silence("latency.*", cart, "known slow", 1e12),)
    verdict = stage.play().verdict()
    assert stage.told == []
    assert verdict.outcome is Outcome.PASS
    assert verdict.coverage.silenced == ('latency_p95{service="cart"}',)
    (finding,) = [f for f in verdict.findings if f.state == "silenced"]
    assert finding.note == "known slow"


def test_a_silence_also_covers_what_staging_does_not_have():
    stage = Stage()
    for series in [s for s in stage.values if s[1] == "pricing"]:
        del stage.values[series]
    stage.pipeline.silences = (
        Silence(".*", (Matcher("service", "=", "pricing"),), "not deployed here", 1e12),
    )
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.PASS
    assert len(verdict.coverage.silenced) == 5
    assert verdict.coverage.missing == ()


def test_a_blip_resolves_its_incident_closes_and_the_run_has_failed_all_the_same():
    stage = Stage(windows=40)
    stage.values["latency_p95", "cart"][10:16] *= 4
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.FAIL
    (incident,) = verdict.incidents
    assert 10 * WINDOW <= incident.started_at <= 11 * WINDOW
    assert 16 * WINDOW <= incident.ended_at <= 18 * WINDOW


def test_a_second_fault_after_the_first_closed_is_a_second_incident():
    stage = Stage(windows=60)
    stage.values["latency_p95", "cart"][10:16] *= 4
    stage.values["latency_p95", "cart"][40:] *= 4
    first, second = stage.play().verdict().incidents
    assert first.ended_at < second.started_at
    assert first.id != second.id


def test_overlapping_runs_are_judged_apart_and_as_if_each_were_alone():
    both = Stage(("a", "b"), label="testid", windows=30)
    both.values["latency_p95", "cart"][10:, 1] *= 3
    alone = []
    for i, selector in enumerate(both.selectors):
        stage = Stage((selector,), label="testid", windows=30)
        stage.values = {series: values[:, [i]] for series, values in both.values.items()}
        stage.counts = {series: counts[:, [i]] for series, counts in both.counts.items()}
        alone.append(stage.play().verdict())
    verdicts = both.play().verdicts()
    assert [v.outcome for v in verdicts] == [Outcome.PASS, Outcome.FAIL]
    assert [codec.dumps(v) for v in verdicts] == [codec.dumps(v) for v in alone]


def test_a_run_that_starts_beside_another_does_not_disturb_it():
    both = Stage(("a", "b"), label="testid", windows=30, faults=[Fault("latency", "cart", 8)])
    first, second = both.runs()
    both.pipeline.start_run(first)

    fired = {}
    for t in range(30):
        if t == 15:
            before = both.pipeline.courses["run-a"].anomalies.copy()
            both.pipeline.start_run(second)
        for incident in both.pipeline.process(both.batch(t)):
            fired.setdefault(incident.run_id, t)
    after = both.pipeline.courses["run-a"].anomalies
    assert fired["run-a"] < 15
    assert {r: a.fired_at for r, a in before.items()} == {r: a.fired_at for r, a in after.items()}
    assert all(anomaly.resolved_at is None for anomaly in after.values())


def verdict_text() -> str:
    stage = Stage(faults=[Fault("dead", "cart"), Fault("latency", "pricing", at=12, size=2.0)])
    return codec.dumps(stage.play().verdict())


def test_the_same_input_gives_the_same_verdict_to_the_byte():
    assert verdict_text() == verdict_text()


def test_hash_seeds_do_not_matter():
    code = "from tests.test_pipeline import verdict_text; print(verdict_text())"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "4242")
    }
    assert len(texts) == 1
    assert '"outcome":"fail"' in texts.pop()


def test_label_churn_past_the_table_s_limit_breaks_nothing():
    stage = Stage(limit=60)

    def churn(t):
        for i in range(5):
            stage.pipeline.table.add("memory", Labels.of({"service": f"cart-{t}-{i}"}))

    verdict = stage.play(before=churn).verdict()
    assert len(stage.pipeline.table) == 60
    assert stage.pipeline.table.refused > 0
    assert verdict.outcome is Outcome.PASS
    assert len(verdict.coverage.unmatched) == 60 - 21


def test_a_run_after_another_begins_without_its_evidence():
    stage = Stage(faults=[Fault("latency", "cart", size=3.0)])
    stage.play()
    assert stage.verdict().outcome is Outcome.FAIL
    stage.pipeline.forget_run("run-")
    again = Stage(seed=8)
    again.pipeline = stage.pipeline
    again.pipeline.window_end = -np.inf
    again.play()
    verdict = again.verdict()
    assert verdict.outcome is Outcome.PASS
    assert verdict.incidents == ()


def test_good_runs_fail_no_more_often_than_the_budget():
    from scipy.stats import binom  # here: what the processes above import need not have it

    failed = 0
    for seed in range(5):
        stage = Stage(MANY, seed=seed, label="testid", windows=40, offset=0.15)
        failed += len(stage.play().failed())
    assert failed <= binom.ppf(0.99, 500, 0.01)


def test_latency_worse_by_80_percent_within_the_run_is_found_in_19_of_20():
    fault = Fault("latency", "pricing", size=0.8)
    stage = Stage(MANY, seed=11, label="testid", windows=40, offset=0.15, faults=[fault]).play()
    assert len(stage.failed()) >= 95
    told = {a.service for c in stage.pipeline.courses.values() for a in c.anomalies.values()}
    assert told == {"pricing"}


@pytest.mark.parametrize(
    ("kind", "size", "at_least"), [("errors", 0.05, 95), ("cpu", 0.8, 95), ("leak", 2.0, 90)]
)
def test_other_faults_are_found(kind, size, at_least):
    faults = [Fault(kind, "cart", at=10, size=size)]
    stage = Stage(MANY, seed=12, label="testid", windows=40, offset=0.15, faults=faults).play()
    assert len(stage.failed()) >= at_least


def test_the_signals_of_the_world_are_all_judged_but_load():
    assert "load" in {s.name for s in SIGNALS}
    assert "load" not in {f.signal for f in Stage(windows=10).play().verdict().findings}


def test_a_spike_of_load_blinds_the_rest_of_the_run_to_nothing():
    stage = Stage(faults=[Fault("latency", "cart", at=30, size=3.0)], windows=60)
    stage.loads[10:13] *= 10
    for (signal, _), values in stage.values.items():
        if signal == "request_rate":
            values[10:13] *= 10
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.FAIL


def test_a_signal_that_could_not_be_evaluated_to_the_end_is_no_pass():
    stage = Stage(windows=40)
    for t in range(26, 40):
        stage.answered[t] -= {"latency_p95"}
    verdict = stage.play().verdict()
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_a_silence_after_the_fact_takes_back_no_fail():
    stage = Stage(faults=[Fault("latency", "cart", at=10, size=3.0)], windows=40)
    stage.play()
    stage.pipeline.silences = (Silence(".*", (), "too late", 1e12),)
    assert stage.verdict().outcome is Outcome.FAIL
