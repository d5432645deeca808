"""Signals over native histograms: the numbers that their PromQL would have given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomalyd.model import Floats, Labels, Rows
from anomalyd.signals.feeds import Feed
from anomalyd.signals.native.cells import Sums, Terms, add, binned
from anomalyd.signals.native.increase import Grown, increase
from anomalyd.signals.native.log import Log
from anomalyd.signals.native.names import BUCKET, SUFFIXES, SUM
from anomalyd.signals.native.quantile import quantile
from anomalyd.signals.native.samples import FINEST_SCHEMA, Histograms, spread
from anomalyd.signals.parts import Part, Role
from anomalyd.signals.places import Places
from anomalyd.signals.window import Mask


@dataclass(slots=True)
class Tick:
    """What a window of `seconds` has of native histograms. present, counts, totals: over the
    store's rows."""

    grown: Grown
    seconds: float
    present: Mask
    counts: Floats
    totals: Floats


class Natives:
    """Native histograms that add to signals. keep: seconds that samples are held.

    parts: metric name → what series so named add to, as for classic histograms; a native series
    `x` is `x_count`, `x_sum` and `x_bucket` at once. classic: names of those to pass over.
    """

    def __init__(
        self,
        parts: Mapping[str, Sequence[Part]],
        keep: float,
        classic: frozenset[str] = frozenset(),
    ) -> None:
        self.log = Log(keep)
        self._parts, self._classic = parts, classic
        self._places = Places()
        self._names: dict[int, Labels] = {}
        self.known: set[Labels] = set()
        self._counts: dict[Role, Feed] = {}
        self._sums: dict[Role, Feed] = {}
        self._quantiles = Feed()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.known)

    def decided(self, raw: int) -> bool:
        return raw in self._names

    def decide(self, raw: int, labels: Labels) -> list[tuple[str, Part]]:
        """(suffix, part) of what a native series adds to, for `add`; it is decided from now on."""
        self._names[raw] = labels
        named = dict(labels) if labels.get("__name__") not in self._classic else {}
        found: list[tuple[str, Part]] = []
        for suffix in SUFFIXES:
            for part in self._parts.get(named.get("__name__", "") + suffix, ()):
                fits = (part.role is Role.BUCKET) == (suffix == BUCKET) and not part.role.gauge
                if fits and part.wants(named):
                    found.append((suffix, part))
        return found

    def add(self, raw: int, suffix: str, role: Role, row: int) -> None:
        """A native series adds to the signal series `row`."""
        self.known.add(self._names[raw])
        feeds = self._sums if suffix == SUM else self._counts
        feed = self._quantiles if suffix == BUCKET else feeds.setdefault(role, Feed())
        feed.add(self._places.row(raw), row)

    def take(self, samples: Histograms) -> None:
        """Keep the samples of series that were added."""
        places = self._places.of(samples.rows)
        kept = np.flatnonzero((places >= 0) & ~samples.stale)
        self.log.push(samples.of(places).at(kept))

    def forget(self, raw: Rows) -> list[Labels]:
        """Raw series that are gone; what those of them were called that added to signals."""
        gone = [self._names.pop(one) for one in raw.tolist() if one in self._names]
        gone = [labels for labels in gone if labels in self.known]
        self.known.difference_update(gone)
        places = self._places.free(raw)
        if len(places):
            self.log.clear(places)
            for feed in (*self._counts.values(), *self._sums.values(), self._quantiles):
                feed.remove(places)
        return gone

    def tick(self, end: int, window: int) -> Tick:
        """Over (end - window, end] in ms."""
        grown, self.log.asked = increase(self.log, end, window), end
        n = self._places.rows
        present = np.zeros(n, dtype=np.bool_)
        counts, totals = np.zeros(n), np.zeros(n)
        present[grown.rows] = True
        with np.errstate(over="ignore"):  # what is past all numbers is no value of a signal
            counts[grown.rows] = grown.counts * grown.factors
            totals[grown.rows] = grown.totals * grown.factors
        return Tick(grown, window / 1000, present, counts, totals)

    def sum(self, tick: Tick, role: Role, n: int) -> tuple[Floats, Rows]:
        """Per signal row: (float64[n] of what `role` adds up, intp[n] of how many series)."""
        total, sources = np.zeros(n), np.zeros(n, dtype=np.intp)
        for feeds, values in ((self._counts, tick.counts), (self._sums, tick.totals)):
            if role in feeds:
                more, those = feeds[role].sum(values, tick.present, n)
                total, sources = total + more, sources + those
        return total, sources

    def quantiles(self, tick: Tick, wanted: Floats) -> tuple[Rows, Floats]:
        """(intp[m] signal rows, float64[m] quantiles) of those that have native histograms.

        wanted: float64[rows], the quantile of each signal row.
        """
        nth = np.full(self._places.rows, -1, dtype=np.intp)
        nth[tick.grown.rows] = np.arange(len(tick.grown.rows))
        targets, member = self._quantiles.there(nth.astype(np.float64), nth >= 0)
        if not len(targets):
            return targets, np.empty(0)
        rows, group = np.unique(targets, return_inverse=True)
        members = member.astype(np.intp)
        good = tick.grown.sums.valid[members]
        members, group = members[good], group[good]
        factors = tick.grown.factors[members] / tick.seconds
        sums = _summed(tick.grown.sums, members, factors, group, len(rows))
        counts = binned(group, tick.grown.counts[members] * factors, len(rows))
        totals = binned(group, tick.grown.totals[members] * factors, len(rows))
        return rows, quantile(sums, counts, totals, wanted[rows], self.log.bounds)


def _summed(of: Sums, members: Rows, factors: Floats, group: Rows, n: int) -> Sums:
    """Those of `of` that are in `members`, times `factors`, by group."""
    begins = np.searchsorted(of.owner, members)
    cells, starts = spread(begins, np.searchsorted(of.owner, members, side="right"))
    owner = np.repeat(np.arange(len(members)), np.diff(starts))
    coarsest = np.full(n, FINEST_SCHEMA)
    np.minimum.at(coarsest, group, of.schemas[members])
    terms = Terms(
        group,
        of.schemas[members],
        of.customs[members],
        of.thresholds[members],
        of.zeros[members] * factors,
        owner,
        of.codes[cells],
        of.buckets[cells] * factors[owner],
    )
    return add(terms, coarsest)
