"""Who calls whom, asked of a Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from anomalyd.config import EnvironmentConfig
from anomalyd.http import session
from anomalyd.model import Environment
from anomalyd.query import QueryError
from anomalyd.signals.identity import Canonical
from anomalyd.sources.base import Side
from anomalyd.sources.edges import EdgeReader
from anomalyd.sources.promapi import PromApi
from tests.fakes.prometheus import FakePrometheus, refuse, serve, vector

GRAPH = "traces_service_graph_request_total"
LABELS = {GRAPH: ["client", "server", "connection_type"]}
ASKED = f'sum by (client, server) (rate({GRAPH}{{env="staging"}}[300s]))'
CANONICAL = Canonical(["service"], rewrite=[("(.*)-v[0-9]", "$1")])


@asynccontextmanager
async def reader(
    fake: FakePrometheus, metrics: Mapping[str, frozenset[str]]
) -> AsyncIterator[EdgeReader]:
    async with serve(fake):
        settings = {"url": fake.url, "matchers": 'env="staging"'}
        endpoint = EnvironmentConfig.model_validate(settings)
        async with session(endpoint) as http:
            api = PromApi(endpoint, http, name="staging")
            side = Side(Environment.STAGING, endpoint, api, metrics, None)
            yield EdgeReader(side, CANONICAL)


async def test_edges_go_by_the_names_of_services_and_versions_of_one_count_together() -> None:
    answer = vector(
        ({"client": "gateway", "server": "cart-v1"}, 3.0),
        ({"client": "gateway", "server": "cart-v2"}, 1.5),
        ({"client": "cart-v2", "server": "db"}, 0.0),
    )
    fake = FakePrometheus(answers={ASKED: answer}, metrics=LABELS)
    async with reader(fake, {GRAPH: frozenset(LABELS[GRAPH])}) as edges:
        assert sorted(await edges.read(300)) == [("cart", "db", 0.0), ("gateway", "cart", 4.5)]
    assert [form["query"] for form in fake.asked("query")] == [ASKED]


async def test_a_metric_that_comes_later_is_found() -> None:
    fake = FakePrometheus(answers={ASKED: vector(({"client": "a", "server": "b"}, 1.0))})
    async with reader(fake, {}) as edges:
        assert await edges.read(300) == ()
        fake.metrics = LABELS
        assert await edges.read(300) == [("a", "b", 1.0)]


async def test_a_server_that_refuses_is_a_named_trouble() -> None:
    fake = FakePrometheus(trouble=refuse(422, "execution", "too many samples"))
    async with reader(fake, {GRAPH: frozenset(LABELS[GRAPH])}) as edges:
        with pytest.raises(QueryError, match="too many samples"):
            await edges.read(300)


async def test_an_environment_that_is_scraped_has_no_edges_to_ask_for() -> None:
    scraped = EnvironmentConfig.model_validate(
        {"scrape": {"targets": [{"url": "http://localhost:1/metrics"}]}}
    )
    side = Side(Environment.STAGING, scraped, None, {}, None)
    assert await EdgeReader(side, CANONICAL).read(300) == ()
