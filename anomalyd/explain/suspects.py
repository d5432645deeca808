"""Which service began it: simple rules on own anomalies, onset order and graph position."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from anomalyd.model import Anomaly, Kind, Suspect

UPWARD = frozenset({Kind.LATENCY, Kind.ERRORS})
"""Kinds that a caller shows because of what it calls."""

THROUGHPUT = frozenset({Kind.LATENCY, Kind.SATURATION, Kind.OTHER})
"""Kinds that a service shows because it is called more."""

ONSET_DECAY = 0.5
"""Per rank of onset: of two services that explain as much, the earlier is twice as likely."""


class Graph:
    """Who calls whom. Services it does not know are taken to be related to all."""

    def __init__(self, calls: Mapping[str, Sequence[str]]) -> None:
        self.callees = {caller: tuple(sorted(callees)) for caller, callees in sorted(calls.items())}
        callers: dict[str, list[str]] = defaultdict(list)
        for caller, callees in self.callees.items():
            for callee in callees:
                callers[callee].append(caller)
        self.callers = {callee: tuple(names) for callee, names in sorted(callers.items())}
        self._component = self._components()

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
    errors to the services it calls that show latency or errors themselves; whatever comes of
    being called more to the callers that are not called more themselves (they fan out). What is
    left where nothing hands it on is the score, discounted by order of onset.
    """
    by_service: dict[str, list[Anomaly]] = defaultdict(list)
    for anomaly in anomalies:
        if anomaly.service:
            by_service[anomaly.service].append(anomaly)
    if not by_service:
        return ()
    kinds = {s: {a.kind for a in found} for s, found in by_service.items()}
    busier = {
        s
        for s, found in by_service.items()
        if any(a.kind is Kind.TRAFFIC and a.effect > 0 for a in found)
    }
    blame: dict[str, float] = defaultdict(float)
    why: dict[str, list[str]] = defaultdict(list)
    for service in sorted(by_service):
        for anomaly in by_service[service]:
            for target, share in _trace(service, anomaly.kind, kinds, busier, graph, frozenset()):
                blame[target] += _strength(anomaly) * share
                if target != service:
                    why[target].append(service)
    onset = _onset_ranks(by_service, blame)
    weighted = {s: b * ONSET_DECAY ** onset[s] for s, b in blame.items()}
    total = sum(weighted.values())
    ranked = sorted(weighted, key=lambda s: (-weighted[s], s))
    return tuple(
        Suspect(s, weighted[s] / total, _reason(s, by_service.get(s, []), why[s], s in busier))
        for s in ranked
    )


def _trace(
    service: str,
    kind: Kind,
    kinds: Mapping[str, set[Kind]],
    busier: set[str],
    graph: Graph,
    seen: frozenset[str],
) -> list[tuple[str, float]]:
    """Where blame for `kind` at `service` comes to rest: (service, share), shares sum to 1."""
    onward: list[str] = []
    if service in busier and (kind is Kind.TRAFFIC or kind in THROUGHPUT):
        onward = [c for c in graph.callers.get(service, ()) if c not in seen]
        onward = [c for c in onward if c in kinds] or onward
        kind = Kind.TRAFFIC
    elif kind in UPWARD:
        onward = [
            c
            for c in graph.callees.get(service, ())
            if c not in seen and (kinds.get(c, set()) & UPWARD) and c not in busier
        ]
    if kind is Kind.TRAFFIC and service not in busier:
        onward = []
    if not onward:
        return [(service, 1.0)]
    share = 1.0 / len(onward)
    deeper = seen | {service}
    return [
        (target, share * part)
        for callee in onward
        for target, part in _trace(callee, kind, kinds, busier, graph, deeper)
    ]


def _strength(anomaly: Anomaly) -> float:
    """Evidence in nats, so capped that one enormous series does not outweigh three plain ones."""
    return min(max(anomaly.evidence, 1.0), 30.0)


def _onset_ranks(
    by_service: Mapping[str, Sequence[Anomaly]], blame: Mapping[str, float]
) -> dict[str, int]:
    latest = max(a.started_at for found in by_service.values() for a in found)
    onset = {s: min((a.started_at for a in by_service.get(s, ())), default=latest) for s in blame}
    order = sorted(set(onset.values()))
    return {s: order.index(onset[s]) for s in blame}


def _reason(service: str, own: Sequence[Anomaly], explains: Sequence[str], busier: bool) -> str:
    parts = []
    if own:
        parts.append("own " + ", ".join(sorted({a.signal for a in own})))
        parts[-1] += " out of band"
    others = sorted(set(explains))
    if others:
        verb = "calls" if not own else "explains"
        parts.append(f"{verb} {', '.join(others)}")
    if busier:
        parts.append("is called more than production calls it")
    return "; ".join(parts)
