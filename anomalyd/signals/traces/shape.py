"""The shape of traces: per entry operation which edges are called, how often, in what manner."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from anomalyd.model import Floats, Rows
from anomalyd.signals.traces.calls import Calls, Waits, covered
from anomalyd.signals.traces.join import Joined
from anomalyd.spans import Flags, Nanoseconds

LEAST = 0.5
"""Traces or requests: what counts less is forgotten."""

OVERLAP = 1.05
"""Calls that last this many times as long together as one after another were made at once."""

Sums = dict[tuple[str, ...], Floats]


class OfEntry(IntEnum):
    """Columns of what is known of an entry operation. DEPTH: services passed at the deepest, summed
    over traces; DURATION: seconds."""

    TRACES = 0
    DEPTH = 1
    DURATION = 2


class OfEdge(IntEnum):
    """Columns of an edge in the traces of one entry operation. TRACES: in which it was called.
    SQUARES: of each trace's calls. PASSED_ON: failed calls whose caller's request failed, too.
    AGAIN: calls made after one on this edge, for the same request, had failed."""

    TRACES = 0
    CALLS = 1
    SQUARES = 2
    FAILED = 3
    PASSED_ON = 4
    AGAIN = 5


class OfService(IntEnum):
    """Columns of a service in the traces of one entry operation. OWN: seconds of own time.
    SEVERAL: requests in which it made several calls; AT_ONCE: those in which they overlap."""

    REQUESTS = 0
    OWN = 1
    SEVERAL = 2
    AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """Sums over traces, so that shapes add and subtract. An entry is (service, operation).

    entries by entry; edges by (*entry, client, server); services by (*entry, service): arrays of
    float64 with the columns above.
    """

    entries: Sums = field(default_factory=dict)
    edges: Sums = field(default_factory=dict)
    services: Sums = field(default_factory=dict)

    def plus(self, other: Shape) -> Shape:
        """Both together."""
        return Shape(
            _plus(self.entries, other.entries),
            _plus(self.edges, other.edges),
            _plus(self.services, other.services),
        )

    def faded(self, to: float) -> Shape:
        """All of it counting only `to` as much, and what counts next to nothing forgotten."""
        return Shape(_faded(self.entries, to), _faded(self.edges, to), _faded(self.services, to))


def _plus(one: Sums, other: Sums) -> Sums:
    keys = dict.fromkeys((*one, *other))
    return {key: np.add(one.get(key, 0.0), other.get(key, 0.0)) for key in keys}


def _faded(sums: Sums, to: float) -> Sums:
    return {key: to * found for key, found in sums.items() if to * found[0] >= LEAST}


@dataclass(frozen=True, slots=True)
class Look:
    """The same by numbers: of operations, edges and services."""

    entries: dict[int, Floats]
    edges: dict[tuple[int, int], Floats]
    services: dict[tuple[int, int], Floats]


def look(joined: Joined, made: Calls, edges: Rows, own: Nanoseconds, waited: Waits) -> Look:
    """The shape of the traces that are here from their root on.

    edges: intp[m], the edge of each of the calls `made`; own: int64[n], own time, -1 for none.
    """
    root, hops = roots(joined)
    entries = np.flatnonzero(joined.entry & (root >= 0) & (own >= 0))
    operation = joined.spans.series.astype(np.intp)
    return Look(
        _entries(joined, entries, root, hops, operation),
        _edges(joined, made, edges, root, operation),
        _services(joined, entries, root, operation, own, waited),
    )


def roots(joined: Joined) -> tuple[Rows, Rows]:
    """(intp[n], intp[n]): of each entry the entry that its trace begins with, -1 where that is not
    here, and how many entries lie above it. Pointer doubling, as for requests."""
    n, up = len(joined.up), joined.up
    here = np.arange(n)
    above = np.where(joined.entry & (up >= 0), joined.request[up], here)
    step = np.append(np.where(above < 0, n, above), n)
    hops = (step != np.append(here, n)).astype(np.intp)
    for _ in range(n.bit_length() + 1):
        further = step[step]
        if np.array_equal(further, step):
            break
        hops += hops[step]
        step = further
    to = step[:-1]
    begins = np.append(joined.entry & (joined.spans.parent == 0), False)
    return np.where(joined.entry & begins[to], to, -1), hops[:-1]


def _entries(
    joined: Joined, entries: Rows, root: Rows, hops: Rows, operation: Rows
) -> dict[int, Floats]:
    begins = entries[root[entries] == entries]
    deepest = np.zeros(len(root), dtype=np.intp)
    np.maximum.at(deepest, root[entries], hops[entries] + 1)
    seconds = joined.spans.duration[begins] / 1e9
    one, depth = np.ones(len(begins)), deepest[begins].astype(np.float64)
    codes, sums = _summed(operation[begins], one, depth, seconds)
    return dict(zip(codes.tolist(), sums, strict=True))


def _edges(
    joined: Joined, made: Calls, edges: Rows, root: Rows, operation: Rows
) -> dict[tuple[int, int], Floats]:
    """Calls per trace first, since their squares are wanted."""
    known = np.flatnonzero(made.request >= 0)
    known = known[root[made.request[known]] >= 0]
    if not len(known):
        return {}
    request, edge, failed = made.request[known], edges[known], made.failed[known]
    passed_on = failed & joined.spans.failed[request]
    again = _again(request, edge, made.end[known] - made.duration[known], failed)
    width = int(edge.max()) + 1
    counted = np.ones(len(known)), failed, passed_on, again
    codes, of_trace = _summed(root[request] * width + edge, *counted)
    calls, *rest = of_trace.T
    by_operation = operation[codes // width] * width + codes % width
    out = _summed(by_operation, np.ones(len(codes)), calls, calls**2, *rest)
    return _by_pair(*out, width)


def _again(request: Rows, edge: Rows, start: Nanoseconds, failed: Flags) -> Flags:
    """bool[m]: calls that began after one of the same request and edge that failed had."""
    if not failed.any():
        return failed
    _, group = np.unique(request * (int(edge.max()) + 1) + edge, return_inverse=True)
    first = np.full(len(group), np.iinfo(np.int64).max)
    np.minimum.at(first, group[failed], start[failed])
    again: Flags = start > first[group]
    return again


def _services(
    joined: Joined, entries: Rows, root: Rows, operation: Rows, own: Nanoseconds, waited: Waits
) -> dict[tuple[int, int], Floats]:
    n = len(root)
    union = covered(waited, n)
    lengths = np.bincount(waited.of, weights=waited.ended - waited.begun, minlength=n)
    several = np.bincount(waited.of, minlength=n) > 1
    at_once = several & (lengths > OVERLAP * union)
    width = int(joined.spans.service.max(initial=0)) + 1
    key = operation[root[entries]] * width + joined.spans.service[entries]
    seconds = own[entries] / 1e9
    counted = seconds, several[entries], at_once[entries]
    return _by_pair(*_summed(key, np.ones(len(entries)), *counted), width)


def _summed(codes: Rows, *columns: Floats | Flags) -> tuple[Rows, Floats]:
    """(codes once each, ascending; float64[codes, columns] sums)"""
    distinct, back = np.unique(codes, return_inverse=True)
    sums = [np.bincount(back, weights=one, minlength=len(distinct)) for one in columns]
    return distinct, np.stack(sums, axis=1).astype(np.float64)


def _by_pair(codes: Rows, sums: Floats, width: int) -> dict[tuple[int, int], Floats]:
    pairs = zip((codes // width).tolist(), (codes % width).tolist(), strict=True)
    return dict(zip(pairs, sums, strict=True))
