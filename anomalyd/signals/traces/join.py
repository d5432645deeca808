"""Spans to their parents, their requests and the calls they are halves of. Pure functions.

A hash table leads from an id to its span; everything after that is arithmetic over indices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows
from anomalyd.signals.traces.open import Columns
from anomalyd.spans import Flags, Ids, Nanoseconds, SpanKind

LONGEST_NS = 2**42
"""73 minutes: of what lasts longer, own time is not told."""

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


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls that are complete, one of each. index: intp[m] of the spans that stand for them.

    caller: service numbers; callee: nodes. end, duration: ns, as the callee has them where it is
    instrumented, else as the caller. unpaired: calls whose callee nothing tells.
    """

    index: Rows
    caller: NDArray[np.int32]
    callee: Rows
    end: Nanoseconds
    duration: Nanoseconds
    failed: Flags
    weight: Floats
    unpaired: int


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


def calls(joined: Joined, nodes: Rows) -> Calls:
    """The calls of spans not `told` before; nodes: intp[services], the node of each service.

    A client's and a server's half are one call. A server that was reached without a client half
    counts by itself. A client without a server half counts if it names what it called and no
    client call inside it is one (a driver inside a client library).
    """
    spans, up, kind = joined.spans, joined.up, joined.spans.kind
    client, producer = kind == SpanKind.CLIENT, kind == SpanKind.PRODUCER
    has_up = up >= 0
    half = joined.entry & has_up & client[up]
    alone = joined.entry & has_up & ~half & (spans.service != spans.service[up])
    answered = np.zeros(len(spans), dtype=bool)
    answered[up[half]] = True
    named = spans.node >= 0
    inside = client & has_up & client[up] & (answered | named)
    covered = np.zeros(len(spans), dtype=bool)
    covered[up[inside]] = True
    leaf = client & ~answered & ~covered
    half &= ~spans.told[up]
    other = (alone | (producer & named) | (leaf & named)) & ~spans.told
    served = np.flatnonzero(half)
    index = np.concatenate([served, np.flatnonzero(other)])
    callers = np.where(half | alone, up, np.arange(len(up)))[index]
    by_client = np.where(half, up, np.arange(len(up)))[index]
    unpaired = leaf & ~named & ~spans.told & ~spans.parked
    return Calls(
        index=by_client,
        caller=spans.service[callers],
        callee=np.where(joined.entry[index], nodes[spans.service[index]], spans.node[index]),
        end=(spans.start + spans.duration)[index],
        duration=spans.duration[index],
        failed=spans.failed[index] | spans.failed[by_client],
        weight=spans.weight[by_client],
        unpaired=int(np.count_nonzero(unpaired)),
    )


def own_time(joined: Joined) -> Nanoseconds:
    """int64[n]: of each entry, its duration less the time in which it waited for others; -1 for
    spans that are no entries or last too long.

    It waits while a call of its own is under way (the union of them: parallel calls count once),
    however deep inside its own service it was made. A callee without a client half is another
    host's clock: it is cut to the caller's span, or centred in it where it lies outside but would
    fit (as Jaeger's clock skew adjuster does).
    """
    spans, request = joined.spans, _waiting(joined)
    start, end = spans.start, spans.start + spans.duration
    which = np.flatnonzero(request >= 0)
    which = which[spans.duration[request[which]] < LONGEST_NS]
    of = request[which]
    low, high, begun, ended = start[of], end[of], start[which], end[which]
    beyond = joined.entry[which] & ((begun < low) | (ended > high)) & (ended - begun <= high - low)
    begun = np.where(beyond, low + (high - low - (ended - begun)) // 2, begun)
    ended = np.where(beyond, begun + spans.duration[which], ended)
    begun, ended = np.clip(begun, low, high) - low, np.clip(ended, low, high) - low
    covered = _covered(of, begun, ended, len(spans))
    told = joined.entry & (spans.duration < LONGEST_NS)
    return np.where(told, spans.duration - covered, -1)


def _waiting(joined: Joined) -> Rows:
    """intp[n]: the request that waits during each span, -1 where none does."""
    kind, up = joined.spans.kind, joined.up
    called = ~joined.entry & ((kind == SpanKind.CLIENT) | (kind == SpanKind.PRODUCER))
    outside = joined.entry & (up >= 0) & (kind != SpanKind.CONSUMER) & ~_is_call(kind)[up]
    return np.where(called, joined.request, np.where(outside, joined.request[up], -1))


def _is_call(kind: NDArray[np.uint8]) -> Flags:
    made: Flags = (kind == SpanKind.CLIENT) | (kind == SpanKind.PRODUCER)
    return made


def _covered(of: Rows, begun: Nanoseconds, ended: Nanoseconds, n: int) -> Nanoseconds:
    """int64[n]: length of the union of the intervals [begun, ended] of each group `of`; ns < 2^42
    from the group's start; n <= 2^21. Groups lie one behind the other on one line, so that one
    running maximum serves all."""
    if not len(of):
        return np.zeros(n, dtype=np.int64)
    line = of * LONGEST_NS
    order = np.argsort(line + begun)
    begun, ended = (line + begun)[order], (line + ended)[order]
    reached = np.maximum.accumulate(ended)
    before = np.append(0, reached[:-1])
    gained = np.maximum(ended - np.maximum(begun, before), 0)
    return np.bincount(of[order], weights=gained, minlength=n).astype(np.int64)


def unfinished(joined: Joined) -> Flags:
    """bool[n]: spans that belong to a request which has not arrived, though its trace says so."""
    spans, up, request = joined.spans, joined.up, joined.request
    waits = ~joined.entry & (request == -1)
    outside = joined.entry & (up >= 0) & ~_is_call(spans.kind)[up] & (request[up] == -1)
    return waits | outside
