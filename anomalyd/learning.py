"""Learns the service graph while a session lasts: from metrics and spans of both environments."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import numpy as np

from anomalyd import assembly
from anomalyd.config import Config
from anomalyd.explain.edges import Call, Edges
from anomalyd.explain.suspects import Graph
from anomalyd.model import EDGE, Batch, Environment, Kind
from anomalyd.query import QueryError
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Side
from anomalyd.sources.combined import Combined
from anomalyd.sources.edges import EdgeReader
from anomalyd.sources.otlp.source import calls_of

log = logging.getLogger(__name__)

LOOK_BACK_SECONDS = 3600.0
EVERY_SECONDS = 60.0
OVER_SECONDS = 300.0
"""What is asked: at the beginning once over the last hour, then every minute over five."""


class Learner:
    """`start` once, then `run` as a task; `take` every batch.

    An environment that does not answer, or has no such metric, adds nothing; nothing else fails.
    """

    def __init__(self, config: Config, sides: Sequence[Side], clock: Callable[[], float]) -> None:
        self.edges = Edges(config.graph)
        self._clock = clock
        self._learns = config.learn_graph
        self._readers: dict[Environment, EdgeReader] = {
            side.name: EdgeReader(side, assembly.canonical(config, side.name), clock)
            for side in sides
            if (side.api or side.client) and not side.trouble and self._learns
        }

    async def start(self) -> None:
        await self._look(LOOK_BACK_SECONDS)

    async def run(self) -> None:
        while self._readers:
            await asyncio.sleep(EVERY_SECONDS)
            await self._look(OVER_SECONDS)

    def take(
        self, environment: Environment, table: SignalTable, batch: Batch, source: Combined
    ) -> None:
        """The edges that `source` sees in its spans, and those whose traffic is a signal, whatever
        source it came from."""
        if not self._learns:
            return
        spans = [Call(*call) for call in calls_of(source)]
        self.edges.see(environment.value, spans, batch.time)
        rates = [i for i, s in enumerate(table.signals) if s.is_edge and s.kind is Kind.TRAFFIC]
        if not rates:
            return
        own = np.flatnonzero(np.isin(table.signal_index[batch.rows], rates))
        client, server = EDGE
        calls = [
            Call(table.labels[row].get(client), table.labels[row].get(server), rate)
            for row, rate in zip(batch.rows[own], batch.values[own].tolist(), strict=True)
        ]
        self.edges.see(environment.value, calls, batch.time)

    def graph(self) -> Graph:
        return self.edges.graph(self._clock())

    async def _look(self, over: float) -> None:
        for name, reader in self._readers.items():
            try:
                found = await reader.read(over)
            except QueryError as error:
                log.debug("%s tells nothing of its service graph: %s", name, error)
                continue
            self.edges.see(name.value, (Call(*call) for call in found), self._clock())
