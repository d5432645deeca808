"""Which service began it: simple rules on own anomalies, onset order and graph position."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from anomalyd.model import Anomaly, Kind, Suspect

UPWARD = frozenset({Kind.LATENCY, Kind.ERRORS})
"""Kinds that a caller shows because of what it calls."""

THROUGHPUT = frozenset({Kind.TRAFFIC, Kind.LATENCY, Kind.SATURATION, Kind.OTHER})
"""Kinds that a service shows because it is called more."""

ABSENCE = "absence"
"""The detector of what stopped reporting."""

STRONGEST = 30.0

ONSET_DECAY = 0.5
"""Per rank of onset: of two services that explain as much, the earlier is twice as likely."""


class Graph:
    """Who calls whom. Services it does not know are taken to be related to all.

    declared: services that the user named, as opposed to those that were learned; None: all.
    """

    def __init__(
        self, calls: Mapping[str, Sequence[str]], declared: Iterable[str] | None = None
    ) -> None:
        self.callees = {caller: tuple(sorted(callees)) for caller, callees in sorted(calls.items())}
        callers: dict[str, list[str]] = defaultdict(list)
        for caller, callees in self.callees.items():
            for callee in callees:
                callers[callee].append(caller)
        self.callers = {callee: tuple(names) for callee, names in sorted(callers.items())}
        self._component = self._components()
        self.declared = self.services if declared is None else frozenset(declared)

    @property
    def services(self) -> frozenset[str]:
        return frozenset(self._component)

    def connected(self, a: str, b: str) -> bool:
        known = self._component
        return a not in known or b not in known or known[a] == known[b]

    def _components(self) -> dict[str, int]:
        of: dict[str, int] = {}
        for number, start in enumerate(sorted({*self.callees, *self.callers})):
            todo = [start] if start not in of else []
            while todo:
                service = todo.pop()
                if service not in of:
                    of[service] = number
                    todo += [*self.callees.get(service, ()), *self.callers.get(service, ())]
        return of


def suspects(anomalies: Sequence[Anomaly], graph: Graph) -> tuple[Suspect, ...]:
    """Services by how likely the incident began there; scores sum to 1, ties break by name.

    Each anomalous service starts with the strength of its anomalies and hands it on: latency and
    errors to the services it calls that are in trouble themselves; whatever comes of being called
    more to the callers that are not called more themselves (they fan out); being called less to
    the callers in trouble. It comes to rest, in equal parts, at the services it reaches that hand
    it on no further (in a circle of services that only blame one another, at all of them). A
    service that stopped reporting keeps its own. The score is discounted by order of onset.
    """
    by_service: dict[str, list[Anomaly]] = defaultdict(list)
    for anomaly in sorted(anomalies, key=lambda a: (a.service, a.series)):
        if anomaly.service:
            by_service[anomaly.service].append(anomaly)
    if not by_service:
        return ()
    trail = _Trail(by_service, graph)
    blame: dict[str, float] = defaultdict(float)
    why: dict[str, list[str]] = defaultdict(list)
    for service, found in by_service.items():
        for anomaly in found:
            rests = trail.rests(service, trail.mode(anomaly))
            for target in rests:
                blame[target] += _strength(anomaly) / len(rests)
                if target != service:
                    why[target].append(service)
    onset = _onset_ranks(by_service, blame)
    weighted = {s: b * ONSET_DECAY ** onset[s] for s, b in blame.items()}
    total = sum(weighted.values())
    ranked = sorted(weighted, key=lambda s: (-weighted[s], s))
    reasons = {s: _reason(by_service.get(s, []), why[s], s in trail.busier) for s in ranked}
    return tuple(Suspect(s, weighted[s] / total, reasons[s]) for s in ranked)


class _Mode(StrEnum):
    """Why blame moves on: what a callee did is felt, a caller calls too much, or too little, or it
    is a service's own."""

    FELT = "felt"
    BUSY = "busy"
    OWN = "own"
    LESS = "less"


class _Trail:
    """How blame moves over the graph, given which services show what."""

    def __init__(self, by_service: Mapping[str, Sequence[Anomaly]], graph: Graph) -> None:
        self._graph = graph
        self._shown = set(by_service)
        found = [a for anomalies in by_service.values() for a in anomalies]
        self._gone = {a.service for a in found if a.detector == ABSENCE}
        self._troubled = {a.service for a in found if a.kind in UPWARD} | self._gone
        self._failing = _onsets(a for a in found if a.kind is Kind.ERRORS)
        self._lighter = {a.service for a in found if a.kind is Kind.TRAFFIC and a.effect < 0}
        called_more = _onsets(a for a in found if a.kind is Kind.TRAFFIC and a.effect > 0)
        self.busier = {s for s, at in called_more.items() if not self._retried(s, at)}

    def _retried(self, service: str, called_more_since: float) -> bool:
        """Whether it was failing by the time it was called more: its callers try again."""
        return self._failing.get(service, math.inf) <= called_more_since

    def mode(self, anomaly: Anomaly) -> _Mode:
        if anomaly.detector == ABSENCE:
            return _Mode.OWN
        if anomaly.kind is Kind.TRAFFIC and anomaly.effect < 0:
            return _Mode.LESS
        if anomaly.kind is Kind.OTHER and self._retries(anomaly):
            return _Mode.FELT
        if anomaly.service in self.busier and anomaly.kind in THROUGHPUT:
            return _Mode.BUSY
        felt = anomaly.kind in UPWARD or anomaly.kind is Kind.TRAFFIC
        return _Mode.FELT if felt else _Mode.OWN

    def _retries(self, anomaly: Anomaly) -> bool:
        """Whether something it calls was failing by the time this began."""
        callees = self._graph.callees.get(anomaly.service, ())
        return any(self._retried(callee, anomaly.started_at) for callee in callees)

    def rests(self, service: str, mode: _Mode) -> list[str]:
        """Services, sorted, at which blame that starts here comes to rest."""
        reached, todo, ends = {(service, mode)}, [(service, mode)], set()
        while todo:
            state = todo.pop()
            onward = self._onward(*state)
            if not onward:
                ends.add(state[0])
            todo += [new for new in onward if new not in reached]
            reached.update(onward)
        return sorted(ends or {name for name, _ in reached})

    def _onward(self, service: str, mode: _Mode) -> list[tuple[str, _Mode]]:
        if mode is _Mode.BUSY:
            callers = self._graph.callers.get(service, ())
            shown = [c for c in callers if c in self._shown] or callers
            return [(c, _Mode.BUSY if c in self.busier else _Mode.OWN) for c in shown]
        if mode is _Mode.OWN or service in self._gone:
            return []
        if mode is _Mode.LESS:
            callers = self._graph.callers.get(service, ())
            lighter = [(c, _Mode.LESS) for c in callers if c in self._lighter]
            return lighter or [(c, _Mode.FELT) for c in callers if c in self._troubled]
        if service not in self._troubled:
            near = self._graph.callers.get(service, ())
            return [(c, _Mode.FELT) for c in near if c in self._troubled]
        below = self._troubled_below(service)
        return [(c, _Mode.FELT) for c in below if c not in self.busier]

    def _troubled_below(self, service: str) -> list[str]:
        """The nearest troubled services that `service` calls, directly or through quiet ones."""
        found: list[str] = []
        seen, todo = {service}, list(self._graph.callees.get(service, ()))
        while todo:
            callee = todo.pop(0)
            if callee in seen:
                continue
            seen.add(callee)
            if callee in self._troubled:
                found.append(callee)
            else:
                todo += self._graph.callees.get(callee, ())
        return found


def _onsets(anomalies: Iterable[Anomaly]) -> dict[str, float]:
    """When each service's first of them began."""
    first: dict[str, float] = {}
    for anomaly in anomalies:
        first[anomaly.service] = min(anomaly.started_at, first.get(anomaly.service, math.inf))
    return first


def _strength(anomaly: Anomaly) -> float:
    """Evidence in nats, so capped that one enormous series does not outweigh three plain ones; what
    stopped reporting is as strong as can be."""
    return STRONGEST if anomaly.detector == ABSENCE else min(max(anomaly.evidence, 1.0), STRONGEST)


def _onset_ranks(
    by_service: Mapping[str, Sequence[Anomaly]], blame: Mapping[str, float]
) -> dict[str, int]:
    latest = max(a.started_at for found in by_service.values() for a in found)
    onset = {s: min((a.started_at for a in by_service.get(s, ())), default=latest) for s in blame}
    order = sorted(set(onset.values()))
    return {s: order.index(onset[s]) for s in blame}


def _reason(own: Sequence[Anomaly], explains: Sequence[str], busier: bool) -> str:
    parts = []
    gone = sorted({a.signal for a in own if a.detector == ABSENCE})
    off = sorted({a.signal for a in own if a.detector != ABSENCE})
    if gone:
        parts.append(f"own {', '.join(gone)} stopped arriving")
    if off:
        parts.append(f"own {', '.join(off)} out of band")
    others = sorted(set(explains))
    if others:
        verb = "calls" if not own else "explains"
        parts.append(f"{verb} {', '.join(others)}")
    if busier:
        parts.append("is called more than production calls it")
    return "; ".join(parts)
