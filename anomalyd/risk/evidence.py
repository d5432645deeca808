"""What release risk is worked out of: plain data about one judged run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from anomalyd.facts import Fact
from anomalyd.model import Environment, Finding, Kind, Verdict

CALLED = "called"
"""Kind of the facts that say which operations a run called: `place` as of `operation`, '' for that
somebody looked; number: of calls."""
DRIFT = "drift"
"""Kind of the facts that say what differs undeclared. value: severity; found: the kind of fact that
differs; place: both in words."""

TRAFFIC = (Kind.LATENCY, Kind.ERRORS, Kind.TRAFFIC)
OPERATION = "operation"
"""The label by which signals of spans tell operations apart."""

LOOKED_AT = ("ok", "fired", "explained", "weak")


@dataclass(frozen=True)
class Evidence:
    """loads: of the judged windows, per unit of capacity (1/s), NaN where not known; most_load: the
    largest that production was seen at, infinite where not known. services: that the service
    graph names. facts: of both environments, empty where they were not compared."""

    verdict: Verdict
    loads: Sequence[float] = ()
    most_load: float = math.inf
    services: Iterable[str] = ()
    facts: Sequence[Fact] = field(default=())

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.verdict.findings

    @cached_property
    def compared(self) -> bool:
        """Whether both environments told facts."""
        told = {fact.side for fact in self.facts if fact.kind not in (CALLED, DRIFT)}
        return told == set(Environment)

    def of_kind(self, kind: str, side: Environment | None = None) -> list[Fact]:
        return [f for f in self.facts if f.kind == kind and side in (None, f.side)]

    @cached_property
    def operations(self) -> Mapping[str, float]:
        """Production's operations (`cart GET /items`) with their share of their service's calls,
        the same of all where shares are not told."""
        if not self._looked_up:
            return dict.fromkeys(self._judged_operations, 1.0)
        production = Environment.PRODUCTION
        shares = {f.place: f.number for f in self.of_kind("traffic-share", production)}
        known = {f.place: 0.0 for f in self.of_kind("operation", production)} | shares
        return known if any(known.values()) else dict.fromkeys(known, 1.0)

    @cached_property
    def called(self) -> frozenset[str]:
        """Those of them that the run called."""
        if self._looked_up:
            return frozenset(fact.place for fact in self._looked_up if fact.number > 0)
        return frozenset(name for name, seen in self._judged_operations.items() if seen)

    @cached_property
    def _looked_up(self) -> Sequence[Fact]:
        """What staging's server said of the run's operations, empty where it was not asked."""
        return self.of_kind(CALLED)

    @cached_property
    def _judged_operations(self) -> Mapping[str, bool]:
        """Operations of production that signals tell apart, and whether the run showed them."""
        found: dict[str, bool] = {}
        for one in self.findings:
            name = one.labels.get(OPERATION)
            if name and one.state not in ("unmatched", "silenced"):
                place = f"{one.service} {name}"
                found[place] = found.get(place, False) or (one.windows > 0)
        return found

    @cached_property
    def tested(self) -> frozenset[str]:
        """Services that were seen to do something that was judged."""
        return frozenset(f.service for f in self.findings if f.service and self._shows_calls(f))

    @cached_property
    def untested(self) -> frozenset[str]:
        """Services of production of which the run showed nothing."""
        known = {f.service for f in self.findings if f.state not in ("unmatched", "silenced")}
        known |= {f.service for f in self.of_kind("service", Environment.PRODUCTION)}
        return frozenset((known | set(self.services)) - {""} - self.tested)

    @cached_property
    def _with_calls(self) -> frozenset[str]:
        """Services whose requests are measured."""
        return frozenset(f.service for f in self.findings if f.kind in TRAFFIC)

    def _shows_calls(self, finding: Finding) -> bool:
        if not finding.windows or finding.state not in LOOKED_AT:
            return False
        return finding.kind in TRAFFIC or finding.service not in self._with_calls
