from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from anomalyd.config import Auth, EnvironmentConfig
from anomalyd.model import LOAD_SIGNAL, Gauge, Kind, Matcher, Rate, Selector, Signal
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SeriesTable, SignalTable
from anomalyd.sources.base import SourceError
from anomalyd.sources.scrape import ScrapeSource, discover, next_tick
from tests.fakes.receiver import serving

NOW = 1_700_000_000.0
TRAFFIC = Signal("traffic", Kind.TRAFFIC, Rate(Selector("requests_total")))
UP = Signal("up", Kind.OTHER, Gauge(Selector("up"), "min"))
LOAD = Signal(LOAD_SIGNAL, Kind.TRAFFIC, Rate(Selector("requests_total")), by=())


class Target:
    """A service's /metrics on loopback, with a counter, and a switch for how it answers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("requests", "All of them.", ["service"], registry=self.registry)
        self.answer = self.metrics
        self.accepts: list[str] = []
        self.asked = asyncio.Event()
        self.url = ""

    async def metrics(self) -> web.StreamResponse:
        body = generate_latest(self.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.accepts.append(request.headers["Accept"])
        self.asked.set()
        return await self.answer()


@asynccontextmanager
async def served(target: Target) -> AsyncIterator[Target]:
    app = web.Application()
    app.router.add_get("/metrics", target.handle)
    async with serving(app) as url:
        target.url = f"{url}/metrics"
        yield target


@pytest.fixture
async def target():
    async with served(Target()) as one:
        yield one


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def environment(*targets: Target, capacity: object = 1.0, **scrape: object) -> EnvironmentConfig:
    listed = [{"url": one.url, "labels": {"job": "shop"}} for one in targets]
    return EnvironmentConfig.model_validate(
        {"scrape": {"targets": listed, **scrape}, "timeout": "300ms", "capacity": capacity}
    )


@asynccontextmanager
async def started(
    config: EnvironmentConfig, *signals: Signal
) -> AsyncIterator[tuple[ScrapeSource, Clock]]:
    clock = Clock()
    table = SignalTable(signals or (TRAFFIC, UP), 100)
    evaluator = Evaluator(table, SeriesTable(1000), Canonical(["service", "job"]), 30.0)
    source = ScrapeSource(config, evaluator, name="staging", clock=clock)
    await source.start()
    try:
        yield source, clock
    finally:
        await source.stop()


async def values(source: ScrapeSource, time: float) -> dict[str, float]:
    batch = await source.collect(time)
    keys = source._evaluator.table.keys
    return {keys[row]: value for row, value in zip(batch.rows, batch.values, strict=True)}


async def test_a_counter_scraped_four_times_is_a_rate(target):
    cart = target.requests.labels("cart")
    async with started(environment(target)) as (source, clock):
        for _ in range(4):
            clock.now += 10
            cart.inc(50)
            await source.scrape()
        assert await values(source, clock.now) == {
            'traffic{service="cart"}': pytest.approx(5.0),
            'up{service="shop"}': 1.0,
        }


async def test_run_scrapes_at_the_interval_until_it_is_cancelled(target):
    config = environment(target, interval="100ms")
    evaluator = Evaluator(
        SignalTable([TRAFFIC], 10), SeriesTable(100), Canonical(["service"]), 30.0
    )
    source = ScrapeSource(config, evaluator)
    await source.start()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(source.run())
        for _ in range(3):
            target.asked.clear()
            await target.asked.wait()
        running.cancel()
    await source.stop()
    assert target.accepts[0].startswith("text/plain;version=0.0.4")
    assert len(target.accepts) >= 4


@pytest.mark.parametrize(
    ("now", "last", "tick"),
    [
        (100.0, 0, 21),
        (104.9, 0, 21),
        (104.9999999, 21, 22),
        (105.0, 21, 22),
        (121.0, 21, 25),
    ],
)
def test_ticks_are_aligned_never_repeated_after_an_early_wake_and_skipped_when_late(
    now, last, tick
):
    assert next_tick(now, 5.0, last) == tick


async def test_the_samples_carry_instance_and_the_configured_labels(target):
    target.requests.labels("cart").inc()
    async with started(environment(target)) as (source, _):
        labels = dict(source._evaluator.series.labels[0])
    assert labels["instance"] == target.url.removeprefix("http://").removesuffix("/metrics")
    assert labels["job"] == "shop"


async def refuse() -> web.StreamResponse:
    return web.Response(status=503)


async def page() -> web.StreamResponse:
    return web.Response(text="<html>\n<body>Sign in</body>\n</html>")


async def flood() -> web.StreamResponse:
    return web.Response(text="requests_total 1\n" * 1000)


async def zipped_flood() -> web.StreamResponse:
    body = gzip.compress(b"requests_total 1\n" * 1000)
    return web.Response(body=body, headers={"Content-Encoding": "gzip"})


async def hang() -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def garbled() -> web.StreamResponse:
    return web.Response(body=b"not gzip", headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refuse, "it answers 503 Service Unavailable"),
        (page, "its answer holds no metrics; mend the path of its url"),
        (flood, "its answer is over 2048 bytes; raise scrape.body_limit"),
        (zipped_flood, "its answer is over 2048 bytes; raise scrape.body_limit"),
        (hang, "no answer within 0.3 s"),
        (garbled, "Can not decode content-encoding: gzip"),
    ],
)
async def test_a_target_that_fails_is_told_once_each_way(target, caplog, answer, error):
    caplog.set_level(logging.INFO)
    config = environment(target, interval="300ms", body_limit=2048)
    async with started(config) as (source, clock):
        target.answer = answer
        for _ in range(2):
            clock.now += 10
            await source.scrape()
        [health] = source.scrape_health()
        assert health.up is False
        assert error in health.error
        target.answer = target.metrics
        for _ in range(2):
            clock.now += 10
            await source.scrape()
        [health] = source.scrape_health()
        assert (health.up, health.error) == (True, "")
    told = [r.message for r in caplog.records if r.name == "anomalyd.sources.scrape"]
    assert [message.split(f"{target.url} ")[1].split(":")[0] for message in told] == [
        "is down",
        "is up again",
    ]


async def test_a_target_that_is_gone_leaves_no_samples_but_up_0(target):
    gone = Target()
    async with served(gone):
        gone.requests.labels("gone").inc()
        target.requests.labels("cart").inc()
        config = environment(target, gone)
        async with started(config) as (source, clock):
            await source.scrape()
            gone.answer = refuse
            for _ in range(6):
                clock.now += 10
                await source.scrape()
            assert await values(source, clock.now) == {
                'traffic{service="cart"}': 0.0,
                'up{service="shop"}': 0.0,
            }
            assert [health.up for health in source.scrape_health()] == [True, False]


async def test_lines_that_are_no_samples_are_counted_and_the_rest_is_kept(target, caplog):
    async def odd() -> web.StreamResponse:
        return web.Response(text='requests_total{service="cart"} 1\nwhat is this\n')

    target.answer = odd
    async with started(environment(target)) as (source, _):
        await source.scrape()
        [health] = source.scrape_health()
    assert (health.up, health.samples, health.bad_lines) == (True, 1, 1)
    assert [r.message for r in caplog.records] == [
        f"staging: {target.url} has 1 lines that are no samples"
    ]


async def test_a_target_that_speaks_openmetrics_stamps_in_seconds(target):
    async def openmetrics() -> web.StreamResponse:
        lines = [
            f'requests_total{{service="cart"}} {1000 + i} {NOW + 10 * i:.3f}' for i in range(4)
        ]
        kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
        body = "\n".join([*lines, "# EOF", ""]).encode()
        return web.Response(body=body, headers={"Content-Type": kind})

    target.answer = openmetrics
    async with started(environment(target)) as (source, clock):
        clock.now += 30
        await source.scrape()
        assert (await values(source, NOW + 30))['traffic{service="cart"}'] == pytest.approx(0.1)


async def test_a_capacity_that_is_an_expression_is_refused(target):
    with pytest.raises(SourceError, match="staging: capacity is an expression"):
        async with started(environment(target, capacity="sum(kube_pods)")):
            pass


async def test_a_secret_that_cannot_be_read_is_named(target, tmp_path):
    auth = Auth(bearer_file=tmp_path / "no")
    config = environment(target).model_copy(update={"auth": auth})
    with pytest.raises(
        SourceError, match=r"staging: a secret .* cannot be read: .*/no'; mend auth"
    ):
        async with started(config):
            pass


async def test_matchers_of_the_environment_narrow_what_is_taken(target):
    for service in ("cart", "search"):
        target.requests.labels(service).inc()
    table = SignalTable([TRAFFIC], 10)
    evaluator = Evaluator(
        table,
        SeriesTable(100),
        Canonical(["service"]),
        30.0,
        matchers=[Matcher("service", "!=", "cart")],
    )
    source = ScrapeSource(environment(target), evaluator, clock=Clock())
    await source.start()
    await source.stop()
    assert table.keys == ['traffic{service="search"}']


async def test_discovery_tells_metrics_and_their_labels_of_the_targets_that_answer(target, caplog):
    target.requests.labels("cart").inc()
    gone = Target()
    async with served(gone):
        pass
    found = await discover(environment(target, gone), name="staging")
    assert found["requests_total"] == {"service", "instance", "job"}
    assert "requests_created" in found
    assert f"staging: {gone.url}" in caplog.text


async def test_discovery_with_no_target_up_says_how_to_mend_it():
    gone = Target()
    async with served(gone):
        pass
    with pytest.raises(
        SourceError, match=r"staging: no target answered .*; start it or mend its url"
    ):
        await discover(environment(gone), name="staging")


async def test_discovery_reads_targets_that_send_their_own_timestamps(target):
    async def stamped() -> web.StreamResponse:
        return web.Response(text="machine_total 1 1700000000000\n")

    target.answer = stamped
    assert set(await discover(environment(target))) == {"machine_total"}
