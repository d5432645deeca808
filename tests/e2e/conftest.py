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
from tests.e2e.world import World, world
from tests.servers import prometheus

DAYS = 3.0
SCRAPE_SECONDS = 2.5
"""Four scrapes to a window of 10 s, so that `rate` has enough to go by."""
SEED = 7


@dataclass(frozen=True, slots=True)
class Production:
    """url: of a Prometheus with its history; services: what they were measured to do."""

    url: str
    services: dict[str, Service]


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
