"""What an environment did before, by the metrics that its Jaeger has of its own (SPM)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomalyd.clients.jaeger import JaegerClient
from anomalyd.clients.jaeger_metrics import MetricsSearch, is_on, metrics
from anomalyd.config import JaegerSpans
from anomalyd.model import Floats, Labels, Signal, SpanMeasure, SpanMetric
from anomalyd.query import Matrix
from anomalyd.signals.identity import Canonical
from anomalyd.signals.promql import Compiled
from anomalyd.signals.traces.folding import fold
from anomalyd.sources.jaeger.searches import OWN

_WHAT = {
    SpanMeasure.CALLS: "calls",
    SpanMeasure.FAILED: "errors",
    SpanMeasure.DURATION: "latencies",
}
MOST_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class _Asked:
    """scale: of its values. service: of this one only; summed: over services."""

    what: str
    by_operation: bool
    scale: float
    quantile: float
    service: str
    summed: bool
    canonical: Canonical


class SpmPast:
    """A `Past` that Jaeger's metrics tell, of services and operations."""

    origin = "jaeger"

    def __init__(self, client: JaegerClient, settings: JaegerSpans) -> None:
        self._client, self._settings = client, settings
        self._asked: dict[str, _Asked] = {}
        self.lag = max(60.0, settings.lag)
        self.buckets = settings.buckets

    @classmethod
    async def found(cls, client: JaegerClient, settings: JaegerSpans) -> SpmPast | None:
        """None where Jaeger has no metrics, or where they are not of this environment alone.

        Raises QueryError.
        """
        alone = not settings.environment and not settings.tags
        return cls(client, settings) if alone and await is_on(client) else None

    def most_points(self, step: float) -> int:
        return MOST_POINTS

    def queries(self, signals: Sequence[Signal], canonical: Canonical) -> dict[str, Compiled]:
        found: dict[str, Compiled] = {}
        for signal in signals:
            metric = signal.definition
            if not isinstance(metric, SpanMetric) or metric.edges or metric.measure not in _WHAT:
                continue
            value = self._named(signal, metric, _WHAT[metric.measure], canonical)
            rate = metric.measure is SpanMeasure.CALLS
            count = None if rate else self._named(signal, metric, "counts", canonical)
            found[signal.name] = Compiled(value, count)
        return found

    async def count(self, query: str, time: float) -> int:
        """How many series there were in the hour before."""
        return len((await self.range(query, time - 3600, time, 3600)).keys)

    async def range(self, query: str, start: float, end: float, step: float) -> Matrix:
        asked = self._asked[query]
        of = [name for name in await self._client.services() if name not in OWN]
        if asked.service:
            of = [name for name in of if asked.canonical.named(name) == asked.service]
        what = "calls" if asked.what == "counts" else asked.what
        search = MetricsSearch(what, of, asked.by_operation, start, end, step, asked.quantile)
        scale = step if asked.what == "counts" else asked.scale
        size = round((end - start) / step) + 1
        rows = await self._rows(search, asked, scale) if of else {}
        if asked.what == "errors" and of:
            # What never failed has no series of errors.
            calls = await self._rows(replace(search, what="calls"), asked, 0.0)
            rows = {to: rows.get(to, own) for to, own in calls.items()}
        adds = asked.what in ("calls", "counts")
        kept = {to: _sum(own) for to, own in rows.items() if adds or len(own) == 1}
        return Matrix(
            [json.dumps(dict(labels)).encode() for labels in kept],
            start + step * np.arange(size, dtype=np.float64),
            np.array(list(kept.values()), dtype=np.float32).reshape(len(kept), size),
        )

    async def _rows(
        self, search: MetricsSearch, asked: _Asked, scale: float
    ) -> dict[Labels, list[Floats]]:
        size = round((search.end - search.start) / search.step) + 1
        rows: dict[Labels, list[Floats]] = {}
        for labels, points in await metrics(self._client, search):
            row = np.full(size, np.nan)
            for at, value in points.items():
                place = round((at - search.start) / search.step)
                if 0 <= place < size:
                    row[place] = value * scale
            rows.setdefault(_raw(labels, asked), []).append(row)
        return rows

    async def versions(self) -> dict[str, str]:
        return {"jaeger": await self._client.generation()}

    def _named(self, signal: Signal, metric: SpanMetric, what: str, canonical: Canonical) -> str:
        scale = 1e-3 if what == "latencies" and signal.unit == "s" else 1.0
        by_operation = "operation" in signal.by
        asked = _Asked(
            what, by_operation, scale, metric.quantile, metric.service, not signal.by, canonical
        )
        whose = metric.service or ("all" if asked.summed else "each")
        quantile = f" {metric.quantile:g} in {signal.unit}" if what == "latencies" else ""
        by = "service and operation" if by_operation else "service"
        text = f"Jaeger {what}{quantile} by {by}, {whose} of {self._settings.url}"
        self._asked[text] = asked
        return text


def _raw(labels: dict[str, str], asked: _Asked) -> Labels:
    """As those of spans that are sent; names of operations that fold to one become one."""
    if asked.summed:
        return Labels()
    own = {"service_name": labels.get("service_name", "")}
    if asked.by_operation:
        own["span_name"] = fold(labels.get("operation", ""))
    return Labels.of(own)


def _sum(rows: list[Floats]) -> Floats:
    """NaN only where all are."""
    stacked = np.array(rows)
    total: Floats = np.nansum(stacked, axis=0)
    total[np.isnan(stacked).all(axis=0)] = math.nan
    return total
