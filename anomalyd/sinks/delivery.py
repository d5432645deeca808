"""From a decision to every sink: one bounded queue and one retry loop per sink.

A notice waits in each sink's own queue, so that a slow or dead sink delays neither the pipeline
nor another sink.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from anomalyd import telemetry
from anomalyd.sinks.base import Notice, Result, Sink, describe
from anomalyd.units import format_duration

log = logging.getLogger(__name__)

RETRY_SECONDS = 900.0
"""How long one notice is waited for in all; then the next one gets its turn."""
LONGEST_WAIT = 30.0
HURRIED_WAIT = 0.5
"""The longest wait between two attempts while draining."""

Sleep = Callable[[float], Awaitable[None]]


class Delivery:
    """`start`, then `run` as a task; `put` at any time; at the end `drain`, then `stop`.

    queue: notices waiting per sink, the oldest goes first when it is full. drain: seconds that
    `drain` may take. clock: unix seconds. Whatever is dropped is counted and logged.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        queue: int,
        drain: float,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
        retry_for: float = RETRY_SECONDS,
    ) -> None:
        self._lanes = [_Lane(sink, queue, clock, sleep, retry_for) for sink in sinks]
        self._drain_seconds = drain
        self._tasks: list[asyncio.Task[None]] = []
        self._started = AsyncExitStack()
        self._drained = False

    async def start(self) -> None:
        """Start the sinks in order; raises SinkError, having stopped those already started."""
        async with AsyncExitStack() as stack:
            for lane in self._lanes:
                await lane.sink.start()
                stack.push_async_callback(lane.sink.stop)
            self._started = stack.pop_all()

    def put(self, notice: Notice) -> None:
        """Queue a notice for every sink; never blocks. After `drain` it is dropped."""
        for lane in self._lanes:
            if self._drained:
                lane.drop(notice, "shutdown", "the daemon is stopping")
            else:
                lane.put(notice)

    async def run(self) -> None:
        """Deliver and refresh until cancelled or drained; a sink's bug is raised from here."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                name = f"sink {lane.sink.name}"
                self._tasks.append(group.create_task(lane.work(), name=name))
                if lane.sink.every is not None:
                    refresher = lane.refresh(lane.sink.every)
                    self._tasks.append(group.create_task(refresher, name=f"{name} refresh"))

    async def drain(self, seconds: float | None = None) -> dict[str, int]:
        """End `run`, deliver what is queued within `seconds`, and return what was lost per sink.

        A sink that does not answer gets its attempts in quick succession, then loses its queue.
        """
        self._drained = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        limit = self._drain_seconds if seconds is None else seconds
        try:
            async with asyncio.timeout(limit), asyncio.TaskGroup() as group:
                for lane in self._lanes:
                    group.create_task(lane.flush(), name=f"sink {lane.sink.name} drain")
        except TimeoutError:
            log.warning("sinks were not drained within %s", format_duration(limit))
        return {lane.sink.name: lane.lose() for lane in self._lanes}

    async def stop(self) -> None:
        """Stop the sinks, the last started first."""
        await self._started.aclose()

    def queue_lengths(self) -> dict[str, int]:
        """Notices not yet delivered, the one under way included, by sink."""
        return {lane.sink.name: len(lane) for lane in self._lanes}


class _Lane:
    """One sink with its queue. `current` is the notice under way: it survives a cancellation."""

    def __init__(
        self,
        sink: Sink,
        size: int,
        clock: Callable[[], float],
        sleep: Sleep,
        retry_for: float,
    ) -> None:
        self.sink = sink
        self._queue: asyncio.Queue[Notice] = asyncio.Queue(size)
        self._current: Notice | None = None
        self._turn = asyncio.Lock()
        self._clock = clock
        self._sleep = sleep
        self._retry_for = retry_for
        self._hurried = False
        self._failing = False
        self._backoff = wait_random_exponential(multiplier=1, min=0.25, max=LONGEST_WAIT)
        self._retrying = AsyncRetrying(
            sleep=sleep,
            retry=retry_if_result(lambda result: not result.ok and result.retryable),
            wait=self._wait,
            stop=lambda state: state.idle_for >= retry_for,
            retry_error_callback=_result,
        )

    def __len__(self) -> int:
        return self._queue.qsize() + (self._current is not None)

    def put(self, notice: Notice) -> None:
        if self._queue.full():
            self.drop(self._queue.get_nowait(), "full", "the queue is full")
        self._queue.put_nowait(notice)

    async def work(self) -> None:
        while True:
            if self._current is None:
                self._current = await self._queue.get()
            await self._deliver(self._current)
            self._current = None

    async def flush(self) -> None:
        self._hurried = True
        while len(self):
            if self._current is None:
                self._current = self._queue.get_nowait()
            await self._deliver(self._current)
            self._current = None

    def lose(self) -> int:
        """Drop everything that is left; returns how many."""
        lost = [self._current] if self._current is not None else []
        self._current = None
        while not self._queue.empty():
            lost.append(self._queue.get_nowait())
        for notice in lost:
            self.drop(notice, "shutdown", "not delivered before the end")
        return len(lost)

    async def refresh(self, every: float) -> None:
        while True:
            async with self._turn:
                result = await self.sink.refresh(self._clock())
            self._observe(result)
            await self._sleep(every)

    async def _deliver(self, notice: Notice) -> None:
        result: Result = await self._retrying(self._attempt, notice)
        if result.ok:
            return
        if result.retryable:
            given_up = f"given up after {format_duration(self._retry_for)}: {result.detail}"
            self.drop(notice, "expired", given_up)
        else:
            self.drop(notice, "refused", result.detail)

    async def _attempt(self, notice: Notice) -> Result:
        async with self._turn:
            result = await self.sink.deliver(notice)
        told = "ok" if result.ok else "retry" if result.retryable else "refused"
        telemetry.sink_deliveries.add(1, {"sink": self.sink.name, "result": told})
        if result.ok or result.retryable:
            self._observe(result)
        return result

    def _wait(self, state: RetryCallState) -> float:
        """Jittered exponential backoff, at least what the receiver asked for, within the cap."""
        if self._hurried:
            return min(self._backoff(state), HURRIED_WAIT)
        asked = _result(state).retry_after or 0.0
        return min(max(self._backoff(state), asked), max(self._retry_for - state.idle_for, 0.0))

    def _observe(self, result: Result) -> None:
        """Say once that a sink began to fail, and once that it recovered."""
        failing = not result.ok
        if failing and not self._failing:
            log.warning("sink %s: %s; trying again", self.sink.name, result.detail)
        elif not failing and self._failing:
            log.warning("sink %s: delivers again", self.sink.name)
        self._failing = failing

    def drop(self, notice: Notice, reason: str, why: str) -> None:
        telemetry.sink_dropped.add(1, {"sink": self.sink.name, "reason": reason})
        log.warning("sink %s: dropped the %s: %s", self.sink.name, describe(notice), why)


def _result(state: RetryCallState) -> Result:
    if state.outcome is None:
        raise RuntimeError("tenacity asked before the first attempt")
    result: Result = state.outcome.result()
    return result
