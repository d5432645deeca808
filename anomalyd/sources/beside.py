"""What comes beside the samples: exemplars, for incidents, and what metrics are."""

from __future__ import annotations

from collections.abc import Iterable

from anomalyd.signals.exemplars import Exemplars, MetricExemplar
from anomalyd.signals.table import SeriesTable
from anomalyd.sources.metadata import Metadata, names
from anomalyd.sources.seen import Seen


class Beside:
    """Of the series in `series`. kept: None where exemplars are of no use."""

    def __init__(self, series: SeriesTable, seen: Seen, kept: Exemplars | None) -> None:
        self.kept = kept
        self._series, self._seen = series, seen

    def take_exemplars(self, pairs: Iterable[tuple[int, MetricExemplar]], now: float) -> int:
        """Of (row, exemplar) pairs; how many were kept. now: unix seconds."""
        kept, labels = self.kept, self._series.labels
        if kept is None:
            return 0
        return sum(kept.take(labels[row], exemplar, now) for row, exemplar in pairs)

    def take_family(self, family: str, told: Metadata) -> None:
        """Of all metrics of a family."""
        for name in names(family):
            self._seen.describe(name, told)

    def take_series(self, row: int, told: Metadata) -> None:
        """Of the metric that a series is of."""
        self._seen.describe(self._series.labels[row].get("__name__"), told)
