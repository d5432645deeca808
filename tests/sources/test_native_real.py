"""A real Prometheus 3 scrapes native histograms and sends them on by remote_write 2.0."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from anomalyd.model import HistogramQuantile, Kind, Labels, Rate, Selector, Signal
from anomalyd.signals.promql import compile
from tests.fakes import native
from tests.fakes.receiver import serving
from tests.servers import prometheus
from tests.signals.native_history import NAME, Target
from tests.signals.test_live_oracle import ask
from tests.sources.receiving import receiving

WINDOW = 1.5
SCRAPES = 20
CONFIG = """
global: {{scrape_interval: 150ms, scrape_timeout: 100ms, scrape_protocols: [PrometheusProto]}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["{target}"]}}]
remote_write:
  - url: {receiver}
    protobuf_message: io.prometheus.write.v2.Request
    send_native_histograms: true
    send_exemplars: true
    queue_config: {{batch_send_deadline: 100ms, min_backoff: 30ms, max_backoff: 100ms}}
"""
FEATURES = "--enable-feature=native-histograms,exemplar-storage,metadata-wal-records"
LATENCY = Selector(NAME)
SIGNALS = (
    Signal("traffic", Kind.TRAFFIC, Rate(Selector(f"{NAME}_count"))),
    Signal("p50", Kind.LATENCY, HistogramQuantile(LATENCY, 0.5)),
    Signal("p99", Kind.LATENCY, HistogramQuantile(LATENCY, 0.99), by=()),
)


class Shop:
    """Two services; one restarts, one grows coarser, a scrape is missed."""

    def __init__(self) -> None:
        chance = random.Random(5)  # noqa: S311
        self.targets = {"cart": Target(chance, 5), "search": Target(chance, 3)}
        self.chance, self.scrapes = chance, 0
        self.enough = asyncio.Event()

    async def metrics(self, request: web.Request) -> web.Response:
        self.scrapes += 1
        if self.scrapes >= SCRAPES:
            self.enough.set()
        if self.scrapes == 6:
            return web.Response(status=503)
        if self.scrapes == 10:
            self.targets["cart"].restart()
        if self.scrapes == 13:
            self.targets["search"].coarsen()
        shown = []
        for service, target in self.targets.items():
            for _ in range(20):
                target.observe(self.chance.lognormvariate(-2, 1))
            trace = {"trace_id": f"{self.scrapes:030x}{len(service):02x}"}
            shown.append(({"service": service}, target.exposed(), trace))
        body = native.exposed(NAME, shown, time.time())
        return web.Response(body=body, headers={"Content-Type": native.EXPOSED})


@pytest.fixture
async def shop() -> AsyncIterator[tuple[Shop, str]]:
    target = Shop()
    app = web.Application()
    app.router.add_get("/metrics", target.metrics)
    async with serving(app) as url:
        yield target, url.removeprefix("http://")


async def answers(url: str, at: float) -> dict[str, float]:
    found = {}
    for signal in SIGNALS:
        query = compile(signal, window=WINDOW, native={NAME}).value
        for one in await ask(url, query, at):
            value = float(one["value"][1])
            if math.isfinite(value):
                found[f"{signal.name}{Labels.of(one['metric'])}"] = value
    return found


async def test_what_a_real_prometheus_sends_of_native_histograms_gives_its_own_answers(
    shop, tmp_path
):
    target, address = shop
    names = {f"{NAME}_bucket", f"{NAME}_count"}
    async with receiving(tmp_path, SIGNALS, names, WINDOW) as received:
        config = CONFIG.format(target=address, receiver=received.url)
        with prometheus(tmp_path, config, FEATURES, version=3) as server:
            async with asyncio.timeout(120):
                await target.enough.wait()
                now = time.time()
                while received.source._arrivals.last.max() < now:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            compared = 0
            for step in range(25):
                at = math.floor((now - 0.1 - step * 0.1) * 1000) / 1000
                found = await received.values(at)
                assert found == pytest.approx(await answers(server, at), rel=1e-9, abs=1e-9)
                compared += len(found)
    assert compared > 60
    assert set(received.statuses) == {204, 503}
    assert received.types == {"application/x-protobuf;proto=io.prometheus.write.v2.Request"}
    traces = received.source.kept.find("cart", now - 60, now + 60)
    assert {one.duration for one in traces} == {0.25}
    assert {one.trace_id[-2:] for one in traces} == {"04"}
