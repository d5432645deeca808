"""What is not known in full is no count: which spans were found before, and which are missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomalyd.model import EDGE, Batch, SpanMetric
from anomalyd.signals.table import SignalTable
from anomalyd.signals.traces.open import trace_hash
from anomalyd.spans import Ids, Spans, together


@dataclass(frozen=True, slots=True)
class Gap:
    """Unix seconds; of all services where `service` is ''."""

    start: float
    end: float
    service: str


class Gaps:
    """Stretches of time of which spans are missing; `withheld` leaves out what they touch."""

    def __init__(self, table: SignalTable) -> None:
        self._table = table
        self._gaps: list[Gap] = []

    def add(self, gap: Gap) -> None:
        self._gaps.append(gap)

    def forget(self, before: float) -> None:
        self._gaps = [gap for gap in self._gaps if gap.end > before]

    @property
    def services(self) -> list[str]:
        """Whose searches hit their limit."""
        return sorted({gap.service for gap in self._gaps if gap.service})

    def withheld(self, batch: Batch) -> Batch:
        """Without series of services with gaps, and without a load that may be part of them."""
        cut = {gap.service for gap in self._gaps}
        gone = [row for row in batch.rows.tolist() if cut and self._touched(row, cut)]
        if not gone:
            return batch
        kept = ~np.isin(batch.rows, gone)
        names = {self._table.signals[self._table.signal_index[row]].name for row in gone}
        return replace(
            batch,
            rows=batch.rows[kept],
            values=batch.values[kept],
            counts=batch.counts[kept],
            answered=batch.answered - names,
        )

    def _touched(self, row: int, cut: set[str]) -> bool:
        if "" in cut:
            return True
        signal = self._table.signals[self._table.signal_index[row]]
        labels = self._table.labels[row]
        if not signal.by:
            metric = signal.definition
            of = metric.service if isinstance(metric, SpanMetric) else ""
            return not of or of in cut
        return bool({labels.get(name) for name in ("service", *EDGE)} & cut)


class Known:
    """Spans that were found in the last `seconds`: each is handed on once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: deque[tuple[float, Ids]] = deque()

    def fresh(self, found: Sequence[Spans], now: float) -> Spans | None:
        """Those that were not there before; None where nothing was found at all."""
        while self._seen and self._seen[0][0] < now - self._seconds:
            self._seen.popleft()
        if not found:
            return None
        spans = together(found)
        ids = trace_hash(spans.trace) ^ spans.span
        _, first = np.unique(ids, return_index=True)
        new = np.zeros(len(ids), dtype=bool)
        new[first] = True
        for _, seen in self._seen:
            new &= ~np.isin(ids, seen)
        self._seen.append((now, ids[new]))
        return spans.only(new)
