"""Staging's spans are counted in the buckets that production's histograms have."""

from __future__ import annotations

from dataclasses import replace

from anomalyd.config import EnvironmentConfig
from anomalyd.http import session
from anomalyd.model import Environment
from anomalyd.signals.presets import resolve
from anomalyd.signals.quantities import SPANS
from anomalyd.sources.base import Side
from anomalyd.sources.boundaries import Boundaries, boundaries
from anomalyd.sources.promapi import PromApi
from tests.fakes.prometheus import FakePrometheus, refuse, serve, vector

HISTOGRAM = "traces_spanmetrics_latency_bucket"
METRICS = {HISTOGRAM: frozenset({"service", "span_name", "span_kind", "le"})}
ASKED = (
    f'count by (le) ({HISTOGRAM}{{span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER",env="prod"}})'
)
SIGNALS = resolve(["operations"], {SPANS: frozenset()})


async def told(fake: FakePrometheus, trouble: str = "") -> Boundaries:
    async with serve(fake):
        settings = {"url": fake.url, "matchers": 'env="prod"'}
        endpoint = EnvironmentConfig.model_validate(settings)
        async with session(endpoint) as http:
            api = PromApi(endpoint, http, name="production")
            side = Side(Environment.PRODUCTION, endpoint, api, METRICS, None)
            return await boundaries(SIGNALS, replace(side, trouble=trouble), ("service",))


async def test_the_bounds_of_production_s_histogram_are_those_of_the_signal() -> None:
    buckets = ("0.1", "1", "1.0", "0.25", "+Inf", "no number", "-1")
    answer = vector(*(({"le": le}, 7.0) for le in buckets))
    fake = FakePrometheus(answers={ASKED: answer})
    assert await told(fake) == {"operation_latency_p95": (0.1, 0.25, 1.0)}
    assert [form["query"] for form in fake.asked("query")] == [ASKED]


async def test_a_server_without_the_histogram_or_that_refuses_tells_none() -> None:
    assert await told(FakePrometheus()) == {}
    assert await told(FakePrometheus(trouble=refuse(422, "execution", "too many samples"))) == {}


async def test_a_server_that_is_away_is_not_asked() -> None:
    fake = FakePrometheus()
    assert await told(fake, trouble="production does not answer") == {}
    assert fake.asked("query") == []


async def test_a_production_that_is_sent_spans_has_no_buckets_of_its_own() -> None:
    side = Side(Environment.PRODUCTION, EnvironmentConfig.model_validate({"otlp": {}}), None, {}, 5)
    assert await boundaries(SIGNALS, side, ("service",)) == {}
    assert await boundaries(SIGNALS, None, ("service",)) == {}
