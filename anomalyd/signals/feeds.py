"""Which raw series add to which signal series: lists while they grow, arrays for the tick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalyd.model import Floats, Rows
from anomalyd.signals.window import Mask


class Feed:
    """Pairs of a stored raw series (source) and what it adds to (target)."""

    def __init__(self) -> None:
        self._sources: list[int] = []
        self._targets: list[int] = []
        self._arrays: tuple[Rows, Rows] | None = None
        self._numbered: tuple[Mask, Rows] | None = None

    def add(self, source: int, target: int) -> None:
        self._sources.append(source)
        self._targets.append(target)
        self._arrays = self._numbered = None

    def remove(self, sources: Rows) -> None:
        """What these sources add."""
        if not len(sources):
            return
        kept = np.flatnonzero(~np.isin(np.array(self._sources, np.intp), sources)).tolist()
        self._sources = [self._sources[place] for place in kept]
        self._targets = [self._targets[place] for place in kept]
        self._arrays = self._numbered = None

    def there(self, values: Floats, present: Mask) -> tuple[Rows, Floats]:
        """(intp[m] targets ascending, float64[m] values) of the sources that are present."""
        sources, targets = self._ordered()
        seen = present[sources]
        return targets[seen], values[sources[seen]]

    def sum(self, values: Floats, present: Mask, n: int) -> tuple[Floats, Rows]:
        """Per target: (float64[n] sum, intp[n] number of sources present).

        values: 0 of sources that are not present, so that they need not be left out.
        """
        sources, targets = self._ordered()
        total = np.bincount(targets, weights=values[sources], minlength=n)
        return total.astype(np.float64, copy=False), self._number(present, n)

    def _ordered(self) -> tuple[Rows, Rows]:
        """(intp[m] sources, intp[m] targets), by target."""
        if self._arrays is None:
            sources, targets = np.array(self._sources, np.intp), np.array(self._targets, np.intp)
            order = np.argsort(targets, kind="stable")
            self._arrays = sources[order], targets[order]
        return self._arrays

    def _number(self, present: Mask, n: int) -> Rows:
        """intp[n]: how many sources of each target are present; mostly the same as before."""
        known = self._numbered
        if known is None or len(known[1]) != n or not np.array_equal(known[0], present):
            sources, targets = self._ordered()
            number = np.bincount(targets[present[sources]], minlength=n)
            known = self._numbered = present.copy(), number
        return known[1]


@dataclass(frozen=True, slots=True)
class Histograms:
    """Classic histograms of rows, intp[h] ascending: cells of the nth begin at starts[n], with the
    end last, and have ascending bounds."""

    rows: Rows
    starts: Rows
    bounds: Floats


class Cells:
    """Histogram buckets: one cell per signal row and upper bound, fed by `feed`."""

    def __init__(self) -> None:
        self.feed = Feed()
        self._rows: list[int] = []
        self._bounds: list[float] = []
        self._index: dict[tuple[int, float], int] = {}
        self._known: tuple[Rows, Rows, Histograms] | None = None

    def add(self, source: int, row: int, bound: float) -> None:
        cell = self._index.setdefault((row, bound), len(self._rows))
        if cell == len(self._rows):
            self._rows.append(row)
            self._bounds.append(bound)
        self.feed.add(source, cell)

    def counts(self, values: Floats, present: Mask) -> tuple[Histograms, Floats]:
        """What has a source present, and the counts of its cells; values as for `Feed.sum`."""
        total, sources = self.feed.sum(values, present, len(self._rows))
        if self._known is None or self._known[0] is not sources:
            self._known = sources, *self._there(sources)
        _, order, there = self._known
        return there, total[order]

    def _there(self, sources: Rows) -> tuple[Rows, Histograms]:
        """(intp[m] cells with a source, by row and bound; what they are of)."""
        rows, bounds = np.array(self._rows, np.intp), np.array(self._bounds)
        order = np.lexsort((bounds, rows))
        order = order[sources[order] > 0]
        rows = rows[order]
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        return order, Histograms(rows[first], np.append(first, len(rows)), bounds[order])
