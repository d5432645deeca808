"""What a preset is made of: a quantity, and the ways that metrics may carry it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from anomalyd.model import (
    Change,
    Definition,
    Gauge,
    HistogramQuantile,
    Kind,
    Matcher,
    Rate,
    Ratio,
    Selector,
    Signal,
    SpanMeasure,
    SpanMetric,
    Worse,
)

Metrics = Mapping[str, frozenset[str]]
"""The metrics that an environment has, each with the names of the labels on it."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to a quantity, where `metric` is there with all of `labels` and none of `without`."""

    metric: str
    definition: Definition
    unit: str
    labels: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    rename: tuple[tuple[str, str], ...] = ()

    def named(self, **labels: str) -> Alternative:
        """The same where `labels`, canonical name to the metric's own, say what it is of."""
        own = tuple((label, to) for to, label in labels.items())
        return replace(self, labels=self.labels | set(labels.values()), rename=own)

    def found_in(self, metrics: Metrics) -> bool:
        carried = metrics.get(self.metric)
        return carried is not None and self.labels <= carried and not self.without & carried


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a preset judges: one signal, by the first of its alternatives that is found."""

    name: str
    kind: Kind
    alternatives: tuple[Alternative, ...]
    worse: Worse = Worse.UP
    by: tuple[str, ...] = ("service",)

    def signal(self, found: Alternative) -> Signal:
        errors = self.kind is Kind.ERRORS
        return Signal(
            name=self.name,
            kind=self.kind,
            definition=found.definition,
            by=self.by,
            unit=found.unit,
            worse=self.worse,
            tolerate=Change(absolute=0.005) if errors else Change(relative=0.05),
            detect=Change(absolute=0.05) if errors else Change(relative=0.5),
            rename=found.rename,
        )


SPANS = "spans that arrive"
"""What an environment has instead of a metric where spans are sent to us; no metric's name."""


def spans(measure: SpanMeasure, unit: str, *like: Alternative) -> Alternative:
    """Measured of spans that arrive; like: how metrics name what it is of."""
    edges = any(to == "client" for one in like for _, to in one.rename)
    rename = next((one.rename for one in like), ())
    return Alternative(SPANS, SpanMetric(measure, edges), unit, rename=rename)


def rate(metric: str, unit: str, *matchers: Matcher) -> Alternative:
    labels = frozenset(matcher.label for matcher in matchers)
    return Alternative(metric, Rate(Selector(metric, matchers)), unit, labels)


def p95(histogram: str, unit: str, *matchers: Matcher) -> Alternative:
    labels = frozenset({"le", *(matcher.label for matcher in matchers)})
    definition = HistogramQuantile(Selector(histogram, matchers), 0.95)
    return Alternative(f"{histogram}_bucket", definition, unit, labels)


def failed(counter: str, status: str, failure: str, *matchers: Matcher) -> Alternative:
    op = "=~" if set(failure) & set(".|") else "="
    bad = Selector(counter, (*matchers, Matcher(status, op, failure)))
    labels = frozenset({status, *(matcher.label for matcher in matchers)})
    return Alternative(counter, Ratio(bad, Selector(counter, matchers)), "ratio", labels)


def gauge(metric: str, agg: str, unit: str, *without: str) -> Alternative:
    return Alternative(metric, Gauge(Selector(metric), agg), unit, without=frozenset(without))
