"""What is said of a baseline when it is taken up, and how a snapshot is written."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import replace

import numpy as np

from anomalyd import __version__, snapshots
from anomalyd.baseline.file import save
from anomalyd.keeping import TOLD, BaselineFile, Disk, Memory
from tests.judgement.world import WINDOW, Fault, Stage


def taken_up(moved, path, caplog):
    stage = Stage()
    drifts = [
        {"series": f"cpu{{n={i}}}", "since": 0.0, "change": -0.2, "absolute": False}
        for i in range(moved)
    ]
    meta = {**stage.baseline.meta, "window": WINDOW, "drifts": drifts}
    save(replace(stage.baseline, meta=meta), path)
    with caplog.at_level(logging.INFO):
        BaselineFile(path, WINDOW).take_up(stage.pipeline, under_way=False)
    return [record.getMessage() for record in caplog.records][1:]


def test_the_log_says_which_series_of_production_moved(tmp_path, caplog):
    (said,) = taken_up(1, tmp_path / "baseline.npz", caplog)
    assert said.startswith("cpu{n=0}: production itself moved by -20% on 1970-01-01")


def test_of_many_that_moved_the_log_names_some_and_counts_the_rest(tmp_path, caplog):
    said = taken_up(TOLD + 3, tmp_path / "baseline.npz", caplog)
    assert len(said) == TOLD + 1
    assert said[-1] == "3 more series moved; `anomalyd baseline show` names them"


async def test_what_comes_while_a_snapshot_is_written_does_not_wait_for_it(tmp_path, monkeypatch):
    came, real = threading.Event(), snapshots.write

    def slow(*arguments):
        assert came.wait(10)
        real(*arguments)

    async def body() -> None:
        came.set()

    monkeypatch.setattr(snapshots, "write", slow)
    stage, path = Stage(windows=4).play(), tmp_path / "snapshot.npz"
    memory = Memory(stage.pipeline, path, Disk(tmp_path))
    await asyncio.gather(memory.snapshot_if_due(), body())
    assert snapshots.load(Stage(windows=4).pipeline, path, __version__)


async def test_a_run_that_starts_while_a_snapshot_is_written_begins_with_nothing_of_one_before(
    tmp_path, monkeypatch
):
    faults = [Fault("cpu", "cart", 8)]
    stage = Stage(("a", "b"), label="testid", windows=30, faults=faults).play()
    pipeline, path = stage.pipeline, tmp_path / "snapshot.npz"
    before = pipeline.courses["run-b"]
    assert pipeline.anomalies.firing[before.rows].any()
    pipeline.forget_run("run-b")
    again = replace(before.run, id="again")

    async def in_the_middle_of_its_start(write, *arguments):
        """Where the thread may get its turn."""
        begin = pipeline.board.begin
        monkeypatch.setattr(pipeline.board, "begin", lambda of: (begin(of), write(*arguments)))
        pipeline.start_run(again)

    monkeypatch.setattr(asyncio, "to_thread", in_the_middle_of_its_start)
    await Memory(pipeline, path, Disk(tmp_path)).snapshot_if_due()
    restarted = stage.new_pipeline()
    restarted.restore([pipeline.courses["run-a"].run, again])
    assert snapshots.load(restarted, path, __version__)
    assert restarted.anomalies.firing[restarted.courses["run-a"].rows].any()
    assert not restarted.anomalies.firing[restarted.courses["again"].rows].any()
    np.testing.assert_array_equal(restarted.anomalies.peak[restarted.courses["again"].rows], 0.0)


async def test_a_window_is_written_once(tmp_path):
    stage, path = Stage(windows=4).play(), tmp_path / "snapshot.npz"
    memory = Memory(stage.pipeline, path, Disk(tmp_path))
    await memory.snapshot_if_due()
    path.unlink()
    await memory.snapshot_if_due()
    assert not path.exists()
