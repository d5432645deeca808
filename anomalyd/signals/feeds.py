"""Which raw series add to which signal series: lists while they grow, arrays for the tick."""

from __future__ import annotations

import numpy as np

from anomalyd.model import Floats, Rows
from anomalyd.signals.window import Mask


class Feed:
    """Pairs of a stored raw series (source) and what it adds to (target)."""

    def __init__(self) -> None:
        self._sources: list[int] = []
        self._targets: list[int] = []
        self._arrays: tuple[Rows, Rows] | None = None

    def add(self, source: int, target: int) -> None:
        self._sources.append(source)
        self._targets.append(target)
        self._arrays = None

    def remove(self, sources: Rows) -> None:
        """What these sources add."""
        if not len(sources):
            return
        kept = np.flatnonzero(~np.isin(np.array(self._sources, np.intp), sources)).tolist()
        self._sources = [self._sources[place] for place in kept]
        self._targets = [self._targets[place] for place in kept]
        self._arrays = None

    def there(self, values: Floats, present: Mask) -> tuple[Rows, Floats]:
        """(intp[m] targets ascending, float64[m] values) of the sources that are present."""
        if self._arrays is None:
            sources, targets = np.array(self._sources, np.intp), np.array(self._targets, np.intp)
            order = np.argsort(targets, kind="stable")
            self._arrays = sources[order], targets[order]
        sources, targets = self._arrays
        seen = present[sources]
        return targets[seen], values[sources[seen]]

    def sum(self, values: Floats, present: Mask, n: int) -> tuple[Floats, Rows]:
        """Per target: (float64[n] sum, intp[n] number of sources present)."""
        targets, found = self.there(values, present)
        total = np.bincount(targets, weights=found, minlength=n).astype(np.float64, copy=False)
        return total, np.bincount(targets, minlength=n)


class Cells:
    """Histogram buckets: one cell per signal row and upper bound, fed by `feed`."""

    def __init__(self) -> None:
        self.feed = Feed()
        self._rows: list[int] = []
        self._bounds: list[float] = []
        self._index: dict[tuple[int, float], int] = {}
        self._sorted: tuple[Rows, Rows, Floats] | None = None

    def add(self, source: int, row: int, bound: float) -> None:
        cell = self._index.setdefault((row, bound), len(self._rows))
        if cell == len(self._rows):
            self._rows.append(row)
            self._bounds.append(bound)
            self._sorted = None
        self.feed.add(source, cell)

    def counts(self, values: Floats, present: Mask) -> tuple[Rows, Floats, Floats]:
        """Cells with a source present, by row and bound: (intp[m] rows, bounds, counts)."""
        total, sources = self.feed.sum(values, present, len(self._rows))
        if self._sorted is None:
            rows, bounds = np.array(self._rows, np.intp), np.array(self._bounds)
            order = np.lexsort((bounds, rows))
            self._sorted = order, rows[order], bounds[order]
        order, rows, bounds = self._sorted
        seen = sources[order] > 0
        return rows[seen], bounds[seen], total[order[seen]]
