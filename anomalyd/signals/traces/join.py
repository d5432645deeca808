"""Spans to their parents, their requests and the calls they are halves of. Pure functions.

Sorted by trace and span, a parent is one binary search away; everything after that is arithmetic
over indices.
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

_HALF = np.uint64(0xFFFFFFFF00000000)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_LOW = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Joined:
    """Spans by trace, each id once. up: intp[n], index of the parent, -1 for none or missing.

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
    """Order n spans by trace and find each one's parent and request."""
    keys = _keys(spans.trace, spans.span)
    order = np.argsort(keys)
    ordered = keys[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(again):
        order = np.argsort(keys, kind="stable")
        fresh = np.append(True, ordered[1:] != ordered[:-1])
        order, ordered = order[fresh], ordered[fresh]
    spans = spans.take(order)
    up = _parents(spans, ordered)
    entry = _entries(spans, up)
    return Joined(spans, up, entry, _requests(spans, up, entry), len(again))


def _keys(trace: Ids, span: Ids) -> Ids:
    return (trace & _HALF) | ((span * _MIX) >> _LOW)


def _parents(spans: Columns, keys: Ids) -> Rows:
    wanted = _keys(spans.trace, spans.parent)
    at = np.searchsorted(keys, wanted)
    np.minimum(at, len(keys) - 1, out=at)
    found = (spans.parent != 0) & (spans.span[at] == spans.parent)
    found &= (spans.trace[at] == spans.trace) & (spans.parent != spans.span)
    return np.where(found, at, -1)


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
    from the group's start. Groups lie one behind the other on one line, so that one running
    maximum serves all."""
    covered = np.zeros(n, dtype=np.int64)
    if not len(of):
        return covered
    groups, group = np.unique(of, return_inverse=True)
    line = group * LONGEST_NS
    order = np.argsort(line + begun)
    begun, ended = (line + begun)[order], (line + ended)[order]
    reached = np.maximum.accumulate(ended)
    before = np.append(0, reached[:-1])
    gained = np.maximum(ended - np.maximum(begun, before), 0)
    sums = np.bincount(group[order], weights=gained, minlength=len(groups))
    covered[groups] = sums.astype(np.int64)
    return covered


def unfinished(joined: Joined) -> Flags:
    """bool[n]: spans that belong to a request which has not arrived, though its trace says so."""
    spans, up, request = joined.spans, joined.up, joined.request
    waits = ~joined.entry & (request == -1)
    outside = joined.entry & (up >= 0) & ~_is_call(spans.kind)[up] & (request[up] == -1)
    return waits | outside
