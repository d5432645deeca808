"""What a stop, a kill, a reload and a long absence leave of a run."""

from __future__ import annotations

import math
import shutil
import sqlite3
from contextlib import closing

import pytest

from anomalyd import keeping
from anomalyd.model import Outcome, RunState, Verdict
from anomalyd.sinks.base import IncidentChanged, RunStarted
from tests.daemon.bench import Bench


@pytest.fixture
def seldom_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """In every window, however slow the machine is."""
    monkeypatch.setattr(keeping, "SNAPSHOT_SHARE", math.inf)


def gist(verdict: Verdict) -> tuple[object, ...]:
    """All of a verdict that must not depend on restarts; evidence to rounding."""
    findings = [
        (f.series, f.state, f.windows, round(f.observed, 9), round(f.evidence, 6))
        for f in verdict.findings
    ]
    incidents = [(i.started_at, i.ended_at, i.summary) for i in verdict.incidents]
    return verdict.outcome, verdict.reasons, findings, incidents, verdict.integrity


async def good(shop: Bench, staging) -> None:
    await shop.passes(900)


async def fault_before(shop: Bench, staging) -> None:
    """It fires, resolves and closes before the middle."""
    await shop.passes(300)
    staging.slower["pricing"] = 3.0
    await shop.passes(180)
    staging.slower.clear()
    await shop.passes(420)


async def fault_across(shop: Bench, staging) -> None:
    """It fires before the middle and goes on."""
    await shop.passes(720)
    staging.slower["pricing"] = 3.0
    await shop.passes(180)


STORIES = [good, fault_before, fault_across]


async def after(shop: Bench, staging) -> None:
    await shop.passes(120)
    staging.slower.clear()
    await shop.passes(780)


def kill(shop: Bench, risen: Bench) -> None:
    """Let `risen` find what `kill -9` would leave of `shop` now."""
    source, target = (one.config.state_dir for one in (shop, risen))
    shutil.copy(source / "snapshot.npz", target / "snapshot.npz")
    with (
        closing(sqlite3.connect(source / "anomalyd.db")) as before,
        closing(sqlite3.connect(target / "anomalyd.db")) as after,
    ):
        before.backup(after)


@pytest.fixture(scope="module")
def wholes() -> dict[str, Verdict]:
    """By story, the verdict of one session on all of it: the same for every test."""
    return {}


async def told_at_once(wholes, opened, staging, story) -> Verdict:
    if story.__name__ not in wholes:
        async with opened("whole") as shop, shop.at_work():
            run = shop.start()
            await story(shop, staging)
            await after(shop, staging)
            wholes[story.__name__] = await shop.verdict(run)
        staging.slower.clear()
    return wholes[story.__name__]


@pytest.mark.parametrize("story", STORIES)
async def test_a_restart_changes_nothing_of_a_verdict(wholes, opened, staging, story):
    whole = await told_at_once(wholes, opened, staging, story)
    async with opened("halves") as shop:
        async with shop.at_work():
            run = shop.start()
            await story(shop, staging)
        now = shop.now
    async with opened("halves") as shop:
        shop.now = now
        async with shop.at_work() as session:
            assert [one.id for one in session.runs.unfinished] == [run.id]
            await after(shop, staging)
            halves = await shop.verdict(run)
    assert gist(halves) == gist(whole)
    assert whole.outcome is (Outcome.PASS if story is good else Outcome.FAIL)


@pytest.mark.parametrize("story", STORIES)
async def test_a_kill_doubles_no_incident_and_loses_none(wholes, opened, staging, story):
    whole = await told_at_once(wholes, opened, staging, story)
    async with opened("killed") as shop, opened("risen") as risen:
        async with shop.at_work():
            run = shop.start()
            await story(shop, staging)
            kill(shop, risen)
        risen.now = shop.now
        async with risen.at_work():
            await after(risen, staging)
            halves = await risen.verdict(run)
    assert [(i.id, i.ended_at) for i in halves.incidents] == [
        (i.id, i.ended_at) for i in whole.incidents
    ]
    assert gist(halves) == gist(whole)
    opening = [
        notice.incident.id
        for notice in (*shop.told.notices, *risen.told.notices)
        if isinstance(notice, IncidentChanged)
    ]
    assert len(set(opening)) == len(whole.incidents)


async def test_a_kill_before_the_first_snapshot_leaves_a_gap_and_the_incident(opened, staging):
    async with opened("killed") as shop, opened("risen") as risen:
        async with shop.at_work():
            run = shop.start()
            await fault_across(shop, staging)
            (before,) = shop.store.incidents()
            kill(shop, risen)
        (risen.config.state_dir / "snapshot.npz").unlink()
        risen.now = shop.now
        async with risen.at_work():
            await risen.passes(300)
            verdict = await risen.verdict(run)
    assert verdict.outcome is Outcome.FAIL
    assert [incident.id for incident in verdict.incidents] == [before.id]
    (gap,) = [
        entry for entry in verdict.integrity if entry.kind == "gap" and entry.where == "anomalyd"
    ]
    assert gap.end - gap.start == pytest.approx(870, abs=30)


async def test_open_incidents_are_told_again_and_resolve_after_a_restart(opened, staging):
    async with opened("killed") as shop, opened("risen") as risen:
        async with shop.at_work():
            run = shop.start()
            await fault_across(shop, staging)
            kill(shop, risen)
        staging.slower.clear()
        risen.now = shop.now
        async with risen.at_work():
            (again,) = risen.told.notices
            assert isinstance(again, IncidentChanged)
            assert again.incident.open
            await risen.passes(600)
            last = risen.told.notices[-1]
            assert isinstance(last, IncidentChanged)
            assert (last.incident.id, last.incident.open) == (again.incident.id, False)
            assert not any(isinstance(notice, RunStarted) for notice in risen.told.notices)
            await risen.verdict(run)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"not an archive"])
async def test_a_damaged_snapshot_is_told_and_the_run_goes_on(shop, content, caplog):
    async with shop.at_work():
        run = shop.start()
        await shop.passes(120)
    (shop.config.state_dir / "snapshot.npz").write_bytes(content)
    async with shop.at_work():
        assert "detectors begin anew" in caplog.text
        await shop.passes(1800)
        assert (await shop.verdict(run)).outcome is Outcome.PASS


async def test_a_daemon_that_was_away_for_longer_than_a_run_may_last_proves_nothing(shop):
    async with shop.at_work():
        run = shop.start()
        await shop.passes(600)
    shop.now += 86400
    async with shop.at_work():
        await shop.passes(10)
        verdict = shop.store.verdict(run.id)
    assert verdict is not None
    assert verdict.outcome is Outcome.INVALID
    (ended,) = shop.ended
    assert (ended.run.state, ended.run.stopped_at) == (RunState.FINISHED, run.started_at + 6 * 3600)


async def test_a_reload_that_takes_a_signal_away_keeps_the_evidence_of_the_others(shop, staging):
    async with shop.at_work():
        run = shop.start()
        await fault_across(shop, staging)
        (before,) = shop.store.incidents()
    fewer = shop.config.signals.model_copy(update={"custom": shop.config.signals.custom[:1]})
    async with shop.at_work(shop.config.model_copy(update={"signals": fewer})):
        await shop.passes(300)
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.FAIL
    assert [incident.id for incident in verdict.incidents] == [before.id]
    assert {f.signal for f in verdict.findings if f.windows} == {"latency"}
    assert verdict.integrity == ()


async def test_a_reload_that_adds_a_signal_judges_it_from_then_on(shop, staging):
    more = shop.config.signals
    fewer = more.model_copy(update={"custom": more.custom[:1]})
    shop.config = shop.config.model_copy(update={"signals": fewer})
    async with shop.at_work():
        run = shop.start()
        await shop.passes(300)
    async with shop.at_work(shop.config.model_copy(update={"signals": more})):
        staging.failing["cart"] = 0.3
        await shop.passes(600)
        verdict = await shop.verdict(run)
    assert [f.series for f in verdict.findings if f.state == "fired"] == ['errors{service="cart"}']


async def test_an_error_of_ours_leaves_the_last_good_snapshot(shop, monkeypatch):
    async with shop.at_work():
        shop.start()
        await shop.passes(300)
    good_one = (shop.config.state_dir / "snapshot.npz").read_bytes()

    async def at_fault() -> None:
        async with shop.at_work() as session:

            def half_done(batch: object) -> None:
                session.pipeline.window_end = shop.now
                raise ZeroDivisionError

            monkeypatch.setattr(session.pipeline, "process", half_done)
            await shop.passes(10)

    with pytest.raises(ZeroDivisionError):
        await at_fault()
    assert (shop.config.state_dir / "snapshot.npz").read_bytes() == good_one
