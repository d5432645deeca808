"""A real Prometheus scrapes and sends on: what arrives gives its own answers."""

from __future__ import annotations

import asyncio
import math
import time

import pytest
from aiohttp import web

from anomalyd.config import EnvironmentConfig, Limits
from anomalyd.model import Environment, Labels
from anomalyd.push import Post
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Make, Side, Wanted
from anomalyd.sources.pushed import build
from anomalyd.sources.remote_write import RemoteWrite
from tests.servers import prometheus
from tests.signals.test_live_oracle import SIGNALS, WINDOW, answers, ask, disputed, shop

__all__ = ["shop"]

CONFIG = """
global: {{scrape_interval: 150ms, scrape_timeout: 100ms}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["{target}"]}}]
remote_write:
  - url: {receiver}
    queue_config: {{batch_send_deadline: 100ms, min_backoff: 30ms, max_backoff: 100ms}}
"""
METRICS = {"requests_total", "latency_seconds_bucket", "latency_seconds_count", "memory_bytes"}


@pytest.fixture
async def received(tmp_path):
    """(source, its table, URL of a receiver that is away now and then, statuses it answered)"""
    config = EnvironmentConfig.model_validate({"remote_write": {}})
    side = Side(Environment.STAGING, config, None, {}, None, section="remote_write")
    wanted = Wanted(METRICS.__contains__, Limits(), tmp_path)
    table = SignalTable(SIGNALS, 1000)
    names = frozenset(signal.name for signal in SIGNALS)
    source = build(Make(side, table, Canonical(["service"]), WINDOW, wanted, names))
    receiver = RemoteWrite({Environment.STAGING: source}, 2**25)
    statuses: list[int] = []

    async def write(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        post = Post("staging", headers, await request.read(), time.time())
        if len(statuses) % 5 == 2:
            statuses.append(503)
            return web.Response(status=503)
        reply = receiver.receive(post)
        statuses.append(reply.status)
        return web.Response(status=reply.status, headers=reply.headers)

    app = web.Application()
    app.router.add_post("/write", write)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield source, table, f"http://127.0.0.1:{runner.addresses[0][1]}/write", statuses
    await runner.cleanup()


async def test_what_a_real_prometheus_sends_gives_its_own_answers(shop, received, tmp_path):
    target, address = shop
    source, table, url, statuses = received
    config = CONFIG.format(target=address, receiver=url)
    with prometheus(tmp_path, config) as server:
        async with asyncio.timeout(120):
            await target.enough.wait()
            now = time.time()
            while source._arrivals.last.max() < now:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        everything = '{__name__=~"requests_total|latency_seconds_.*|memory_bytes"}[1m]'
        history = {
            Labels.of(one["metric"]): [(round(t * 1000), float(v)) for t, v in one["values"]]
            for one in await ask(server, everything)
        }
        compared = 0
        for step in range(30):
            at = math.floor((now - 0.1 - step * 0.1) * 1000) / 1000
            if not disputed(history, round(at * 1000)):
                batch = await source.collect(at)
                pairs = zip(batch.rows, batch.values, strict=True)
                found = {table.keys[row]: value for row, value in pairs}
                assert found == pytest.approx(await answers(server, at), rel=1e-9, abs=1e-9)
                compared += len(found)
    assert compared > 60
    assert statuses.count(503) > 1
    assert set(statuses) == {204, 503}
