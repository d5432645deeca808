"""The last samples of every raw series, as matrices, and what a range selector sees of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows

log = logging.getLogger(__name__)

Milliseconds = NDArray[np.int64]
Mask = NDArray[np.bool_]

STALE_BITS = np.uint64(0x7FF0000000000002)
"""The NaN with which Prometheus marks a series as gone (model/value in its sources)."""

_MAX_CELLS = 2**25
"""Samples that all rows together may have room for, so that one dense sender cannot fill memory."""

_EMPTY = np.iinfo(np.int64).min

BLOCK = 16384
"""Rows that are worked on at once, so that what comes and goes stays in the cache."""


class Once:
    """Whether rows are each there once, at a cost of those asked and not of all that there are."""

    def __init__(self) -> None:
        self._mark = np.empty(0, dtype=np.intp)

    def each(self, rows: Rows) -> bool:
        if (rows[1:] > rows[:-1]).all():
            return True
        most = int(rows.max(initial=-1)) + 1
        if most > len(self._mark):
            self._mark = np.empty(2 * most, dtype=np.intp)
        nth = np.arange(len(rows))
        self._mark[rows] = nth
        return bool((self._mark[rows] == nth).all())


def leads(rows: Rows, times: Milliseconds) -> Rows:
    """intp[n]: of samples by row and time, the first one of the same row and time."""
    begins = np.ones(len(rows), dtype=np.bool_)
    begins[1:] = (rows[1:] != rows[:-1]) | (times[1:] != times[:-1])
    return np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0))


@dataclass(frozen=True, slots=True)
class Within:
    """What lies in a range, per row; times in ms. lost: the sum of values that were followed by a
    smaller one. Where the count is 0 the rest means nothing."""

    count: NDArray[np.int16]
    first_time: Milliseconds
    first: Floats
    last_time: Milliseconds
    last: Floats
    lost: Floats


class Ring:
    """A ring of samples per row: `timestamps` int64[slots, rows] in ms, `values` float64[same].

    Holds at least `keep` seconds of every row and widens when samples come more densely, up to
    `max_slots` per row or half a GiB; past that the oldest go, counted in `overwritten`. As in
    Prometheus, a sample not newer than the row's last one is refused, counted in `out_of_order`;
    or in `repeated` if it is that last one once more. changes: int64[blocks, or more], another one
    of each `BLOCK` of rows whenever what `within` says of these rows may be another.
    """

    def __init__(self, keep: float, slots: int = 8, max_slots: int = 512) -> None:
        self.keep = round(keep * 1000)
        self.max_slots = max_slots
        self.rows = 0
        self.out_of_order = 0
        self.repeated = 0
        self.overwritten = 0
        self._timestamps: Milliseconds = np.full((slots, 0), _EMPTY, dtype=np.int64)
        self._values: Floats = np.empty((slots, 0))
        self._oldest: Rows = np.empty(0, dtype=np.intp)
        self._last: Milliseconds = np.empty(0, dtype=np.int64)
        self._once = Once()
        self.changes = np.zeros(0, dtype=np.int64)

    def resize(self, rows: int) -> None:
        """Make room for `rows` rows; the new ones are empty."""
        have = self._last.shape[0]
        if rows > have:
            more = max(rows, 2 * have, 1024) - have
            slots = len(self._timestamps)
            empty = np.full((slots, more), _EMPTY, dtype=np.int64)
            self._timestamps = np.hstack([self._timestamps, empty])
            self._values = np.hstack([self._values, np.zeros((slots, more))])
            self._oldest = np.concatenate([self._oldest, np.zeros(more, dtype=np.intp)])
            self._last = np.concatenate([self._last, empty[0]])
            blocks = -(-(have + more) // BLOCK)
            self.changes = np.pad(self.changes, (0, blocks - len(self.changes)))
        self.rows = max(self.rows, rows)

    def clear(self, rows: Rows) -> None:
        """Rows without samples, as new ones are."""
        self._timestamps[:, rows] = _EMPTY
        self._last[rows] = _EMPTY
        self.changes[rows // BLOCK] += 1

    def push(self, rows: Rows, timestamps: Milliseconds, values: Floats) -> None:
        """Append samples, any number per row in any order; all arrays [n]."""
        if self._once.each(rows):
            self._push_unique(rows, timestamps, values)
            return
        order = np.lexsort((timestamps, rows))
        rows, timestamps, values = rows[order], timestamps[order], values[order]
        kept = self._uncrowded(rows, timestamps, self._fresh(rows, timestamps, values))
        rows, timestamps, values = rows[kept], timestamps[kept], values[kept]
        nth = np.arange(len(rows)) - np.searchsorted(rows, rows)
        turns = np.argsort(nth, kind="stable")
        ends = np.cumsum(np.bincount(nth)).tolist()
        for start, end in pairwise([0, *ends]):
            now = turns[start:end]
            self._push_unique(rows[now], timestamps[now], values[now])

    def samples(self, start: int, end: int) -> Iterator[tuple[Mask, Milliseconds, Floats]]:
        """Per slot from oldest to newest: (bool[rows] in (start, end], timestamps, values); ms."""
        timestamps, values = self._timestamps.reshape(-1), self._values.reshape(-1)
        place = self._oldest[: self.rows] * len(self._last) + np.arange(self.rows)
        for _ in range(len(self._timestamps)):
            time = timestamps.take(place)
            inside = (time > start) & (time <= end)
            if inside.any():
                yield inside, time, values.take(place)
            place += len(self._last)
            np.subtract(place, len(values), out=place, where=place >= len(values))

    def within(self, start: int, end: int, rows: slice) -> Within:
        """What of some rows lies in (start, end], ms. Slots are looked at as they lie, whichever a
        row's oldest sample is in: in range are so many of its samples, one after the other."""
        timestamps, values = self._timestamps[:, rows], self._values[:, rows]
        oldest = self._oldest[rows]
        count, after = np.zeros((2, len(oldest)), dtype=np.int16)
        lost = np.zeros(len(oldest))
        earlier, known = timestamps[-1] > start, values[-1]
        for nth, times in enumerate(timestamps):
            inside, late = times > start, times > end
            after += late
            count += inside
            reset = inside & earlier
            reset &= values[nth] < known
            if reset.any():
                reset &= (oldest != nth) & ~late
                np.add(lost, known, out=lost, where=reset)
            earlier, known = inside, values[nth]
        count -= after
        last = self._places(oldest + (len(timestamps) - 1) - after, rows)
        first = self._places(oldest + len(timestamps) - after - count, rows)
        times, found = self._timestamps.reshape(-1), self._values.reshape(-1)
        ends = times.take(first), found.take(first), times.take(last), found.take(last)
        return Within(count, *ends, lost)

    def _places(self, slots: Rows, rows: slice) -> Rows:
        """In the flat matrices; slots: which one of each row, or as many more as there are."""
        many, capacity = self._timestamps.shape
        np.subtract(slots, many, out=slots, where=slots >= many)
        slots *= capacity
        slots += np.arange(rows.start, rows.stop)
        return slots

    def _push_unique(self, rows: Rows, timestamps: Milliseconds, values: Floats) -> None:
        newer = timestamps > self._last[rows]
        if not newer.all():
            old = ~newer
            again = self._is_last(rows[old], timestamps[old], values[old])
            self.repeated += int(np.count_nonzero(again))
            self.out_of_order += int(np.count_nonzero(~again))
            rows, timestamps, values = rows[newer], timestamps[newer], values[newer]
        while self._loses(rows, timestamps):
            self._widen()
        slot = self._oldest[rows]
        place = slot * len(self._last) + rows
        self._timestamps.reshape(-1)[place] = timestamps
        self._values.reshape(-1)[place] = values
        slot += 1
        slot[slot == len(self._timestamps)] = 0
        self._oldest[rows] = slot
        self._last[rows] = timestamps
        self.changes[rows // BLOCK] += 1

    def _fresh(self, rows: Rows, timestamps: Milliseconds, values: Floats) -> Rows:
        """Places of the samples, by row and time, that are newer than all before; others are
        counted."""
        lead = leads(rows, timestamps)
        newer = timestamps > self._last[rows]
        fresh = newer & (lead == np.arange(len(lead)))
        bits = np.ascontiguousarray(values).view(np.uint64)
        again = np.where(newer, bits == bits[lead], self._is_last(rows, timestamps, values))
        self.repeated += int(np.count_nonzero(again & ~fresh))
        self.out_of_order += int(np.count_nonzero(~again & ~fresh))
        return np.flatnonzero(fresh)

    def _uncrowded(self, rows: Rows, timestamps: Milliseconds, fresh: Rows) -> Rows:
        """Of each row the newest of `fresh` that fit; one by one the others would come and go."""
        most = self._most_slots()
        rows, times = rows[fresh], timestamps[fresh]
        later = np.searchsorted(rows, rows, side="right") - 1 - np.arange(len(rows))
        kept = later < most
        for row in np.unique(rows[~kept]).tolist():
            begin, end = np.searchsorted(rows, [row, row + 1])
            order = (self._oldest[row] + np.arange(len(self._timestamps))) % len(self._timestamps)
            whole = np.concatenate([self._timestamps[order, row], times[begin:end]])
            self._lose(int(np.count_nonzero(whole[:-most] > whole[most:] - self.keep)))
            self._timestamps[:, row] = _EMPTY
            self.changes[row // BLOCK] += 1
        return fresh[kept]

    def _is_last(self, rows: Rows, timestamps: Milliseconds, values: Floats) -> Mask:
        """bool[n]: which samples are the last one of their row, bit for bit."""
        slot = self._oldest[rows] - 1
        kept = self._values[slot, rows]
        return (self._timestamps[slot, rows] == timestamps) & (
            kept.view(np.uint64) == np.ascontiguousarray(values).view(np.uint64)
        )

    def _loses(self, rows: Rows, timestamps: Milliseconds) -> bool:
        """Whether writing would overwrite samples still wanted and the ring may widen."""
        oldest = self._timestamps.reshape(-1).take(self._oldest[rows] * len(self._last) + rows)
        wanted = int(np.count_nonzero(oldest > timestamps - self.keep))
        if wanted and len(self._timestamps) >= self._most_slots():
            self._lose(wanted)
            return False
        return wanted > 0

    def _lose(self, wanted: int) -> None:
        if wanted and not self.overwritten:
            log.warning("a series has over %d samples in its window", self.max_slots)
        self.overwritten += wanted

    def _most_slots(self) -> int:
        capacity: int = self._last.shape[0]
        return min(self.max_slots, max(_MAX_CELLS // capacity, 8))

    def _widen(self) -> None:
        slots, capacity = self._timestamps.shape
        more = min(2 * slots, self._most_slots())
        order = (self._oldest + np.arange(slots)[:, None]) % slots
        columns = np.arange(capacity)
        timestamps = np.full((more, capacity), _EMPTY, dtype=np.int64)
        values = np.zeros((more, capacity))
        timestamps[more - slots :] = self._timestamps[order, columns]
        values[more - slots :] = self._values[order, columns]
        self._timestamps, self._values = timestamps, values
        self._oldest = np.zeros(capacity, dtype=np.intp)


def is_stale(values: Floats) -> Mask:
    """bool[n]: which values are stale markers; a range selector does not see them."""
    found: Mask = np.ascontiguousarray(values).view(np.uint64) == STALE_BITS
    return found


def average(ring: Ring, end: int, window: int) -> tuple[Floats, Mask]:
    """PromQL's avg_over_time over (end - window, end] ms: (float64[rows], bool[rows] present)."""
    total = np.zeros(ring.rows)
    count = np.zeros(ring.rows)
    for inside, _, values in ring.samples(end - window, end):
        np.add(total, values, out=total, where=inside)
        count += inside
    present = count > 0
    return np.divide(total, count, out=total, where=present), present
