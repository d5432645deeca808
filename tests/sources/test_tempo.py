"""Signals by TraceQL metrics: what is asked, and what becomes of answers and of their absence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomalyd.config import EnvironmentConfig, Limits
from anomalyd.model import (
    LOAD_SIGNAL,
    Batch,
    Environment,
    Kind,
    Signal,
    SpanMeasure,
    SpanMetric,
    Worse,
)
from anomalyd.query import QueryError, Trouble
from anomalyd.signals import presets
from anomalyd.signals.identity import Canonical
from anomalyd.signals.quantities import SPANS
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Make, Side, Source, SourceError, Wanted
from anomalyd.sources.edges import EdgeReader
from anomalyd.sources.tempo import source as tempo
from anomalyd.sources.tempo.past import whole_seconds
from anomalyd.sources.tempo.traceql import compile_all
from tests.fakes.tempo_metrics import FakeTempoMetrics
from tests.fakes.traces import Span, refuse, serve

WINDOW, LAG = 30, 45
END = 1_800_000_000
TICK = float(END + LAG)
NAMES = Canonical(("service", "service_name"), rewrite=[("(.*)-eu", "$1")])
FOUND = {SPANS: frozenset[str]()}
SIGNALS = [s for s in presets.resolve(("http", "operations", "edges"), FOUND) if tempo.evaluates(s)]
LOAD = Signal(LOAD_SIGNAL, Kind.TRAFFIC, SpanMetric(SpanMeasure.ENTRIES), by=(), worse=Worse.BOTH)


def request(at: float, name: str = "GET /cart/{id}", **more: Any) -> list[Span]:
    """A request to cart, and its call to pricing."""
    trace = f"{round(at * 1000):x}"
    own = {"duration": 0.1, "failed": False, **more}
    return [
        Span(trace, "cart", name, at, id="a", **own),
        Span(trace, "cart", "GET", at, 0.05, kind="client", id="b", parent="a", peer="pricing"),
        Span(trace, "pricing", "GET /price", at, 0.04, id="c", parent="b", env="staging"),
    ]


def spans(count: int = 60, since: float = END - 30.0, **more: Any) -> list[Span]:
    """Requests spread over half a minute."""
    step = 30.0 / count
    return [span for n in range(count) for span in request(since + (n + 0.5) * step, **more)]


@asynccontextmanager
async def opened(
    fake: FakeTempoMetrics, *signals: Signal, canonical: Canonical = NAMES, **settings: Any
) -> AsyncIterator[tuple[Source, SignalTable, Side]]:
    environment = EnvironmentConfig.model_validate(
        {"tempo": {"url": fake.url, "timeout": "5s", **settings}}
    )
    table = SignalTable(signals or SIGNALS, 1000)
    wanted = Wanted(lambda name: True, Limits(), Path())
    async with AsyncExitStack() as stack:
        side = await tempo.look(Environment.STAGING, environment, wanted, stack)
        answers = frozenset(signal.name for signal in table.signals)
        made = tempo.build(Make(side, table, canonical, float(WINDOW), wanted, answers))
        yield made, table, side


def read(batch: Batch, table: SignalTable) -> dict[str, tuple[float, float]]:
    """Value and count by key."""
    rows = zip(batch.rows.tolist(), batch.values.tolist(), batch.counts.tolist(), strict=True)
    return {table.keys[row]: (round(value, 6), count) for row, value, count in rows}


@pytest.mark.parametrize("version", ["2.6.1", "2.9.0", "3.0.0-rc.1"])
async def test_services_operations_and_calls_are_measured_as_of_spans_that_arrive(version) -> None:
    every = [*spans(57), *spans(3, failed=True, since=END - 30.0)]
    fake = FakeTempoMetrics(every, version=version, now=TICK)
    async with serve(fake), opened(fake) as (made, table, _):
        batch = await made.collect(TICK)
    got = read(batch, table)
    cart, op = '{service="cart"}', '{operation="GET /cart/{id}",service="cart"}'
    edge = '{client="cart",server="pricing"}'
    assert got[f"request_rate{cart}"][0] == 2.0
    assert got[f"error_ratio{cart}"] == (0.05, 60.0)
    assert got[f"operation_error_ratio{op}"] == (0.05, 60.0)
    assert 0.067 < got[f"operation_latency_p95{op}"][0] <= 0.1342
    assert got[f"operation_latency_p95{op}"][1] == 60.0
    assert got[f"edge_rate{edge}"][0] == 2.0
    assert got[f"edge_calls_per_request{edge}"] == (1.0, 60.0)
    assert 'request_rate{service="pricing"}' in got
    assert batch.answered == {signal.name for signal in SIGNALS}


async def test_a_tick_has_the_last_whole_window_that_is_old_enough_and_asks_for_it_once() -> None:
    fake = FakeTempoMetrics([*spans(30), *spans(90, since=float(END))])
    async with serve(fake), opened(fake) as (made, table, _):
        rates = []
        for tick in (TICK, TICK + 5, TICK + 29.9, TICK + 30, TICK + 35):
            got = read(await made.collect(tick), table)
            rates.append(got['request_rate{service="cart"}'][0])
        asked = fake.asked("/api/metrics/query_range")
    assert rates == [1.0, 1.0, 1.0, 3.0, 3.0]
    assert len(asked) == 2 * len({one["q"] for one in asked})
    assert {(one["start"], one["end"], one["step"]) for one in asked} == {
        (str(END - 30), str(END), "30s"),
        (str(END), str(END + 30), "30s"),
    }


async def test_the_load_is_what_begins_traces_or_what_the_entry_is_asked() -> None:
    by_entry = Signal("load", Kind.TRAFFIC, SpanMetric(SpanMeasure.CALLS, service="pricing"), by=())
    fake = FakeTempoMetrics(spans(60))
    for signal in (LOAD, by_entry):
        async with serve(fake), opened(fake, signal) as (made, table, _):
            got = read(await made.collect(TICK), table)
        assert [(key, value) for key, (value, _) in got.items()] == [("load", 2.0)]


async def test_an_operation_that_is_idle_has_a_rate_of_zero_while_its_service_is_there() -> None:
    fake = FakeTempoMetrics([*spans(30), *spans(30, since=float(END), name="GET /other")])
    async with serve(fake), opened(fake) as (made, table, _):
        await made.collect(TICK)
        got = read(await made.collect(TICK + 30), table)
        gone = read(await made.collect(TICK + 60), table)
    assert got['operation_rate{operation="GET /cart/{id}",service="cart"}'][0] == 0.0
    assert 'operation_latency_p95{operation="GET /cart/{id}",service="cart"}' not in got
    assert gone == {}


async def test_names_are_folded_and_rewritten_as_those_of_spans_that_are_sent() -> None:
    every = [*request(END - 20.0, "GET /users/17"), *request(END - 10.0, "GET /users/42")]
    every = [Span(**{**vars_of(s), "service": s.service + "-eu"}) for s in every]
    fake = FakeTempoMetrics(every)
    async with serve(fake), opened(fake) as (made, table, _):
        got = read(await made.collect(TICK), table)
    named = '{operation="GET /users/{id}",service="cart"}'
    assert got[f"operation_rate{named}"][0] == pytest.approx(2 / 30, abs=1e-5)
    assert got[f"operation_error_ratio{named}"] == (0.0, 2.0)
    assert f"operation_latency_p95{named}" not in got, "two quantiles make no third"


def vars_of(span: Span) -> dict[str, Any]:
    return {name: getattr(span, name) for name in Span.__dataclass_fields__}


async def test_a_filter_and_the_label_of_runs_narrow_and_split_every_query() -> None:
    condition = 'resource.deployment.environment.name = "staging"'
    fake = FakeTempoMetrics(spans(60))
    names = Canonical(("service_name",), run_label="testid")
    async with serve(fake), opened(fake, canonical=names, filter=condition) as (made, table, _):
        got = read(await made.collect(TICK), table)
    assert {key for key in got if key.startswith("request_rate")} == {
        'request_rate{service="pricing"}'
    }
    queries = [one["q"] for one in fake.asked("/api/metrics/query_range")]
    assert all(condition in one and "resource.testid" in one for one in queries)


async def test_credentials_and_the_tenant_are_sent() -> None:
    fake = FakeTempoMetrics(spans(), tenant="shop", authorization="Bearer t")
    given = {"headers": {"X-Scope-OrgID": "shop"}, "auth": {"bearer": "t"}}
    async with serve(fake), opened(fake, **given) as (made, table, _):
        assert read(await made.collect(TICK), table)
    async with serve(fake), opened(fake, auth={"bearer": "t"}) as (made, _, side):
        with pytest.raises(SourceError, match="does not know us; check auth and headers"):
            await made.start()
        assert (side.trouble != "", side.away) == (True, False)


@pytest.mark.parametrize(
    ("fake", "told"),
    [
        (FakeTempoMetrics(local_blocks=False), "add local-blocks to metrics_generator.processors"),
        (FakeTempoMetrics(spans(), max_series=1), "in part only (Response exceeds maximum series"),
        (FakeTempoMetrics(trouble=refuse(404, "404 page not found")), "that it is Tempo 2.5"),
        (FakeTempoMetrics(trouble=refuse(503, "ingester ring")), "fails (HTTP 503): ingester ring"),
        (FakeTempoMetrics(trouble=refuse(200, "<html>login")), "answers what cannot be read"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
async def test_what_tempo_answers_instead_is_told_with_its_mend(fake, told) -> None:
    async with serve(fake), opened(fake) as (made, _, _):
        batch = await made.collect(TICK)
        assert "request_rate" not in batch.answered
        assert any(told in one for one in made.troubles()), made.troubles()
        assert all(one.startswith("environments.staging.tempo (") for one in made.troubles())


async def test_a_tempo_that_fails_is_asked_later_and_later_and_heard_when_it_is_back() -> None:
    fake = FakeTempoMetrics([*spans(), *spans(since=float(END))])
    fake.trouble = refuse(429, "slow down", **{"Retry-After": "20"})
    async with serve(fake), opened(fake) as (made, table, _):
        asked = []
        for tick in (0, 5, 10, 15, 21):
            await made.collect(TICK + tick)
            asked.append(len(fake.seen))
        assert asked[0] == asked[3] < asked[4]
        fake.trouble = None
        got = read(await made.collect(TICK + 42), table)
        assert (bool(got), made.troubles()) == (True, [])


async def test_a_tempo_that_is_away_at_first_may_return() -> None:
    fake = FakeTempoMetrics(spans())
    fake.trouble = refuse(503, "starting")
    async with serve(fake), opened(fake) as (made, _, side):
        await made.start()
        assert (side.away, await made.returned()) == (True, False)
        fake.trouble = None
        assert await made.returned()


def test_own_time_is_left_to_spans_that_are_sent() -> None:
    own = Signal("own", Kind.LATENCY, SpanMetric(SpanMeasure.OWN_TIME))
    assert not tempo.evaluates(own)
    assert compile_all([own], "", None) == []


async def test_a_window_of_part_of_a_second_is_refused() -> None:
    with pytest.raises(SourceError, match="is not whole seconds; set window"):
        whole_seconds(2.5, "environments.staging.tempo")


@pytest.mark.parametrize("version", ["2.7.2", "2.9.0"])
async def test_history_is_what_ticks_would_have_had(version) -> None:
    every = [
        span
        for at in range(6)
        for span in spans(4 + at, since=END - 180.0 + 30 * at, failed=at % 5 == 4)
    ]
    fake = FakeTempoMetrics(every, version=version)
    async with serve(fake), opened(fake) as (made, table, side):
        past = side.past
        queries = past.queries(table.signals, NAMES)
        live: dict[str, list[float]] = {}
        for end in range(END - 150, END + 1, WINDOW):
            for key, (value, _) in read(await made.collect(end + LAG), table).items():
                live.setdefault(key, []).append(value)
        for signal in table.signals:
            asked = queries[signal.name].value
            matrix = await past.range(asked, END - 150.0, float(END), float(WINDOW))
            assert (matrix.times[0], matrix.times[-1]) == (END - 150, END)
            stored = sorted(tuple(np.round(row, 5)) for row in matrix.values.tolist())
            own = [v for k, v in live.items() if k.partition("{")[0] == signal.name]
            assert stored == sorted(tuple(np.round(v, 5)) for v in own), signal.name


async def test_counts_of_history_go_by_the_same_series() -> None:
    fake = FakeTempoMetrics(spans(60))
    async with serve(fake), opened(fake) as (_, table, side):
        for name, compiled in side.past.queries(table.signals, NAMES).items():
            value = await side.past.range(compiled.value, float(END), float(END), 30.0)
            if compiled.count is None:
                assert name.endswith("_rate")
                continue
            count = await side.past.range(compiled.count, float(END), float(END), 30.0)
            assert set(value.keys) == set(count.keys), name
            assert (count.values == 60).all()
            assert await side.past.count(compiled.value, float(END)) == len(value.keys)


async def test_a_range_that_is_too_long_is_one_that_a_reader_halves() -> None:
    fake = FakeTempoMetrics(spans(), max_duration=600)
    async with serve(fake), opened(fake) as (_, table, side):
        query = side.past.queries(table.signals, NAMES)["request_rate"].value
        with pytest.raises(QueryError, match="maximum allowed duration") as told:
            await side.past.range(query, END - 3600.0, float(END), 30.0)
    assert (told.value.kind, told.value.too_much) == (Trouble.UNPROCESSABLE, True)


async def test_who_calls_whom_is_learned_by_the_peers_that_spans_name() -> None:
    fake = FakeTempoMetrics(spans(60))
    async with serve(fake), opened(fake) as (_, _, side):
        found = await EdgeReader(side, NAMES, lambda: float(END + 60)).read(300.0)
    assert [edge[:2] for edge in found] == [("cart", "pricing")]
