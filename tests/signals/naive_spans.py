"""RED of spans the slow and obvious way: one object per span, all of them at hand at once."""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomalyd.model import Labels
from anomalyd.spans import SpanKind, Spans

START = 1_700_000_000
"""Unix seconds; a multiple of every step in use."""

SECOND = 10**9

MAKES = (SpanKind.CLIENT, SpanKind.PRODUCER)
TAKES = (SpanKind.SERVER, SpanKind.CONSUMER)
INNER = (SpanKind.INTERNAL, SpanKind.UNSPECIFIED)


@dataclass(frozen=True)
class Span:
    """start: ns after `START`; duration: ns."""

    span: int
    parent: int = 0
    service: str = "a"
    kind: SpanKind = SpanKind.SERVER
    start: int = 0
    duration: int = SECOND
    failed: bool = False
    weight: float = 1.0
    operation: str = "GET /"
    peer: str = ""
    trace: int = 1

    @property
    def end(self) -> int:
        return self.start + self.duration


def columns(spans: Sequence[Span]) -> Spans:
    """The same spans as receivers hand them over."""
    services = sorted({one.service for one in spans})
    operations = sorted({one.operation for one in spans})
    peers = ["", *sorted({one.peer for one in spans} - {""})]
    return Spans(
        trace=np.array([(0, one.trace) for one in spans], dtype=np.uint64).reshape(-1, 2),
        span=np.array([one.span for one in spans], dtype=np.uint64),
        parent=np.array([one.parent for one in spans], dtype=np.uint64),
        start=np.array([START * SECOND + one.start for one in spans], dtype=np.int64),
        duration=np.array([one.duration for one in spans], dtype=np.int64),
        kind=np.array([one.kind for one in spans], dtype=np.uint8),
        failed=np.array([one.failed for one in spans], dtype=bool),
        weight=np.array([one.weight for one in spans], dtype=np.float64),
        resource=np.array([services.index(one.service) for one in spans], dtype=np.intp),
        operation=np.array([operations.index(one.operation) for one in spans], dtype=np.intp),
        peer=np.array([peers.index(one.peer) for one in spans], dtype=np.intp),
        resources=tuple(Labels.of({"service_name": name}) for name in services),
        operations=tuple(operations),
        peers=tuple(peers),
    )


@dataclass(frozen=True)
class Event:
    """What is counted once: a request, or a call; end and duration in ns."""

    end: int
    duration: int
    failed: bool
    weight: float
    root: bool = False


class Naive:
    """All spans of a test, each id once."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = spans
        self._by_id = {(one.trace, one.span): one for one in spans}
        self._children: dict[tuple[int, int], list[Span]] = defaultdict(list)
        for one in spans:
            if self.up(one) is not None:
                self._children[one.trace, one.parent].append(one)

    def up(self, one: Span) -> Span | None:
        found = self._by_id.get((one.trace, one.parent)) if one.parent else None
        return None if found is one else found

    def is_request(self, one: Span) -> bool:
        return one.kind in TAKES or (one.kind in INNER and not one.parent)

    def takes_over(self, one: Span) -> bool:
        up = self.up(one)
        crosses = up is not None and up.service != one.service
        return one.kind in TAKES or (one.kind not in MAKES and (crosses or not one.parent))

    def request_of(self, one: Span | None) -> Span | None:
        seen = set()
        while one is not None and one.span not in seen and not self.takes_over(one):
            seen.add(one.span)
            one = self.up(one)
        return one if one is not None and self.takes_over(one) else None

    def requests(self) -> dict[tuple[str, str], list[Event]]:
        """By service and operation."""
        found = defaultdict(list)
        for one in self.spans:
            if self.is_request(one):
                event = Event(one.end, one.duration, one.failed, one.weight, not one.parent)
                found[one.service, one.operation].append(event)
        return found

    def own(self) -> dict[tuple[str, str], list[Event]]:
        """As `requests`, with own time for duration."""
        found = defaultdict(list)
        for one in self.spans:
            if self.is_request(one):
                event = Event(one.end, self.own_time(one), False, one.weight)
                found[one.service, one.operation].append(event)
        return found

    def own_time(self, request: Span) -> int:
        return request.duration - _union(self.waits(request))

    def waits(self, request: Span) -> list[tuple[int, int]]:
        """When it waited for others."""
        waits = []
        for one in self.spans:
            up = self.up(one)
            made = one.kind in MAKES and not self.takes_over(one)
            direct = (
                self.takes_over(one)
                and up is not None
                and up.kind not in MAKES
                and one.kind is not SpanKind.CONSUMER
            )
            if (made and self.request_of(one) is request) or (
                direct and self.request_of(up) is request
            ):
                waits.append(_within(one, request, direct))
        return waits

    def calls(self) -> dict[tuple[str, str], list[Event]]:
        """By caller and callee."""
        found = defaultdict(list)
        for client, server, event, _ in self.made():
            found[client, server].append(event)
        return found

    def made(self) -> Iterator[tuple[str, str, Event, Span | None]]:
        """Every call: caller, callee, the call, and the request that made it."""
        for one in self.spans:
            up = self.up(one)
            event = Event(one.end, one.duration, one.failed, one.weight)
            if self.takes_over(one) and up is not None and up.kind is SpanKind.CLIENT:
                both = replace(event, failed=one.failed or up.failed, weight=up.weight)
                yield up.service, one.service, both, self.request_of(up)
            elif self.takes_over(one) and up is not None and up.service != one.service:
                yield up.service, one.service, event, self.request_of(up)
            if one.peer and (one.kind is SpanKind.PRODUCER or self._is_last(one)):
                yield one.service, one.peer, event, self.request_of(one)

    def way(self, request: Span | None) -> list[Span]:
        """The requests from this one up to where its trace begins; none if that is not known."""
        way: list[Span] = []
        while request is not None and request not in way:
            way.append(request)
            if not request.parent:
                return way
            request = self.request_of(self.up(request))
        return []

    def shape(self) -> dict[str, dict[tuple[str, ...], list[float]]]:
        """Entries, edges and services as in `Shape`."""
        entries, services = defaultdict(lambda: [0.0] * 3), defaultdict(lambda: [0.0] * 4)
        edges: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0] * 6)
        ways = [way for one in self.spans if self.takes_over(one) and (way := self.way(one))]
        for way in ways:
            begin, here = way[-1], way[0]
            key = begin.service, begin.operation
            if here is begin:
                depth = max(len(other) for other in ways if other[-1] is begin)
                entries[key] = _sum(entries[key], [1, depth, begin.duration / 1e9])
            waits = self.waits(here)
            parts = [ended - begun for begun, ended in waits]
            at_once = len(waits) > 1 and sum(parts) > 1.05 * _union(waits)
            own = [1, self.own_time(here) / 1e9, len(waits) > 1, at_once]
            services[*key, here.service] = _sum(services[*key, here.service], own)
        for (begin, client, server), calls in self._calls_by_trace().items():
            failed_at = [(id(asker), e.end - e.duration) for asker, e in calls if e.failed]
            again = [
                any(who == id(asker) and at < e.end - e.duration for who, at in failed_at)
                for asker, e in calls
            ]
            passed = [e.failed and asker.failed for asker, e in calls]
            failed, n = [e.failed for _, e in calls], len(calls)
            key = begin.service, begin.operation, client, server
            edges[key] = _sum(edges[key], [1, n, n * n, sum(failed), sum(passed), sum(again)])
        return {"entries": entries, "edges": edges, "services": services}

    def _calls_by_trace(self) -> dict[tuple[Span, str, str], list[tuple[Span, Event]]]:
        found = defaultdict(list)
        for client, server, event, asker in self.made():
            if asker is not None and (way := self.way(asker)):
                found[way[-1], client, server].append((asker, event))
        return found

    def _is_last(self, one: Span) -> bool:
        """Whether a client's span is the only sign of what it called."""
        below = self._children[one.trace, one.span]
        inner = [child for child in below if child.kind is SpanKind.CLIENT]
        return (
            one.kind is SpanKind.CLIENT
            and not any(self.takes_over(child) for child in below)
            and not any(child.peer or self._answered(child) for child in inner)
        )

    def _answered(self, one: Span) -> bool:
        return any(self.takes_over(child) for child in self._children[one.trace, one.span])


def _union(intervals: Sequence[tuple[int, int]]) -> int:
    """The length that any of them covers, swept."""
    edges = sorted({at for pair in intervals for at in pair})
    return sum(
        high - low
        for low, high in itertools.pairwise(edges)
        if any(begun <= low and high <= ended for begun, ended in intervals)
    )


def _sum(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [a + b for a, b in zip(one, other, strict=True)]


def _within(one: Span, request: Span, elsewhere: bool) -> tuple[int, int]:
    """The part of a request that a call covers; another host's clock may be off."""
    begun, ended = one.start, one.end
    outside = begun < request.start or ended > request.end
    if elsewhere and outside and one.duration <= request.duration:
        begun = request.start + (request.duration - one.duration) // 2
        ended = begun + one.duration
    begun = min(max(begun, request.start), request.end)
    return begun, min(max(ended, request.start), request.end)


def quantile(events: Sequence[Event], bounds: Sequence[float], wanted: float) -> float:
    """`histogram_quantile` over buckets with upper `bounds` in seconds, the last infinite."""
    counts = [0.0] * len(bounds)
    for event in events:
        counts[bisect.bisect_left(bounds, event.duration / 1e9)] += event.weight
    rank, below = wanted * sum(counts), 0.0
    for at, count in enumerate(counts):
        if below + count >= rank or at == len(counts) - 1:
            low = bounds[at - 1] if at else 0.0
            inside = low if at == len(counts) - 1 else bounds[at]
            return low + (inside - low) * ((rank - below) / count if count else 0.0)
        below += count
    raise AssertionError("a histogram has buckets")
