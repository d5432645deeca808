from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd import telemetry
from anomalyd.sinks.base import OK, Result
from anomalyd.sinks.delivery import HURRIED_WAIT, Delivery
from tests.sinks.examples import Dropped, SleepClock, settled, until
from tests.sinks.scripted import (
    REFUSED,
    RETRY,
    ScriptedSink,
    a_delivery,
    notices,
)


async def test_drain_delivers_what_is_queued_and_ends_run() -> None:
    sink = ScriptedSink()
    delivery = a_delivery(SleepClock(), sink)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run(), name="delivery")
        await settled()
        for notice in notices(4):
            delivery.put(notice)
        assert await delivery.drain() == {"one": 0}
    assert sink.delivered == ["r0", "r1", "r2", "r3"]


async def test_a_notice_interrupted_by_drain_is_delivered_again() -> None:
    sink = ScriptedSink()
    sink.gate.clear()
    delivery = a_delivery(SleepClock(), sink)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run(), name="delivery")
        delivery.put(notices(1)[0])
        await until(lambda: sink.busy == 1)
        assert delivery.queue_lengths() == {"one": 1}
        sink.gate.set()
        assert await delivery.drain() == {"one": 0}
    assert sink.delivered == ["r0"]


async def test_drain_ends_a_long_wait_for_a_retry() -> None:
    time = SleepClock()
    sink = ScriptedSink(script=[Result(False, True, "answered 429", retry_after=600.0)])
    delivery = a_delivery(time, sink)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run(), name="delivery")
        delivery.put(notices(1)[0])
        await until(lambda: time.sleepers == 1)
        assert await delivery.drain() == {"one": 0}
    assert sink.delivered == ["r0"]


async def test_drain_tries_again_soon_whatever_the_receiver_asked_for() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    sink = ScriptedSink(script=[Result(False, True, "answered 429", retry_after=600.0)] * 5)
    delivery = Delivery([sink], queue=1, drain=1.0, sleep=sleep)
    delivery.put(notices(1)[0])
    assert await delivery.drain() == {"one": 0}
    assert len(slept) == 5
    assert max(slept) <= HURRIED_WAIT


async def test_drain_says_what_a_dead_sink_lost_and_others_did_not(
    dropped: Dropped, caplog: pytest.LogCaptureFixture
) -> None:
    dead, hanging, alive = (ScriptedSink(name) for name in ("dead", "hanging", "alive"))
    dead.answer = RETRY
    hanging.gate.clear()
    delivery = a_delivery(SleepClock(), dead, hanging, alive)
    for notice in notices(3):
        delivery.put(notice)
    assert await delivery.drain(0.05) == {"dead": 3, "hanging": 3, "alive": 0}
    assert dropped.reasons() == ["shutdown"] * 6
    assert "sinks were not drained within 0.05s" in caplog.messages
    assert "sink dead: dropped the start of run r2: not delivered before the end" in caplog.messages


async def test_a_notice_after_drain_is_counted_as_dropped(dropped: Dropped) -> None:
    delivery = a_delivery(SleepClock(), ScriptedSink())
    await delivery.drain()
    delivery.put(notices(1)[0])
    assert dropped.reasons() == ["shutdown"]


RESULTS = st.sampled_from([OK, RETRY, REFUSED, Result(False, True, "busy", retry_after=500.0)])


@given(script=st.lists(RESULTS, max_size=12), count=st.integers(0, 8), size=st.integers(1, 4))
def test_every_notice_is_delivered_or_counted_as_dropped(
    script: list[Result], count: int, size: int
) -> None:
    async def deliver_all() -> None:
        async def sleep(seconds: float) -> None:
            await asyncio.sleep(0)

        sink = ScriptedSink(script=script)
        delivery = Delivery([sink], queue=size, drain=5.0, sleep=sleep)
        for notice in notices(count):
            delivery.put(notice)
        await delivery.drain()
        assert len(sink.delivered) + len(counter.added) == count
        assert sink.delivered == sorted(set(sink.delivered))

    counter = Dropped()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telemetry, "sink_dropped", counter)
        asyncio.run(deliver_all())
