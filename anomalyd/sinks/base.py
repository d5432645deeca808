"""What a sink is. Registry: `SINKS` in `anomalyd/sinks/__init__.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from anomalyd.model import Enrichment, Incident, Run, ShapeChange, Verdict


@dataclass(frozen=True, slots=True)
class RunStarted:
    run: Run


@dataclass(frozen=True, slots=True)
class RunFinished:
    run: Run
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class IncidentChanged:
    """An incident opened, grew or closed (`incident.ended_at`); `run` is the one it belongs to.

    It is the incident's whole state: the latest notice wins, and an earlier one may be missing.
    found: traces and log lines that were fetched for it, None where there are none. shape: what the
    traces of its run do otherwise than production's, as far as is known.
    """

    run: Run
    incident: Incident
    found: Enrichment | None = None
    shape: tuple[ShapeChange, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftChanged:
    """Staging, which was as production is, differs from it, or is as production again.

    differences: the worst, one sentence each. many: how many there are; 0: clean again.
    """

    differences: tuple[str, ...]
    many: int
    changed_at: float

    @property
    def summary(self) -> str:
        if not self.many:
            return "staging is as production again"
        return f"staging differs from production in {self.many} facts: {self.differences[0]}"


Notice = RunStarted | RunFinished | IncidentChanged | DriftChanged


def describe(notice: Notice) -> str:
    """A notice in a few words, for logs."""
    match notice:
        case RunStarted(run):
            return f"start of run {run.id}"
        case RunFinished(run, verdict):
            return f"verdict {verdict.outcome} of run {run.id}"
        case DriftChanged():
            return notice.summary
        case IncidentChanged(_, incident):
            return f"incident {incident.id} ({'open' if incident.open else 'closed'})"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one delivery.

    retry_after: seconds the receiver asked for, if it did. status: of the HTTP answer, 0 without.
    """

    ok: bool
    retryable: bool = False
    detail: str = ""
    retry_after: float | None = None
    status: int = 0


OK = Result(ok=True)


class SinkError(Exception):
    """One sentence for the user: which sink cannot start, and how to mend it."""


class Memory(Protocol):
    """Small durable facts of a sink (annotation ids); written through before `put` returns."""

    def get(self, key: str) -> str | None: ...

    def put(self, key: str, value: str) -> None: ...

    def delete(self, key: str) -> None: ...

    def items(self, prefix: str) -> list[tuple[str, str]]: ...


@dataclass(frozen=True, slots=True)
class Context:
    """What every sink is built with.

    memory: of the sink of that name; interval: seconds between two ticks; external_url: where
    people reach our pages, if they do; clock: unix seconds.
    """

    memory: Callable[[str], Memory]
    interval: float
    external_url: str | None = None
    clock: Callable[[], float] = time.time

    def run_url(self, run_id: str) -> str | None:
        """The page of a run, as `https://host/runs/<id>`."""
        if self.external_url is None:
            return None
        return f"{self.external_url.rstrip('/')}/runs/{quote(run_id, safe='')}"


class Sink(Protocol):
    """Where decisions go out.

    `start` and `stop` are awaited once each; `start` opens what is needed without asking the
    network and raises `SinkError` for what only the user can mend. `deliver` is called in order,
    again and again with the same notice while its result is retryable, also after a restart: it
    must be idempotent. `every` is the period in seconds at which `refresh` wants to be called,
    first at once (None: never); Alertmanager re-sends there. `deliver` and `refresh` never
    overlap. Expected network errors become a `Result`; anything else is a bug and is raised.
    """

    name: str
    every: float | None

    async def start(self) -> None: ...

    async def deliver(self, notice: Notice) -> Result: ...

    async def refresh(self, now: float) -> Result: ...

    async def stop(self) -> None: ...
