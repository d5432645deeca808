"""Signals of spans as TraceQL metrics: which queries, and what their answers come to. Pure.

What is measured is what `signals.traces` measures of spans that are sent to us, as far as TraceQL
can tell it: own time needs whole traces, and a callee is known by `peer.service` alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomalyd.clients.tempo import Points
from anomalyd.model import EDGE, Floats, Labels, Signal, SpanMeasure, SpanMetric
from anomalyd.signals.identity import Canonical
from anomalyd.signals.traces.folding import fold

SERVED = (
    "(kind = server || kind = consumer || "
    "(nestedSetParent < 0 && (kind = internal || kind = unspecified)))"
)
"""As `signals.traces.store` has it: what is a request to a service."""

ROOT = "nestedSetParent < 0"
CALLED = "(kind = client || kind = producer) && span.peer.service != nil"

NAME, PEER = "resource.service.name", "span.peer.service"
_LABELS = {NAME: "service_name", "name": "span_name"}
_EDGE_LABELS = {NAME: EDGE[0], PEER: EDGE[1]}

MEASURES = frozenset(SpanMeasure) - {SpanMeasure.OWN_TIME}

Answers = Mapping[str, Sequence[Points]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One signal. total, part: queries of the rate of what is counted, and of what fails or begins
    of it; quantile, requests: of durations, and of the callers' own requests; '' where not needed.
    """

    signal: Signal
    metric: SpanMetric
    total: str
    part: str = ""
    quantile: str = ""
    requests: str = ""

    @property
    def of_values(self) -> tuple[str, ...]:
        """Queries that its values come of."""
        if self.quantile:
            return (self.quantile,)
        return tuple(query for query in (self.total, self.part, self.requests) if query)

    @property
    def of_counts(self) -> tuple[str, ...]:
        """Queries that the counts behind its values come of; none where it is a rate itself."""
        match self.metric.measure:
            case SpanMeasure.FAILED | SpanMeasure.DURATION:
                return (self.total,)
            case SpanMeasure.PER_REQUEST:
                return self.total, self.requests
            case _:
                return ()

    @property
    def value_text(self) -> str:
        """Names what is stored of it."""
        of = f" of {self.metric.service}" if self.metric.service else ""
        whose = "" if self.signal.by else ", summed"
        return " / ".join(self.of_values) + of + whose

    @property
    def count_text(self) -> str | None:
        return "count: " + " / ".join(self.of_counts) if self.of_counts else None


Found = dict[Labels, Floats]
"""float64[T] by raw labels; NaN where there is nothing to tell."""


def compile_all(signals: Iterable[Signal], conditions: str, run_label: str | None) -> list[Asked]:
    """Of the signals that TraceQL can tell. conditions: what every span must meet, '' for none."""
    return [
        asked
        for signal in signals
        if (asked := _compiled(signal, conditions, run_label)) is not None
    ]


def _compiled(signal: Signal, conditions: str, run_label: str | None) -> Asked | None:
    metric = signal.definition
    if not isinstance(metric, SpanMetric) or metric.measure not in MEASURES:
        return None
    kind = CALLED if metric.edges else SERVED
    extra = [f"resource.{run_label}"] if run_label else []

    def rate(*more: str, by: Sequence[str] = _by(signal, metric)) -> str:
        return _query("rate()", (conditions, kind, *more), (*by, *extra))

    total = rate()
    match metric.measure:
        case SpanMeasure.CALLS:
            return Asked(signal, metric, total)
        case SpanMeasure.ENTRIES:
            return Asked(signal, metric, total, part=rate(ROOT))
        case SpanMeasure.FAILED:
            return Asked(signal, metric, total, part=rate("status = error"))
        case SpanMeasure.DURATION:
            function = f"quantile_over_time(duration, {metric.quantile:g})"
            by = (*_by(signal, metric), *extra)
            return Asked(signal, metric, total, quantile=_query(function, (conditions, kind), by))
        case _:
            own = _query("rate()", (conditions, SERVED), (NAME, *extra))
            return Asked(signal, metric, total, requests=own)


def _query(function: str, conditions: Iterable[str], by: Sequence[str]) -> str:
    met = " && ".join(one for one in conditions if one)
    return f"{{ {met} }} | {function} by ({', '.join(by)})"


def _by(signal: Signal, metric: SpanMetric) -> tuple[str, ...]:
    """Always by service too, which says whether it is there at all."""
    if metric.edges:
        return NAME, PEER
    return (NAME, "name") if "operation" in signal.by else (NAME,)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Of the answers to one signal's queries at each of `ends` (unix milliseconds), over the
    `window` (seconds) before it."""

    asked: Asked
    answers: Answers
    ends: Sequence[int]
    window: float
    canonical: Canonical

    def values(self) -> Found:
        """A rate is 0 where the service did something and this was not among it; where it did
        nothing at all there is no value. A latency of names that fold to one is left out."""
        asked = self.asked
        match asked.metric.measure:
            case SpanMeasure.CALLS:
                total = self._grouped(asked.total)
                return self._rates(total, total)
            case SpanMeasure.ENTRIES:
                return self._rates(self._grouped(asked.part), self._grouped(asked.total))
            case SpanMeasure.FAILED:
                part, total = self._grouped(asked.part), self._grouped(asked.total)
                return _ratios(_folded(part), _folded(total), most=1.0)
            case SpanMeasure.DURATION:
                return self._quantiles(self._grouped(asked.quantile))
            case _:
                total = self._grouped(asked.total)
                return _ratios(total, self._requests(total))

    def counts(self) -> Found:
        """Events behind each value."""
        if not self.asked.of_counts:
            return {}
        total = self._grouped(self.asked.total)
        whole = self._requests(total) if self.asked.requests else _folded(total)
        return {labels: np.where(r > 0, r * self.window, np.nan) for labels, r in whole.items()}

    def _grouped(self, query: str) -> Found:
        """By raw labels; what has no service, or another than is wanted, is left out."""
        places = {end: place for place, end in enumerate(self.ends)}
        names = _EDGE_LABELS if self.asked.metric.edges else _LABELS
        wanted, out = self.asked.metric.service, Found()
        for one in self.answers[query]:
            own = {names.get(k, k.removeprefix("resource.")): v for k, v in one.labels.items()}
            own.pop("p", None)
            service = own.get("service_name") or own.get(EDGE[0])
            if not service or (wanted and self.canonical.named(service) != wanted):
                continue
            row = out.setdefault(Labels.of(own), np.zeros(len(self.ends)))
            for end, value in one.values.items():
                if end in places:
                    row[places[end]] += value
        return out

    def _rates(self, rates: Found, total: Found) -> Found:
        """Rates of `total`'s series, 0 where `rates` has none of it."""
        services = _by_service(total)
        whole = {labels: rates.get(labels, np.zeros_like(row)) for labels, row in total.items()}
        alive = {labels: services[service_of(labels)] > 0 for labels in whole}
        if self.asked.signal.by:
            known = {_fold(labels): there for labels, there in alive.items()}
            return {to: np.where(known[to], row, np.nan) for to, row in _folded(whole).items()}
        summed, there = Found(), Found()
        for labels, row in whole.items():
            to = labels.without(("service_name", "span_name"))
            summed[to] = summed.get(to, np.zeros_like(row)) + row
            there[to] = there.get(to, np.zeros_like(row)) + alive[labels]
        return {to: np.where(there[to] > 0, row, np.nan) for to, row in summed.items()}

    def _quantiles(self, quantile: Found) -> Found:
        scale = 1000.0 if self.asked.signal.unit == "ms" else 1.0
        names = Counter(map(_fold, quantile))
        return {
            _fold(labels): np.where(row > 0, scale * row, np.nan)
            for labels, row in quantile.items()
            if names[_fold(labels)] == 1
        }

    def _requests(self, calls: Found) -> Found:
        """The callers' own requests, for each of their calls."""
        of = self._grouped(self.asked.requests)
        return {
            labels: of.get(labels.without((EDGE[1],)), np.zeros_like(row))
            for labels, row in calls.items()
        }


def _ratios(part: Found, whole: Found, most: float = np.inf) -> Found:
    """part / whole where there is any of it; series are those of `whole`."""
    return {
        labels: np.minimum(
            np.divide(
                part.get(labels, np.zeros_like(row)),
                row,
                out=np.full_like(row, np.nan),
                where=row > 0,
            ),
            most,
        )
        for labels, row in whole.items()
    }


def _by_service(total: Found) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for labels, row in total.items():
        service = service_of(labels)
        found[service] = found.get(service, np.zeros_like(row)) + row
    return found


def service_of(labels: Labels) -> str:
    """Whose spans the raw labels are of."""
    return labels.get("service_name") or labels.get(EDGE[0])


def _folded(grouped: Found) -> Found:
    out = Found()
    for labels, row in grouped.items():
        to = _fold(labels)
        out[to] = out[to] + row if to in out else row
    return out


def _fold(labels: Labels) -> Labels:
    """Operations by their folded names, as those of spans that are sent to us."""
    name = labels.get("span_name")
    return Labels.of({**dict(labels), "span_name": fold(name)}) if name else labels


def edges_query(conditions: str) -> str:
    """Calls per second by who calls and what is called."""
    return _query("rate()", (conditions, CALLED), (NAME, PEER))
