"""The simulator makes what it says: the same for a seed, faults of their size, honest truth."""

from __future__ import annotations

import csv
import json
from functools import cache

import numpy as np
import pytest

from bench.judgement.export import export
from bench.judgement.faults import KINDS, fault
from bench.judgement.hardships import BROKEN, blip
from bench.judgement.model import Knobs, expected
from bench.judgement.observe import trailing
from bench.judgement.plan import Plan
from bench.judgement.production import production
from bench.judgement.records import LOAD, Recording, Run, parts
from bench.judgement.staging import RUNS, inside_spread, run
from bench.judgement.world import World, draw

SEED = 3
WORLDS = range(8)
SHOWS_IN = {
    "latency": "p50",
    "tail": "p95",
    "errors": "errors",
    "cpu": "cpu",
    "leak": "memory",
    "fan_out": "calls",
    "retry_storm": "errors",
    "throughput": "rate",
    "spikes": "p95",
    "saturation": "p50",
    "cascade": "p50",
}


@cache
def world(index: int) -> World:
    return draw(SEED, index)


@cache
def history(index: int) -> Recording:
    return production(world(index))


@cache
def bad_runs() -> list[tuple[World, Run]]:
    numbers = range(len(KINDS))
    return [(world(k), run(world(k), "bad", n)) for k in WORLDS for n in numbers]


def of_kind(kind: str) -> list[tuple[World, Run]]:
    return [pair for pair in bad_runs() if pair[1].truth.kind == kind]


@pytest.mark.parametrize("part", RUNS)
def test_the_same_seed_gives_the_same_run_and_another_seed_another(part):
    one, same, other = (run(draw(seed, 1), part, 2) for seed in (SEED, SEED, SEED + 1))
    assert one.truth == same.truth
    np.testing.assert_array_equal(one.recording.values, same.recording.values)
    assert one.recording.times.tolist() != other.recording.times.tolist()


@pytest.mark.parametrize("part", RUNS)
def test_the_runs_of_a_world_differ(part):
    one, other = (run(draw(SEED, 1), part, number) for number in (2, 3))
    lines = min(len(one.recording.times), len(other.recording.times))
    assert not np.array_equal(one.recording.values[:lines], other.recording.values[:lines])


def test_a_part_that_there_is_not_is_an_error():
    with pytest.raises(ValueError, match="no part 'worse' of the suite"):
        run(world(0), "worse", 0)


@pytest.mark.parametrize("index", WORLDS)
def test_a_world_has_five_to_nine_services_all_of_them_called(index):
    one = world(index)
    assert 5 <= len(one.services) <= 9
    assert all(caller < callee for caller, callee in one.edges)
    assert {callee for _, callee in one.edges} == set(range(1, len(one.services)))


@pytest.mark.parametrize("index", WORLDS)
def test_production_is_days_of_minutes_with_all_that_staging_shows(index):
    known = history(index)
    assert 3 * 1440 <= len(known.times) <= 7 * 1440
    assert set(np.diff(known.times)) == {60.0}
    columns = run(world(index), "good", 0).recording.headers
    assert set(known.headers) == {name for name in columns if not name.startswith("generator")}
    load = known.column(LOAD)
    low, high = np.nanpercentile(load, [1, 99])
    assert 1.5 < high / low < 6.0
    assert 0 < np.isnan(load).mean() < 0.2


@pytest.mark.parametrize("index", WORLDS)
def test_a_good_run_stays_below_what_staging_can_carry(index):
    for number in range(4):
        one = run(world(index), "good", number).recording
        cpu = [k for k, name in enumerate(one.headers) if parts(name)[0] == "cpu_utilisation"]
        usual = np.nanpercentile(one.values[:, cpu], 90, axis=0)
        assert usual.max() < 0.97
        assert 20 * 60 - 30 <= one.times[-1] - one.times[0] <= 30 * 60


def test_latency_grows_with_load_and_comes_through_to_callers():
    one = world(0)
    load = np.array([0.5, 1.0, 1.8]) * one.usual
    calm = expected(one, load, Knobs.still(3, one))
    assert (np.diff(calm.p50, axis=0) > 0).all()
    slow = Knobs.still(3, one)
    callee = one.edges[-1][1]
    slow.own[:, callee] *= 3
    after = expected(one, load, slow)
    callers = [one.edges[k][0] for k in one.callers(callee)]
    assert (after.p50[:, [callee, *callers]] > calm.p50[:, [callee, *callers]]).all()


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("turn", range(2 * len(KINDS)))
def test_a_fault_shows_at_its_root_from_its_onset_on(turn, index):
    one = world(index)
    times = np.arange(0.0, 1500.0, 15.0)
    load = np.full(len(times), one.usual * one.staging.capacity_ratio)
    steady = Plan(times, load, 120.0, 1440.0)
    healthy = Knobs.still(len(times), one)
    found = fault(one, turn, steady, load, healthy, np.random.default_rng(turn))
    states = [expected(one, load, k, one.staging.capacity_ratio) for k in (healthy, found.knobs)]
    if found.kind.name == "flatline":
        assert (found.knobs.alive[:, found.root] == (times < found.onset)).all()
        return
    before, after = (getattr(state, SHOWS_IN[found.kind.name])[:, found.root] for state in states)
    begun = times >= found.onset
    np.testing.assert_array_equal(after[~begun], before[~begun])
    change = (after - before)[begun].mean() * (-1 if found.kind.name == "throughput" else 1)
    assert change > 0
    assert found.size >= 0.09


def test_a_service_that_flatlined_has_no_samples_after_the_onset():
    for _, one in of_kind("flatline"):
        values = one.recording.column(f'latency_p50_seconds{{service="{one.truth.root}"}}')
        since = one.recording.times - one.recording.times[0]
        assert np.isnan(values[since >= one.truth.onset]).all()


def test_sizes_are_graded_a_third_of_the_faults_is_there_from_the_start_and_none_is_too_small():
    truths = [one.truth for _, one in bad_runs()]
    assert {truth.kind for truth in truths} == {kind.name for kind in KINDS}
    assert min(truth.size for truth in truths) >= 0.09
    assert np.mean([truth.whole_run for truth in truths]) == pytest.approx(1 / 3, abs=0.05)
    sized = {kind.name for kind in KINDS if kind.sized}
    small = np.mean([truth.size < 0.4 for truth in truths if truth.kind in sized])
    assert 0.1 < small < 0.45


@pytest.mark.parametrize(
    ("affected", "size", "inside"),
    [
        pytest.param("latency", 0.15, True, id="a small shift of latency is"),
        pytest.param("latency", 1.5, False, id="a large one is not"),
        pytest.param("errors", 0.1, False, id="errors never are"),
        pytest.param("absence", 1.0, False, id="absence never is"),
    ],
)
def test_which_shifts_could_be_staging_being_itself(affected, size, inside):
    assert inside_spread(world(0), affected, size) is inside


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_a_broken_run_lacks_load_or_telemetry_for_half_of_it(number):
    one = run(world(0), "broken", number)
    load = one.recording.column(LOAD)
    plateau = np.nanmax(run(world(0), "good", number).recording.column(LOAD))
    there = np.nan_to_num(load) > 0.1 * plateau
    assert one.truth.label == "broken"
    assert there.mean() < 0.6


def test_a_blip_is_over_after_forty_seconds():
    one = world(0)
    times = np.arange(0.0, 1500.0, 5.0)
    plan = Plan(times, np.full(len(times), one.usual), 120.0, 1440.0)
    knobs = Knobs.still(len(times), one)
    blip(knobs, plan, np.random.default_rng(1))
    assert 5 <= (knobs.own > 1).any(axis=1).sum() <= 8
    assert (knobs.own > 1).any(axis=0).sum() == 1


def test_trailing_sums_are_of_the_last_rows_or_of_those_there_are():
    values = np.arange(1.0, 6.0)[:, None]
    assert trailing(values, 3).ravel().tolist() == [1.0, 3.0, 6.0, 9.0, 12.0]


def test_a_boundary_run_is_worse_by_what_is_tolerated_once_it_is():
    one = run(draw(SEED, 2), "boundary", 1).recording
    memory = [k for k, name in enumerate(one.headers) if parts(name)[0] == "memory_bytes"]
    usual = [run(draw(SEED, 2), "good", k).recording.values[:, memory] for k in range(16)]
    ratio = np.nanmedian(one.values[:, memory], axis=0) / np.median(
        [np.nanmedian(values, axis=0) for values in usual], axis=0
    )
    assert np.median(ratio) == pytest.approx(1.05, abs=0.04)


def test_an_export_is_wide_csvs_with_their_truth(tmp_path):
    export(tmp_path, worlds=1, runs=2, seed=SEED)
    folder = tmp_path / "world_0"
    with (folder / "run_1.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    made = run(world(0), "bad", 1)
    assert head == ["time", *made.recording.headers]
    assert [float(row[0]) for row in rows] == made.recording.times.tolist()
    assert json.loads((folder / "truth.json").read_text())["run_1.csv"]["kind"] == made.truth.kind
    edges = (folder / "edges.csv").read_text().splitlines()
    assert edges == ["caller,callee", *(",".join(edge) for edge in world(0).named_edges)]
    assert len(list(folder.glob("accepted_*.csv"))) == 5
