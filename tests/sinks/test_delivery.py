from __future__ import annotations

import logging

import pytest

from anomalyd import telemetry
from anomalyd.sinks.base import OK, Result, SinkError
from anomalyd.sinks.delivery import LONGEST_WAIT
from tests.sinks.examples import Dropped, SleepClock, settled, until
from tests.sinks.scripted import (
    REFUSED,
    RETRY,
    BrokenSink,
    ScriptedSink,
    UnstartableSink,
    a_delivery,
    notices,
    running,
)


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
