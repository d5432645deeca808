"""A restart in the middle of a run changes nothing but the time it took."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest

from anomalyd import codec, snapshots
from anomalyd.baseline.profile import Baseline
from anomalyd.model import Labels, Outcome
from tests.judgement.world import WINDOW, Fault, Stage, production

VERSION = "1.2.3"


def blip_then_fault() -> Stage:
    """An incident that closed, another that is open, and a service that is gone."""
    stage = Stage(windows=50, faults=[Fault("dead", "pricing", at=22), Fault("leak", "cart", 5)])
    stage.values["latency_p95", "gateway"][6:11] *= 4
    return stage


def restarted(stage: Stage, path, baseline: Baseline | None = None) -> bool:
    """A new pipeline in the stage's place, restored as a session does."""
    old = stage.pipeline
    incidents = [i for run_id in old.courses for i in old.incidents.of_run(run_id)]
    runs = [course.run for course in old.courses.values()]
    stage.pipeline = stage.new_pipeline()
    if baseline is not None:
        stage.pipeline.use_baseline(baseline)
    stage.pipeline.restore(runs)
    fits = snapshots.load(stage.pipeline, path, VERSION)
    stage.pipeline.reopen(incidents)
    return fits


@pytest.mark.parametrize("at", [1, 8, 12, 23, 26, 40, 50])
def test_a_run_goes_on_from_a_snapshot_to_the_same_verdict(at, tmp_path):
    expected = blip_then_fault().play().verdict()
    stage = blip_then_fault().play(range(at))
    snapshots.save(stage.pipeline, tmp_path / "snapshot.npz", VERSION)
    assert restarted(stage, tmp_path / "snapshot.npz")
    verdict = stage.play(range(at, 50)).verdict()
    assert codec.dumps(verdict) == codec.dumps(expected)


def test_with_rows_that_come_and_go_and_two_runs(tmp_path):
    def stage():
        made = Stage(("a", "b"), label="testid", windows=30, faults=[Fault("cpu", "cart", 10)])
        made.values["memory", "pricing"][:15, 0] = np.nan
        return made

    expected = stage().play().verdicts()
    halved = stage().play(range(17))
    snapshots.save(halved.pipeline, tmp_path / "s.npz", VERSION)
    assert restarted(halved, tmp_path / "s.npz")
    again = halved.play(range(17, 30)).verdicts()
    assert [codec.dumps(v) for v in again] == [codec.dumps(v) for v in expected]


def test_no_window_is_counted_twice(tmp_path):
    stage = Stage(windows=10).play(range(6))
    snapshots.save(stage.pipeline, tmp_path / "s.npz", VERSION)
    restarted(stage, tmp_path / "s.npz")
    stage.pipeline.process(stage.batch(5))
    assert len(stage.pipeline.courses["run-"].record.times) == 6


def test_series_that_came_while_it_was_written_are_not_in_it(tmp_path):
    expected = blip_then_fault().play().verdict()
    stage = blip_then_fault().play(range(20))
    stage.pipeline.table.add("cpu", Labels.of({"service": "newcomer"}))
    snapshots.save(stage.pipeline, tmp_path / "s.npz", VERSION)
    assert restarted(stage, tmp_path / "s.npz")
    assert codec.dumps(stage.play(range(20, 50)).verdict()) == codec.dumps(expected)


@pytest.mark.parametrize(
    ("version", "window"), [("1.2.4", WINDOW), (VERSION, 60.0)], ids=["version", "window"]
)
def test_a_snapshot_of_another(version, window, tmp_path):
    """is left alone: the detectors begin anew."""
    stage = Stage(windows=10).play()
    path = tmp_path / "s.npz"
    snapshots.save(stage.pipeline, path, version)
    other = Stage()
    other.pipeline.settings = type(other.pipeline.settings)(window)
    assert snapshots.load(other.pipeline, path, VERSION) is False
    assert len(other.pipeline.table) == 0


def test_without_a_file_there_is_none(tmp_path):
    assert snapshots.load(Stage().pipeline, tmp_path / "none.npz", VERSION) is False


def test_whatever_happened_to_the_file_nothing_is_raised(tmp_path):
    stage = Stage(windows=4).play()
    path = tmp_path / "s.npz"
    snapshots.save(stage.pipeline, path, VERSION)
    whole = path.read_bytes()
    index = whole.rfind(b"PK\x05\x06")
    index = int.from_bytes(whole[index + 16 : index + 20], "little")
    rng = random.Random(3)  # noqa: S311
    for _ in range(150):
        cut = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.randrange(4)):
            if cut:
                first = index if rng.random() < 0.5 and len(cut) > index else 0
                cut[rng.randrange(first, len(cut))] = rng.randrange(256)
        path.write_bytes(bytes(cut))
        other = Stage(windows=4)
        other.pipeline.restore(stage.runs())
        snapshots.load(other.pipeline, path, VERSION)


def test_arrays_that_do_not_fit_the_rows_are_refused(tmp_path):
    stage = Stage(windows=4).play()
    path = tmp_path / "s.npz"
    snapshots.save(stage.pipeline, path, VERSION)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(str(arrays["about"][()]))
    del about["keys"]
    arrays["about"] = np.array(json.dumps(about))
    np.savez(path, **arrays)
    other = Stage(windows=4)
    other.pipeline.restore(stage.runs())
    assert snapshots.load(other.pipeline, path, VERSION) is False


def test_a_pickle_is_not_read(tmp_path):
    np.savez(tmp_path / "s.npz", about=np.array({"version": VERSION}, dtype=object))
    assert snapshots.load(Stage().pipeline, tmp_path / "s.npz", VERSION) is False


def test_a_disk_that_refuses_leaves_the_old_snapshot_whole(tmp_path, monkeypatch):
    stage = Stage(windows=6).play(range(3))
    path = tmp_path / "s.npz"
    snapshots.save(stage.pipeline, path, VERSION)
    before = path.read_bytes()
    stage.play(range(3, 6))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        snapshots.save(stage.pipeline, path, VERSION)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.npz"]


def test_a_series_whose_signal_is_no_more_is_left_out(tmp_path):
    stage = Stage(windows=12).play()
    path = tmp_path / "s.npz"
    stage.pipeline.table.keys[3] = 'gone{service="cart"}'
    snapshots.save(stage.pipeline, path, VERSION)
    other = Stage(windows=12)
    other.pipeline.restore(stage.runs())
    assert snapshots.load(other.pipeline, path, VERSION)
    assert len(other.pipeline.table) == len(stage.pipeline.table) - 1
    assert other.pipeline.table.row_of(f"memory{Labels.of({'service': 'cart'})}") >= 0
    assert other.play(range(12, 12)).verdict().outcome is not Outcome.FAIL


@pytest.mark.parametrize("snapshot_at", [None, 3, 8])
def test_incidents_newer_than_the_snapshot_are_taken_up_and_nothing_fires_twice(
    snapshot_at, tmp_path
):
    """As after a `kill -9`: incidents are stored as they happen, arrays now and then."""
    stage = blip_then_fault()
    for t in range(26):
        if t == snapshot_at:
            snapshots.save(stage.pipeline, tmp_path / "s.npz", VERSION)
        stage.play([t])
    before = {i.id for i in stage.pipeline.incidents.of_run("run-")}
    assert restarted(stage, tmp_path / "s.npz") is (snapshot_at is not None)
    stage.told.clear()
    verdict = stage.play(range(26, 50)).verdict()
    assert verdict.outcome is Outcome.FAIL
    assert {i.id for i in verdict.incidents} == before
    fired = {f.series for f in verdict.findings if f.state == "fired"}
    assert {'latency_p95{service="gateway"}', 'cpu{service="pricing"}'} <= fired


def another_baseline() -> Baseline:
    found = production()
    return replace(found, profiles=replace(found.profiles, median=found.profiles.median * 1.01))


def test_a_run_that_finds_another_baseline_after_a_restart_does_not_pass(tmp_path):
    stage = Stage().play(range(20))
    snapshots.save(stage.pipeline, tmp_path / "s.npz", VERSION)
    assert restarted(stage, tmp_path / "s.npz", another_baseline())
    stage.play(range(20, 30))
    snapshots.save(stage.pipeline, tmp_path / "s.npz", VERSION)
    assert restarted(stage, tmp_path / "s.npz", another_baseline())
    verdict = stage.play(range(30, 40)).verdict()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "the baseline was replaced during the run" in verdict.reasons[0]
    assert [entry.kind for entry in verdict.integrity] == ["baseline"]


def test_a_run_that_finds_the_same_baseline_fitted_anew_goes_on(tmp_path):
    stage = Stage().play(range(20))
    snapshots.save(stage.pipeline, tmp_path / "s.npz", VERSION)
    again = replace(production(), meta={**production().meta, "created_at": 1.0})
    assert restarted(stage, tmp_path / "s.npz", again)
    assert stage.play(range(20, 40)).verdict().outcome is Outcome.PASS


def test_a_baseline_replaced_before_anything_was_judged_is_no_doubt(tmp_path):
    stage = Stage().play(range(0))
    snapshots.save(stage.pipeline, tmp_path / "s.npz", VERSION)
    stage.baseline = another_baseline()
    assert restarted(stage, tmp_path / "s.npz")
    assert stage.play().verdict().integrity == ()
