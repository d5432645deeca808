"""Ready-made signals: for each quantity the metrics that may carry it, first found wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anomalyd.model import (
    LOAD_SIGNAL,
    Change,
    Definition,
    Gauge,
    HistogramQuantile,
    Kind,
    Matcher,
    PromQL,
    Rate,
    Ratio,
    Selector,
    Signal,
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
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A quantity of a preset and what it became; `tried` are the metrics looked for, in order."""

    preset: str
    quantity: Quantity
    signal: Signal | None
    metric: str | None
    tried: tuple[str, ...]


def _rate(metric: str, unit: str, *matchers: Matcher) -> Alternative:
    labels = frozenset(matcher.label for matcher in matchers)
    return Alternative(metric, Rate(Selector(metric, matchers)), unit, labels)


def _p95(histogram: str, unit: str, *matchers: Matcher) -> Alternative:
    labels = frozenset({"le", *(matcher.label for matcher in matchers)})
    definition = HistogramQuantile(Selector(histogram, matchers), 0.95)
    return Alternative(f"{histogram}_bucket", definition, unit, labels)


def _failed(counter: str, status: str, failure: str, *matchers: Matcher) -> Alternative:
    op = "=~" if "." in failure else "="
    bad = Selector(counter, (*matchers, Matcher(status, op, failure)))
    labels = frozenset({status, *(matcher.label for matcher in matchers)})
    return Alternative(counter, Ratio(bad, Selector(counter, matchers)), "ratio", labels)


def _gauge(metric: str, agg: str, unit: str, *without: str) -> Alternative:
    return Alternative(metric, Gauge(Selector(metric), agg), unit, without=frozenset(without))


_SERVER = Matcher("span_kind", "=", "SPAN_KIND_SERVER")
_UNEXPECTED = Matcher("expected_response", "=", "false")

HTTP_HISTOGRAMS = (
    ("http_server_request_duration_seconds", "s", ("http_response_status_code",)),
    ("http_server_duration_milliseconds", "ms", ("http_status_code",)),
    ("http_server_requests_seconds", "s", ("status",)),
    ("http_request_duration_seconds", "s", ("status_code", "code", "status")),
    ("http_request_duration_highr_seconds", "s", ()),
)
"""(histogram, unit, status labels): OpenTelemetry now and before, Micrometer, the usual names."""

HTTP_COUNTERS = (
    ("http_requests_total", ("code", "status", "status_code")),
    ("http_server_requests_total", ("code", "status", "status_code")),
    ("starlette_requests_total", ("status_code",)),
    ("flask_http_request_total", ("status",)),
    ("django_http_responses_total_by_status_total", ("status",)),
)

SPAN_METRICS = (
    ("traces_spanmetrics_calls_total", "traces_spanmetrics_latency", "s"),
    ("traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds", "s"),
    ("traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds", "ms"),
)
"""(calls, histogram, its unit) of Tempo's generator and of the collector's connector."""

PRESETS: dict[str, tuple[Quantity, ...]] = {
    "http": (
        Quantity(
            "request_rate",
            Kind.TRAFFIC,
            (
                *(_rate(f"{name}_count", "req/s") for name, _, _ in HTTP_HISTOGRAMS),
                *(_rate(name, "req/s") for name, _ in HTTP_COUNTERS),
                *(_rate(calls, "req/s", _SERVER) for calls, _, _ in SPAN_METRICS),
            ),
            worse=Worse.BOTH,
        ),
        Quantity(
            "latency_p95",
            Kind.LATENCY,
            (
                *(_p95(name, unit) for name, unit, _ in HTTP_HISTOGRAMS),
                *(_p95(name, unit, _SERVER) for _, name, unit in SPAN_METRICS),
            ),
        ),
        Quantity(
            "error_ratio",
            Kind.ERRORS,
            (
                *(
                    _failed(f"{name}_count", status, "5..")
                    for name, _, labels in HTTP_HISTOGRAMS
                    for status in labels
                ),
                *(
                    _failed(name, label, "5..")
                    for name, labels in HTTP_COUNTERS
                    for label in labels
                ),
                *(
                    _failed(calls, "status_code", "STATUS_CODE_ERROR", _SERVER)
                    for calls, _, _ in SPAN_METRICS
                ),
            ),
        ),
    ),
    "process": (
        Quantity(
            "cpu",
            Kind.SATURATION,
            (
                _rate("process_cpu_seconds_total", "cores"),
                _rate("process_cpu_time_seconds_total", "cores"),
            ),
        ),
        Quantity(
            "memory",
            Kind.RESOURCE,
            (
                _gauge("process_resident_memory_bytes", "max", "By"),
                _gauge("process_memory_usage_bytes", "max", "By"),
            ),
        ),
    ),
    "k6": (
        Quantity(
            "k6_latency_p99",
            Kind.LATENCY,
            (_gauge("k6_http_req_duration_p99", "max", "s"),),
            by=("scenario",),
        ),
        Quantity(
            "k6_error_ratio",
            Kind.ERRORS,
            (
                _failed("k6_http_reqs_total", _UNEXPECTED.label, _UNEXPECTED.value),
                _gauge("k6_http_req_failed_rate", "avg", "ratio", "status", "expected_response"),
            ),
            by=("scenario",),
        ),
        Quantity(
            "k6_dropped_iterations",
            Kind.SATURATION,
            (_rate("k6_dropped_iterations_total", "1/s"),),
            by=("scenario",),
        ),
    ),
}
"""k6's failures are counted by its own tag: its failed rate, split by status, is all 0 and 1.
Virtual users are left out: they are the means of the test, not a symptom."""


def metric_names(presets: Sequence[str]) -> frozenset[str]:
    """Every metric that `presets` look for."""
    quantities = (quantity for preset in presets for quantity in PRESETS[preset])
    return frozenset(one.metric for quantity in quantities for one in quantity.alternatives)


def describe(presets: Sequence[str], metrics: Metrics) -> list[Found]:
    """Every quantity of `presets` with what it becomes in an environment that has `metrics`."""
    return [_find(preset, quantity, metrics) for preset in presets for quantity in PRESETS[preset]]


def resolve(presets: Sequence[str], metrics: Metrics) -> list[Signal]:
    """The signals of `presets` that `metrics` can carry, in the presets' order."""
    return [found.signal for found in describe(presets, metrics) if found.signal]


def load_signal(
    signals: Sequence[Signal],
    entry: str | None,
    service_labels: Sequence[str],
    metrics: Metrics,
    configured: Rate | PromQL | None,
) -> Signal | None:
    """Offered load at the entry: as configured, else the request rate of `entry`, or of all.

    None where neither is to be had. `entry` is compared with the first of `service_labels` that
    the metric carries, before any rewrite.
    """
    definition = configured or _request_rate(signals, entry, service_labels, metrics)
    if definition is None:
        return None
    return Signal(LOAD_SIGNAL, Kind.TRAFFIC, definition, by=(), unit="req/s", worse=Worse.BOTH)


def _request_rate(
    signals: Sequence[Signal], entry: str | None, service_labels: Sequence[str], metrics: Metrics
) -> Rate | None:
    rates = (s.definition for s in signals if s.kind is Kind.TRAFFIC)
    rate = next((definition for definition in rates if isinstance(definition, Rate)), None)
    if rate is None or not entry:
        return rate
    carried = metrics.get(rate.rate.metric, frozenset())
    label = next((name for name in service_labels if name in carried), None)
    if label is None:
        return None
    return Rate(Selector(rate.rate.metric, (*rate.rate.matchers, Matcher(label, "=", entry))))


def _find(preset: str, quantity: Quantity, metrics: Metrics) -> Found:
    chosen = next((one for one in quantity.alternatives if one.found_in(metrics)), None)
    return Found(
        preset=preset,
        quantity=quantity,
        signal=quantity.signal(chosen) if chosen else None,
        metric=chosen.metric if chosen else None,
        tried=tuple(dict.fromkeys(one.metric for one in quantity.alternatives)),
    )
