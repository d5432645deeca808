"""Who calls whom, as the service-graph or mesh metrics of a Prometheus tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anomalyd.model import EDGE
from anomalyd.query import parse_labels
from anomalyd.signals import promql
from anomalyd.signals.identity import Canonical
from anomalyd.signals.presets_spans import EDGE_METRICS, EDGES, edges_found
from anomalyd.sources.base import Side
from anomalyd.sources.discovery import discover

Calls = Sequence[tuple[str, str, float]]
"""(client, server, calls per second), by canonical names."""


class EdgeReader:
    """Asks one environment that a Prometheus serves, by the first metric of `EDGES` that it has.

    What was not there is looked for again with every `read`.
    """

    def __init__(self, side: Side, canonical: Canonical) -> None:
        self._side, self._canonical = side, canonical
        self._metrics: Mapping[str, frozenset[str]] = side.metrics

    async def read(self, over: float) -> Calls:
        """The edges that were there within the last `over` seconds. Raises QueryError."""
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
