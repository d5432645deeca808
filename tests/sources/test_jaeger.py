"""Traces by searches: what is found becomes spans that count once, and what is cut off no count."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.config import EnvironmentConfig, Limits
from anomalyd.model import Batch, Environment
from anomalyd.query import QueryError
from anomalyd.signals import presets
from anomalyd.signals.identity import Canonical
from anomalyd.signals.quantities import SPANS
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Make, Side, SourceError, Wanted
from anomalyd.sources.jaeger import decode
from anomalyd.sources.jaeger import source as jaeger
from anomalyd.sources.jaeger.searches import MOST_SEARCHES
from anomalyd.sources.otlp.traces import Decoder
from tests.fakes.jaeger_store import FakeJaegerStore, _v1_span
from tests.fakes.traces import Span, refuse, serve

WINDOW, STEP, BEHIND = 30.0, 5.0, 30.0
END = 1_800_000_000.0
NAMES = Canonical(("service_name",))
SIGNALS = presets.resolve(("http", "operations", "edges"), {SPANS: frozenset()})
FLAVOURS = ["v1", "v3-old", "v3"]


def request(number: int, at: float, **more: Any) -> list[Span]:
    """A request to cart, and its call to pricing."""
    trace = f"{number + 1:032x}"
    own: dict[str, Any] = {"duration": 0.1, **more}
    call = {"duration": 0.05, "kind": "client", "id": f"{2:016x}", "parent": f"{1:016x}"}
    return [
        Span(trace, "cart", "GET /cart/7", at, id=f"{1:016x}", **own),
        Span(trace, "cart", "GET", at, peer="pricing", **call),
        Span(trace, "pricing", "GET /price", at, 0.04, id=f"{3:016x}", parent=f"{2:016x}"),
    ]


def requests(count: int, since: float, seconds: float = 30.0, **more: Any) -> list[Span]:
    step = seconds / count
    first = round(since) % 10**6 * 1000
    spread = [request(first + n, since + (n + 0.5) * step, **more) for n in range(count)]
    return [span for one in spread for span in one]


@asynccontextmanager
async def opened(
    fake: FakeJaegerStore, name: Environment = Environment.STAGING, **settings: Any
) -> AsyncIterator[tuple[jaeger.JaegerSource, SignalTable, Side]]:
    given = {"jaeger": {"url": fake.url, "timeout": "5s", **settings}}
    config = EnvironmentConfig.model_validate(given)
    table = SignalTable(SIGNALS, 1000)
    wanted = Wanted(lambda name: True, Limits(), Path(), step=STEP)
    async with AsyncExitStack() as stack:
        side = await jaeger.look(name, config, wanted, stack)
        answers = frozenset(signal.name for signal in SIGNALS)
        yield jaeger.build(Make(side, table, NAMES, WINDOW, wanted, answers)), table, side


def read(batch: Batch, table: SignalTable) -> dict[str, tuple[float, float]]:
    """Value and count by key."""
    rows = zip(batch.rows.tolist(), batch.values.tolist(), batch.counts.tolist(), strict=True)
    return {table.keys[row]: (round(value, 6), count) for row, value, count in rows}


async def ticked(
    made: jaeger.JaegerSource, fake: FakeJaegerStore, start: float, end: float
) -> Batch:
    """The last batch of ticks at every step."""
    for at in np.arange(start, end + 1, STEP):
        fake.now = float(at)
        batch = await made.collect(float(at))
    return batch


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_spans_that_searches_find_are_measured_as_those_that_are_sent(flavour) -> None:
    every = [*requests(57, END - 30), *requests(3, END - 29, 28.0, failed=True)]
    fake = FakeJaegerStore(every, flavour=flavour)
    async with serve(fake), opened(fake) as (made, table, _):
        batch = await ticked(made, fake, END - 40, END + BEHIND)
        got = read(batch, table)
        calls = read(await ticked(made, fake, END + 35, END + BEHIND + 20), table)
    named = '{operation="GET /cart/{id}",service="cart"}'
    assert got['request_rate{service="cart"}'][0] == 2.0
    assert got['request_rate{service="pricing"}'][0] == 2.0
    assert got[f"operation_error_ratio{named}"] == (0.05, 60.0)
    assert got[f"operation_latency_p95{named}"][0] == pytest.approx(0.1, rel=0.05)
    assert calls['edge_rate{client="cart",server="pricing"}'][0] == pytest.approx(2.0, rel=0.1)
    assert calls['edge_calls_per_request{client="cart",server="pricing"}'][0] == 1.0
    assert batch.answered == {signal.name for signal in SIGNALS}
    assert made.calls() != []


async def test_a_span_that_is_found_by_several_searches_counts_once() -> None:
    fake = FakeJaegerStore(requests(60, END - 30))
    async with serve(fake), opened(fake) as (made, table, _):
        got = read(await ticked(made, fake, END - 40, END + BEHIND), table)
        found = len(fake.asked("/api/traces"))
    assert found > 12, "each slice for each service, twice"
    assert got['request_rate{service="cart"}'][0] == 2.0


async def test_spans_that_are_late_for_the_first_look_are_there_at_the_second() -> None:
    fake = FakeJaegerStore(requests(300, END - 30), delay=18.0)
    async with serve(fake), opened(fake) as (made, table, _):
        got = read(await ticked(made, fake, END - 40, END + BEHIND), table)
        assert got['request_rate{service="cart"}'][0] == pytest.approx(10.0, rel=0.01)
        assert any("raise environments.staging.jaeger.lag" in one for one in made.troubles())
    prompt = FakeJaegerStore(requests(300, END - 30), delay=5.0)
    async with serve(prompt), opened(prompt) as (made, _, _):
        await ticked(made, prompt, END - 40, END + BEHIND)
        assert made.troubles() == []


@pytest.mark.parametrize("flavour", ["v1", "v3"])
async def test_a_search_that_hits_its_limit_is_halved_until_all_is_found(flavour) -> None:
    fake = FakeJaegerStore(requests(120, END - 30), flavour=flavour)
    async with serve(fake), opened(fake, limit=8) as (made, table, _):
        got = read(await ticked(made, fake, END - 40, END + BEHIND), table)
        assert made.troubles() == []
    assert got['request_rate{service="cart"}'][0] == 4.0


async def test_what_a_search_that_hit_its_limit_found_is_no_count_and_said() -> None:
    burst = [s for n in range(40) for s in request(n, END - 15.0)]
    alone = [
        Span(f"{9000 + n:032x}", "search", "GET /", END - 20.0 + n, 0.1, id=f"{n + 1:016x}")
        for n in range(5)
    ]
    fake = FakeJaegerStore([*burst, *alone])
    async with serve(fake), opened(fake, limit=10) as (made, table, _):
        batch = await ticked(made, fake, END - 40, END + BEHIND)
        got, told = read(batch, table), made.troubles()
        later = await ticked(made, fake, END + BEHIND + 5, END + BEHIND + 120)
    assert {key for key in got if key.startswith("request_rate")} == {
        'request_rate{service="search"}'
    }
    assert "request_rate" not in batch.answered
    assert "searches for cart, pricing hit their limit of 10 traces" in told[0]
    assert "request_rate" in later.answered
    assert len(fake.asked("/api/traces")) < 40 * MOST_SEARCHES


async def test_whose_spans_they_are_is_said_by_their_resource_or_by_tags() -> None:
    mine = [Span(**{**vars_of(s), "env": "staging"}) for s in requests(30, END - 30)]
    theirs = [Span(**{**vars_of(s), "env": "production"}) for s in requests(30, END - 29)]
    fake = FakeJaegerStore([*mine, *theirs])
    settings = {"environment": ["staging"], "services": ["cart"], "tags": {"team": "shop"}}
    async with serve(fake), opened(fake, **settings) as (made, table, _):
        got = read(await ticked(made, fake, END - 40, END + BEHIND), table)
    assert got['request_rate{service="cart"}'][0] == 1.0
    assert {(one["service"], one["tags"]) for one in fake.asked("/api/traces")} == {
        ("cart", '{"team":"shop"}')
    }


def vars_of(span: Span) -> dict[str, Any]:
    return {name: getattr(span, name) for name in Span.__dataclass_fields__}


async def test_what_failed_is_searched_again_and_no_window_is_told_before() -> None:
    fake = FakeJaegerStore(requests(60, END - 30))
    async with serve(fake), opened(fake) as (made, table, _):
        fake.trouble = refuse(503, '{"errors":[{"msg":"no shards"}]}', "application/json")
        batch = await ticked(made, fake, END - 40, END + BEHIND)
        assert (len(batch.rows), batch.answered) == (0, frozenset())
        assert "fails (HTTP 503): no shards" in made.troubles()[0]
        fake.trouble = None
        got = read(await ticked(made, fake, END + 35, END + 200), table)
        assert made.troubles() == []
    assert got == {} or got['request_rate{service="cart"}'][0] >= 0.0


async def test_a_jaeger_that_does_not_know_us_is_told_at_once() -> None:
    fake = FakeJaegerStore(requests(3, END), authorization="Bearer t")
    async with serve(fake), opened(fake) as (made, _, side):
        assert "check auth and headers (HTTP 401)" in side.trouble
        with pytest.raises(SourceError, match="does not know us"):
            await made.start()
    async with serve(fake), opened(fake, auth={"bearer": "t"}) as (made, _, side):
        await made.start()
        assert (side.trouble, await made.returned()) == ("", True)


@pytest.mark.parametrize("flavour", ["v1", "v3"])
async def test_production_s_past_is_jaeger_s_own_metrics_where_they_are_on(flavour) -> None:
    every = [*requests(57, END - 30), *requests(3, END - 29, 28.0, failed=True)]
    fake = FakeJaegerStore(every, flavour=flavour, spm=True)
    async with serve(fake), opened(fake, Environment.PRODUCTION) as (_, table, side):
        assert (side.searched, side.metrics, side.tells_past) == (False, {}, True)
        queries = side.past.queries(table.signals, NAMES)
        assert not [name for name in queries if "edge" in name or "own_time" in name]
        found: dict[str, float] = {}
        for name, compiled in queries.items():
            for text in filter(None, (compiled.value, compiled.count)):
                matrix = await side.past.range(text, END - 30, END, WINDOW)
                what = name if text == compiled.value else f"{name} count"
                for key, row in zip(matrix.keys, matrix.values.tolist(), strict=True):
                    found[f"{what} {json.loads(key).get('service_name')}"] = round(row[1], 4)
    assert found["request_rate cart"] == 2.0
    assert found["error_ratio cart"] == 0.05
    assert found["error_ratio pricing"] == 0.0
    assert found["error_ratio count cart"] == found["latency_p95 count cart"] == 60.0
    assert found["latency_p95 cart"] == pytest.approx(0.1)


@pytest.mark.parametrize("flavour", ["v1", "v3"])
async def test_production_s_past_is_searched_for_where_there_are_none(flavour) -> None:
    fake = FakeJaegerStore(requests(3, END), flavour=flavour)
    async with serve(fake), opened(fake, Environment.PRODUCTION) as (_, _, side):
        assert (side.past, side.searched, side.tells_past) == (None, True, True)


@pytest.mark.parametrize("flavour", ["v1", "v3"])
async def test_who_calls_whom_is_asked_of_its_dependencies(flavour) -> None:
    fake = FakeJaegerStore(requests(30, END - 30), flavour=flavour)
    async with serve(fake), opened(fake) as (_, _, side):
        links = await side.client.dependencies(END, 3600.0)
        assert [(one.parent, one.child, one.calls) for one in links] == [("cart", "pricing", 30)]
    fake = FakeJaegerStore(flavour=flavour, dependencies=False)
    async with serve(fake), opened(fake) as (_, _, side):
        assert await side.client.dependencies(END, 3600.0) == []


def test_jaeger_s_own_json_becomes_otlp_with_ids_that_have_leading_zeros() -> None:
    tags = [
        {"key": "span.kind", "value": "client"},
        {"key": "error", "value": "true"},
        {"key": "peer.service", "value": "pricing"},
        {"key": "w3c.tracestate", "value": "ot=th:8"},
    ]
    span = {
        "traceID": "abc",
        "spanID": "1f",
        "operationName": "GET",
        "references": [
            {"refType": "FOLLOWS_FROM", "traceID": "abc", "spanID": "7"},
            {"refType": "CHILD_OF", "traceID": "abc", "spanID": "9"},
            {"refType": "CHILD_OF", "traceID": "other", "spanID": "8"},
        ],
        "startTime": 1_700_000_000_000_000,
        "duration": 1500,
        "tags": tags,
        "processID": "p1",
    }
    process = {"serviceName": "cart", "tags": [{"key": "pods", "type": "int64", "value": 3}]}
    body = json.dumps({"data": [{"spans": [span], "processes": {"p1": process}}]}).encode()
    found = Decoder().json(decode.of_v1(body), 1_800_000_000.0).spans
    assert (found.trace.tolist(), found.span.tolist()) == ([[0, 0xABC]], [0x1F])
    assert (found.parent.tolist(), found.kind.tolist()) == ([9], [3])
    assert (found.failed.tolist(), found.duration.tolist()) == ([True], [1_500_000])
    assert (found.weight.tolist(), found.peers) == ([2.0], ("", "pricing"))
    assert dict(found.resources[0]) == {"service_name": "cart", "pods": "3"}


@given(st.dictionaries(st.sampled_from(sorted(_v1_span(request(1, END)[0]))), st.none()))
def test_a_span_with_fields_that_are_null_spoils_no_other(lacking) -> None:
    good = _v1_span(request(1, END)[0])
    odd = {**good, **{k: None for k in lacking if k in ("references", "tags", "logs")}}
    trace = {"spans": [odd, {**good, "spanID": "77"}], "processes": {}}
    found = Decoder().json(decode.of_v1(json.dumps({"data": [trace]}).encode()), END)
    assert len(found.spans) == 2


async def test_an_answer_that_is_no_traces_is_told_in_a_sentence() -> None:
    fake = FakeJaegerStore(requests(3, END))
    async with serve(fake), opened(fake) as (made, _, _):
        fake.trouble = refuse(200, '{"data": [{"spans": 3}]}', "application/json")
        with pytest.raises(QueryError, match="answers traces that cannot be read"):
            await made._searches.stretch("cart", END - 5, END)


async def test_a_production_that_is_away_at_first_is_not_taken_for_one_without_history() -> None:
    fake = FakeJaegerStore(requests(3, END), spm=True)
    fake.trouble = refuse(503, "starting")
    async with serve(fake), opened(fake, Environment.PRODUCTION) as (_, _, side):
        assert (side.away, side.tells_past, await side.client.answers()) == (True, True, False)
        fake.trouble = None
        assert await side.client.answers()
