"""Reading production's past: politely, resumably, and shorter where the server struggles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from anomalyd.baseline.history import Request
from anomalyd.baseline.reader import MIN_POINTS, HistoryReader
from anomalyd.baseline.rows import RowStore, Stored
from anomalyd.config import EnvironmentConfig
from anomalyd.http import session
from anomalyd.model import Kind, PromQL, Signal
from anomalyd.query import QueryError, Trouble
from anomalyd.sources.promapi import PromApi
from tests.fakes import prometheus as fakes
from tests.fakes.prometheus import FakePrometheus, error, refuse, serve

STEP = 60.0
START = 1_700_000_040.0
LATENCY = Signal("latency", Kind.LATENCY, PromQL("latency"))
ERRORS = Signal("errors", Kind.ERRORS, PromQL("errors"))
COUNT = Stored("requests", 30.0, STEP)
REQUESTS = (
    Request(LATENCY, Stored("latency", 30.0, STEP), COUNT),
    Request(ERRORS, Stored("errors", 30.0, STEP), COUNT),
)


def world(query: str, at: float) -> list[tuple[dict[str, str], str | float]]:
    scale = {"latency": 1.0, "errors": 0.5, "requests": 10.0}[query]
    return [({"service": name}, scale * (at - START) / STEP) for name in ("a", "b")]


class Clock:
    """A sleep that only notes how long it was asked for."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@asynccontextmanager
async def reader(
    fake: FakePrometheus, store: RowStore, clock: Clock, **settings: int
) -> AsyncIterator[HistoryReader]:
    endpoint = EnvironmentConfig.model_validate({"url": fake.url, "timeout": "300ms"})
    async with session(endpoint) as http:
        api = PromApi(endpoint, http, name="production")
        yield HistoryReader(api, store, sleep=clock.sleep, **settings)


def ranges(fake: FakePrometheus) -> list[tuple[str, int, int]]:
    """Range queries as (query, first step, last step)."""
    return [
        (
            f["query"],
            round((float(f["start"]) - START) / STEP),
            round((float(f["end"]) - START) / STEP),
        )
        for f in fake.asked("query_range")
    ]


async def test_a_fetch_stores_all_rows_once_and_tells_its_progress(tmp_path: Path) -> None:
    store, told = RowStore(tmp_path), []
    async with serve(FakePrometheus(ranges=world)) as fake, reader(fake, store, Clock()) as read:
        fetched = await read.fetch(
            REQUESTS, START, START + 20 * STEP, lambda *progress: told.append(progress)
        )
    assert fetched.failures == {}
    assert ranges(fake) == [("latency", 0, 19), ("requests", 0, 19), ("errors", 0, 19)]
    assert told == [(20, 60, "latency"), (40, 60, "latency"), (60, 60, "errors")]
    rows = store.read(REQUESTS[1].value, START, START + 20 * STEP)
    assert rows.answered.all()
    np.testing.assert_array_equal(rows.values[0], np.arange(20) / 2)


async def test_a_refresh_asks_for_new_steps_only_and_nothing_when_there_are_none(
    tmp_path: Path,
) -> None:
    store = RowStore(tmp_path)
    async with serve(FakePrometheus(ranges=world)) as fake, reader(fake, store, Clock()) as read:
        await read.fetch(REQUESTS[:1], START, START + 10 * STEP + 7)
        fake.seen.clear()
        await read.fetch(REQUESTS[:1], START + 3 * STEP, START + 15 * STEP + 30)
        assert ranges(fake) == [("latency", 10, 14), ("requests", 10, 14)]
        fake.seen.clear()
        await read.fetch(REQUESTS[:1], START + 3 * STEP, START + 15 * STEP + 30)
        assert fake.seen == []


async def test_an_estimate_reads_no_range_and_is_what_the_fetch_then_asks(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    fake = FakePrometheus(ranges=world)
    end = START + 100 * STEP
    async with serve(fake), reader(fake, store, Clock(), max_points=30) as read:
        estimate = await read.estimate(REQUESTS, START, end)
        assert ranges(fake) == []
        await read.fetch(REQUESTS, START, end)
        left = await read.estimate(REQUESTS, START, end)
    assert (estimate.queries, estimate.samples) == (12, 600)
    assert estimate.series == {"latency": 2, "errors": 2}
    assert len(ranges(fake)) == 12
    assert (left.queries, left.samples) == (0, 0)


async def test_no_query_asks_for_more_points_than_prometheus_gives(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    one = (Request(LATENCY, Stored("latency", 30.0, STEP)),)
    fake = FakePrometheus(ranges=lambda query, at: [({}, 1.0)] if at == START else [])
    async with serve(fake), reader(fake, store, Clock()) as read:
        fetched = await read.fetch(one, START, START + 25_000 * STEP)
    assert fetched.failures == {}
    assert [last - first + 1 for _, first, last in ranges(fake)] == [10_900, 10_900, 3_200]


def over(points: int, trouble: fakes.Answer, fake: FakePrometheus) -> fakes.Answer:
    async def answer(request: web.Request, form: dict[str, str]) -> web.StreamResponse:
        if "step" in form:
            asked = (float(form["end"]) - float(form["start"])) / float(form["step"]) + 1
            if asked > points:
                return await trouble(request, form)
        return fake._answer(request.match_info["path"], form)

    return answer


@pytest.mark.parametrize(
    "trouble",
    [
        refuse(422, "execution", "query processing would load too many samples"),
        refuse(503, "timeout", "query timed out in expression evaluation"),
        refuse(503),
        fakes.never,
    ],
    ids=["422", "the server's timeout", "503", "our timeout"],
)
async def test_a_range_that_is_too_much_is_halved_until_it_is_not(
    tmp_path: Path, trouble: fakes.Answer
) -> None:
    store, clock, fake = RowStore(tmp_path), Clock(), FakePrometheus(ranges=world)
    fake.trouble = over(30, trouble, fake)
    async with serve(fake), reader(fake, store, clock) as read:
        fetched = await read.fetch(REQUESTS[:1], START, START + 64 * STEP)
    assert fetched.failures == {}
    sizes = [last - first + 1 for query, first, last in ranges(fake) if query == "latency"]
    assert sizes == [64, 32, 16, 16, 16, 16]
    assert store.read(REQUESTS[0].value, START, START + 64 * STEP).answered.all()
    assert clock.slept == [1.0, 2.0] * 2


async def test_a_query_that_is_never_had_is_named_and_harms_no_other(tmp_path: Path) -> None:
    store, fake = RowStore(tmp_path), FakePrometheus(ranges=world)
    fake.trouble = over(0, refuse(422, "execution", "too many samples"), fake)
    fake.troubled = lambda query: query == "latency"
    async with serve(fake), reader(fake, store, Clock()) as read:
        fetched = await read.fetch(REQUESTS, START, START + 64 * STEP)
    assert list(fetched.failures) == ["latency"]
    assert f"not even {MIN_POINTS} points at once" in fetched.failures["latency"]
    assert store.covered(REQUESTS[1].value) == [(START, START + 64 * STEP)]


async def test_a_server_that_asks_for_patience_is_given_it(tmp_path: Path) -> None:
    store, clock, fake = RowStore(tmp_path), Clock(), FakePrometheus(ranges=world)
    left = [17.0, 23.0]

    async def busy(request: web.Request, form: dict[str, str]) -> web.StreamResponse:
        if left:
            return error(429, "too_many", "slow", **{"Retry-After": f"{left.pop(0):g}"})
        return fake._answer(request.match_info["path"], form)

    fake.trouble = busy
    async with serve(fake), reader(fake, store, clock) as read:
        await read.fetch(REQUESTS[:1], START, START + 4 * STEP)
    assert clock.slept == [17.0, 23.0]


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Trouble.UNAUTHORIZED), (403, Trouble.FORBIDDEN)]
)
async def test_what_no_query_could_have_ends_the_fetch(
    tmp_path: Path, status: int, kind: Trouble
) -> None:
    fake = FakePrometheus(trouble=refuse(status))
    async with serve(fake), reader(fake, RowStore(tmp_path), Clock()) as read:
        with pytest.raises(QueryError) as caught:
            await read.fetch(REQUESTS, START, START + 4 * STEP)
    assert caught.value.kind is kind
    assert len(fake.seen) == 1


class Interrupted(Exception):
    """Stands for whatever ends a fetch half-way."""


async def test_an_interrupted_fetch_resumes_where_it_was(tmp_path: Path) -> None:
    store, fake = RowStore(tmp_path), FakePrometheus(ranges=world)
    told = 0

    def stop(done: int, total: int, name: str) -> None:
        nonlocal told
        told += 1
        if told == 2:
            raise Interrupted

    async with serve(fake), reader(fake, store, Clock(), max_points=10) as read:
        with pytest.raises(ExceptionGroup):
            await read.fetch(REQUESTS[:1], START, START + 40 * STEP, stop)
        fake.seen.clear()
        await read.fetch(REQUESTS[:1], START, START + 40 * STEP)
    assert ranges(fake)[0] == ("latency", 20, 29)


async def test_concurrency_is_as_configured(tmp_path: Path) -> None:
    fake = FakePrometheus(ranges=world)
    at_once: list[int] = []
    under_way = 0

    async def counted(request: web.Request, form: dict[str, str]) -> web.StreamResponse:
        nonlocal under_way
        under_way += 1
        at_once.append(under_way)
        answer = fake._answer(request.match_info["path"], form)
        under_way -= 1
        return answer

    fake.trouble = counted
    async with serve(fake), reader(fake, RowStore(tmp_path), Clock()) as read:
        await read.fetch(REQUESTS, START, START + 4 * STEP)
    assert set(at_once) == {1}
