"""A real Prometheus scrapes and sends on: what arrives gives its own answers."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from anomalyd.model import Labels
from tests.servers import prometheus
from tests.signals.test_live_oracle import SIGNALS, WINDOW, answers, ask, disputed, shop
from tests.sources.receiving import receiving

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
    async with receiving(tmp_path, SIGNALS, METRICS, WINDOW) as made:
        yield made


async def test_what_a_real_prometheus_sends_gives_its_own_answers(shop, received, tmp_path):
    target, address = shop
    config = CONFIG.format(target=address, receiver=received.url)
    with prometheus(tmp_path, config) as server:
        async with asyncio.timeout(120):
            await target.enough.wait()
            now = time.time()
            while received.source._arrivals.last.max() < now:  # noqa: ASYNC110
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
                found = await received.values(at)
                assert found == pytest.approx(await answers(server, at), rel=1e-9, abs=1e-9)
                compared += len(found)
    assert compared > 60
    assert received.statuses.count(503) > 1
    assert set(received.statuses) == {204, 503}
