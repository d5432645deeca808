"""A run whose incident gets traces and log lines: told again, reported, and judged the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anomalyd import codec
from anomalyd.report.enriched import enriched
from anomalyd.sinks.base import IncidentChanged
from tests.daemon.shop import START, configuration
from tests.daemon.test_record import fault, replays
from tests.fakes.loki import FakeLoki
from tests.fakes.tempo import FakeTempo
from tests.fakes.traces import Span, serve


@asynccontextmanager
async def kept() -> AsyncIterator[tuple[FakeTempo, FakeLoki]]:
    """Traces and lines of a pricing that is slow from the fourth minute on."""
    spans = [
        Span(f"{n:032x}", "pricing", "GET /price", START + 5 * n, 0.09 if n >= 42 else 0.03)
        for n in range(120)
    ]
    loki = FakeLoki()
    loki.add("pricing", [START + 2 * n for n in range(300)], "INFO priced item %n")
    loki.add("pricing", [START + 220 + 5 * n for n in range(30)], "WARN rates are stale by %ns")
    async with serve(FakeTempo(spans)) as tempo, serve(loki):
        yield tempo, loki


def settings(tempo: FakeTempo, loki: FakeLoki):
    return {
        "tempo": {"url": tempo.url, "link": "https://traces/$trace_id"},
        "loki": {"url": loki.url},
        "delay": "0s",
    }


@asynccontextmanager
async def enriching(session) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(session.enricher.run(session.runs.enriched), name="enrich")
        yield
        running.cancel()


async def judged(shop, staging, config):
    async with shop.at_work(config) as session, enriching(session):
        await shop.passes(60)
        run = shop.start()
        await fault(shop, staging)
        verdict = await shop.verdict(run)
        await session.enricher.settled(run.id)
    return run, verdict


async def test_an_incident_is_told_again_with_what_was_found(shop, staging, production):
    state = shop.config.state_dir
    async with kept() as (tempo, loki):
        enrich = settings(tempo, loki)
        config = configuration(staging.url, production.url, state, enrich=enrich)
        run, verdict = await judged(shop, staging, config)
    [incident] = verdict.incidents
    found = shop.store.enrichment(run.id, incident.id)
    assert found is not None
    assert found.troubles == ()
    assert {trace.why for trace in found.traces} == {"slow", ""}
    assert all(trace.service == "pricing" for trace in found.traces)
    assert found.traces[0].link == f"https://traces/{found.traces[0].trace_id}"
    assert [one.template for one in found.logs] == ["WARN rates are stale by <*>s"]
    told = [one for one in shop.told.notices if isinstance(one, IncidentChanged)]
    assert told[0].found is None
    assert told[-1].found == found
    document = enriched(shop.ended[-1].document, shop.store.enrichments(run.id))
    [shown] = document["incidents"]
    assert shown["enrichment"]["logs"][0]["count"] == found.logs[0].count
    replays(shop, run.id)


async def test_a_verdict_is_the_same_with_and_without(opened, staging, production):
    verdicts = []
    async with kept() as (tempo, loki):
        for name, enrich in (("with", settings(tempo, loki)), ("without", {})):
            async with opened(name) as shop:
                state = shop.config.state_dir
                config = configuration(staging.url, production.url, state, enrich=enrich)
                run, verdict = await judged(shop, staging, config)
            text = codec.dumps(verdict).replace(run.id, "run")
            for incident in verdict.incidents:
                text = text.replace(incident.id, "incident")
            verdicts.append(text)
    with_traces, without = verdicts
    assert with_traces == without


async def test_nothing_of_an_absent_tempo_reaches_the_verdict(shop, staging, production):
    enrich = {"tempo": {"url": "http://127.0.0.1:1"}, "delay": "0s"}
    config = configuration(staging.url, production.url, shop.config.state_dir, enrich=enrich)
    async with shop.at_work(config) as session, enriching(session):
        await shop.passes(60)
        run = shop.start()
        await fault(shop, staging)
        verdict = await shop.verdict(run)
        await session.enricher.settled(run.id)
        assert any("enrich.tempo" in told for told in session.degraded())
    assert verdict.outcome.value == "fail"
    assert verdict.integrity == ()
