"""Exemplars among the spans that were sent to us."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from anomalyd.config import Enrich
from anomalyd.enrich.gather import connect
from anomalyd.enriching import Enricher
from anomalyd.signals.traces.reservoir import Reservoir
from tests.enrich.incidents import NOW, RUN, START, gatherer, incident, of
from tests.fakes.tempo import FakeTempo
from tests.fakes.traces import Span, serve
from tests.signals.test_traces_reservoir import CANONICAL, spans


def reservoir() -> Reservoir:
    made = Reservoir(CANONICAL)
    for number, (start, duration, failed) in enumerate(
        [(-200.0, 0.1, False), (10.0, 0.9, False), (45.0, 0.1, True), (80.0, 0.2, False)], 1
    ):
        made.take(spans(("cart", number, start, duration, failed)), START + start + 1)
    return made


async def found(case=None, **settings):
    async with AsyncExitStack() as stack:
        made = await connect(Enrich.model_validate(settings), stack, reservoir())
        return await made.gather(RUN, case or incident(), NOW)


async def test_failed_ones_slow_ones_and_ordinary_ones_of_before():
    got = await found(received={"link": "https://t/$trace_id"})
    assert got.troubles == ()
    assert [(int(t.trace_id[16:], 16), t.why) for t in got.traces] == [
        (3, "error"),
        (2, "slow"),
        (4, ""),
        (1, ""),
    ]
    assert got.traces[1].link == f"https://t/{got.traces[1].trace_id}"
    assert (got.traces[1].service, got.traces[1].operation) == ("cart", "GET /items/{id}")


async def test_no_more_than_are_wanted_and_grafana_shows_them():
    grafana = {"url": "http://grafana", "datasource": "tempo"}
    got = await found(traces=1, received={"grafana": grafana})
    assert [t.why for t in got.traces] == ["error", "slow", ""]
    assert got.traces[0].link.startswith("http://grafana/explore?")


async def test_an_operation_that_nothing_came_of_is_looked_for_by_its_service():
    case = incident(anomalies=(of("cart", high=0.24, labels={"operation": "GET /cart"}),))
    assert [t.why for t in (await found(case)).traces] == ["slow", "", ""]


async def test_what_keeps_traces_is_asked_rather_than_memory():
    async with serve(FakeTempo([Span("ff", "cart", start=START + 5, failed=True)])) as tempo:
        got = await found(tempo={"url": tempo.url})
    assert [t.trace_id for t in got.traces] == ["ff"]
    async with gatherer() as made:
        assert (await made.gather(RUN, incident(), NOW)).traces == ()


async def test_nothing_is_waited_for_where_memory_alone_is_asked():
    told = []
    enricher = Enricher(Enrich.model_validate({"delay": "10m"}), lambda: NOW, reservoir())
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        await enricher.start(stack)
        running = tasks.create_task(enricher.run(told.append), name="enrich")
        enricher.put(RUN, incident())
        await enricher.settled(RUN.id)
        running.cancel()
    assert len(told[0].traces) == 4
