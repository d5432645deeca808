"""An environment with several sources: which signal is answered by which, and what comes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomalyd.config import EnvironmentConfig
from anomalyd.model import (
    LOAD_SIGNAL,
    Batch,
    Environment,
    Gauge,
    Kind,
    PromQL,
    Rate,
    Ratio,
    Selector,
    Signal,
)
from anomalyd.sources import assign
from anomalyd.sources.base import Side
from anomalyd.sources.combined import Combined, together

LOAD = Signal(LOAD_SIGNAL, Kind.TRAFFIC, Rate(Selector("requests_total")), by=())
MEMORY = Signal("memory", Kind.RESOURCE, Gauge(Selector("memory_bytes")))
ERRORS = Signal("errors", Kind.ERRORS, Ratio(Selector("failed_total"), Selector("requests_total")))
MINE = Signal("mine", Kind.OTHER, PromQL("sum(my_metric{$matchers})"))
SIGNALS = (LOAD, MEMORY, ERRORS, MINE)
BOTH = EnvironmentConfig.model_validate({"url": "http://a", "remote_write": {}})


def side(section: str, *metrics: str, config: EnvironmentConfig = BOTH, **more: object) -> Side:
    found = dict.fromkeys(metrics, frozenset({"service"}))
    return replace(Side(Environment.STAGING, config, None, found, None, section=section), **more)


def test_what_is_pushed_answers_what_it_has_and_the_server_the_rest() -> None:
    parts = [side("remote_write", "requests_total"), side("url", "requests_total", "memory_bytes")]
    assert assign(SIGNALS, parts) == {
        "remote_write": {"load", "errors"},
        "url": {"memory", "mine"},
    }


def test_a_signal_that_nobody_has_is_asked_for() -> None:
    parts = [side("remote_write"), side("url")]
    assert assign(SIGNALS, parts) == {
        "remote_write": set(),
        "url": {"load", "memory", "errors", "mine"},
    }


def test_an_expression_is_nobodys_without_a_server() -> None:
    parts = [side("remote_write", "requests_total"), side("scrape", "memory_bytes")]
    assert assign(SIGNALS, parts) == {"remote_write": {"load", "errors"}, "scrape": {"memory"}}


def test_load_is_the_servers_where_capacity_is_an_expression() -> None:
    config = BOTH.model_copy(update={"capacity": "count(up{$matchers})"})
    parts = [side("remote_write", "requests_total", config=config), side("url", config=config)]
    assert assign(SIGNALS, parts)["url"] == {"load", "memory", "mine"}


def test_sides_are_one_with_all_they_have() -> None:
    found = together(
        [
            side("remote_write", "requests_total", interval=15.0, trouble="a", away=True),
            side("url", "memory_bytes", interval=60.0),
        ]
    )
    assert found.metrics.keys() == {"requests_total", "memory_bytes"}
    assert (found.interval, found.trouble, found.away) == (60.0, "a", True)
    assert together([found.parts[0]]) is found.parts[0]


class Part:
    """Answers one signal with one row."""

    def __init__(self, row: int, value: float, fresh: Side | None = None) -> None:
        self.name, self.row, self.value, self.fresh = str(row), row, value, fresh
        self.calls: list[str] = []

    async def start(self) -> None:
        self.calls.append("start")

    async def run(self) -> None:
        self.calls.append("run")

    async def ahead(self, time: float) -> None:
        self.calls.append("ahead")

    async def arrived(self, time: float) -> None:
        self.calls.append("arrived")

    async def collect(self, time: float) -> Batch:
        rows, values = np.array([self.row], np.intp), np.array([self.value])
        return Batch(time, rows, values, values, frozenset({f"signal{self.row}"}), ((3, "twice"),))

    def troubles(self) -> list[str]:
        return [f"{self.name} is away"]

    async def returned(self) -> bool:
        return True

    def news(self) -> Side | None:
        return self.fresh

    async def stop(self) -> None:
        self.calls.append("stop")


async def test_batches_are_laid_side_by_side() -> None:
    both = together([side("remote_write"), side("url")])
    combined = Combined(both, {"remote_write": Part(1, 10.0), "url": Part(0, 20.0)})
    await combined.start()
    await combined.run()
    await combined.arrived(30.0)
    batch = await combined.collect(30.0)
    await combined.stop()
    assert (batch.time, batch.rows.tolist(), batch.values.tolist()) == (30.0, [1, 0], [10.0, 20.0])
    assert batch.answered == {"signal0", "signal1"}
    assert batch.duplicates == ((3, "twice"), (3, "twice"))
    assert combined.troubles() == ["1 is away", "0 is away"]
    assert all(
        part.calls == ["start", "run", "arrived", "stop"] for part in combined.parts.values()
    )


@pytest.mark.parametrize(("away", "returned"), [("url", True), ("", False)])
async def test_only_what_was_away_can_return(away: str, returned: bool) -> None:
    both = together([side("remote_write"), side("url", away=away == "url")])
    combined = Combined(both, {"remote_write": Part(1, 1.0), "url": Part(0, 1.0)})
    assert await combined.returned() is returned


def test_what_is_new_of_one_part_is_new_of_the_whole() -> None:
    both = together([side("remote_write"), side("url", "memory_bytes")])
    fresh = side("remote_write", "requests_total")
    assert Combined(both, {"remote_write": Part(1, 1.0), "url": Part(0, 1.0)}).news() is None
    found = Combined(both, {"remote_write": Part(1, 1.0, fresh), "url": Part(0, 1.0)}).news()
    assert found is not None
    assert found.metrics.keys() == {"requests_total", "memory_bytes"}
