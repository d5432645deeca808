"""One service refuses what makes no sense, and lives through a downstream that is gone."""

import asyncio

import pytest
from aiohttp.test_utils import TestClient, TestServer, unused_port
from prometheus_client.parser import text_string_to_metric_families

from anomalyd.demo.service import Service
from anomalyd.demo.topology import WORK, Work


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"kind": "fire", "size": 1}, "latency, errors, leak, fanout"),
        ({"kind": "latency"}, "size a number"),
        ({"kind": "latency", "size": -1}, "cannot have latency of size -1"),
        ({"kind": "fanout", "size": 4}, "pricing cannot have fanout"),
        (["kind"], "send {kind, size}"),
    ],
)
async def test_a_fault_that_cannot_be_is_refused_in_words(body, says) -> None:
    service = Service("pricing", {}, "1", WORK["pricing"])
    async with (
        TestClient(TestServer(service.application())) as client,
        client.post("/fault", json=body) as response,
    ):
        assert response.status == 400
        assert says in await response.text()


async def test_a_downstream_that_is_gone_is_a_502_and_a_counted_call() -> None:
    gone = f"http://127.0.0.1:{unused_port()}"
    service = Service("gateway", {"cart": gone}, "1", WORK["gateway"])
    async with TestClient(TestServer(service.application())) as client:
        async with client.get("/gateway") as response:
            assert response.status == 502
        async with client.get("/metrics") as response:
            families = list(text_string_to_metric_families(await response.text()))
    counts = {
        (sample.name.split("_")[1], sample.labels["http_response_status_code"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name.endswith("_request_duration_seconds_count")
    }
    assert counts[("server", "502")] == 1
    assert counts[("client", "")] == 1


async def test_work_queues_for_a_worker() -> None:
    """Two requests for one worker take as long as both together."""
    service = Service("pricing", {}, "1", Work(median=0.05, workers=1, sigma=0.0, errors=0.0))
    loop = asyncio.get_running_loop()
    async with TestClient(TestServer(service.application())) as client:
        started = loop.time()
        answers = await asyncio.gather(client.get("/pricing"), client.get("/pricing"))
        took = loop.time() - started
    assert [answer.status for answer in answers] == [200, 200]
    assert took >= 0.099
