"""A real Prometheus pushes what it scrapes; it and anomalyd are killed and started again."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import signal
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from anomalyd.config import parse
from anomalyd.replay import tape
from tests.daemon.process import Process, serving, until_async, written
from tests.daemon.shop import SERVICES, Shop, settings, write_baseline
from tests.servers import alertmanager, free_port
from tests.tools import need

pytestmark = pytest.mark.timeout(600)

SEED = int(os.environ.get("SEED", "0"))
WINDOW = 4.0
SCRAPE = 1.0
LOAD = 50.0
TELLS_WITHIN = 60.0
"""Seconds from a latency three times as long to an alert at Alertmanager, at the very most."""
PUSHING = """
global: {{scrape_interval: 1s, scrape_timeout: 900ms}}
scrape_configs: [{{job_name: shop, static_configs: [{{targets: ["{target}"]}}]}}]
remote_write:
  - url: {receiver}
    queue_config: {{batch_send_deadline: 500ms, min_backoff: 30ms, max_backoff: 500ms}}
"""
ROUTES = """
route: {receiver: hook, group_by: [incident], group_wait: 100ms, group_interval: 1s}
receivers: [{name: hook}]
"""


class Target:
    """The shop of the other tests, by the clock on the wall, as a process exposes it."""

    def __init__(self) -> None:
        self.shop = Shop(load=LOAD)
        self.begun = time.time()
        self.address = ""

    async def metrics(self, _: web.Request) -> web.Response:
        now = time.time()
        lines = []
        for service in SERVICES:
            served = LOAD * (now - self.begun)
            latency = self.shop.latency(service, math.floor(now / WINDOW) * WINDOW)
            lines += [
                f'requests_total{{service="{service}"}} {served}',
                f'failed_total{{service="{service}"}} {0.002 * served}',
                f'latency_seconds{{service="{service}"}} {latency}',
            ]
        return web.Response(text="\n".join([*lines, ""]))


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    made = Target()
    app = web.Application()
    app.router.add_get("/metrics", made.metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.address = f"127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


class Pusher:
    """A Prometheus that can be killed, and goes on where it was."""

    def __init__(self, directory: Path, config: str) -> None:
        self.directory = directory
        directory.mkdir()
        (directory / "prometheus.yml").write_text(config, encoding="utf-8")
        self.url = f"http://127.0.0.1:{free_port()}"
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = [
            str(need("prometheus")),
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        with (self.directory / "log").open("ab") as log:
            self.child = subprocess.Popen(arguments, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.child is not None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()

    def own(self, metric: str) -> float:
        """One of its own metrics, summed."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric))


@asynccontextmanager
async def pushing(directory: Path, target: Target, receiver: str) -> AsyncIterator[Pusher]:
    made = Pusher(directory, PUSHING.format(target=target.address, receiver=receiver))
    made.start()
    try:
        yield made
    finally:
        made.kill()


def tree(state: Path, port: int, alerting: str) -> dict[str, Any]:
    whole = settings("http://a", None, state)
    whole["environments"] = {
        "staging": {"remote_write": {}},
        "production": {"url": "http://127.0.0.1:1", "timeout": "1s"},
    }
    return {
        **whole,
        "step": "1s",
        "window": f"{WINDOW:g}s",
        "judgement": {
            "warmup": "4s",
            "settle": "4s",
            "keep_firing_for": "8s",
            "close_incident_after": "8s",
            "ignore_shorter": "4s",
        },
        "api": {"listen": f"127.0.0.1:{port}"},
        "sinks": {"alertmanager": {"urls": [alerting]}},
        "log_level": "info",
    }


async def alerts(url: str) -> list[dict[str, Any]]:
    def get() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{url}/api/v2/alerts?active=true", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    return await asyncio.to_thread(get)


async def judged_since(daemon: Process, run: str, windows: int) -> None:
    """So many windows more were judged."""
    _, before = await daemon.ask(f"/api/v1/runs/{run}")

    def later(_: int, told: Any) -> bool:
        return bool(told["elapsed"] >= before["elapsed"] + windows * WINDOW)

    await daemon.answers(f"/api/v1/runs/{run}", later, 120)


def windows_of(state: Path, run: str) -> list[float]:
    """The ends of the windows that a run was judged by, in order."""
    metas = tape.mend(state / "recordings" / run)
    return [meta["time"] for meta in metas if meta["kind"] == "window"]


async def test_sender_and_receiver_are_killed_and_nothing_is_judged_twice(target, tmp_path):
    chance = random.Random(SEED)  # noqa: S311
    state, port = tmp_path / "state", free_port()
    with alertmanager(tmp_path, ROUTES) as alerting:
        made = tree(state, port, alerting)
        config = written(tmp_path / "c.yaml", made)
        state.mkdir()
        write_baseline(state / "baseline.npz", parse(made), window=WINDOW)
        receiver = f"http://127.0.0.1:{port}/api/v1/write/staging"
        async with pushing(tmp_path / "sender", target, receiver) as sender:
            async with serving(config) as daemon:
                await daemon.answers("/-/ready", lambda status, _: status == 200, 120)
                run = await daemon.start()
                await judged_since(daemon, run, 8 + chance.randrange(4))
                sender.kill()
                await asyncio.sleep(chance.uniform(0.0, 2 * WINDOW))
                sender.start()
                await judged_since(daemon, run, 4 + chance.randrange(4))
                await daemon.killed()
            await asyncio.sleep(chance.uniform(0.0, WINDOW))
            async with serving(config) as daemon:
                await daemon.answers("/-/ready", lambda status, _: status == 200, 120)
                await judged_since(daemon, run, 6)
                assert await alerts(alerting) == [], "nothing is wrong yet"
                target.shop.slower["pricing"] = 3.0
                faulty_at = time.time()

                async def told() -> bool:
                    return bool(await alerts(alerting))

                await until_async(told, "an alert is active", daemon, TELLS_WITHIN)
                print(f"fault to alert: {time.time() - faulty_at:.1f} s")
                (alert,) = await alerts(alerting)
                assert alert["labels"]["service"] == "pricing"
                verdict = await daemon.verdict(run)

                async def drained() -> bool:
                    pending = "prometheus_remote_storage_samples_pending"
                    return await asyncio.to_thread(sender.own, pending) < 50

                await until_async(drained, "the sender's queue is drained", daemon)
                failed = await asyncio.to_thread(
                    sender.own, "prometheus_remote_storage_samples_failed_total"
                )
                _, metrics = await daemon.ask("/metrics")
                assert await daemon.stopped() == 0
    assert failed == 0
    assert 'result="out_of_order"' not in metrics
    assert verdict["outcome"] == "fail", verdict["reasons"]
    assert len(verdict["incidents"]) == 1
    ends = windows_of(state, run)
    assert len(ends) > 15
    assert all(later - sooner >= WINDOW - 1e-6 for sooner, later in pairwise(ends))
