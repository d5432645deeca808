from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.daemon.bench import Bench, bench
from tests.daemon.shop import Shop, configuration, write_baseline
from tests.fakes.prometheus import serve


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline of production, fitted once."""
    directory = tmp_path_factory.mktemp("baseline")
    path = directory / "baseline.npz"
    write_baseline(path, configuration("http://127.0.0.1:1", None, directory))
    return path


@pytest.fixture
async def staging() -> AsyncIterator[Shop]:
    async with serve(Shop()) as shop:
        yield shop


@pytest.fixture
async def production() -> AsyncIterator[Shop]:
    async with serve(Shop()) as shop:
        yield shop


@pytest.fixture
async def shop(
    staging: Shop, production: Shop, tmp_path: Path, baseline: Path
) -> AsyncIterator[Bench]:
    """A session with a baseline, over a staging that tests may trouble."""
    state = tmp_path / "state"
    state.mkdir()
    shutil.copy(baseline, state / "baseline.npz")
    async with bench(configuration(staging.url, production.url, state), staging) as made:
        yield made
