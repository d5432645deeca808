"""How blame moves over the graph, given which services show what."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from anomalyd.explain.graph import Graph
from anomalyd.explain.signs import Sign
from anomalyd.model import Kind

UPWARD = frozenset({Kind.LATENCY, Kind.ERRORS})
"""Kinds that a caller shows because of what it calls."""

THROUGHPUT = frozenset({Kind.TRAFFIC, Kind.LATENCY, Kind.SATURATION, Kind.OTHER})
"""Kinds that a service shows because it is called more."""

SLIGHT = 0.1
"""Of what its caller is slower by: less than that from one call is not why, unless there are many
calls per request."""


class Mode(StrEnum):
    """Why blame moves on: what a callee did is felt, a caller calls too much, or too little, or it
    is a service's own."""

    FELT = "felt"
    BUSY = "busy"
    OWN = "own"
    LESS = "less"


class Trail:
    """Where blame goes from each service; `busier` are called more than is explained by retries."""

    def __init__(self, by_service: Mapping[str, Sequence[Sign]], graph: Graph) -> None:
        self._graph = graph
        self._below: dict[str, list[str]] = {}
        self._shown = set(by_service)
        found = [sign for signs in by_service.values() for sign in signs]
        self._gone = {s.service for s in found if s.gone}
        self._troubled = {s.service for s in found if s.kind in UPWARD} | self._gone
        self._slower = _slower(found)
        self._failing = _onsets(s for s in found if s.kind is Kind.ERRORS)
        self._lighter = {s.service for s in found if s.kind is Kind.TRAFFIC and s.effect < 0}
        called_more = _onsets(s for s in found if s.kind is Kind.TRAFFIC and s.effect > 0)
        self.busier = {s for s, at in called_more.items() if not self._retried(s, at)}

    def mode(self, sign: Sign) -> Mode:
        if sign.gone:
            return Mode.OWN
        if sign.kind is Kind.TRAFFIC and sign.effect < 0:
            return Mode.LESS
        if sign.kind is Kind.OTHER and self._retries(sign):
            return Mode.FELT
        if sign.service in self.busier and sign.kind in THROUGHPUT:
            return Mode.BUSY
        felt = sign.kind in UPWARD or sign.kind is Kind.TRAFFIC
        return Mode.FELT if felt else Mode.OWN

    def rests(self, service: str, mode: Mode) -> list[str]:
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

    def feeders(self, service: str) -> tuple[list[str], list[str]]:
        """Of what is called less: the services at which that ends, and the callers that are in
        trouble instead, up the calls."""
        ends, troubled = set(), set()
        reached, todo = {service}, [service]
        while todo:
            name = todo.pop()
            onward = self._onward(name, Mode.LESS)
            if not onward:
                ends.add(name)
            troubled |= {caller for caller, mode in onward if mode is Mode.FELT}
            new = {caller for caller, mode in onward if mode is Mode.LESS} - reached
            reached |= new
            todo += sorted(new)
        return sorted(ends - troubled), sorted(troubled)

    def _retried(self, service: str, called_more_since: float) -> bool:
        """Whether it was failing by the time it was called more: its callers try again."""
        return self._failing.get(service, math.inf) <= called_more_since

    def _retries(self, sign: Sign) -> bool:
        """Whether something it calls was failing by the time this began."""
        callees = self._graph.callees.get(sign.service, ())
        return any(self._retried(callee, sign.since) for callee in callees)

    def _onward(self, service: str, mode: Mode) -> list[tuple[str, Mode]]:
        if mode is Mode.BUSY:
            callers = self._graph.callers.get(service, ())
            shown = [c for c in callers if c in self._shown] or callers
            return [(c, Mode.BUSY if c in self.busier else Mode.OWN) for c in shown]
        if mode is Mode.OWN or service in self._gone:
            return []
        if mode is Mode.LESS:
            callers = self._graph.callers.get(service, ())
            lighter = [(c, Mode.LESS) for c in callers if c in self._lighter]
            return lighter or [(c, Mode.FELT) for c in callers if c in self._troubled]
        if service not in self._troubled:
            near = self._graph.callers.get(service, ())
            return [(c, Mode.FELT) for c in near if c in self._troubled]
        if service not in self._below:
            self._below[service] = self._troubled_below(service)
        return [(c, Mode.FELT) for c in self._below[service] if c not in self.busier]

    def _troubled_below(self, service: str) -> list[str]:
        """The nearest troubled services that `service` calls, directly or through quiet ones."""
        found: list[str] = []
        seen, todo = {service}, list(self._graph.callees.get(service, ()))
        while todo:
            callee = todo.pop(0)
            if callee in seen:
                continue
            seen.add(callee)
            if callee in self._troubled and not self._slight(callee, service):
                found.append(callee)
            else:
                todo += self._graph.callees.get(callee, ())
        return found

    def _slight(self, callee: str, caller: str) -> bool:
        """Whether a callee is slower by so much less than its caller that it cannot be why."""
        if callee in self._failing or callee in self._gone:
            return False
        theirs, own = self._slower.get(callee, {}), self._slower.get(caller, {})
        common = theirs.keys() & own.keys()
        return bool(common) and all(theirs[name] < SLIGHT * own[name] for name in common)


def _slower(signs: Iterable[Sign]) -> dict[str, dict[str, float]]:
    """By how much each signal of latency is off, by service."""
    slower: dict[str, dict[str, float]] = defaultdict(dict)
    for sign in signs:
        if sign.kind is Kind.LATENCY and not sign.own and math.isfinite(sign.size):
            known = slower[sign.service]
            known[sign.signal] = max(known.get(sign.signal, 0.0), sign.size)
    return slower


def _onsets(signs: Iterable[Sign]) -> dict[str, float]:
    """When each service's first of them began."""
    first: dict[str, float] = {}
    for sign in signs:
        first[sign.service] = min(sign.since, first.get(sign.service, math.inf))
    return first
