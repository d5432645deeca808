from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd import telemetry
from anomalyd.sinks.base import OK, Notice, Result, RunStarted, SinkError
from anomalyd.sinks.delivery import LONGEST_WAIT, Delivery
from tests.sinks.examples import Dropped, SleepClock, a_run, settled, until

RETRY = Result(False, True, "cannot be reached: refused")
REFUSED = Result(False, False, "answered 400: no")


class ScriptedSink:
    """Answers from `script`, then `answer`; remembers what was delivered."""

    def __init__(
        self, name: str = "one", script: Sequence[Result] = (), answer: Result = OK
    ) -> None:
        self.name = name
        self.every: float | None = None
        self.script = list(script)
        self.answer = answer
        self.asked: list[str] = []
        self.delivered: list[str] = []
        self.refreshed: list[float] = []
        self.refresh_answer = OK
        self.gate = asyncio.Event()
        self.gate.set()
        self.busy = 0
        self.most_busy = 0
        self.life: list[str] = []

    async def start(self) -> None:
        self.life.append("start")

    async def deliver(self, notice: Notice) -> Result:
        self.asked.append(notice.run.id)
        await self._work()
        result = self.script.pop(0) if self.script else self.answer
        if result.ok:
            self.delivered.append(notice.run.id)
        return result

    async def refresh(self, now: float) -> Result:
        self.refreshed.append(now)
        await self._work()
        return self.refresh_answer

    async def _work(self) -> None:
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)
        try:
            await self.gate.wait()
        finally:
            self.busy -= 1

    async def stop(self) -> None:
        self.life.append("stop")


class BrokenSink(ScriptedSink):
    async def deliver(self, notice: Notice) -> Result:
        raise KeyError("a bug")


class UnstartableSink(ScriptedSink):
    async def start(self) -> None:
        raise SinkError("sinks.two.token_file: No such file")


def notices(count: int) -> list[Notice]:
    return [RunStarted(a_run(f"r{number}")) for number in range(count)]


def a_delivery(time: SleepClock, *sinks: ScriptedSink, queue: int = 10) -> Delivery:
    return Delivery(sinks, queue=queue, drain=1.0, clock=time, sleep=time.sleep)


@asynccontextmanager
async def running(delivery: Delivery) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(delivery.run(), name="delivery")
        await settled()
        yield
        task.cancel()


async def test_notices_arrive_in_order() -> None:
    sink = ScriptedSink()
    delivery = a_delivery(SleepClock(), sink)
    async with running(delivery):
        for notice in notices(5):
            delivery.put(notice)
        await until(lambda: len(sink.delivered) == 5)
    assert sink.delivered == ["r0", "r1", "r2", "r3", "r4"]
    assert delivery.queue_lengths() == {"one": 0}


async def test_the_oldest_goes_first_when_the_queue_is_full(
    dropped: Dropped, caplog: pytest.LogCaptureFixture
) -> None:
    sink = ScriptedSink()
    delivery = a_delivery(SleepClock(), sink, queue=2)
    for notice in notices(4):
        delivery.put(notice)
    assert delivery.queue_lengths() == {"one": 2}
    async with running(delivery):
        await until(lambda: len(sink.delivered) == 2)
    assert sink.delivered == ["r2", "r3"]
    assert dropped.added == [(1, {"sink": "one", "reason": "full"})] * 2
    assert "sink one: dropped the start of run r0: the queue is full" in caplog.messages


async def test_a_dead_sink_delays_neither_another_nor_who_puts() -> None:
    dead, alive = ScriptedSink("dead", answer=RETRY), ScriptedSink("alive")
    hanging = ScriptedSink("hanging")
    hanging.gate.clear()
    delivery = a_delivery(SleepClock(), dead, hanging, alive)
    async with running(delivery):
        for notice in notices(10):
            delivery.put(notice)
        await until(lambda: len(alive.delivered) == 10)
        assert delivery.queue_lengths() == {"dead": 10, "hanging": 10, "alive": 0}


async def test_a_retry_waits_longer_each_time_and_never_longer_than_the_longest() -> None:
    time = SleepClock()
    sink = ScriptedSink(script=[RETRY] * 8)
    delivery = a_delivery(time, sink)
    async with running(delivery):
        delivery.put(notices(1)[0])
        while not sink.delivered:
            await until(lambda: time.sleepers == 1 or bool(sink.delivered))
            await time.advance(LONGEST_WAIT)
    bounds = [1, 2, 4, 8, 16, 30, 30, 30]
    assert len(time.slept) == 8
    assert all(0.25 <= wait <= bound for wait, bound in zip(time.slept, bounds, strict=True))
    assert sink.asked == ["r0"] * 9


async def test_retry_after_is_honoured() -> None:
    time = SleepClock()
    sink = ScriptedSink(script=[Result(False, True, "answered 429", retry_after=120.0)])
    delivery = a_delivery(time, sink)
    async with running(delivery):
        delivery.put(notices(1)[0])
        await until(lambda: time.sleepers == 1)
        await time.advance(119.0)
        assert sink.delivered == []
        await time.advance(1.0)
        assert sink.delivered == ["r0"]


async def test_a_notice_is_given_up_after_the_cap_and_the_next_one_tried(
    dropped: Dropped, caplog: pytest.LogCaptureFixture
) -> None:
    time = SleepClock()
    long = Result(False, True, "answered 503", retry_after=7200.0)
    sink = ScriptedSink(script=[long, long])
    delivery = a_delivery(time, sink)
    async with running(delivery):
        for notice in notices(2):
            delivery.put(notice)
        await until(lambda: time.sleepers == 1)
        await time.advance(900.0)
        await until(lambda: sink.delivered == ["r1"])
    assert time.slept == [900.0]
    assert dropped.reasons() == ["expired"]
    assert "dropped the start of run r0: given up after 15m: answered 503" in caplog.text


async def test_what_will_never_be_accepted_is_dropped_at_once(
    dropped: Dropped, caplog: pytest.LogCaptureFixture
) -> None:
    time = SleepClock()
    sink = ScriptedSink(script=[REFUSED])
    delivery = a_delivery(time, sink)
    async with running(delivery):
        for notice in notices(2):
            delivery.put(notice)
        await until(lambda: sink.delivered == ["r1"])
    assert time.slept == []
    assert dropped.reasons() == ["refused"]
    assert "sink one: dropped the start of run r0: answered 400: no" in caplog.messages


async def test_every_attempt_is_counted_by_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    counter, time = Dropped(), SleepClock()
    monkeypatch.setattr(telemetry, "sink_deliveries", counter)
    sink = ScriptedSink(script=[RETRY, OK, REFUSED])
    delivery = a_delivery(time, sink)
    async with running(delivery):
        for notice in notices(2):
            delivery.put(notice)
        await until(lambda: time.sleepers == 1)
        await time.advance(LONGEST_WAIT)
        await until(lambda: len(counter.added) == 3)
    assert [told["result"] for _, told in counter.added] == ["retry", "ok", "refused"]


async def test_failing_and_recovering_are_each_said_once(caplog: pytest.LogCaptureFixture) -> None:
    time = SleepClock()
    sink = ScriptedSink(script=[RETRY] * 3)
    delivery = a_delivery(time, sink)
    with caplog.at_level(logging.INFO):
        async with running(delivery):
            for notice in notices(3):
                delivery.put(notice)
            while len(sink.delivered) < 3:
                await time.advance(LONGEST_WAIT)
                await settled()
    assert caplog.messages == [
        "sink one: cannot be reached: refused; trying again",
        "sink one: delivers again",
    ]


async def test_refresh_comes_at_once_and_then_every_period() -> None:
    time = SleepClock()
    sink = ScriptedSink()
    sink.every = 60.0
    began = time.now
    async with running(a_delivery(time, sink)):
        await until(lambda: time.sleepers == 1)
        await time.advance(125.0)
    assert sink.refreshed == [began, began + 60, began + 120]


async def test_refresh_goes_on_while_a_notice_waits_for_its_retry() -> None:
    time = SleepClock()
    sink = ScriptedSink(script=[Result(False, True, "answered 429", retry_after=600.0)])
    sink.every = 60.0
    delivery = a_delivery(time, sink)
    async with running(delivery):
        delivery.put(notices(1)[0])
        await until(lambda: time.sleepers == 2)
        await time.advance(300.0)
        assert len(sink.refreshed) == 6
        assert sink.delivered == []


async def test_deliver_and_refresh_never_overlap() -> None:
    time = SleepClock()
    sink = ScriptedSink()
    sink.every = 60.0
    sink.gate.clear()
    delivery = a_delivery(time, sink)
    async with running(delivery):
        delivery.put(notices(1)[0])
        await settled()
        sink.gate.set()
        await until(lambda: sink.delivered == ["r0"] and len(sink.refreshed) == 1)
    assert sink.most_busy == 1


async def test_a_failing_refresh_is_said_once_each_way(caplog: pytest.LogCaptureFixture) -> None:
    time = SleepClock()
    sink = ScriptedSink()
    sink.every = 60.0
    sink.refresh_answer = REFUSED
    async with running(a_delivery(time, sink)):
        await until(lambda: time.sleepers == 1)
        await time.advance(120.0)
        sink.refresh_answer = OK
        await time.advance(120.0)
    assert caplog.messages == [
        "sink one: answered 400: no; trying again",
        "sink one: delivers again",
    ]


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


async def test_a_bug_in_a_sink_ends_run() -> None:
    delivery = a_delivery(SleepClock(), BrokenSink(), ScriptedSink("two"))
    delivery.put(notices(1)[0])
    with pytest.raises(ExceptionGroup) as raised:
        await delivery.run()
    assert raised.group_contains(KeyError)


async def test_sinks_stop_and_a_failed_start_stops_those_already_started() -> None:
    one, two = ScriptedSink("one"), UnstartableSink("two")
    with pytest.raises(SinkError, match="token_file"):
        await a_delivery(SleepClock(), one, two).start()
    assert one.life == ["start", "stop"]

    good = ScriptedSink()
    delivery = a_delivery(SleepClock(), good)
    await delivery.start()
    await delivery.stop()
    assert good.life == ["start", "stop"]


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
