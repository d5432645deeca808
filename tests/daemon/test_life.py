"""Runs beside one another, runs that nobody announced, silences, notes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from anomalyd.api.control import NotReady
from anomalyd.model import Labels, Outcome, Run, Verdict
from anomalyd.runs.life import RunConflict, UnknownRun
from anomalyd.runs.silences import Silence
from tests.daemon.shop import configuration
from tests.fakes.prometheus import refuse

Configured = Callable[..., None]


@pytest.fixture
def configured(shop, staging, production) -> Configured:
    """Give the shop's session other sections of the configuration."""

    def configured(**more: object) -> None:
        shop.config = configuration(staging.url, production.url, shop.config.state_dir, **more)

    return configured


async def test_runs_of_two_selectors_are_told_apart(shop, staging, configured):
    configured(runs={"label": "testid"})
    staging.runs = ("blue", "green")
    slow = staging.latency
    async with shop.at_work() as session:
        blue, green = shop.start("b", "blue"), shop.start("g", "green")
        await shop.passes(600)
        only_blue = [({"service": "cart", "testid": "blue"}, 0.2)]
        staging.latency = lambda service, time: (
            float("nan") if service == "cart" else slow(service, time)
        )
        staging.extra = [*only_blue, ({"service": "cart", "testid": "green"}, 0.03)]
        await shop.passes(600)
        with pytest.raises(RunConflict):
            shop.start("again", "blue")
        with pytest.raises(RunConflict):
            shop.start("all", "")
        assert len(session.runs.unfinished) == 2
        session.runs.stop(green.id)
        bad = await shop.verdict(blue)
    good = shop.store.verdict(green.id)
    assert (bad.outcome, good.outcome) == (Outcome.FAIL, Outcome.PASS), good.reasons
    assert all(incident.run_id == blue.id for incident in bad.incidents)
    assert good.incidents == ()


async def test_a_detected_run_starts_and_stops_with_its_expression(shop, staging, configured):
    configured(runs={"detect": {"promql": "running{$matchers}", "name": "found"}})
    async with shop.at_work() as session:
        await shop.passes(60)
        assert session.runs.unfinished == []
        staging.running = 3.0
        await shop.passes(1800)
        (run,) = session.runs.unfinished
        assert (run.name, run.origin) == ("found", "detected")
        staging.running = 0.0
        await shop.passes(60)
    verdict = shop.store.verdict(run.id)
    assert verdict.outcome is Outcome.PASS, verdict.reasons


async def test_an_expression_that_cannot_be_asked_neither_starts_nor_ends_a_run(
    shop, staging, configured, caplog
):
    configured(runs={"detect": {"promql": "running{$matchers}"}})
    async with shop.at_work() as session:
        staging.running = 1.0
        await shop.passes(30)
        staging.trouble = refuse(400, "bad_data", "parse error")
        staging.troubled = lambda query: query.startswith("running")
        await shop.passes(300)
        (run,) = session.runs.unfinished
        assert any("parse error" in reason for reason in session.degraded())
        staging.trouble = None
        await shop.passes(10)
    told = [r.message for r in caplog.records if r.message.startswith("runs.detect")]
    assert len(told) == 2
    assert "parse error" in told[0]
    assert "answers again" in told[1]
    assert run.stopped_at is None


async def fault(shop, staging) -> tuple[Run, Verdict]:
    run = shop.start()
    await shop.passes(300)
    staging.slower["cart"] = 3.0
    await shop.passes(600)
    return run, await shop.verdict(run)


async def test_a_silenced_series_does_not_decide_and_is_listed(shop, staging):
    silence = Silence.new(
        signal="latency", match=(), reason="known to be slow", until=shop.now + 7200, now=shop.now
    )
    shop.store.add_silence(silence)
    async with shop.at_work():
        _, verdict = await fault(shop, staging)
    assert verdict.outcome is not Outcome.FAIL
    assert verdict.incidents == ()
    assert 'latency{service="cart"}' in verdict.coverage.silenced


async def test_a_silence_that_ended_silences_nothing(shop, staging):
    silence = Silence.new(
        signal="latency", match=(), reason="for a minute", until=shop.now + 60, now=shop.now
    )
    shop.store.add_silence(silence)
    async with shop.at_work():
        _, verdict = await fault(shop, staging)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.coverage.silenced == ()


async def test_a_silence_of_a_run_under_way_holds_from_then_on(shop, staging):
    async with shop.at_work() as session:
        run = shop.start()
        await shop.passes(300)
        shop.store.add_silence(
            Silence.new(
                signal="latency", match=(), reason="now", until=shop.now + 7200, now=shop.now
            )
        )
        session.read_silences()
        staging.slower["cart"] = 3.0
        await shop.passes(600)
        verdict = await shop.verdict(run)
    assert verdict.outcome is not Outcome.FAIL


async def test_a_note_of_a_run_under_way_is_in_its_report_and_moves_nothing(shop):
    async with shop.at_work() as session:
        run = shop.start()
        await shop.passes(300)
        shop.store.add_note(run.id, "the cache was cold", shop.now)
        await shop.passes(300)
        (kept,) = session.runs.unfinished
        assert kept.state == "active"
        await shop.verdict(run)
    (ended,) = shop.ended
    assert ended.run.notes == ("the cache was cold",)
    assert ended.document["run"]["notes"] == ["the cache was cold"]


async def test_stopping_twice_changes_nothing(shop):
    async with shop.at_work() as session:
        run = shop.start()
        await shop.passes(60)
        first = session.runs.stop(run.id)
        await shop.passes(10)
        assert session.runs.stop(run.id) == first
        await shop.passes(60)
        with pytest.raises(UnknownRun):
            session.runs.stop(run.id)


async def test_no_run_starts_while_another_is_being_judged(shop, monkeypatch):
    async with shop.at_work() as session:
        run = shop.start()
        await shop.passes(120)
        session.runs.stop(run.id)
        await shop.passes(20)
        judge = session.pipeline.finish_run
        refused = []

        def while_judging(*arguments):
            with pytest.raises(NotReady) as caught:
                session.runs.start("next", "", Labels())
            refused.append(str(caught.value))
            return judge(*arguments)

        monkeypatch.setattr(session.pipeline, "finish_run", while_judging)
        await shop.passes(20)
        assert refused == ["a run is being judged just now; try again in a few seconds"]
        assert shop.start("next").name == "next"
