"""Calls between services, and the time that requests spend waiting for them. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows
from anomalyd.signals.traces.join import Joined
from anomalyd.spans import Flags, Nanoseconds, SpanKind

LONGEST_NS = 2**42
"""73 minutes: of what lasts longer, own time is not told."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls that are complete, one of each. index: intp[m] of the spans that stand for them.

    request: intp[m], the index of the request that made each, or as in `Joined`. caller: service
    numbers; callee: nodes. end, duration: ns, as the callee has them where it is instrumented,
    else as the caller. wait: ns of the caller's span that the callee's does not cover, -1 where the
    caller has no span of the call. unpaired: calls whose callee nothing tells.
    """

    index: Rows
    request: Rows
    caller: NDArray[np.int32]
    callee: Rows
    end: Nanoseconds
    duration: Nanoseconds
    failed: Flags
    weight: Floats
    wait: Nanoseconds
    unpaired: int


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
    answered_in = np.where(half[index], spans.duration[index], 0)
    waited = np.maximum(spans.duration[by_client] - answered_in, 0)
    return Calls(
        index=by_client,
        request=joined.request[callers],
        caller=spans.service[callers],
        callee=np.where(joined.entry[index], nodes[spans.service[index]], spans.node[index]),
        end=(spans.start + spans.duration)[index],
        duration=spans.duration[index],
        failed=spans.failed[index] | spans.failed[by_client],
        weight=spans.weight[by_client],
        wait=np.where((client | producer)[by_client], waited, -1),
        unpaired=int(np.count_nonzero(unpaired)),
    )


@dataclass(frozen=True, slots=True)
class Waits:
    """While requests waited for others. of: intp[m], the request; begun, ended: int64[m], ns from
    its start and within it."""

    of: Rows
    begun: Nanoseconds
    ended: Nanoseconds


def waits(joined: Joined) -> Waits:
    """Calls under way, however deep inside its own service a request made them.

    A callee without a client half is another host's clock: it is cut to the caller's span, or
    centred in it where it lies outside but would fit (as Jaeger's clock skew adjuster does).
    Requests of `LONGEST_NS` and more are left out.
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
    return Waits(of, np.clip(begun, low, high) - low, np.clip(ended, low, high) - low)


def own_time(joined: Joined, waited: Waits) -> Nanoseconds:
    """int64[n]: of each entry, its duration less the time in which it waited for others, calls at
    the same time counted once; -1 for spans that are no entries or last too long."""
    spans = joined.spans
    told = joined.entry & (spans.duration < LONGEST_NS)
    return np.where(told, spans.duration - covered(waited, len(spans)), -1)


def _waiting(joined: Joined) -> Rows:
    """intp[n]: the request that waits during each span, -1 where none does."""
    kind, up = joined.spans.kind, joined.up
    called = ~joined.entry & ((kind == SpanKind.CLIENT) | (kind == SpanKind.PRODUCER))
    outside = joined.entry & (up >= 0) & (kind != SpanKind.CONSUMER) & ~_is_call(kind)[up]
    return np.where(called, joined.request, np.where(outside, joined.request[up], -1))


def _is_call(kind: NDArray[np.uint8]) -> Flags:
    made: Flags = (kind == SpanKind.CLIENT) | (kind == SpanKind.PRODUCER)
    return made


def covered(waited: Waits, n: int) -> Nanoseconds:
    """int64[n]: how long each of n <= 2^21 spans waited: the length of a union of intervals.

    Requests lie one behind the other on one line, so that one running maximum serves all.
    """
    if not len(waited.of):
        return np.zeros(n, dtype=np.int64)
    line = waited.of * LONGEST_NS
    order = np.argsort(line + waited.begun)
    begun, ended = (line + waited.begun)[order], (line + waited.ended)[order]
    reached = np.maximum.accumulate(ended)
    before = np.append(0, reached[:-1])
    gained = np.maximum(ended - np.maximum(begun, before), 0)
    return np.bincount(waited.of[order], weights=gained, minlength=n).astype(np.int64)


def unfinished(joined: Joined) -> Flags:
    """bool[n]: spans that belong to a request which has not arrived, though its trace says so."""
    spans, up, request = joined.spans, joined.up, joined.request
    waits = ~joined.entry & (request == -1)
    outside = joined.entry & (up >= 0) & ~_is_call(spans.kind)[up] & (request[up] == -1)
    return waits | outside
