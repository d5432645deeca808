"""Four real processes serve, tell of themselves, fall ill on request and leave no orphan."""

import asyncio
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from itertools import pairwise

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from anomalyd.demo.process import DemoError
from anomalyd.demo.system import System
from anomalyd.demo.topology import EDGES, Fault, FaultKind
from anomalyd.model import Environment
from anomalyd.sources.otlp.traces import Decoder
from tests.fakes.receiver import serving

SERVER = "http_server_request_duration_seconds"
CLIENT = "http_client_request_duration_seconds"


pytestmark = pytest.mark.asyncio(loop_scope="module")


class Collector:
    """Takes spans, and keeps those begun after `since` (unix ns) by id: (service, operation,
    parent's id)."""

    def __init__(self) -> None:
        self.spans: dict[int, tuple[str, str, int]] = {}
        self.since = 0
        self.came = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        spans = Decoder().protobuf(await request.read(), time.time()).spans
        for i, number in enumerate(spans.span.tolist()):
            if spans.start[i] < self.since:
                continue
            service = spans.resources[spans.resource[i]].get("service_name")
            operation = spans.operations[spans.operation[i]]
            self.spans[number] = (service, operation, int(spans.parent[i]))
        self.came.set()
        return web.Response(content_type="application/x-protobuf")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def collector() -> AsyncIterator[tuple[Collector, str]]:
    """With its endpoint."""
    made, app = Collector(), web.Application()
    app.add_routes([web.post("/v1/traces", made.take)])
    async with serving(app) as url:
        yield made, url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(collector: tuple[Collector, str]) -> AsyncIterator[System]:
    async with System(Environment.STAGING, seed=5, otlp=collector[1]) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def system(shared: System) -> AsyncIterator[System]:
    """One for all tests, without a fault."""
    yield shared
    await shared.clear()


@pytest_asyncio.fixture(loop_scope="module")
async def fresh() -> AsyncIterator[System]:
    """One whose memory nobody has used yet."""
    async with System(Environment.STAGING, seed=5) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def send(session: aiohttp.ClientSession, system: System, count: int) -> list[int]:
    async def one() -> int:
        async with session.get(system.entry) as response:
            return response.status

    statuses: list[int] = []
    for start in range(0, count, 4):
        statuses += await asyncio.gather(*(one() for _ in range(min(4, count - start))))
    return statuses


async def scrape(session: aiohttp.ClientSession, system: System) -> dict[str, dict[str, float]]:
    """Per service: requests, errors of its own, mean duration's parts, calls, memory."""
    seen: dict[str, dict[str, float]] = {}
    for target in system.targets():
        async with session.get(target.url) as response:
            text = await response.text()
        numbers: dict[str, float] = defaultdict(float)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if not sample.name.endswith("_bucket"):
                    status = sample.labels.get("http_response_status_code", "")
                    numbers[sample.name] += sample.value
                    numbers[f"{sample.name}/{status}"] += sample.value
        seen[target.labels["service"]] = numbers
    return seen


def growth(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return defaultdict(float, {name: after[name] - before[name] for name in after})


async def during(session: aiohttp.ClientSession, system: System, count: int) -> dict[str, dict]:
    before = await scrape(session, system)
    await send(session, system, count)
    after = await scrape(session, system)
    return {name: growth(before[name], after[name]) for name in after}


def mean_duration(numbers: dict[str, float]) -> float:
    return numbers[f"{SERVER}_sum"] / numbers[f"{SERVER}_count"]


async def test_a_request_to_the_gateway_goes_through_every_service(system, session) -> None:
    seen = await during(session, system, 8)
    assert {name: numbers[f"{SERVER}_count"] for name, numbers in seen.items()} == dict.fromkeys(
        EDGES, 8
    )
    for name, numbers in seen.items():
        assert numbers[f"{CLIENT}_count"] == 8 * len(EDGES[name])


async def test_the_spans_of_a_request_lead_from_the_gateway_to_every_service(
    system, session, collector
) -> None:
    traced, _ = collector
    traced.spans.clear()
    traced.since = time.time_ns()
    await send(session, system, 3)
    calls = [(caller, callee) for caller, callees in EDGES.items() for callee in callees]
    async with asyncio.timeout(20):
        while len(traced.spans) < 3 * (len(EDGES) + len(calls)):
            traced.came.clear()
            await traced.came.wait()
    served = {one: found for one, found in traced.spans.items() if found[1] != "GET"}
    assert sorted(name for _, name, _ in served.values()) == sorted(
        3 * [f"GET /{service}" for service in EDGES]
    )
    found = [(traced.spans[parent][0], service) for service, _, parent in served.values() if parent]
    assert sorted(found) == sorted(3 * calls)


async def test_metrics_carry_semantic_convention_labels_and_process_numbers(
    system, session
) -> None:
    await send(session, system, 2)
    target = next(target for target in system.targets() if target.labels == {"service": "cart"})
    async with session.get(target.url) as response:
        text = await response.text()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    names = {sample.name for sample in samples}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= names
    buckets = [s for s in samples if s.name == f"{SERVER}_bucket"]
    assert {tuple(sorted(s.labels)) for s in buckets} == {
        ("http_request_method", "http_response_status_code", "http_route", "le")
    }
    edges = sorted({float(s.labels["le"]) for s in buckets})[:-1]
    assert edges[0] <= 0.002
    assert edges[-1] >= 5
    assert all(b / a <= 1.25 for a, b in pairwise(edges))


async def test_a_slow_service_is_slow_itself_and_makes_its_callers_wait(system, session) -> None:
    good = await during(session, system, 24)
    await system.fault(Fault("pricing", FaultKind.LATENCY, 4))
    bad = await during(session, system, 24)
    assert mean_duration(bad["pricing"]) > 3 * mean_duration(good["pricing"])
    assert mean_duration(bad["cart"]) > mean_duration(good["cart"]) + 0.02
    assert mean_duration(bad["inventory"]) < 2 * mean_duration(good["inventory"])


async def test_a_failing_service_answers_500_and_its_callers_502(system, session) -> None:
    await system.fault(Fault("inventory", FaultKind.ERRORS, 1))
    bad = await during(session, system, 12)
    assert bad["inventory"][f"{SERVER}_count/500"] == 12
    assert bad["cart"][f"{SERVER}_count/502"] + bad["cart"][f"{SERVER}_count/500"] == 12
    assert bad["pricing"][f"{SERVER}_count"] == 12


async def test_a_leaking_service_grows_by_what_it_keeps(fresh, session) -> None:
    await fresh.fault(Fault("cart", FaultKind.LEAK, 2))
    bad = await during(session, fresh, 16)
    assert bad["cart"]["process_resident_memory_bytes"] > 28 * 2**20
    assert bad["pricing"]["process_resident_memory_bytes"] < 8 * 2**20


async def test_a_leak_stops_before_it_hurts_the_machine(fresh, session) -> None:
    await fresh.fault(Fault("cart", FaultKind.LEAK, 60))
    bad = await during(session, fresh, 8)
    assert 150 * 2**20 < bad["cart"]["process_resident_memory_bytes"] < 200 * 2**20


async def test_a_fan_out_multiplies_the_calls_of_one_service_alone(system, session) -> None:
    await system.fault(Fault("cart", FaultKind.FANOUT, 4))
    bad = await during(session, system, 6)
    assert bad["cart"][f"{SERVER}_count"] == 6
    assert bad["cart"][f"{CLIENT}_count"] == 48
    assert bad["pricing"][f"{SERVER}_count"] == bad["inventory"][f"{SERVER}_count"] == 24


async def test_clear_ends_every_fault_and_gives_the_memory_back(fresh, session) -> None:
    await fresh.fault(Fault("cart", FaultKind.LEAK, 5))
    await fresh.fault(Fault("inventory", FaultKind.ERRORS, 1))
    before = await scrape(session, fresh)
    await send(session, fresh, 8)
    full = await scrape(session, fresh)
    await fresh.clear()
    seen = await during(session, fresh, 12)
    after = await scrape(session, fresh)
    assert seen["inventory"][f"{SERVER}_count/200"] >= 11
    key = "process_resident_memory_bytes"
    assert full["cart"][key] - before["cart"][key] > 35 * 2**20
    assert after["cart"][key] - before["cart"][key] < 10 * 2**20


async def test_the_system_says_which_service_refused_a_fault(system) -> None:
    with pytest.raises(DemoError, match="inventory refused the fault"):
        await system.fault(Fault("inventory", FaultKind.FANOUT, 4))


async def test_leaving_ends_all_processes() -> None:
    async with System(Environment.PRODUCTION, seed=1) as system:
        pids = list(system.pids.values())
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


async def test_a_service_that_cannot_start_is_named_and_the_others_end(monkeypatch) -> None:
    system = System(Environment.STAGING, seed=1, start_timeout=0.0)
    with pytest.raises(DemoError, match="pricing did not come up within 0 s"):
        await system.__aenter__()
    assert len(system.pids) == 1
    assert not any(alive(pid) for pid in system.pids.values())


PARENT = """
import asyncio, json, os, sys
from anomalyd.demo.system import System
from anomalyd.model import Environment
async def main():
    async with System(Environment.STAGING, 1) as system:
        print(json.dumps(system.pids), flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_services_end_when_their_parent_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE, env={**os.environ}
    )
    assert parent.stdout is not None
    pids = json.loads(await asyncio.wait_for(parent.stdout.readline(), 30)).values()
    assert all(alive(pid) for pid in pids)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(10):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110 - other processes send no event
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended but nobody waited for does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
