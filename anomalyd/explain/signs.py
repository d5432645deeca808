"""What is known of an incident, as the ranking takes it: one sign per signal series that is off."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from anomalyd.model import EDGE, Anomaly, Kind

ABSENCE = "absence"
"""The detector of what stopped reporting."""

STRONGEST = 30.0
"""Nats at which evidence is capped, so that one enormous series does not outweigh three plain
ones."""

LATE = 10.0
"""Seconds by which own time, and what is measured of calls, is told later than requests: their
traces have to be over (`hold` of `anomalyd.signals.traces.store.Limits`)."""

OWN_TIME = re.compile(r"(?:^|_)own_time(?:_|$)")
"""In the name of a signal: what a service waits for is not in it."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One signal series of a service, or of its calls to `peer`, that is off.

    strength: nats of evidence, at least 0, at most `STRONGEST`. effect: as an anomaly's; its sign
    is the direction. size: how far off it is, in the signal's unit. since: unix seconds; it may
    have begun up to `step` seconds before. excess: what is added per second, NaN where that is not
    known: seconds waited or worked (latency), failures (errors); excesses of callers and callees
    can be compared. own: what the service calls is taken off already. gone: it stopped reporting.
    """

    service: str
    kind: Kind
    signal: str
    since: float
    strength: float
    effect: float
    peer: str = ""
    size: float = math.nan
    excess: float = math.nan
    own: bool = False
    gone: bool = False
    step: float = 0.0
    series: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.service, self.peer, self.signal, self.series


def is_own(signal: str) -> bool:
    """Whether a signal is of a service alone, by its name."""
    return OWN_TIME.search(signal) is not None


def of_anomaly(anomaly: Anomaly) -> Sign:
    """What stopped reporting is as strong as can be."""
    gone = anomaly.detector == ABSENCE
    own = not gone and is_own(anomaly.signal)
    of_calls = all(anomaly.labels.get(end) for end in EDGE)
    return Sign(
        service=anomaly.service,
        kind=anomaly.kind,
        signal=anomaly.signal,
        since=anomaly.started_at,
        strength=STRONGEST if gone else min(max(anomaly.evidence, 1.0), STRONGEST),
        effect=anomaly.effect,
        size=abs(anomaly.observed - anomaly.expected),
        own=own,
        gone=gone,
        step=LATE if own or of_calls else 0.0,
        series=anomaly.series,
    )
