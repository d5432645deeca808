"""What to look for: which spans and lines of which services show an incident."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from anomalyd.model import Anomaly, Incident, Kind, Run

SUSPECTS = 2
"""Services looked at, at most; the second only where the first is not the likelier one by far."""
LIKELY = 0.6
LONGEST = 3600.0
LEAST_BEFORE = 30.0
"""Less time than that before the incident is nothing to compare it with."""

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class Sought:
    """Spans of one service. operation: '' for any. slower_than: seconds, None where latency is in
    band. failed: whether failing ones are looked for."""

    service: str
    operation: str = ""
    slower_than: float | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """Unix seconds: the incident is (start, end], `before` begins what it is compared with."""

    before: float
    start: float
    end: float

    @property
    def comparable(self) -> bool:
        return self.start - self.before >= LEAST_BEFORE


def period(run: Run, incident: Incident, now: float) -> Period:
    """At most the first hour of an incident, and as long before it as the run allows."""
    start = incident.started_at
    end = min(now if incident.ended_at is None else incident.ended_at, start + LONGEST)
    end = max(end, start + 1.0)
    before = max(run.started_at, start - max(end - start, 10 * LEAST_BEFORE))
    return Period(min(before, start), start, end)


def sought(incident: Incident) -> list[Sought]:
    """The likeliest suspects, by what is wrong with them; where they show nothing that spans tell,
    the service that shows most of it."""
    services = [suspect.service for suspect in incident.suspects[:SUSPECTS]]
    if incident.suspects and incident.suspects[0].score >= LIKELY:
        services = services[:1]
    found = [_of(service, incident.anomalies) for service in services]
    if any(one.failed or one.slower_than is not None for one in found):
        return found
    shown = [a for a in incident.anomalies if a.service and a.kind in (Kind.ERRORS, Kind.LATENCY)]
    if not shown:
        return [Sought(one.service, failed=True) for one in found]
    strongest = max(shown, key=lambda anomaly: (anomaly.evidence, anomaly.series))
    return [_of(strongest.service, incident.anomalies)]


def _of(service: str, anomalies: Iterable[Anomaly]) -> Sought:
    own = [one for one in anomalies if one.service == service]
    slow = [one for one in own if one.kind is Kind.LATENCY and _seconds(one) is not None]
    failing = any(one.kind is Kind.ERRORS for one in own)
    if not slow:
        return Sought(service, failed=failing)
    worst = max(slow, key=lambda anomaly: (anomaly.evidence, anomaly.series))
    operation = worst.labels.get("operation") or worst.labels.get("span_name")
    return Sought(service, operation, _seconds(worst), failing)


def _seconds(anomaly: Anomaly) -> float | None:
    """The upper end of the band; None where the unit is none of time, or the band is not known."""
    limit = anomaly.high * SECONDS.get(anomaly.unit, math.nan)
    return limit if math.isfinite(limit) and limit > 0 else None
