"""The load comes as planned, whatever the system does with it."""

import asyncio
from itertools import pairwise

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from anomalyd.demo.load import Load, Shape, Steady, Sweep, arrivals


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Steady(50, 40), 2000),
        (Steady(50, 40, ramp=20), 1500),
        (Sweep(10, 60, 60, cycles=3), 2100),
    ],
)
def test_arrivals_number_what_the_shape_says(shape: Shape, expected: int) -> None:
    count = sum(1 for _ in arrivals(shape, seed=7))
    assert abs(count - expected) < 4 * expected**0.5, "four standard deviations of a Poisson count"


def test_arrivals_of_a_seed_are_the_same_and_of_another_are_not() -> None:
    shape = Steady(20, 10)
    assert list(arrivals(shape, 1)) == list(arrivals(shape, 1))
    assert list(arrivals(shape, 1)) != list(arrivals(shape, 2))


def test_gaps_between_arrivals_are_exponential() -> None:
    times = list(arrivals(Steady(100, 100), seed=3))
    gaps = [b - a for a, b in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert variance / mean**2 == pytest.approx(1, abs=0.1), "squared coefficient of variation"


@pytest.mark.parametrize(
    ("elapsed", "rate"), [(0, 10), (5, 35), (10, 60), (15, 35), (20, 10), (30, 60), (39.999, 10)]
)
def test_a_sweep_goes_up_and_down_again(elapsed: float, rate: float) -> None:
    assert Sweep(10, 60, 40, cycles=2).rate(elapsed) == pytest.approx(rate, abs=0.01)


async def test_good_and_failed_answers_are_counted_apart() -> None:
    statuses = iter([200, 503] * 1000)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=next(statuses))

    async with _server(answer) as server:
        counts = await Load(str(server.make_url("/")), Steady(200, 0.3), seed=1).run()
    assert counts.sent == counts.ok + counts.failed > 20
    assert abs(counts.ok - counts.failed) <= 1
    assert counts.dropped == 0


async def test_requests_keep_arriving_when_answers_do_not_and_the_excess_is_dropped() -> None:
    release = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    async with _server(hang) as server:
        load = Load(str(server.make_url("/")), Steady(200, 0.3), seed=1, in_flight=5)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(load.run(), name="load")
            async with asyncio.timeout(10):
                while load.counts.dropped < 10:  # noqa: ASYNC110 - counts are read while it runs
                    await asyncio.sleep(0.01)
            assert load.counts.sent == 5
            release.set()
        counts = run.result()
    assert counts.ok == counts.sent
    offered = sum(1 for _ in arrivals(load.shape, 1))
    assert counts.sent + counts.dropped == offered


async def test_nobody_listening_is_a_failed_request_and_no_crash() -> None:
    counts = await Load(f"http://127.0.0.1:{unused_port()}", Steady(100, 0.1), seed=1).run()
    assert counts.failed == counts.sent > 0


def _server(handler) -> TestServer:
    application = web.Application()
    application.router.add_get("/", handler)
    return TestServer(application)
