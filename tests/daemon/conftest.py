from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from anomalyd import keeping
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


@pytest.fixture(autouse=True)
def seldom_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots every five minutes: while tests move the clock they are cheap in every window, and
    were a sixth of what these tests cost. Whoever looks at them overrides this."""
    monkeypatch.setattr(keeping, "SNAPSHOT_SHARE", 1e-9)


Opened = Callable[[str], AbstractAsyncContextManager[Bench]]


@pytest.fixture
def opened(staging: Shop, production: Shop, tmp_path: Path, baseline: Path) -> Opened:
    """A session's bench on the state directory of that name, with a baseline if it is new."""

    def opened(name: str) -> AbstractAsyncContextManager[Bench]:
        state = tmp_path / name
        if not state.exists():
            state.mkdir()
            shutil.copy(baseline, state / "baseline.npz")
        return bench(configuration(staging.url, production.url, state), staging, production)

    return opened


@pytest.fixture
async def shop(opened: Opened) -> AsyncIterator[Bench]:
    """A session with a baseline, over a staging that tests may trouble."""
    async with opened("state") as made:
        yield made
