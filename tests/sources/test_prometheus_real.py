"""Discovery and the pull source against a real Prometheus."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from aiohttp import web

from anomalyd.config import EnvironmentConfig
from anomalyd.http import session
from anomalyd.model import Gauge, Kind, Matcher, Ratio, Selector, Signal
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.sources import discovery
from anomalyd.sources.promapi import PromApi
from anomalyd.sources.prometheus import PrometheusSource
from tests.fakes.receiver import serving
from tests.servers import prometheus

REQUESTS = Selector("http_requests_total")
BAD = Selector(REQUESTS.metric, (Matcher("code", "=~", "5.."),))
SIGNALS = (
    Signal("memory", Kind.RESOURCE, Gauge(Selector("process_resident_memory_bytes"), "max")),
    Signal("errors", Kind.ERRORS, Ratio(BAD, REQUESTS)),
    Signal("absent", Kind.OTHER, Gauge(Selector("nothing_at_all"))),
)
CONFIG = """
global: {scrape_interval: 500ms, scrape_timeout: 400ms}
scrape_configs:
  - {job_name: shop, static_configs: [{targets: ['TARGET'], labels: {env: staging}}]}
"""


async def exposition(request: web.Request) -> web.Response:
    seen = round(time.time() * 100)
    return web.Response(
        text="# TYPE http_requests_total counter\n"
        f'http_requests_total{{code="200"}} {seen}\n'
        f'http_requests_total{{code="503"}} {seen // 4}\n'
        "process_resident_memory_bytes 5e6\n"
    )


async def test_a_real_prometheus_is_discovered_timed_and_read(tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_get("/metrics", exposition)
    async with serving(app) as target:
        config = CONFIG.replace("TARGET", target.removeprefix("http://"))
        with prometheus(tmp_path, config) as url:
            await examine(url)


async def examine(url: str) -> None:
    settings = {"url": url, "matchers": 'env="staging"'}
    endpoint = EnvironmentConfig.model_validate(settings)
    async with session(endpoint) as http:
        api = PromApi(endpoint, http, name="staging")
        await scraped(api, 'min(count_over_time(up{env="staging"}[1m])) >= 5')
        assert abs((await discovery.clock_skew(api)).seconds) < 2
        assert await discovery.scrape_interval(api, endpoint.matchers) == 0.5
        assert await discovery._spacing(api, 'up{env="staging"}') == [0.5]
        found = await discovery.discover(api, endpoint.matchers, {REQUESTS.metric}.__contains__)
        assert found[REQUESTS.metric] >= {"job", "code", "instance", "env"}
        assert (await api.buildinfo()).version.startswith(("2.", "3."))
        table = SignalTable(SIGNALS, 100)
        pull = PrometheusSource(api, table, Canonical(("service", "job")), window=5.0)
        await pull.start()
        batch = await pull.collect(time.time())
    assert pull.failures() == {}
    assert batch.answered == {"memory", "errors", "absent"}
    assert "by (job)" in pull.queries[0].value
    assert [table.keys[row] for row in batch.rows] == [
        'memory{service="shop"}',
        'errors{service="shop"}',
    ]
    memory, errors = batch.values.tolist()
    assert memory == 5e6
    assert 0.15 < errors < 0.25
    assert batch.counts[1] > 100


async def scraped(api: PromApi, condition: str) -> None:
    """Until `condition` yields a series."""
    async with asyncio.timeout(30):
        while not (await api.instant(condition)).keys:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
