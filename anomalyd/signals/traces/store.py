"""From spans to sums: what arrives is counted at once, what needs its trace once that is over."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from anomalyd.model import Floats, Rows
from anomalyd.signals.identity import Canonical
from anomalyd.signals.traces.buckets import Buckets
from anomalyd.signals.traces.calls import Calls, calls, own_time, unfinished, waits
from anomalyd.signals.traces.join import Joined, join
from anomalyd.signals.traces.names import Caps, Edges, Operations, Services
from anomalyd.signals.traces.open import Columns, OpenSpans, trace_hash
from anomalyd.signals.traces.shapes import Shapes
from anomalyd.signals.traces.slots import Slots
from anomalyd.signals.traces.steps import Steps
from anomalyd.spans import Flags, Nanoseconds, SpanKind, Spans, together

FAILED, EXCESS, ROOTS, BUCKETS = 0, 1, 2, 3
"""Columns of a series: weight of failures; sum of weight² less weight, for the sample behind the
weights; weight of roots; then a weight per bucket."""


TOGETHER = 4096
"""Spans of small batches that are counted at once; a tick counts those that there are."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds. lag: how long after its end a span is expected. hold: how long a trace is
    silent before it is taken to be over. patience: how long a span waits for its request. late:
    older spans are refused. ahead: spans that end later than this after now are refused. open:
    spans that may wait at once; caps: see there."""

    lag: float = 5.0
    hold: float = 10.0
    patience: float = 60.0
    late: float = 300.0
    ahead: float = 60.0
    open: int = 2**19
    caps: Caps = field(default_factory=Caps)


class SpanStore:
    """The sums of one environment's spans, per slot of `step` seconds and series.

    Each span counts in the slot in which it ended. One that comes after its slot was read counts
    in the first slot that was not: no window misses it, and none counts it twice. `counted` tells
    what was refused or could not be paired, by reason.
    """

    def __init__(self, canonical: Canonical, buckets: Buckets, step: float, limits: Limits) -> None:
        self.limits, self.buckets = limits, buckets
        self.services = Services(canonical, limits.caps.services)
        self.operations = Operations(self.services, limits.caps.operations)
        self.edges = Edges(self.services, limits.caps.callees)
        named = self.services, self.operations, self.edges
        self.shapes, self.steps = Shapes(*named), Steps(*named, canonical.run_label)
        self.width = BUCKETS + len(buckets)
        self.served, self.called, self.owned, self.asked = Slots(), Slots(), Slots(), Slots()
        self.counted: Counter[str] = Counter()
        self._step = round(step * 1e9)
        self._open = OpenSpans(limits.hold, limits.patience)
        self._heard: dict[int, Flags] = {}
        self._unread = self._unread_calls = -(2**62)
        self._came: list[Spans] = []
        self._waiting, self._came_at = 0, -math.inf

    def __len__(self) -> int:
        """Spans that wait: for their trace, or to be counted."""
        return len(self._open) + self._waiting

    def take(self, spans: Spans, now: float) -> None:
        """Count `spans`, which arrived at `now` (unix seconds, never less than before)."""
        if len(spans):
            self._came.append(spans)
            self._waiting += len(spans)
        self._came_at = now
        if self._waiting >= TOGETHER:
            self._take_in()

    def settle(self, now: float, *, everything: bool = False) -> None:
        """Count calls and own time of the traces that are over at `now`, or of all."""
        self._take_in()
        self._settle_due(now, everything)

    def _settle_due(self, now: float, everything: bool) -> None:
        oldest = math.inf if everything else now - self.limits.patience
        for part, due in enumerate(self._open.due(math.inf if everything else now)):
            if len(due):
                self._settle(join(due), now, oldest, shaped=not part)

    def _settle(self, joined: Joined, now: float, oldest: float, shaped: bool) -> None:
        """shaped: the shape of these traces is wanted, too; those of one part are enough."""
        self.counted["repeated"] += joined.repeated
        made, waited = calls(joined, np.array(self.services.node, dtype=np.intp)), waits(joined)
        own = own_time(joined, waited)
        edges = self._count_calls(joined, made, now)
        self._count_own_time(joined, own, now)
        if shaped:
            self.shapes.add(joined, made, edges, own, waited)
            unread = self._unread_calls
            self.steps.add(joined, made, edges, own, lambda end: self._slots(end, now, unread))
        missing = unfinished(joined)
        patient = joined.spans.arrived > oldest
        self.counted["request_missing"] += int(np.count_nonzero(missing & ~patient))
        self._open.park(joined.spans.take(np.flatnonzero(missing & patient)))

    def read_to(self, slot: int, calls_slot: int) -> None:
        """Slots up to these were read, of requests and of calls: what is late counts after them."""
        self._unread = max(self._unread, slot + 1)
        self._unread_calls = max(self._unread_calls, calls_slot + 1)

    def forget(self, before: int) -> None:
        """Slots under `before` will not be read again."""
        for slots in (self.served, self.called, self.owned, self.asked, self.steps):
            slots.forget(before)
        for slot in [slot for slot in self._heard if slot < before]:
            del self._heard[slot]

    def slot(self, time: float) -> int:
        """The last slot that ended by `time`, unix seconds."""
        return int(round(time * 1e9) // self._step) - 1

    def end(self, slot: int) -> float:
        """When a slot ends, unix seconds."""
        return (slot + 1) * self._step / 1e9

    def heard(self, first: int, last: int) -> Flags:
        """bool[services]: of which any span arrived in these slots."""
        out = np.zeros(len(self.services), dtype=bool)
        for slot, found in self._heard.items():
            if first <= slot <= last:
                out[: len(found)] |= found
        return out

    def _take_in(self) -> None:
        """What came, small batches as one: most of the cost of a small one is not its spans'."""
        came, self._came, self._waiting = self._came, [], 0
        most = max(self.limits.open // 4, 1)
        for spans in [together(came)] if came else []:
            for first in range(0, len(spans), most):
                self._take(spans, slice(first, first + most), self._came_at)

    def _take(self, spans: Spans, part: slice, now: float) -> None:
        columns, operation = self._columns(spans, part, now)
        if not len(columns):
            return
        service = columns.service.astype(np.intp)
        self._note_heard(service, now)
        serving = np.flatnonzero(_serves(columns))
        if len(serving):
            names = spans.operations
            series = self.operations.of(service[serving], operation[serving], names)
            columns.series[serving] = series
            self._count_served(columns, serving, now)
        if len(self._open) + len(columns) > self.limits.open:
            self.counted["crowded_out"] += len(self._open)
            self._settle_due(now, True)
        self._open.add(columns, now)

    def _columns(self, spans: Spans, part: slice, now: float) -> tuple[Columns, Rows]:
        """The spans that are let in, and their operations."""
        services = self.services.of(spans.resources).astype(np.int32)
        start, duration = spans.start[part], np.maximum(spans.duration[part], 0)
        service = services[spans.resource[part]]
        n = len(start)
        found = Columns(
            trace=trace_hash(spans.trace[part]),
            span=spans.span[part],
            parent=spans.parent[part],
            start=start,
            duration=duration,
            kind=spans.kind[part],
            failed=spans.failed[part],
            weight=spans.weight[part],
            service=service,
            series=np.full(n, -1, dtype=np.int32),
            node=self.services.peers(spans.peers).astype(np.int32)[spans.peer[part]],
            arrived=np.full(n, now),
            told=np.zeros(n, dtype=bool),
            parked=np.zeros(n, dtype=bool),
        )
        wanted = self._admitted(found, now)
        operation = spans.operation[part]
        return (
            (found, operation)
            if wanted.all()
            else (found.take(np.flatnonzero(wanted)), operation[wanted])
        )

    def _admitted(self, spans: Columns, now: float) -> Flags:
        end = spans.start + spans.duration
        late = end < round((now - self.limits.late) * 1e9)
        ahead = end > round((now + self.limits.ahead) * 1e9)
        nameless = spans.service < 0
        weightless = ~((spans.weight > 0) & (spans.weight < 1e9))
        refused = {"late": late, "ahead": ahead, "no_service": nameless, "weight": weightless}
        wanted = np.ones(len(end), dtype=bool)
        for reason, which in refused.items():
            if which.any():
                self.counted[reason] += int(np.count_nonzero(which & wanted))
                wanted &= ~which
        return wanted

    def _note_heard(self, service: Rows, now: float) -> None:
        slot = self.slot(now) + 1
        found = np.bincount(service, minlength=len(self.services)) > 0
        known = self._heard.get(slot)
        if known is not None:
            found[: len(known)] |= known
        self._heard[slot] = found

    def _count_served(self, spans: Columns, which: Rows, now: float) -> None:
        slots = self._slots(spans.start[which] + spans.duration[which], now, self._unread)
        weight, series = spans.weight[which], spans.series[which].astype(np.intp) * self.width
        root = spans.parent[which] == 0
        self.asked.add(slots, spans.service[which].astype(np.intp), weight)
        for part, keys, weights in self._cells(
            series, spans.duration[which], spans.failed[which], weight
        ):
            self.served.add(slots[part], keys, weights)
        self.served.add(slots[root], series[root] + ROOTS, weight[root])

    def _count_calls(self, joined: Joined, made: Calls, now: float) -> Rows:
        """The edge of each call."""
        self.counted["unpaired"] += made.unpaired
        if not len(made.index):
            return np.zeros(0, dtype=np.intp)
        joined.spans.told[made.index] = True
        edges = self.edges.of(made.caller.astype(np.intp), made.callee)
        series = edges * self.width
        slots = self._slots(made.end, now, self._unread_calls)
        for part, keys, weights in self._cells(series, made.duration, made.failed, made.weight):
            self.called.add(slots[part], keys, weights)
        return edges

    def _count_own_time(self, joined: Joined, own: Nanoseconds, now: float) -> None:
        spans = joined.spans
        which = np.flatnonzero((own >= 0) & (spans.series >= 0) & ~spans.parked)
        if not len(which):
            return
        slots = self._slots((spans.start + spans.duration)[which], now, self._unread_calls)
        series = spans.series[which].astype(np.intp) * self.width
        none = np.zeros(len(which), dtype=bool)
        for part, keys, weights in self._cells(series, own[which], none, spans.weight[which]):
            self.owned.add(slots[part], keys, weights)

    def _cells(
        self, series: Rows, durations: Nanoseconds, failed: Flags, weight: Floats
    ) -> Iterator[tuple[Flags | slice, Rows, Floats]]:
        """What n events add: (which of them, keys, weights)."""
        yield slice(None), series + BUCKETS + self.buckets.of(durations), weight
        if failed.any():
            yield failed, series[failed] + FAILED, weight[failed]
        sampled = weight != 1.0
        if sampled.any():
            excess = weight[sampled] * (weight[sampled] - 1.0)
            yield sampled, series[sampled] + EXCESS, excess

    def _slots(self, end: Nanoseconds, now: float, unread: int) -> Nanoseconds:
        """The slot of each end, (slot · step, (slot + 1) · step]; not past now, not read yet."""
        slots = -(-end // self._step) - 1
        np.minimum(slots, self.slot(now) + 1, out=slots)
        return np.maximum(slots, unread)


def _serves(spans: Columns) -> Flags:
    """What is a request to a service: a server's or consumer's span, or an inner root."""
    kind = spans.kind
    inner = (kind == SpanKind.INTERNAL) | (kind == SpanKind.UNSPECIFIED)
    serves: Flags = (kind == SpanKind.SERVER) | (kind == SpanKind.CONSUMER)
    return serves | (inner & (spans.parent == 0))
