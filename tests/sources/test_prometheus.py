"""The pull source: what becomes of answers, of their absence, and of answers that contradict."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from anomalyd.config import EnvironmentConfig
from anomalyd.http import session
from anomalyd.model import LOAD_SIGNAL, Batch, Kind, PromQL, Rate, Ratio, Selector, Signal
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import SourceError
from anomalyd.sources.promapi import PromApi
from anomalyd.sources.prometheus import PrometheusSource
from anomalyd.sources.queries import service_labels
from tests.fakes import prometheus as fakes
from tests.fakes.prometheus import FakePrometheus, refuse, serve, vector

TICK = 1_700_000_000.0
CPU = Signal("cpu", Kind.SATURATION, PromQL("cpu{$matchers}"))
MEMORY = Signal("memory", Kind.RESOURCE, PromQL("memory{$matchers}"))
REQUESTS = Selector("requests_total")
ERRORS = Signal("errors", Kind.ERRORS, Ratio(Selector("bad_total"), REQUESTS))
RATE = Signal("rate", Kind.TRAFFIC, Rate(REQUESTS))
LOAD = Signal(LOAD_SIGNAL, Kind.TRAFFIC, PromQL("load{$matchers}"), by=())


@asynccontextmanager
async def source(
    fake: FakePrometheus,
    *signals: Signal,
    limit: int = 1000,
    rediscover: float = 60.0,
    **settings: Any,
) -> AsyncIterator[tuple[PrometheusSource, SignalTable]]:
    endpoint = EnvironmentConfig.model_validate({"url": fake.url, "timeout": "5s", **settings})
    table = SignalTable(signals, limit)
    canonical = Canonical(("service", "app", "job"), drop=("pod",))
    async with session(endpoint) as http:
        api = PromApi(endpoint, http, name="staging")
        yield PrometheusSource(api, table, canonical, window=30.0, rediscover=rediscover), table


def read(batch: Batch, table: SignalTable) -> dict[str, float]:
    return {
        table.keys[row]: value
        for row, value in zip(batch.rows.tolist(), batch.values.tolist(), strict=True)
    }


CPU_ANSWER = {"cpu{}": vector(({"service": "a"}, 0.5), ({"job": "b"}, 0.25))}


async def test_values_come_under_canonical_keys_at_the_tick() -> None:
    async with serve(FakePrometheus(dict(CPU_ANSWER))) as fake, source(fake, CPU) as (pull, table):
        batch = await pull.collect(TICK)
    assert read(batch, table) == {'cpu{service="a"}': 0.5, 'cpu{service="b"}': 0.25}
    assert (batch.time, batch.answered) == (TICK, {"cpu"})
    assert {form["time"] for form in fake.asked("query")} == {"1700000000"}


async def test_a_series_keeps_its_row_from_tick_to_tick() -> None:
    async with serve(FakePrometheus(dict(CPU_ANSWER))) as fake, source(fake, CPU) as (pull, table):
        first = await pull.collect(TICK)
        fake.answers["cpu{}"] = vector(({"service": "new"}, 1.0), ({"service": "a"}, 0.75))
        second = await pull.collect(TICK + 5)
    assert read(second, table) == {'cpu{service="new"}': 1.0, 'cpu{service="a"}': 0.75}
    assert first.rows.tolist() == [0, 1]
    assert second.rows.tolist() == [2, 0]


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
async def test_a_value_that_is_no_number_is_absent(value: str) -> None:
    fake = FakePrometheus({"cpu{}": vector(({"service": "a"}, value), ({"service": "b"}, 1.0))})
    async with serve(fake), source(fake, CPU) as (pull, table):
        batch = await pull.collect(TICK)
    assert read(batch, table) == {'cpu{service="b"}': 1.0}


async def test_a_signal_that_matches_nothing_is_answered_with_nothing() -> None:
    async with serve(FakePrometheus()) as fake, source(fake, CPU) as (pull, _):
        batch = await pull.collect(TICK)
    assert (len(batch.rows), batch.answered, pull.failures()) == (0, {"cpu"}, {})


async def test_one_failing_query_harms_no_other_and_is_told_once_each_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakePrometheus({**CPU_ANSWER, "memory{}": vector(({"service": "a"}, 7.0))})
    fake.troubled = lambda query: query.startswith("memory")
    caplog.set_level(logging.INFO, "anomalyd.sources.prometheus")
    async with serve(fake), source(fake, CPU, MEMORY) as (pull, table):
        fake.trouble = refuse(503, "unavailable", "overloaded")
        batches = [await pull.collect(TICK + 5 * k) for k in range(3)]
        failures = pull.failures()
        fake.trouble = None
        healed = [await pull.collect(TICK + 15), await pull.collect(TICK + 20)]
    assert [batch.answered for batch in batches] == [{"cpu"}] * 3
    assert [len(batch.rows) for batch in batches] == [2, 2, 2]
    assert list(failures) == ["memory"]
    assert "overloaded" in failures["memory"]
    assert healed[1].answered == {"cpu", "memory"}
    assert read(healed[1], table)['memory{service="a"}'] == 7.0
    assert pull.failures() == {}
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warned) == 1
    assert warned[0].startswith("no answer for memory: staging (http")
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    assert told == ["staging answers again for memory"]


@pytest.mark.parametrize(
    "trouble",
    [fakes.cut_off, fakes.page(b'{"status":"succ'), refuse(401), refuse(403), refuse(404),
     refuse(422, "execution", "x"), refuse(429), refuse(500), fakes.never],
)  # fmt: skip
async def test_no_trouble_of_the_server_ends_a_tick(trouble: fakes.Answer) -> None:
    fake = FakePrometheus(trouble=trouble)
    async with serve(fake), source(fake, CPU, LOAD, timeout="200ms") as (pull, _):
        batch = await pull.collect(TICK)
    assert (len(batch.rows), batch.answered) == (0, frozenset())
    assert set(pull.failures()) == {"cpu", LOAD_SIGNAL}


async def test_a_server_that_asks_for_patience_is_left_alone_for_that_long() -> None:
    fake = FakePrometheus(dict(CPU_ANSWER), trouble=refuse(429, **{"Retry-After": "10"}))
    async with serve(fake), source(fake, CPU) as (pull, _):
        await pull.collect(TICK)
        fake.trouble = None
        waiting = await pull.collect(TICK + 5)
        asked = len(fake.seen)
        back = await pull.collect(TICK + 10)
    assert (waiting.answered, asked) == (frozenset(), 1)
    assert back.answered == {"cpu"}


def ratio_answers(pull: PrometheusSource, index: int, values: Any, counts: Any) -> dict[str, Any]:
    compiled = pull.queries[index]
    assert compiled.count is not None
    return {compiled.value: values, compiled.count: counts}


async def test_counts_stand_beside_their_values_and_a_shared_count_is_asked_once() -> None:
    other = Signal("errors_too", Kind.ERRORS, Ratio(Selector("other_total"), REQUESTS))
    a, b = {"service": "a"}, {"service": "b"}
    fake = FakePrometheus()
    async with serve(fake), source(fake, ERRORS, other) as (pull, table):
        for index in (0, 1):
            fake.answers |= ratio_answers(
                pull, index, vector((b, 0.5), (a, 0.25)), vector((a, 40.0))
            )
        batch = await pull.collect(TICK)
        count_query = pull.queries[0].count
    counts = dict(zip([table.keys[r] for r in batch.rows], batch.counts.tolist(), strict=True))
    assert counts['errors{service="a"}'] == counts['errors_too{service="a"}'] == 40.0
    assert counts['errors{service="b"}'] != counts['errors{service="b"}']
    assert [form["query"] for form in fake.asked("query")].count(str(count_query)) == 1


async def test_a_value_whose_count_failed_is_not_answered() -> None:
    fake = FakePrometheus(trouble=refuse(500), troubled=lambda query: "increase" in query)
    async with serve(fake), source(fake, ERRORS, CPU) as (pull, _):
        batch = await pull.collect(TICK)
    assert batch.answered == {"cpu"}


async def test_of_two_series_with_one_key_the_one_with_more_events_is_kept_and_told() -> None:
    few, many = {"service": "a", "job": "few"}, {"service": "a", "job": "many"}
    for order in ((few, many), (many, few)):
        fake = FakePrometheus()
        async with serve(fake), source(fake, ERRORS) as (pull, table):
            fake.answers = ratio_answers(
                pull,
                0,
                vector(*((one, 0.1 if one is few else 0.2) for one in order)),
                vector((few, 5.0), (many, 50.0)),
            )
            batch = await pull.collect(TICK)
        assert read(batch, table) == {'errors{service="a"}': 0.2}
        (twice,) = pull.duplicates()
        assert twice.key == 'errors{service="a"}'
        assert "many" in twice.kept
        assert [("few" in one) for one in twice.dropped] == [True]


async def test_without_counts_the_first_in_key_order_is_kept() -> None:
    fake = FakePrometheus(
        {"cpu{}": vector(({"pod": "b", "service": "a"}, 2.0), ({"pod": "a", "service": "a"}, 1.0))}
    )
    async with serve(fake), source(fake, CPU) as (pull, table):
        assert read(await pull.collect(TICK), table) == {'cpu{service="a"}': 1.0}
        assert len(pull.duplicates()) == 1
        fake.answers["cpu{}"] = vector(({"pod": "a", "service": "a"}, 1.0))
        await pull.collect(TICK + 5)
        assert pull.duplicates() == ()


async def test_series_over_the_table_limit_are_left_out() -> None:
    fake = FakePrometheus({"cpu{}": vector(*(({"service": str(i)}, 1.0) for i in range(9)))})
    async with serve(fake), source(fake, CPU, limit=4) as (pull, table):
        batch = await pull.collect(TICK)
    assert (len(batch.rows), len(table)) == (4, 4)


@pytest.mark.parametrize(
    ("capacity", "answer", "load"),
    [
        (1.0, None, 120.0),
        (4, None, 120.0),
        ("replicas{$matchers}", vector(({}, 3.0)), 40.0),
        ("replicas{$matchers}", vector(), None),
        ("replicas{$matchers}", vector(({}, 0.0)), None),
        ("replicas{$matchers}", vector(({"a": "1"}, 1.0), ({"a": "2"}, 1.0)), None),
    ],
)
async def test_load_is_divided_by_a_capacity_that_is_asked_for(
    capacity: float | str, answer: Any, load: float | None
) -> None:
    fake = FakePrometheus({"load{}": vector(({}, 120.0)), "replicas{}": answer})
    async with serve(fake), source(fake, LOAD, CPU, capacity=capacity) as (pull, table):
        batch = await pull.collect(TICK)
    if load is None:
        assert batch.answered == {"cpu"}
        assert "capacity must yield one number" in pull.failures()[LOAD_SIGNAL]
    else:
        assert read(batch, table) == {"load": load}


async def test_a_scalar_may_be_the_load() -> None:
    scalar = {"resultType": "scalar", "result": [TICK, "12"]}
    async with (
        serve(FakePrometheus({"load{}": scalar})) as fake,
        source(fake, LOAD) as (pull, table),
    ):
        assert read(await pull.collect(TICK), table) == {"load": 12.0}


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_start_ends_where_only_the_user_can_mend_it(status: int) -> None:
    fake = FakePrometheus(trouble=refuse(status))
    async with serve(fake), source(fake, CPU) as (pull, _):
        with pytest.raises(SourceError, match=f"HTTP {status}"):
            await pull.start()


async def test_start_goes_on_where_the_server_may_come_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakePrometheus(trouble=refuse(503))
    caplog.set_level(logging.DEBUG)
    async with serve(fake), source(fake, CPU) as (pull, _):
        await pull.start()
    assert "HTTP 503" in caplog.text


async def test_grouping_follows_the_identity_label_that_the_metric_has_once_it_is_there() -> None:
    fake = FakePrometheus(metrics={})
    async with serve(fake), source(fake, RATE, rediscover=0.01) as (pull, _):
        await pull.start()
        assert "by (service, app, job)" in pull.queries[0].value
        fake.metrics["requests_total"] = ["app", "job", "code"]
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(pull.run())
            await regrouped(pull, "by (app)")
            looking.cancel()


async def regrouped(pull: PrometheusSource, grouping: str) -> None:
    while grouping not in pull.queries[0].value:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


METRICS = {
    "bad_total": frozenset({"app", "job"}),
    "requests_total": frozenset({"service", "app", "job"}),
}


@pytest.mark.parametrize(
    ("signal", "found"),
    [
        (RATE, ("service",)),
        (ERRORS, ("app",)),
        (CPU, ("service", "app", "job")),
        (Signal("x", Kind.OTHER, Rate(Selector("unseen_total"))), ("service", "app", "job")),
    ],
    ids=["first it carries", "first that both carry", "expressions", "unseen metrics"],
)
def test_the_identity_of_a_signal(signal: Signal, found: tuple[str, ...]) -> None:
    assert service_labels(signal, ("service", "app", "job"), METRICS) == found
