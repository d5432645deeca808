"""What the checks have in common: the time that counts, whose a series is, and how it is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from anomalyd.kubernetes import workload
from anomalyd.model import Labels
from anomalyd.signals.identity import Canonical
from anomalyd.units import rfc3339

NAMELESS = "a service without a name"
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a run that counts: after its warm-up, until it was stopped. step: seconds between
    looks at a series. at_once: only what is so at its end counts. ended: nothing that follows can
    show it in another light."""

    since: float
    until: float
    step: float
    at_once: bool = False
    ended: bool = True

    def has(self, time: float) -> bool:
        """Whether what happened then counts."""
        return self.since < time <= self.until and not self.at_once


class Names:
    """The one name of the service that a series belongs to."""

    def __init__(self, canonical: Canonical) -> None:
        self._canonical = canonical

    def service(self, labels: Labels) -> str:
        """Of what a service tells of itself."""
        return self._canonical.service(labels) or NAMELESS

    def workload(self, labels: Labels) -> str:
        """Of what the cluster tells of its pods."""
        return self._canonical.named(workload(labels.get("pod"))) or NAMELESS


def instance(labels: Labels) -> str:
    """Where it runs, for people."""
    return next((found for name in ("instance", "pod") if (found := labels.get(name))), "one")


def clock(time: float) -> str:
    """`12:03:10 UTC`."""
    return f"{rfc3339(time)[11:19]} UTC" if math.isfinite(time) else "an unknown time"


def listed(places: Sequence[str]) -> str:
    """`a, b, c and 2 more`, each once."""
    once = list(dict.fromkeys(places))
    more = f" and {len(once) - SHOWN} more" if len(once) > SHOWN else ""
    return ", ".join(once[:SHOWN]) + more
