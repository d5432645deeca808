"""The last samples of every native histogram, and where its counters began anew."""

from __future__ import annotations

import logging
from dataclasses import fields, replace

import numpy as np

from anomalyd.model import Rows
from anomalyd.signals.native.resets import anew
from anomalyd.signals.native.samples import Bounds, Histograms
from anomalyd.signals.window import Mask, Milliseconds

log = logging.getLogger(__name__)

MAX_BUCKETS = 2**25
"""Buckets that all samples together may have, so that one dense sender cannot fill memory."""

_EMPTY = np.iinfo(np.int64).min


class Log:
    """Samples in the order of their arrival, of one row each after the other in time.

    Holds at least `keep` seconds; past `most` buckets the oldest go, counted in `overwritten`. A
    sample not newer than the row's last is refused, counted in `out_of_order`, or in `repeated` if
    it is that one once more. `kept.resets` says of each sample whether it began anew after the one
    before it; `customs` which of `bounds` are its boundaries, -1 where they are exponential.
    """

    def __init__(self, keep: float, most: int = MAX_BUCKETS) -> None:
        self.keep, self.most = round(keep * 1000), most
        self.out_of_order = self.repeated = self.overwritten = 0
        self.kept = nothing()
        self.customs: Rows = np.empty(0, dtype=np.intp)
        self.bounds: list[Bounds] = []
        self._ids: dict[Bounds, int] = {}
        self._last: Rows = np.empty(0, dtype=np.intp)
        self._times: Milliseconds = np.empty(0, dtype=np.int64)

    def push(self, samples: Histograms) -> None:
        """Append samples, any number per row in any order."""
        order = np.lexsort((samples.times, samples.rows))
        rows = samples.rows[order]
        nth = np.arange(len(rows)) - np.searchsorted(rows, rows)
        self._resize(int(rows.max(initial=-1)) + 1)
        for step in range(int(nth.max(initial=-1)) + 1):
            self._push_unique(samples.at(order[nth == step]))

    def clear(self, rows: Rows) -> None:
        """These rows become other series'."""
        self._keep(~np.isin(self.kept.rows, rows))
        self._times[rows[rows < len(self._times)]] = _EMPTY

    def _push_unique(self, fresh: Histograms) -> None:
        newer = fresh.times > self._times[fresh.rows]
        if not newer.all():
            old = np.flatnonzero(~newer)
            again = self._again(fresh.at(old))
            self.repeated += again
            self.out_of_order += len(old) - again
            fresh = fresh.at(np.flatnonzero(newer))
        if not len(fresh):
            return
        customs = self._interned(fresh.bounds)
        self._make_room(int(fresh.times.max()), len(fresh.buckets))
        resets = fresh.resets | self._anew(fresh, customs)
        self._times[fresh.rows] = fresh.times
        self._last[fresh.rows] = len(self.kept) + np.arange(len(fresh))
        self.kept = joined(self.kept, replace(fresh, resets=resets))
        self.customs = np.append(self.customs, customs)

    def _anew(self, fresh: Histograms, customs: Rows) -> Mask:
        """bool[n]: which of them count less than the sample before, in any bucket."""
        last = self._last[fresh.rows]
        after = np.flatnonzero((last >= 0) & (self._times[fresh.rows] > _EMPTY))
        found = np.zeros(len(fresh), dtype=np.bool_)
        if len(after):
            before = self.kept.at(last[after])
            found[after] = anew(before, fresh.at(after), self.customs[last[after]], customs[after])
        return found

    def _again(self, samples: Histograms) -> int:
        """How many are the last one of their row once more."""
        found = 0
        for nth in range(len(samples)):
            row = samples.rows[nth]
            if self._last[row] >= 0 and samples.times[nth] == self._times[row]:
                last = self.kept.at(self._last[row : row + 1])
                found += _same(last, samples.at(np.array([nth])))
        return found

    def _interned(self, bounds: list[Bounds | None]) -> Rows:
        ids = [-1 if one is None else self._ids.setdefault(one, len(self._ids)) for one in bounds]
        if len(self._ids) > len(self.bounds):
            self.bounds = list(self._ids)
        return np.array(ids, dtype=np.intp)

    def _make_room(self, newest: int, more: int) -> None:
        """Let go of what no window sees, once that is half; and of more if it is too much."""
        old = self.kept.times <= newest - self.keep
        if 2 * int(np.count_nonzero(old)) > len(old):
            self._keep(~old)
        if len(self.kept.buckets) + more <= self.most or not len(self.kept):
            return
        if not self.overwritten:
            log.warning("native histograms have over %d buckets in a window", self.most)
        upto = int(np.searchsorted(self.kept.starts, len(self.kept.buckets) + more - self.most))
        gone = np.arange(len(self.kept)) < max(upto, len(self.kept) // 4)
        self.overwritten += int(np.count_nonzero(gone & (self.kept.times > newest - self.keep)))
        self._keep(~gone)

    def _keep(self, kept: Mask) -> None:
        if kept.all():
            return
        places = np.flatnonzero(kept)
        self.kept, self.customs = self.kept.at(places), self.customs[places]
        self._last[:] = -1
        self._last[self.kept.rows] = np.arange(len(places))

    def _resize(self, rows: int) -> None:
        have = len(self._last)
        if rows > have:
            more = max(rows, 2 * have, 64) - have
            self._last = np.append(self._last, np.full(more, -1, dtype=np.intp))
            self._times = np.append(self._times, np.full(more, _EMPTY))


def nothing() -> Histograms:
    floats, whole = np.empty(0), np.empty(0, dtype=np.int64)
    rows = np.empty(0, dtype=np.intp)
    none = np.empty(0, dtype=np.bool_)
    starts = np.zeros(1, dtype=np.intp)
    return Histograms(
        rows, whole, floats, floats, floats, floats, whole, none, [], starts, whole, floats
    )


def joined(one: Histograms, other: Histograms) -> Histograms:
    """The samples of both, one after the other."""
    parts = {
        field.name: np.concatenate([getattr(one, field.name), getattr(other, field.name)])
        for field in fields(Histograms)
        if field.name not in ("bounds", "starts")
    }
    starts = np.append(one.starts, one.starts[-1] + other.starts[1:])
    return Histograms(**parts, bounds=one.bounds + other.bounds, starts=starts)


def _same(one: Histograms, other: Histograms) -> bool:
    """Of one sample each: whether all that they count is the same."""
    floats = ("counts", "sums", "zeros", "thresholds", "schemas", "buckets", "codes")
    return one.bounds == other.bounds and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in floats
    )
