"""Too many series, none, or the same twice: the others are judged, and it is told."""

from __future__ import annotations

import math

import pytest

from anomalyd.config import Config, Detect, Runs
from anomalyd.model import Outcome, Verdict
from tests.daemon.bench import Bench
from tests.daemon.shop import SERVICES, configuration, settings
from tests.fakes.prometheus import Endless


async def test_a_signal_that_matches_nothing_leaves_the_others_alone(shop, staging, production):
    tree = settings(staging.url, production.url, shop.config.state_dir)
    tree["signals"]["custom"].append({"name": "ghost", "kind": "other", "gauge": "nowhere"})
    signals = tree["signals"]
    config = configuration(staging.url, production.url, shop.config.state_dir, signals=signals)
    async with shop.at_work(config):
        run = shop.start()
        await shop.passes(1800)
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.PASS, verdict.reasons
    assert not any(finding.signal == "ghost" for finding in verdict.findings)


async def test_a_signal_of_too_many_series_is_left_out_and_told(shop, staging, production):
    config = configuration(
        staging.url, production.url, shop.config.state_dir, limits={"query_series": 100}
    )
    staging.trouble = Endless(b'{"metric":{"service":"x"},"value":[1,"1"]},' * 64)
    staging.troubled = lambda query: "latency_seconds" in query and "avg_over" in query
    async with shop.at_work(config) as session:
        run = shop.start()
        await shop.passes(900)
        assert "more than 100 series" in session.degraded()[0]
        verdict = await shop.verdict(run)
    assert {f.signal for f in verdict.findings if f.windows} == {"errors"}
    assert [(e.kind, e.where) for e in verdict.integrity] == [("query-failed", "latency")]
    assert verdict.outcome is Outcome.INCONCLUSIVE


async def test_label_churn_stops_at_the_limit_and_is_told(shop, staging, production, caplog):
    config = configuration(
        staging.url, production.url, shop.config.state_dir, limits={"series": 20}
    )
    async with shop.at_work(config) as session:
        run = shop.start()
        for minute in range(30):
            staging.extra = [({"service": f"pod-{minute}-{n}"}, 0.02) for n in range(10)]
            await shop.passes(60)
        assert len(session.pipeline.table) == 20
        assert "limits.series (20) is reached" in session.degraded()[0]
        verdict = await shop.verdict(run)
    assert sum("limits.series" in record.message for record in caplog.records) == 1
    assert verdict.outcome is Outcome.PASS, verdict.reasons
    assert len(verdict.coverage.unmatched) == 13


async def test_a_series_that_comes_twice_is_counted_once_and_told(shop, staging):
    staging.extra = [({"service": "cart", "job": "other"}, 9.9)]
    async with shop.at_work():
        run = shop.start()
        await shop.passes(600)
        verdict = await shop.verdict(run)
    told = [entry for entry in verdict.integrity if entry.kind == "duplicate"]
    assert [entry.where for entry in told] == ['latency{service="cart"}']
    taken = '{"service": "cart", "job": "other"} was taken, {"service": "cart"} left out'
    assert told[0].detail == taken
    assert not told[0].breaks_run


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
async def test_what_is_no_number_is_absent(shop, staging, value):
    staging.slower["cart"] = math.nan
    staging.extra = [({"service": "cart"}, value)]
    async with shop.at_work():
        run = shop.start()
        await shop.passes(600)
        verdict = await shop.verdict(run)
    assert verdict.coverage.missing == ('latency{service="cart"}',)
    assert verdict.coverage.judged == 2 * len(SERVICES) - 1
    states = {f.series: f.state for f in verdict.findings}
    assert states['latency{service="cart"}'] == "missing"
    assert len(states) == 2 * len(SERVICES)


@pytest.fixture
def labelled(shop, staging, production) -> Config:
    """Runs by `testid`, and room for the series of four of them."""
    return configuration(
        staging.url,
        production.url,
        shop.config.state_dir,
        runs={"label": "testid"},
        limits={"series": 4 * (2 * len(SERVICES) + 1)},
    )


async def of_a_short_run(shop: Bench, selector: str) -> Verdict:
    """The verdict of a run whose series go when it is over."""
    (staging, _), others = shop.shops, shop.shops[0].runs
    staging.runs = (*others, selector)
    run = shop.start(selector=selector)
    await shop.passes(300)
    verdict = await shop.verdict(run)
    staging.runs = others
    await shop.passes(60)
    return verdict


async def test_short_runs_one_after_another_never_reach_the_limit(shop, labelled, staging):
    staging.runs = ()
    verdicts: list[Verdict] = []
    sessions = 0
    while len(verdicts) < 12:
        async with shop.at_work(labelled) as session:
            sessions += 1
            assert len(session.pipeline.table) == 0
            while len(verdicts) < 12 and not await session.may_know_more():
                verdicts.append(await of_a_short_run(shop, f"run-{len(verdicts)}"))
            assert session.pipeline.table.refused == 0
    assert {v.coverage.judged for v in verdicts} == {2 * len(SERVICES)}
    assert {v.coverage.missing for v in verdicts} == {()}
    assert 3 <= sessions <= 6


async def test_a_run_under_way_keeps_its_series_when_those_of_others_are_let_go(
    shop, labelled, staging
):
    staging.runs = ("long",)
    sessions, shorts, long = 0, 0, None
    while shorts < 6:
        async with shop.at_work(labelled) as session:
            sessions += 1
            long = long or shop.start(selector="long")
            while shorts < 6 and not await session.may_know_more():
                shorts += 1
                await of_a_short_run(shop, f"run-{shorts}")
            assert session.pipeline.table.refused == 0
            last = await shop.verdict(long) if shorts == 6 else None
    assert last is not None
    assert sessions >= 2
    assert (last.outcome, last.integrity) == (Outcome.PASS, ()), last.reasons
    assert {f.windows for f in last.findings} == {last.findings[0].windows}
    assert last.findings[0].windows * 30 >= 6 * 400


async def test_rows_are_not_let_go_while_an_expression_must_start_no_run(
    shop, labelled, staging, production
):
    staging.runs = ()
    detecting = labelled.model_copy(
        update={"runs": Runs(label="testid", detect=Detect(promql="running{$matchers}"))}
    )
    async with shop.at_work(detecting) as session:
        for number in range(3):
            await of_a_short_run(shop, f"run-{number}")
        staging.runs, staging.running = ("stopped",), 1.0
        await shop.passes(10)
        (detected,) = session.runs.unfinished
        await shop.verdict(detected)
        assert not await session.may_know_more()
        staging.runs, staging.running = (), 0.0
        await shop.passes(60)
        assert await session.may_know_more()
