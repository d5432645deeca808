"""One production for all tests: measured, three days long, in a real Prometheus."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.history import backfill, generate
from tests.e2e.measure import Service, measure
from tests.e2e.world import PRODUCTION, Watch, World, until, world
from tests.servers import prometheus

DAYS = 3.0
SCRAPE_SECONDS = 2.5
"""Four scrapes to a window of 10 s, so that `rate` has enough to go by."""
SEED = 7
TEST_SECONDS = 185.0
"""A load test, the same with and without a fault."""


@dataclass(frozen=True, slots=True)
class Production:
    """url: of a Prometheus with its history; services: what they were measured to do."""

    url: str
    services: dict[str, Service]


@dataclass(frozen=True, slots=True)
class Good:
    """A run in good order, judged twice: by all of production, and by one silent of a service."""

    world: World
    whole: Watch
    silent: Watch


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def production(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Production]:
    directory: Path = tmp_path_factory.mktemp("production")
    services = await measure(SEED)
    (directory / "data").mkdir()
    history = generate(services, time.time(), DAYS, SCRAPE_SECONDS, SEED)
    backfill(history, directory / "data", directory)
    with prometheus(directory, "global: {scrape_interval: 2500ms}\n") as url:
        yield Production(url, services)


@pytest_asyncio.fixture(loop_scope="session")
async def staging(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, SEED) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def good(
    production: Production, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Good]:
    """The second judge watches a command that lasts as long as the load that the first one runs."""
    directory = tmp_path_factory.mktemp("good")
    pid_file = directory / "pid"
    async with world(directory, SEED) as staging:
        whole = staging.configure("whole", production.url)
        silent = staging.configure("silent", production.url, f'{PRODUCTION},service!="pricing"')
        await staging.fit(whole)
        await staging.fit(silent)
        load = staging.load(TEST_SECONDS, pid_file)
        async with staging.watch(whole, TEST_SECONDS, *load) as first:

            async def begun() -> str:
                return pid_file.read_text(encoding="utf-8") if pid_file.exists() else ""

            pid = await until(begun, "the load has begun", first, 60)
            follow = ("tail", f"--pid={pid}", "-f", "/dev/null")
            async with staging.watch(silent, TEST_SECONDS, *follow) as second:
                await first.ended()
                await second.ended()
                yield Good(staging, first, second)
