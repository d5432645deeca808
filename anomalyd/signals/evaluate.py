"""Signals over samples that come in directly: the numbers that their PromQL would have given."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from anomalyd.model import (
    Batch,
    Floats,
    HistogramQuantile,
    Labels,
    Matcher,
    PromQL,
    Rows,
    Samples,
    SpanMetric,
)
from anomalyd.signals.counters import increase
from anomalyd.signals.feeds import Cells, Feed
from anomalyd.signals.histograms import quantile
from anomalyd.signals.identity import Canonical
from anomalyd.signals.parts import GAUGES, Role, Selection, plan
from anomalyd.signals.table import SeriesTable, SignalTable
from anomalyd.signals.window import Mask, Milliseconds, Ring, average, is_stale


class Evaluator:
    """Takes raw samples, yields a Batch per tick: all signals of `table` but `unsupported` ones.

    answers: names of the signals to evaluate, all where it is None.

    Parameters: `series` names the raw rows of the Samples given to `take`, and holds `__name__`
    among their labels. `window`: seconds. `matchers` narrow every selector. `lag`: how far behind
    the newest sample, in seconds, `evaluate` may be asked. A raw series that no signal needs costs
    a name and no storage.
    """

    def __init__(
        self,
        table: SignalTable,
        series: SeriesTable,
        canonical: Canonical,
        window: float,
        *,
        matchers: Sequence[Matcher] = (),
        lag: float = 10.0,
        answers: frozenset[str] | None = None,
    ) -> None:
        self.table = table
        self.series = series
        self.canonical = canonical
        self.window = window
        self.unsupported = tuple(
            s.name for s in table.signals if isinstance(s.definition, PromQL | SpanMetric)
        )
        able = frozenset(s.name for s in table.signals) - frozenset(self.unsupported)
        self.answered = able if answers is None else able & answers
        self._parts = plan(table.signals, matchers, self.answered)
        self._selector = Selection(matchers)
        self._counters = _Stored(window + lag)
        self._gauges = _Stored(window + lag)
        self._feeds: dict[Role, Feed] = {role: Feed() for role in Role}
        self._buckets = Cells()
        self._quantiles = np.array([_quantile_of(s.definition) for s in table.signals])

    @property
    def out_of_order(self) -> int:
        """Samples refused because they were not newer than the last one of their series."""
        return self._counters.ring.out_of_order + self._gauges.ring.out_of_order

    @property
    def repeated(self) -> int:
        """Samples that were the last one of their series once more."""
        return self._counters.ring.repeated + self._gauges.ring.repeated

    def selects(self, labels: Labels) -> bool:
        """Whether `matchers` select a series."""
        return self._selector.selects(dict(labels))

    def take(self, samples: Samples) -> None:
        """Keep the samples that signals need; stale markers end nothing that a range would see."""
        for raw in self.series.given():
            self._decide(raw)
        kept = ~is_stale(samples.values)
        rows, values = samples.rows[kept], samples.values[kept]
        timestamps = np.rint(samples.timestamps[kept] * 1000).astype(np.int64)
        for stored in (self._counters, self._gauges):
            stored.push(rows, timestamps, values)

    def forget(self, raw: Rows) -> None:
        """Let go of raw series that are gone; their rows are given to others."""
        self.series.forget(raw)
        counters, gauges = self._counters.free(raw), self._gauges.free(raw)
        for role, feed in self._feeds.items():
            feed.remove(gauges if role.gauge else counters)
        self._buckets.feed.remove(counters)

    def evaluate(self, time: float) -> Batch:
        """All signal series over (time - window, time] that have a finite value."""
        n, end, window = len(self.table), round(time * 1000), round(self.window * 1000)
        values, counts = np.full(n, np.nan), np.full(n, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            grown, present = increase(self._counters.ring, end, window)
            self._rates(values, grown, present)
            self._ratios(values, counts, grown, present)
            self._histograms(values, counts, grown, present)
            self._aggregates(values, *average(self._gauges.ring, end, window))
        rows = np.flatnonzero(np.isfinite(values))
        return Batch(time, rows, values[rows], counts[rows], self.answered)

    def _decide(self, raw: int) -> None:
        """Find out, once, which signal series the raw series `raw` adds to."""
        labels = self.series.labels[raw]
        named = dict(labels)
        for part in self._parts.get(named.get("__name__", ""), ()):
            if not part.wants(named):
                continue
            bound = _bound(named.get("le", "")) if part.role is Role.BUCKET else None
            if part.role is Role.BUCKET and bound is None:
                continue
            signal = self.table.signals[part.signal]
            row = self.table.row(part.signal, self.canonical.of(signal, labels))
            if row < 0:
                continue
            source = (self._gauges if part.role.gauge else self._counters).row(raw)
            if bound is not None:
                self._buckets.add(source, row, bound)
            else:
                self._feeds[part.role].add(source, row)

    def _rates(self, values: Floats, grown: Floats, present: Mask) -> None:
        total, sources = self._feeds[Role.RATE].sum(grown, present, len(values))
        np.copyto(values, total / self.window, where=sources > 0)

    def _ratios(self, values: Floats, counts: Floats, grown: Floats, present: Mask) -> None:
        bad, _ = self._feeds[Role.BAD].sum(grown, present, len(values))
        total, sources = self._feeds[Role.TOTAL].sum(grown, present, len(values))
        np.copyto(values, bad / total, where=sources > 0)
        np.copyto(counts, total, where=sources > 0)

    def _histograms(self, values: Floats, counts: Floats, grown: Floats, present: Mask) -> None:
        rows, bounds, cumulative = self._buckets.counts(grown, present)
        if len(rows):
            first = np.flatnonzero(np.diff(rows, prepend=-1))
            histograms = rows[first]
            wanted = self._quantiles[self.table.signal_index[histograms]]
            starts = np.append(first, len(rows))
            values[histograms] = quantile(starts, bounds, cumulative, wanted)
        total, sources = self._feeds[Role.COUNT].sum(grown, present, len(values))
        np.copyto(counts, total, where=sources > 0)

    def _aggregates(self, values: Floats, mean: Floats, present: Mask) -> None:
        for role in GAUGES:
            targets, found = self._feeds[role].there(mean, present)
            if not len(targets):
                continue
            first = np.flatnonzero(np.diff(targets, prepend=-1))
            values[targets[first]] = _aggregate(role, found, first)


class _Stored:
    """A ring for some of the raw series, and where each of them is in it."""

    def __init__(self, keep: float) -> None:
        self.ring = Ring(keep)
        self._place = np.full(1024, -1, dtype=np.intp)
        self._free: list[int] = []

    def row(self, raw: int) -> int:
        """The ring's row of a raw series, made if new."""
        while raw >= len(self._place):
            self._place = np.append(self._place, np.full(len(self._place), -1, dtype=np.intp))
        if self._place[raw] < 0 and self._free:
            self._place[raw] = self._free.pop()
        elif self._place[raw] < 0:
            self._place[raw] = self.ring.rows
            self.ring.resize(self.ring.rows + 1)
        return int(self._place[raw])

    def free(self, raw: Rows) -> Rows:
        """The ring's rows that were these series'; they are empty, and given to others."""
        raw = raw[raw < len(self._place)]
        places = self._place[raw]
        places = places[places >= 0]
        self._place[raw] = -1
        self.ring.clear(places)
        self._free += places.tolist()
        return places

    def push(self, raw: Rows, timestamps: Milliseconds, values: Floats) -> None:
        known = raw < len(self._place)
        place = np.where(known, self._place[np.where(known, raw, 0)], -1)
        kept = place >= 0
        self.ring.push(place[kept], timestamps[kept], values[kept])


def _aggregate(role: Role, values: Floats, first: Rows) -> Floats:
    """Of consecutive groups that begin at `first`; max and min pass over NaN, as in PromQL."""
    if role is Role.MAX:
        return np.fmax.reduceat(values, first)
    if role is Role.MIN:
        return np.fmin.reduceat(values, first)
    total: Floats = np.add.reduceat(values, first)
    return total / np.diff(first, append=len(values)) if role is Role.AVG else total


def _quantile_of(definition: object) -> float:
    return definition.quantile if isinstance(definition, HistogramQuantile) else np.nan


def _bound(le: str) -> float | None:
    """`le` as a number, so that "1" and "1.0" are one bucket; None if it is none."""
    try:
        bound = float(le)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound
