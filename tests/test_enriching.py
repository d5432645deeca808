"""When incidents are fetched for, how often, and who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from anomalyd.config import Enrich
from anomalyd.enriching import FETCHES, Enricher
from anomalyd.model import Enrichment, Kind
from anomalyd.query import QueryError
from tests.enrich.incidents import NOW, RUN, START, incident, of
from tests.fakes.tempo import FakeTempo
from tests.fakes.traces import Span, refuse, serve

FAILED = [Span("a1", "cart", start=START + 5, failed=True)]


class Desk:
    def __init__(self, enricher: Enricher, fake: FakeTempo) -> None:
        self.enricher, self.fake = enricher, fake
        self.found: list[Enrichment] = []


@asynccontextmanager
async def desk(fake: FakeTempo, **settings: object) -> AsyncIterator[Desk]:
    async with serve(fake), AsyncExitStack() as stack:
        given = {"tempo": {"url": fake.url}, "delay": "0s", **settings}
        enricher = Enricher(Enrich.model_validate(given), lambda: NOW)
        await enricher.start(stack)
        made = Desk(enricher, fake)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(enricher.run(made.found.append), name="enrich")
            yield made
            running.cancel()


async def test_an_incident_is_fetched_for_once_and_again_only_for_something_else():
    async with desk(FakeTempo(FAILED)) as made:
        for _ in range(3):
            made.enricher.put(RUN, incident())
            await made.enricher.settled(RUN.id)
        assert len(made.found) == 1
        assert made.found[0].traces[0].trace_id == "a1"
        made.enricher.put(RUN, incident(anomalies=(of("cart", kind=Kind.ERRORS),)))
        made.enricher.put(RUN, incident(ended_at=START + 300))
        await made.enricher.settled(RUN.id)
        assert len(made.found) == 2
        assert made.enricher.troubles() == []


async def test_an_incident_that_keeps_changing_is_left_alone_until_it_ends():
    async with desk(FakeTempo()) as made:
        for number in range(2 * FETCHES):
            made.enricher.put(RUN, incident(anomalies=(of("cart", high=0.1 + number),)))
            await made.enricher.settled(RUN.id)
        assert len(made.found) == FETCHES
        made.enricher.put(RUN, incident(ended_at=START + 300))
        await made.enricher.settled(RUN.id)
        assert len(made.found) == FETCHES + 1


async def test_no_more_incidents_of_a_run_than_are_allowed():
    async with desk(FakeTempo(), incidents=2) as made:
        for number in range(5):
            made.enricher.put(RUN, replace(incident(), id=f"i{number}"))
        made.enricher.put(replace(RUN, id="r2"), replace(incident(), id="i9", run_id="r2"))
        await made.enricher.settled(RUN.id)
        await made.enricher.settled("r2")
        assert [(one.run_id, one.incident_id) for one in made.found] == [
            ("r1", "i0"),
            ("r1", "i1"),
            ("r2", "i9"),
        ]


async def test_what_hangs_is_left_after_the_deadline_and_told():
    async def never(request):
        await asyncio.Event().wait()

    async with desk(FakeTempo(trouble=never), deadline="200ms") as made:
        made.enricher.put(RUN, incident())
        await made.enricher.settled(RUN.id)
        [found] = made.found
        assert found.traces == ()
        assert "enrich.deadline (0.2s)" in found.troubles[0]


async def test_trouble_is_logged_when_it_comes_and_when_it_goes(caplog):
    caplog.set_level("INFO")
    async with desk(FakeTempo(trouble=refuse(500, "away"))) as made:
        for number in range(2):
            made.enricher.put(RUN, replace(incident(), id=f"i{number}"))
            await made.enricher.settled(RUN.id)
        assert "fails (HTTP 500): away" in made.enricher.troubles()[0]
        made.fake.trouble = None
        made.enricher.put(RUN, replace(incident(), id="i9"))
        await made.enricher.settled(RUN.id)
        assert made.enricher.troubles() == []
    told = [record.message for record in caplog.records if record.name == "anomalyd.enriching"]
    assert len(told) == 2
    assert told[1] == "traces and log lines are to be had again"


async def test_nobody_waits_for_one_that_is_stopped_or_has_nothing_to_do():
    async with asyncio.TaskGroup() as tasks, desk(FakeTempo(), delay="10m") as made:
        made.enricher.put(RUN, incident())
        waits = tasks.create_task(made.enricher.settled(RUN.id), name="waits")
        await asyncio.sleep(0)
        assert not waits.done()
    idle = Enricher(Enrich(), lambda: NOW)
    await idle.start(AsyncExitStack())
    idle.put(RUN, incident())
    await idle.settled(RUN.id)
    await idle.run(lambda found: None)


async def test_a_secret_that_is_gone_is_one_sentence(tmp_path):
    secret = tmp_path / "token"
    settings = {"url": "http://localhost", "auth": {"bearer_file": str(secret)}}
    enricher = Enricher(Enrich.model_validate({"tempo": settings}), lambda: NOW)
    with pytest.raises(QueryError, match=r"^enrich\.tempo: a secret or certificate cannot be read"):
        await enricher.start(AsyncExitStack())
