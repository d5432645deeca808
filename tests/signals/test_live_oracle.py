"""A live target, scraped by a real Prometheus: its stored samples give us its own answers."""

from __future__ import annotations

import asyncio
import json
import math
import time
import urllib.parse
import urllib.request
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from anomalyd.model import Gauge as GaugeOf
from anomalyd.model import HistogramQuantile, Kind, Labels, Rate, Ratio, Samples, Selector, Signal
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.promql import compile
from anomalyd.signals.selector import parse_selector
from anomalyd.signals.table import SeriesTable, SignalTable
from tests.fakes.receiver import serving
from tests.servers import prometheus
from tests.signals import naive

WINDOW = 1.5
SCRAPES = 22
CONFIG = """
global: {{scrape_interval: 150ms, scrape_timeout: 100ms}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["{target}"]}}]
"""
REQUESTS = Selector("requests_total")
SIGNALS = (
    Signal("traffic", Kind.TRAFFIC, Rate(REQUESTS)),
    Signal("errors", Kind.ERRORS, Ratio(parse_selector('requests_total{code=~"5.."}'), REQUESTS)),
    Signal("p90", Kind.LATENCY, HistogramQuantile(Selector("latency_seconds"), 0.9)),
    Signal("memory", Kind.RESOURCE, GaugeOf(Selector("memory_bytes"), "max")),
)


class Shop:
    """A target that works a little between scrapes, restarts, misses a scrape, loses a series."""

    def __init__(self) -> None:
        self.scrapes = 0
        self.enough = asyncio.Event()
        self.restart()

    def restart(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("requests", "", ["service", "code"], registry=self.registry)
        self.latency = Histogram("latency_seconds", "", ["service"], registry=self.registry)
        self.memory = Gauge("memory_bytes", "", ["service"], registry=self.registry)

    async def metrics(self, request: web.Request) -> web.Response:
        self.scrapes += 1
        if self.scrapes >= SCRAPES:
            self.enough.set()
        if self.scrapes == 7:
            return web.Response(status=503)
        if self.scrapes == 12:
            self.restart()
        for service in ("cart", "search") if self.scrapes < 15 else ("cart",):
            self.requests.labels(service, "200").inc(17 + self.scrapes % 5)
            if self.scrapes % 3 == 0:
                self.requests.labels(service, "500").inc()
            self.latency.labels(service).observe(0.01 * self.scrapes)
            self.memory.labels(service).set(self.scrapes % 7)
        if self.scrapes == 15:
            self.memory.clear()
        return web.Response(body=generate_latest(self.registry))


async def ask(url: str, query: str, at: float | None = None) -> list[dict[str, Any]]:
    form = {"query": query} | ({} if at is None else {"time": f"{at:.3f}"})

    def fetch() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{url}/api/v1/query?{urllib.parse.urlencode(form)}") as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return result

    return await asyncio.to_thread(fetch)


@pytest.fixture
async def shop():
    target = Shop()
    app = web.Application()
    app.router.add_get("/metrics", target.metrics)
    async with serving(app) as url:
        yield target, url.removeprefix("http://")


async def test_live_samples_give_prometheuss_own_answers(shop, tmp_path):
    target, address = shop
    with prometheus(tmp_path, CONFIG.format(target=address)) as url:
        async with asyncio.timeout(30):
            await target.enough.wait()
        now = time.time()
        stored = await ask(url, '{__name__=~"requests_total|latency_seconds_.*|memory_bytes"}[1m]')
        history = {
            Labels.of(one["metric"]): [(round(t * 1000), float(v)) for t, v in one["values"]]
            for one in stored
        }
        compared = 0
        for step in range(30):
            at = math.floor((now - 0.1 - step * 0.1) * 1000) / 1000
            if not disputed(history, round(at * 1000)):
                want = await answers(url, at)
                assert evaluated(history, at) == pytest.approx(want, rel=1e-9, abs=1e-9)
                compared += len(want)
    assert compared > 60


async def answers(url: str, at: float) -> dict[str, float]:
    found = {}
    for signal in SIGNALS:
        for one in await ask(url, compile(signal, window=WINDOW).value, at):
            value = float(one["value"][1])
            if math.isfinite(value):
                found[f"{signal.name}{Labels.of(one['metric'])}"] = value
    return found


def evaluated(history: dict[Labels, list[tuple[int, float]]], at: float) -> dict[str, float]:
    table, series = SignalTable(SIGNALS, 100), SeriesTable(1000)
    evaluator = Evaluator(table, series, Canonical(["service"]), WINDOW, lag=60)
    for labels, samples in history.items():
        row = series.row(str(labels).encode(), lambda _, labels=labels: labels)
        moments, values = np.array(samples).T
        evaluator.take(Samples(np.full(len(samples), row), moments / 1000, values))
    batch = evaluator.evaluate(at)
    return {table.keys[row]: v for row, v in zip(batch.rows, batch.values, strict=True)}


def disputed(history: dict[Labels, list[tuple[int, float]]], end: int) -> bool:
    """Whether Prometheus 2 and 3 may differ: a sample on the boundary, or the order of clamps."""
    window = round(WINDOW * 1000)
    return any(
        any(moment == end - window for moment, _ in samples)
        or naive.increase(samples, end, window)
        != naive.increase(samples, end, window, prometheus_2=True)
        for samples in history.values()
    )
