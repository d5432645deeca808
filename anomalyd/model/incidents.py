"""What is wrong, since when, and where it probably began."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from anomalyd.model.labels import Labels
from anomalyd.model.signals import Kind


class State(IntEnum):
    """Of a signal series in a run. An int, since the pipeline keeps one per row in an array."""

    OK = 0
    PENDING = 1
    FIRING = 2
    RESOLVED = 3


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A signal series whose evidence crossed its share of the run's budget.

    observed/expected/low/high are in the signal's unit, at the window where it last deviated;
    effect is observed against expected: relative, or absolute where `Change` is absolute.
    evidence: natural log of the e-value at its highest. breach_in: seconds from firing until
    `limit` is reached at the slope of that time; None where there is no limit or no growth.
    """

    signal: str
    labels: Labels
    service: str
    kind: Kind
    unit: str
    detector: str
    started_at: float
    fired_at: float
    observed: float
    expected: float
    low: float
    high: float
    effect: float
    evidence: float
    extrapolated: bool = False
    resolved_at: float | None = None
    limit: float | None = None
    breach_in: float | None = None

    @property
    def series(self) -> str:
        return f"{self.signal}{self.labels}"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A service that may have caused an incident; scores of one incident sum to at most 1."""

    service: str
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Anomalies that belong together: what a person is told, once."""

    id: str
    run_id: str
    started_at: float
    severity: str  # warning or critical
    summary: str
    anomalies: tuple[Anomaly, ...]
    suspects: tuple[Suspect, ...]
    ended_at: float | None = None

    @property
    def open(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A trace, for a person to look at. why: what is bad about it, '' for an ordinary one.

    service, operation, started_at, duration (seconds, NaN where not known): of the span that was
    looked for, or of the series that a metric's exemplar came with. link: where to look, '' where
    no link is configured.
    """

    trace_id: str
    service: str
    operation: str
    started_at: float
    duration: float
    why: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class LogTemplate:
    """Log lines of one shape that are new in an incident, or came more often than before it.

    template: with `<*>` for what differs. rate, before: lines per second during and before; before
    is 0 where it is new. count: lines that were read during. example: one of them, shortened.
    """

    service: str
    template: str
    count: int
    rate: float
    before: float
    example: str


@dataclass(frozen=True, slots=True)
class Enrichment:
    """What was fetched for an incident after it was decided; no verdict knows of it.

    traces: bad ones, then ordinary ones. logs: the most telling first. troubles: what could not be
    had, as sentences.
    """

    run_id: str
    incident_id: str
    fetched_at: float
    traces: tuple[Exemplar, ...] = ()
    logs: tuple[LogTemplate, ...] = ()
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """client calls server, by what is known of the service graph.

    sources: who tells of it, sorted: `config`, or the environment where calls were seen. seen_at:
    when it last carried calls, None where it is only declared. rate: calls per second then, in
    staging where it was seen there; NaN where not known.
    """

    client: str
    server: str
    sources: tuple[str, ...]
    seen_at: float | None = None
    rate: float = math.nan
