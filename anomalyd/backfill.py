"""Production's past where it is to be had span by span: searched for, and measured as if live."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anomalyd import assembly
from anomalyd.assembly import Plan
from anomalyd.baseline.history import Request
from anomalyd.baseline.reader import Estimate, Progress
from anomalyd.baseline.rows import RowStore, RowsWriter
from anomalyd.clients.jaeger import JaegerClient
from anomalyd.config import Config
from anomalyd.model import Batch
from anomalyd.query import QueryError
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Make, Side
from anomalyd.sources.jaeger import source as jaeger
from anomalyd.sources.jaeger.searches import Searches

FLUSH_WINDOWS = 120


class Backfill:
    """Fills the gaps of the rows of a production whose traces a Jaeger keeps, window by window.

    What was fetched is stored as it comes, so that the next one asks for new hours only. Raises
    QueryError where Jaeger does not answer for long, OSError where the disk refuses.
    """

    def __init__(
        self, config: Config, plan: Plan, side: Side, requests: Sequence[Request], store: Path
    ) -> None:
        self._config, self._plan, self._side = config, plan, side
        self._requests, self._store = requests, RowStore(store)

    async def estimate(self, start: float, end: float) -> Estimate:
        """A search per service and window at least; samples: spans are not known beforehand."""
        settings, client = self._side.config.jaeger, self._side.client
        if settings is None or not isinstance(client, JaegerClient):
            raise ValueError("production has no jaeger")
        services = await Searches(client, settings).services()
        windows = sum(round((b - a) / self._plan.window) for a, b in self._missing(start, end))
        series = {request.signal.name: len(services) for request in self._requests}
        return Estimate(windows * len(services), 0, series)

    async def fetch(self, start: float, end: float, progress: Progress) -> None:
        """Store all rows of [start, end) that are not stored yet."""
        gaps, step = self._missing(start, end), self._plan.window
        total, done = sum(round((b - a) / step) for a, b in gaps), 0
        stored = [(one.value, one.count) for one in self._requests]
        for low, high in gaps:
            source, table = self._source()
            writer = RowsWriter(self._store, table, stored, flush_every=FLUSH_WINDOWS * step)
            try:
                for n in range(round((high - low) / step)):
                    writer.append(await self._measured(source, low + n * step))
                    done += 1
                    progress(done, total, "traces")
            finally:
                writer.flush()

    def _missing(self, start: float, end: float) -> list[tuple[float, float]]:
        return self._store.missing(self._requests[0].value, start, end) if self._requests else []

    def _source(self) -> tuple[jaeger.JaegerSource, SignalTable]:
        table = SignalTable(self._plan.signals, self._config.limits.series)
        names = assembly.canonical(self._config, self._side.name)
        answers = frozenset(signal.name for signal in self._plan.signals)
        wanted = assembly.wanted(self._config)
        make = Make(self._side, table, names, self._plan.window, wanted, answers)
        return jaeger.build(make, history=True), table

    async def _measured(self, source: jaeger.JaegerSource, time: float) -> Batch:
        batch = await source.collect(time)
        if source.error is not None:
            raise QueryError(source.error.kind, str(source.error), source.error.status)
        return batch
