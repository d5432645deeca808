"""The last samples of every native histogram, and where its counters began anew."""

from __future__ import annotations

import logging
from dataclasses import fields, replace

import numpy as np

from anomalyd.model import Rows
from anomalyd.signals.native.resets import anew
from anomalyd.signals.native.samples import Bounds, Histograms, owners
from anomalyd.signals.window import Mask, Milliseconds, leads

log = logging.getLogger(__name__)

MAX_BUCKETS = 2**25
"""Buckets that all samples together may have, so that one dense sender cannot fill memory."""
SAMPLE_SIZE = 5
"""A sample takes as much memory as so many buckets."""
BOUNDARY_SIZE = 2
"""The same of a boundary, which samples that have the same ones share."""
MAX_AT_ONCE = 512
"""Samples of a row that one push may add: as many as a series of floats may have."""

_EMPTY = int(np.iinfo(np.int64).min)


class Log:
    """Samples in the order of their arrival, of one row each after the other in time.

    Holds at least `keep` seconds; past `most` buckets (samples and their boundaries count as
    some, too) the oldest go, counted in `overwritten`. A sample not newer than the row's last is
    refused, counted in `out_of_order`, or in `repeated` if it is that one once more. `kept.resets`
    says of each sample whether it began anew after the one before it; `customs` which of `bounds`
    are its boundaries, -1 where they are exponential. asked: the end of the last window, ms.
    """

    def __init__(self, keep: float, most: int = MAX_BUCKETS) -> None:
        self.keep, self.most = round(keep * 1000), most
        self.out_of_order = self.repeated = self.overwritten = 0
        self.asked: int = _EMPTY
        self.kept = nothing()
        self.customs: Rows = np.empty(0, dtype=np.intp)
        self.bounds: list[Bounds] = []
        self._ids: dict[Bounds, int] = {}
        self._boundaries = 0
        self._last: Rows = np.empty(0, dtype=np.intp)
        self._times: Milliseconds = np.empty(0, dtype=np.int64)

    def push(self, samples: Histograms) -> None:
        """Append samples, any number per row in any order; of one row the newest `MAX_AT_ONCE`."""
        self._resize(int(samples.rows.max(initial=-1)) + 1)
        samples = samples.at(np.lexsort((samples.times, samples.rows)))
        lead = leads(samples.rows, samples.times)
        newer = samples.times > self._times[samples.rows]
        fresh = newer & (lead == np.arange(len(lead)))
        if not fresh.all():
            old = np.flatnonzero(~fresh)
            again = self._again(samples.at(old)) + _like_lead(samples, lead, old[newer[old]])
            self.repeated += again
            self.out_of_order += len(old) - again
            samples = samples.at(np.flatnonzero(fresh))
        samples = self._uncrowded(samples)
        if len(samples):
            self._append(samples)

    def clear(self, rows: Rows) -> None:
        """These rows become other series'."""
        self._keep(~np.isin(self.kept.rows, rows))
        self._times[rows[rows < len(self._times)]] = _EMPTY

    def _uncrowded(self, samples: Histograms) -> Histograms:
        """Without what a row has more at once than it may; samples are by row and time."""
        ends = np.searchsorted(samples.rows, samples.rows, side="right") - 1
        crowded = ends - np.arange(len(ends)) >= MAX_AT_ONCE
        if not crowded.any():
            return samples
        wanted = samples.times > samples.times[ends] - self.keep
        self._lose(crowded & wanted, f"a native histogram has over {MAX_AT_ONCE} samples in a push")
        return samples.at(np.flatnonzero(~crowded))

    def _append(self, fresh: Histograms) -> None:
        """These are by row and time, and newer than what is there."""
        self._times[fresh.rows] = fresh.times
        unknown = set(fresh.bounds) - self._ids.keys()
        self._make_room(_size(fresh) + BOUNDARY_SIZE * sum(len(one or ()) for one in unknown))
        customs = self._interned(fresh.bounds)
        fresh = replace(
            fresh,
            resets=fresh.resets | self._anew(fresh, customs),
            bounds=[None if one < 0 else self.bounds[one] for one in customs.tolist()],
        )
        order = np.argsort(fresh.times, kind="stable")
        fresh, customs = fresh.at(order), customs[order]
        self._last[fresh.rows] = len(self.kept) + np.arange(len(fresh))
        self.kept = joined(self.kept, fresh)
        self.customs = np.append(self.customs, customs)

    def _anew(self, fresh: Histograms, customs: Rows) -> Mask:
        """bool[n]: which of them count less than the sample before, in any bucket."""
        found = np.zeros(len(fresh), dtype=np.bool_)
        first = np.diff(fresh.rows, prepend=-1) != 0
        last = np.where(first, self._last[fresh.rows], -1)
        after, later = np.flatnonzero(last >= 0), np.flatnonzero(~first)
        if len(after):
            before = self.kept.at(last[after])
            found[after] = anew(before, fresh.at(after), self.customs[last[after]], customs[after])
        if len(later):
            before = fresh.at(later - 1)
            found[later] = anew(before, fresh.at(later), customs[later - 1], customs[later])
        return found

    def _again(self, samples: Histograms) -> int:
        """How many are the last one of their row once more."""
        last = self._last[samples.rows]
        there = np.flatnonzero((last >= 0) & (samples.times == self._times[samples.rows]))
        return _alike(self.kept.at(last[there]), samples.at(there))

    def _interned(self, bounds: list[Bounds | None]) -> Rows:
        ids = [-1 if one is None else self._ids.setdefault(one, len(self._ids)) for one in bounds]
        if len(self._ids) > len(self.bounds):
            self.bounds = list(self._ids)
            self._boundaries = sum(map(len, self.bounds))
        return np.array(ids, dtype=np.intp)

    def _old(self) -> Mask:
        """bool[n]: what no window sees any more. A sender whose clock is ahead ages only its own
        rows; rows that nothing comes to age with the windows that are asked for."""
        newest = np.maximum(self._times[self.kept.rows], self.asked)
        old: Mask = self.kept.times <= newest - self.keep
        return old

    def _make_room(self, more: int) -> None:
        """Let go of what is old, once that is half; and of more if it is too much."""
        old = self._old()
        if 2 * int(np.count_nonzero(old)) > len(old):
            self._keep(~old)
        while len(self.kept) and self._size() + more > self.most:
            gone = np.arange(len(self.kept)) < -(-len(self.kept) // 4)
            wanted = gone & ~self._old()
            self._lose(wanted, f"native histograms have over {self.most} buckets in a window")
            self._keep(~gone)

    def _size(self) -> int:
        return _size(self.kept) + BOUNDARY_SIZE * self._boundaries

    def _lose(self, wanted: Mask, why: str) -> None:
        """These go, and a window still wanted them."""
        found = int(np.count_nonzero(wanted))
        if found and not self.overwritten:
            log.warning("%s", why)
        self.overwritten += found

    def _keep(self, kept: Mask) -> None:
        if kept.all():
            return
        places = np.flatnonzero(kept)
        self.kept = self.kept.at(places)
        used, customs = np.unique(self.customs[places], return_inverse=True)
        self.bounds = [self.bounds[one] for one in used[used >= 0].tolist()]
        self.customs = customs - int(np.count_nonzero(used < 0))
        self._ids = {one: number for number, one in enumerate(self.bounds)}
        self._boundaries = sum(map(len, self.bounds))
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


def _size(samples: Histograms) -> int:
    """In buckets."""
    return len(samples.buckets) + SAMPLE_SIZE * len(samples)


def _like_lead(samples: Histograms, lead: Rows, places: Rows) -> int:
    """How many of those at `places` are the one that leads them once more."""
    return _alike(samples.at(lead[places]), samples.at(places))


def _alike(one: Histograms, other: Histograms) -> int:
    """In how many pairs all that they count is the same."""
    same = np.diff(one.starts) == np.diff(other.starts)
    for name in ("counts", "sums", "zeros", "thresholds", "schemas"):
        mine, theirs = getattr(one, name), getattr(other, name)
        same &= (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
    same &= np.array([a == b for a, b in zip(one.bounds, other.bounds, strict=True)], np.bool_)
    places = np.flatnonzero(same)
    one, other = one.at(places), other.at(places)
    unlike = (one.codes != other.codes) | (one.buckets != other.buckets)
    same[places[owners(one.starts)[unlike]]] = False
    return int(np.count_nonzero(same))
