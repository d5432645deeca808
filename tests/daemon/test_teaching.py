"""Runs that were accepted as good teach the daemon, from the next run on."""

from __future__ import annotations

import pytest

from anomalyd.baseline import taught
from anomalyd.baseline.file import digest
from anomalyd.model import Finding, Outcome, Run, Verdict
from anomalyd.replay import tape
from anomalyd.runs import acceptance
from anomalyd.teaching import FILE
from tests.daemon.bench import Bench
from tests.daemon.shop import SERVICES, Shop, configuration, write_baseline
from tests.daemon.test_record import replays

SLOWER = 1.3
SECONDS = 330.0


def troubled(staging: Shop, fault: float = 1.0) -> None:
    """All of staging is slower than production, and pricing by `fault` more."""
    staging.slower = dict.fromkeys(SERVICES, SLOWER)
    staging.slower["pricing"] = SLOWER * fault


async def judged(shop: Bench, selector: str = "", version: str = "") -> tuple[Run, Verdict]:
    run = shop.start(selector=selector, version=version)
    await shop.passes(SECONDS)
    return run, await shop.verdict(run)


async def accepted(shop: Bench, staging: Shop, runs: int = 3) -> list[str]:
    """Good runs that were accepted and learned from."""
    troubled(staging)
    found = [(await judged(shop))[0].id for _ in range(runs)]
    for run_id in found:
        acceptance.accept(shop.store, run_id, shop.now)
    await look(shop)
    return found


async def look(shop: Bench) -> None:
    assert shop.session is not None
    await shop.session.teaching.look(shop.session.runs)


def taught_by(shop: Bench) -> int:
    """How many accepted runs the pipeline is taught by."""
    assert shop.session is not None
    transfer = shop.session.pipeline.judged_by.transfer
    return transfer.runs if transfer is not None else 0


def of_pricing(verdict: Verdict) -> Finding:
    (found,) = (f for f in verdict.findings if f.series == 'latency{service="pricing"}')
    return found


async def test_what_accepted_runs_showed_is_expected_and_a_smaller_fault_fails(shop, staging):
    async with shop.at_work():
        runs = await accepted(shop, staging)
        good, verdict = await judged(shop)
        assert (verdict.outcome, verdict.reference) == (Outcome.PASS, "accepted-runs")
        found = of_pricing(verdict)
        assert found.low < found.observed < found.high
        assert abs(found.effect) < 0.03
        troubled(staging, fault=1.4)
        faulty, verdict = await judged(shop)
        assert verdict.outcome is Outcome.FAIL
        assert {one.service for one in verdict.incidents[0].anomalies} == {"pricing"}
        for run_id in runs:
            acceptance.undo(shop.store, run_id)
        await look(shop)
        _, verdict = await judged(shop)
        assert (verdict.outcome, verdict.reference) == (Outcome.INCONCLUSIVE, "production")
        assert of_pricing(verdict).effect > SLOWER * 1.4 - 1.1
        assert not (shop.config.state_dir / FILE).exists()
    for run in (good, faulty):
        assert replays(shop, run.id).references[-1].transfer.runs == 3


async def test_a_restart_goes_on_with_what_was_learned(shop, staging):
    async with shop.at_work() as session:
        runs = await accepted(shop, staging, runs=1)
        baseline = digest(session.pipeline.judged_by.baseline)
    path = shop.config.state_dir / FILE
    before = path.stat().st_ino
    _, origin = taught.load(path)
    assert (origin.baseline, origin.runs) == (baseline, tuple(runs))
    async with shop.at_work():
        run = shop.start()
        assert taught_by(shop) == 1
        await shop.passes(60)
    async with shop.at_work():
        await shop.passes(SECONDS)
        verdict = await shop.verdict(run)
        await look(shop)
    assert (verdict.outcome, verdict.reference) == (Outcome.PASS, "accepted-runs")
    assert path.stat().st_ino == before


async def test_nothing_is_learned_or_forgotten_while_a_run_is_under_way(shop, staging):
    async with shop.at_work():
        troubled(staging)
        first, _ = await judged(shop)
        run = shop.start()
        acceptance.accept(shop.store, first.id, shop.now)
        await look(shop)
        assert taught_by(shop) == 0
        await shop.verdict(run)
        await look(shop)
        assert taught_by(shop) == 1
        run = shop.start()
        acceptance.undo(shop.store, first.id)
        await look(shop)
    async with shop.at_work():
        await look(shop)
        assert taught_by(shop) == 1
        await shop.verdict(run)
        await look(shop)
        assert taught_by(shop) == 0


async def test_a_new_baseline_is_learned_beside_anew(shop, staging):
    path = shop.config.state_dir / "baseline.npz"
    async with shop.at_work() as session:
        await accepted(shop, staging, runs=1)
        write_baseline(path, shop.config, windows=120)
        await shop.passes(10)
        assert taught_by(shop) == 0
        await look(shop)
        assert taught_by(shop) == 1
        _, origin = taught.load(shop.config.state_dir / FILE)
        assert origin.baseline == digest(session.pipeline.judged_by.baseline)


async def test_a_recording_that_is_damaged_is_told_and_the_others_teach(shop, staging):
    async with shop.at_work() as session:
        whole, damaged = await accepted(shop, staging, runs=2)
        frames = shop.config.state_dir / "recordings" / damaged / tape.FRAMES
        frames.write_bytes(frames.read_bytes()[:100])
        (shop.config.state_dir / FILE).write_bytes(b"torn")
    async with shop.at_work() as session:
        assert taught_by(shop) == 0
        await look(shop)
        assert taught_by(shop) == 1
        (told,) = session.degraded()
        assert damaged in told
        assert "teaches nothing" in told
        assert whole not in told


async def test_a_run_that_was_too_short_teaches_nothing_and_says_so(shop):
    async with shop.at_work() as session:
        run = shop.start()
        await shop.passes(120)
        await shop.verdict(run)
        acceptance.accept(shop.store, run.id, shop.now)
        await look(shop)
        assert taught_by(shop) == 0
        assert any("8 are needed" in one for one in session.degraded())


async def test_runs_of_one_selector_teach_those_of_another(shop, staging, production):
    sections = {"runs": {"label": "testid"}}
    shop.config = configuration(staging.url, production.url, shop.config.state_dir, **sections)
    troubled(staging)
    async with shop.at_work():
        for selector in ("blue", "green"):
            staging.runs = (selector,)
            run, _ = await judged(shop, selector)
            acceptance.accept(shop.store, run.id, shop.now)
        await look(shop)
        staging.runs = ("red",)
        _, verdict = await judged(shop, "red")
    assert verdict.reference == "accepted-runs"
    (found,) = (f for f in verdict.findings if f.signal == "latency" and f.service == "pricing")
    assert abs(found.effect) < 0.03


async def test_a_run_of_several_selectors_cannot_teach(shop, staging, production):
    sections = {"runs": {"label": "testid"}}
    shop.config = configuration(staging.url, production.url, shop.config.state_dir, **sections)
    staging.runs = ("blue", "green")
    async with shop.at_work() as session:
        run, _ = await judged(shop)
        acceptance.accept(shop.store, run.id, shop.now)
        await look(shop)
        assert any("series of several testid" in told for told in session.degraded())


async def test_windows_of_another_width_cannot_teach(shop, staging, production):
    async with shop.at_work():
        await accepted(shop, staging, runs=1)
    state = shop.config.state_dir
    shop.config = configuration(staging.url, production.url, state, window="60s")
    write_baseline(state / "baseline.npz", shop.config, window=60.0, windows=120)
    async with shop.at_work() as session:
        await look(shop)
        assert taught_by(shop) == 0
        assert any("its windows are of 30s" in told for told in session.degraded())


@pytest.mark.parametrize("undone", [False, True], ids=["accepted", "undone"])
async def test_the_recording_of_an_accepted_run_makes_no_room_until_that_is_undone(
    shop, staging, production, undone
):
    state = shop.config.state_dir
    shop.config = configuration(
        staging.url, production.url, state, limits={"recording_bytes": 12_000}
    )
    async with shop.at_work():
        run = shop.start()
        await shop.passes(60)
        await shop.verdict(run)
        acceptance.accept(shop.store, run.id, shop.now)
        if undone:
            acceptance.undo(shop.store, run.id)
        other = shop.start()
        await shop.passes(60)
        await shop.verdict(other)
    assert (state / "recordings" / run.id).exists() != undone
