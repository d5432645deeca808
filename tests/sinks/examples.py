"""Runs, incidents and verdicts to send, a memory and a clock to send them with."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from anomalyd.model import (
    Anomaly,
    Coverage,
    Incident,
    Kind,
    Labels,
    Outcome,
    Run,
    RunState,
    Suspect,
    Verdict,
)
from anomalyd.sinks.base import Context

NOW = 1_790_000_000.0


class DictMemory:
    """`Memory` for the length of a test; survives the sinks built on it."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self._others: dict[str, DictMemory] = {}

    def of(self, sink: str) -> DictMemory:
        """One for each sink; that of the first to ask is this one."""
        return self._others.setdefault(sink, DictMemory() if self._others else self)

    def get(self, key: str) -> str | None:
        return self.kept.get(key)

    def put(self, key: str, value: str) -> None:
        self.kept[key] = value

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)

    def items(self, prefix: str) -> list[tuple[str, str]]:
        return [(key, value) for key, value in self.kept.items() if key.startswith(prefix)]


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


class SleepClock(Clock):
    """Time that passes only by `advance`; `sleep` waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []
        self._due: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._due, (self.now + seconds, next(self._order), future))
        await future

    @property
    def sleepers(self) -> int:
        return sum(not future.done() for _, _, future in self._due)

    async def advance(self, seconds: float) -> None:
        """Wake who is due, in order, and let each go as far as it can."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, future = heapq.heappop(self._due)
            if not future.done():
                future.set_result(None)
            await settled()
        self.now = end


async def settled() -> None:
    """Let every task that needs nothing from outside run until it waits."""
    for _ in range(50):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Poll until `condition` holds; raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is polled may live in another process
            await asyncio.sleep(0.005)


@dataclass
class Dropped:
    """Stands in for a counter of `telemetry`."""

    added: list[tuple[int, dict[str, str]]] = field(default_factory=list)

    def add(self, amount: int, attributes: dict[str, str]) -> None:
        self.added.append((amount, attributes))

    def reasons(self) -> list[str]:
        return [attributes["reason"] for _, attributes in self.added]


def context(memory: DictMemory | None = None, clock: Callable[[], float] | None = None) -> Context:
    return Context(
        memory=(memory or DictMemory()).of,
        interval=5.0,
        external_url="https://anomalyd.example",
        clock=clock or Clock(),
    )


def a_run(name: str = "r1") -> Run:
    return Run(name, f"checkout {name}", RunState.ACTIVE, NOW - 600)


def an_anomaly(
    service: str = "cart", signal: str = "latency_p95", observed: float = 0.812
) -> Anomaly:
    return Anomaly(
        signal=signal,
        labels=Labels.of({"service": service}),
        service=service,
        kind=Kind.LATENCY,
        unit="s",
        detector="band",
        started_at=NOW - 120,
        fired_at=NOW - 110,
        observed=observed,
        expected=0.21,
        low=0.18,
        high=0.24,
        effect=2.87,
        evidence=12.5,
    )


def an_incident(
    name: str = "i1", run: str = "r1", *, ended: float | None = None, severity: str = "warning"
) -> Incident:
    return Incident(
        id=name,
        run_id=run,
        started_at=NOW - 120,
        severity=severity,
        summary="cart <b>is slower</b> than production & errs",
        anomalies=(an_anomaly(),),
        suspects=(Suspect("cart", 0.62, "first to deviate"), Suspect("db", 0.2, "")),
        ended_at=ended,
    )


def grown(incident: Incident) -> Incident:
    return replace(incident, anomalies=(*incident.anomalies, an_anomaly("web", observed=1.5)))


def finished(run: Run) -> Run:
    return replace(run, state=RunState.FINISHED, stopped_at=NOW - 40, finished_at=NOW - 10)


def a_verdict(
    run: str = "r1", outcome: Outcome = Outcome.FAIL, incidents: tuple[Incident, ...] = ()
) -> Verdict:
    return Verdict(
        run_id=run,
        outcome=outcome,
        reasons=("latency_p95 of cart is 812 ms, passes below 231 ms",),
        reference="production",
        budget=0.01,
        coverage=Coverage(40, 38, 37, 36, ("a",), ()),
        incidents=incidents,
    )
