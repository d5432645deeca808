"""The signals of one environment as PromQL, grouped by the identity that its metrics carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anomalyd.config import EnvironmentConfig
from anomalyd.model import (
    Gauge,
    HistogramQuantile,
    Kind,
    Matcher,
    PromQL,
    Rate,
    Ratio,
    Signal,
    SpanMetric,
)
from anomalyd.signals import promql
from anomalyd.signals.identity import Canonical
from anomalyd.signals.native.names import natives
from anomalyd.signals.presets import over_metrics
from anomalyd.signals.quantities import SPANS


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Several series of one query under one canonical key: `kept` was taken, `dropped` were not."""

    key: str
    kept: str
    dropped: tuple[str, ...]

    @property
    def sentence(self) -> str:
        more = f" and {len(self.dropped) - 1} more" if len(self.dropped) > 1 else ""
        return f"{self.kept} was taken, {self.dropped[0]}{more} left out"


def metrics_of(signal: Signal) -> tuple[str, ...]:
    """Names of the metrics that `signal` reads; none for an expression, which we do not parse."""
    match signal.definition:
        case Rate(one) | Gauge(one):
            return (one.metric,)
        case Ratio(bad, total):
            return (total.metric, bad.metric)
        case HistogramQuantile(one):
            return (f"{one.metric}_bucket", f"{one.metric}_count")
        case PromQL():
            return ()
        case SpanMetric():
            return (SPANS,)


def service_labels(
    signal: Signal, identity: Sequence[str], metrics: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    """The first of `identity` that every known metric of `signal` carries; all where none is known.

    Grouping by more than that one would split a service over the other labels' values.
    """
    known = [metrics[name] for name in metrics_of(signal) if name in metrics]
    for label in identity:
        if known and all(label in labels for labels in known):
            return (label,)
    return tuple(identity)


def compile_all(
    signals: Sequence[Signal],
    canonical: Canonical,
    metrics: Mapping[str, frozenset[str]],
    *,
    window: float,
    matchers: tuple[Matcher, ...],
    classic: frozenset[str] = frozenset(),
) -> list[promql.Compiled]:
    """One value query (and count query) per signal, in order.

    classic: histograms to be asked for in that form though they have a native one.
    """
    native = natives(metrics) - classic
    answered = [over_metrics(signal, metrics, canonical.service_labels) for signal in signals]
    return [
        promql.compile(
            signal,
            window=window,
            matchers=matchers,
            service_labels=service_labels(signal, canonical.service_labels, metrics),
            rename=canonical.rename,
            run_label=canonical.run_label,
            native=native,
        )
        for signal in answered
    ]


def compile_capacity(environment: EnvironmentConfig, window: float) -> str | None:
    """The query of an environment's capacity; None where it is a number."""
    if not isinstance(environment.capacity, str):
        return None
    signal = Signal("capacity", Kind.OTHER, PromQL(environment.capacity))
    return promql.compile(signal, window=window, matchers=environment.matchers).value
