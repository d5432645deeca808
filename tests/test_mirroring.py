"""The environments are compared between runs; what changes from clean to drift is told once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anomalyd import config
from anomalyd.mirroring import Mirroring
from anomalyd.sinks.base import DriftChanged
from tests.daemon.bench import Told
from tests.sinks.examples import DictMemory


class Watched:
    """Two directories that are compared, under a clock that tests move."""

    def __init__(self, root: Path, memory: DictMemory) -> None:
        self.root, self.now, self.told = root, 1000.0, Told()
        self.pipeline: Any = SimpleNamespace(facts=())
        for side in ("staging", "production"):
            (root / side).mkdir(exist_ok=True)
            self.says(side, 1)
        tree = {
            "environments": {"staging": {"url": "http://localhost:1"}},
            "parity": {"files": {s: str(root / s) for s in ("staging", "production")}},
        }
        store: Any = SimpleNamespace(memory=memory.of)
        settings = config.parse(tree)
        self.mirroring = Mirroring(settings, self.pipeline, store, self.told, lambda: self.now)

    def says(self, side: str, value: int) -> None:
        (self.root / side / "app.json").write_text(f'{{"retries": {value}}}')

    async def look(self, busy: bool = False) -> None:
        self.now += 600
        await self.mirroring.look(lambda: busy)

    def heard(self) -> list[int]:
        return [one.many for one in self.told.notices if isinstance(one, DriftChanged)]


@pytest.fixture
def memory() -> DictMemory:
    return DictMemory()


@pytest.fixture
def watched(tmp_path: Path, memory: DictMemory) -> Watched:
    return Watched(tmp_path, memory)


async def test_drift_on_a_clean_staging_is_told_once_and_so_is_its_end(watched: Watched) -> None:
    await watched.look()
    watched.says("staging", 3)
    await watched.look()
    await watched.look()
    watched.says("staging", 1)
    await watched.look()
    assert watched.heard() == [1, 0]
    first = watched.told.notices[0]
    assert isinstance(first, DriftChanged)
    assert first.differences == ("setting of app.json retries: 3 in staging, 1 in production",)


async def test_a_staging_that_drifted_from_the_first_look_on_is_no_news(watched: Watched) -> None:
    watched.says("staging", 3)
    await watched.look()
    assert watched.heard() == []


async def test_what_was_told_is_remembered_over_a_restart(
    watched: Watched, tmp_path: Path, memory: DictMemory
) -> None:
    await watched.look()
    watched.says("staging", 3)
    await watched.look()
    again = Watched(tmp_path, memory)
    again.says("staging", 3)
    await again.look()
    assert again.heard() == []


async def test_a_run_keeps_the_facts_that_it_began_with(watched: Watched) -> None:
    await watched.look()
    before = watched.pipeline.facts
    watched.says("staging", 3)
    await watched.look(busy=True)
    assert watched.pipeline.facts == before != ()
    await watched.look()
    assert watched.pipeline.facts != before


async def test_a_run_that_began_before_anything_was_known_takes_it_up(watched: Watched) -> None:
    await watched.look(busy=True)
    assert watched.pipeline.facts


async def test_what_cannot_be_compared_is_said_until_it_can(watched: Watched) -> None:
    (watched.root / "staging" / "app.json").unlink()
    (watched.root / "staging").rmdir()
    await watched.look()
    (trouble,) = watched.mirroring.troubles()
    assert "is not a directory" in trouble
    (watched.root / "staging").mkdir()
    watched.says("staging", 1)
    await watched.look()
    assert watched.mirroring.troubles() == []


async def test_what_differs_undeclared_is_a_fact_that_runs_are_told(watched: Watched) -> None:
    watched.says("staging", 3)
    await watched.look()
    (fact,) = (one for one in watched.pipeline.facts if one.kind == "drift")
    assert (fact.place, fact.found) == ("setting of app.json retries", "setting")
    assert fact.value in ("high", "medium", "low")
