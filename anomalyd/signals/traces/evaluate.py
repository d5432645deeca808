"""Signals over spans that come in directly, as `signals.evaluate` does over samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomalyd import telemetry
from anomalyd.model import EDGE, Batch, Floats, Rows, Signal, SpanMeasure, SpanMetric, Traced
from anomalyd.signals.histograms import quantile
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.signals.traces.buckets import Buckets
from anomalyd.signals.traces.grouping import Groups
from anomalyd.signals.traces.store import BUCKETS, EXCESS, FAILED, ROOTS, Limits, SpanStore
from anomalyd.spans import Flags, Spans

Found = tuple[Rows, Floats, Floats]
"""(rows, values, counts) of the groups of a signal"""


@dataclass(frozen=True, slots=True)
class _Sums:
    """What the window holds. served, owned: float64[operations, columns] of requests and of their
    own time; called: float64[edges, columns]; asked: float64[services], requests while the calls
    of `called` were made; heard: bool[services], of which anything arrived."""

    served: Floats
    owned: Floats
    called: Floats
    asked: Floats
    heard: Flags

    def of(self, metric: SpanMetric) -> Floats:
        if metric.edges:
            return self.called
        return self.owned if metric.measure is SpanMeasure.OWN_TIME else self.served


class _Asked:
    """One signal, its groups, and their rows in the table."""

    def __init__(
        self, index: int, signal: Signal, metric: SpanMetric, groups: Groups, bounds: Floats
    ) -> None:
        self.metric, self.groups, self.bounds = metric, groups, bounds
        self.scale = _scale(signal)
        self._index = index
        self._rows: list[int] = []

    def rows(self, table: SignalTable) -> Rows:
        """intp[groups]; -1 where the table is full."""
        new = self.groups.labels[len(self._rows) :]
        self._rows += [table.row(self._index, labels) for labels in new]
        return np.array(self._rows, dtype=np.intp)


class SpanEvaluator:
    """Takes spans, yields a Batch per tick: all signals of `table` that are measured of spans,
    or those of them that are among `answers`.

    Parameters: `window`: seconds, a multiple of `step`. `bounds`: by signal, the upper bounds in
    its unit of the histogram that the reference's latency comes from; the quantile is then read off
    these, as `histogram_quantile` would. Requests are those that ended in (time - lag - window,
    time - lag]; calls and own time, which wait for their traces, those that ended `hold` before.
    """

    def __init__(
        self,
        table: SignalTable,
        canonical: Canonical,
        window: float,
        step: float,
        *,
        limits: Limits | None = None,
        bounds: Mapping[str, Sequence[float]] | None = None,
        answers: frozenset[str] | None = None,
    ) -> None:
        self.table, self.window = table, window
        own = {s.name: _seconds(s, bounds or {}) for s in table.signals}
        exact = {bound for found in own.values() for bound in found.tolist()}
        self.store = SpanStore(canonical, Buckets(exact), step, limits or Limits())
        able = frozenset(s.name for s in table.signals if s.measure is not None)
        self.answered = able if answers is None else able & answers
        self.unsupported = tuple(s.name for s in table.signals if s.measure is None)
        self._told: Counter[str] = Counter()
        self._called: Floats = np.zeros(0)
        self._slots = max(round(window / step), 1)
        self._run_label = (canonical.run_label,) if canonical.run_label else ()
        self._groups: dict[object, Groups] = {}
        self._asked = [
            _Asked(
                index,
                signal,
                signal.definition,
                self._group(signal.by, signal.definition),
                own[signal.name],
            )
            for index, signal in enumerate(table.signals)
            if isinstance(signal.definition, SpanMetric) and signal.name in self.answered
        ]

    def take(self, spans: Spans, now: float) -> None:
        """Take in spans that arrived at `now`, unix seconds, which never goes back."""
        self.store.take(spans, now)

    def evaluate(self, time: float) -> Batch:
        """All signal series with a value; `time`: unix seconds, a multiple of the step."""
        store, limits = self.store, self.store.limits
        store.settle(time)
        for groups in self._groups.values():
            groups.extend()
        last = store.slot(time - limits.lag)
        last_of_calls = store.slot(time - limits.lag - limits.hold)
        sums = self._sums(last, last_of_calls, store.slot(time) + 1)
        self._called = sums.called[:, BUCKETS:].sum(axis=1)
        found = [self._values(asked, sums) for asked in self._asked]
        back = last_of_calls - self._slots + 1
        until = store.end(last_of_calls)
        traced = store.steps.traced(back, last_of_calls, until, self.window)
        store.read_to(last, last_of_calls)
        store.forget(back)
        self._tell_what_was_left_out()
        return self._batch(time, found, traced)

    def calls(self) -> list[tuple[str, str, float]]:
        """(client, server, calls per second) in the window that was evaluated last."""
        client, server = EDGE
        labels = self.store.edges.labels
        return [
            (labels[i].get(client), labels[i].get(server), float(self._called[i]) / self.window)
            for i in np.flatnonzero(self._called).tolist()
        ]

    def _tell_what_was_left_out(self) -> None:
        fresh = self.store.counted - self._told
        for reason, count in fresh.items():
            telemetry.spans_left_out.add(count, {"reason": reason})
        self._told += fresh

    def _batch(self, time: float, found: list[Found], traced: Traced) -> Batch:
        rows = np.concatenate([np.zeros(0, dtype=np.intp), *(one[0] for one in found)])
        values = np.concatenate([np.zeros(0), *(one[1] for one in found)])
        counts = np.concatenate([np.zeros(0), *(one[2] for one in found)])
        seen = np.isfinite(values) & (rows >= 0)
        return Batch(time, rows[seen], values[seen], counts[seen], self.answered, (), traced)

    def _sums(self, last: int, last_of_calls: int, now: int) -> _Sums:
        store, back = self.store, self._slots - 1
        served, called, width = len(store.operations), len(store.edges), store.width
        calls = (last_of_calls - back, last_of_calls)
        return _Sums(
            served=store.served.total(last - back, last, served * width).reshape(served, width),
            owned=store.owned.total(*calls, served * width).reshape(served, width),
            called=store.called.total(*calls, called * width).reshape(called, width),
            asked=store.asked.total(*calls, len(store.services)),
            heard=store.heard(last - back, now),
        )

    def _values(self, asked: _Asked, sums: _Sums) -> Found:
        metric, groups = asked.metric, asked.groups
        rows, cells = asked.rows(self.table), groups.sum(sums.of(metric))
        calls = cells[:, BUCKETS:].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            sample = calls**2 / (calls + cells[:, EXCESS])
            match metric.measure:
                case SpanMeasure.FAILED:
                    return rows, cells[:, FAILED] / calls, sample
                case SpanMeasure.DURATION | SpanMeasure.OWN_TIME:
                    return rows, asked.scale * self._quantile(cells, asked), sample
                case SpanMeasure.PER_REQUEST:
                    requests = groups.requests(sums.asked)
                    return rows, calls / requests, requests
                case SpanMeasure.CALLS | SpanMeasure.ENTRIES:
                    all_of_them = metric.measure is SpanMeasure.CALLS
                    rate = (calls if all_of_them else cells[:, ROOTS]) / self.window
                    known = groups.any(sums.heard)
                    return rows, np.where(known, rate, np.nan), np.full(len(rows), np.nan)

    def _quantile(self, cells: Floats, asked: _Asked) -> Floats:
        buckets, wanted = cells[:, BUCKETS:], asked.metric.quantile
        if not len(asked.bounds):
            return self.store.buckets.quantile(buckets, wanted)
        cumulative = self.store.buckets.at(buckets, asked.bounds)
        n, size = cumulative.shape
        starts, bounds = np.arange(n + 1) * size, np.tile(asked.bounds, n)
        return quantile(starts, bounds, cumulative.ravel(), np.full(n, wanted))

    def _group(self, by: tuple[str, ...], metric: SpanMetric) -> Groups:
        """One for all signals that group alike."""
        key = by, metric.edges, metric.service
        if key not in self._groups:
            of = self.store.edges if metric.edges else self.store.operations
            self._groups[key] = Groups(of, (*by, *self._run_label), metric.service)
        return self._groups[key]


def _scale(signal: Signal) -> float:
    """Seconds in the signal's unit."""
    return 1000.0 if signal.unit == "ms" else 1.0


def _seconds(signal: Signal, bounds: Mapping[str, Sequence[float]]) -> Floats:
    """The bounds of a signal's histogram, in seconds, the last infinite; none where it has none."""
    own = bounds.get(signal.name, ())
    return np.array([*sorted(bound / _scale(signal) for bound in own), np.inf] if own else [])
