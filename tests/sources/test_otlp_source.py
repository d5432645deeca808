"""Spans wait in a bounded queue, are evaluated between bodies, and are all seen by a tick."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from anomalyd import config
from anomalyd.config import EnvironmentConfig, OtlpSpans
from anomalyd.model import Batch, Environment
from anomalyd.push import Post, Refused
from anomalyd.sources.base import Side
from anomalyd.sources.otlp.receiver import Otlp
from anomalyd.sources.otlp.source import SpanSource
from tests.sources.otlp_bodies import NOW, body, span

PROTOBUF = {"content-type": "application/x-protobuf"}


class Evaluator:
    def __init__(self) -> None:
        self.taken: list[tuple[int, float]] = []

    def take(self, spans, now) -> None:
        self.taken.append((len(spans), now))

    def evaluate(self, time) -> Batch:
        return Batch(time, np.zeros(0, np.intp), np.zeros(0), np.zeros(0), frozenset({"latency"}))


@pytest.fixture
def evaluator() -> Evaluator:
    return Evaluator()


def source(evaluator: Evaluator, queue: int = 10) -> SpanSource:
    side = Side(Environment.STAGING, EnvironmentConfig(otlp=OtlpSpans()), None, {}, None)
    return SpanSource(side, evaluator, OtlpSpans(), config.Otlp(queue=queue))


def send(made: SpanSource, *numbers: int, now: float = NOW) -> None:
    posted = Post("", PROTOBUF, body(*(span(n) for n in numbers)), now)
    Otlp({Environment.STAGING: made}, 10**6).receive(posted)


async def test_what_comes_is_evaluated_without_waiting_for_a_tick(evaluator):
    made = source(evaluator)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.run(), name="run")
        send(made, 1, 2)
        send(made, 3, now=NOW + 1)
        while len(evaluator.taken) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        running.cancel()
    assert evaluator.taken == [(2, NOW), (1, NOW + 1)]


async def test_a_tick_sees_all_that_came_before_it(evaluator):
    made = source(evaluator)
    send(made, 1)
    send(made, 2, 3)
    await made.collect(NOW + 5)
    assert [count for count, _ in evaluator.taken] == [1, 2]


async def test_a_tick_may_be_quicker_than_the_task_that_evaluates(evaluator):
    made = source(evaluator)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.run(), name="run")
        await asyncio.sleep(0)
        send(made, 1)
        await made.collect(NOW + 5)
        await asyncio.sleep(0)
        send(made, 2)
        while len(evaluator.taken) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        running.cancel()
    assert [count for count, _ in evaluator.taken] == [1, 1]


async def test_a_full_queue_takes_nothing_until_it_was_read(evaluator):
    made = source(evaluator, queue=3)
    send(made, 1, 2)
    with pytest.raises(Refused, match="too many spans wait") as refused:
        send(made, 3, 4)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
    send(made, 5)
    await made.collect(NOW)
    send(made, 3, 4)
    await made.collect(NOW)
    assert [count for count, _ in evaluator.taken] == [2, 1, 2]


async def test_an_empty_queue_takes_a_body_of_any_size(evaluator):
    made = source(evaluator, queue=1)
    send(made, 1, 2, 3)
    await made.collect(NOW)
    assert evaluator.taken == [(3, NOW)]


async def test_a_clock_that_goes_back_is_not_followed(evaluator):
    made = source(evaluator)
    send(made, 1, now=NOW)
    send(made, 2, now=NOW - 100)
    await made.collect(NOW)
    assert [now for _, now in evaluator.taken] == [NOW, NOW]


async def test_silence_is_told_and_an_empty_body_breaks_it(evaluator):
    made = source(evaluator)
    await made.collect(NOW)
    assert (await made.collect(NOW + 30)).answered == {"latency"}
    assert made.troubles() == []
    assert (await made.collect(NOW + 60)).answered == frozenset()
    assert made.troubles() == [
        "staging: no spans are pushed; we began to listen 1m ago; look after the exporters and "
        "their OTEL_EXPORTER_OTLP_ENDPOINT"
    ]
    send(made, now=NOW + 61)
    assert made.troubles() == []
    await made.collect(NOW + 181)
    assert "the last came 2m ago" in made.troubles()[0]
