"""`anomalyd watch` against real servers: a fault in the middle, none, and a silent production."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from anomalyd.demo.topology import WORK, Fault, FaultKind
from tests.e2e.conftest import TEST_SECONDS, Good, Production
from tests.e2e.measure import Service
from tests.e2e.world import RATE, Watch, World, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]

SLOW = "pricing"
SLOWER_BY = 0.8
BEFORE_SECONDS, FAULT_SECONDS, LASTING_SECONDS = 45.0, 45.0, 15.0
"""Of judged load in good order; then the longest that the fault may last until it is told, and
how long it lasts from there."""
NORMAL = 1.6448536269514722
"""The 95th percentile of a standard normal distribution."""


def the_fault(service: Service) -> Fault:
    """Makes the p95 of `SLOW` 80% longer: what it awaits of its own is a part of that."""
    work = WORK[SLOW]
    own = work.median * math.exp(work.sigma * NORMAL)
    return Fault(SLOW, FaultKind.LATENCY, SLOWER_BY * service.quantile(0.95, RATE) / own)


async def judged(watching: Watch) -> None:
    """Wait until the warm-up is over."""

    async def said() -> bool:
        return any("run is active" in line for line in watching.said)

    await until(said, "the run is active", watching, 60)


async def loaded(world: World, watching: Watch, seconds: float) -> None:
    """Wait until as many requests more were answered as that much load has."""
    wanted = await world.served() + seconds * RATE

    async def answered() -> bool:
        return await world.served() >= wanted

    await until(answered, f"{wanted:g} requests are answered", watching, 2 * seconds + 30)


async def test_a_fault_is_told_while_it_lasts_and_fails_the_run(
    production: Production, staging: World
) -> None:
    world = staging
    config = world.configure("faulty", production.url)
    await world.fit(config)
    load = world.load(TEST_SECONDS, world.directory / "pid")
    async with world.watch(config, TEST_SECONDS, *load) as watching:
        await judged(watching)
        await loaded(world, watching, BEFORE_SECONDS)
        assert await world.alerts() == [], "nothing is wrong yet"
        await world.system.fault(the_fault(production.services[SLOW]))
        alert, *more = await until(world.alerts, "an alert is active", watching, FAULT_SECONDS)
        assert not more
        assert alert["status"]["state"] == "active"
        labels = {"service": SLOW, "run_id": watching.run_id, "team": "shop"}
        assert labels.items() <= alert["labels"].items()
        assert "latency_p95" in alert["annotations"]["summary"]

        async def drawn() -> list[dict[str, Any]]:
            return await world.annotations(watching.run_id, "incident")

        (region,) = await until(drawn, "the incident is drawn", watching, 10)
        assert region["timeEnd"] == region["time"], "it is open"
        await loaded(world, watching, LASTING_SECONDS)
        assert [one["status"]["state"] for one in await world.alerts()] == ["active"]
        assert world.notified() == ["firing"]
        await world.system.clear()

        async def resolved() -> bool:
            return world.notified() == ["firing", "resolved"] and not await world.alerts()

        await until(resolved, "the alert is resolved", watching, 90)
        assert watching.process.returncode is None, "the run is still under way"
        assert await watching.ended() == 1, "\n".join(watching.said)
    (closed,) = await drawn()
    assert closed["id"] == region["id"]
    assert closed["timeEnd"] > closed["time"] == region["time"]
    (of_run,) = await world.annotations(watching.run_id, "kind:run")
    assert of_run["timeEnd"] > of_run["time"]
    if world.grafana is not None:
        created = world.grafana.requests.count("POST /api/annotations")
        assert created == 2, "the run's and the incident's, each once"
    report = watching.report()
    assert report["verdict"]["outcome"] == "fail"
    (incident,) = report["incidents"]
    assert incident["suspects"][0]["service"] == SLOW
    fired = {f["series"] for f in report["findings"] if f["state"] == "fired"}
    assert f'latency_p95{{service="{SLOW}"}}' in fired
    assert re.search(rf"%  {SLOW}: .*latency_p95 [+\d]", watching.output)


async def test_the_same_run_without_a_fault_passes_and_nobody_is_told(good: Good) -> None:
    world, watching = good.world, good.whole
    report = watching.report()
    assert report["verdict"]["outcome"] == "pass", report["verdict"]["reasons"]
    assert watching.process.returncode == 0
    assert report["incidents"] == []
    assert world.notified() == []
    assert await world.alerts() == []
    (of_run,) = await world.annotations(watching.run_id, "kind:run")
    assert of_run["timeEnd"] > of_run["time"]
    assert await world.annotations(watching.run_id, "incident") == []


async def test_it_does_not_pass_where_production_is_silent_of_a_service(good: Good) -> None:
    report = good.silent.report()
    unmatched = [name for name in report["coverage"]["unmatched"] if SLOW in name]
    assert len(unmatched) == 5, "its rate, p95, errors, cpu and memory are listed"
    assert report["verdict"]["outcome"] == "inconclusive", report["verdict"]["reasons"]
    assert any(SLOW in reason for reason in report["verdict"]["reasons"])
    assert good.silent.process.returncode == 3
