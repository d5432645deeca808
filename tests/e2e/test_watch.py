"""`anomalyd watch` against real servers: a fault in the middle, none, and a silent production."""

from __future__ import annotations

import math

import pytest

from anomalyd.demo.topology import WORK, Fault, FaultKind
from tests.e2e.conftest import Production
from tests.e2e.measure import Service
from tests.e2e.world import RATE, Watch, World, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]

SLOW = "pricing"
SLOWER_BY = 0.8
GOOD_SECONDS, FAULT_SECONDS, AFTER_SECONDS = 75.0, 40.0, 75.0
NORMAL = 1.6448536269514722
"""The 95th percentile of a standard normal distribution."""


def the_fault(service: Service) -> Fault:
    """Makes the p95 of `SLOW` 80% longer: what it awaits of its own is a part of that."""
    work = WORK[SLOW]
    own = work.median * math.exp(work.sigma * NORMAL)
    return Fault(SLOW, FaultKind.LATENCY, SLOWER_BY * service.quantile(0.95, RATE) / own)


async def fitted(world: World, production: Production, **options: str) -> str:
    config = str(world.configure(production.url, **options))
    status, out, said = await world.anomalyd("baseline", "fit", "-c", config)
    assert status == 0, said
    return config


async def active(world: World, watching: Watch) -> str:
    """Wait until the run is judged; returns its id."""

    async def said() -> bool:
        return watching.has_said("run is active")

    await until(said, "the run is active", watching, 60)
    first = next(line for line in watching.said if line.startswith("anomalyd: run "))
    return first.split()[2]


async def after(world: World, watching: Watch, seconds: float) -> None:
    """Wait until as many requests more were answered as that much load has."""
    wanted = await world.served() + seconds * RATE

    async def answered() -> bool:
        return await world.served() >= wanted

    await until(answered, f"{wanted:g} requests are answered", watching, 2 * seconds + 30)


async def test_a_fault_is_told_while_it_lasts_and_fails_the_run(
    production: Production, staging: World
) -> None:
    world = staging
    config = await fitted(world, production)
    fault = the_fault(production.services[SLOW])
    async with world.watch(config, GOOD_SECONDS + FAULT_SECONDS + AFTER_SECONDS) as watching:
        run_id = await active(world, watching)
        await after(world, watching, GOOD_SECONDS - 15)
        assert await world.alerts() == [], "nothing is wrong yet"
        await world.system.fault(fault)
        alert, *more = await until(world.alerts, "an alert is active", watching, FAULT_SECONDS)
        assert not more
        assert alert["status"]["state"] == "active"
        assert alert["labels"] | {"service": SLOW, "run_id": run_id, "team": "shop"} == alert["labels"]
        assert "latency_p95" in alert["annotations"]["summary"]

        async def annotated() -> list:
            return await world.annotations(run_id, "incident")

        (open_region,) = await until(annotated, "the incident is drawn", watching, 10)
        assert open_region["timeEnd"] == open_region["time"], "it is open"
        await world.system.clear()

        async def resolved() -> bool:
            return world.notified() == ["firing", "resolved"] and not await world.alerts()

        await until(resolved, "the alert is resolved", watching, 90)
        assert watching.process.returncode is None, "the run is still under way"
        (closed,) = await annotated()
        assert closed["id"] == open_region["id"]
        assert closed["timeEnd"] > closed["time"] == open_region["time"]
        assert await watching.ended() == 1, "\n".join(watching.said)
    report = world.report()
    assert report["verdict"]["outcome"] == "fail"
    (incident,) = report["incidents"]
    assert incident["suspects"][0]["service"] == SLOW
    fired = {f["series"] for f in report["findings"] if f["state"] == "fired"}
    assert 'latency_p95{service="pricing"}' in fired
    assert SLOW in watching.output
    (of_run,) = await world.annotations(run_id, "kind:run")
    assert of_run["timeEnd"] > of_run["time"]
    if world.grafana is not None:
        created = world.grafana.requests.count("POST /api/annotations")
        assert created == 2, "the run's and the incident's, each once"


async def test_the_same_run_without_a_fault_passes_and_is_told_nobody(
    production: Production, staging: World
) -> None:
    world = staging
    config = await fitted(world, production)
    async with world.watch(config, GOOD_SECONDS + FAULT_SECONDS + AFTER_SECONDS) as watching:
        run_id = await active(world, watching)
    report = world.report()
    assert report["verdict"]["outcome"] == "pass", report["verdict"]["reasons"]
    assert watching.process.returncode == 0
    assert report["incidents"] == []
    assert world.notified() == []
    assert await world.alerts() == []
    assert len(await world.annotations(run_id, "kind:run")) == 1
    assert await world.annotations(run_id, "incident") == []


async def test_a_run_does_not_pass_where_production_is_silent_of_a_service(
    production: Production, staging: World
) -> None:
    world = staging
    config = await fitted(world, production, matchers='env="production",service!="pricing"')
    async with world.watch(config, GOOD_SECONDS) as watching:
        await active(world, watching)
    report = world.report()
    assert report["verdict"]["outcome"] == "inconclusive"
    assert watching.process.returncode == 3
    assert any(SLOW in reason for reason in report["verdict"]["reasons"])
