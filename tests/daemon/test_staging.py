"""Staging's server in every kind of trouble, before and during a run."""

from __future__ import annotations

import asyncio
import logging

import pytest

from anomalyd.model import Outcome
from anomalyd.sources.base import SourceError
from tests.daemon.bench import bench
from tests.daemon.shop import configuration
from tests.fakes.prometheus import cut_off, never, page, refuse

AWAY = {
    "unavailable": refuse(503),
    "a broken gateway": refuse(502),
    "throttled": refuse(429, "too_many_requests", "slow down"),
    "cut off": cut_off,
    "not JSON": page(b"<html>", "text/html"),
}


@pytest.mark.parametrize("trouble", AWAY.values(), ids=AWAY)
async def test_a_server_that_is_away_at_the_start_is_waited_for(shop, staging, trouble):
    staging.trouble = trouble
    async with shop.at_work() as session:
        assert not session.settled
        assert not await session.may_know_more()
        await shop.passes(10)
        assert any("staging" in reason for reason in session.unready())
        staging.trouble = None
        assert await session.may_know_more()
    async with shop.at_work() as session:
        await shop.passes(10)
        assert (session.settled, session.unready()) == (True, [])


async def test_nobody_listening_at_the_start_is_waited_for(production, tmp_path):
    config = configuration("http://127.0.0.1:1", production.url, tmp_path / "state")
    async with bench(config) as made, made.at_work() as session:
        await made.passes(20)
        assert "cannot be reached" in session.unready()[0]
        assert not session.settled


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_only_the_user_can_mend_ends_the_start_in_one_sentence(shop, staging, status):
    staging.trouble = refuse(status)
    with pytest.raises(SourceError, match=f"^staging .*HTTP {status}.*$"):
        async with shop.at_work():
            pass


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "No such file"),
        (b"two\nlines", "has a line break or another control character; write it on one line"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
    ids=["gone", "of two lines", "binary"],
)
async def test_a_secret_that_cannot_be_sent_ends_the_start_in_one_sentence(
    shop, staging, tmp_path, found, why
):
    secret = tmp_path / "token"
    secret.write_text("s3cret")
    environments = {"staging": {"url": staging.url, "auth": {"bearer_file": str(secret)}}}
    config = configuration(staging.url, None, tmp_path / "state", environments=environments)
    if found is None:
        secret.unlink()
    else:
        secret.write_bytes(found)
    said = rf"^staging: a secret or certificate cannot be read: .*{why}.*$"
    with pytest.raises(SourceError, match=said):
        async with shop.at_work(config):
            pass


@pytest.mark.parametrize(("seconds", "outcome"), [(60, Outcome.PASS), (600, Outcome.INCONCLUSIVE)])
async def test_a_server_away_for_a_while_is_no_fault_of_the_system(shop, staging, seconds, outcome):
    async with shop.at_work():
        run = shop.start()
        await shop.passes(1800)
        staging.trouble = refuse(503)
        await shop.passes(seconds)
        staging.trouble = None
        await shop.passes(600)
        verdict = await shop.verdict(run)
    assert verdict.outcome is outcome, verdict.reasons
    assert verdict.incidents == ()
    gone = {entry.where: entry for entry in verdict.integrity}
    assert gone.keys() == {"staging", "latency", "errors", "load"}
    assert gone["staging"].kind == "no-data"
    assert gone["staging"].end - gone["staging"].start == pytest.approx(seconds, abs=30)


async def test_a_server_away_for_most_of_a_run_makes_it_invalid(shop, staging):
    async with shop.at_work():
        run = shop.start()
        await shop.passes(300)
        staging.trouble = refuse(503)
        await shop.passes(900)
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.INVALID
    assert any(entry.breaks_run for entry in verdict.integrity)


async def test_a_fault_seen_before_the_server_went_away_still_fails_the_run(shop, staging):
    async with shop.at_work():
        run = shop.start()
        await shop.passes(600)
        staging.slower["cart"] = 3.0
        await shop.passes(300)
        staging.trouble = refuse(503)
        await shop.passes(3000)
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.FAIL


async def test_trouble_and_its_end_are_logged_once_each(shop, staging, caplog):
    caplog.set_level(logging.INFO)
    async with shop.at_work():
        await shop.passes(30)
        caplog.clear()
        staging.trouble = refuse(503)
        await shop.passes(100)
        staging.trouble = None
        await shop.passes(100)
    told = [record.message for record in caplog.records if "answer" in record.message]
    assert len(told) == 2, told
    assert told[0].startswith("no answer for load, latency, errors")
    assert "answers again" in told[1]


async def test_an_unanswered_tick_can_be_given_up_without_a_trace(shop, staging):
    async with shop.at_work() as session:
        run = shop.start()
        await shop.passes(300)
        staging.trouble = never
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await session.ask(shop.now + 10)
        staging.trouble = None
        windows = list(session.pipeline.courses[run.id].record.times)
        await shop.passes(30)
        assert session.pipeline.courses[run.id].record.times == [*windows, windows[-1] + 30]


@pytest.mark.parametrize(("seconds", "outcome"), [(60, Outcome.PASS), (600, Outcome.INCONCLUSIVE)])
async def test_ticks_that_come_late_leave_a_gap_that_is_told(shop, seconds, outcome):
    async with shop.at_work():
        run = shop.start()
        await shop.passes(1200)
        shop.now += seconds
        await shop.passes(1200)
        verdict = await shop.verdict(run)
    assert verdict.outcome is outcome, verdict.reasons
    (gap,) = verdict.integrity
    assert (gap.kind, gap.where) == ("gap", "anomalyd")
    assert gap.end - gap.start == seconds


async def test_clocks_that_differ_are_told(shop, staging):
    staging.skew = -60.0
    async with shop.at_work() as session:
        assert session.degraded() == [
            "staging: its clock is 1m behind ours; synchronise both with NTP"
        ]
