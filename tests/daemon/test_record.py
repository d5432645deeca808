"""A run that the daemon recorded is judged again to the last digit."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import pytest

from anomalyd import codec
from anomalyd.model import Outcome, Verdict
from anomalyd.replay import bundle, tape
from anomalyd.replay.again import play
from anomalyd.replay.recorded import RecordedRun
from anomalyd.runs.silences import Silence
from tests.daemon.bench import Bench, bench
from tests.daemon.process import command
from tests.daemon.shop import configuration, write_baseline
from tests.daemon.test_restart import kill
from tests.fakes.prometheus import refuse


def recorded(shop: Bench, run_id: str) -> RecordedRun:
    return tape.read(shop.config.state_dir / "recordings" / run_id)


def told(verdict: Verdict | None) -> object:
    """What follows from the run alone: its risk, but not what became of other releases."""
    assert verdict is not None
    assert verdict.risk is not None
    return codec.to_dict(replace(verdict, risk=verdict.risk.uncalibrated))


def replays(shop: Bench, run_id: str) -> RecordedRun:
    """To the verdict that was given, from an archive of the recording."""
    found = recorded(shop, run_id)
    assert told(found.verdict) == told(shop.store.verdict(run_id))
    again = bundle.unpack(bundle.pack(found), "the archive")
    assert told(again.verdict) == told(play(again).verdict) == told(found.verdict)
    return found


async def fault(shop: Bench, staging) -> None:
    """A service is slow for a while; it fires and resolves."""
    await shop.passes(150)
    staging.slower["pricing"] = 3.0
    await shop.passes(180)
    staging.slower.clear()
    await shop.passes(150)


async def test_a_run_replays_to_its_verdict_in_another_process(shop, staging, tmp_path):
    async with shop.at_work():
        await shop.passes(60)
        run = shop.start()
        await fault(shop, staging)
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.FAIL
    bundle.write(replays(shop, run.id), tmp_path / "run")
    assert staging.url not in (tmp_path / "run" / bundle.ABOUT).read_text()
    environ = {**os.environ, "PYTHONHASHSEED": "1"}
    done = await command("replay", str(tmp_path / "run"), "--json", environ=environ)
    assert done.child.returncode == 1, done.said
    (answer,) = map(json.loads, done.out)
    assert answer["recorded"]["identical"]
    assert answer["reasons"] == list(verdict.reasons)


async def test_runs_beside_one_another_replay_apart(shop, staging, production):
    sections = {"runs": {"label": "testid"}}
    shop.config = configuration(staging.url, production.url, shop.config.state_dir, **sections)
    staging.runs = ("blue", "green")
    async with shop.at_work() as session:
        await shop.passes(30)
        blue = shop.start("b", "blue")
        await shop.passes(90)
        green = shop.start("g", "green")
        await fault(shop, staging)
        session.runs.stop(green.id)
        await shop.verdict(blue)
    for run in (blue, green):
        keys = replays(shop, run.id).stretches[0].keys
        assert keys
        assert all(f'testid="{run.selector}"' in key for key in keys)


async def test_silences_and_failed_queries_are_part_of_a_recording(shop, staging):
    async with shop.at_work() as session:
        run = shop.start()
        await shop.passes(120)
        until = shop.now + 120.0
        shop.store.add_silence(
            Silence.new(signal="latency", match=(), reason="known", until=until, now=shop.now)
        )
        session.read_silences()
        staging.trouble, staging.troubled = refuse(503), lambda query: "failed_total" in query
        await shop.passes(60)
        staging.trouble = None
        await fault(shop, staging)
        await shop.verdict(run)
    windows = replays(shop, run.id).stretches[0].windows
    assert {len(window.conditions.silences) for window in windows} == {0, 1}
    assert {"errors" in window.batch.answered for window in windows} == {True, False}


async def test_a_restart_and_a_kill_in_mid_run_are_part_of_a_recording(opened, staging):
    async with opened("killed") as shop, opened("risen") as risen:
        async with shop.at_work():
            run = shop.start()
            await fault(shop, staging)
        async with shop.at_work():
            await shop.passes(60)
            kill(shop, risen)
            staging.slower["cart"] = 3.0
            await shop.passes(120)
            source, target = (one.config.state_dir / "recordings" for one in (shop, risen))
            shutil.copytree(source, target)
        with (target / run.id / tape.FRAMES).open("ab") as torn:
            torn.write(b"half a frame")
        risen.now = shop.now
        async with risen.at_work():
            await risen.passes(150)
            verdict = await risen.verdict(run)
        found = replays(risen, run.id)
    assert len(verdict.incidents) == 2
    first, second, third = found.stretches
    assert second.resumed.until == first.windows[-1].batch.time
    assert third.resumed.until < second.windows[-1].batch.time


async def test_a_reload_that_changes_settings_is_part_of_a_recording(shop, staging, production):
    async with shop.at_work():
        run = shop.start()
        await shop.passes(120)
    judgement = {"warmup": "30s", "settle": "30s", "false_fail": "10%"}
    state = shop.config.state_dir
    other = configuration(staging.url, production.url, state, judgement=judgement)
    async with shop.at_work(other):
        await fault(shop, staging)
        await shop.verdict(run)
    found = replays(shop, run.id)
    assert [s.settings.false_fail for s in found.stretches] == [0.01, 0.1]


async def test_a_baseline_that_comes_late_or_anew_is_part_of_a_recording(
    staging, production, tmp_path, baseline
):
    config = configuration(staging.url, production.url, tmp_path / "state")
    async with bench(config, staging, production) as shop:
        async with shop.at_work():
            run = shop.start()
            await shop.passes(60)
            shutil.copy(baseline, config.state_dir / "baseline.npz")
            await shop.passes(120)
        write_baseline(config.state_dir / "baseline.npz", config, windows=300)
        async with shop.at_work():
            await fault(shop, staging)
            verdict = await shop.verdict(run)
        assert any(entry.kind == "baseline" for entry in verdict.integrity)
        found = replays(shop, run.id)
        assert [by.baseline is None for by in found.references] == [True, False, False]


async def test_the_baseline_on_disk_is_shared_by_recordings(shop):
    async with shop.at_work():
        run = shop.start()
        await shop.passes(30)
    state = shop.config.state_dir
    kept = state / "recordings" / run.id / "baseline.npz"
    assert kept.stat().st_ino == (state / "baseline.npz").stat().st_ino


@pytest.mark.parametrize("limit", [0, 1000])
async def test_recordings_end_where_they_may_take_no_more(shop, staging, production, limit):
    state = shop.config.state_dir
    limits = {"recording_bytes": limit}
    shop.config = configuration(staging.url, production.url, state, limits=limits)
    async with shop.at_work() as session:
        run = shop.start()
        await shop.passes(90)
        told_of = [one for one in session.degraded() if "recording" in one]
        await shop.verdict(run)
    assert not (state / "recordings" / run.id).exists()
    assert bool(told_of) == (limit > 0)


async def test_the_oldest_recording_makes_room_for_the_next(shop, staging, production):
    state = shop.config.state_dir
    names = []
    for limit in (10**9, 13_000):
        limits = {"recording_bytes": limit}
        shop.config = configuration(staging.url, production.url, state, limits=limits)
        async with shop.at_work():
            run = shop.start()
            await shop.passes(60)
            await shop.verdict(run)
        names.append([path.name for path in (state / "recordings").iterdir()])
    size = sum(path.stat().st_size for path in (state / "recordings" / run.id).iterdir())
    assert 7_500 < size < 13_000
    assert names[0] != names[1] == [run.id]


async def test_a_disk_that_refuses_is_said_and_counted_and_judges_all_the_same(shop, staging):
    async with shop.at_work() as session:
        run = shop.start()
        await shop.passes(60)
        frames = shop.config.state_dir / "recordings" / run.id / tape.FRAMES
        away = frames.rename(frames.with_name("away"))
        await shop.passes(60)
        assert any("the recording cannot be written" in one for one in session.degraded())
        away.rename(frames)
        await fault(shop, staging)
        assert session.degraded() == []
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.FAIL
    assert recorded(shop, run.id).lost == 2
