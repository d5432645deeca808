"""A few spans of every service and half minute are kept, so that an incident has traces to show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from anomalyd.model import Exemplar, Labels, Rows
from anomalyd.signals.identity import Canonical
from anomalyd.signals.traces.folding import fold
from anomalyd.spans import SpanKind, Spans

SLOT_SECONDS = 30.0
KEEP_SECONDS = 1800.0
SLOWEST, FAILED, USUAL = 2, 2, 1
"""Of each service and slot."""
SERVICES = 500
BODIES = 20
"""Looked at per second; under a load that sends more, bad traces are plenty."""

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Kept:
    trace: str
    operation: str
    start: float
    duration: float
    failed: bool


@dataclass(slots=True)
class _Slot:
    slowest: list[_Kept] = field(default_factory=list)
    failed: list[_Kept] = field(default_factory=list)
    usual: list[_Kept] = field(default_factory=list)

    def take(self, one: _Kept) -> None:
        """The slowest, the first that failed, and any: each trace once in each list."""
        if one.failed and len(self.failed) < FAILED and not _has(self.failed, one):
            self.failed.append(one)
        if not one.failed and len(self.usual) < USUAL:
            self.usual.append(one)
        known = next((kept for kept in self.slowest if kept.trace == one.trace), None)
        if known is not None and known.duration < one.duration:
            self.slowest.remove(known)
        if known is None or known.duration < one.duration:
            self.slowest = sorted([*self.slowest, one], key=_by_duration)[:SLOWEST]

    def all(self) -> Iterator[_Kept]:
        yield from (*self.slowest, *self.failed, *self.usual)


class Reservoir:
    """Of the requests that services served. Bounded: some megabytes, whatever is sent."""

    def __init__(self, canonical: Canonical) -> None:
        self._canonical = canonical
        self._names: dict[Labels, str] = {}
        self._of: dict[str, dict[int, _Slot]] = {}
        self._second, self._bodies = 0, 0

    def __len__(self) -> int:
        slots = (slot for of in self._of.values() for slot in of.values())
        return sum(1 for slot in slots for _ in slot.all())

    def take(self, spans: Spans, now: float) -> None:
        """Of each service in `spans`, which came at `now` (unix seconds): the slowest request,
        one that failed and one in the middle."""
        if int(now) != self._second:
            self._second, self._bodies = int(now), 0
        self._bodies += 1
        if self._bodies > BODIES:
            return
        for index in _chosen(spans):
            self._keep(spans, int(index), now)

    def find(
        self,
        service: str,
        start: float,
        end: float,
        *,
        operation: str = "",
        failed: bool | None = None,
        above: float | None = None,
        upto: float | None = None,
    ) -> list[Exemplar]:
        """Requests to `service` that began within [start, end], unix seconds, the slowest first.

        failed: only those that did, or did not; above, upto: bounds of their seconds. Each trace
        once.
        """
        slots = self._of.get(service, {})
        near = range(int(start // SLOT_SECONDS), int(end // SLOT_SECONDS) + 2)
        kept = [one for slot in slots if slot in near for one in slots[slot].all()]
        wanted = [
            one
            for one in kept
            if start <= one.start <= end
            and (not operation or one.operation == operation)
            and (failed is None or one.failed is failed)
            and (above is None or one.duration > above)
            and (upto is None or one.duration <= upto)
        ]
        return [
            Exemplar(one.trace, service, one.operation, one.start, one.duration)
            for one in _each_once(sorted(wanted, key=_by_duration))
        ]

    def _keep(self, spans: Spans, index: int, now: float) -> None:
        service = self._service(spans.resources[int(spans.resource[index])])
        start, duration = int(spans.start[index]) / 1e9, max(0, int(spans.duration[index])) / 1e9
        if not service or not now - KEEP_SECONDS <= start + duration <= now + SLOT_SECONDS:
            return
        if service not in self._of and len(self._of) >= SERVICES:
            return
        slots = self._of.setdefault(service, {})
        number = int((start + duration) // SLOT_SECONDS)
        if number not in slots:
            oldest = int((now - KEEP_SECONDS) // SLOT_SECONDS)
            for old in [slot for slot in slots if slot < oldest]:
                del slots[old]
        high, low = (int(half) for half in spans.trace[index])
        slots.setdefault(number, _Slot()).take(
            _Kept(
                f"{high:016x}{low:016x}",
                fold(spans.operations[int(spans.operation[index])]),
                start,
                duration,
                bool(spans.failed[index]),
            )
        )

    def _service(self, resource: Labels) -> str:
        known = self._names.get(resource)
        if known is None:
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            known = self._names[resource] = self._canonical.service(resource)
        return known


def _chosen(spans: Spans) -> Rows:
    """Of each resource: the slowest request, the one in the middle, and the first that failed."""
    served = np.flatnonzero((spans.kind == SpanKind.SERVER) | (spans.kind == SpanKind.CONSUMER))
    if not len(served):
        return served
    resource = spans.resource[served]
    order = np.lexsort((-spans.duration[served], resource))
    starts = np.flatnonzero(np.diff(resource[order], prepend=-1))
    ends = np.append(starts[1:], len(order))
    middle = order[(starts + ends) // 2]
    failing = served[spans.failed[served]]
    _, first = np.unique(spans.resource[failing], return_index=True)
    return np.concatenate([served[order[starts]], served[middle], failing[first]])


def _by_duration(one: _Kept) -> tuple[float, str]:
    return -one.duration, one.trace


def _has(kept: Iterable[_Kept], one: _Kept) -> bool:
    return any(other.trace == one.trace for other in kept)


def _each_once(kept: Iterable[_Kept]) -> list[_Kept]:
    found: dict[str, _Kept] = {}
    for one in kept:
        found.setdefault(one.trace, one)
    return list(found.values())
