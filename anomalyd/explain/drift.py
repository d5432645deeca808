"""Which difference between the environments accounts for a slowdown, and by what arithmetic.

Only what is worked out is excused: a service whose CPU limit or number of replicas is smaller in
staging may be slower by what fewer processors do at this load, and those that call it by as much.
What is slower than that, what is worse in any other way, and a service whose figures are not known
stay as they are. The demand is production's, so that a release which needs more CPU does not make
its own excuse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anomalyd.explain.queueing import Processors, slower_by
from anomalyd.explain.suspects import Graph
from anomalyd.facts import Fact
from anomalyd.model import Environment, Finding, Kind
from anomalyd.units import format_effect, format_value

SECONDS = {"s": 1.0, "ms": 0.001, "us": 1e-6}
CORES = "cores"
SHARE = 0.15
"""Of what is observed, that the least expected must account for: a difference that hardly matters
explains nothing."""
HANDED_ON = 1.25
"""How much more a caller may be slower by than what it calls."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What differs of one service. before, now: production's processors and staging's."""

    service: str
    said: str
    before: Processors
    now: Processors


def explained(
    findings: Sequence[Finding], facts: Sequence[Fact], graph: Graph, load: float = math.nan
) -> dict[str, str]:
    """Series that fired and are accounted for, each with the arithmetic as one sentence.

    findings: numbers of a stretch of the run, not of one window. load: requests per second at
    the entry, for services that nothing calls.
    """
    causes = _causes(facts)
    if not causes:
        return {}
    fired = [f for f in findings if f.state == "fired"]
    found: dict[str, str] = {}
    excess: dict[str, float] = {}
    for finding in fired:
        cause = causes.get(finding.service)
        if cause is not None and _slower(finding) and not _worse_besides(fired, finding.service):
            sentence = _own(finding, cause, _Known(findings, graph, load))
            if sentence:
                found[finding.series] = sentence
                most = max(_excess(finding), excess.get(finding.service, 0.0))
                excess[finding.service] = most
    for finding in fired:
        if finding.series not in found and _slower(finding):
            sentence = _handed_on(finding, excess, _Known(findings, graph, load))
            if sentence and not _worse_besides(fired, finding.service):
                found[finding.series] = sentence
    return found


def _slower(finding: Finding) -> bool:
    return (
        finding.kind is Kind.LATENCY
        and finding.unit in SECONDS
        and finding.effect > 0
        and finding.detector != "absence"
    )


def _worse_besides(fired: Sequence[Finding], service: str) -> bool:
    """Whether the service shows what fewer processors do not do: errors, more use of CPU."""
    return any(f.service == service and f.kind is not Kind.LATENCY for f in fired)


@dataclass(frozen=True, slots=True)
class _Known:
    """What production shows at this load."""

    findings: Sequence[Finding]
    graph: Graph
    load: float

    def used(self, service: str) -> float:
        """Processors in use, NaN where it is not known."""
        return self._expected(service, Kind.SATURATION, CORES)

    def requests(self, service: str) -> float:
        """Per second, NaN where it is not known."""
        found = self._expected(service, Kind.TRAFFIC, "req/s")
        if math.isfinite(found) or service in self.graph.callers:
            return found
        return self.load

    def calls(self, caller: str, callee: str) -> float:
        """How many calls of `callee` one of `caller` makes; 1 where it is not known."""
        rates = [self.requests(one) for one in (caller, callee)]
        return max(1.0, rates[1] / rates[0]) if all(rate > 0 for rate in rates) else 1.0

    def _expected(self, service: str, kind: Kind, unit: str) -> float:
        known = (
            f.expected
            for f in self.findings
            if (f.service, f.kind, f.unit) == (service, kind, unit)
        )
        return next((value for value in known if math.isfinite(value)), math.nan)


def _own(finding: Finding, cause: Cause, known: _Known) -> str:
    """The arithmetic, '' where it is not known or does not account for what was observed."""
    used, requests = known.used(finding.service), known.requests(finding.service)
    expected = finding.expected * SECONDS[finding.unit]
    if not (used > 0 and requests > 0 and expected > 0):
        return ""
    work = used / requests
    _, least, most = slower_by(work, used, cause.before, cause.now)
    low, high = least / expected, most / expected
    if not (0 < finding.effect <= high and low >= SHARE * finding.effect):
        return ""
    return (
        f"{cause.said}: expected {_percent(low)} to {_percent(high)} at this load "
        f"({format_value(work, 's')} of CPU a request, {used:.3g} of {cause.now.all:.3g} cores in "
        f"use instead of {cause.before.all:.3g}); observed {_percent(finding.effect)}: explained, "
        "not failing"
    )


def _handed_on(finding: Finding, excess: Mapping[str, float], known: _Known) -> str:
    """A caller is slower by what it waits for, as often as it calls."""
    waited = 0.0
    named = []
    for service in sorted(_below(finding.service, known.graph)):
        if service in excess:
            waited += excess[service] * known.calls(finding.service, service)
            named.append(service)
    own = _excess(finding)
    if not named or not 0 < own <= HANDED_ON * waited:
        return ""
    most = HANDED_ON * waited / _seconds(finding.expected, finding)
    return (
        f"waits for {', '.join(named)}, slower by {format_value(waited, 's')} in all because of "
        f"drift: expected up to {_percent(most)}"
        f"; observed {_percent(finding.effect)}: explained, not failing"
    )


def _below(service: str, graph: Graph) -> set[str]:
    """Services that it calls, directly or through others."""
    found: set[str] = set()
    todo = list(graph.callees.get(service, ()))
    while todo:
        one = todo.pop()
        if one not in found and one != service:
            found.add(one)
            todo += graph.callees.get(one, ())
    return found


def _excess(finding: Finding) -> float:
    return _seconds(finding.observed - finding.expected, finding)


def _seconds(value: float, finding: Finding) -> float:
    return value * SECONDS[finding.unit]


def _causes(facts: Sequence[Fact]) -> dict[str, Cause]:
    """Services with less to run on in staging than in production, where both are known."""
    sides = {side: _processors(facts, side) for side in Environment}
    staging, production = sides[Environment.STAGING], sides[Environment.PRODUCTION]
    found = {}
    for service in sorted(staging.keys() & production.keys()):
        now, before = staging[service], production[service]
        said = [
            f"{what} {format_value(a)} → {format_value(b)}"
            for what, a, b in (
                ("cpu limit", before.cores, now.cores),
                ("replicas", before.pods, now.pods),
            )
            if a != b
        ]
        if now.all < before.all:
            text = f"{service} {' and '.join(said)} in staging"
            found[service] = Cause(service, text, before, now)
    return found


def _processors(facts: Sequence[Fact], side: Environment) -> dict[str, Processors]:
    """Of services whose CPU limit and number of replicas (or of targets) one environment tells."""
    limits: dict[str, list[float]] = {}
    pods: dict[str, float] = {}
    for fact in facts:
        if fact.side is not side or not fact.service:
            continue
        if fact.kind == "cpu-limit":
            limits.setdefault(fact.service, []).append(fact.number)
        elif fact.kind == "replicas":
            pods[fact.service] = fact.number
        elif fact.kind == "targets":
            pods.setdefault(fact.service, fact.number)
    return {
        service: Processors(math.fsum(found), pods[service])
        for service, found in limits.items()
        if service in pods and math.fsum(found) > 0 and pods[service] > 0
    }


def _percent(effect: float) -> str:
    return format_effect(effect, absolute=False)
