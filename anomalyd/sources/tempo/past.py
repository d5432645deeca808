"""What an environment did before, by the TraceQL metrics of its Tempo."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np

from anomalyd.clients.tempo import TempoClient
from anomalyd.config import TempoMetrics
from anomalyd.model import Signal
from anomalyd.query import Matrix
from anomalyd.signals.identity import Canonical
from anomalyd.signals.promql import Compiled
from anomalyd.sources.base import SourceError
from anomalyd.sources.tempo.traceql import Asked, Evaluation, compile_all

BUCKETS = tuple(2.0**k / 1e9 for k in range(10, 42))
"""Seconds, 1 µs to 37 min: `quantile_over_time` goes by buckets of powers of two of ns."""


class TempoPast:
    """A `Past` that TraceQL metrics tell: each query over whole windows, by the clock."""

    origin = "tempo"

    def __init__(self, name: str, client: TempoClient, settings: TempoMetrics) -> None:
        self._name, self._client, self._settings = name, client, settings
        self._asked: dict[str, tuple[Asked, bool, Canonical]] = {}
        self.lag = settings.lag
        self.buckets = BUCKETS

    def most_points(self, step: float) -> int:
        return max(1, math.floor(self._settings.max_range / step))

    def queries(self, signals: Sequence[Signal], canonical: Canonical) -> dict[str, Compiled]:
        found: dict[str, Compiled] = {}
        for asked in compile_all(signals, self._settings.filter, None):
            found[asked.signal.name] = Compiled(asked.value_text, asked.count_text)
            self._asked[asked.value_text] = asked, False, canonical
            if asked.count_text:
                self._asked[asked.count_text] = asked, True, canonical
        return found

    async def count(self, query: str, time: float) -> int:
        """How many series there were in the hour before."""
        return len((await self.range(query, time - 3600, time, 3600)).keys)

    async def range(self, query: str, start: float, end: float, step: float) -> Matrix:
        asked, counts, canonical = self._asked[query]
        window = whole_seconds(step, f"environments.{self._name}.tempo")
        first, last = (round(at / window) * window for at in (start, end))
        queries = asked.of_counts if counts else asked.of_values
        answers = {q: await self._client.metrics(q, first - window, last, window) for q in queries}
        ends = list(range(first * 1000, last * 1000 + 1, window * 1000))
        made = Evaluation(asked, answers, ends, window, canonical)
        found = made.counts() if counts else made.values()
        return Matrix(
            [json.dumps(dict(labels)).encode() for labels in found],
            np.array(ends, dtype=np.float64) / 1000,
            np.array(list(found.values()), dtype=np.float32).reshape(len(found), len(ends)),
        )

    async def versions(self) -> dict[str, str]:
        return {"tempo": await self._client.version()}


def whole_seconds(window: float, where: str) -> int:
    """Raises SourceError: TraceQL's steps are aligned to seconds."""
    if abs(window - round(window)) > 1e-9:
        raise SourceError(f"{where}: a window of {window:g}s is not whole seconds; set window")
    return round(window)
