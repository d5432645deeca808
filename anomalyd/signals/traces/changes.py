"""What changed in the shape of traces, with its evidence. Pure functions.

Shares and means are compared by their intervals: a change is told where the intervals of both sides
lie apart by more than does not matter, never for one odd trace.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from anomalyd.model import Estimate, Floats, Reshaped, ShapeChange
from anomalyd.signals.traces.shape import OfEdge, OfEntry, OfService, Shape

Z = 4.0
"""Standard errors to either side: of thirty thousand comparisons of the same, one is told."""

LEAST_TRACES = 50.0
"""Of an entry operation, on both sides, before anything is said of it."""

LEAST_SUPPORT = 10.0
"""Traces, calls or requests that show a change."""

MORE_CALLS, FEWER_AT_ONCE = 1.5, 0.5
"""Calls per request that are this many times production's; requests with calls at the same time
that are this share of production's."""

SMALL_SHARE = 0.01
"""A difference of shares that does not matter."""


def changes(staging: Shape, production: Shape) -> list[ShapeChange]:
    """What staging's traces do otherwise, by entry, client, server and kind. Entries that either
    side has fewer than `LEAST_TRACES` of are passed over."""
    found = [*_of_edges(staging, production), *_of_services(staging, production)]
    return sorted(found, key=lambda c: (c.service, c.operation, c.client, c.server, c.kind))


def _of_edges(staging: Shape, production: Shape) -> Iterator[ShapeChange]:
    for key in dict.fromkeys((*staging.edges, *production.edges)):
        service, operation, client, server = key
        ours = _Edge(staging, key)
        theirs = _Edge(production, key)
        if min(ours.traces, theirs.traces) < LEAST_TRACES:
            continue
        for kind, one, other in _edge_changes(ours, theirs):
            yield ShapeChange(kind, service, operation, client, server, one, other)


def _edge_changes(ours: _Edge, theirs: _Edge) -> Iterator[tuple[Reshaped, Estimate, Estimate]]:
    called, known = ours.called(), theirs.called()
    if not theirs.sums[OfEdge.TRACES] and _more(called, known, ours.sums[OfEdge.TRACES]):
        yield Reshaped.NEW_EDGE, called, known
        return
    if not ours.sums[OfEdge.TRACES] and _more(known, called, theirs.sums[OfEdge.TRACES]):
        yield Reshaped.MISSING_EDGE, called, known
        return
    again, before = ours.again(), theirs.again()
    retries = _more(again, before, ours.sums[OfEdge.AGAIN])
    if retries:
        yield Reshaped.RETRIES, again, before
    calls, usual = ours.calls(), theirs.calls()
    if not retries and calls.low > MORE_CALLS * usual.high and usual.value > 0:
        yield Reshaped.MORE_CALLS, calls, usual
    passed, never = ours.passed_on(), theirs.passed_on()
    if _more(passed, never, ours.sums[OfEdge.PASSED_ON]):
        yield Reshaped.ERROR_PATH, passed, never


def _of_services(staging: Shape, production: Shape) -> Iterator[ShapeChange]:
    for key in staging.services.keys() & production.services.keys():
        service, operation, client = key
        now, before = _at_once(staging.services[key]), _at_once(production.services[key])
        if min(now.of, before.of) >= LEAST_TRACES and now.high < FEWER_AT_ONCE * before.low:
            yield ShapeChange(Reshaped.SERIAL, service, operation, client, "", now, before)


class _Edge:
    """One edge in the traces of one entry operation."""

    def __init__(self, shape: Shape, key: tuple[str, ...]) -> None:
        nothing = (0.0,) * len(OfEdge)
        self.sums = shape.edges.get(key, nothing)
        self.traces = float(shape.entries.get(key[:2], (0.0,) * len(OfEntry))[OfEntry.TRACES])

    def called(self) -> Estimate:
        return share(self.sums[OfEdge.TRACES], self.traces)

    def again(self) -> Estimate:
        return share(self.sums[OfEdge.AGAIN], self.sums[OfEdge.CALLS])

    def passed_on(self) -> Estimate:
        """At most one of each trace is counted."""
        return share(min(self.sums[OfEdge.PASSED_ON], self.traces), self.traces)

    def calls(self) -> Estimate:
        return mean(self.sums[OfEdge.CALLS], self.sums[OfEdge.SQUARES], self.traces)


def _at_once(sums: Floats) -> Estimate:
    return share(float(sums[OfService.AT_ONCE]), float(sums[OfService.SEVERAL]))


def _more(ours: Estimate, theirs: Estimate, support: float) -> bool:
    return support >= LEAST_SUPPORT and ours.low > theirs.high + SMALL_SHARE


def share(part: float, whole: float) -> Estimate:
    """Wilson's score interval (Wilson, "Probable inference", JASA 1927); (0, 1) of nothing."""
    if whole <= 0:
        return Estimate(math.nan, 0.0, 1.0, 0.0)
    p, z2 = part / whole, Z * Z / whole
    middle = (p + z2 / 2) / (1 + z2)
    half = Z / (1 + z2) * math.sqrt(p * (1 - p) / whole + z2 / (4 * whole))
    low = max(middle - half, 0.0) if part > 0 else 0.0
    return Estimate(p, low, min(middle + half, 1.0) if part < whole else 1.0, whole)


def mean(total: float, squares: float, n: float) -> Estimate:
    """Of n values with this sum and sum of squares, by their standard error."""
    if n <= 0:
        return Estimate(math.nan, 0.0, math.inf, 0.0)
    value = total / n
    error = Z * math.sqrt(max(squares / n - value * value, 0.0) / n)
    return Estimate(value, max(value - error, 0.0), value + error, n)
