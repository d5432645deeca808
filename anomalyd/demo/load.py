"""An open-loop load generator: requests arrive when they arrive, however slow the answers are."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp


class Shape(Protocol):
    """An arrival rate over time: `rate` in 1/s at `elapsed` seconds, never above `peak`."""

    @property
    def seconds(self) -> float: ...

    @property
    def peak(self) -> float: ...

    def rate(self, elapsed: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Steady:
    """`level` requests per second for `seconds`, after a linear `ramp` from zero."""

    level: float
    seconds: float
    ramp: float = 0.0

    @property
    def peak(self) -> float:
        return self.level

    def rate(self, elapsed: float) -> float:
        return self.level * min(1.0, elapsed / self.ramp) if self.ramp else self.level


@dataclass(frozen=True, slots=True)
class Sweep:
    """From `low` to `high` requests per second and back, `cycles` times in `seconds`."""

    low: float
    high: float
    seconds: float
    cycles: int = 2

    @property
    def peak(self) -> float:
        return self.high

    def rate(self, elapsed: float) -> float:
        turn = (elapsed * self.cycles / self.seconds) % 1.0
        return self.low + (self.high - self.low) * (1 - abs(2 * turn - 1))


def arrivals(shape: Shape, seed: int) -> Iterator[float]:
    """Seconds from the start at which a Poisson process of that rate has its events.

    By thinning: Lewis and Shedler, Simulation of nonhomogeneous Poisson processes, 1979.
    """
    drawn = random.Random(seed)
    elapsed = 0.0
    while True:
        elapsed += drawn.expovariate(shape.peak)
        if elapsed >= shape.seconds:
            return
        if drawn.random() * shape.peak < shape.rate(elapsed):
            yield elapsed


@dataclass(slots=True)
class Counts:
    """Requests so far. dropped: not sent since `in_flight` were already under way."""

    sent: int = 0
    ok: int = 0
    failed: int = 0
    dropped: int = 0
    late: float = 0.0
    """The longest a request was sent after its time, in seconds: the generator's own strain."""


@dataclass(slots=True)
class Load:
    """Sends `shape` to `url`; `counts` may be read while it runs."""

    url: str
    shape: Shape
    seed: int
    in_flight: int = 256
    counts: Counts = field(default_factory=Counts)

    async def run(self) -> Counts:
        """Send everything, each over a connection of its own, and wait for the last answer."""
        connector = aiohttp.TCPConnector(limit=self.in_flight, force_close=True)
        timeout = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            started = time.monotonic()
            for due in arrivals(self.shape, self.seed):
                await asyncio.sleep(started + due - time.monotonic())
                self.counts.late = max(self.counts.late, time.monotonic() - started - due)
                self._offer(group, session)
        return self.counts

    def _offer(self, group: asyncio.TaskGroup, session: aiohttp.ClientSession) -> None:
        under_way = self.counts.sent - self.counts.ok - self.counts.failed
        if under_way >= self.in_flight:
            self.counts.dropped += 1
            return
        self.counts.sent += 1
        group.create_task(self._send(session), name=f"demo request {self.counts.sent}")

    async def _send(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.get(self.url) as response:
                await response.read()
                good = response.status < 500
        except (aiohttp.ClientError, TimeoutError):
            good = False
        if good:
            self.counts.ok += 1
        else:
            self.counts.failed += 1
