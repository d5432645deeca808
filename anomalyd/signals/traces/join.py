"""Spans to their parents and to the requests they work for. Pure functions.

A hash table leads from an id to its span; everything after that is arithmetic over indices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalyd.model import Rows
from anomalyd.signals.traces.open import Columns
from anomalyd.spans import Flags, Ids, SpanKind

_MIX, _HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
"""Multiplicative hashing (golden ratio)."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Spans of whole traces, each id once. up: intp[n], the parent's index, -1 where there is none.

    entry: bool[n], where a service takes over: it serves, consumes, is an inner root, or its
    parent is another service's. request: intp[n], the entry that a span works for (itself for an
    entry); -1 where that is missing, -2 where there is none: a call that nobody asked for, or
    parents in a circle. repeated: spans whose id had come before.
    """

    spans: Columns
    up: Rows
    entry: Flags
    request: Rows
    repeated: int


def join(spans: Columns) -> Joined:
    """Drop repeated ids and find each span's parent and request."""
    keys = _keys(spans.trace, spans.span)
    finder = _Finder(keys)
    again = finder.repeated()
    if len(again):
        kept = np.delete(np.arange(len(keys)), again)
        spans, finder = spans.take(kept), _Finder(keys[kept])
    up = finder.find(_keys(spans.trace, spans.parent))
    up[(spans.parent == 0) | (up == np.arange(len(up)))] = -1
    entry = _entries(spans, up)
    return Joined(spans, up, entry, _requests(spans, up, entry), len(again))


def _keys(trace: Ids, span: Ids) -> Ids:
    """64 bits of hash: of a million spans, two share a key once in forty million times."""
    mixed = (trace ^ span) * _MIX
    mixed ^= mixed >> _HALF
    mixed += span
    return mixed * _MIX


class _Finder:
    """Where each key stands: a hash table of one slot each, and a sorted list of those whose slot
    was taken by another, which are few."""

    def __init__(self, keys: Ids) -> None:
        n = len(keys)
        self._keys = keys
        self._shift = np.uint64(64 - (8 * n + 1).bit_length())
        self._table = np.full((8 * n + 1) * 2, -1, dtype=np.int32)
        slots = self._slots(keys)
        # Of equal indices the last assignment stays: backwards, so that the first span does.
        self._table[slots[::-1]] = np.arange(n - 1, -1, -1, dtype=np.int32)
        holder = self._table[slots]
        self._ousted = np.flatnonzero(holder != np.arange(n))
        self._same = keys[holder[self._ousted]] == keys[self._ousted]
        others = self._ousted[~self._same]
        order = np.argsort(keys[others], kind="stable")
        self._others, self._sorted = others[order], keys[others][order]

    def repeated(self) -> Rows:
        """Indices of keys that had come before."""
        twice = np.flatnonzero(self._sorted[1:] == self._sorted[:-1]) + 1
        return np.sort(np.append(self._ousted[self._same], self._others[twice]))

    def find(self, wanted: Ids) -> Rows:
        """intp[m]: the index of each key, -1 where there is none. No key may be repeated."""
        at = self._table[self._slots(wanted)].astype(np.intp)
        found = (at >= 0) & (self._keys[at] == wanted)
        at[~found] = -1
        if len(self._sorted):
            rest = np.flatnonzero(~found)
            place = np.searchsorted(self._sorted, wanted[rest])
            place[place == len(self._sorted)] = 0
            there = self._sorted[place] == wanted[rest]
            at[rest[there]] = self._others[place[there]]
        return at

    def _slots(self, keys: Ids) -> Rows:
        return (keys >> self._shift).astype(np.intp)


def _entries(spans: Columns, up: Rows) -> Flags:
    kind = spans.kind
    calls = (kind == SpanKind.CLIENT) | (kind == SpanKind.PRODUCER)
    serves = (kind == SpanKind.SERVER) | (kind == SpanKind.CONSUMER)
    crosses = (up >= 0) & (spans.service != spans.service[up])
    entries: Flags = serves | (~calls & (crosses | (spans.parent == 0)))
    return entries


def _requests(spans: Columns, up: Rows, entry: Flags) -> Rows:
    """Pointer doubling towards the nearest entry: logarithmic in the depth of a trace."""
    n = len(up)
    ends = entry | (spans.parent == 0)
    step = np.append(np.where(ends, np.arange(n), np.where(up < 0, n, up)), n)
    for _ in range(n.bit_length() + 1):
        further = step[step]
        if np.array_equal(further, step):
            break
        step = further
    to = step[:-1]
    return np.where(to == n, -1, np.where(np.append(entry, False)[to], to, -2))
