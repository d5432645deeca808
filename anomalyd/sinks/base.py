"""What a sink is. Registry: `SINKS` in `anomalyd/sinks/__init__.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from anomalyd.model import Incident, Run, Verdict


@dataclass(frozen=True, slots=True)
class RunStarted:
    run: Run


@dataclass(frozen=True, slots=True)
class RunFinished:
    run: Run
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class IncidentChanged:
    """An incident opened, grew or closed (`incident.ended_at`); `run` is the one it belongs to."""

    run: Run
    incident: Incident


Notice = RunStarted | RunFinished | IncidentChanged


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one delivery. `retry_after`: seconds the receiver asked for, if it did."""

    ok: bool
    retryable: bool = False
    detail: str = ""
    retry_after: float | None = None


class Memory(Protocol):
    """Small durable facts of a sink (annotation ids); written through before `put` returns."""

    def get(self, key: str) -> str | None: ...

    def put(self, key: str, value: str) -> None: ...

    def delete(self, key: str) -> None: ...

    def items(self, prefix: str) -> list[tuple[str, str]]: ...


class Sink(Protocol):
    """Where decisions go out.

    `start` and `stop` are awaited once each. `deliver` is called by one task, in order, again and
    again with the same notice while its result is retryable, also after a restart: it must be
    idempotent. `every` is the period in seconds at which `refresh` wants to be called (None:
    never); Alertmanager re-sends there. Expected network errors become a `Result`; anything else
    is a bug and is raised.
    """

    name: str
    every: float | None

    async def start(self) -> None: ...

    async def deliver(self, notice: Notice) -> Result: ...

    async def refresh(self, now: float) -> Result: ...

    async def stop(self) -> None: ...
