"""What a Prometheus is asked, and how its answer is read."""

from __future__ import annotations

import time

import pytest

from anomalyd import http
from anomalyd.config import EnvironmentConfig
from anomalyd.deployment.asking import MOST_POINTS, Server
from anomalyd.deployment.timeline import Watched
from anomalyd.model import Matcher
from anomalyd.query import QueryError
from anomalyd.sources.promapi import PromApi
from tests.fakes.prometheus import FakePrometheus, refuse, serve

START = 1_800_000_000.0
MATCHERS = (Matcher("env", "=", "staging"),)


async def asked(fake: FakePrometheus, kind: Watched, start: float, end: float) -> dict[str, list]:
    """Values by instance."""
    async with serve(fake):
        endpoint = EnvironmentConfig(url=fake.url)
        async with http.session(endpoint) as session:
            server = Server(PromApi(endpoint, session), MATCHERS, 15.0)
            found = await server.seen([kind], start, end)
    return {one.labels.get("instance"): one.values.tolist() for one in found[kind]}


async def test_times_keep_their_seconds_however_long_ago_the_epoch_is() -> None:
    began = START - 86_400.25
    zero = round(START)

    def ranges(query: str, at: float) -> list[tuple[dict[str, str], float]]:
        assert query == f'process_start_time_seconds{{env="staging"}} - {zero}'
        return [({"instance": "a"}, began - zero)]

    found = await asked(FakePrometheus(ranges=ranges), Watched.STARTED, START - 60, START)
    assert found == {"a": pytest.approx([began] * 5, abs=0.01)}


async def test_what_is_down_is_asked_for_by_the_times_of_its_scrapes() -> None:
    fake = FakePrometheus(ranges=lambda query, at: [({"instance": "a"}, -30.0)])
    found = await asked(fake, Watched.DOWN, START - 15, START)
    assert found == {"a": [START - 30] * 2}
    up = 'up{env="staging"}'
    zero = round(START)
    (form,) = fake.asked("query_range")
    assert form["query"] == f"(timestamp({up}) - {zero}) and ({up} == 0)"


async def test_a_long_time_is_asked_for_in_bounded_steps() -> None:
    fake = FakePrometheus(ranges=lambda query, at: [({"instance": "a"}, 1.0)])
    found = await asked(fake, Watched.UP, START - 40 * 15.0 * MOST_POINTS, START)
    assert len(found["a"]) <= MOST_POINTS + 1


async def test_a_refusal_is_one_sentence() -> None:
    fake = FakePrometheus(trouble=refuse(503))
    with pytest.raises(QueryError, match="fails"):
        await asked(fake, Watched.UP, time.time() - 60, time.time())
