"""Sums per key and slot of time, sparse: what comes in is noted, and added up when it is much."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from anomalyd.model import Floats, Rows
from anomalyd.spans import Nanoseconds

_NOTED = 2**16
"""Notes that are kept before they are added up."""

_CHUNKS = 8
"""Sums of one slot that are kept apart before they are merged."""

Chunk = tuple[Rows, Floats]


class Slots:
    """Float sums by (slot, key); memory is what the slots since the last `forget` hold."""

    def __init__(self) -> None:
        self._notes: list[tuple[Nanoseconds, Rows, Floats]] = []
        self._noted = 0
        self._sums: dict[int, list[Chunk]] = defaultdict(list)

    def __len__(self) -> int:
        """Sums that are held."""
        self._add_up()
        return sum(len(keys) for chunks in self._sums.values() for keys, _ in chunks)

    def add(self, slots: Nanoseconds, keys: Rows, weights: Floats) -> None:
        """slots: int64[n], keys: intp[n] >= 0, weights: float64[n]; the same may come again."""
        if len(keys):
            self._notes.append((slots, keys, weights))
            self._noted += len(keys)
            if self._noted >= _NOTED:
                self._add_up()

    def total(self, first: int, last: int, size: int) -> Floats:
        """float64[size]: the sums of keys under `size` over slots `first` to `last`, inclusive."""
        self._add_up()
        wanted = [slot for slot in self._sums if first <= slot <= last]
        chunks = [chunk for slot in sorted(wanted) for chunk in self._sums[slot]]
        if not chunks:
            return np.zeros(size)
        keys = np.concatenate([keys for keys, _ in chunks])
        sums = np.concatenate([sums for _, sums in chunks])
        return np.bincount(keys, weights=sums, minlength=size)[:size].astype(np.float64)

    def forget(self, before: int) -> None:
        """Slots under `before` are over."""
        self._add_up()
        for slot in [slot for slot in self._sums if slot < before]:
            del self._sums[slot]

    def _add_up(self) -> None:
        if not self._noted:
            return
        slots, keys, weights = (np.concatenate(column) for column in zip(*self._notes, strict=True))
        self._notes, self._noted = [], 0
        first, width = int(slots.min()), int(keys.max()) + 1
        codes = (slots - first) * width + keys
        cells = (int(slots.max()) - first + 1) * width
        if cells <= 8 * len(codes):
            dense = np.bincount(codes, weights=weights, minlength=cells)
            codes = np.flatnonzero(dense)
            sums = dense[codes].astype(np.float64)
        else:
            codes, sums = _merged(codes, weights)
        at, keys = codes // width, codes % width
        starts = np.flatnonzero(np.diff(at, prepend=-1))
        for start, end in zip(starts, np.append(starts[1:], len(at)), strict=True):
            self._keep(first + int(at[start]), (keys[start:end], sums[start:end]))

    def _keep(self, slot: int, chunk: Chunk) -> None:
        chunks = self._sums[slot]
        chunks.append(chunk)
        if len(chunks) > _CHUNKS:
            keys, sums = (np.concatenate(column) for column in zip(*chunks, strict=True))
            self._sums[slot] = [_merged(keys, sums)]


def _merged(keys: Rows, weights: Floats) -> Chunk:
    """Keys once each, ascending, with the sum of their weights."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    return ordered[starts], np.add.reduceat(weights[order], starts)
