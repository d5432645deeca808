"""Who calls whom, as the metrics of a Prometheus, a Tempo or a Jaeger tell it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from anomalyd.clients.jaeger import JaegerClient
from anomalyd.clients.tempo import TempoClient
from anomalyd.model import EDGE
from anomalyd.query import parse_labels
from anomalyd.signals import promql
from anomalyd.signals.identity import Canonical
from anomalyd.signals.presets_spans import EDGE_METRICS, EDGES, edges_found
from anomalyd.sources.base import Side
from anomalyd.sources.discovery import discover
from anomalyd.sources.tempo.calls import calls_of

Calls = Sequence[tuple[str, str, float]]
"""(client, server, calls per second), by canonical names."""


class EdgeReader:
    """Asks one environment: a Prometheus by the first metric of `EDGES` that it has, a Tempo by the
    `peer.service` of its spans, a Jaeger for its dependencies.

    What was not there is looked for again with every `read`.
    """

    def __init__(
        self, side: Side, canonical: Canonical, clock: Callable[[], float] = time.time
    ) -> None:
        self._side, self._canonical, self._clock = side, canonical, clock
        self._metrics: Mapping[str, frozenset[str]] = side.metrics

    async def read(self, over: float) -> Calls:
        """The edges that were there within the last `over` seconds. Raises QueryError."""
        client, tempo = self._side.client, self._side.config.tempo
        if isinstance(client, JaegerClient):
            links = await client.dependencies(self._clock(), over)
            return self._named((link.parent, link.child, link.calls / over) for link in links)
        if isinstance(client, TempoClient) and tempo is not None:
            return self._named(
                await calls_of(client, tempo.filter, self._clock() - tempo.lag, over)
            )
        api = self._side.api
        if api is None:
            return ()
        found = edges_found(self._metrics)
        if found is None:
            matchers = self._side.config.matchers
            self._metrics = await discover(api, matchers, EDGE_METRICS.__contains__)
            found = edges_found(self._metrics)
        if found is None:
            return ()
        signal = EDGES[0].signal(found)
        query = promql.compile(signal, window=over, matchers=self._side.config.matchers)
        answer = await api.instant(query.value)
        rates: dict[tuple[str, ...], float] = {}
        for key, rate in zip(answer.keys, answer.values.tolist(), strict=True):
            labels = self._canonical.of(signal, parse_labels(key))
            edge = tuple(labels.get(name) for name in EDGE)
            rates[edge] = rates.get(edge, 0.0) + rate
        return [(client, server, rate) for (client, server), rate in rates.items()]

    def _named(self, calls: Iterable[tuple[str, str, float]]) -> Calls:
        """By the names that services go by."""
        rates: dict[tuple[str, str], float] = {}
        for client, server, rate in calls:
            edge = self._canonical.edge(client, server)
            rates[edge] = rates.get(edge, 0.0) + rate
        return [(client, server, rate) for (client, server), rate in rates.items()]
