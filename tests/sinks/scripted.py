"""Sinks that answer as told, and deliveries to them on a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from anomalyd.sinks.base import OK, Notice, Result, RunStarted, SinkError
from anomalyd.sinks.delivery import Delivery
from tests.sinks.examples import SleepClock, a_run, settled

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
