"""Who calls whom, by everything that tells it: the configuration, metrics, spans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from anomalyd.explain.suspects import Graph
from anomalyd.model import Edge

CONFIG = "config"
FORGET_SECONDS = 86400.0
"""One that was not seen for so long, and is in no configuration, is forgotten."""
MOST = 10_000
"""Learned edges at most; more tell that a label holds something else than services."""

NOBODY = frozenset({"", "unknown"})
"""What makers of metrics write where they do not know a service."""


@dataclass(frozen=True, slots=True)
class Call:
    """client calls server, `rate` times a second."""

    client: str
    server: str
    rate: float


class Edges:
    """What is known of the service graph. `declared`: caller to callees, never forgotten."""

    def __init__(self, declared: Mapping[str, Sequence[str]]) -> None:
        self._declared = {
            (caller, callee): Edge(caller, callee, (CONFIG,))
            for caller, callees in declared.items()
            for callee in callees
        }
        self._given = {caller: list(callees) for caller, callees in declared.items()}
        self._services = Graph(self._given).services
        self._seen: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
        self._graph: Graph | None = None

    def see(self, source: str, calls: Iterable[Call], now: float) -> None:
        """Calls that `source` (staging or production) shows at `now`, unix seconds."""
        for call in calls:
            pair = (call.client, call.server)
            if pair[0] == pair[1] or NOBODY & set(pair):
                continue
            known = self._seen.get(pair)
            if known is None:
                if len(self._seen) >= MOST:
                    continue
                known = self._seen[pair] = {}
                self._graph = None
            if call.rate > 0 or source not in known:
                known[source] = (now, call.rate)

    def edges(self) -> list[Edge]:
        """All that are known, by client and server."""
        found = dict(self._declared)
        for pair, told in self._seen.items():
            at = max(time for time, _ in told.values())
            _, rate = told.get("staging") or next(iter(told.values()))
            before = found.get(pair, Edge(*pair, ()))
            sources = tuple(sorted({*before.sources, *told}))
            found[pair] = replace(before, sources=sources, seen_at=at, rate=rate)
        return [found[pair] for pair in sorted(found)]

    def graph(self, now: float) -> Graph:
        """The same object as long as nothing new is known and nothing was forgotten."""
        old = [
            pair
            for pair, told in self._seen.items()
            if now - max(at for at, _ in told.values()) > FORGET_SECONDS
        ]
        for pair in old:
            del self._seen[pair]
        if self._graph is None or old:
            calls = {caller: list(callees) for caller, callees in self._given.items()}
            for client, server in self._seen.keys() - self._declared.keys():
                calls.setdefault(client, []).append(server)
            self._graph = Graph(calls, self._services)
        return self._graph
