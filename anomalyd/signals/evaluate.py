"""Signals over samples that come in directly: the numbers that their PromQL would have given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
from anomalyd.signals.counters import Growth
from anomalyd.signals.feeds import Cells, Feed
from anomalyd.signals.histograms import quantile
from anomalyd.signals.identity import Canonical
from anomalyd.signals.native.evaluate import Natives, Tick
from anomalyd.signals.native.samples import Histograms
from anomalyd.signals.native.twins import Twins
from anomalyd.signals.parts import GAUGES, Role, Selection, plan
from anomalyd.signals.places import Places
from anomalyd.signals.table import SeriesTable, SignalTable
from anomalyd.signals.window import Mask, Milliseconds, Ring, average, is_stale


class Evaluator:
    """Takes raw samples, yields a Batch per tick: all signals of `table` but `unsupported` ones.

    answers: names of the signals to evaluate, all where it is None.

    Parameters: `series` names the raw rows of the Samples given to `take`, and holds `__name__`
    among their labels. `window`: seconds. `matchers` narrow every selector. `lag`: how far behind
    the newest sample, in seconds, `evaluate` may be asked. A histogram that comes in its native
    form as well is read in that, but for those called `classic`. A raw series that no signal needs
    costs a name and no storage.
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
        classic: frozenset[str] = frozenset(),
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
        self._growth = Growth(self._counters.ring)
        self._feeds: dict[Role, Feed] = {role: Feed() for role in Role}
        self._buckets = Cells()
        self._native = Natives(self._parts, window + lag, classic)
        self._twins = Twins()
        self._quantiles = np.array([_quantile_of(s.definition) for s in table.signals])

    @property
    def out_of_order(self) -> int:
        """Samples refused because they were not newer than the last one of their series."""
        rings = self._counters.ring.out_of_order + self._gauges.ring.out_of_order
        return rings + self._native.log.out_of_order

    @property
    def repeated(self) -> int:
        """Samples that were the last one of their series once more."""
        rings = self._counters.ring.repeated + self._gauges.ring.repeated
        return rings + self._native.log.repeated

    @property
    def overwritten(self) -> int:
        """Samples that were let go though a window still wanted them, for want of room."""
        rings = self._counters.ring.overwritten + self._gauges.ring.overwritten
        return rings + self._native.log.overwritten

    def selects(self, labels: Labels) -> bool:
        """Whether `matchers` select a series."""
        return self._selector.selects(dict(labels))

    def take(self, samples: Samples) -> None:
        """Keep the samples that signals need; stale markers end nothing that a range would see."""
        for raw in dict.fromkeys(self.series.given()):
            self._decide(raw)
        rows, values, timestamps = samples.rows, samples.values, samples.timestamps
        stale = is_stale(values)
        if stale.any():
            rows, values, timestamps = rows[~stale], values[~stale], timestamps[~stale]
        times = np.rint(timestamps * 1000).astype(np.int64)
        for stored in (self._counters, self._gauges):
            stored.push(rows, times, values)

    def take_histograms(self, samples: Histograms) -> None:
        """The same of native histograms."""
        fresh = [raw for raw in np.unique(samples.rows).tolist() if not self._native.decided(raw)]
        for raw in fresh:
            self._decide_native(raw)
        natives = {self.series.labels[raw] for raw in fresh} & self._native.known
        self._unfeed(np.array(self._twins.of(natives, self.series.labels), dtype=np.intp))
        self._native.take(samples)

    def forget(self, raw: Rows) -> None:
        """Let go of raw series that are gone; their rows are given to others."""
        for one in raw.tolist():
            self._twins.forget(one, self.series.labels[one])
        self.series.forget(raw)
        self._unfeed(raw)
        for twin in self._twins.of(self._native.forget(raw), self.series.labels):
            self._feed(twin)

    def _unfeed(self, raw: Rows) -> None:
        """These add to nothing any more."""
        if not len(raw):
            return
        counters, gauges = self._counters.free(raw), self._gauges.free(raw)
        for role, feed in self._feeds.items():
            feed.remove(gauges if role.gauge else counters)
        self._buckets.feed.remove(counters)

    def evaluate(self, time: float) -> Batch:
        """All signal series over (time - window, time] that have a finite value."""
        n, (end, window) = len(self.table), self._span(time)
        values, counts = np.full(n, np.nan), np.full(n, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            seen = _Grown(*self._growth.over(end, window))
            if self._native:
                seen.native = self._native.tick(end, window)
            self._rates(values, seen)
            self._ratios(values, counts, seen)
            self._histograms(values, counts, seen)
            self._aggregates(values, *average(self._gauges.ring, end, window))
        rows = np.flatnonzero(np.isfinite(values))
        return Batch(time, rows, values[rows], counts[rows], self.answered)

    def ahead(self, time: float, nth: int) -> bool:
        """Do the nth part of what `evaluate` will have to do at `time`, a millisecond's work or
        two; whether there is one."""
        return self._growth.ahead(*self._span(time), nth)

    def _span(self, time: float) -> tuple[int, int]:
        """The end of a window and its length, ms."""
        return round(time * 1000), round(self.window * 1000)

    def _decide(self, raw: int) -> None:
        """Find out, once, which signal series the raw series `raw` adds to."""
        native = self._twins.note(raw, self.series.labels[raw])
        if native not in self._native.known:
            self._feed(raw)

    def _feed(self, raw: int) -> None:
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

    def _decide_native(self, raw: int) -> None:
        labels = self.series.labels[raw]
        for suffix, part in self._native.decide(raw, labels):
            signal = self.table.signals[part.signal]
            row = self.table.row(part.signal, self.canonical.of(signal, labels))
            if row >= 0:
                self._native.add(raw, suffix, part.role, row)

    def _sum(self, role: Role, seen: _Grown, n: int) -> tuple[Floats, Rows]:
        total, sources = self._feeds[role].sum(seen.grown, seen.present, n)
        if seen.native is None:
            return total, sources
        more, those = self._native.sum(seen.native, role, n)
        return total + more, sources + those

    def _rates(self, values: Floats, seen: _Grown) -> None:
        total, sources = self._sum(Role.RATE, seen, len(values))
        np.copyto(values, total / self.window, where=sources > 0)

    def _ratios(self, values: Floats, counts: Floats, seen: _Grown) -> None:
        bad, _ = self._sum(Role.BAD, seen, len(values))
        total, sources = self._sum(Role.TOTAL, seen, len(values))
        np.copyto(values, bad / total, where=sources > 0)
        np.copyto(counts, total, where=sources > 0)

    def _histograms(self, values: Floats, counts: Floats, seen: _Grown) -> None:
        there, cumulative = self._buckets.counts(seen.grown, seen.present)
        if len(there.rows):
            wanted = self._quantiles[self.table.signal_index[there.rows]]
            values[there.rows] = quantile(there.starts, there.bounds, cumulative, wanted)
        if seen.native is not None:
            wanted = self._quantiles[self.table.signal_index]
            rows, found = self._native.quantiles(seen.native, wanted)
            values[rows] = found
        total, sources = self._sum(Role.COUNT, seen, len(values))
        np.copyto(counts, total, where=sources > 0)

    def _aggregates(self, values: Floats, mean: Floats, present: Mask) -> None:
        for role in GAUGES:
            targets, found = self._feeds[role].there(mean, present)
            if not len(targets):
                continue
            first = np.flatnonzero(np.diff(targets, prepend=-1))
            values[targets[first]] = _aggregate(role, found, first)


@dataclass(slots=True)
class _Grown:
    """How much each counter of the ring grew, and what native histograms did if there are any."""

    grown: Floats
    present: Mask
    native: Tick | None = None


class _Stored:
    """A ring for some of the raw series, and where each of them is in it."""

    def __init__(self, keep: float) -> None:
        self.ring = Ring(keep)
        self._places = Places()

    def row(self, raw: int) -> int:
        """The ring's row of a raw series, made if new."""
        place = self._places.row(raw)
        self.ring.resize(self._places.rows)
        return place

    def free(self, raw: Rows) -> Rows:
        """The ring's rows that were these series'; they are empty, and given to others."""
        places = self._places.free(raw)
        self.ring.clear(places)
        return places

    def push(self, raw: Rows, timestamps: Milliseconds, values: Floats) -> None:
        place = self._places.of(raw)
        kept = np.flatnonzero(place >= 0)
        if len(kept) < len(place):
            place, timestamps, values = place[kept], timestamps[kept], values[kept]
        if len(place):
            self.ring.push(place, timestamps, values)


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
